package webrtc_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/webrtc"
)

// publish connects a client that sends the given kinds of media.
func publish(t *testing.T, server *webrtc.Server, who media.Publisher, mimes ...string) (*peer, []*source, media.Answer) {
	t.Helper()
	p := newPeer(t)
	var sources []*source
	for _, mime := range mimes {
		sources = append(sources, p.sends(t, mime))
	}
	answer, err := server.Publish(t.Context(), who, p.offer(t))
	if err != nil {
		t.Fatal(err)
	}
	p.accept(t, answer.SDP)
	return p, sources, answer
}

// What a client sends on each of its tracks arrives at the sink, whole and in
// the format it was negotiated in.
func TestPublishReachesTheSink(t *testing.T) {
	sink := newSink()
	server := serve(t, sink)
	_, sources, _ := publish(t, server, guest, pion.MimeTypeOpus, pion.MimeTypeVP8)
	before := time.Now()
	for i := range byte(10) {
		sources[0].send(t, 0xf8, i)
		sources[1].send(t, 0x10, i)
	}
	sink.await(t, "ten packets on both tracks", func() bool {
		tracks := sink.captures[0].tracks
		return len(tracks) == 2 && len(tracks[0].packets) == 10 && len(tracks[1].packets) == 10
	})
	if got := sink.captures[0].publisher; got != guest {
		t.Errorf("publisher %+v, want %+v", got, guest)
	}
	want := []media.Format{
		{Media: reelvault.Audio, Codec: reelvault.Opus, ClockRate: 48000, Channels: 2, FMTP: "minptime=10;useinbandfec=1;usedtx=0"},
		{Media: reelvault.Video, Codec: reelvault.VP8, ClockRate: 90000},
	}
	for i, tr := range sink.captures[0].tracks {
		if tr.format != want[i] {
			t.Errorf("format %+v, want %+v", tr.format, want[i])
		}
		if (tr.request != nil) != (want[i].Media == reelvault.Video) {
			t.Errorf("%s: a keyframe request is for video only", tr.format.Media)
		}
		for n, p := range tr.packets {
			if p.SequenceNumber != uint16(n) || p.Timestamp != uint32(n)*3000 || !p.Marker || p.SSRC != sources[i].ssrc() {
				t.Errorf("packet %d arrived as %+v", n, p)
			}
			if len(p.Payload) != 2 || p.Payload[1] != byte(n) {
				t.Errorf("payload %x of packet %d", p.Payload, n)
			}
			if p.Arrival.Before(before) || p.Arrival.After(time.Now()) {
				t.Errorf("packet %d arrived at %v", n, p.Arrival)
			}
		}
	}
	list := server.Publishers(guest.TenantID, guest.SessionID)
	if len(list) != 1 || list[0].Publisher != guest || len(list[0].Formats) != 2 {
		t.Errorf("publishers %+v", list)
	}
	if list := server.Publishers("t2", guest.SessionID); len(list) != 0 {
		t.Errorf("another tenant sees %+v", list)
	}
}

// A screen share's video is of the medium screen, every codec is taken, and
// only the first payload type of a codec decides.
func TestPublishEachVideoCodec(t *testing.T) {
	for mime, want := range map[string]reelvault.Codec{
		pion.MimeTypeVP8: reelvault.VP8, pion.MimeTypeVP9: reelvault.VP9, pion.MimeTypeH264: reelvault.H264,
		pion.MimeTypeH265: reelvault.H265, pion.MimeTypeAV1: reelvault.AV1,
	} {
		t.Run(string(want), func(t *testing.T) {
			sink := newSink()
			who := guest
			who.Kind = reelvault.RecordingScreen
			_, sources, _ := publish(t, serve(t, sink), who, mime)
			sources[0].send(t, 1, 2, 3)
			sink.await(t, "a track", func() bool { return len(sink.captures[0].tracks) == 1 })
			got := sink.captures[0].tracks[0].format
			if got.Codec != want || got.Media != reelvault.Screen || got.ClockRate != 90000 {
				t.Errorf("format %+v, want %s of a screen", got, want)
			}
		})
	}
}

