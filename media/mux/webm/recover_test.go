package webm_test

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/mux/muxtest"
	"github.com/reelvault/reelvault/media/mux/webm"
)

// live gives a file as a crash leaves it right before Close would write its
// last cluster, and what Close makes of it.
func live(tb testing.TB, sources []source) (crashed, whole []byte) {
	tb.Helper()
	m := &muxtest.Memory{}
	w := mux(tb, m, reelvault.WebM, sources)
	must(tb, w.Flush(time.Hour))
	crashed = bytes.Clone(m.B)
	_, err := w.Close()
	must(tb, err)
	return crashed, m.B
}

// What Recover makes of a file whose clusters are whole is, byte for byte,
// what Close would have made, and a finished file stays as it is.
func TestRecoverIsClose(t *testing.T) {
	sources := []source{opus(t, "4"), video(t, reelvault.VP8, "160x120", "4")}
	crashed, whole := live(t, sources)
	m := &muxtest.Memory{B: bytes.Clone(crashed)}
	got, err := webm.Recover(m)
	must(t, err)
	if !bytes.Equal(m.B, whole) {
		t.Error("the mended file differs from the closed one")
	}
	writes := m.Writes
	again, err := webm.Recover(m)
	must(t, err)
	if m.Writes != writes || !bytes.Equal(m.B, whole) {
		t.Errorf("a finished file was written to %d times", m.Writes-writes)
	}
	for _, s := range []webm.Summary{got, again} {
		if s.Duration != sources[0].end() || s.Bytes != int64(len(whole)) || len(s.Lanes) != 2 {
			t.Fatalf("summary %+v", s)
		}
		audio, pic := s.Lanes[0], s.Lanes[1]
		if audio.Frames != len(sources[0].samples) || audio.Keyframes != audio.Frames || audio.End != sources[0].end() {
			t.Errorf("audio: %+v", audio)
		}
		last := sources[1].samples[len(sources[1].samples)-1].at
		if pic.Frames != 100 || pic.Keyframes != 4 || pic.First != 0 || pic.Last != last || pic.End != sources[1].end() {
			t.Errorf("video: %+v", pic)
		}
	}
}

// Cut anywhere behind its head, a file plays to the last whole cluster as it
// is, and Recover makes it whole with nothing but those clusters.
func TestCutAnywhere(t *testing.T) {
	crashed, whole := live(t, []source{opus(t, "3"), video(t, reelvault.VP8, "160x120", "3")})
	_, places := read(t, whole)
	clusters := places["Cluster"]
	cuts := map[int]bool{len(crashed): true, len(whole) - 1: true}
	for at := webm.HeadSize; at < len(whole); at += 499 {
		cuts[at] = true
	}
	for _, c := range clusters {
		for d := -12; d <= 24; d++ { // each byte of headers, and around the border
			cuts[max(c.at+d, webm.HeadSize)] = true
		}
	}
	mended := map[int][]byte{} // by the number of whole clusters
	for cut := range cuts {
		n := 0
		for n < len(clusters) && clusters[n].end <= cut {
			n++
		}
		end := webm.HeadSize
		if n > 0 {
			end = clusters[n-1].end
		}
		// A cut through the cues comes after the final head was written or before it.
		for _, source := range [][]byte{crashed, whole} {
			m := &muxtest.Memory{B: bytes.Clone(source[:min(cut, len(source))])}
			s, err := webm.Recover(m)
			must(t, err)
			if !bytes.Equal(m.B[webm.HeadSize:end], whole[webm.HeadSize:end]) || s.Bytes != m.Size() {
				t.Fatalf("cut at %d: the clusters before it are not what they were", cut)
			}
			if before, ok := mended[n]; ok {
				if !bytes.Equal(m.B, before) {
					t.Fatalf("cut at %d: %d clusters, and not the same file as after another such cut", cut, n)
				}
				continue
			}
			mended[n] = m.B
			_, after := read(t, m.B)
			if len(after["Cluster"]) != n || (n > 0 && after["Cues"][0].at != end) {
				t.Fatalf("cut at %d: %d clusters, want %d; cues %v", cut, len(after["Cluster"]), n, after["Cues"])
			}
		}
	}
}

// ffmpeg plays what a cut leaves: at least every frame of the whole clusters
// before Recover, and exactly these, without a word, after it.
func TestCutPlays(t *testing.T) {
	crashed, whole := live(t, []source{opus(t, "3"), video(t, reelvault.VP8, "160x120", "3")})
	_, places := read(t, whole)
	for i, c := range places["Cluster"] {
		if i%2 == 1 {
			continue // a program run for each of the others will do
		}
		cut := c.at + (c.end-c.at)*(i/2%3+1)/4
		want := 0
		for _, f := range frames(t, whole[:c.at]) {
			want += len(f)
		}
		m := &muxtest.Memory{B: bytes.Clone(crashed[:cut])}
		if n := len(probe(t, onDisk(t, m.B), "packet=stream_index")); n < want {
			t.Errorf("cut at %d: ffprobe sees %d frames, want %d at least", cut, n, want)
		}
		s, err := webm.Recover(m)
		must(t, err)
		path := onDisk(t, m.B)
		if i == 0 {
			continue // nothing left to play
		}
		if n := len(probe(t, path, "packet=stream_index")); n != want {
			t.Errorf("cut at %d: %d frames after Recover, want %d", cut, n, want)
		}
		if log := decode(t, path); log != "" {
			t.Errorf("cut at %d: ffmpeg complains:\n%s", cut, log)
		}
		if got := seconds(t, probe(t, path, "format=duration")[0]); (got - s.Duration).Abs() > time.Millisecond {
			t.Errorf("cut at %d: ffprobe sees %s, Recover says %s", cut, got, s.Duration)
		}
	}
}

