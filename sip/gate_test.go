package sip_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/sip"
	"github.com/reelvault/reelvault/testmedia"
)

const plainOffer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0\r\n"

func options(w *testmedia.SIPWire, id string) string {
	return fmt.Sprintf("OPTIONS sip:record@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK-%s\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:record@127.0.0.1>\r\n"+
		"Call-ID: %s\r\nCSeq: 7 OPTIONS\r\nContent-Length: 0\r\n\r\n", w.Local, id, id)
}

// OPTIONS tells that somebody is there and what is understood.
func TestOptions(t *testing.T) {
	r := newRig(t, nil)
	for _, network := range []string{"udp", "tcp"} {
		w := r.wire(network)
		m := r.ask(w, options(w, network))
		if m.Status() != 200 || !strings.Contains(m.Header("allow"), "UPDATE") || !strings.Contains(m.Header("accept"), "application/rs-metadata") {
			t.Errorf("%s: got %s, Allow %q, Accept %q", network, m.Start, m.Header("allow"), m.Header("accept"))
		}
	}
}

// Requests that belong to no call, and methods that nobody needs, are answered
// with what says so.
func TestStray(t *testing.T) {
	r := newRig(t, nil)
	w := r.wire("udp")
	tests := []struct {
		method, to string
		want       int
	}{
		{"BYE", ";tag=none", 481},
		{"UPDATE", ";tag=none", 481},
		{"INVITE", ";tag=none", 481},
		{"CANCEL", "", 481},
		{"REGISTER", "", 405},
		{"PRACK", ";tag=none", 405},
		{"FOO", "", 405},
	}
	for i, tt := range tests {
		m := r.ask(w, fmt.Sprintf("%s sip:record@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKstray%d\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:record@127.0.0.1>%s\r\n"+
			"Call-ID: stray\r\nCSeq: %d %s\r\nContent-Length: 0\r\n\r\n", tt.method, w.Local, i, tt.to, i+1, tt.method))
		if m.Status() != tt.want {
			t.Errorf("%s: got %s, want %d", tt.method, m.Start, tt.want)
		}
	}
	if n := r.book.calls(); n != 0 {
		t.Errorf("%d sessions were made", n)
	}
}

// INVITEs that can't be recorded say why.
func TestUnusableInvite(t *testing.T) {
	r := newRig(t, nil)
	tests := []struct {
		name, kind, body, header string
		want                     int
		says                     string
	}{
		{"no body", "application/sdp", "", "", 488, "no SDP"},
		{"only metadata", "application/rs-metadata+xml", "<recording/>", "", 488, "no SDP"},
		{"no line", "application/sdp", "v=0\r\n", "", 488, "no m-line"},
		{"only video", "application/sdp", "v=0\r\nm=video 9 RTP/AVP 96\r\n", "", 488, "PCMU or PCMA"},
		{"no codec of ours", "application/sdp", "v=0\r\nm=audio 9 RTP/AVP 9 18\r\n", "", 488, "PCMU or PCMA"},
		{"too many lines", "application/sdp", "v=0\r\n" + strings.Repeat("m=audio 9 RTP/AVP 0\r\n", 40), "", 488, "more than 16 m-lines"},
		{"encoded", "application/sdp", plainOffer, "Content-Encoding: gzip\r\n", 415, ""},
	}
	for i, tt := range tests {
		w := r.wire("udp")
		m := r.ask(w, strings.Replace(invite(w, fmt.Sprintf("unusable%d", i), tt.kind, tt.body), "Max-Forwards", tt.header+"Max-Forwards", 1))
		if m.Status() != tt.want || !strings.Contains(m.Header("warning"), tt.says) {
			t.Errorf("%s: got %s, Warning %q", tt.name, m.Start, m.Header("warning"))
		}
	}
	if n := r.book.calls(); n != 0 {
		t.Errorf("%d sessions were made", n)
	}
}

