package wav_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/mux/muxtest"
	"github.com/reelvault/reelvault/media/mux/wav"
)

var laws = []struct {
	codec   reelvault.Codec
	ffmpeg  string // its name for the law
	silence byte
}{
	{reelvault.PCMU, "mulaw", 0xff},
	{reelvault.PCMA, "alaw", 0xd5},
}

// What ffmpeg reads from a file is what it reads from the codes themselves,
// on both sides, and as long.
func TestDecoded(t *testing.T) {
	for _, law := range laws {
		for channels := 1; channels <= 2; channels++ {
			m := &muxtest.Memory{}
			w := newWriter(t, m, law.codec, channels)
			codes := [][]byte{noise(8000, 1), noise(8000, 7)}[:channels]
			for at := int64(0); at < 8000; at += 160 {
				for i, c := range codes {
					put(t, w, i+1, at, c[at:at+160])
				}
				if err := w.Flush(time.Duration(at) * sample); err != nil {
					t.Fatal(err)
				}
			}
			unfinished := save(t, m.B)
			if got := closed(t, w); got != time.Second {
				t.Errorf("%s: closed with %v, want 1 s", law.codec, got)
			}
			wantWhole(t, m, channels)
			name := save(t, m.B)
			probed := run(t, "ffprobe", "-v", "error", "-of", "csv=p=0", "-show_entries", "stream=codec_name,sample_rate,channels,duration", name)
			if want := "pcm_" + law.ffmpeg + ",8000," + string(rune('0'+channels)) + ",1.000000\n"; probed != want {
				t.Errorf("ffprobe: got %q, want %q", probed, want)
			}
			if live := run(t, "ffprobe", "-v", "error", "-of", "csv=p=0", "-show_entries", "format=duration", unfinished); live != "0.980000\n" {
				t.Errorf("ffprobe: %q of the file that is being written, want what is there", live)
			}
			for i, c := range codes {
				pick := []string{"pan=mono|c0=c0", "pan=mono|c0=c1"}[i]
				got := run(t, "ffmpeg", "-v", "error", "-i", name, "-af", pick, "-f", "s16le", "-")
				want := run(t, "ffmpeg", "-v", "error", "-f", law.ffmpeg, "-ar", "8000", "-ac", "1", "-i", save(t, c), "-f", "s16le", "-")
				if got != want {
					t.Errorf("%s: channel %d of %d decodes to something else than was sent", law.codec, i+1, channels)
				}
				if live := run(t, "ffmpeg", "-v", "error", "-i", unfinished, "-af", pick, "-f", "s16le", "-"); len(live) < 7000 || live != want[:len(live)] {
					t.Errorf("%s: of the file that is being written %d bytes play, want most of %d", law.codec, len(live), len(want))
				}
			}
		}
	}
}

// Where samples go, whatever order they come in.
func TestPlaces(t *testing.T) {
	type write struct {
		lane int
		at   int64
		data string
	}
	for name, test := range map[string]struct {
		writes      []write
		left, right string // "." is silence
	}{
		"one after the other": {[]write{{1, 0, "ab"}, {1, 2, "cd"}, {2, 0, "AB"}, {2, 2, "CD"}}, "abcd", "ABCD"},
		"one side only":       {[]write{{1, 0, "abcd"}}, "abcd", "...."},
		"joins late":          {[]write{{1, 0, "abcd"}, {2, 3, "DE"}}, "abcd.", "...DE"},
		"leaves early":        {[]write{{2, 0, "AB"}, {1, 0, "abcd"}}, "abcd", "AB.."},
		"hole":                {[]write{{1, 0, "ab"}, {1, 4, "ef"}, {2, 1, "B"}}, "ab..ef", ".B...."},
		"begins later":        {[]write{{1, 3, "d"}}, "...d", "...."},
		"place taken":         {[]write{{1, 0, "abcd"}, {1, 2, "xxe"}, {1, 0, "xx"}}, "abcde", "....."},
		"before zero":         {[]write{{1, -2, "xxab"}, {2, -9, "X"}}, "ab", ".."},
	} {
		for _, law := range laws {
			m := &muxtest.Memory{}
			w := newWriter(t, m, law.codec, 2)
			for _, x := range test.writes {
				put(t, w, x.lane, x.at, []byte(x.data))
			}
			if got, want := closed(t, w), time.Duration(len(test.left))*sample; got != want {
				t.Errorf("%s: %v long, want %v", name, got, want)
			}
			for i, want := range []string{test.left, test.right} {
				want := bytes.ReplaceAll([]byte(want), []byte("."), []byte{law.silence})
				if got := lane(m, 2, i+1); !bytes.Equal(got, want) {
					t.Errorf("%s: %s channel %d: got %q, want %q", name, law.codec, i+1, got, want)
				}
			}
			wantWhole(t, m, 2)
		}
	}
}

