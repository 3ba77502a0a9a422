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

// Answer is what the recorder answers.
type Answer struct {
	ID      uint64     // of the session, for all answers of a dialog
	Version uint64     // one more for each answer that differs
	Address netip.Addr // where media is received
	Lines   []AnswerLine
}

// AnswerLine answers one m-line of the offer.
type AnswerLine struct {
	Port int  // 0 refuses the line
	Held bool // answer inactive
	Mux  bool // RTCP comes to the same port
}

// Answer writes the answer to this offer, with a line in a.Lines for each of
// the offer's.
func (o Offer) Answer(a Answer) []byte {
	family := "IP4"
	if a.Address.Is6() {
		family = "IP6"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "v=0\r\no=reelvault %d %d IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n",
		a.ID, a.Version, family, a.Address, family, a.Address)
	for i, l := range o.Lines {
		l.answer(&b, a.Lines[i])
	}
	return []byte(b.String())
}

// answer writes one line. A refused one repeats the offer's formats
// (RFC 3264, section 6).
func (l Line) answer(b *strings.Builder, a AnswerLine) {
	if a.Port == 0 || len(l.Encodings) == 0 {
		fmt.Fprintf(b, "m=%s 0 %s %s\r\n", token(l.Media, "audio"), token(l.Protocol, "RTP/AVP"), formats(l.Formats))
		l.label(b)
		return
	}
	e := l.Encodings[0]
	fmt.Fprintf(b, "m=audio %d %s %d\r\na=rtpmap:%d %s/%d\r\n",
		a.Port, l.Protocol, e.PayloadType, e.PayloadType, strings.ToUpper(string(e.Codec)), e.ClockRate)
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
