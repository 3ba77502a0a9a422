package webrtc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"github.com/reelvault/reelvault/media/webrtc"
)

// What comes from a publisher's own address without its keys, cut, changed or
// repeated, changes nothing.
func TestForgedPackets(t *testing.T) {
	const total = 50
	sink := newSink()
	server := serve(t, sink)
	relay, through := newRelay(t, server.Port())
	p := newPeer(t)
	video := p.sends(t, pion.MimeTypeVP8)
	answer, err := server.Publish(t.Context(), guest, p.offer(t))
	if err != nil {
		t.Fatal(err)
	}
	p.accept(t, through(answer.SDP))
	var mu sync.Mutex
	var seen [][]byte
	relay.dropping(func(toServer bool, b []byte) bool {
		if toServer && isRTP(b) {
			mu.Lock()
			seen = append(seen, bytes.Clone(b))
			mu.Unlock()
		}
		return false
	})
	random := rand.New(rand.NewPCG(5, 6))
	inject := func() {
		mu.Lock()
		defer mu.Unlock()
		for _, b := range seen {
			changed := bytes.Clone(b)
			changed[random.IntN(len(b))] ^= 1 << random.IntN(8)
			for _, forged := range [][]byte{b, b[:random.IntN(len(b))], changed, {0x80, 200, 0, 6}, {0x16, 0xfe, 0xfd}, {0x15, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0}} {
				_, _ = relay.back.Write(forged)
			}
		}
		seen = nil
	}
	for n := range byte(total) {
		video.send(t, 0x10, n)
		waitFor(t, "the packet to pass", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(seen) > 0
		})
		inject()
	}
	sink.await(t, "every packet", func() bool {
		tracks := sink.captures[0].tracks
		return len(tracks) == 1 && len(tracks[0].packets) >= total
	})
	sink.look(func() {
		for n, packet := range sink.captures[0].tracks[0].packets {
			if packet.SequenceNumber != uint16(n) || !bytes.Equal(packet.Payload, []byte{0x10, byte(n)}) {
				t.Errorf("packet %d arrived as %+v", n, packet)
			}
		}
	})
}

// What a publisher sends under its own keys may be any nonsense: the server
// and the other publisher go on.
func TestGarbageFromAPublisher(t *testing.T) {
	sink := newSink()
	server := serve(t, sink)
	_, good, _ := publish(t, server, guest, pion.MimeTypeVP8)
	p, bad, _ := publish(t, server, guest, pion.MimeTypeOpus, pion.MimeTypeVP8, pion.MimeTypeVP9, pion.MimeTypeH264, pion.MimeTypeH265, pion.MimeTypeAV1)
	watch(t, server, administrator)
	random := rand.New(rand.NewPCG(7, 8))
	noise := func(most int) []byte {
		b := make([]byte, random.IntN(most))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	for n := range 1500 {
		p.mangle.set(func(h *rtp.Header) {
			h.SequenceNumber, h.Timestamp = uint16(random.Uint32()), random.Uint32()
			h.CSRC = make([]uint32, random.IntN(16))
			if n%3 == 0 {
				h.PayloadType = uint8(random.IntN(128))
			}
			if n%5 == 0 {
				h.Extension, h.ExtensionProfile = true, []uint16{0xbede, 0x1000, 0x1234}[random.IntN(3)]
				_ = h.SetExtension(uint8(random.IntN(16)), noise(8))
			}
		})
		source := bad[random.IntN(len(bad))]
		payload := noise(1000)
		if n%7 == 0 {
			payload = append(payload, byte(random.IntN(256))) // how much of it is padding, if any
			p.mangle.set(func(h *rtp.Header) { h.Padding, h.PaddingSize = true, 0 })
		}
		// The client's own stack may refuse to send it.
		_ = source.track.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2}, Payload: payload})
		raw := rtcp.RawPacket(append([]byte{0x80 | byte(random.IntN(64)), byte(200 + random.IntN(8)), 0, byte(random.IntN(8))}, noise(64)...))
		_ = p.WriteRTCP([]rtcp.Packet{&raw})
	}
	for n := range byte(20) {
		good[0].send(t, 0x10, n)
	}
	sink.await(t, "what the other publisher sends", func() bool {
		tracks := sink.captures[0].tracks
		return len(tracks) == 1 && len(tracks[0].packets) == 20
	})
	if got := server.Stats(); got.Publishers == 0 || got.Malformed == 0 || got.Unwanted == 0 {
		t.Errorf("stats %+v", got)
	}
}

// Connections over TCP that say nothing, or nothing sensible, are bounded in
// number, hinder nobody and do not hold up the end.
func TestNoiseOverTCP(t *testing.T) {
	noLeaks(t)
	sink := newSink()
	server := serve(t, sink, func(c *webrtc.Config) { c.MaxPublishers, c.MaxWatchers = 3, 2 })
	var dialer net.Dialer
	dial := func() net.Conn {
		conn, err := dialer.DialContext(t.Context(), "tcp4", fmt.Sprintf("127.0.0.1:%d", server.Port()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	// RFC 4571 framing: a length, then a packet.
	for _, noise := range []string{"GET / HTTP/1.1\r\n\r\n", "\x00\x00", "\x00\x04abcd", "\x00\x14\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl"} {
		conn := dial()
		if _, err := io.WriteString(conn, noise+strings.Repeat("x", 600)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Errorf("%q is answered", noise)
		}
	}
	silent := make([]net.Conn, 0, 4)
	for range cap(silent) {
		silent = append(silent, dial())
	}
	p := newPeer(t, peerOptions{networks: []pion.NetworkType{pion.NetworkTypeTCP4}})
	audio := p.sends(t, pion.MimeTypeOpus)
	answer, err := server.Publish(t.Context(), guest, p.offer(t))
	if err != nil {
		t.Fatal(err)
	}
	p.accept(t, answer.SDP)
	audio.send(t, 0xf8)
	sink.await(t, "a packet", func() bool { return len(sink.captures[0].tracks) == 1 })
	refused := func(by time.Duration) bool {
		conn := dial()
		if err := conn.SetDeadline(time.Now().Add(by)); err != nil {
			t.Fatal(err)
		}
		_, err := conn.Read(make([]byte, 1))
		var failure net.Error
		return err != nil && (!errors.As(err, &failure) || !failure.Timeout())
	}
	// pion closes a silent connection after ten seconds.
	if !refused(5 * time.Second) {
		t.Error("a sixth connection is taken")
	}
	_ = silent[0].Close()
	waitFor(t, "the place to be free", func() bool { return !refused(50 * time.Millisecond) })
	// Less than what a silent connection is given.
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	if err := server.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// An offer that fails half way, for want of a recorder or because the client
// has gone, leaves nothing behind.
func TestPublishFailsHalfWay(t *testing.T) {
	noLeaks(t)
	sink := newSink()
	server := serve(t, sink)
	sink.open = errors.New("no room")
	if _, err := server.Publish(t.Context(), guest, offerOf(opusSection("0"))); !errors.Is(err, sink.open) {
		t.Errorf("error %v, want the sink's", err)
	}
	sink.open = nil
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // the answer may be faster than the cancel is seen
		if answer, err := server.Publish(ctx, guest, offerOf(opusSection("0"))); err == nil {
			if err := server.Hangup(t.Context(), guest.SessionID, answer.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := server.Stats(); got != (webrtc.Stats{}) {
		t.Errorf("left behind: %+v", got)
	}
	if slices.ContainsFunc(sink.captures, func(c *capture) bool { return !c.closed }) {
		t.Error("a capture was left open")
	}
}