// Cues that a power cut left half written under a final head are made again.
func TestDamagedCues(t *testing.T) {
	_, whole := live(t, []source{opus(t, "2"), video(t, reelvault.VP8, "160x120", "2")})
	m := &muxtest.Memory{B: patch(whole, len(whole)-4, 0, 0, 0, 0)}
	_, err := webm.Recover(m)
	must(t, err)
	if !bytes.Equal(m.B, whole) {
		t.Error("the cues are not what they were")
	}
}

// Recover that is broken off at any write, and repeated, comes to the same
// end.
func TestRecoverIsRepeatable(t *testing.T) {
	crashed, whole := live(t, []source{opus(t, "1"), video(t, reelvault.VP8, "160x120", "1")})
	torn := append(bytes.Clone(crashed), whole[len(crashed)-300:len(crashed)-10]...)
	failed := errors.New("broken off")
	for failAt := 1; ; failAt++ {
		m := &muxtest.Memory{B: bytes.Clone(torn), FailAt: failAt, Err: failed}
		_, err := webm.Recover(m)
		if err == nil {
			if failAt != 4 {
				t.Errorf("%d writes, want 3", failAt-1)
			}
			return
		}
		if !errors.Is(err, failed) {
			t.Fatalf("got %v", err)
		}
		m.FailAt = 0
		_, err = webm.Recover(m)
		must(t, err)
		if !bytes.Equal(m.B, whole) {
			t.Errorf("broken off at write %d and repeated, the file differs", failAt)
		}
	}
}

// A tail that the disk filled with zeros or garbage is cut, and so is a
// cluster of a track that the head does not know.
func TestDamagedTail(t *testing.T) {
	crashed, whole := live(t, []source{opus(t, "2"), video(t, reelvault.VP8, "160x120", "2")})
	_, places := read(t, whole)
	last := places["Cluster"][len(places["Cluster"])-1]
	tests := []struct {
		name  string
		b     []byte
		whole bool // the last cluster stays
	}{
		{"zeros", append(bytes.Clone(crashed), make([]byte, 8192)...), true},
		{"garbage", append(bytes.Clone(crashed), bytes.Repeat([]byte("\x1f\x43\xb6\x75\x81"), 500)...), true},
		{"zeroed cluster", append(bytes.Clone(crashed[:last.at+8]), make([]byte, last.end-last.at-8)...), false},
		{"unknown lane", patch(crashed, last.at+8+4+3, 0x83), false},
		{"no lane", patch(crashed, last.at+8+4+3, 0x80), false},
		{"lacing", patch(crashed, last.at+8+4+3+3, 0x86), false},
		{"unknown element", patch(crashed, last.at+8, 0xab), false},
		{"unknown size", patch(crashed, last.at+4, 0x1f, 0xff, 0xff, 0xff), false},
		{"time that goes back", patch(crashed, last.at+8+2, 0), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &muxtest.Memory{B: tt.b}
			_, err := webm.Recover(m)
			must(t, err)
			_, got := read(t, m.B)
			end := last.at
			if tt.whole {
				end = last.end
			}
			if c := got["Cluster"]; c[len(c)-1].end != end {
				t.Errorf("clusters end at %d, want %d", c[len(c)-1].end, end)
			}
		})
	}
}

func patch(b []byte, at int, with ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[at:], with)
	return b
}

// A file without a readable head is refused and left alone.
func TestNotOurs(t *testing.T) {
	crashed, _ := live(t, []source{opus(t, "1")})
	tests := map[string][]byte{
		"empty":           nil,
		"short":           crashed[:webm.HeadSize-1],
		"zeros":           make([]byte, 10000),
		"text":            bytes.Repeat([]byte("not a video "), 1000),
		"zeroed head":     append(make([]byte, webm.HeadSize), crashed[webm.HeadSize:]...),
		"torn in tracks":  append(append(bytes.Clone(crashed[:200]), make([]byte, webm.HeadSize-200)...), crashed[webm.HeadSize:]...),
		"ffmpeg's":        run(t, append([]string{"-f", "lavfi", "-i", "sine=duration=3"}, encoders[reelvault.Opus]...)),
		"lane out of row": patch(crashed, bytes.Index(crashed, []byte{0xd7, 0x81, 1}), 0xd7, 0x81, 2),
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			m := &muxtest.Memory{B: bytes.Clone(b)}
			_, err := webm.Recover(m)
			wantKind(t, err, reelvault.Invalid)
			if !bytes.Equal(m.B, b) {
				t.Error("the file was changed")
			}
		})
	}
}

