package webrtc_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/webrtc"
)

// Lines that make an offer whole, for tests to leave out or to change.
const (
	testUfrag       = "a=ice-ufrag:abcd"
	testPwd         = "a=ice-pwd:abcdefghijklmnopqrstuv"
	testFingerprint = "a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F"
)

// section writes a media section of an offer.
func section(kind, mid, formats string, more ...string) string {
	lines := append([]string{
		"m=" + kind + " 9 UDP/TLS/RTP/SAVPF " + formats, "c=IN IP4 0.0.0.0", "a=mid:" + mid,
		testUfrag, testPwd, testFingerprint, "a=setup:actpass", "a=rtcp-mux", "a=sendonly",
	}, more...)
	return strings.Join(lines, "\r\n") + "\r\n"
}

func opusSection(mid string, more ...string) string {
	return section("audio", mid, "111", append([]string{"a=rtpmap:111 opus/48000/2"}, more...)...)
}

func vp8Section(mid string, more ...string) string {
	return section("video", mid, "96", append([]string{"a=rtpmap:96 VP8/90000"}, more...)...)
}

// offerOf writes an offer of sections that are bundled.
func offerOf(sections ...string) string {
	var mids []string
	for _, s := range sections {
		if m := regexp.MustCompile(`a=mid:(\S+)`).FindStringSubmatch(s); m != nil {
			mids = append(mids, m[1])
		}
	}
	return "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE " + strings.Join(mids, " ") + "\r\n" + strings.Join(sections, "")
}

// ssrcs writes lines that declare many.
func ssrcs(count int) []string {
	var lines []string
	for i := range count {
		lines = append(lines, fmt.Sprintf("a=ssrc:%d cname:x", i+1))
	}
	return lines
}

// answerTo publishes an offer and gives the lines of the answer.
func answerTo(t *testing.T, server *webrtc.Server, offer string) []string {
	t.Helper()
	answer, err := server.Publish(t.Context(), guest, offer)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Hangup(t.Context(), guest.SessionID, answer.ID); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(answer.SDP, "\r\n"), "\r\n")
}

func linesWith(lines []string, prefix string) []string {
	var found []string
	for _, l := range lines {
		if strings.HasPrefix(l, prefix) {
			found = append(found, strings.TrimPrefix(l, prefix))
		}
	}
	return found
}

// recorded gives the texts of a folder of testdata by the names of their files.
func recorded(tb testing.TB, folder string) map[string]string {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", folder, "*.sdp*"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("nothing recorded in %s: %v", folder, err)
	}
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		texts[filepath.Base(file)] = string(text)
	}
	return texts
}

// The offers of real clients are answered with all the feedback they know and
// nothing that a recording could not use.
func TestAnswerToClients(t *testing.T) {
	always := []string{
		"a=ice-options:trickle", "a=rtcp-mux", "a=end-of-candidates", "useinbandfec=1;usedtx=0",
		"nack pli", "ccm fir", "transport-cc", "opus/48000/2", "VP8/90000",
	}
	browser := []string{
		"a=group:BUNDLE 0 1", " nack\n", "goog-remb", "VP9/90000", "AV1/90000", "rtx/90000",
		"draft-holmer-rmcat-transport-wide-cc-extensions-01", "urn:ietf:params:rtp-hdrext:sdes:mid",
	}
	want := map[string][]string{
		"chromium-156.sdp": append(browser, "H264/90000"), "chromium-156-simulcast.sdp": browser,
		"firefox-153.sdp": browser, "firefox-153-simulcast.sdp": browser, "gstreamer-1.22.sdp": {"a=group:BUNDLE video0 audio1"},
	}
	server := serve(t, newSink())
	for name, offer := range recorded(t, "publish") {
		t.Run(name, func(t *testing.T) {
			if want[name] == nil {
				t.Fatal("nothing is known of this client")
			}
			lines := answerTo(t, server, offer)
			text := strings.Join(lines, "\n")
			for _, want := range append(want[name], always...) {
				if !strings.Contains(text, want) {
					t.Errorf("the answer lacks %q", want)
				}
			}
			for _, bad := range []string{"simulcast", "a=rid", "red/", "ulpfec", "flexfec", "PCMU", "G722", "telephone-event", "rtp-stream-id", "video-orientation", "sendrecv"} {
				if strings.Contains(text, bad) {
					t.Errorf("the answer has %q", bad)
				}
			}
			if n := len(linesWith(lines, "a=recvonly")); n != 2 {
				t.Errorf("%d sections are received, want 2", n)
			}
			port := server.Port()
			wantCandidates := []string{
				fmt.Sprintf("1 1 udp 2130706431 127.0.0.1 %d typ host", port),
				fmt.Sprintf("2 1 tcp 1526726655 127.0.0.1 %d typ host tcptype passive", port),
			}
			if got := linesWith(lines, "a=candidate:"); !slices.Equal(got, wantCandidates) {
				t.Errorf("candidates %q, want %q", got, wantCandidates)
			}
			for _, rtx := range linesWith(lines, "a=fmtp:") {
				if _, apt, ok := strings.Cut(rtx, "apt="); ok && len(linesWith(lines, "a=rtpmap:"+apt+" ")) == 0 {
					t.Errorf("RTX of payload type %s, which was not taken", apt)
				}
			}
		})
	}
}

