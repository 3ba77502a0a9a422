package webrtc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	pion "github.com/pion/webrtc/v4"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/webrtc"
)

// DELETE ends the capture as a goodbye; the connection is then unknown, as it
// is in another session.
func TestHangup(t *testing.T) {
	noLeaks(t)
	sink := newSink()
	server := serve(t, sink)
	_, _, answer := publish(t, server, guest, pion.MimeTypeOpus)
	if err := server.Hangup(t.Context(), "s2", answer.ID); reelvault.KindOf(err) != reelvault.NotFound {
		t.Errorf("in another session: %v", err)
	}
	if err := server.Hangup(t.Context(), guest.SessionID, answer.ID); err != nil {
		t.Fatal(err)
	}
	if c := sink.captures[0]; !c.closed || c.cause != nil {
		t.Errorf("closed %v with cause %v", c.closed, c.cause)
	}
	if err := server.Hangup(t.Context(), guest.SessionID, answer.ID); reelvault.KindOf(err) != reelvault.NotFound {
		t.Errorf("a second time: %v", err)
	}
}

// Who observes is told of each publisher when its media path is up and when it
// has ended, and nothing of watchers and of clients that never connect.
func TestChanged(t *testing.T) {
	sink := newSink()
	told := make(chan string, 9)
	server := serve(t, sink, func(c *webrtc.Config) {
		c.ConnectTimeout = 5 * time.Second
		c.Changed = func(p media.Published, up bool) { told <- fmt.Sprint(p.SessionID, p.ParticipantID, up) }
	})
	if _, err := server.Publish(t.Context(), guest, offerOf(opusSection("0"))); err != nil {
		t.Fatal(err)
	}
	_, _, answer := publish(t, server, guest, pion.MimeTypeOpus)
	if got, want := <-told, fmt.Sprint(guest.SessionID, guest.ParticipantID, true); got != want {
		t.Errorf("told %s, want %s", got, want)
	}
	if err := server.Hangup(t.Context(), guest.SessionID, answer.ID); err != nil {
		t.Fatal(err)
	}
	server.HangupSession(t.Context(), guest.TenantID, guest.SessionID)
	close(told)
	got := []string{}
	for what := range told {
		got = append(got, what)
	}
	if want := fmt.Sprint(guest.SessionID, guest.ParticipantID, false); len(got) != 1 || got[0] != want {
		t.Errorf("told %v, want %s once", got, want)
	}
}

// The end of a session ends its connections and no others.
func TestHangupSession(t *testing.T) {
	sink := newSink()
	server := serve(t, sink)
	other := guest
	other.SessionID = "s2"
	publish(t, server, guest, pion.MimeTypeOpus)
	publish(t, server, other, pion.MimeTypeOpus)
	server.HangupSession(t.Context(), "t2", guest.SessionID)
	if n := server.Stats().Publishers; n != 2 {
		t.Errorf("%d publishers after another tenant's call", n)
	}
	server.HangupSession(t.Context(), guest.TenantID, guest.SessionID)
	sink.look(func() {
		if !sink.captures[0].closed || sink.captures[1].closed {
			t.Errorf("closed %v and %v", sink.captures[0].closed, sink.captures[1].closed)
		}
	})
}

// A client that closes its connection has said goodbye, without DELETE.
func TestClientCloses(t *testing.T) {
	sink := newSink()
	server := serve(t, sink)
	p, _, _ := publish(t, server, guest, pion.MimeTypeOpus)
	if err := p.GracefulClose(); err != nil {
		t.Fatal(err)
	}
	sink.await(t, "the end", func() bool { return sink.captures[0].closed })
	if sink.captures[0].cause != nil {
		t.Errorf("cause %v", sink.captures[0].cause)
	}
}

