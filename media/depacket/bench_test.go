package depacket_test

import (
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// A stream of keyframes of 30 kB in packets of 1,200 bytes: one operation is
// one packet.
func BenchmarkPush(b *testing.B) {
	for _, codec := range []reelvault.Codec{reelvault.VP8, reelvault.VP9, reelvault.H264, reelvault.H265, reelvault.AV1} {
		b.Run(string(codec), func(b *testing.B) {
			body := make([]byte, 30_000)
			for i := range body {
				body[i] = byte(i%255 + 1)
			}
			sent, _ := withBody(b, codec, body)
			payloads := payloader(codec).Payload(1200, sent)
			d := newDepacketizer(b, codec, "")
			b.SetBytes(int64(len(sent) / len(payloads)))
			b.ReportAllocs()
			frames, timestamp, i := 0, uint32(0), 0
			for b.Loop() {
				last := i == len(payloads)-1
				frames += len(d.Push(&media.Packet{Timestamp: timestamp, Marker: last, Payload: payloads[i]}, 0))
				if i++; last {
					i = 0
					timestamp += 3000
				}
			}
			if b.N > len(payloads) && frames == 0 {
				b.Fatal("no frame came")
			}
		})
	}
}
