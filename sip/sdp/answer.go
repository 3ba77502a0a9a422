package sdp

import (
	"fmt"
	"net/netip"
	"strings"
)

// Usable says whether the recorder takes this line: audio over plain RTP with
// a codec of ours, in use. A line on hold is usable.
func (l Line) Usable() bool {
	plain := l.Protocol == "RTP/AVP" || l.Protocol == "RTP/AVPF"
	return l.Media == "audio" && l.Port > 0 && plain && len(l.Encodings) > 0
}

// Held says whether the client sends nothing on this line: it says inactive,
// or would only receive.
func (l Line) Held() bool { return l.Direction == Inactive || l.Direction == RecvOnly }

// Answer is what the recorder answers, or offers.
type Answer struct {
	ID      uint64     // of the session, for all answers of a dialog
	Version uint64     // one more for each text that differs
	Address netip.Addr // where media is received
	Lines   []AnswerLine
}

// AnswerLine is what becomes of one m-line.
type AnswerLine struct {
	Port int  // 0 refuses the line
	Held bool // say inactive
	Mux  bool // RTCP comes to the same port
}

// Answer writes the answer to this offer, with a line in a.Lines for each of
// the offer's.
func (o Offer) Answer(a Answer) []byte {
	return o.write(a, func(l Line) []Encoding { return l.Encodings[:1] })
}

// Propose writes an offer of ours for the lines of o, in any of their codecs.
func (o Offer) Propose(a Answer) []byte {
	return o.write(a, func(l Line) []Encoding { return l.Encodings })
}

func (o Offer) write(a Answer, encodings func(Line) []Encoding) []byte {
	family := "IP4"
	if a.Address.Is6() {
		family = "IP6"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "v=0\r\no=reelvault %d %d IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n",
		a.ID, a.Version, family, a.Address, family, a.Address)
	for i, l := range o.Lines {
		if a.Lines[i].Port == 0 || len(l.Encodings) == 0 {
			l.refuse(&b)
			continue
		}
		l.take(&b, a.Lines[i], encodings(l))
	}
	return []byte(b.String())
}

// refuse writes a line that is not taken, with the formats that it came with
// (RFC 3264, section 6).
func (l Line) refuse(b *strings.Builder) {
	fmt.Fprintf(b, "m=%s 0 %s %s\r\n", token(l.Media, "audio"), token(l.Protocol, "RTP/AVP"), formats(l.Formats))
	l.label(b)
}

func (l Line) take(b *strings.Builder, a AnswerLine, encodings []Encoding) {
	fmt.Fprintf(b, "m=audio %d %s", a.Port, l.Protocol)
	for _, e := range encodings {
		fmt.Fprintf(b, " %d", e.PayloadType)
	}
	b.WriteString("\r\n")
	for _, e := range encodings {
		fmt.Fprintf(b, "a=rtpmap:%d %s/%d\r\n", e.PayloadType, strings.ToUpper(string(e.Codec)), e.ClockRate)
	}
	l.label(b)
	if a.Mux {
		b.WriteString("a=rtcp-mux\r\n")
	}
	if a.Held {
		b.WriteString("a=inactive\r\n")
		return
	}
	b.WriteString("a=recvonly\r\n")
}

func (l Line) label(b *strings.Builder) {
	if l.Label != "" {
		fmt.Fprintf(b, "a=label:%s\r\n", l.Label)
	}
}

// formats gives a line's formats back. A line without any gets one: the
// grammar wants it.
func formats(all []string) string {
	if len(all) == 0 {
		return "0"
	}
	return strings.Join(all, " ")
}

func token(s, without string) string {
	if s == "" {
		return without
	}
	return s
}
