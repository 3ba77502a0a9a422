package sip

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

const (
	// maxStreams bounds the open connections, maxHostStreams those with one
	// host, so that none can take all places: there are clients that open one
	// for each call. maxStrangers bounds those that only wait for their 403.
	maxStreams     = 1024
	maxHostStreams = 512
	maxStrangers   = 16

	// messageTime bounds how long a message may take from its first byte.
	messageTime = 30 * time.Second

	// drainBytes and drainTime bound what is still read of a connection that
	// is refused: with unread bytes the answer could be lost in the reset.
	drainBytes = 32 << 20
	drainTime  = 5 * time.Second

	// writeTime bounds how long a peer may take to make room for an answer.
	// One that does not read would else keep its requests, and the goroutines
	// that answer them, for ever.
	writeTime = 10 * time.Second

	// acceptPause is how long to wait when the process has no descriptor left.
	acceptPause = 100 * time.Millisecond
)

// streams is the TCP listener behind the gate, as sipgo uses it.
type streams struct {
	net.Listener

	gate *gate
	idle time.Duration            // how long a connection may be silent
	busy func(remote string) bool // says whether a call came from there, whose connection may be silent
	ctx  context.Context          //nolint:containedctx // ends the waiting of readers, which sipgo calls without one
	end  context.CancelFunc

	mu        sync.Mutex
	open      map[*stream]bool
	hosts     map[netip.Addr]int // connections of each
	strangers int
	closed    bool
}

func newStreams(l net.Listener, g *gate, idle time.Duration, busy func(remote string) bool) *streams {
	ctx, end := context.WithCancel(context.Background())
	return &streams{
		Listener: l, gate: g, idle: idle, busy: busy, ctx: ctx, end: end,
		open: map[*stream]bool{}, hosts: map[netip.Addr]int{},
	}
}

// Accept implements net.Listener. It fails only when the listener is closed.
func (l *streams) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err != nil {
			select {
			case <-time.After(acceptPause):
			case <-l.ctx.Done():
			}
			continue
		}
		if s := l.admit(conn); s != nil {
			return s, nil
		}
		_ = conn.Close()
	}
}

// admit makes a stream of a connection, or nil if there are too many.
func (l *streams) admit(conn net.Conn) *stream {
	host := hostOf(conn.RemoteAddr())
	s := &stream{Conn: conn, streams: l, host: host, foreign: !l.gate.admits(host), reader: bufio.NewReader(conn)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.open) >= maxStreams || l.hosts[host] >= maxHostStreams || s.foreign && l.strangers >= maxStrangers {
		l.gate.count.limited.Add(1)
		return nil
	}
	l.hosts[host]++
	if s.foreign {
		l.strangers++
	}
	l.open[s] = true
	return s
}

// Close implements net.Listener. It closes the connections, too.
func (l *streams) Close() error {
	l.mu.Lock()
	l.closed = true
	var open []*stream
	for s := range l.open {
		open = append(open, s)
	}
	l.mu.Unlock()
	l.end()
	err := l.Listener.Close()
	for _, s := range open {
		_ = s.Close()
	}
	return err
}

func hostOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// stream is one TCP connection. It gives sipgo whole messages.
type stream struct {
	net.Conn

	streams *streams
	host    netip.Addr
	foreign bool

	// reading goroutine only
	reader  *bufio.Reader
	pending []byte // of a message that sipgo has begun to read
	blank   int    // empty lines since the last message: they may come one by one

	closing sync.Once
	writing sync.Mutex // held while a message is written
}

// Write implements net.Conn. A peer that does not read loses its connection:
// with a part of a message written, no other one could follow.
func (s *stream) Write(b []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return 0, err
	}
	n, err := s.Conn.Write(b)
	if err != nil {
		_ = s.Close()
	}
	return n, err
}

