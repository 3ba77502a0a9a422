package telephony_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

const (
	someOffer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0\r\na=label:1\r\na=sendonly\r\n"
	someMeta  = `<recording xmlns="urn:ietf:params:xml:ns:recording:1"><participant participant_id="a"><nameID aor="sip:a@example.org"><name>Ann</name></nameID></participant></recording>`
	mixed     = "multipart/mixed;boundary=b"
)

// wrong is a message that no client should send.
type wrong struct {
	name string
	kind string // Content-Type
	body string
	mend func(string) string // what is done to the INVITE; nil: nothing
	want int                 // status, answered or unanswered
}

const (
	unanswered = 0  // there is nothing to answer
	answered   = -1 // one way or the other
)

// parts writes a body of an offer and metadata.
func parts(meta string) string {
	return "--b\r\nContent-Type: application/sdp\r\n\r\n" + someOffer + "\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n" +
		"Content-Disposition: recording-session\r\n\r\n" + meta + "\r\n--b--\r\n"
}

func replace(old, with string) func(string) string {
	return func(m string) string { return strings.Replace(m, old, with, 1) }
}

// wrongs are for UDP and TCP.
func wrongs() []wrong {
	const x = "Max-Forwards: 70\r\n"
	bomb := `<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">`
	for n := 'b'; n < 'j'; n++ {
		bomb += fmt.Sprintf(`<!ENTITY %c "%s">`, n, strings.Repeat(fmt.Sprintf("&%c;", n-1), 10))
	}
	bomb += "]>"
	named := func(name string) string { return strings.Replace(someMeta, "Ann", name, 1) }
	return []wrong{
		{"entity bomb", mixed, parts(bomb + named("&i;")), nil, 200},
		{"entity of a file", mixed, parts(`<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + named("&x;")), nil, 200},
		{"deep nesting", mixed, parts("<recording>" + strings.Repeat("<d>", 5000)), nil, 200},
		{"tags that never end", mixed, parts(strings.Repeat("<recording a='", 1000)), nil, 200},
		{"NUL in metadata", mixed, parts(named("A\x00n")), nil, 200},
		{"no UTF-8 in metadata", mixed, parts(named("\xff\xfe\xc0")), nil, 200},
		{"long name", mixed, parts(named("A" + strings.Repeat("é", 10_000))), nil, 200},
		{"control characters in a name", mixed, parts(named("&#x202e;&#27;[2J&#10;&#13;")), nil, 200},
		{"script in a name", mixed, parts(named("&lt;script&gt;alert(1)&lt;/script&gt;")), nil, 200},
		{"1,000 participants", mixed, parts("<recording>" + strings.Repeat("<participant participant_id='x'/>", 1000)), nil, 200},
		{"wrong boundary", "multipart/mixed;boundary=c", parts(someMeta), nil, 488},
		{"no boundary", "multipart/mixed", parts(someMeta), nil, 200},
		{"empty boundary", `multipart/mixed;boundary=""`, "hello", nil, 488},
		{"no end boundary", mixed, strings.TrimSuffix(parts(someMeta), "--b--\r\n"), nil, 200},
		{"metadata alone", mixed, "--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n" + someMeta + "\r\n--b--", nil, 488},
		{"offer alone", mixed, "--b\r\nContent-Type: application/sdp\r\n\r\n" + someOffer + "\r\n--b--", nil, 200},
		{"boundaries alone", mixed, strings.Repeat("--b\r\n", 5000), nil, 488},
		{"no body", "application/sdp", "", nil, 488},
		{"no offer in it", "application/sdp", "\x00\x00\x00\x00", nil, 488},
		{"NUL in the offer", "application/sdp", strings.Replace(someOffer, "s=-", "s=\x00", 1), nil, 200},
		{"ports out of range", "application/sdp", strings.Replace(someOffer, "9000", "99999", 1), nil, 488},
		{"1,000 lines", "application/sdp", "v=0\r\n" + strings.Repeat("m=audio 9 RTP/AVP 0\r\n", 1000), nil, 488},
		{"5,000 formats", "application/sdp", "v=0\r\nm=audio 9 RTP/AVP" + strings.Repeat(" 97", 5000) + "\r\n", nil, 488},
		{"encoded", "application/sdp", someOffer, replace(x, x+"Content-Encoding: gzip\r\n"), 415},
		{"negative length", "application/sdp", someOffer, claim("-1"), 400},
		{"length that is none", "application/sdp", someOffer, claim("0x10"), 400},
		{"length beyond numbers", "application/sdp", someOffer, claim("99999999999999999999"), 400},
		{"NUL in a header", "application/sdp", someOffer, replace(x, x+"X-Odd: a\x00b\r\n"), 200},
		{"NUL in the request", "application/sdp", someOffer, replace("INVITE sip:record", "INVITE sip:rec\x00rd"), answered},
		{"NUL in the Call-ID", "application/sdp", someOffer, replace("Call-ID: ", "Call-ID: \x00"), answered},
		{"NUL in a name", "application/sdp", someOffer, replace(`"Src"`, "\"S\x00c\""), 200},
		{"long From", "application/sdp", someOffer, replace(`"Src"`, "\"S"+strings.Repeat("é", 10_000)+"\""), 200},
		{"no host in Via", "application/sdp", someOffer, replace("Via: ", "Via: SIP/2.0/UDP ;;;===\r\nX: "), 400},
		{"garbage for Via", "application/sdp", someOffer, replace("Via: SIP/2.0/", "Via: nonsense/"), 400},
		{"1,000 Vias", "application/sdp", someOffer, replace(x, x+strings.Repeat("Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKa\r\n", 1000)), 200},
		{"garbage for Contact", "application/sdp", someOffer, replace("Contact: <sip:", "Contact: <<<sip:[:::"), 400},
		{"star for Contact", "application/sdp", someOffer, replace("Contact: ", "Contact: *\r\nX: "), 200},
		{"no Contact", "application/sdp", someOffer, replace("Contact: ", "X: "), 200},
		{"garbage for From", "application/sdp", someOffer, replace("From: ", "From: \"\"\"<<;;\r\nX: "), 400},
		{"no tag", "application/sdp", someOffer, replace(";tag=1", ""), 400},
		{"garbage for To", "application/sdp", someOffer, replace("To: ", "To: >>>\r\nX: "), 400},
		{"sequence beyond numbers", "application/sdp", someOffer, replace("CSeq: 1 ", "CSeq: 99999999999 "), 400},
		{"sequence of another method", "application/sdp", someOffer, replace("CSeq: 1 INVITE", "CSeq: 1 BYE"), 400},
		{"1,000 headers", "application/sdp", someOffer, replace(x, x+strings.Repeat("X: y\r\n", 1000)), 200},
		{"1,000 Record-Routes", "application/sdp", someOffer, replace(x, x+strings.Repeat("Record-Route: <sip:127.0.0.1;lr>\r\n", 1000)), 200},
		{"no SIP", "application/sdp", someOffer, replace("SIP/2.0\r\n", "HTTP/1.1\r\n"), unanswered},
		{"no request", "application/sdp", someOffer, func(string) string { return string(noise(500)) + "\r\n\r\n" }, unanswered},
	}
}

// claim makes a message say that its body has another length.
func claim(value string) func(string) string {
	return func(m string) string {
		head, rest, _ := strings.Cut(m, "Content-Length: ")
		_, rest, _ = strings.Cut(rest, "\r\n")
		return head + "Content-Length: " + value + "\r\n" + rest
	}
}

// invite writes an INVITE outside any call.
func invite(w *testmedia.SIPWire, network, id, kind, body string) string {
	return fmt.Sprintf("INVITE sip:record@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK-%s\r\nMax-Forwards: 70\r\nFrom: \"Src\" <sip:src@127.0.0.1>;tag=1\r\n"+
		"To: <sip:record@127.0.0.1>\r\nCall-ID: %s\r\nCSeq: 1 INVITE\r\nContact: <sip:src@%s>;+sip.src\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		strings.ToUpper(network), w.Local, id, id, w.Local, kind, len(body), body)
}

// What is malformed gets the answer that says so, over UDP and TCP, and a call
// whose description alone is hostile is taken; the process lives, and the calls
// beside it are recorded to the last sample.
func TestMalformed(t *testing.T) {
	p := newPhone(t)
	const lasting = 4 * time.Second
	var talking sync.WaitGroup
	beside := map[string]*testmedia.PhoneCall{}
	for _, network := range []string{"udp", "tcp"} {
		beside[network] = p.call(t, testmedia.CallSpec{Session: "beside-" + network, Network: network})
		talking.Go(func() { talk(t, beside[network], testmedia.Talk{For: lasting, Reports: true}) })
	}
	for _, network := range []string{"udp", "tcp"} {
		for i, m := range wrongs() {
			p.try(t, network, fmt.Sprintf("%s%d", network, i), m)
		}
	}
	for _, m := range streamWrongs() {
		p.stream(t, m)
	}
	talking.Wait()
	for network, c := range beside {
		bye(t, c)
		_, recordings := p.ended(t, "beside-"+network)
		p.whole(t, only(t, recordings), reelvault.PCMU, lasting)
	}
	for _, s := range p.sessions(t) {
		said := fmt.Sprint(s.Name, s.ExternalID, s.Participants)
		if len(s.Name) > 200 || len(said) > 50_000 || !utf8.ValidString(said) || strings.ContainsRune(said, utf8.RuneError) || len(s.Participants) > 200 || strings.ContainsFunc(said, unicode.IsControl) || strings.Contains(said, "aaaaaaaaaa") || strings.Contains(said, "root:") {
			t.Errorf("got session %.300q", said)
		}
	}
}

// try sends one message and takes its answer; a call that it makes is hung up.
func (p *phone) try(tb testing.TB, network, id string, m wrong) {
	tb.Helper()
	w := p.wire(tb, network)
	text := invite(w, network, id, m.kind, m.body)
	if m.mend != nil {
		text = m.mend(text)
	}
	if m.want == unanswered {
		if err := w.Write(text); err != nil {
			tb.Errorf("%s over %s: %v", m.name, network, err)
		}
	} else if a := ask(tb, w, text); a.Status() != m.want && m.want != answered {
		tb.Errorf("%s over %s: got %q, want %d", m.name, network, a.Start, m.want)
	} else if a.Status() == 200 {
		ask(tb, w, within(a, w, network, "BYE", 2))
	}
	w = p.wire(tb, network)
	if a := ask(tb, w, within(testmedia.SIPMessage{}, w, network, "OPTIONS", 1)); a.Status() != 200 {
		tb.Fatalf("after %s over %s OPTIONS got %q", m.name, network, a.Start)
	}
}

func (p *phone) wire(tb testing.TB, network string) *testmedia.SIPWire {
	tb.Helper()
	w, err := testmedia.DialSIP(tb.Context(), network, p.target())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = w.Close() })
	return w
}

// ask gives the final answer to a request, or the zero message.
func ask(tb testing.TB, w *testmedia.SIPWire, request string) testmedia.SIPMessage {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	m, err := w.Exchange(ctx, request)
	if err != nil {
		tb.Errorf("%v, to\n%.300q", err, request)
	}
	return m
}

// within writes a request of the dialog that an answer has made.
func within(a testmedia.SIPMessage, w *testmedia.SIPWire, network, method string, sequence int) string {
	from, to, id := "<sip:src@127.0.0.1>;tag=1", "<sip:record@127.0.0.1>", w.Local.String()
	if a.Status() == 200 {
		from, to, id = a.Header("from"), a.Header("to"), a.Header("call-id")
	}
	return fmt.Sprintf("%s sip:record@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK%x\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\n"+
		"CSeq: %d %s\r\nContent-Length: 0\r\n\r\n", method, strings.ToUpper(network), w.Local, rand.Uint64(), from, to, id, sequence, method)
}

// streamWrong is what only a stream can carry.
type streamWrong struct {
	name string
	text func(w *testmedia.SIPWire) string
	want int
}

func streamWrongs() []streamWrong {
	big := func(kind, body string) func(*testmedia.SIPWire) string {
		return func(w *testmedia.SIPWire) string { return invite(w, "tcp", "big"+w.Local.String(), kind, body) }
	}
	changed := func(change func(string) string) func(*testmedia.SIPWire) string {
		return func(w *testmedia.SIPWire) string { return change(big("application/sdp", someOffer)(w)) }
	}
	text := func(s string) func(*testmedia.SIPWire) string { return func(*testmedia.SIPWire) string { return s } }
	const mega = 1 << 20
	return []streamWrong{
		{"10 MB of metadata", big(mixed, parts("<recording>"+strings.Repeat("<participant/>", 10*mega/14))), 513},
		{"10 MB of one name", big(mixed, parts(strings.Replace(someMeta, "Ann", strings.Repeat("n", 10*mega), 1))), 513},
		{"1 MB, 200,000 elements deep", big(mixed, parts(strings.Repeat("<d>", 200_000))), 200},
		{"1 MB of entities", big(mixed, parts("<!DOCTYPE r ["+strings.Repeat(`<!ENTITY a "&a;&a;">`, 40_000)+"]>"+someMeta)), 200},
		{"1 MB of parts", big(mixed, strings.Repeat("--b\r\n\r\nx\r\n", 70_000)), 488},
		{"1 MB of m-lines", big("application/sdp", "v=0\r\n"+strings.Repeat("m=audio 9 RTP/AVP 0\r\n", 45_000)), 488},
		{"headers without end", changed(replace("Contact", strings.Repeat("X: y\r\n", 50_000)+"Contact")), 513},
		{"a header without end", changed(replace("Contact", "X: "+strings.Repeat("y", mega)+"\r\nContact")), 513},
		{"a length of 2 GB", changed(claim("2147483648")), 513},
		{"a length of less", changed(claim("10")), 488},
		{"no length", changed(replace("Content-Length", "X-Length")), 488},
		{"a length of more", changed(claim("5000")), unanswered},
		{"half a message", changed(func(m string) string { return m[:100] }), unanswered},
		{"TLS", text("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + string(noise(500))), unanswered},
		{"HTTP", text("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\n"), unanswered},
		{"noise", text(string(noise(mega))), unanswered},
		{"line ends", text(strings.Repeat("\r\n", 10_000)), unanswered},
	}
}

// stream is try for what only a stream can carry. Its connection stays open,
// however little came of the message.
func (p *phone) stream(tb testing.TB, m streamWrong) {
	tb.Helper()
	w := p.wire(tb, "tcp")
	text := m.text(w)
	if m.want != unanswered {
		a := ask(tb, w, text)
		if a.Status() != m.want {
			tb.Errorf("%s: got %q, want %d", m.name, a.Start, m.want)
		}
		if a.Status() == 200 {
			ask(tb, w, within(a, w, "tcp", "BYE", 2))
		}
	} else if err := w.Write(text); err != nil && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		tb.Errorf("%s: %v", m.name, err)
	}
	w = p.wire(tb, "tcp")
	if a := ask(tb, w, within(testmedia.SIPMessage{}, w, "tcp", "OPTIONS", 1)); a.Status() != 200 {
		tb.Fatalf("after %s OPTIONS got %q", m.name, a.Start)
	}
}
