package webm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/reelvault/reelvault"
)

// parseHead reads the head of a file that a Writer began. Anything else is an
// error of kind Invalid.
func parseHead(b []byte) (*head, []*lane, error) {
	h := &head{b: b}
	e, ok := readElement(b)
	if !ok || e.id != idEBML || e.size < 0 || e.size > HeadSize {
		return nil, nil, damaged("no EBML header")
	}
	at := e.head + int(e.size)
	s, ok := readElement(b[min(at, len(b)):])
	if !ok || s.id != idSegment || s.head != 4+8 {
		return nil, nil, damaged("no Segment with a size of eight bytes")
	}
	h.segment = at + 4
	var lanes []*lane
	err := children(b[h.data():], func(e element, off int, body []byte) error {
		at := h.data() + off
		switch e.id {
		case idSeekHead:
			h.cues = findSlot(body, at, seekSlot)
		case idInfo:
			h.duration = findSlot(body, at, durationSlot)
		case idTracks:
			var err error
			lanes, err = parseTracks(body)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if h.cues == 0 || h.duration == 0 || lanes == nil {
		return nil, nil, damaged("no SeekHead, Info or Tracks as this writer makes them")
	}
	return h, lanes, nil
}

// children walks the elements that fill b. off is where a child's body is.
func children(b []byte, visit func(e element, off int, body []byte) error) error {
	for off := 0; off < len(b); {
		e, ok := readElement(b[off:])
		if !ok || e.size < 0 || e.size > int64(len(b)-off-e.head) {
			return damaged("an element that does not fit")
		}
		off += e.head
		if err := visit(e, off, b[off:off+int(e.size)]); err != nil {
			return err
		}
		off += int(e.size)
	}
	return nil
}

// findSlot finds the place that head.finish overwrites: the last Void or
// element of that size. It is 0 if there is none.
func findSlot(body []byte, at, size int) int {
	slot := 0
	err := children(body, func(e element, off int, _ []byte) error {
		fits := e.head+int(e.size) == size
		if fits && (e.id == idVoid || e.id == idDuration || e.id == idSeek) {
			slot = at + off - e.head
		}
		return nil
	})
	if err != nil {
		return 0
	}
	return slot
}

func parseTracks(body []byte) ([]*lane, error) {
	lanes := []*lane{}
	err := children(body, func(e element, _ int, entry []byte) error {
		if e.id != idTrackEntry {
			return nil
		}
		l, number := &lane{}, uint64(0)
		err := children(entry, func(e element, _ int, v []byte) error {
			switch e.id {
			case idTrackNumber:
				number = readUint(v)
			case idTrackType:
				l.audio = readUint(v) == 2
			case idCodecID:
				l.opus = string(v) == codecIDs[reelvault.Opus]
			}
			return nil
		})
		if err != nil {
			return err
		}
		if number != uint64(len(lanes)+1) || number > maxLanes {
			return damaged("tracks that are not numbered from 1 on")
		}
		lanes = append(lanes, l)
		return nil
	})
	return lanes, err
}

func damaged(what string) error {
	return reelvault.Errorf(reelvault.Invalid, "the head of the file is damaged: it has %s", what)
}

// window reads small pieces of a file in rising order with few calls.
type window struct {
	f    io.ReaderAt
	size int64 // of the file
	at   int64
	b    []byte
	buf  [4096]byte
}

// peek gives at most n bytes from pos on, fewer only at the end of the file.
func (w *window) peek(pos int64, n int) ([]byte, error) {
	n = int(max(min(int64(n), w.size-pos), 0))
	if pos < w.at || pos+int64(n) > w.at+int64(len(w.b)) {
		want := min(int64(len(w.buf)), w.size-pos)
		got, err := w.f.ReadAt(w.buf[:want], pos)
		if int64(got) < want {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("read at %d: %w", pos, err)
		}
		w.at, w.b = pos, w.buf[:want]
	}
	return w.b[pos-w.at:][:n], nil
}

// scan reads the headers of clusters and blocks from pos on, as long as they
// are whole, into lanes and cues. It gives where the last whole cluster ends.
func scan(w *window, pos int64, lanes []*lane, cues *index) (int64, error) {
	var blocks []scanned
	for {
		b, err := w.peek(pos, maxElementHead)
		if err != nil {
			return pos, err
		}
		e, ok := readElement(b)
		end := pos + int64(e.head) + e.size
		if !ok || e.id != idCluster || e.size < 0 || end > w.size {
			return pos, nil
		}
		blocks, ok, err = scanCluster(w, pos, e, blocks[:0])
		if err != nil || !ok {
			return pos, err
		}
		if !fits(blocks, lanes) {
			return pos, nil
		}
		for _, s := range blocks {
			l := lanes[s.lane-1]
			s.audio = l.audio
			l.add(s.t, 0, s.key, s.front[:s.n])
			cues.add(s.block)
		}
		pos = end
	}
}

// scanned is a block with the first bytes of its frame.
type scanned struct {
	block
	front [2]byte
	n     int
}

// scanCluster reads the block headers of the cluster at pos into blocks; false
// if it is not what a Writer makes.
func scanCluster(w *window, pos int64, c element, blocks []scanned) ([]scanned, bool, error) {
	body := pos + int64(c.head)
	end := body + c.size
	at, ts := body, int64(-1)
	for at < end {
		b, err := w.peek(at, maxElementHead+6)
		if err != nil {
			return blocks, false, err
		}
		e, ok := readElement(b)
		if !ok || e.size < 0 || at+int64(e.head)+e.size > end {
			return blocks, false, nil
		}
		b = b[e.head:min(e.head+int(min(e.size, 8)), len(b))]
		switch {
		case e.id == idTimestamp && ts < 0 && e.size <= 6:
			ts = int64(readUint(b))
		case e.id == idSimpleBlock && ts >= 0 && e.size > 4 && len(blocks) < clusterFrames:
			s := scanned{block: block{
				lane: int(b[0] & 0x7f), key: b[3]&0x80 != 0, cluster: pos, relative: int(at - body),
				t: ts + int64(int16(binary.BigEndian.Uint16(b[1:]))),
			}}
			s.n = copy(s.front[:], b[4:])
			if b[0]&0x80 == 0 || b[3]&^0x80 != 0 {
				return blocks, false, nil
			}
			blocks = append(blocks, s)
		default:
			return blocks, false, nil
		}
		at += int64(e.head) + e.size
	}
	return blocks, ts >= 0, nil
}

// fits says whether the tracks of all blocks are known and each goes on in
// time.
func fits(blocks []scanned, lanes []*lane) bool {
	var last [maxLanes + 2]int64
	for _, s := range blocks {
		if s.lane < 1 || s.lane > len(lanes) || s.t < 0 || s.t < last[s.lane] {
			return false
		}
		l := lanes[s.lane-1]
		if l.frames > 0 && s.t <= l.last {
			return false
		}
		last[s.lane] = s.t + 1
	}
	return true
}