// Which format parameters are taken, and what is answered to them.
func TestAnswerByCodec(t *testing.T) {
	for _, c := range []struct{ kind, name, fmtp, want string }{
		{"audio", "opus/48000/2", "minptime=10;useinbandfec=1", "minptime=10;useinbandfec=1;usedtx=0"},
		{"audio", "opus/48000/2", "", "useinbandfec=1;usedtx=0"},
		{"audio", "opus/48000/2", "usedtx=1;useinbandfec=0", "usedtx=0;useinbandfec=1"},
		{"audio", "OPUS/48000/2", "stereo=1; sprop-stereo=1", "stereo=1;sprop-stereo=1;useinbandfec=1;usedtx=0"},
		{"audio", "opus/48000/2", "sprop-stereo=1;maxaveragebitrate=128000", "sprop-stereo=1;maxaveragebitrate=128000;stereo=1;useinbandfec=1;usedtx=0"},
		{"audio", "opus/48000", "", "-"},
		{"audio", "PCMU/8000", "", "-"},
		{"video", "VP8/90000", "", ""},
		{"video", "VP9/90000", "profile-id=0", "profile-id=0"},
		{"video", "VP9/90000", "profile-id=2", "profile-id=2"},
		{"video", "VP9/90000", "profile-id=1", "-"},
		{"video", "H264/90000", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"},
		{"video", "H264/90000", "packetization-mode=1;profile-level-id=42001f", "packetization-mode=1;profile-level-id=42001f"},
		{"video", "H264/90000", "packetization-mode=1;profile-level-id=4d001f", "packetization-mode=1;profile-level-id=4d001f"},
		{"video", "H264/90000", "packetization-mode=1;profile-level-id=64001f", "packetization-mode=1;profile-level-id=64001f"},
		{"video", "H264/90000", "packetization-mode=0;profile-level-id=42e01f", "packetization-mode=0;profile-level-id=42e01f"},
		{"video", "H264/90000", "", "packetization-mode=0;profile-level-id=420010"},
		{"video", "H264/90000", "packetization-mode=2;profile-level-id=42e01f", "-"},
		{"video", "H264/90000", "packetization-mode=1;profile-level-id=f4001f", "-"},
		{"video", "H265/90000", "level-id=93;tx-mode=SRST", "level-id=93;tx-mode=SRST"},
		{"video", "H265/90000", "", ""},
		{"video", "H265/90000", "tx-mode=MRST", "-"},
		{"video", "AV1/90000", "level-idx=5;profile=0;tier=0", "level-idx=5;profile=0;tier=0"},
		{"video", "AV1/90000", "profile=1", "-"},
		{"video", "AV1/48000", "", "-"},
		{"video", "flexfec-03/90000", "repair-window=10000000", "-"},
	} {
		t.Run(c.name+" "+c.fmtp, func(t *testing.T) {
			t.Parallel()
			more := []string{"a=rtpmap:100 " + c.name}
			if c.fmtp != "" {
				more = append(more, "a=fmtp:100 "+c.fmtp)
			}
			server := serve(t, newSink())
			answer, err := server.Publish(t.Context(), guest, offerOf(section(c.kind, "0", "100", more...)))
			if c.want == "-" {
				if reelvault.KindOf(err) != reelvault.Unsupported {
					t.Errorf("error %v, want unsupported", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := linesWith(strings.Split(answer.SDP, "\r\n"), "a=fmtp:100 ")
			if c.want == "" && len(got) != 0 || c.want != "" && (len(got) != 1 || got[0] != c.want) {
				t.Errorf("answered %q, want %q", got, c.want)
			}
		})
	}
}

// Sections that are not taken stand in the answer with port 0, at the places
// and with the mids of the offer; the transport is that of the first taken.
func TestAnswerRefusesInPlace(t *testing.T) {
	server := serve(t, newSink())
	received := strings.Replace(vp8Section("c"), "a=sendonly", "a=recvonly", 1)
	data := "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:d\r\na=sctp-port:5000\r\n"
	lines := answerTo(t, server, offerOf(
		section("audio", "a", "0", "a=rtpmap:0 PCMU/8000"), opusSection("b"), received, data,
		strings.Replace(vp8Section("e", "a=rid:q send", "a=simulcast:send q"), "a=sendonly", "a=sendrecv", 1),
	))
	outside := strings.ReplaceAll(offerOf(opusSection("0"), vp8Section("1")), "BUNDLE 0 1", "BUNDLE 0")
	if got := linesWith(answerTo(t, server, outside), "m=video 0 "); len(got) != 1 {
		t.Errorf("a section outside the bundle is not refused")
	}
	want := []string{
		"audio 0 UDP/TLS/RTP/SAVPF 0", "audio 9 UDP/TLS/RTP/SAVPF 111", "video 0 UDP/TLS/RTP/SAVPF 0",
		"application 0 UDP/DTLS/SCTP webrtc-datachannel", "video 9 UDP/TLS/RTP/SAVPF 96",
	}
	if got := linesWith(lines, "m="); !slices.Equal(got, want) {
		t.Errorf("sections %q, want %q", got, want)
	}
	if got := linesWith(lines, "a=mid:"); !slices.Equal(got, []string{"a", "b", "c", "d", "e"}) {
		t.Errorf("mids %q", got)
	}
	if got := linesWith(lines, "a=group:"); !slices.Equal(got, []string{"BUNDLE b e"}) {
		t.Errorf("groups %q", got)
	}
	if got := len(linesWith(lines, "a=connection")); got != 0 {
		t.Errorf("connection attributes %d", got)
	}
	if n := len(linesWith(lines, "a=simulcast")) + len(linesWith(lines, "a=rid")); n != 0 {
		t.Errorf("%d lines of simulcast", n)
	}
	at := func(prefix string) int {
		return slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, prefix) })
	}
	if c := at("a=candidate:"); c < at("m=audio 9") || c > at("m=video 0") {
		t.Errorf("the candidates are not in the first section taken")
	}
}

// What is wrong with an offer is said with its kind and its line.
func TestRefusedOffers(t *testing.T) {
	whole := offerOf(opusSection("0"), vp8Section("1"))
	without := func(line string) string { return strings.ReplaceAll(whole, line+"\r\n", "") }
	with := func(old, line string) string { return strings.ReplaceAll(whole, old, line) }
	many := make([]string, 5000)
	for i := range many {
		many[i] = opusSection(fmt.Sprint(i))
	}
	for _, c := range []struct {
		name, offer string
		kind        reelvault.Kind
		says        string
	}{
		{"empty", "", reelvault.Invalid, "empty"},
		{"not SDP", "hello", reelvault.Invalid, "line 1 "},
		{"JSON", `{"type":"offer"}`, reelvault.Invalid, "line 1 "},
		{"other version", "v=1\r\n", reelvault.Invalid, "line 1 must be v=0"},
		{"no section", "v=0\r\ns=-\r\n", reelvault.Invalid, "no media section"},
		{"control characters", with("a=sendonly", "a=send\x00only"), reelvault.Invalid, "line 14 "},
		{"short m-line", with("m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=audio 9"), reelvault.Invalid, "line 6 "},
		{"bad port", with("m=audio 9 ", "m=audio x "), reelvault.Invalid, "line 6 has a malformed port"},
		{"bad payload type", with("SAVPF 111", "SAVPF 300"), reelvault.Invalid, `line 6 lists "300"`},
		{"thousands of sections", offerOf(many...)[:200_000], reelvault.Invalid, "more than 32 media sections"},
		{"far too long", whole + strings.Repeat("a=x\r\n", 100_000), reelvault.TooLarge, "bytes"},
		{"duplicate mid", with("a=mid:1", "a=mid:0"), reelvault.Invalid, `line 18 repeats the mid "0"`},
		{"no mid", without("a=mid:1"), reelvault.Invalid, "without a=mid"},
		{"no rtcp-mux", without("a=rtcp-mux"), reelvault.Invalid, "line 6 starts a media section without a=rtcp-mux"},
		{"no ufrag", without(testUfrag), reelvault.Invalid, "line 6 starts a media section without a=ice-ufrag"},
		{"no pwd", without(testPwd), reelvault.Invalid, "line 6 starts a media section without a=ice-pwd"},
		{"short pwd", with(testPwd, "a=ice-pwd:abc"), reelvault.Invalid, "line 10 has a malformed ICE credential"},
		{"no fingerprint", without(testFingerprint), reelvault.Invalid, "a=fingerprint"},
		{"weak fingerprint", with(testFingerprint, "a=fingerprint:sha-1 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13"), reelvault.Invalid, "SHA-256 or better"},
		{"cut fingerprint", with(":1E:1F", ""), reelvault.Invalid, "line 11 has a fingerprint of 30 bytes"},
		{"garbled fingerprint", with(":1F", ":XY"), reelvault.Invalid, "line 11 has a malformed fingerprint"},
		{"no setup", without("a=setup:actpass"), reelvault.Invalid, "a=setup"},
		{"bad setup", with("actpass", "holdconn"), reelvault.Invalid, "line 12 "},
		{"bad clock", with("opus/48000/2", "opus/x/2"), reelvault.Invalid, "line 15 "},
		{"bad extension", with("a=sendonly", "a=extmap:x urn:x"), reelvault.Invalid, "line 14 "},
		{"bad SSRC", with("a=sendonly", "a=ssrc:x cname:y"), reelvault.Invalid, "line 14 "},
		{"17 SSRCs", offerOf(opusSection("0", ssrcs(17)...)), reelvault.Invalid, "one SSRC too many"},
		{"97 formats", with("SAVPF 111", "SAVPF"+strings.Repeat(" 111", 97)), reelvault.Invalid, "line 6 lists more than 96 formats"},
		{"long parameters", with("a=sendonly", "a=fmtp:111 "+strings.Repeat("x", 1025)+"\r\na=fmtp:96 "+strings.Repeat("x", 1025)), reelvault.Invalid, "more than 1024 bytes"},
		{"33 bundled", with("BUNDLE 0 1", "BUNDLE"+strings.Repeat(" 0", 33)), reelvault.Invalid, "more than 32 media sections"},
		{"payload type of two codecs", offerOf(vp8Section("0"), section("video", "1", "96", "a=rtpmap:96 VP9/90000")), reelvault.Invalid, "second meaning"},
		{"SSRC twice", offerOf(opusSection("0", "a=ssrc:7 cname:y"), vp8Section("1", "a=ssrc:7 cname:y")), reelvault.Invalid, "another media section"},
		{"payload type twice", offerOf(opusSection("0"), section("video", "1", "111", "a=rtpmap:111 VP8/90000")), reelvault.Invalid, "second meaning"},
		{"bundle of nothing", with("BUNDLE 0 1", "BUNDLE x"), reelvault.Invalid, "names no media section"},
		{"nothing sent", with("a=sendonly", "a=recvonly"), reelvault.Unsupported, "sends nothing"},
		{"no codec of ours", offerOf(section("audio", "0", "0", "a=rtpmap:0 PCMU/8000")), reelvault.Unsupported, "Opus"},
		{"only data", offerOf("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n" + testUfrag + "\r\n" + testPwd + "\r\n" + testFingerprint + "\r\na=setup:actpass\r\n"), reelvault.Unsupported, "sends nothing"},
		{"plain RTP", with("UDP/TLS/RTP/SAVPF", "RTP/AVP"), reelvault.Unsupported, "sends nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := serve(t, newSink())
			_, err := server.Publish(t.Context(), guest, c.offer)
			if err == nil || reelvault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v (%v), want %v saying %q", err, reelvault.KindOf(err), c.kind, c.says)
			}
			if got := server.Stats(); got != (webrtc.Stats{}) {
				t.Errorf("left behind: %+v", got)
			}
		})
	}
}