// ICE-TCP listens on the number of the UDP port.
func TestPublishOverTCP(t *testing.T) {
	sink := newSink()
	server := serve(t, sink)
	p := newPeer(t, peerOptions{networks: []pion.NetworkType{pion.NetworkTypeTCP4}})
	audio := p.sends(t, pion.MimeTypeOpus)
	answer, err := server.Publish(t.Context(), guest, p.offer(t))
	if err != nil {
		t.Fatal(err)
	}
	p.accept(t, answer.SDP)
	audio.send(t, 0xf8)
	sink.await(t, "a packet over TCP", func() bool { return len(sink.captures[0].tracks) == 1 })
}

// Padding is taken off, and a packet of nothing else keeps its number.
func TestPublishPadding(t *testing.T) {
	sink := newSink()
	p, sources, _ := publish(t, serve(t, sink), guest, pion.MimeTypeVP8)
	p.mangle.set(func(h *rtp.Header) { h.Padding, h.PaddingSize = true, 17 })
	sources[0].send(t, 7, 8)
	sources[0].send(t)
	sink.await(t, "two packets", func() bool {
		return len(sink.captures[0].tracks) == 1 && len(sink.captures[0].tracks[0].packets) == 2
	})
	packets := sink.captures[0].tracks[0].packets
	if len(packets[0].Payload) != 2 || len(packets[1].Payload) != 0 || packets[1].SequenceNumber != 1 {
		t.Errorf("arrived as %+v", packets)
	}
}

// A sender report reaches the track that it is about.
func TestPublishSenderReports(t *testing.T) {
	sink := newSink()
	p, sources, _ := publish(t, serve(t, sink), guest, pion.MimeTypeOpus, pion.MimeTypeVP8)
	for _, s := range sources {
		s.send(t, 0x10, 0)
	}
	sink.await(t, "two tracks", func() bool { return len(sink.captures[0].tracks) == 2 })
	report := &rtcp.SenderReport{
		SSRC: sources[1].ssrc(), NTPTime: 0xe0000000_80000000, RTPTime: 4711,
		Reports: []rtcp.ReceptionReport{{SSRC: sources[0].ssrc()}}, // a second addressee, whose clock it is not about
	}
	if err := p.WriteRTCP([]rtcp.Packet{report}); err != nil {
		t.Fatal(err)
	}
	video := func() *track {
		for _, tr := range sink.captures[0].tracks {
			if tr.format.Media == reelvault.Video {
				return tr
			}
		}
		return nil
	}
	sink.await(t, "the report", func() bool { return len(video().reports) == 1 })
	got := video().reports[0]
	for _, tr := range sink.captures[0].tracks {
		if tr != video() && len(tr.reports) != 0 {
			t.Errorf("the other track got %+v", tr.reports)
		}
	}
	if got.NTP != report.NTPTime || got.RTP != 4711 || got.SSRC != report.SSRC || got.Arrival.IsZero() {
		t.Errorf("report %+v", got)
	}
}

// A change of codec ends the track and begins another one.
func TestPublishCodecChange(t *testing.T) {
	sink := newSink()
	p, sources, _ := publish(t, serve(t, sink), guest, pion.MimeTypeVP8)
	sources[0].send(t, 0x10, 0)
	p.mangle.set(func(h *rtp.Header) { h.PayloadType = 98 }) // VP9 in pion's table
	sources[0].send(t, 0x08)
	sink.await(t, "the second track", func() bool { return len(sink.captures[0].tracks) == 2 })
	tracks := sink.captures[0].tracks
	if !tracks[0].closed || tracks[1].format.Codec != reelvault.VP9 {
		t.Errorf("first closed: %v, second %+v", tracks[0].closed, tracks[1].format)
	}
}

// A new SSRC takes its section's track over, but not while the old one sends.
func TestPublishSSRCChange(t *testing.T) {
	sink := newSink()
	clock := newClock()
	server := serve(t, sink, func(c *webrtc.Config) { c.Now = clock.now })
	p, sources, _ := publish(t, server, guest, pion.MimeTypeVP8)
	sources[0].send(t, 0x10, 0)
	sink.await(t, "a track", func() bool { return len(sink.captures[0].tracks) == 1 })
	p.mangle.set(func(h *rtp.Header) { h.SSRC = 4711 })
	sources[0].send(t, 0x10, 1)
	waitFor(t, "the stranger to be refused", func() bool { return server.Stats().Unwanted == 1 })
	clock.advance(time.Second)
	sources[0].send(t, 0x10, 2)
	tr := sink.captures[0].tracks[0]
	sink.await(t, "the new SSRC", func() bool { return len(tr.packets) == 2 })
	if tr.packets[1].SSRC != 4711 || tr.packets[1].Payload[1] != 2 {
		t.Errorf("took %+v", tr.packets[1])
	}
}

