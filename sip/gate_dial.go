package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/emiago/sipgo/sip"
)

// transports are sipgo's, which may open no TCP connection: one of its own
// would pass by the gate, and nobody would ever close it.
func transports() sip.TransportsConfig {
	refuse := func(string, string, syscall.RawConn) error { return errors.New("sipgo may not dial") }
	return sip.TransportsConfig{TCP: &sip.TransportTCP{
		DialerCreate: func(net.Addr) net.Dialer { return net.Dialer{Control: refuse} },
	}}
}

// connect makes sure that there is a connection to a client, which is behind
// the gate like those that clients open.
func (s *Server) connect(ctx context.Context, to string) error {
	layer := s.agent.TransportLayer()
	if present := layer.Pool("tcp").Get(to); present != nil {
		_, err := present.TryClose() // gives back what Get has taken
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
	if err != nil {
		return err
	}
	stream := s.tcp.admit(conn)
	if stream == nil {
		return errors.Join(errors.New("too many connections"), conn.Close())
	}
	if err = layer.ServeTCP(&handover{Listener: s.tcp, stream: stream}); !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("read connection: %w", err)
	}
	return nil
}

// handover gives one connection to sipgo, as a listener that has no more.
type handover struct {
	net.Listener

	stream *stream
}

// Accept implements net.Listener.
func (h *handover) Accept() (net.Conn, error) {
	if h.stream == nil {
		return nil, net.ErrClosed
	}
	s := h.stream
	h.stream = nil
	return s, nil
}
