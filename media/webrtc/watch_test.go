package webrtc_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/webrtc"
)

// administrator watches the session of guest.
var administrator = media.Publisher{TenantID: guest.TenantID, SessionID: guest.SessionID, Kind: reelvault.RecordingAV}

// watcher is a client that watches.
type watcher struct {
	*peer
	audio, video chan *rtp.Packet
	reports      chan *rtcp.SenderReport
	answer       media.Answer
}

// watch connects a client that can receive one audio and one video track.
func watch(t *testing.T, server *webrtc.Server, w media.Publisher) *watcher {
	t.Helper()
	var reading sync.WaitGroup
	t.Cleanup(reading.Wait)
	c := &watcher{
		peer: newPeer(t), audio: make(chan *rtp.Packet, 1000), video: make(chan *rtp.Packet, 1000),
		reports: make(chan *rtcp.SenderReport, 1000),
	}
	c.OnTrack(func(track *pion.TrackRemote, receiver *pion.RTPReceiver) {
		to := c.audio
		if track.Kind() == pion.RTPCodecTypeVideo {
			to = c.video
		}
		reading.Go(func() { c.readReports(receiver) })
		reading.Go(func() {
			for {
				p, _, err := track.ReadRTP()
				if err != nil {
					return
				}
				to <- p
			}
		})
	})
	for _, kind := range []pion.RTPCodecType{pion.RTPCodecTypeAudio, pion.RTPCodecTypeVideo} {
		if _, err := c.AddTransceiverFromKind(kind, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionRecvonly}); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if c.answer, err = server.Watch(t.Context(), w, c.offer(t)); err != nil {
		t.Fatal(err)
	}
	c.accept(t, c.answer.SDP)
	waitFor(t, "the server to be connected", func() bool { return server.Stats().Connecting == 0 })
	return c
}

func (w *watcher) readReports(receiver *pion.RTPReceiver) {
	for {
		packets, _, err := receiver.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			if report, ok := p.(*rtcp.SenderReport); ok {
				w.reports <- report
			}
		}
	}
}

// next waits for the next packet of a channel.
func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case p := <-from:
		return p
	case <-time.After(patience):
		t.Fatal("no packet comes")
		panic("unreachable")
	}
}

// tell sends RTCP to the server.
func (w *watcher) tell(t *testing.T, packets ...rtcp.Packet) {
	t.Helper()
	if err := w.WriteRTCP(packets); err != nil {
		t.Fatal(err)
	}
}

func nackOf(ssrc uint32, seqs ...uint16) rtcp.Packet {
	return &rtcp.TransportLayerNack{MediaSSRC: ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(seqs)}
}

// Payloads of VP8: a keyframe starts, and anything else. The second byte is
// for the test to tell packets apart.
func key(n byte) []byte   { return []byte{0x10, n &^ 1} }
func delta(n byte) []byte { return []byte{0x10, n | 1} }