// Packets that a line loses, and the repair of some, are asked for until they
// come. Each arrives once.
func TestPublishRepairsLoss(t *testing.T) {
	const total = 400
	sink := newSink()
	server := serve(t, sink)
	relay, through := newRelay(t, server.Port())
	p := newPeer(t, peerOptions{repairs: true})
	video := p.sends(t, pion.MimeTypeVP8)
	answer, err := server.Publish(t.Context(), guest, p.offer(t))
	if err != nil {
		t.Fatal(err)
	}
	feedback := video.feedback(t)
	p.accept(t, through(answer.SDP))
	video.send(t, 0x10, 0)
	random := rand.New(rand.NewPCG(1, 2))
	dropped := 0
	relay.dropping(func(toServer bool, b []byte) bool {
		lose := toServer && isRTP(b) && random.IntN(10) == 0
		if lose {
			dropped++
		}
		return lose
	})
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range total - 1 {
		<-tick.C
		video.send(t, 0x10, 1)
	}
	relay.dropping(nil)
	for range 20 { // what follows shows what is missing at the end
		<-tick.C
		video.send(t, 0x10, 1)
	}
	seen := map[uint16]int{}
	sink.await(t, "every packet", func() bool {
		clear(seen)
		for _, tr := range sink.captures[0].tracks {
			for _, packet := range tr.packets {
				seen[packet.SequenceNumber]++
			}
		}
		return len(seen) == total+20
	})
	for seq, times := range seen {
		if times != 1 {
			t.Errorf("packet %d arrived %d times", seq, times)
		}
	}
	stats := server.Stats()
	if stats.Recovered < 20 || stats.NACKs < stats.Recovered || stats.NACKs > 10*stats.Recovered {
		t.Errorf("%d dropped, %d recovered, %d asked for", dropped, stats.Recovered, stats.NACKs)
	}
	awaitRTCP[*rtcp.TransportLayerNack](t, feedback)
}

// Receiver reports and transport-wide feedback tell the sender how it does.
func TestPublishFeedback(t *testing.T) {
	sink := newSink()
	server := serve(t, sink)
	p := newPeer(t, peerOptions{repairs: true})
	video := p.sends(t, pion.MimeTypeVP8)
	offer := p.offer(t)
	answer, err := server.Publish(t.Context(), guest, offer)
	if err != nil {
		t.Fatal(err)
	}
	feedback := video.feedback(t)
	id := extensionID(t, offer, "draft-holmer-rmcat-transport-wide-cc-extensions-01")
	var counter uint16
	p.mangle.set(func(h *rtp.Header) {
		ext, err := rtp.TransportCCExtension{TransportSequence: counter}.Marshal()
		if err == nil {
			err = h.SetExtension(id, ext)
		}
		if err != nil {
			panic(fmt.Sprint("set extension: ", err))
		}
		counter++
	})
	p.accept(t, answer.SDP)
	for range 10 {
		video.send(t, 0x10, 1)
	}
	twcc := awaitRTCP[*rtcp.TransportLayerCC](t, feedback)
	if twcc.PacketStatusCount == 0 {
		t.Errorf("feedback %+v", twcc)
	}
	report := awaitRTCP[*rtcp.ReceiverReport](t, feedback)
	if len(report.Reports) != 1 || report.Reports[0].SSRC != video.ssrc() || report.Reports[0].FractionLost != 0 {
		t.Errorf("report %+v", report)
	}
}

