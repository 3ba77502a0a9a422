package webrtc

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/transport/v5/packetio"

	"github.com/reelvault/reelvault/media"
)

const (
	// maxStreams bounds the SSRCs of a connection, RTX and RTCP counted: a
	// browser with ten tracks has forty. Whoever has more is flooding.
	maxStreams = 128

	// maxTracks bounds the tracks a connection may begin by changing codecs.
	maxTracks = 64

	// takeover is how long a section's SSRC must be silent before another may
	// take its place: two at once are layers of one picture, and only one is
	// recorded. It is longer than the time between two pictures at 5 a second.
	takeover = 250 * time.Millisecond
)

var errTooManyStreams = errors.New("the client sends too many streams")

// bufferFactory makes what pion writes decrypted packets into.
type bufferFactory = func(kind packetio.BufferPacketType, ssrc uint32) io.ReadWriteCloser

// An ingest takes the packets of one publisher. pion writes RTP from one
// goroutine and RTCP from another.
type ingest struct {
	conn    *conn
	capture media.Capture
	lanes   []*lane
	twccID  uint8 // header extension ids, 0 if not negotiated
	midID   uint8
	sender  uint32 // SSRC of our RTCP
	started time.Time

	// RTP goroutine only.
	header rtp.Header
	tracks int

	streams atomic.Int32

	mu       sync.Mutex // guards what follows, and what lanes say it guards
	closed   bool
	bySSRC   map[uint32]*lane
	recorder *twcc.Recorder
	dirty    bool // the recorder holds something to report
	nextTWCC time.Time
	nextRR   time.Time
}

func newIngest(c *conn) *ingest {
	in := &ingest{conn: c, sender: rand.Uint32(), bySSRC: map[uint32]*lane{}, started: c.server.config.Now()}
	in.recorder = twcc.NewRecorder(in.sender)
	for _, s := range c.kept {
		in.lanes = append(in.lanes, newLane(in, s))
		if id := s.extensions[sdp.TransportCCURI]; id != 0 {
			in.twccID = uint8(id)
		}
		if id := s.extensions[sdp.SDESMidURI]; id != 0 {
			in.midID = uint8(id)
		}
	}
	return in
}

// buffer is the bufferFactory of a publisher. pion calls it for each new SSRC
// of an authenticated packet, holding locks of its own.
func (in *ingest) buffer(kind packetio.BufferPacketType, ssrc uint32) io.ReadWriteCloser {
	if in.streams.Add(1) > maxStreams {
		in.conn.cancel(errTooManyStreams)
		return discard{}
	}
	if kind == packetio.RTCPBufferPacket {
		return &reportStream{in: in, ssrc: ssrc}
	}
	st := &stream{in: in, ssrc: ssrc}
	st.lane, st.ignored = in.declared(ssrc)
	return st
}

// declared finds the lane of an SSRC that the offer declares. Those that are
// declared beside a lane's are ignored.
func (in *ingest) declared(ssrc uint32) (found *lane, ignored bool) {
	for _, l := range in.lanes {
		if ssrc == l.primary || ssrc == l.repair {
			return l, false
		}
		if slices.Contains(l.section.ssrcs, ssrc) {
			return nil, true
		}
	}
	return nil, false
}

// A stream takes the RTP of one SSRC. Its methods but Close are called from
// the RTP goroutine.
type stream struct {
	in      *ingest
	ssrc    uint32
	lane    *lane // nil until known
	ignored bool
}

// Read tells pion that there is nothing to read: Write has taken it.
func (st *stream) Read([]byte) (int, error) { return 0, io.EOF }

// Close implements io.Closer.
func (st *stream) Close() error { return nil }

// Write takes one decrypted packet. b is pion's and reused after the return.
func (st *stream) Write(b []byte) (int, error) {
	in := st.in
	now := in.conn.server.config.Now()
	counts := &in.conn.server.counts
	counts.packets.Add(1)
	counts.bytes.Add(uint64(len(b)))
	payload, ok := parseRTP(&in.header, b)
	if !ok {
		counts.malformed.Add(1)
		return len(b), nil
	}
	in.noteTransport(st.ssrc, now)
	l := st.resolve()
	if l == nil || st.ignored {
		counts.unwanted.Add(1)
		return len(b), nil
	}
	l.take(arrived{header: &in.header, payload: payload, at: now})
	return len(b), nil
}

// parseRTP reads the header of b and gives the payload without padding.
func parseRTP(h *rtp.Header, b []byte) ([]byte, bool) {
	n, err := h.Unmarshal(b)
	if err != nil || h.Version != 2 {
		return nil, false
	}
	payload := b[n:]
	if !h.Padding {
		return payload, true
	}
	if len(payload) == 0 {
		return nil, false
	}
	pad := int(payload[len(payload)-1])
	if pad == 0 || pad > len(payload) {
		return nil, false
	}
	return payload[:len(payload)-pad], true
}

// noteTransport records the arrival for transport-wide feedback, for every
// packet: padding and retransmissions probe the bandwidth, too.
func (in *ingest) noteTransport(ssrc uint32, now time.Time) {
	if in.twccID == 0 {
		return
	}
	ext := in.header.GetExtension(in.twccID)
	if len(ext) != 2 {
		return
	}
	in.mu.Lock()
	in.recorder.Record(ssrc, uint16(ext[0])<<8|uint16(ext[1]), now.Sub(in.started).Microseconds())
	in.dirty = true
	in.mu.Unlock()
}

// resolve finds the lane of an undeclared SSRC: by the MID its packets carry
// (RFC 8843, section 9.2), else by the payload type.
func (st *stream) resolve() *lane {
	if st.lane != nil || st.ignored {
		return st.lane
	}
	in := st.in
	if in.midID != 0 {
		if mid := in.header.GetExtension(in.midID); len(mid) > 0 {
			for _, l := range in.lanes {
				if l.section.mid == string(mid) {
					st.lane = l
					return l
				}
			}
		}
	}
	var found *lane
	for _, l := range in.lanes {
		if l.section.payloads[in.header.PayloadType] == nil {
			continue
		}
		if found != nil {
			return nil // ambiguous; the MID may still come
		}
		found = l
	}
	st.lane = found
	return found
}

// formats lists what the publisher sends now.
func (in *ingest) formats() []media.Format {
	in.mu.Lock()
	defer in.mu.Unlock()
	var list []media.Format
	for _, l := range in.lanes {
		if l.running {
			list = append(list, l.format)
		}
	}
	return list
}

// close ends the capture and the watchers. No packet comes any more.
func (in *ingest) close(cause error) {
	if in.capture != nil {
		in.capture.Close(cause)
	}
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	for _, l := range in.lanes {
		l.closeWatchers("", errEnded)
	}
}

// discard is the buffer of what is not wanted.
type discard struct{}

func (discard) Read([]byte) (int, error)    { return 0, io.EOF }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Close() error                { return nil }
