package webrtc_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"github.com/reelvault/reelvault/media/webrtc"
)

// Two tracks of one codec whose SSRCs the offer does not declare are told
// apart by the MID in their packets, and are not taken without.
func TestPublishByMID(t *testing.T) {
	sink := newSink()
	server := serve(t, sink)
	p := newPeer(t, peerOptions{repairs: true})
	sources := []*source{p.sends(t, pion.MimeTypeVP8), p.sends(t, pion.MimeTypeVP8)}
	offer := p.offer(t)
	answer, err := server.Publish(t.Context(), guest, regexp.MustCompile(`a=ssrc.*\r\n`).ReplaceAllString(offer, ""))
	if err != nil {
		t.Fatal(err)
	}
	p.accept(t, answer.SDP)
	sources[0].send(t, 0x10, 9)
	waitFor(t, "the packet to be refused", func() bool { return server.Stats().Unwanted == 1 })
	id := extensionID(t, offer, "urn:ietf:params:rtp-hdrext:sdes:mid")
	p.mangle.set(func(h *rtp.Header) {
		mid := "0"
		if h.SSRC == sources[1].ssrc() {
			mid = "1"
		}
		if err := h.SetExtension(id, []byte(mid)); err != nil {
			t.Error(err)
		}
	})
	for n := range byte(10) {
		sources[1].send(t, 0x10, n)
		sources[0].send(t, 0x10, n)
	}
	sink.await(t, "two whole tracks", func() bool {
		tracks := sink.captures[0].tracks
		return len(tracks) == 2 && len(tracks[0].packets) == 10 && len(tracks[1].packets) == 10
	})
	sink.look(func() {
		for i, tr := range sink.captures[0].tracks {
			for _, packet := range tr.packets {
				if packet.SSRC != sources[1-i].ssrc() {
					t.Errorf("track %d has a packet of SSRC %d", i, packet.SSRC)
				}
			}
		}
	})
}

// Of several streams that a section declares, as for a simulcast nobody asked
// for, the first is taken, and no other one even after a silence.
func TestPublishOneLayer(t *testing.T) {
	sink := newSink()
	clock := newClock()
	server := serve(t, sink, func(c *webrtc.Config) { c.Now = clock.now })
	p := newPeer(t)
	video := p.sends(t, pion.MimeTypeVP8)
	answer, err := server.Publish(t.Context(), guest, strings.TrimSuffix(p.offer(t), "\r\n")+"\r\na=ssrc:4711 cname:layer\r\n")
	if err != nil {
		t.Fatal(err)
	}
	p.accept(t, answer.SDP)
	video.send(t, 0x10, 0)
	sink.await(t, "a track", func() bool { return len(sink.captures[0].tracks) == 1 })
	clock.advance(time.Minute)
	p.mangle.set(func(h *rtp.Header) { h.SSRC = 4711 })
	video.send(t, 0x10, 1)
	waitFor(t, "the layer to be refused", func() bool { return server.Stats().Unwanted == 1 })
}

// A sender without transport-wide feedback is told a bitrate by REMB.
func TestPublishREMB(t *testing.T) {
	server := serve(t, newSink())
	_, sources, answer := publish(t, server, guest, pion.MimeTypeVP8)
	if strings.Contains(answer.SDP, "transport-wide-cc") {
		t.Fatal("the client has transport-wide feedback")
	}
	feedback := sources[0].feedback(t)
	sources[0].send(t, 0x10, 0)
	remb := awaitRTCP[*rtcp.ReceiverEstimatedMaximumBitrate](t, feedback)
	if remb.Bitrate < 5e6 || len(remb.SSRCs) != 1 || remb.SSRCs[0] != sources[0].ssrc() {
		t.Errorf("REMB %+v", remb)
	}
}

// The reception reports count what is lost, and wrap as sequence numbers do.
func TestPublishReportsLoss(t *testing.T) {
	sink := newSink()
	clock := newClock()
	server := serve(t, sink, func(c *webrtc.Config) { c.Now = clock.now })
	p, sources, _ := publish(t, server, guest, pion.MimeTypeVP8)
	feedback := sources[0].feedback(t)
	sources[0].sequence = 65530
	send := func(count int) {
		for range count {
			sources[0].send(t, 0x10, 1)
		}
	}
	send(5)
	sources[0].sequence += 5 // lost
	send(10)
	sink.await(t, "15 packets", func() bool {
		return len(sink.captures[0].tracks) == 1 && len(sink.captures[0].tracks[0].packets) == 15
	})
	if err := p.WriteRTCP([]rtcp.Packet{&rtcp.SenderReport{SSRC: sources[0].ssrc(), NTPTime: 0x1234_5678_9abc_def0}}); err != nil {
		t.Fatal(err)
	}
	sink.await(t, "the report", func() bool { return len(sink.captures[0].tracks[0].reports) == 1 })
	clock.advance(2 * time.Second)
	deadline := time.After(patience)
	for {
		select {
		case <-deadline:
			t.Fatal("no such report")
		default:
		}
		got := awaitRTCP[*rtcp.ReceiverReport](t, feedback).Reports[0]
		if got.LastSenderReport == 0 {
			continue // made before the sender's
		}
		if got.TotalLost != 5 || got.LastSequenceNumber != 65536+13 || got.LastSenderReport != 0x5678_9abc || got.Delay < 2*65536 {
			t.Errorf("report %+v", got)
		}
		return
	}
}