// Close implements net.Conn. A second Close does nothing.
func (s *stream) Close() error {
	var err error
	s.closing.Do(func() {
		err = s.Conn.Close()
		l := s.streams
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.open, s)
		if l.hosts[s.host]--; l.hosts[s.host] == 0 {
			delete(l.hosts, s.host)
		}
		if s.foreign {
			l.strangers--
		}
	})
	return err
}

// Read implements net.Conn.
func (s *stream) Read(b []byte) (int, error) {
	for len(s.pending) == 0 {
		onward, err := s.next()
		if err != nil {
			_ = s.Close()
			return 0, err
		}
		s.pending = onward
	}
	n := copy(b, s.pending)
	if s.pending = s.pending[n:]; len(s.pending) == 0 {
		s.pending = nil // a connection that says no more keeps no message
	}
	return n, nil
}

// next reads one message. What is not let through gives nothing, and what ends
// the connection an error.
func (s *stream) next() ([]byte, error) {
	m, err := s.read()
	if err != nil || m.start == "" {
		return nil, err
	}
	g, now := s.streams.gate, time.Now()
	if s.foreign {
		if g.stranger(s.host, now) {
			s.refuse(m, "403 Forbidden")
		}
		return nil, io.EOF
	}
	if g.limiter(s.host, now).Wait(s.streams.ctx) != nil {
		return nil, net.ErrClosed
	}
	length, ok := m.contentLength()
	if !ok {
		g.count.malformed.Add(1)
		s.refuse(m, "400 Bad Request")
		return nil, io.EOF
	}
	if length > MaxMessage {
		g.count.tooLarge.Add(1)
		s.refuse(m, "513 Message Too Large")
		return nil, io.EOF
	}
	var body bytes.Buffer // grows with what comes, not with what is announced
	if _, err = io.CopyN(&body, s.reader, int64(length)); err != nil {
		return nil, err
	}
	m.body = body.Bytes()
	onward, answer := g.check(m)
	if answer != nil {
		_, err = s.Write(answer)
	}
	return onward, err
}

// await waits for the next message. A connection that brings none for long is
// closed, unless a call came over it: its BYE does, too, or ours goes there.
func (s *stream) await() error {
	for {
		if err := s.SetReadDeadline(time.Now().Add(s.streams.idle)); err != nil {
			return err
		}
		_, err := s.reader.Peek(1)
		if !errors.Is(err, os.ErrDeadlineExceeded) || !s.streams.busy(s.RemoteAddr().String()) {
			return err
		}
	}
}

// read reads a message up to its body; there is none after a keep-alive
// (RFC 5626, section 3.5.1).
func (s *stream) read() (message, error) {
	if err := s.await(); err != nil {
		return message{}, err
	}
	if err := s.SetReadDeadline(time.Now().Add(messageTime)); err != nil {
		return message{}, err
	}
	var head bytes.Buffer
	for {
		line, err := s.reader.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return message{}, err
		}
		if head.Len() == 0 && len(bytes.TrimRight(line, "\r\n")) == 0 {
			if s.blank++; s.blank == 2 {
				s.blank = 0
				_, err = s.Write([]byte("\r\n"))
			}
			return message{}, err
		}
		s.blank = 0
		if head.Write(line); head.Len() > maxHead {
			s.streams.gate.count.tooLarge.Add(1)
			m, _ := readMessage(head.Bytes())
			s.refuse(m, "513 Message Too Large")
			return message{}, io.EOF
		}
		if err == nil && len(bytes.TrimRight(line, "\r\n")) == 0 {
			m, _ := readMessage(head.Bytes())
			return m, nil
		}
	}
}

// refuse answers and reads on for a while before the connection is closed.
func (s *stream) refuse(m message, status string) {
	deadline := time.Now().Add(drainTime)
	if s.SetReadDeadline(deadline) != nil {
		return
	}
	if answer := m.refusal(status); answer != nil {
		if _, err := s.Write(answer); err != nil {
			return
		}
	}
	if half, ok := s.Conn.(*net.TCPConn); ok && half.CloseWrite() != nil {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(s.reader, drainBytes))
}