// What many clients write wrong comes through all the same.
func TestMended(t *testing.T) {
	r := newRig(t, nil)
	length := fmt.Sprint("Content-Length: ", len(plainOffer))
	tests := []struct {
		name, network string
		change        func(string) string
	}{
		{"bare LF", "udp", func(m string) string { return strings.ReplaceAll(m, "\r\n", "\n") }},
		{"bare LF in the head", "tcp", func(m string) string {
			head, body, _ := strings.Cut(m, "\r\n\r\n")
			return strings.ReplaceAll(head, "\r\n", "\n") + "\n\n" + body
		}},
		{"open Contact", "udp", replace(">;+sip.src", ";+sip.src")},
		{"open Contact over TCP", "tcp", replace(">;+sip.src", ";+sip.src")},
		{"open Contact and nothing behind it", "udp", replace(">;+sip.src", "")},
		{"parameter within", "udp", replace(">;+sip.src", ";+sip.src>")},
		{"no length", "udp", replace(length+"\r\n", "")},
		{"length of a longer body", "udp", replace(length, "Content-Length: 2012")},
		{"length twice", "udp", replace(length, length+"\r\nl: 102")},
		{"a line that is no header", "udp", replace("Max-Forwards", "hello\r\nMax-Forwards")},
		{"an odd Route", "udp", replace("Max-Forwards", "Route: <<>\r\nMax-Forwards")},
		{"an odd Max-Forwards", "udp", replace("Max-Forwards: 70", "Max-Forwards: many")},
		{"empty headers", "udp", replace("Max-Forwards", "Recv-Info:\r\nSupported:\r\nMax-Forwards")},
		{"folded header", "udp", replace("Max-Forwards", "X-Long: a\r\n b\r\n\tc\r\nMax-Forwards")},
		{"compact headers", "udp", func(m string) string {
			for long, short := range map[string]string{"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Contact": "m", "Content-Type": "c", "Content-Length": "l"} {
				m = strings.Replace(m, "\r\n"+long+":", "\r\n"+short+":", 1)
			}
			return m
		}},
		{"line ends in front", "udp", func(m string) string { return "\r\n\r\n" + m }},
		{"no branch", "udp", func(m string) string { return strings.Replace(m, ";branch=z9hG4bK-", ";branch=", 1) }},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := r.wire(tt.network)
			m := invite(w, fmt.Sprintf("mended%d", i), "application/sdp", plainOffer)
			m = strings.Replace(m, "SIP/2.0/UDP", "SIP/2.0/"+strings.ToUpper(tt.network), 1)
			if changed := tt.change(m); changed == m {
				t.Fatalf("nothing to change in\n%s", m)
			} else if m = changed; r.ask(w, m).Status() != 200 {
				t.Errorf("refused:\n%s", m)
			}
		})
	}
}

func replace(old, with string) func(string) string {
	return func(m string) string { return strings.Replace(m, old, with, 1) }
}

// Several messages in one segment, and one in many, are all understood, and a
// keep-alive is answered.
func TestStream(t *testing.T) {
	r := newRig(t, nil)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.target())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // only read and written
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	request := func(id string) string {
		return "OPTIONS sip:r@h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK" + id + "\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:r@h>\r\nCall-ID: " + id + "\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
	}
	var sent strings.Builder
	for i := range 20 {
		sent.WriteString(request(fmt.Sprint("stream", i)))
	}
	text := sent.String() + "\r\n\r\n"
	if _, err := io.WriteString(conn, text[:len(text)/2]); err != nil {
		t.Fatal(err)
	}
	for _, b := range []byte(text[len(text)/2:]) {
		if _, err := conn.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	got, answers := "", 0
	for buffer := make([]byte, 4096); answers < 20 || !strings.HasPrefix(got, "\r\n") && !strings.Contains(got, "\r\n\r\n\r\n"); {
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatalf("after %d answers: %v", answers, err)
		}
		got += string(buffer[:n])
		answers = strings.Count(got, "SIP/2.0 200 OK")
	}
}

