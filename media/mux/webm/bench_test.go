package webm_test

import (
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/mux/muxtest"
	"github.com/reelvault/reelvault/media/mux/webm"
)

// discard is an Output that keeps nothing.
type discard struct{}

func (discard) Append([]byte) error    { return nil }
func (discard) WriteHead([]byte) error { return nil }

// second writes one second of 1 Mbit/s video at 25 frames and of Opus.
func second(b *testing.B, w *webm.Writer, at time.Duration, picture, sound []byte) {
	b.Helper()
	for i := range 50 {
		t := at + time.Duration(i)*20*time.Millisecond
		must(b, w.WriteFrame(1, t, 20*time.Millisecond, true, sound))
		if i%2 == 0 {
			must(b, w.WriteFrame(2, t, 0, i == 0, picture))
		}
		must(b, w.Flush(t))
	}
}

func twoTracks(b *testing.B, out webm.Output) *webm.Writer {
	b.Helper()
	w := webm.NewWriter(out, reelvault.WebM, start)
	_, err := w.AddTrack(webm.TrackSpec{Codec: reelvault.Opus, Media: reelvault.Audio})
	must(b, err)
	_, err = w.AddTrack(webm.TrackSpec{Codec: reelvault.VP8, Media: reelvault.Video})
	must(b, err)
	return w
}

// BenchmarkWriter measures a second of one publisher.
func BenchmarkWriter(b *testing.B) {
	w := twoTracks(b, discard{})
	picture, sound := make([]byte, 5000), make([]byte, 80)
	b.ReportAllocs()
	b.SetBytes(25*5000 + 50*80)
	for i := 0; b.Loop(); i++ {
		second(b, w, time.Duration(i)*time.Second, picture, sound)
	}
}

// BenchmarkRecover measures mending ten minutes of one publisher, in memory.
func BenchmarkRecover(b *testing.B) {
	m := &muxtest.Memory{B: make([]byte, 0, 90<<20)}
	w := twoTracks(b, m)
	picture, sound := make([]byte, 5000), append([]byte{0xf8}, make([]byte, 79)...)
	for i := range 600 {
		second(b, w, time.Duration(i)*time.Second, picture, sound)
	}
	crashed := m.B
	b.SetBytes(int64(len(crashed)))
	for b.Loop() {
		_, err := webm.Recover(&muxtest.Memory{B: crashed})
		must(b, err)
	}
}
