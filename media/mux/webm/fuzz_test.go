package webm_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/mux/muxtest"
	"github.com/reelvault/reelvault/media/mux/webm"
)

// Whatever a file holds, Recover neither panics nor runs away, leaves a file
// that it refuses alone, and what it has mended it does not touch again.
func FuzzRecover(f *testing.F) {
	for _, sources := range [][]source{
		{opus(f, "1")},
		{opus(f, "1"), video(f, reelvault.VP8, "160x120", "1")},
	} {
		crashed, whole := live(f, sources)
		f.Add(crashed)
		f.Add(whole)
		f.Add(crashed[:len(crashed)*2/3])
		f.Add(crashed[:webm.HeadSize])
		f.Add(whole[:len(whole)-1])
		f.Add(patch(whole, 300, 0xec))
		f.Add(patch(crashed, webm.HeadSize+30, 0xa3, 0x81))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &muxtest.Memory{B: bytes.Clone(b)}
		s, err := webm.Recover(m)
		if err != nil {
			if !bytes.Equal(m.B, b) {
				t.Fatalf("refused with %v and changed all the same", err)
			}
			return
		}
		if s.Bytes != m.Size() || s.Duration < 0 {
			t.Fatalf("summary %+v of %d bytes", s, m.Size())
		}
		// Cues take less than the blocks they point to.
		if len(m.B) > 2*len(b)+webm.HeadSize {
			t.Fatalf("%d bytes became %d", len(b), len(m.B))
		}
		mended := bytes.Clone(m.B)
		again, err := webm.Recover(m)
		if err != nil || !bytes.Equal(m.B, mended) {
			t.Fatalf("a second Recover gives %v and other bytes: %t", err, !bytes.Equal(m.B, mended))
		}
		if again.Duration.Round(time.Microsecond) != s.Duration.Round(time.Microsecond) || len(again.Lanes) != len(s.Lanes) {
			t.Fatalf("first %+v, then %+v", s, again)
		}
	})
}

// fuzzed interprets bytes as calls of a Writer and remembers the frames.
type fuzzed struct {
	w       *webm.Writer
	now     time.Duration
	written map[int][]sample
}

// step takes one call off b: three bytes and the frame's data.
func (z *fuzzed) step(b []byte) (rest []byte, err error) {
	what, lane, n := b[0], int(b[1]%8)+1, int(b[2])
	b = b[3:]
	switch what % 8 {
	case 0:
		s := webm.TrackSpec{Codec: reelvault.VP8, Media: reelvault.Video, Width: n, Height: n}
		if lane%2 == 0 {
			s = webm.TrackSpec{Codec: reelvault.Opus, Media: reelvault.Audio, Channels: 1}
		}
		_, err = z.w.AddTrack(s)
	case 1:
		z.now += time.Duration(n) * time.Second
		err = z.w.Flush(z.now)
	default:
		z.now += time.Duration(n) * time.Millisecond
		n = min(n, len(b))
		f := sample{at: z.now, key: what&0x10 != 0, data: b[:n]}
		if what&0x20 != 0 {
			f.at -= time.Duration(what>>6) * 20 * time.Second // far behind
		}
		b = b[n:]
		if err = z.w.WriteFrame(lane, f.at, 0, f.key, f.data); err == nil {
			z.written[lane] = append(z.written[lane], f)
		}
	}
	return b, err
}

// Whatever order frames come in, the file holds each of them, once, in its
// lane's order and at its time, as far as times of a lane rise; and recovering
// what a crash leaves of it gives the same file.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\x00\x00\x10\x00\x01\x10\x12\x00\x05hello\x12\x01\x03abc\x02\x00\x05world"))
	f.Add([]byte("\x00\x01\x00\x12\x00\xffsound\x01\x00\x09\x12\x00\xffsound\x12\x00\x01\x01"))
	f.Add([]byte("\x00\x00\x20\x00\x00\x20\x12\x00\x01a\xf2\x01\x01b\x01\x00\x40\xf2\x01\x01c\x12\x00\x01d\xb2\x01\x01e"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := &muxtest.Memory{}
		z := &fuzzed{w: webm.NewWriter(m, reelvault.WebM, start), written: map[int][]sample{}}
		for len(b) >= 3 {
			var err error
			if b, err = z.step(b); err != nil {
				wantKind(t, err, reelvault.Invalid)
			}
		}
		if len(m.B) == 0 {
			return
		}
		must(t, z.w.Flush(1<<60))
		mended := &muxtest.Memory{B: bytes.Clone(m.B)}
		_, err := z.w.Close()
		must(t, err)
		_, err = webm.Recover(mended)
		must(t, err)
		if !bytes.Equal(m.B, mended.B) {
			t.Fatal("the recovered file differs from the closed one")
		}
		wantWritten(t, frames(t, m.B), z.written)
	})
}

func wantWritten(t *testing.T, got, want map[int][]sample) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("frames of %d lanes, want %d", len(got), len(want))
	}
	for lane, list := range want {
		if len(got[lane]) != len(list) {
			t.Fatalf("lane %d: %d frames, want %d", lane, len(got[lane]), len(list))
		}
		last := -time.Millisecond
		for i, w := range list {
			last = max(w.at, last+time.Millisecond, 0)
			if g := got[lane][i]; g.at != last || g.key != w.key || !bytes.Equal(g.data, w.data) {
				t.Fatalf("lane %d frame %d: got %q at %s, want %q at %s", lane, i, g.data, g.at, w.data, last)
			}
		}
	}
}
