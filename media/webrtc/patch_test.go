package webrtc_test

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	pion "github.com/pion/webrtc/v4"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/webrtc"
)

const otherCredentials = "a=ice-ufrag:efgh\r\na=ice-pwd:vutsrqponmlkjihgfedcba\r\n"

// Which fragments are taken with which If-Match, by RFC 9725, section 4.3.
func TestPatch(t *testing.T) {
	const sameCredentials = testUfrag + "\r\n" + testPwd + "\r\n"
	const candidate = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 2113937151 127.0.0.1 9 typ host\r\n"
	for _, c := range []struct {
		name, ifMatch, fragment string // ifMatch "E" is the present entity tag
		kind                    reelvault.Kind
		says                    string
		restarts                bool
	}{
		{name: "trickle", ifMatch: "E", fragment: sameCredentials + candidate},
		{name: "trickle of any session", ifMatch: "*", fragment: sameCredentials + candidate},
		{name: "trickle without If-Match", fragment: sameCredentials + candidate, kind: reelvault.Stale, says: "another ICE session"},
		{name: "trickle without credentials", ifMatch: "E", fragment: candidate},
		{name: "among others", ifMatch: `"x", E`, fragment: candidate},
		{name: "end of candidates", ifMatch: "E", fragment: sameCredentials + "m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=end-of-candidates\r\n"},
		{name: "mDNS candidate", ifMatch: "E", fragment: "m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:0 1 UDP 1 b1946ac9-2492.local 5000 typ host\r\n"},
		{name: "unknown attributes", ifMatch: "E", fragment: "v=0\r\na=ice-options:trickle\r\na=group:BUNDLE 0\r\na=x:y\r\n" + candidate},
		{name: "another session", ifMatch: `"stale"`, fragment: candidate, kind: reelvault.Stale, says: "another ICE session"},
		{name: "weak tag", ifMatch: "W/E", fragment: candidate, kind: reelvault.Stale, says: "another ICE session"},
		{name: "restart", ifMatch: "*", fragment: otherCredentials + candidate, restarts: true},
		{name: "restart with credentials of an odd client", ifMatch: "*", fragment: "a=ice-ufrag:e-f_=\r\na=ice-pwd:vutsrqponmlkjihgfed-_=\r\n", restarts: true},
		{name: "restart of this session", ifMatch: "E", fragment: otherCredentials, restarts: true},
		{name: "restart of another session", ifMatch: `"stale"`, fragment: otherCredentials, kind: reelvault.Stale, says: "another ICE session"},
		{name: "restart without If-Match", fragment: otherCredentials, kind: reelvault.Stale, says: "another ICE session"},
		{name: "empty", ifMatch: "E", kind: reelvault.Invalid, says: "nothing about ICE"},
		{name: "not SDP", ifMatch: "E", fragment: "{}", kind: reelvault.Invalid, says: "line 1 "},
		{name: "no password", ifMatch: "*", fragment: "a=ice-ufrag:efgh\r\n", kind: reelvault.Invalid, says: "line 1 "},
		{name: "short ufrag", ifMatch: "*", fragment: "a=ice-ufrag:e\r\n", kind: reelvault.Invalid, says: "line 1 "},
		{name: "short password", ifMatch: "*", fragment: "a=ice-ufrag:efgh\r\na=ice-pwd:x\r\n", kind: reelvault.Invalid, says: "line 2 "},
		{name: "two ufrags", ifMatch: "*", fragment: otherCredentials + "a=ice-ufrag:ijkl\r\n", kind: reelvault.Invalid, says: "line 3 "},
		{name: "unknown mid", ifMatch: "E", fragment: strings.Replace(candidate, "mid:0", "mid:7", 1), kind: reelvault.Invalid, says: `line 2 names the mid "7"`},
		{name: "no mid", ifMatch: "E", fragment: "m=audio 9 RTP/AVP 0\r\na=end-of-candidates\r\n", kind: reelvault.Invalid, says: "line 1 "},
		{name: "cut candidate", ifMatch: "E", fragment: "a=candidate:1 1 udp\r\n", kind: reelvault.Invalid, says: "line 1 has a malformed candidate"},
		{name: "far too long", ifMatch: "E", fragment: strings.Repeat(candidate, 1000), kind: reelvault.TooLarge, says: "bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := serve(t, newSink())
			answer, err := server.Publish(t.Context(), guest, offerOf(opusSection("0")))
			if err != nil {
				t.Fatal(err)
			}
			ifMatch := strings.ReplaceAll(c.ifMatch, "E", answer.ETag)
			got, err := server.Patch(t.Context(), guest.SessionID, answer.ID, ifMatch, c.fragment)
			if c.says != "" {
				if err == nil || reelvault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v (%v), want %v saying %q", err, reelvault.KindOf(err), c.kind, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if (got.SDP != "") != c.restarts || (got.ETag != "") != c.restarts || got.ETag == answer.ETag {
				t.Errorf("got %+v", got)
			}
			if server.Stats().Publishers != 1 {
				t.Error("the connection is gone")
			}
		})
	}
}