// A watcher gets video from the first keyframe on, which is asked for, audio
// at once, and the sender's reports in the numbers of its own streams.
func TestWatch(t *testing.T) {
	noLeaks(t)
	sink := newSink()
	server := serve(t, sink)
	p, sources, _ := publish(t, server, guest, pion.MimeTypeOpus, pion.MimeTypeVP8)
	audio, video := sources[0], sources[1]
	feedback := video.feedback(t)
	video.send(t, key(0)...)
	sink.await(t, "a track", func() bool { return len(sink.captures[0].tracks) == 1 })
	w := watch(t, server, administrator)
	for _, want := range []string{"a=sendonly", "a=msid:ada.camera "} {
		if strings.Count(w.answer.SDP, want) != 2 {
			t.Errorf("the answer has %q not twice:\n%s", want, w.answer.SDP)
		}
	}
	video.send(t, delta(2)...)
	awaitRTCP[*rtcp.PictureLossIndication](t, feedback)
	video.send(t, key(4)...)
	first := next(t, w.video)
	if !slices.Equal(first.Payload, key(4)) || !first.Marker {
		t.Errorf("the first packet is %v", first)
	}
	for n := range byte(20) {
		video.send(t, delta(2*n)...)
		audio.send(t, 0xf8, n)
		v, a := next(t, w.video), next(t, w.audio)
		if v.SequenceNumber != first.SequenceNumber+uint16(n)+1 || v.Timestamp != first.Timestamp+3000*(uint32(n)+1) || !slices.Equal(v.Payload, delta(2*n)) {
			t.Errorf("packet %d of video is %v", n, v)
		}
		if !slices.Equal(a.Payload, []byte{0xf8, n}) {
			t.Errorf("packet %d of audio is %v", n, a)
		}
	}
	if err := p.WriteRTCP([]rtcp.Packet{&rtcp.SenderReport{SSRC: video.ssrc(), NTPTime: 4711, RTPTime: first.Timestamp + 5}}); err != nil {
		t.Fatal(err)
	}
	report := next(t, w.reports)
	if report.SSRC != first.SSRC || report.NTPTime != 4711 || report.RTPTime != first.Timestamp+5 || report.PacketCount != 21 {
		t.Errorf("report %+v", report)
	}
	if got := server.Stats(); got.Watchers != 1 || got.Publishers != 1 || got.Forwarded != 41 || got.Dropped != 0 {
		t.Errorf("stats %+v", got)
	}
}

// Nothing of what comes during a pause reaches a watcher, nor is anything from
// before it sent again. After it a keyframe is asked for, and the stream goes
// on with it as if nothing had been.
func TestWatchPause(t *testing.T) {
	sink := newSink()
	clock := newClock()
	server := serve(t, sink, func(c *webrtc.Config) { c.Now = clock.now })
	_, sources, _ := publish(t, server, guest, pion.MimeTypeVP8)
	video := sources[0]
	feedback := video.feedback(t)
	w := watch(t, server, administrator)
	video.send(t, key(0)...)
	before := next(t, w.video)
	setForward := func(allowed bool) { sink.look(func() { sink.captures[0].tracks[0].forward = allowed }) }
	sent := 1
	send := func(payload []byte) {
		video.send(t, payload...)
		sent++
		sink.await(t, "the packet", func() bool { return len(sink.captures[0].tracks[0].packets) == sent })
	}
	setForward(false)
	send(delta(2))
	send(key(4))
	lost := video.sequence
	video.sequence++
	for drained := false; !drained; {
		select {
		case <-feedback:
		default:
			drained = true
		}
	}
	clock.advance(time.Second)
	w.tell(t, nackOf(before.SSRC, before.SequenceNumber), &rtcp.PictureLossIndication{MediaSSRC: before.SSRC})
	awaitRTCP[*rtcp.PictureLossIndication](t, feedback) // so the NACK was read, too
	setForward(true)
	clock.advance(time.Second)
	send(delta(6))
	awaitRTCP[*rtcp.PictureLossIndication](t, feedback)
	send(key(8))
	after := next(t, w.video)
	if !slices.Equal(after.Payload, key(8)) || after.SequenceNumber != before.SequenceNumber+1 || after.Timestamp != before.Timestamp+4*3000 {
		t.Errorf("after the pause comes %v, before it came %v", after, before)
	}
	video.sequence, lost = lost, video.sequence
	send(delta(10)) // what was lost during the pause comes late
	video.sequence = lost
	send(delta(12))
	if got := next(t, w.video); !slices.Equal(got.Payload, delta(12)) {
		t.Errorf("a packet of the pause was forwarded: %v", got)
	}
	if n := server.Stats().Resent; n != 0 {
		t.Errorf("%d packets were sent again", n)
	}
}