// A client that takes the answer and never comes is removed in time.
func TestClientNeverConnects(t *testing.T) {
	noLeaks(t)
	sink := newSink()
	server := serve(t, sink, func(c *webrtc.Config) { c.ConnectTimeout = 50 * time.Millisecond })
	if _, err := server.Publish(t.Context(), guest, offerOf(opusSection("0"))); err != nil {
		t.Fatal(err)
	}
	if got := server.Stats(); got.Connecting != 1 || got.Publishers != 1 {
		t.Errorf("stats %+v", got)
	}
	sink.await(t, "the end", func() bool { return sink.captures[0].closed })
	if cause := sink.captures[0].cause; cause == nil || !strings.Contains(cause.Error(), "never connected") {
		t.Errorf("cause %v", cause)
	}
	waitFor(t, "the place to be free", func() bool { return server.Stats() == webrtc.Stats{} })
}

// A client that vanishes is kept for a while, and closed with the cause.
func TestClientVanishes(t *testing.T) {
	noLeaks(t)
	sink := newSink()
	server := serve(t, sink, func(c *webrtc.Config) { c.VanishTimeout = time.Second })
	relay, through := newRelay(t, server.Port())
	p := newPeer(t)
	p.sends(t, pion.MimeTypeOpus)
	answer, err := server.Publish(t.Context(), guest, p.offer(t))
	if err != nil {
		t.Fatal(err)
	}
	p.accept(t, through(answer.SDP))
	waitFor(t, "the server to be connected", func() bool { return server.Stats().Connecting == 0 })
	relay.dropping(func(bool, []byte) bool { return true })
	sink.await(t, "the end", func() bool { return sink.captures[0].closed })
	if sink.captures[0].cause == nil {
		t.Error("a client that vanished said no goodbye")
	}
}

// A fingerprint that is not the client's ends the connection.
func TestWrongFingerprint(t *testing.T) {
	for range 5 { // the failure and the end of the transport are a race
		refuseImpostor(t)
	}
}

func refuseImpostor(t *testing.T) {
	t.Helper()
	sink := newSink()
	server := serve(t, sink)
	p := newPeer(t)
	p.sends(t, pion.MimeTypeOpus)
	lines := strings.Split(p.offer(t), "\r\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "a=fingerprint:") {
			lines[i] = testFingerprint
		}
	}
	answer, err := server.Publish(t.Context(), guest, strings.Join(lines, "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: answer.SDP}); err != nil {
		t.Fatal(err)
	}
	sink.await(t, "the end", func() bool { return sink.captures[0].closed })
	if sink.captures[0].cause == nil {
		t.Error("an impostor said no goodbye")
	}
}

// The numbers of publishers, and of those who wait for their media path, are
// bounded; a thousand offers more cost nothing.
func TestLimits(t *testing.T) {
	noLeaks(t)
	sink := newSink()
	server := serve(t, sink, func(c *webrtc.Config) { c.MaxConnecting, c.MaxPublishers = 3, 4 })
	offer := offerOf(opusSection("0"), vp8Section("1"))
	limited := 0
	for range 1000 {
		_, err := server.Publish(t.Context(), guest, offer)
		if reelvault.KindOf(err) == reelvault.Limited {
			limited++
		}
	}
	if limited != 997 || len(sink.captures) != 3 {
		t.Errorf("%d refused, %d captures opened", limited, len(sink.captures))
	}
	server.HangupSession(t.Context(), guest.TenantID, guest.SessionID)
	for range 4 {
		publish(t, server, guest, pion.MimeTypeOpus)
		waitFor(t, "the client to be connected", func() bool { return server.Stats().Connecting == 0 })
	}
	if _, err := server.Publish(t.Context(), guest, offer); reelvault.KindOf(err) != reelvault.Limited {
		t.Errorf("a fifth publisher: %v", err)
	}
}

// Two servers cannot have one port.
func TestPortInUse(t *testing.T) {
	first := serve(t, newSink())
	second, err := webrtc.New(webrtc.Config{Port: first.Port()}, newSink())
	if err == nil {
		_ = second.Close(t.Context())
	}
	var known *reelvault.Error
	if !errors.As(err, &known) || known.Kind != reelvault.Unavailable || !strings.Contains(known.Hint, "--webrtc-port") {
		t.Errorf("the port opened twice: got %v, want an Unavailable error with a hint", err)
	}
}