// unreadable fails to read from an offset on.
type unreadable struct {
	muxtest.Memory

	from int64
}

func (u *unreadable) ReadAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > u.from {
		return 0, syscall.EIO
	}
	return u.Memory.ReadAt(b, off)
}

// A disk that can't be read is no reason to cut a file.
func TestRecoverFromBadDisk(t *testing.T) {
	crashed, whole := live(t, []source{opus(t, "2")})
	for _, b := range [][]byte{crashed, whole} {
		for _, from := range []int{100, webm.HeadSize + 1, webm.HeadSize + 6000, len(b) - 1} {
			u := &unreadable{Memory: muxtest.Memory{B: bytes.Clone(b)}, from: int64(from)}
			_, err := webm.Recover(u)
			if !errors.Is(err, syscall.EIO) {
				t.Errorf("unreadable from %d: got %v", from, err)
			}
			if !bytes.Equal(u.B, b) {
				t.Errorf("unreadable from %d: the file was changed", from)
			}
		}
	}
}

// A file without a frame has neither cues nor duration, and is finished all
// the same.
func TestEmptyFile(t *testing.T) {
	m := &muxtest.Memory{}
	w := webm.NewWriter(m, reelvault.WebM, start)
	if d, err := w.Close(); err != nil || d != 0 || len(m.B) != 0 {
		t.Errorf("without a track: %s, %v, %d bytes", d, err, len(m.B))
	}
	w = webm.NewWriter(m, reelvault.WebM, start)
	_, err := w.AddTrack(webm.TrackSpec{Codec: reelvault.Opus, Media: reelvault.Audio})
	must(t, err)
	crashed := bytes.Clone(m.B)
	_, err = w.Close()
	must(t, err)
	r := &muxtest.Memory{B: crashed}
	s, err := webm.Recover(r)
	must(t, err)
	if !bytes.Equal(r.B, m.B) || s.Duration != 0 || len(s.Lanes) != 1 || s.Lanes[0].Frames != 0 {
		t.Errorf("recovered: %+v", s)
	}
}

// How long an Opus packet plays is read from it (RFC 6716, section 3.1), when
// the one who writes it does not say.
func TestOpusDurations(t *testing.T) {
	tests := []struct {
		packet string
		want   time.Duration
	}{
		{"\xf8\xff\xfe", 20 * time.Millisecond},               // CELT, one frame
		{"\xe0x", 2500 * time.Microsecond},                    // CELT, shortest
		{"\xf9xx", 40 * time.Millisecond},                     // CELT, two frames
		{"\x18x", 60 * time.Millisecond},                      // SILK, longest
		{"\x00x", 10 * time.Millisecond},                      // SILK, shortest
		{"\x68x", 20 * time.Millisecond},                      // hybrid
		{"\xfb\x03xxx", 60 * time.Millisecond},                // CELT, three frames
		{"\x1b\x02xx", 120 * time.Millisecond},                // SILK, the most there may be
		{"\x1b\x3fxx", 0},                                     // more than there may be
		{"\xfb", 0},                                           // count missing
		{strings.Repeat("\xf8", 1000), 20 * time.Millisecond}, // large
	}
	for _, tt := range tests {
		t.Run(strconv.Quote(tt.packet[:min(4, len(tt.packet))]), func(t *testing.T) {
			m := &muxtest.Memory{}
			w := webm.NewWriter(m, reelvault.WebM, start)
			lane, err := w.AddTrack(webm.TrackSpec{Codec: reelvault.Opus, Media: reelvault.Audio})
			must(t, err)
			must(t, w.WriteFrame(lane, time.Second, 0, true, []byte(tt.packet)))
			must(t, w.Flush(time.Hour))
			s, err := webm.Recover(&muxtest.Memory{B: bytes.Clone(m.B)})
			must(t, err)
			got, err := w.Close()
			must(t, err)
			if want := time.Second + tt.want; got != want || s.Duration != want {
				t.Errorf("Close says %s, Recover %s, want %s", got, s.Duration, want)
			}
		})
	}
}

// The last frame of video lasts as long as those before it, and a hole is no
// frame.
func TestLastFrameAfterHole(t *testing.T) {
	m := &muxtest.Memory{}
	w := webm.NewWriter(m, reelvault.WebM, start)
	lane, err := w.AddTrack(webm.TrackSpec{Codec: reelvault.VP8, Media: reelvault.Video})
	must(t, err)
	for _, ms := range []int{0, 33, 67, 60_000} {
		must(t, w.WriteFrame(lane, time.Duration(ms)*time.Millisecond, 0, ms%60_000 == 0, []byte("frame")))
	}
	got, err := w.Close()
	must(t, err)
	if want := 60_034 * time.Millisecond; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
