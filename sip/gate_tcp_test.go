package sip_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault/sip"
	"github.com/reelvault/reelvault/testmedia"
)

// pieces is a connection that brings a text in pieces, and keeps what is
// answered.
type pieces struct {
	text    []byte
	size    func() int // of the next piece
	answers bytes.Buffer
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.text) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.size())], p.text)
	p.text = p.text[n:]
	return n, nil
}

func (p *pieces) Write(b []byte) (int, error)      { return p.answers.Write(b) }
func (p *pieces) Close() error                     { return nil }
func (p *pieces) LocalAddr() net.Addr              { return p.RemoteAddr() }
func (p *pieces) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} }
func (p *pieces) SetDeadline(time.Time) error      { return nil }
func (p *pieces) SetReadDeadline(time.Time) error  { return nil }
func (p *pieces) SetWriteDeadline(time.Time) error { return nil }

// drain gives all that comes of a connection, and what is answered.
func drain(t *testing.T, p *pieces) (onward, answers string) {
	t.Helper()
	conn, held := sip.Stream(p)
	var all bytes.Buffer
	for buffer := make([]byte, 4096); ; {
		n, err := conn.Read(buffer)
		all.Write(buffer[:n])
		if held() > sip.MostHeld {
			t.Errorf("%d bytes are held", held())
		}
		if err != nil {
			return all.String(), p.answers.String()
		}
	}
}

func whole() int { return 1 << 30 }

// message is an UPDATE over TCP as it comes out of the gate.
func message(id string, body []byte) string {
	return fmt.Sprintf("UPDATE sip:record@h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK%s\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:r@h>;tag=2\r\nCall-ID: x\r\nCSeq: 1 UPDATE\r\n"+
		"Content-Type: multipart/mixed;boundary=b\r\nContent-Length: %d\r\n\r\n%s", id, len(body), body)
}

// Messages come out of a connection as they were sent, however they were cut
// on their way; so does what becomes of anything else, which never panics and
// holds no more than a message.
func FuzzStream(f *testing.F) {
	files, err := filepath.Glob("../testmedia/siprec-samples/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no samples: %v", err)
	}
	for i, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body, []byte(message("garbage", body)), uint64(i))
	}
	f.Add([]byte{}, []byte("\r\n\r\n\r\nBYE sip:x SIP/2.0\r\nl: 3\r\n \r\n\t\r\n:\r\n\r\nxyz"), uint64(1))
	f.Add([]byte("x"), []byte("OPTIONS sip:x SIP/2.0\nVia: SIP/2.0/TCP h\nCSeq: 1 OPTIONS\nContent-Length: 99999999\n\nabc"), uint64(2))
	f.Add([]byte("x"), bytes.Repeat([]byte("X: y\r\n"), 12_000), uint64(3))
	f.Fuzz(func(t *testing.T, body, garbage []byte, seed uint64) {
		if len(body) > sip.MaxMessage {
			return
		}
		want := message("one", body) + message("two", nil) + message("three", body)
		text := []byte(message("one", body) + message("two", nil) + "\r\n" + message("three", body) + string(garbage))
		cut := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // no secret
		onward, answers := drain(t, &pieces{text: text, size: func() int { return 1 + cut.IntN(1+cut.IntN(1000)) }})
		if !strings.HasPrefix(onward, want) {
			t.Errorf("got %.2000q", onward)
		}
		atOnce, answersAtOnce := drain(t, &pieces{text: text, size: whole})
		if onward != atOnce || answers != answersAtOnce {
			t.Errorf("in pieces %d and %d bytes came, at once %d and %d", len(onward), len(answers), len(atOnce), len(answersAtOnce))
		}
	})
}

// A body that is announced takes no memory before it comes.
func TestAnnouncedBody(t *testing.T) {
	head, _, _ := strings.Cut(message("announced", make([]byte, sip.MaxMessage)), "\x00")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const connections = 20
	for range connections {
		if onward, _ := drain(t, &pieces{text: []byte(head + "body"), size: whole}); onward != "" {
			t.Errorf("got %q of a message that did not come whole", onward)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > connections*sip.MaxMessage/4 {
		t.Errorf("%d announced bodies took %d bytes", connections, grown)
	}
}

// A connection that brings nothing is closed, unless a call came over it.
func TestIdleConnection(t *testing.T) {
	r := newRig(t, func(c *sip.Config) { c.Timers.Idle = second })
	c := r.call(testmedia.CallSpec{Network: "tcp"})
	for _, first := range []string{"", "\r\n", "\r\n\r\n", options(r.wire("tcp"), "idle")} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.target())
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(conn, strings.Replace(first, "SIP/2.0/UDP", "SIP/2.0/TCP", 1))
		if err == nil {
			err = conn.SetReadDeadline(time.Now().Add(patience))
		}
		if err == nil {
			_, err = io.Copy(io.Discard, conn)
		}
		if err = errors.Join(err, conn.Close()); err != nil {
			t.Errorf("after %.10q: %v", first, err)
		}
	}
	talk(t, c, testmedia.Talk{For: 2 * second})
	if err := c.Bye(t.Context()); err != nil {
		t.Errorf("the connection of a call was closed: %v", err)
	}
}

// One host can't take the places of all others.
func TestManyConnections(t *testing.T) {
	r := newRig(t, nil)
	const most = 512
	for n := range most + 1 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.target())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // the server closes it, too
		if n < most {
			continue
		}
		if err = conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err = conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("connection %d: got %v, want that it is closed", n+1, err)
		}
	}
	other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := other.DialContext(t.Context(), "tcp", r.target())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // only read and written
	if _, err = io.WriteString(conn, "\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err = conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err = conn.Read(make([]byte, 1)); err != nil {
		t.Errorf("another host is not heard: %v", err)
	}
}

// A client whose connection is gone hears of the end where its Contact is, over
// a connection that is closed like any other when it is of no more use.
func TestContactReached(t *testing.T) {
	r := newRig(t, func(c *sip.Config) { c.Timers.Idle = second })
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err == nil {
		err = listener.SetDeadline(time.Now().Add(patience))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // nothing is lost
	w := r.wire("tcp")
	m := strings.ReplaceAll(invite(w, "contact", "application/sdp", plainOffer), "SIP/2.0/UDP", "SIP/2.0/TCP")
	m = strings.Replace(m, "<sip:src@"+w.Local.String()+">", "<sip:src@"+listener.Addr().String()+";transport=tcp>", 1)
	if res := r.ask(w, m); res.Status() != 200 {
		t.Fatalf("got %s", res.Start)
	}
	if err = w.Close(); err != nil {
		t.Fatal(err)
	}
	hanging := make(chan struct{})
	go func() {
		defer close(hanging)
		r.HangupSession(t.Context(), "tenant", "session1")
	}()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the server closes it
	if err = conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(text), "BYE sip:src@") {
		t.Errorf("got %v, %q", err, text)
	}
	<-hanging
}