// What comes for a place that is written already is left out, and only that.
func TestFlush(t *testing.T) {
	m := &muxtest.Memory{}
	w := newWriter(t, m, reelvault.PCMU, 2)
	put(t, w, 1, 0, []byte("abcdef"))
	if err := w.Flush(4 * sample); err != nil {
		t.Fatal(err)
	}
	if got, want := m.Size(), int64(wav.HeadSize+8); got != want || w.Size() != want || w.Flushed() != 4*sample {
		t.Errorf("flushed: %d bytes, %d, %v, want %d and 4 samples", got, w.Size(), w.Flushed(), want)
	}
	put(t, w, 2, 2, []byte("XXEF"))
	if err := w.Flush(time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := w.Flushed(); got != 6*sample {
		t.Errorf("flushed to %v, want no further than the last sample", got)
	}
	closed(t, w)
	if got, want := lane(m, 2, 2), []byte("\xff\xff\xff\xffEF"); !bytes.Equal(got, want) {
		t.Errorf("right: got %q, want %q", got, want)
	}
}

// A hold of hours takes a note of silence and no memory, and leaves room for
// the other side.
func TestLongHole(t *testing.T) {
	m := &muxtest.Memory{Boundless: true}
	w := newWriter(t, m, reelvault.PCMA, 2)
	const hold = 3 * 3600 * wav.Rate
	put(t, w, 1, 0, []byte("ab"))
	put(t, w, 1, hold, []byte("cd"))
	put(t, w, 2, hold-3*wav.Rate, []byte("CD"))
	if m.Size() > wav.HeadSize+4 || len(m.Repeats) != 1 {
		t.Errorf("got %d bytes and %v, want the silence as one", m.Size(), m.Repeats)
	}
	if got, want := closed(t, w), (hold+2)*sample; got != want {
		t.Errorf("closed with %v, want %v", got, want)
	}
	held := lane(m, 2, 2)[2:] // behind "ab" and the silence
	if i := bytes.Index(held, []byte("CD")); i < 0 || len(held)-i != 3*wav.Rate+2 {
		t.Errorf("the right side stands %d samples before the end, want 3 s", len(held)-i)
	}
}

// A chunk has an even length.
func TestOddMono(t *testing.T) {
	m := &muxtest.Memory{}
	w := newWriter(t, m, reelvault.PCMA, 1)
	put(t, w, 1, 0, []byte("abc"))
	if got, want := closed(t, w), 4*sample; got != want {
		t.Errorf("closed with %v, want %v", got, want)
	}
	wantWhole(t, m, 1)
	if got, want := lane(m, 1, 1), []byte("abc\xd5"); !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The file ends where its sizes do.
func TestLargest(t *testing.T) {
	const most = (wav.MaxSize - wav.HeadSize) / 2
	for _, test := range []struct {
		at   int64
		want reelvault.Kind
	}{{most - 160, reelvault.Internal}, {most - 159, reelvault.Invalid}} {
		m := &muxtest.Memory{Boundless: true}
		w := newWriter(t, m, reelvault.PCMU, 2)
		err := w.Write(1, time.Duration(test.at)*sample, make([]byte, 160))
		if reelvault.KindOf(err) != test.want || (err == nil) == (test.want == reelvault.Invalid) {
			t.Errorf("at %d of %d: got %v", test.at, int64(most), err)
		}
		put(t, w, 1, 0, []byte("ab")) // whatever was refused, the file goes on
		closed(t, w)
		if w.Size() > wav.MaxSize {
			t.Errorf("%d bytes, want at most %d", w.Size(), int64(wav.MaxSize))
		}
	}
}

func TestNothingWritten(t *testing.T) {
	m := &muxtest.Memory{}
	w := newWriter(t, m, reelvault.PCMU, 2)
	put(t, w, 1, 0, nil)
	if d := closed(t, w); d != 0 || m.Writes != 0 || w.Size() != 0 {
		t.Errorf("got %v, %d writes, %d bytes, want nothing", d, m.Writes, w.Size())
	}
}

func TestRefused(t *testing.T) {
	if _, err := wav.NewWriter(&muxtest.Memory{}, reelvault.Opus, 2); reelvault.KindOf(err) != reelvault.Invalid {
		t.Errorf("opus: got %v, want it invalid", err)
	}
	for _, channels := range []int{0, 3} {
		if _, err := wav.NewWriter(&muxtest.Memory{}, reelvault.PCMU, channels); reelvault.KindOf(err) != reelvault.Invalid {
			t.Errorf("%d channels: got %v, want it invalid", channels, err)
		}
	}
	w := newWriter(t, &muxtest.Memory{}, reelvault.PCMU, 1)
	for _, lane := range []int{-1, 0, 2} {
		if err := w.Write(lane, 0, []byte("a")); reelvault.KindOf(err) != reelvault.Invalid {
			t.Errorf("channel %d of 1: got %v, want it invalid", lane, err)
		}
	}
	closed(t, w)
	if err := w.Write(1, 0, []byte("a")); reelvault.KindOf(err) != reelvault.Conflict {
		t.Errorf("write after the end: got %v, want a conflict", err)
	}
	if err := w.Flush(0); reelvault.KindOf(err) != reelvault.Conflict {
		t.Errorf("flush after the end: got %v, want a conflict", err)
	}
}

// Whichever write fails, every later call says so.
func TestOutputFails(t *testing.T) {
	gone := errors.New("the disk is gone")
	for failAt := 1; ; failAt++ {
		m := &muxtest.Memory{FailAt: failAt, Err: gone, Boundless: true}
		w := newWriter(t, m, reelvault.PCMU, 1)
		var failed error
		for _, call := range []func() error{
			func() error { return w.Write(1, 0, []byte("ab")) },
			func() error { return w.Flush(time.Second) },
			func() error { return w.Write(1, time.Hour, []byte("c")) },
			func() error { return w.Flush(time.Second) },
			func() error { _, err := w.Close(); return err },
		} {
			err := call()
			if failed != nil && !errors.Is(err, gone) {
				t.Errorf("write %d: a later call gives %v, want the same error", failAt, err)
			}
			failed = err
		}
		if failed == nil {
			if failAt < 6 {
				t.Errorf("only %d writes", failAt-1)
			}
			return
		}
	}
}