// Browsers' own candidates are taken as a trickle of the offer's session.
func TestPatchByBrowsers(t *testing.T) {
	offers := recorded(t, "publish")
	for name, fragment := range recorded(t, "fragments") {
		t.Run(name, func(t *testing.T) {
			server := serve(t, newSink())
			offer := offers[strings.Replace(name, ".sdpfrag", "-simulcast.sdp", 1)]
			answer, err := server.Publish(t.Context(), guest, offer)
			if err != nil {
				t.Fatal(err)
			}
			got, err := server.Patch(t.Context(), guest.SessionID, answer.ID, answer.ETag, fragment)
			if err != nil || got != (media.Answer{}) {
				t.Errorf("answered %+v, %v", got, err)
			}
		})
	}
}

// An unknown connection, or another session's, is not found.
func TestPatchUnknown(t *testing.T) {
	server := serve(t, newSink())
	answer, err := server.Publish(t.Context(), guest, offerOf(opusSection("0")))
	if err != nil {
		t.Fatal(err)
	}
	for _, ids := range [][2]string{{guest.SessionID, "x"}, {"s2", answer.ID}} {
		if _, err := server.Patch(t.Context(), ids[0], ids[1], "*", "a=end-of-candidates\r\n"); reelvault.KindOf(err) != reelvault.NotFound {
			t.Errorf("%v: %v", ids, err)
		}
	}
}

// listen opens a UDP port for a candidate and gives its number.
func listen(t *testing.T) (*net.UDPConn, int) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, conn.LocalAddr().(*net.UDPAddr).Port //nolint:errcheck // a UDPConn has a UDPAddr
}

// Candidates get connectivity checks, whether offered or trickled, but no more
// than a bounded number do, and none that names no host.
func TestCandidatesAreChecked(t *testing.T) {
	const bound = 32
	for _, trickled := range []bool{false, true} {
		t.Run(fmt.Sprint("trickled ", trickled), func(t *testing.T) {
			var conns []*net.UDPConn
			var lines []string
			candidate := func(addr string) *net.UDPConn {
				conn, port := listen(t)
				lines = append(lines, fmt.Sprintf("a=candidate:1 1 udp 2113937151 %s %d typ host", addr, port))
				return conn
			}
			nowhere := candidate("0.0.0.0")
			for range bound + 1 {
				conns = append(conns, candidate("127.0.0.1"))
			}
			server := serve(t, newSink())
			var offered []string
			if !trickled {
				offered = lines
			}
			answer, err := server.Publish(t.Context(), guest, offerOf(opusSection("0", offered...)))
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range lines {
				if trickled {
					fragment := "m=audio 9 RTP/AVP 0\r\na=mid:0\r\n" + line + "\r\n"
					if _, err := server.Patch(t.Context(), guest.SessionID, answer.ID, answer.ETag, fragment); err != nil {
						t.Fatal(err)
					}
				}
			}
			for i, conn := range conns[:bound] {
				if !checked(t, conn, patience) {
					t.Fatalf("candidate %d was not checked", i+1)
				}
			}
			if checked(t, conns[bound], 100*time.Millisecond) || checked(t, nowhere, time.Millisecond) {
				t.Error("a candidate too many, or one that names no host, was checked")
			}
		})
	}
}

