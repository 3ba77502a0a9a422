package depacket_test

import (
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// A picture over the limit is dropped as lost and costs no more memory than
// the limit; the next keyframe comes.
func TestOversizedPicture(t *testing.T) {
	chunk := make([]byte, 60_000)
	for _, codec := range []reelvault.Codec{reelvault.VP8, reelvault.VP9, reelvault.H264, reelvault.H265, reelvault.AV1} {
		sent, _ := withBody(t, codec, chunk)
		packets := payloader(codec).Payload(1200, sent)
		if codec == reelvault.H264 || codec == reelvault.H265 {
			sent, _ = withBody(t, codec, make([]byte, 0))
			packets = payloader(codec).Payload(60, sent)
		}
		d := newDepacketizer(t, codec, "")
		last := len(packets) - 1
		for _, payload := range packets[:last] {
			d.Push(&media.Packet{Timestamp: 1, Payload: payload}, 0)
		}
		middle := packets[last-1]
		for size := 0; size < 9<<20; size += len(middle) {
			if got := d.Push(&media.Packet{Timestamp: 1, Payload: middle}, 0); len(got) > 0 {
				t.Fatalf("%s: a frame came", codec)
			}
		}
		got := d.Push(&media.Packet{Timestamp: 1, Marker: true, Payload: packets[last]}, 0)
		if len(got) > 0 || !d.NeedKeyframe() {
			t.Errorf("%s: got %d frames, keyframe needed %v", codec, len(got), d.NeedKeyframe())
		}
		for i, payload := range packets {
			got = d.Push(&media.Packet{Timestamp: 2, Marker: i == last, Payload: payload}, 0)
		}
		if len(got) != 1 || !got[0].AfterLoss {
			t.Errorf("%s: got %d frames, want the next one, after a loss", codec, len(got))
		}
	}
}
