package testmedia

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// SIPMessage is a SIP message as it came.
type SIPMessage struct {
	Start   string // request line or status line
	Headers map[string][]string
	Body    string
}

// Status gives the code of an answer, or 0 for a request.
func (m SIPMessage) Status() int {
	rest, ok := strings.CutPrefix(m.Start, "SIP/2.0 ")
	code, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(code)
	if !ok || err != nil {
		return 0
	}
	return n
}

// Header gives the first header of this name, which is lower case, or "".
func (m SIPMessage) Header(name string) string {
	if v := m.Headers[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// SIPWire sends SIP messages as they are given and reads what comes back. It
// has no transactions: UDP is repeated until something answers.
type SIPWire struct {
	Local netip.AddrPort

	conn    net.Conn
	tcp     bool
	replies chan SIPMessage
	byes    chan SIPMessage // requests of the server, all of which are answered 200
	done    sync.WaitGroup
}

const (
	sipRepeat   = 500 * time.Millisecond // T1 of RFC 3261
	sipRepeats  = 12
	sipMessages = 64 // that may wait to be read: some retransmissions of some answers
)

// DialSIP opens a socket to a server; network is udp or tcp.
func DialSIP(ctx context.Context, network, target string) (*SIPWire, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, target)
	if err != nil {
		return nil, fmt.Errorf("dial SIP server: %w", err)
	}
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	w := &SIPWire{
		Local: local, conn: conn, tcp: network == "tcp",
		replies: make(chan SIPMessage, sipMessages), byes: make(chan SIPMessage, sipMessages),
	}
	w.done.Go(w.read)
	return w, nil
}

// Close closes the socket.
func (w *SIPWire) Close() error {
	err := w.conn.Close()
	w.done.Wait()
	return err
}

// Write sends bytes as they are.
func (w *SIPWire) Write(text string) error {
	_, err := w.conn.Write([]byte(text))
	return err
}

// Requests gives what the server asks, such as a BYE. It is closed with the
// connection.
func (w *SIPWire) Requests() <-chan SIPMessage { return w.byes }

// Exchange sends a request and waits for its final answer, the one with the
// same CSeq.
func (w *SIPWire) Exchange(ctx context.Context, request string) (SIPMessage, error) {
	sequence := parseSIP([]byte(request)).Header("cseq")
	again := time.NewTicker(sipRepeat)
	defer again.Stop()
	if err := w.Write(request); err != nil {
		return SIPMessage{}, fmt.Errorf("send SIP request: %w", err)
	}
	for tries := 0; ; {
		select {
		case m, ok := <-w.replies:
			switch {
			case !ok:
				return SIPMessage{}, fmt.Errorf("read SIP answer: %w", net.ErrClosed)
			case m.Status() >= 200 && m.Header("cseq") == sequence:
				return m, nil
			default:
				tries = 0 // a provisional answer, or a late one of another request
			}
		case <-again.C:
			if tries++; tries > sipRepeats {
				return SIPMessage{}, errors.New("read SIP answer: none came")
			}
			if w.tcp {
				continue
			}
			if err := w.Write(request); err != nil {
				return SIPMessage{}, fmt.Errorf("repeat SIP request: %w", err)
			}
		case <-ctx.Done():
			return SIPMessage{}, fmt.Errorf("read SIP answer: %w", ctx.Err())
		}
	}
}

func (w *SIPWire) read() {
	defer close(w.replies)
	defer close(w.byes)
	next := w.datagrams()
	if w.tcp {
		next = w.stream()
	}
	for {
		m, err := next()
		if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			continue // such as "connection refused" from an ICMP message
		}
		queue := w.replies
		if m.Status() == 0 {
			queue = w.byes
			if err := w.Write(okFor(m)); err != nil {
				return
			}
		}
		select {
		case queue <- m:
		default:
		}
	}
}

func (w *SIPWire) datagrams() func() (SIPMessage, error) {
	buffer := make([]byte, 1<<16)
	return func() (SIPMessage, error) {
		n, err := w.conn.Read(buffer)
		if err != nil {
			return SIPMessage{}, err
		}
		return parseSIP(buffer[:n]), nil
	}
}

func (w *SIPWire) stream() func() (SIPMessage, error) {
	reader := bufio.NewReader(w.conn)
	return func() (SIPMessage, error) {
		var head bytes.Buffer
		for !bytes.HasSuffix(head.Bytes(), []byte("\r\n\r\n")) {
			line, err := reader.ReadBytes('\n')
			if err != nil {
				return SIPMessage{}, io.EOF
			}
			head.Write(line)
		}
		m := parseSIP(head.Bytes())
		length, err := strconv.Atoi(m.Header("content-length"))
		if err != nil {
			return SIPMessage{}, io.EOF
		}
		body := make([]byte, length)
		if _, err = io.ReadFull(reader, body); err != nil {
			return SIPMessage{}, io.EOF
		}
		m.Body = string(body)
		return m, nil
	}
}

// parseSIP reads a message; one that a test wrote may have bare line feeds.
func parseSIP(data []byte) SIPMessage {
	text := strings.TrimLeft(string(data), "\r\n")
	head, body, whole := strings.Cut(text, "\r\n\r\n")
	if !whole {
		head, body, _ = strings.Cut(text, "\n\n")
	}
	lines := strings.Split(strings.ReplaceAll(head, "\r\n", "\n"), "\n")
	m := SIPMessage{Start: lines[0], Headers: map[string][]string{}, Body: body}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		m.Headers[name] = append(m.Headers[name], strings.TrimSpace(value))
	}
	return m
}

// okFor answers a request of the server.
func okFor(m SIPMessage) string {
	var b strings.Builder
	b.WriteString("SIP/2.0 200 OK\r\n")
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		for _, value := range m.Headers[strings.ToLower(name)] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	return b.String()
}
