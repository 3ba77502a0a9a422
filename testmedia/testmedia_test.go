package testmedia_test

import (
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

// A clip holds as many frames as its length and rates say, and its streams
// send every one of them.
func TestEncode(t *testing.T) {
	for _, codec := range []reelvault.Codec{reelvault.VP8, reelvault.VP9, reelvault.AV1} {
		t.Run(string(codec), func(t *testing.T) {
			clip, err := testmedia.Encode(t.Context(), testmedia.ClipSpec{
				Video: codec, Width: 160, Height: 120, FPS: 30, KeyEvery: time.Second, BitRate: 200_000, Duration: 3 * time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := len(clip.VideoFrames), 90; got != want {
				t.Errorf("video frames: got %d, want %d", got, want)
			}
			if got, want := len(clip.AudioFrames), 150; got != want {
				t.Errorf("audio frames: got %d, want %d", got, want)
			}
			sent, err := testmedia.Send(clip, testmedia.SendSpec{Length: 6 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			markers := 0
			for _, s := range sent {
				if s.Packet.Marker {
					markers++
				}
			}
			if got, want := markers, 180; got != want {
				t.Errorf("video frames sent: got %d, want %d", got, want)
			}
		})
	}
}