// What is no SIP is answered with 400 where there is something to answer, and
// with nothing else; and nothing of it harms the next request.
func TestMalformed(t *testing.T) {
	r := newRig(t, nil)
	head := "OPTIONS sip:r@h SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:r@h>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n"
	tests := []struct {
		name, text string
		answered   bool
	}{
		{"another method in CSeq", strings.Replace(head, "1 OPTIONS", "1 BYE", 1) + "\r\n", true},
		{"no Call-ID", strings.Replace(head, "Call-ID: x\r\n", "", 1) + "\r\n", true},
		{"no tag", strings.Replace(head, ";tag=1", "", 1) + "\r\n", true},
		{"no number", strings.Replace(head, "CSeq: 1", "CSeq: one", 1) + "\r\n", true},
		{"bad URI", strings.Replace(head, "sip:r@h SIP", "sip:[:::x SIP", 1) + "\r\n", true},
		{"bad length", head + "Content-Length: -1\r\n\r\n", true},
		{"no Via", strings.Replace(head, "Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx\r\n", "", 1) + "\r\n", false},
		{"an ACK", strings.ReplaceAll(head, "OPTIONS", "ACK") + "Content-Length: x\r\n\r\n", false},
		{"an answer", "SIP/2.0 200 OK\r\n\r\n", false},
		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", false},
		{"nothing", "\x00\x00\x00", false},
		{"noise", "\xff\xfe\x80\x81", false},
		{"long line", strings.Repeat("A", 60_000), false},
		{"many headers", head + strings.Repeat("X: y\r\n", 9_000) + "\r\n", true},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := r.wire("udp")
			if err := w.Write(tt.text); err != nil {
				t.Fatal(err)
			}
			// The next one is answered, and whatever came before it is seen first.
			m := r.ask(w, options(w, fmt.Sprint("after", i)))
			if m.Status() != 200 {
				t.Errorf("the next request got %s", m.Start)
			}
		})
	}
	if n := r.Stats().Malformed; n < 8 {
		t.Errorf("counted %d malformed messages", n)
	}
	w := r.wire("udp")
	if m := r.ask(w, strings.Replace(head, ";tag=1", "", 1)+"\r\n"); m.Status() != 400 {
		t.Errorf("got %s, want 400", m.Start)
	}
}

// A message over the limit gets 513 and ends its connection; other calls go
// on. That holds for 10 MB of metadata as for a head without an end.
func TestTooLarge(t *testing.T) {
	r := newRig(t, nil)
	c := r.call(testmedia.CallSpec{Network: "tcp"})
	big := strings.Repeat("<participant/>", 800_000)
	w := r.wire("tcp")
	m := r.ask(w, strings.Replace(invite(w, "big", "application/rs-metadata+xml", big), "SIP/2.0/UDP", "SIP/2.0/TCP", 1))
	if m.Status() != 513 {
		t.Errorf("10 MB: got %s, want 513", m.Start)
	}
	w = r.wire("tcp")
	endless := options(w, "endless")
	m = r.ask(w, strings.TrimSuffix(endless, "\r\n")+strings.Repeat("X: y\r\n", 20_000)+"\r\n")
	if m.Status() != 513 {
		t.Errorf("endless head: got %s, want 513", m.Start)
	}
	if n := r.Stats().TooLarge; n != 2 {
		t.Errorf("counted %d too large messages, want 2", n)
	}
	talk(t, c, testmedia.Talk{For: second / 5})
	r.await("packets of the other call", r.all(10, 10))
}

