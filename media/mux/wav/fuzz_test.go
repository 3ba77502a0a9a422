package wav_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/mux/muxtest"
	"github.com/reelvault/reelvault/media/mux/wav"
)

// Whatever a file holds, Recover leaves it alone or makes it whole.
func FuzzRecover(f *testing.F) {
	for _, law := range laws {
		for channels := 1; channels <= 2; channels++ {
			crashed, whole := live(f, law.codec, channels, 5)
			f.Add(crashed)
			f.Add(whole)
			f.Add(crashed[:len(crashed)-1])
			f.Add(whole[:len(whole)-1])
			f.Add(append(bytes.Clone(whole), 1))
			f.Add(crashed[:wav.HeadSize])
		}
	}
	f.Add([]byte("RIFF"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &muxtest.Memory{B: bytes.Clone(b)}
		s, err := wav.Recover(m)
		if err != nil {
			if !bytes.Equal(m.B, b) {
				t.Fatalf("refused with %v and changed all the same", err)
			}
			return
		}
		wantWhole(t, m, s.Channels)
		if d := len(m.B) - len(b); d > 1 || d < -1 || !bytes.Equal(m.B[wav.HeadSize:min(len(m.B), len(b))], b[wav.HeadSize:min(len(m.B), len(b))]) {
			t.Fatalf("%d bytes became %d, or other samples", len(b), len(m.B))
		}
		if again, err := wav.Recover(m); err != nil || !again.Whole || again.Duration != s.Duration {
			t.Fatalf("again: got %+v, %v, want it whole", again, err)
		}
	})
}

// Whatever is written and wherever the disk ends: what Recover gives is the
// beginning of what should be there.
func FuzzRoundTrip(f *testing.F) {
	f.Add(byte(0), uint16(60), []byte("\x00\x10\x00abcd\x01\x10\x00efgh\x02\x20\x00\x00\x18\x00ijkl"))
	f.Add(byte(3), uint16(99), []byte("\x00\x00\x01abcd\x03\x02\x00ijkl\x80\xff\xffabcd\x00\xff\xffabcd"))
	f.Fuzz(func(t *testing.T, kind byte, cut uint16, calls []byte) {
		law, channels := laws[kind&1], int(kind>>1&1)+1
		m := &muxtest.Memory{}
		w := newWriter(t, m, law.codec, channels)
		sides := newModel(law.silence, channels)
		for at := int64(0); len(calls) >= 3; {
			what, step := calls[0], int64(int16(binary.LittleEndian.Uint16(calls[1:])))
			calls = calls[3:]
			at = max(at+step, 0)
			if what&2 != 0 {
				if err := w.Flush(time.Duration(at) * sample); err != nil {
					t.Fatal(err)
				}
				continue
			}
			data := calls[:min(len(calls), int(what>>2))]
			calls = calls[len(data):]
			side := int(what) & 1 % channels
			flushed := int64(w.Flushed() / sample)
			put(t, w, side+1, at, data)
			sides.put(side, at, max(flushed, 0), data)
			if held := sides.length() - int64(w.Flushed()/sample); held > 4*wav.Rate {
				t.Fatalf("%d samples are held", held)
			}
		}
		m.B = m.B[:min(len(m.B), wav.HeadSize+int(cut))]
		if m.Size() >= wav.HeadSize {
			if _, err := wav.Recover(&muxtest.Memory{B: bytes.Clone(m.B)}); err != nil {
				t.Fatal(err)
			}
		}
		sides.check(t, m, law.codec)
	})
}

// model is what a file should hold: each side's samples by their place.
type model struct {
	silence byte
	sides   [][]byte
	ends    []int64
}

func newModel(silence byte, channels int) *model {
	return &model{silence, make([][]byte, channels), make([]int64, channels)}
}

func (m *model) put(side int, at, flushed int64, data []byte) {
	for i, b := range data {
		place := at + int64(i)
		if place < flushed || place < m.ends[side] {
			continue
		}
		for int64(len(m.sides[side])) <= place {
			m.sides[side] = append(m.sides[side], m.silence)
		}
		m.sides[side][place] = b
	}
	if len(data) > 0 {
		m.ends[side] = max(m.ends[side], at+int64(len(data)))
	}
}

func (m *model) length() (n int64) {
	for _, end := range m.ends {
		n = max(n, end)
	}
	return n
}

// check holds a file that was cut anywhere against the model.
func (m *model) check(t *testing.T, f *muxtest.Memory, codec reelvault.Codec) {
	t.Helper()
	for i := wav.HeadSize; i < len(f.B); i++ {
		place, side := (i-wav.HeadSize)/len(m.sides), (i-wav.HeadSize)%len(m.sides)
		want := m.silence
		if place < len(m.sides[side]) {
			want = m.sides[side][place]
		}
		if f.B[i] != want {
			t.Fatalf("%s: sample %d of side %d is %#x, want %#x", codec, place, side, f.B[i], want)
		}
	}
}
