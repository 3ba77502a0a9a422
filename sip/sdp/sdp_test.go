package sdp_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pion "github.com/pion/sdp/v3"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/sip/sdp"
)

const head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"

func parse(t *testing.T, text string) sdp.Offer {
	t.Helper()
	o, err := sdp.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// A line is usable by its media, port, protocol and codecs, in whatever order
// and with whatever else it is written.
func TestLine(t *testing.T) {
	tests := []struct {
		name, line string
		usable     bool
		held       bool
		codec      reelvault.Codec
		pt         uint8
	}{
		{"static PCMU", "m=audio 1000 RTP/AVP 0\r\n", true, false, reelvault.PCMU, 0},
		{"the client's order", "m=audio 1000 RTP/AVP 8 0\r\n", true, false, reelvault.PCMA, 8},
		{"dynamic type", "m=audio 1000 RTP/AVP 97 0\r\na=rtpmap:97 pcma/8000/1\r\n", true, false, reelvault.PCMA, 97},
		{"static type renamed", "m=audio 1000 RTP/AVP 0\r\na=rtpmap:0 G729/8000\r\n", false, false, "", 0},
		{"others are passed over", "m=audio 1000 RTP/AVP 18 9 101 0\r\na=rtpmap:18 G729/8000\r\n", true, false, reelvault.PCMU, 0},
		{"wideband PCMU", "m=audio 1000 RTP/AVP 97\r\na=rtpmap:97 PCMU/16000\r\n", false, false, "", 0},
		{"no codec of ours", "m=audio 1000 RTP/AVP 18 9\r\n", false, false, "", 0},
		{"port 0", "m=audio 0 RTP/AVP 0\r\n", false, false, reelvault.PCMU, 0},
		{"port out of range", "m=audio 70000 RTP/AVP 0\r\n", false, false, reelvault.PCMU, 0},
		{"number of ports", "m=audio 1000/2 RTP/AVP 0\r\n", true, false, reelvault.PCMU, 0},
		{"AVPF", "m=audio 1000 RTP/AVPF 0\r\n", true, false, reelvault.PCMU, 0},
		{"SRTP", "m=audio 1000 RTP/SAVP 0\r\n", false, false, reelvault.PCMU, 0},
		{"video", "m=video 1000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n", false, false, "", 0},
		{"fax", "m=image 1000 udptl t38\r\n", false, false, "", 0},
		{"inactive", "m=audio 1000 RTP/AVP 0\r\na=inactive\r\n", true, true, reelvault.PCMU, 0},
		{"would only receive", "m=audio 1000 RTP/AVP 0\r\na=recvonly\r\n", true, true, reelvault.PCMU, 0},
		{"both ways", "m=audio 1000 RTP/AVP 0\r\na=SendRecv\r\n", true, false, reelvault.PCMU, 0},
		{"half a line", "m=audio\r\n", false, false, "", 0},
		{"bare LF, spaces", "m=audio 1000 RTP/AVP 0 \na=sendonly \n", true, false, reelvault.PCMU, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := parse(t, head+tt.line).Lines[0]
			if l.Usable() != tt.usable || l.Held() != tt.held {
				t.Errorf("got usable %v, held %v; want %v, %v", l.Usable(), l.Held(), tt.usable, tt.held)
			}
			var codec reelvault.Codec
			var pt uint8
			if len(l.Encodings) > 0 {
				codec, pt = l.Encodings[0].Codec, l.Encodings[0].PayloadType
			}
			if codec != tt.codec || pt != tt.pt {
				t.Errorf("got %s as %d, want %s as %d", codec, pt, tt.codec, tt.pt)
			}
		})
	}
}

// What the session says holds for lines that say nothing of their own.
func TestInheritance(t *testing.T) {
	o := parse(t, "v=0\r\nc=IN IP4 192.0.2.1\r\na=inactive\r\nm=audio 1000 RTP/AVP 0\r\n"+
		"m=audio 1002 RTP/AVP 0\r\na=sendonly\r\nc=IN IP4 192.0.2.2\r\na=rtcp-mux\r\na=ptime:30\r\n"+
		"m=audio 1004 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\nm=audio 1006 RTP/AVP 0\r\nc=IN IP4 X.X.X.X\r\nm=audio 1008 RTP/AVP 0\r\nc=IN IP4 224.2.1.1/127\r\n")
	want := []string{
		"192.0.2.1 inactive false 0 false", "192.0.2.2 sendonly true 30 false", "invalid IP inactive false 0 true",
		"invalid IP inactive false 0 false", "224.2.1.1 inactive false 0 false",
	}
	for i, l := range o.Lines {
		if got := fmt.Sprint(l.Address, l.Direction, l.RTCPMux, l.PacketTime, l.NoAddress); strings.ReplaceAll(want[i], " ", "") != strings.ReplaceAll(got, " ", "") {
			t.Errorf("line %d: got %s, want %s", i, got, want[i])
		}
	}
}

