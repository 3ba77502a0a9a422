package wav_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/mux/muxtest"
	"github.com/reelvault/reelvault/media/mux/wav"
)

// live gives what a crash would leave of a file, and the whole file.
func live(tb testing.TB, c reelvault.Codec, channels, samples int) (crashed, whole []byte) {
	tb.Helper()
	m := &muxtest.Memory{}
	w := newWriter(tb, m, c, channels)
	for i := range channels {
		put(tb, w, i+1, 0, noise(samples, i))
	}
	if err := w.Flush(1 << 60); err != nil {
		tb.Fatal(err)
	}
	crashed = bytes.Clone(m.B)
	closed(tb, w)
	return crashed, m.B
}

// Wherever a file is cut, what is left of it is whole after Recover, has every
// sample of all channels that it had, and stays as it is.
func TestRecover(t *testing.T) {
	for _, law := range laws {
		for channels := 1; channels <= 2; channels++ {
			crashed, whole := live(t, law.codec, channels, 100)
			for size := range len(crashed) + 1 {
				m := &muxtest.Memory{B: bytes.Clone(crashed[:size])}
				s, err := wav.Recover(m)
				if size < wav.HeadSize {
					if reelvault.KindOf(err) != reelvault.Invalid || !bytes.Equal(m.B, crashed[:size]) {
						t.Fatalf("%d bytes: got %v, want it invalid and untouched", size, err)
					}
					continue
				}
				if err != nil || s.Whole || s.Bytes != m.Size() || s.Channels != channels {
					t.Fatalf("%d bytes: got %+v, %v", size, s, err)
				}
				wantWhole(t, m, channels)
				kept := (size - wav.HeadSize) / channels * channels
				if !bytes.Equal(m.B[wav.HeadSize:][:kept], crashed[wav.HeadSize:][:kept]) || len(m.B) > wav.HeadSize+kept+1 {
					t.Fatalf("%d bytes: %d are left, want all %d of samples", size, len(m.B), kept)
				}
				mended := bytes.Clone(m.B)
				if s, err = wav.Recover(m); err != nil || !s.Whole || !bytes.Equal(m.B, mended) {
					t.Fatalf("%d bytes, again: got %+v, %v, want it whole and untouched", size, s, err)
				}
			}
			m := &muxtest.Memory{B: bytes.Clone(whole)}
			s, err := wav.Recover(m)
			if err != nil || !s.Whole || !bytes.Equal(m.B, whole) || s.Duration != 100*sample || m.Writes != 0 {
				t.Errorf("a finished file: got %+v, %v after %d writes, want it whole and untouched", s, err, m.Writes)
			}
		}
	}
}

// A Recover that breaks off at any write can be repeated.
func TestRecoverAgain(t *testing.T) {
	crashed, _ := live(t, reelvault.PCMU, 2, 100)
	odd, _ := live(t, reelvault.PCMU, 1, 99)
	gone := errors.New("gone")
	for _, b := range [][]byte{crashed[:len(crashed)-1], odd} {
		want := &muxtest.Memory{B: bytes.Clone(b)}
		if _, err := wav.Recover(want); err != nil {
			t.Fatal(err)
		}
		for failAt := 1; failAt <= want.Writes; failAt++ {
			m := &muxtest.Memory{B: bytes.Clone(b), FailAt: failAt, Err: gone}
			if _, err := wav.Recover(m); !errors.Is(err, gone) {
				t.Errorf("write %d: got %v, want its error", failAt, err)
			}
			m.FailAt = 0
			if _, err := wav.Recover(m); err != nil || !bytes.Equal(m.B, want.B) {
				t.Errorf("after write %d failed: got %v and other bytes", failAt, err)
			}
		}
	}
}

// A file that is none of ours is left alone.
func TestRecoverForeign(t *testing.T) {
	crashed, _ := live(t, reelvault.PCMU, 2, 100)
	for _, at := range []int{0, 8, 12, 16, 20, 22, 24, 28, 32, 34, 36, 38, 42, 50} {
		m := &muxtest.Memory{B: bytes.Clone(crashed)}
		m.B[at] ^= 0x5a
		was := bytes.Clone(m.B)
		if _, err := wav.Recover(m); reelvault.KindOf(err) != reelvault.Invalid || !bytes.Equal(m.B, was) {
			t.Errorf("byte %d changed: got %v, want it invalid and untouched", at, err)
		}
	}
}
