package webrtc_test

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"github.com/reelvault/reelvault/media/webrtc"
)

// A missing packet is asked for when it is no longer likely to be late, again
// after a while, and not for ever; a long hole is not asked for at all.
func TestNACKPace(t *testing.T) {
	sink := newSink()
	clock := newClock()
	server := serve(t, sink, func(c *webrtc.Config) { c.Now = clock.now })
	_, sources, _ := publish(t, server, guest, pion.MimeTypeVP8)
	came := 0
	send := func(sequence uint16) {
		sources[0].sequence = sequence
		sources[0].send(t, 0x10, 1)
		came++
		sink.await(t, "the packet", func() bool {
			return len(sink.captures[0].tracks) == 1 && len(sink.captures[0].tracks[0].packets) == came
		})
	}
	asked := func(after time.Duration, want uint64) {
		t.Helper()
		clock.advance(after)
		clock.rounds(t)
		if got := server.Stats().NACKs; got != want {
			t.Errorf("%d NACKs, want %d", got, want)
		}
	}
	clock.stop()
	send(0)
	send(2)
	asked(0, 0)
	asked(5*time.Millisecond, 1)
	asked(0, 1)
	asked(50*time.Millisecond, 2)
	asked(400*time.Millisecond, 2)
	send(4) // 3 is missing
	send(304)
	asked(10*time.Millisecond, 2)
	for sequence := range uint16(10) {
		send(310 + sequence)
	}
	send(319 + 2048) // what is remembered is of another round
	send(315 + 2048)
}

// Keyframes are not asked for faster than an encoder bears, and by watchers
// less often still.
func TestKeyframePace(t *testing.T) {
	sink := newSink()
	clock := newClock()
	server := serve(t, sink, func(c *webrtc.Config) { c.Now = clock.now })
	_, sources, _ := publish(t, server, guest, pion.MimeTypeVP8)
	w := watch(t, server, administrator)
	sources[0].send(t, key(0)...)
	ssrc := next(t, w.video).SSRC
	clock.stop()
	asked := func(after time.Duration, want uint64) {
		t.Helper()
		clock.advance(after)
		clock.rounds(t)
		if got := server.Stats().PLIs; got != want {
			t.Errorf("%d PLIs, want %d", got, want)
		}
	}
	var request func()
	sink.look(func() { request = sink.captures[0].tracks[0].request })
	clock.advance(time.Minute)
	clock.rounds(t) // what is asked at the start
	base := server.Stats().PLIs
	clock.advance(time.Minute)
	request()
	asked(0, base+1)
	request()
	asked(0, base+1)
	asked(200*time.Millisecond, base+2)
	w.tell(t, &rtcp.PictureLossIndication{MediaSSRC: ssrc})
	asked(500*time.Millisecond, base+2)
	asked(500*time.Millisecond, base+3)
}

// Retransmissions by RTX count as the packets they repeat. One that is too
// old, came before, or repeats nothing is not delivered.
func TestRTX(t *testing.T) {
	sink := newSink()
	server := serve(t, sink)
	p, sources, _ := publish(t, server, guest, pion.MimeTypeVP8)
	video := sources[0]
	repair := uint32(video.sender.GetParameters().Encodings[0].RTX.SSRC)
	if repair == 0 {
		t.Fatal("the client has no RTX")
	}
	var sequence uint16
	rtx := func(payload ...byte) {
		p.mangle.set(func(h *rtp.Header) {
			h.PayloadType, h.SSRC, h.SequenceNumber = 97, repair, sequence // in pion's table
		})
		video.send(t, payload...)
		sequence++
		p.mangle.set(nil)
	}
	rtx(0, 1, 0x10, 1) // repeats nothing: the stream has not begun
	rtx()              // probes the bandwidth
	rtx(7)
	video.sequence = 5000
	video.send(t, 0x10, 0)
	video.sequence = 5002
	video.send(t, 0x10, 2)
	sink.await(t, "two packets", func() bool {
		return len(sink.captures[0].tracks) == 1 && len(sink.captures[0].tracks[0].packets) == 2
	})
	rtx(5001>>8, 5001&0xff, 0x10, 1)
	rtx(5002>>8, 5002&0xff, 0x10, 2) // came
	rtx(2000>>8, 2000&0xff, 0x10, 9) // too old
	rtx()
	video.sequence = 5003
	video.send(t, 0x10, 3)
	sink.await(t, "four packets", func() bool { return len(sink.captures[0].tracks[0].packets) == 4 })
	waitFor(t, "the duplicates to be counted", func() bool { return server.Stats().Duplicates == 2 })
	sink.look(func() {
		for i, n := range []uint16{0, 2, 1, 3} {
			got := sink.captures[0].tracks[0].packets[i]
			if got.SequenceNumber != 5000+n || got.SSRC != video.ssrc() || got.Payload[1] != byte(n) {
				t.Errorf("packet %d arrived as %+v", i, got)
			}
		}
	})
}

// A client whose codecs change all the time is thrown out.
func TestCodecFlood(t *testing.T) {
	sink := newSink()
	p, sources, _ := publish(t, serve(t, sink), guest, pion.MimeTypeVP8)
	for n := range 200 {
		p.mangle.set(func(h *rtp.Header) { h.PayloadType = []uint8{96, 98}[n%2] }) // VP8 and VP9 in pion's table
		if err := sources[0].track.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(n)}, Payload: []byte{0x10, 0}}); err != nil {
			break // thrown out already
		}
	}
	sink.await(t, "the end of the flood", func() bool { return sink.captures[0].closed })
	sink.look(func() {
		if c := sink.captures[0]; c.cause == nil || len(c.tracks) > 64 {
			t.Errorf("ended by %v with %d tracks", c.cause, len(c.tracks))
		}
	})
}
