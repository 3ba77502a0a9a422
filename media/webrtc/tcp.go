package webrtc

import (
	"errors"
	"net"
	"sync"
	"time"
)

// acceptAgain is the pause after a failed accept, as for want of descriptors:
// pion's mux would give up listening for good.
const acceptAgain = 50 * time.Millisecond

// A boundedListener hands out a bounded number of connections at a time, and
// closes them with itself: until a connection has named its peer, nothing
// else would.
type boundedListener struct {
	net.Listener
	most   int
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex // guards what follows
	open map[*boundedConn]struct{}
}

func newBoundedListener(l net.Listener, most int) *boundedListener {
	return &boundedListener{Listener: l, most: most, closed: make(chan struct{}), open: map[*boundedConn]struct{}{}}
}

// Accept implements net.Listener. A connection beyond the bound is closed.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err != nil {
			select {
			case <-time.After(acceptAgain):
			case <-l.closed:
			}
			continue
		}
		if bounded := l.admit(conn); bounded != nil {
			return bounded, nil
		}
		_ = conn.Close()
	}
}

func (l *boundedListener) admit(conn net.Conn) net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return nil
	default:
	}
	if len(l.open) == l.most {
		return nil
	}
	bounded := &boundedConn{Conn: conn, listener: l}
	l.open[bounded] = struct{}{}
	return bounded
}

// Close implements net.Listener. It may be called again.
func (l *boundedListener) Close() error {
	var err error
	l.once.Do(func() {
		err = l.Listener.Close()
		l.mu.Lock()
		defer l.mu.Unlock()
		close(l.closed)
		for conn := range l.open {
			_ = conn.Conn.Close()
		}
	})
	return err
}

// A boundedConn gives its place back when it is closed.
type boundedConn struct {
	net.Conn
	listener *boundedListener
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.open, c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
