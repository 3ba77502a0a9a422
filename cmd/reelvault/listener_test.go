package main

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
)

// pipes is a listener whose connections come from the test.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// The listener takes as many connections as it may, and another when one of
// them has ended; closing it ends who waits for a turn.
func TestLimitListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := make(pipes, 10)
		for range 5 {
			c, _ := net.Pipe()
			inner <- c
		}
		l := limitListener(inner, 2)
		var open []net.Conn
		var ended error
		go func() {
			for ended == nil {
				c, err := l.Accept()
				if err != nil {
					ended = err
					return
				}
				open = append(open, c)
			}
		}()
		want := func(n int) {
			t.Helper()
			synctest.Wait()
			if len(open) != n {
				t.Errorf("got %d connections taken, want %d", len(open), n)
			}
		}
		want(2)
		for range 3 { // closing it again gives no second turn
			_ = open[0].Close()
			want(3)
		}
		_ = open[1].Close()
		want(4)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if !errors.Is(ended, net.ErrClosed) {
			t.Errorf("got %v from Accept after Close", ended)
		}
	})
}