// Whatever the body says, Publish gives an answer or an error of the client's.
func FuzzOffer(f *testing.F) {
	for _, folder := range []string{"publish", "watch"} {
		for _, offer := range recorded(f, folder) {
			f.Add(offer)
		}
	}
	f.Add(offerOf(opusSection("0", "a=ssrc-group:FID 1 2"), vp8Section("1", "a=extmap:3 "+"urn:ietf:params:rtp-hdrext:sdes:mid")))
	server, err := webrtc.New(webrtc.Config{}, newSink())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { closeServer(f, server) })
	allowed := []reelvault.Kind{reelvault.Invalid, reelvault.Unsupported, reelvault.TooLarge}
	f.Fuzz(func(t *testing.T, text string) {
		answer, err := server.Publish(t.Context(), guest, text)
		if err != nil {
			if !slices.Contains(allowed, reelvault.KindOf(err)) {
				t.Errorf("%v (%v) of %q", err, reelvault.KindOf(err), text)
			}
			return
		}
		if n, want := strings.Count(answer.SDP, "\nm="), strings.Count("\n"+text, "\nm="); n != want {
			t.Errorf("%d sections answered, %d offered:\n%s\n%s", n, want, text, answer.SDP)
		}
		if err := server.Hangup(t.Context(), guest.SessionID, answer.ID); err != nil {
			t.Error(err)
		}
	})
}