// Names and addresses that peers could not reach are errors.
func TestBadHosts(t *testing.T) {
	for _, host := range []string{"0.0.0.0", "::", "no such host"} {
		if s, err := webrtc.New(webrtc.Config{Host: []string{host}}, newSink()); err == nil {
			_ = s.Close(t.Context())
			t.Errorf("%q was announced", host)
		}
	}
}

// Every announced address is a candidate, over UDP and TCP.
func TestAnnouncedHosts(t *testing.T) {
	server := serve(t, newSink(), func(c *webrtc.Config) { c.Host = []string{"203.0.113.7", "localhost", "2001:db8::7"} })
	lines := answerTo(t, server, offerOf(opusSection("0")))
	text := strings.Join(linesWith(lines, "a=candidate:"), "\n")
	for _, addr := range []string{"203.0.113.7", "127.0.0.1", "2001:db8::7"} {
		if n := strings.Count(text, fmt.Sprintf(" %s %d typ host", addr, server.Port())); n != 2 {
			t.Errorf("%s is in %d candidates, want 2:\n%s", addr, n, text)
		}
	}
}

// A server that announces an address of the router in front still receives.
func TestAnnouncedElsewhere(t *testing.T) {
	sink := newSink()
	server := serve(t, sink, func(c *webrtc.Config) { c.Host = []string{"203.0.113.7"} })
	p := newPeer(t)
	audio := p.sends(t, pion.MimeTypeOpus)
	answer, err := server.Publish(t.Context(), guest, p.offer(t))
	if err != nil {
		t.Fatal(err)
	}
	p.accept(t, strings.ReplaceAll(answer.SDP, "203.0.113.7", "127.0.0.1"))
	audio.send(t, 0xf8)
	sink.await(t, "a packet", func() bool { return len(sink.captures[0].tracks) == 1 })
}

// Closing ends all there is, with the reason, and refuses what comes.
func TestClose(t *testing.T) {
	noLeaks(t)
	sink := newSink()
	server := serve(t, sink)
	publish(t, server, guest, pion.MimeTypeOpus, pion.MimeTypeVP8)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := server.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if c := sink.captures[0]; !c.closed || c.cause == nil {
		t.Errorf("closed %v with cause %v", c.closed, c.cause)
	}
	if _, err := server.Publish(t.Context(), guest, offerOf(opusSection("0"))); reelvault.KindOf(err) != reelvault.Unavailable {
		t.Errorf("an offer after the end: %v", err)
	}
	if err := server.Close(ctx); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

// The Link values are those of RFC 9725, section 4.6.
func TestICEServers(t *testing.T) {
	server := serve(t, newSink(), func(c *webrtc.Config) {
		c.ICEServers = []webrtc.ICEServer{
			{URL: "stun:stun.example.net", Username: "user", Credential: "secret"},
			{URL: "stuns:stun.example.net", Username: "user", Credential: "secret"},
			{URL: "turn:turn.example.net?transport=udp", Username: "user", Credential: "secret"},
			{URL: "turns:turn.example.net", Username: "user", Credential: "secret"},
		}
	})
	got := strings.Join(server.ICEServers(), "\n")
	want := `<stun:stun.example.net>; rel="ice-server"` + "\n" +
		`<stuns:stun.example.net>; rel="ice-server"` + "\n" +
		`<turn:turn.example.net?transport=udp>; rel="ice-server"; username="user"; credential="secret"; credential-type="password"` + "\n" +
		`<turns:turn.example.net>; rel="ice-server"; username="user"; credential="secret"; credential-type="password"`
	if got != want {
		t.Errorf("links:\n%s\nwant:\n%s", got, want)
	}
}

var _ media.Gateway = (*webrtc.Server)(nil)