// Metadata just below the limit is read up to the parser's own limits, and its
// call recorded.
func TestLargeMetadata(t *testing.T) {
	r := newRig(t, nil)
	w := r.wire("tcp")
	body := "--b\r\nContent-Type: application/sdp\r\n\r\n" + plainOffer + "--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n" +
		"<recording>" + strings.Repeat("<d>", 300_000) + "\r\n--b--\r\n"
	m := r.ask(w, strings.Replace(invite(w, "large", "multipart/mixed;boundary=b", body), "SIP/2.0/UDP", "SIP/2.0/TCP", 1))
	if m.Status() != 200 {
		t.Fatalf("got %s, want 200", m.Start)
	}
	r.book.mu.Lock()
	defer r.book.mu.Unlock()
	if notes := fmt.Sprint(r.book.begun[0].Notes); !strings.Contains(notes, "over its limits") {
		t.Errorf("got notes %s", notes)
	}
}

// Who is not in an allowed network gets 403, a few times a second, and no
// session; a call of somebody who is goes on.
func TestStranger(t *testing.T) {
	r := newRig(t, func(c *sip.Config) { c.Allowed = []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")} })
	for _, network := range []string{"udp", "tcp"} {
		w := r.wire(network)
		m := r.ask(w, strings.Replace(invite(w, "stranger"+network, "application/sdp", plainOffer), "SIP/2.0/UDP", "SIP/2.0/"+strings.ToUpper(network), 1))
		if m.Status() != 403 {
			t.Errorf("%s: got %s, want 403", network, m.Start)
		}
	}
	w := r.wire("udp")
	for i := range 200 {
		if err := w.Write(options(w, fmt.Sprint("flood", i))); err != nil {
			t.Fatal(err)
		}
	}
	r.await("the flood to be counted", func() bool { return r.Stats().Strangers >= 100 }) // the socket's buffer holds that
	if r.book.calls() != 0 || r.Stats().Messages != 0 {
		t.Errorf("got %d sessions and %d messages", r.book.calls(), r.Stats().Messages)
	}
}

// The same INVITE makes one call, however often it comes: repeated on its way,
// over TCP where nothing repeats, or by another way with another branch.
func TestRepeatedInvite(t *testing.T) {
	r := newRig(t, nil)
	w := r.wire("udp")
	m := invite(w, "twice", "application/sdp", plainOffer)
	for range 5 {
		if err := w.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	if res := r.ask(w, m); res.Status() != 200 {
		t.Errorf("got %s", res.Start)
	}
	other := r.wire("udp")
	if res := r.ask(other, strings.Replace(strings.ReplaceAll(m, w.Local.String(), other.Local.String()), "branch=z9hG4bK-", "branch=z9hG4bK-other", 1)); res.Status() != 482 {
		t.Errorf("another way: got %s, want 482", res.Start)
	}
	if n := r.book.calls(); n != 1 {
		t.Errorf("%d sessions were made, want 1", n)
	}
}

// An INVITE that is taken back before it is answered leaves nothing behind.
func TestCancel(t *testing.T) {
	r := newRig(t, nil)
	block := make(chan struct{})
	r.book.hold(block)
	w := r.wire("udp")
	m := invite(w, "cancelled", "application/sdp", plainOffer)
	if err := w.Write(m); err != nil {
		t.Fatal(err)
	}
	r.await("the INVITE", func() bool { return r.Stats().Calls == 1 })
	cancel := strings.ReplaceAll(strings.SplitN(m, "Contact:", 2)[0], "INVITE", "CANCEL") + "Content-Length: 0\r\n\r\n"
	if res := r.ask(w, cancel); res.Status() != 200 {
		t.Errorf("CANCEL got %s, want 200", res.Start)
	}
	res := r.ask(w, m)
	close(block)
	if res.Status() != 487 {
		t.Errorf("INVITE got %s, want 487", res.Start)
	}
	r.await("the end", func() bool { return r.Stats().Calls == 0 })
	if cause := r.book.over(); cause != sip.CauseCancel {
		t.Errorf("ended by %s, want cancel", cause)
	}
}

// A server that is ending refuses calls and pings, so that clients go elsewhere.
func TestDraining(t *testing.T) {
	r := newRig(t, func(c *sip.Config) { c.Timers.Bye = patience })
	c := r.call(testmedia.CallSpec{})
	if err := c.Drop(); err != nil { // so that its BYE keeps the server from ending
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Close(ctx) }()
	w := r.wire("udp")
	var m testmedia.SIPMessage
	for i, deadline := 0, time.Now().Add(patience); m.Status() != 503 && time.Now().Before(deadline); i++ {
		m = r.ask(w, options(w, fmt.Sprint("ping", i)))
	}
	if m.Status() != 503 || m.Header("retry-after") == "" {
		t.Errorf("OPTIONS got %s", m.Start)
	}
	if m := r.ask(w, invite(w, "late", "application/sdp", plainOffer)); m.Status() != 503 {
		t.Errorf("INVITE got %s, want 503", m.Start)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A client that asks and never reads what it is answered does not keep the
// server from ending.
func TestUnreadAnswers(t *testing.T) {
	r := newRig(t, nil)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.target())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the server has closed it
	const asked = 1000 // whose answers no socket buffers
	via := "Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKold;was=" + strings.Repeat("x", 7000) + "\r\n"
	var asking sync.WaitGroup
	asking.Go(func() {
		for i := range asked {
			_, err := fmt.Fprintf(conn, "OPTIONS sip:record@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK-%d\r\n%s"+
				"From: <sip:a@b>;tag=1\r\nTo: <sip:record@127.0.0.1>\r\nCall-ID: %d\r\nCSeq: 7 OPTIONS\r\nContent-Length: 0\r\n\r\n", i, strings.Repeat(via, 6), i)
			if err != nil {
				return // closed for not reading
			}
		}
	})
	r.await("most questions", func() bool { return r.Stats().Messages > asked/2 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Close(ctx); err != nil {
		t.Error(err)
	}
	asking.Wait()
}

// A port that is taken is said so, with what to do.
func TestTakenPort(t *testing.T) {
	r := newRig(t, nil)
	_, err := sip.New(t.Context(), sip.Config{
		Address: r.Addr().Addr(), Port: int(r.Addr().Port()), FirstRTP: 29000, LastRTP: 29001, Calls: r.book, Sink: r.sink, Log: r.log(),
	})
	if reelvault.KindOf(err) != reelvault.Unavailable || err == nil {
		t.Errorf("got %v, want an error of kind unavailable", err)
	}
	_, err = sip.New(t.Context(), sip.Config{Address: netip.IPv4Unspecified(), FirstRTP: 29000, LastRTP: 29001, Log: r.log()})
	if reelvault.KindOf(err) != reelvault.Invalid || err == nil {
		t.Errorf("got %v, want an error of kind invalid", err)
	}
}

// A client that asks from another port each time is answered each time, for as
// many ports as there are: the reading loop is begun anew now and then.
func TestManyPorts(t *testing.T) {
	r := newRig(t, nil)
	buffer := make([]byte, 4096)
	for n := range 4500 {
		local := &net.UDPAddr{IP: net.IPv4(127, 0, 1, byte(1+n/500))} // below what one host may send at once
		conn, err := net.DialUDP("udp4", local, net.UDPAddrFromAddrPort(r.Addr()))
		if err != nil {
			t.Fatal(err)
		}
		request := fmt.Sprintf("OPTIONS sip:r@h SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKports%d\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:r@h>\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\n\r\n",
			conn.LocalAddr(), n, n)
		answered := false
		for tries := 0; tries < 40 && !answered; tries++ { // repeated like any request over UDP
			if _, err = conn.Write([]byte(request)); err != nil {
				t.Fatal(err)
			}
			if err = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			got, failed := conn.Read(buffer)
			answered = failed == nil && strings.HasPrefix(string(buffer[:got]), "SIP/2.0 200 ")
		}
		if err = conn.Close(); err != nil {
			t.Fatal(err)
		}
		if !answered {
			t.Fatalf("port %d was not answered", n)
		}
	}
}