// What a watcher misses is sent again, but not faster than a flood of NACKs
// would have it, and not what never was.
func TestWatchRepairs(t *testing.T) {
	sink := newSink()
	clock := newClock()
	server := serve(t, sink, func(c *webrtc.Config) { c.Now = clock.now })
	_, sources, _ := publish(t, server, guest, pion.MimeTypeVP8)
	feedback := sources[0].feedback(t)
	w := watch(t, server, administrator)
	sources[0].send(t, key(0)...)
	var came []*rtp.Packet
	for n := range byte(20) {
		sources[0].send(t, delta(2*n)...)
		came = append(came, next(t, w.video))
	}
	ask := func(seqs ...uint16) {
		clock.advance(2 * time.Second) // a PLI that was sent says that the NACK was read
		w.tell(t, nackOf(came[0].SSRC, seqs...), nackOf(came[0].SSRC, seqs...), &rtcp.PictureLossIndication{MediaSSRC: came[0].SSRC})
		awaitRTCP[*rtcp.PictureLossIndication](t, feedback)
	}
	next(t, w.video)
	ask(came[3].SequenceNumber, came[7].SequenceNumber)
	for _, i := range []int{3, 7} {
		if again := next(t, w.video); again.SequenceNumber != came[i].SequenceNumber || !slices.Equal(again.Payload, came[i].Payload) {
			t.Errorf("packet %d comes again as %v", i, again)
		}
	}
	ask(came[0].SequenceNumber-1, came[0].SequenceNumber+512)
	if n := server.Stats().Resent; n != 2 {
		t.Errorf("%d packets were sent again, want 2", n)
	}
	ask(came[3].SequenceNumber)
	if again := next(t, w.video); again.SequenceNumber != came[3].SequenceNumber {
		t.Errorf("a second time it comes as %v", again)
	}
}

// A sender that starts anew under another SSRC is one stream to the watcher.
func TestWatchSSRCChange(t *testing.T) {
	clock := newClock()
	server := serve(t, newSink(), func(c *webrtc.Config) { c.Now = clock.now })
	p, sources, _ := publish(t, server, guest, pion.MimeTypeVP8)
	w := watch(t, server, administrator)
	sources[0].send(t, key(0)...)
	before := next(t, w.video)
	clock.advance(time.Second)
	p.mangle.set(func(h *rtp.Header) {
		h.SSRC, h.SequenceNumber, h.Timestamp = 4711, h.SequenceNumber+30000, h.Timestamp+1e9
	})
	sources[0].send(t, delta(2)...)
	sources[0].send(t, key(4)...)
	after := next(t, w.video)
	if !slices.Equal(after.Payload, key(4)) || after.SSRC != before.SSRC || after.SequenceNumber != before.SequenceNumber+1 {
		t.Errorf("after the change comes %v", after)
	}
	if d := after.Timestamp - before.Timestamp; d < 90000 || d > 90000+90000*uint32(patience/time.Second) {
		t.Errorf("one second later is %d units later", d)
	}
}

// A watcher whose publisher ends, or changes to a codec that was not
// negotiated, is told by the end of its connection.
func TestWatchEnds(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *webrtc.Server, *peer, *source, string){
		"publisher ends": func(t *testing.T, server *webrtc.Server, _ *peer, _ *source, id string) {
			t.Helper()
			if err := server.Hangup(t.Context(), guest.SessionID, id); err != nil {
				t.Fatal(err)
			}
		},
		"codec changes": func(t *testing.T, _ *webrtc.Server, p *peer, s *source, _ string) {
			t.Helper()
			p.mangle.set(func(h *rtp.Header) { h.PayloadType = 98 }) // VP9 in pion's table
			s.send(t, 0x08)
		},
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			server := serve(t, newSink())
			p, sources, answer := publish(t, server, guest, pion.MimeTypeVP8)
			w := watch(t, server, administrator)
			sources[0].send(t, key(0)...)
			next(t, w.video)
			closed := make(chan struct{})
			var once sync.Once
			w.OnConnectionStateChange(func(s pion.PeerConnectionState) {
				if s == pion.PeerConnectionStateClosed {
					once.Do(func() { close(closed) })
				}
			})
			end(t, server, p, sources[0], answer.ID)
			waitFor(t, "the watcher's end", func() bool { return server.Stats().Watchers == 0 })
			next(t, closed)
		})
	}
}