// checked says whether a binding request comes in time.
func checked(t *testing.T, conn *net.UDPConn, in time.Duration) bool {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(in)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1500)
	n, err := conn.Read(b)
	return err == nil && n >= 20 && b[0] == 0 && b[1] == 1
}

var (
	ufragLine = regexp.MustCompile(`a=ice-ufrag:(\S+)`)
	pwdLine   = regexp.MustCompile(`a=ice-pwd:(\S+)`)
	candLines = regexp.MustCompile(`a=candidate:\S+ 1 .*`)
)

// restart does an ICE restart as a WHIP client does and gives the new tag.
func restart(t *testing.T, server *webrtc.Server, p *peer, answer, id string) string {
	t.Helper()
	offer := p.offer(t, &pion.OfferOptions{ICERestart: true})
	fragment := ufragLine.FindString(offer) + "\r\n" + pwdLine.FindString(offer) + "\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
	for _, c := range candLines.FindAllString(offer, -1) {
		fragment += strings.TrimRight(c, "\r") + "\r\n"
	}
	renewed, err := server.Patch(t.Context(), guest.SessionID, id, "*", fragment)
	if err != nil {
		t.Fatal(err)
	}
	answer = ufragLine.ReplaceAllString(answer, ufragLine.FindString(renewed.SDP))
	answer = pwdLine.ReplaceAllString(answer, pwdLine.FindString(renewed.SDP))
	if err := p.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatal(err)
	}
	return renewed.ETag
}

// After an ICE restart the same track goes on over the new path, and the old
// session's tag is stale. It works more than once.
func TestICERestart(t *testing.T) {
	sink := newSink()
	server := serve(t, sink)
	p, sources, answer := publish(t, server, guest, pion.MimeTypeOpus, pion.MimeTypeVP8)
	sources[0].send(t, 0xf8)
	sink.await(t, "a track", func() bool { return len(sink.captures[0].tracks) == 1 })
	tags := []string{answer.ETag}
	for range 3 {
		tag := restart(t, server, p, answer.SDP, answer.ID)
		if slices.Contains(tags, tag) {
			t.Errorf("the tag %s comes again", tag)
		}
		_, err := server.Patch(t.Context(), guest.SessionID, answer.ID, tags[len(tags)-1], "m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=end-of-candidates\r\n")
		if reelvault.KindOf(err) != reelvault.Stale {
			t.Errorf("a trickle for the old session: %v", err)
		}
		tags = append(tags, tag)
		before := 0
		sink.look(func() { before = len(sink.captures[0].tracks[0].packets) })
		waitFor(t, "packets on the new path", func() bool {
			sources[0].send(t, 0xf8)
			sink.mu.Lock()
			defer sink.mu.Unlock()
			return len(sink.captures[0].tracks[0].packets) > before
		})
	}
	if n := len(sink.captures[0].tracks); n != 1 || len(sink.captures) != 1 {
		t.Errorf("%d tracks in %d captures", n, len(sink.captures))
	}
}

// Whatever a fragment says, it is taken or refused as the client's fault, and
// the connection stays.
func FuzzFragment(f *testing.F) {
	for _, fragment := range recorded(f, "fragments") {
		f.Add("*", fragment)
	}
	f.Add("*", otherCredentials+"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 2113937151 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n")
	f.Add("", "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\nm=audio RTP/AVP 0\r\na=mid:0\r\na=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n")
	f.Add(`"x"`, "a=end-of-candidates")
	server, err := webrtc.New(webrtc.Config{}, newSink())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { closeServer(f, server) })
	answer, err := server.Publish(f.Context(), guest, offerOf(opusSection("0"), vp8Section("1")))
	if err != nil {
		f.Fatal(err)
	}
	allowed := []reelvault.Kind{reelvault.Invalid, reelvault.Stale, reelvault.TooLarge}
	f.Fuzz(func(t *testing.T, ifMatch, fragment string) {
		if ufragLine.MatchString(fragment) {
			ifMatch = `"another"` // a restart is tested elsewhere, and takes too long here
		}
		_, err := server.Patch(t.Context(), guest.SessionID, answer.ID, ifMatch, fragment)
		if err != nil && !slices.Contains(allowed, reelvault.KindOf(err)) {
			t.Errorf("%v (%v) of %q", err, reelvault.KindOf(err), fragment)
		}
	})
}