// The answer has every line in the offer's order, with our own origin.
func TestAnswer(t *testing.T) {
	o := parse(t, head+"m=audio 1000 RTP/AVP 8 0 101\r\na=label:1\r\na=rtcp-mux\r\na=sendonly\r\n"+
		"m=video 1002 RTP/AVP 96\r\na=label:v\r\nm=audio 1004 RTP/AVPF 97\r\na=rtpmap:97 PCMU/8000\r\na=inactive\r\na=label:2\r\nm=image 9 udptl t38\r\nm=audio\r\n")
	got := string(o.Answer(sdp.Answer{ID: 7, Version: 2, Address: netip.MustParseAddr("127.0.0.1"), Lines: []sdp.AnswerLine{
		{Port: 10000, Mux: true}, {}, {Port: 10002, Held: true}, {}, {},
	}}))
	want := "v=0\r\no=reelvault 7 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
		"m=audio 10000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=label:1\r\na=rtcp-mux\r\na=recvonly\r\n" +
		"m=video 0 RTP/AVP 96\r\na=label:v\r\n" +
		"m=audio 10002 RTP/AVPF 97\r\na=rtpmap:97 PCMU/8000\r\na=label:2\r\na=inactive\r\n" +
		"m=image 0 UDPTL t38\r\nm=audio 0 RTP/AVP 0\r\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// An offer of ours leaves the choice of the codec, and refuses what was refused.
func TestPropose(t *testing.T) {
	o := parse(t, head+"m=audio 1000 RTP/AVP 8 0 101\r\na=label:1\r\na=inactive\r\nm=video 1002 RTP/AVP 96\r\n")
	got := string(o.Propose(sdp.Answer{ID: 7, Version: 3, Address: netip.MustParseAddr("127.0.0.1"), Lines: []sdp.AnswerLine{{Port: 10000}, {}}}))
	want := "v=0\r\no=reelvault 7 3 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
		"m=audio 10000 RTP/AVP 8 0\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=label:1\r\na=recvonly\r\nm=video 0 RTP/AVP 96\r\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// An IPv6 address is told as such.
func TestAnswerIPv6(t *testing.T) {
	o := parse(t, head+"m=audio 1000 RTP/AVP 0\r\n")
	got := string(o.Answer(sdp.Answer{Address: netip.MustParseAddr("2001:db8::1"), Lines: []sdp.AnswerLine{{Port: 2}}}))
	if !strings.Contains(got, "c=IN IP6 2001:db8::1\r\n") {
		t.Errorf("got\n%s", got)
	}
}

// An offer without lines, with too many or of too many bytes is refused.
func TestRefused(t *testing.T) {
	tests := []struct {
		text string
		kind reelvault.Kind
	}{
		{"", reelvault.Invalid},
		{head, reelvault.Invalid},
		{head + strings.Repeat("m=audio 1 RTP/AVP 0\r\n", 17), reelvault.Invalid},
		{head + strings.Repeat("a=x\r\n", 20_000), reelvault.TooLarge},
	}
	for _, tt := range tests {
		if _, err := sdp.Parse([]byte(tt.text)); reelvault.KindOf(err) != tt.kind || err == nil {
			t.Errorf("%.20q: got %v, want %s", tt.text, err, tt.kind)
		}
	}
}

// Whatever is offered, the answer is SDP that another implementation reads,
// with as many lines.
func FuzzAnswer(f *testing.F) {
	files, err := filepath.Glob("../../testmedia/siprec-samples/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no samples: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("m=audio 1 RTP/AVP 0\ra=b\na=label:\rx"))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := sdp.Parse(text)
		if err != nil {
			return
		}
		a := sdp.Answer{ID: 1, Version: 1, Address: netip.MustParseAddr("127.0.0.1")}
		usable := 0
		for i, l := range o.Lines {
			line := sdp.AnswerLine{}
			if l.Usable() {
				usable++
				line = sdp.AnswerLine{Port: 10000 + 2*i, Held: l.Held(), Mux: l.RTCPMux}
			}
			a.Lines = append(a.Lines, line)
		}
		answer := string(o.Answer(a))
		if got := strings.Count(answer, "\r\nm="); got != len(o.Lines) {
			t.Errorf("got %d lines for %d:\n%s", got, len(o.Lines), answer)
		}
		if usable < len(o.Lines) {
			return // a refused line repeats the offer's words, which need not be known to anybody
		}
		var read pion.SessionDescription
		if err := read.UnmarshalString(answer); err != nil {
			t.Errorf("answer is refused: %v\n%s", err, answer)
		}
	})
}