// A watcher that leaves, restarts ICE, or sends nonsense does not touch the
// publisher or another watcher.
func TestWatchersAreApart(t *testing.T) {
	noLeaks(t)
	sink := newSink()
	server := serve(t, sink)
	_, sources, _ := publish(t, server, guest, pion.MimeTypeVP8)
	stays, leaves := watch(t, server, administrator), watch(t, server, administrator)
	sources[0].send(t, key(0)...)
	next(t, stays.video)
	ssrc := next(t, leaves.video).SSRC
	for format := range byte(32) {
		for kind := byte(200); kind <= 207; kind++ {
			for _, body := range [][]byte{{0, 0, 0, 1}, {0, 0, 0, 1, 0, 0, 0, 2}, {0, 0, 0, 1, byte(ssrc >> 24), byte(ssrc >> 16), byte(ssrc >> 8), byte(ssrc), 9, 9, 9, 9}} {
				raw := rtcp.RawPacket(append([]byte{0x80 | format, kind, 0, byte(len(body) / 4)}, body...))
				leaves.tell(t, &raw)
			}
		}
	}
	restart(t, server, leaves.peer, leaves.answer.SDP, leaves.answer.ID)
	waitFor(t, "packets on the new path", func() bool {
		sources[0].send(t, key(0)...)
		select {
		case <-leaves.video:
			return true
		default:
			return false
		}
	})
	if err := leaves.GracefulClose(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the goodbye", func() bool { return server.Stats().Watchers == 1 })
	before := server.Stats().Dropped // a packet may meet the end of the one that leaves
	sources[0].send(t, delta(40)...)
	for next(t, stays.video).Payload[1] != 41 {
	}
	for range 600 { // more than a queue holds
		sources[0].send(t, delta(0)...)
		next(t, stays.video)
	}
	if got := server.Stats(); got.Publishers != 1 || got.Dropped != before {
		t.Errorf("stats %+v", got)
	}
}

// Who is in the call gets what comes during a pause, too.
func TestWatchPauseInCall(t *testing.T) {
	sink := newSink()
	server := serve(t, sink)
	_, sources, _ := publish(t, server, guest, pion.MimeTypeVP8)
	inCall := administrator
	inCall.Unrecorded = true
	w := watch(t, server, inCall)
	sources[0].send(t, key(0)...)
	next(t, w.video)
	sink.look(func() { sink.captures[0].tracks[0].forward = false })
	sources[0].send(t, delta(2)...)
	if got := next(t, w.video); !slices.Equal(got.Payload, delta(2)) {
		t.Errorf("during the pause comes %v", got)
	}
}

// A publisher whose track the recorder refuses is still seen live.
func TestWatchUnrecorded(t *testing.T) {
	sink := newSink()
	sink.addTrack = errors.New("no depacketizer")
	server := serve(t, sink)
	_, sources, _ := publish(t, server, guest, pion.MimeTypeVP8)
	w := watch(t, server, administrator)
	sources[0].send(t, key(0)...)
	if got := next(t, w.video); !slices.Equal(got.Payload, key(0)) {
		t.Errorf("forwarded %v", got)
	}
}

// A watcher that sends about more streams than there are is thrown out.
func TestWatcherFloods(t *testing.T) {
	server := serve(t, newSink())
	publish(t, server, guest, pion.MimeTypeVP8)
	w := watch(t, server, administrator)
	for ssrc := range uint32(500) {
		if err := w.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}}); err != nil {
			break // thrown out already
		}
	}
	waitFor(t, "the end of the flood", func() bool { return server.Stats().Watchers == 0 })
}

// A watcher who is too slow loses packets, not our memory.
func TestWatchQueueIsBounded(t *testing.T) {
	if taken := webrtc.Overflow(2000); taken != 512 {
		t.Errorf("%d packets were queued, want 512", taken)
	}
}
