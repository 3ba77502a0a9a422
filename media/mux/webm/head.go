package webm

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"time"

	"github.com/reelvault/reelvault"
)

const (
	app         = "Reelvault"
	seekPreRoll = 80 * time.Millisecond // of Opus (RFC 9559, section 5.1.4.1.29)

	seekSlot     = 21 // bytes of a Seek element, or of the Void in its place
	durationSlot = 11 // bytes of a Duration element, or of the Void in its place
	minVoid      = 9
)

// matroskaEpoch is where DateUTC counts from (RFC 8794, section 7.6).
var matroskaEpoch = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

// head is the first HeadSize bytes of a file, with the places that finish
// overwrites. They keep their place and size for the file's whole life.
type head struct {
	b        []byte
	segment  int // of the Segment's eight size bytes
	cues     int // of the Seek element for the cues
	duration int // of the Duration element
}

// newHead makes the head of a file whose end is not known yet.
func newHead(c reelvault.Container, start time.Time, specs []TrackSpec) (*head, error) {
	h := &head{b: make([]byte, 0, HeadSize)}
	h.b = appendBytes(h.b, idEBML, ebmlHeader(docTypes[c]))
	h.b = appendID(h.b, idSegment)
	h.segment = len(h.b)
	h.b = appendSizeIn(h.b, unknownSize, 8)

	h.b = appendSize(appendID(h.b, idSeekHead), 3*seekSlot)
	seeks := len(h.b)
	h.cues = seeks + 2*seekSlot
	h.b = append(h.b, make([]byte, 3*seekSlot)...)
	info := len(h.b)
	h.b = appendBytes(h.b, idInfo, h.info(start))
	tracks := len(h.b)
	h.b = appendBytes(h.b, idTracks, trackEntries(start, specs))
	if len(h.b) > HeadSize-minVoid {
		return nil, reelvault.Errorf(reelvault.Invalid,
			"%d tracks take %d bytes of the file's head, which has %d", len(specs), len(h.b), HeadSize-minVoid)
	}
	h.b = appendVoid(h.b, HeadSize-len(h.b))

	seek := appendSeek(nil, idInfo, info-h.data())
	seek = appendSeek(seek, idTracks, tracks-h.data())
	copy(h.b[seeks:], appendVoid(seek, seekSlot))
	return h, nil
}

// data is where positions in the Segment count from.
func (h *head) data() int { return h.segment + 8 }

// info makes the Info element's body and notes where its duration will be.
// It is called when the element's header is about to be appended: its length
// is below 127, so that the header takes five bytes.
func (h *head) info(start time.Time) []byte {
	b := appendUint(nil, idTimestampScale, uint64(time.Millisecond))
	h.duration = len(h.b) + 5 + len(b)
	b = appendVoid(b, durationSlot)
	b = appendUintIn(b, idDateUTC, uint64(start.Sub(matroskaEpoch)), 8)
	b = appendString(b, idMuxingApp, app)
	return appendString(b, idWritingApp, app)
}

// finish enters the file's size, where its cues are (zero: there are none)
// and how long it plays (zero: nothing).
func (h *head) finish(size, cues int64, duration time.Duration) {
	copy(h.b[h.segment:], appendSizeIn(nil, uint64(size-int64(h.data())), 8))
	seek := appendVoid(nil, seekSlot)
	if cues > 0 {
		seek = appendSeek(nil, idCues, int(cues)-h.data())
	}
	copy(h.b[h.cues:], seek)
	length := appendVoid(nil, durationSlot)
	if duration > 0 {
		length = appendFloat(nil, idDuration, float64(duration)/float64(time.Millisecond))
	}
	copy(h.b[h.duration:], length)
}

// finished reads back what finish entered; false if it did not.
func (h *head) finished() (size, cues int64, ok bool) {
	v := readUint(h.b[h.segment:h.data()]) &^ (1 << 56)
	if v == unknownSize || v > math.MaxInt64/2 {
		return 0, 0, false
	}
	if h.b[h.cues] != idVoid {
		cues = int64(binary.BigEndian.Uint64(h.b[h.cues+seekSlot-8:])) + int64(h.data())
	}
	return int64(v) + int64(h.data()), cues, true
}

// length is the duration that finish entered.
func (h *head) length() time.Duration {
	if h.b[h.duration] == idVoid {
		return 0
	}
	ms := math.Float64frombits(binary.BigEndian.Uint64(h.b[h.duration+durationSlot-8:]))
	if !(ms >= 0 && ms < float64(math.MaxInt64/time.Millisecond)) {
		return 0
	}
	return time.Duration(math.Round(ms * float64(time.Millisecond)))
}

func ebmlHeader(docType string) []byte {
	b := appendUint(nil, idEBMLVersion, 1)
	b = appendUint(b, idEBMLReadVersion, 1)
	b = appendUint(b, idEBMLMaxIDLength, 4)
	b = appendUint(b, idEBMLMaxSizeLength, 8)
	b = appendString(b, idDocType, docType)
	b = appendUint(b, idDocTypeVersion, 4)        // CodecDelay and SeekPreRoll
	return appendUint(b, idDocTypeReadVersion, 2) // SimpleBlock
}

func appendSeek(b []byte, id uint32, position int) []byte {
	s := appendUintIn(nil, idSeekID, uint64(id), 4)
	s = appendUintIn(s, idSeekPosition, uint64(position), 8)
	return appendBytes(b, idSeek, s)
}

func trackEntries(start time.Time, specs []TrackSpec) []byte {
	var b []byte
	for i, s := range specs {
		b = appendBytes(b, idTrackEntry, trackEntry(start, i+1, s))
	}
	return b
}

func trackEntry(start time.Time, lane int, s TrackSpec) []byte {
	b := appendUint(nil, idTrackNumber, uint64(lane))
	b = appendUintIn(b, idTrackUID, trackUID(start, lane), 8)
	kind := uint64(1) // video
	if s.audio() {
		kind = 2
	}
	b = appendUint(b, idTrackType, kind)
	b = appendUint(b, idFlagLacing, 0)
	b = appendString(b, idLanguage, "und")
	if s.Name != "" {
		b = appendString(b, idName, s.Name)
	}
	b = appendString(b, idCodecID, codecIDs[s.Codec])
	if len(s.Private) > 0 {
		b = appendBytes(b, idCodecPrivate, s.Private)
	}
	if s.audio() {
		b = appendUint(b, idCodecDelay, 0)
		b = appendUint(b, idSeekPreRoll, uint64(seekPreRoll))
		a := appendFloat(nil, idSamplingFrequency, 48000)
		return appendBytes(b, idAudio, appendUint(a, idChannels, uint64(s.Channels)))
	}
	// Zero is not a legal size. Two bytes each, so that a picture that grows moves nothing.
	v := appendUintIn(nil, idPixelWidth, uint64(max(s.Width, 1)), 2)
	return appendBytes(b, idVideo, appendUintIn(v, idPixelHeight, uint64(max(s.Height, 1)), 2))
}

// trackUID gives the same id for the same lane of a file begun at the same
// instant, so that equal input makes equal bytes. It is never zero.
func trackUID(start time.Time, lane int) uint64 {
	h := fnv.New64a()
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(start.UnixNano()))
	binary.BigEndian.PutUint64(b[8:], uint64(lane))
	_, _ = h.Write(b[:]) // never fails
	return max(h.Sum64(), 1)
}
