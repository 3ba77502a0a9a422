package main

import (
	"net"
	"sync"
)

// limitedListener accepts at most a number of connections at a time: whoever
// opens more waits for the network, and no recording lacks a descriptor.
type limitedListener struct {
	net.Listener
	turns  chan struct{} // holds one for each open connection
	closed chan struct{}
	once   sync.Once
}

func limitListener(l net.Listener, connections int) net.Listener {
	return &limitedListener{Listener: l, turns: make(chan struct{}, connections), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.turns <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.turns
		return nil, err
	}
	return &limitedConn{Conn: c, leave: func() { <-l.turns }}, nil
}

// Close implements net.Listener.
func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// limitedConn gives its turn back when it is closed.
type limitedConn struct {
	net.Conn
	leave func()
	once  sync.Once
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.leave)
	return err
}