// The recorder's request goes out as PLI, and as FIR as well once PLIs were
// ignored; a keyframe makes it PLI alone again.
func TestPublishKeyframeRequests(t *testing.T) {
	sink := newSink()
	clock := newClock()
	server := serve(t, sink, func(c *webrtc.Config) { c.Now = clock.now })
	_, sources, _ := publish(t, server, guest, pion.MimeTypeVP8)
	feedback := sources[0].feedback(t)
	sources[0].send(t, 0x10, 1)
	sink.await(t, "a track", func() bool { return len(sink.captures[0].tracks) == 1 })
	ask := func() {
		clock.advance(time.Second)
		sink.captures[0].tracks[0].request()
		if pli := awaitRTCP[*rtcp.PictureLossIndication](t, feedback); pli.MediaSSRC != sources[0].ssrc() {
			t.Errorf("PLI for %d", pli.MediaSSRC)
		}
	}
	for range 3 {
		ask()
	}
	if firs := server.Stats().FIRs; firs != 0 {
		t.Errorf("%d FIRs after three PLIs", firs)
	}
	ask()
	fir := awaitRTCP[*rtcp.FullIntraRequest](t, feedback)
	if len(fir.FIR) != 1 || fir.FIR[0].SSRC != sources[0].ssrc() {
		t.Errorf("FIR %+v", fir)
	}
	sources[0].send(t, 0x10, 0) // a keyframe
	sink.await(t, "the keyframe", func() bool { return len(sink.captures[0].tracks[0].packets) == 2 })
	ask()
	if firs := server.Stats().FIRs; firs != 1 {
		t.Errorf("%d FIRs after a keyframe came", firs)
	}
}

// A client that sends more streams than any browser is thrown out.
func TestPublishSSRCFlood(t *testing.T) {
	sink := newSink()
	p, sources, _ := publish(t, serve(t, sink), guest, pion.MimeTypeVP8)
	var ssrc uint32 = 1000
	p.mangle.set(func(h *rtp.Header) { ssrc++; h.SSRC = ssrc })
	for range 1000 {
		h := rtp.Header{Version: 2}
		if err := sources[0].track.WriteRTP(&rtp.Packet{Header: h, Payload: []byte{0x10, 1}}); err != nil {
			break // thrown out already
		}
	}
	sink.await(t, "the end of the flood", func() bool { return sink.captures[0].closed })
	if sink.captures[0].cause == nil || len(sink.captures[0].tracks) > 1 {
		t.Errorf("ended by %v with %d tracks", sink.captures[0].cause, len(sink.captures[0].tracks))
	}
}

// Payload types that were not negotiated, header extensions of nonsense, and
// noise on the port harm nobody.
func TestPublishNonsense(t *testing.T) {
	sink := newSink()
	server := serve(t, sink)
	p, sources, _ := publish(t, server, guest, pion.MimeTypeVP8)
	noise, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: server.Port()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = noise.Close() }()
	random := rand.New(rand.NewPCG(3, 4))
	for n := range 500 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		if n > 0 {
			b[0] = []byte{0, 1, 20, 22, 64, 128, 144, 191}[n%8] // STUN, DTLS, TURN, RTP
		}
		_, _ = noise.Write(b)
	}
	p.mangle.set(func(h *rtp.Header) { h.PayloadType = 33 })
	sources[0].send(t, 1)
	p.mangle.set(func(h *rtp.Header) {
		h.Extension, h.ExtensionProfile = true, 0x1000
		_ = h.SetExtension(200, []byte{1, 2, 3})
	})
	sources[0].send(t, 2)
	p.mangle.set(nil)
	sources[0].send(t, 3)
	sink.await(t, "the good packets", func() bool {
		return len(sink.captures[0].tracks) == 1 && len(sink.captures[0].tracks[0].packets) == 2
	})
	if n := server.Stats().Unwanted; n != 1 {
		t.Errorf("%d unwanted packets, want 1", n)
	}
	if err := p.WriteRTCP([]rtcp.Packet{&rtcp.RawPacket{0x80, 201, 0, 1, 0, 0, 0, 1}, &rtcp.RawPacket{0x8f, 205, 0, 0}}); err != nil {
		t.Fatal(err)
	}
	sources[0].send(t, 4)
	sink.await(t, "the last packet", func() bool { return len(sink.captures[0].tracks[0].packets) == 3 })
}

// What the sink says against a publisher is the client's answer, and leaves
// nothing behind; a track it refuses later does not end the connection.
func TestPublishRefusedBySink(t *testing.T) {
	sink := newSink()
	sink.admit = reelvault.Errorf(reelvault.StorageFull, "the disk is full")
	server := serve(t, sink)
	p := newPeer(t)
	p.sends(t, pion.MimeTypeOpus)
	if _, err := server.Publish(t.Context(), guest, p.offer(t)); !errors.Is(err, sink.admit) {
		t.Errorf("error %v, want the sink's", err)
	}
	if got := server.Stats(); got != (webrtc.Stats{}) {
		t.Errorf("left behind: %+v", got)
	}
}
