package e2e_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// Whatever hostile and broken clients send, one who publishes all the while is
// recorded whole, the process lives, and its memory stays bounded.
func TestHostile(t *testing.T) {
	t.Parallel()
	n := start(t)
	healthy := newHealthy(t, n)
	vanished := []string{vanish(t, n, true), vanish(t, n, false)}

	for _, attack := range []struct {
		name string
		run  func(*testing.T, *node.Node)
	}{
		{"foreign and broken RTP of a peer", foreignRTP},
		{"datagrams at the media port", datagrams},
		{"connections to the media port", brokenTCP},
		{"malformed offers", malformedOffers},
		{"malformed fragments", malformedFragments},
		{"oversized bodies", oversized},
		{"unknown ids", unknownIDs},
		{"tickets of others, and old ones", badTickets},
		{"1,000 offers from one address", flood},
	} {
		t.Run(attack.name, func(t *testing.T) { attack.run(t, n) })
	}
	t.Run("who vanished is recorded up to then", func(t *testing.T) {
		for _, session := range vanished {
			checkVanished(t, n, session)
		}
	})
	t.Run("who never connected is forgotten", func(t *testing.T) { onlyHealthyIsLeft(t, n) })
	t.Run("the healthy one is recorded whole", func(t *testing.T) { healthy.check(t, n) })
	t.Run("the node is well", func(t *testing.T) { checkWell(t, n) })
}

// healthy publishes until it is checked.
type healthy struct {
	session string
	peer    *testmedia.Peer
	sent    []testmedia.Sent
	stop    context.CancelFunc
	ended   chan result
}

type result struct {
	packets int
	late    time.Duration
	err     error
}

// longest is longer than all attacks take.
const longest = 4 * time.Minute

func newHealthy(t *testing.T, n *node.Node) *healthy {
	t.Helper()
	clip := newClip(t)
	sent, err := testmedia.Send(clip, testmedia.SendSpec{Length: longest})
	if err != nil {
		t.Fatal(err)
	}
	h := &healthy{session: newSession(t, n), sent: sent, ended: make(chan result, 1)}
	h.peer = publish(t, testmedia.Target{URL: n.WHIP(h.session, "healthy"), Token: node.Token}, clip)
	ctx, stop := context.WithCancel(t.Context())
	h.stop = stop
	t.Cleanup(stop)
	go func() {
		packets, late, err := h.peer.Send(ctx, sent)
		h.ended <- result{packets, late, err}
	}()
	return h
}

// check ends the recording and compares it with what was sent, frame by frame.
func (h *healthy) check(t *testing.T, n *node.Node) {
	t.Helper()
	h.stop()
	r := <-h.ended
	if !errors.Is(r.err, context.Canceled) {
		t.Fatalf("sending ended too soon: %v", r.err)
	}
	if err := errors.Join(h.peer.Close(t.Context()), n.EndSession(t.Context(), h.session)); err != nil {
		t.Fatal(err)
	}
	rec := finished(t, n, h.session, 20*time.Second)
	for _, track := range rec.Tracks {
		if len(track.Gaps) > 0 {
			t.Errorf("gaps of the %s track: got %+v, want none", track.Media, track.Gaps)
		}
	}
	path := download(t, n, rec.Files[0])
	audio, video := countFrames(h.sent, r.packets)
	t.Logf("%d packets, at most %v late; %d frames of sound, %d pictures", r.packets, r.late, audio, video)
	// The goodbye, which takes another way, may overtake the last frame.
	if got := countPackets(t, "a:0", path); got > audio || got < audio-1 {
		t.Errorf("frames of sound: got %d, sent %d", got, audio)
	}
	if got := countPackets(t, "v:0", path); got > video || got < video-1 {
		t.Errorf("pictures: got %d, sent %d", got, video)
	}
}

// countFrames gives how many whole frames the first packets of sent hold.
func countFrames(sent []testmedia.Sent, packets int) (audio, video int) {
	for _, s := range sent {
		if s.Report != nil {
			continue
		}
		if packets == 0 {
			break
		}
		packets--
		switch {
		case s.Stream == testmedia.AudioStream:
			audio++
		case s.Packet.Marker:
			video++
		}
	}
	return audio, video
}

func countPackets(t *testing.T, stream, path string) int {
	t.Helper()
	text := probe(t, "-count_packets", "-select_streams", stream, "-show_entries", "stream=nb_read_packets", path)
	count, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// vanishAfter is how much media those send who then vanish.
const vanishAfter = 3 * time.Second

// vanish publishes for a while and goes without a goodbye; silently, as one
// whose network is gone, or with the DTLS alert that a closed browser sends. It
// gives the session.
func vanish(t *testing.T, n *node.Node, silently bool) string {
	t.Helper()
	clip := newClip(t)
	sent, err := testmedia.Send(clip, testmedia.SendSpec{Length: vanishAfter})
	if err != nil {
		t.Fatal(err)
	}
	socket, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() }) //nolint:errcheck // a second close has no effect
	session := newSession(t, n)
	peer := publish(t, testmedia.Target{URL: n.WHIP(session, "vanishing"), Token: node.Token, Socket: socket}, clip)
	if _, _, err := peer.Send(t.Context(), sent); err != nil {
		t.Fatal(err)
	}
	gone := peer.Vanish
	if silently {
		gone = socket.Close
	}
	if err := gone(); err != nil {
		t.Fatal(err)
	}
	return session
}

// checkVanished waits for the end of a recording that nobody ended: half a
// minute until a silent peer is given up, and a minute in which it might have
// come back.
func checkVanished(t *testing.T, n *node.Node, session string) {
	t.Helper()
	rec := finished(t, n, session, 2*time.Minute)
	path := download(t, n, rec.Files[0])
	checkLength(t, path, rec.Files[0])
	if d := milliseconds(rec.Files[0].DurationMs) - vanishAfter; d.Abs() > 500*time.Millisecond {
		t.Errorf("length: got %d ms, sent %v", rec.Files[0].DurationMs, vanishAfter)
	}
}

// await asks for a metric until it has a value.
func await(t *testing.T, n *node.Node, name string, want float64) {
	t.Helper()
	ctx := within(t, time.Minute)
	for {
		got, err := n.Metric(ctx, name)
		if err == nil && got == want {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
}

func onlyHealthyIsLeft(t *testing.T, n *node.Node) {
	t.Helper()
	await(t, n, "reelvault_webrtc_publishers", 1)
	await(t, n, "reelvault_recordings", 1)
}

// mostMiB is what the node may need at most: 80 MiB of its own, and 2 MiB for
// each of 64 connections that wait, and of a few that are connected.
const mostMiB = 80 + 2*70

func checkWell(t *testing.T, n *node.Node) {
	t.Helper()
	if _, err := n.Do(t.Context(), "GET", "/readyz", nil); err != nil {
		t.Error(err)
	}
	peak, err := n.PeakMiB()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("peak memory %.0f MiB", peak)
	if peak > mostMiB {
		t.Errorf("peak memory: got %.0f MiB, want at most %d", peak, mostMiB)
	}
}
