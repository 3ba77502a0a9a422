package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/sip/rtp"
)

// datagramSize is what a datagram may have. sipgo keeps its limits in package
// variables, which are raised before anything runs: an answer with many
// Record-Routes exceeds an Ethernet frame, and metadata does so, too.
var datagramSize = raiseLimits()

func raiseLimits() int {
	sip.UDPMTUSize = 65507 + 200 // sipgo keeps 200 back
	sip.TransportBufferReadSize = 65535
	sip.ParseMaxMessageLength = maxHead + MaxMessage
	sip.SetDefaultLogger(slog.New(slog.DiscardHandler)) // what it says where no logger can be given is for its authors
	return int(sip.TransportBufferReadSize)
}

// Server answers recording clients. Its methods may be called from any
// goroutine.
type Server struct {
	config Config
	log    *slog.Logger
	port   int
	gate   *gate
	rtp    *rtp.Receiver
	agent  *sipgo.UserAgent
	client *sipgo.Client
	udp    *datagrams
	tcp    *streams

	serving  sync.WaitGroup // reading loops
	handling sync.WaitGroup // requests, and with them calls

	mu       sync.Mutex
	draining bool             // calls are refused
	closed   bool             // everything is
	calls    map[string]*call // by dialog
	invites  map[string]*call // by Call-ID and From tag
	count    struct{ begun, refused, broken atomic.Uint64 }
}

// New opens the ports and begins to answer. Close ends it. A port that is
// taken is an error of kind Unavailable.
func New(ctx context.Context, c Config) (*Server, error) {
	if err := c.prepare(); err != nil {
		return nil, err
	}
	s := &Server{config: c, log: c.Log, gate: newGate(c.Allowed, c.Log), calls: map[string]*call{}, invites: map[string]*call{}}
	receiver, err := rtp.New(rtp.Config{Address: c.Address, FirstPort: c.FirstRTP, LastPort: c.LastRTP})
	if err != nil {
		return nil, err
	}
	s.rtp = receiver
	if err = s.listen(ctx); err == nil {
		err = s.assemble()
	}
	if err != nil {
		receiver.Close()
		return nil, errors.Join(err, s.closeSockets())
	}
	s.serve()
	return s, nil
}

// bindTries bounds the search for a port that is free for UDP and TCP.
const bindTries = 16

// listen opens UDP and TCP on the same port.
func (s *Server) listen(ctx context.Context) error {
	var failed error
	for range bindTries {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", netip.AddrPortFrom(s.config.Address, uint16(s.config.Port)).String())
		if err != nil {
			return s.taken(err)
		}
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		conn, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", listener.Addr().String())
		if err == nil {
			s.port, err = strconv.Atoi(port)
			s.tcp, s.udp = newStreams(listener, s.gate, s.config.Timers.Idle, s.busy), newDatagrams(conn, s.gate)
			return err
		}
		failed = errors.Join(err, listener.Close())
		if s.config.Port != 0 {
			break
		}
	}
	return s.taken(failed)
}

func (s *Server) taken(err error) error {
	return &reelvault.Error{
		Kind: reelvault.Unavailable, Message: fmt.Sprintf("SIP port %d of %s cannot be listened on", s.config.Port, s.config.Address),
		Hint: "name another one with --sip-port", Cause: err,
	}
}

// assemble puts sipgo's layers behind the gate.
func (s *Server) assemble() error {
	quiet := slog.New(demoted{s.log.Handler()})
	agent, err := sipgo.NewUA(
		sipgo.WithUserAgent("reelvault"), sipgo.WithUserAgentParser(s.gate.parser),
		sipgo.WithUserAgentTransportLayerOptions(sip.WithTransportLayerLogger(quiet), sip.WithTransportLayerTransports(transports())),
		sipgo.WithUserAgentTransactionLayerOptions(sip.WithTransactionLayerLogger(quiet)),
	)
	if err != nil {
		return fmt.Errorf("make SIP agent: %w", err)
	}
	s.agent = agent
	server, err := sipgo.NewServer(agent, sipgo.WithServerLogger(quiet))
	if err != nil {
		return fmt.Errorf("make SIP server: %w", err)
	}
	s.client, err = sipgo.NewClient(agent, sipgo.WithClientLogger(quiet),
		sipgo.WithClientHostname(hostText(s.config.Address)), sipgo.WithClientPort(s.port))
	if err != nil {
		return fmt.Errorf("make SIP client: %w", err)
	}
	server.OnInvite(s.handle(s.invite))
	server.OnAck(s.handle(s.ack))
	server.OnBye(s.handle(s.bye))
	server.OnUpdate(s.handle(s.update))
	server.OnOptions(s.handle(s.options))
	server.OnCancel(s.handle(s.cancel))
	server.OnNoRoute(s.handle(s.unknown))
	return nil
}

// hostText writes an address as it stands in a URI.
func hostText(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// serve reads until the sockets are closed.
func (s *Server) serve() {
	layer := s.agent.TransportLayer()
	s.serving.Add(2)
	go func() {
		defer s.serving.Done()
		for !s.ended() {
			if err := layer.ServeUDP(s.udp); err != nil {
				s.log.Error("read SIP over UDP", "err", err)
				return
			}
		}
	}()
	go func() {
		defer s.serving.Done()
		if err := layer.ServeTCP(s.tcp); !errors.Is(err, net.ErrClosed) {
			s.log.Error("accept SIP over TCP", "err", err)
		}
	}()
}

func (s *Server) ended() bool {
	s.tcp.mu.Lock()
	defer s.tcp.mu.Unlock()
	return s.tcp.closed
}

// Addr gives the address and port of SIP, UDP and TCP.
func (s *Server) Addr() netip.AddrPort { return netip.AddrPortFrom(s.config.Address, uint16(s.port)) }

// busy says whether a call came over the connection from there.
func (s *Server) busy(remote string) bool {
	s.mu.Lock()
	calls := slices.Collect(maps.Values(s.calls))
	s.mu.Unlock()
	return slices.ContainsFunc(calls, func(c *call) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.peer == remote
	})
}

// HangupSession ends the calls of a session and returns when their captures
// are closed.
func (s *Server) HangupSession(ctx context.Context, tenantID, sessionID string) {
	s.mu.Lock()
	var calls []*call
	for _, c := range s.calls {
		if c.session == (Session{tenantID, sessionID}) {
			calls = append(calls, c)
		}
	}
	s.mu.Unlock()
	for _, c := range calls {
		c.end(CauseHangup)
	}
	for _, c := range calls {
		select {
		case <-c.gone:
		case <-ctx.Done():
		}
	}
}

// Close refuses new calls, says goodbye in the running ones, closes their
// captures and waits for everything that was started. When ctx ends, no
// answer to a BYE is waited for any more, and no client that is slow to read.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	calls := make([]*call, 0, len(s.calls))
	for _, c := range s.calls {
		calls = append(calls, c)
	}
	s.mu.Unlock()
	for _, c := range calls {
		c.end(CauseShutdown)
	}
	for _, c := range calls {
		select {
		case <-c.gone:
		case <-ctx.Done():
			c.cut()
		}
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	handled := make(chan struct{})
	go func() {
		s.handling.Wait()
		close(handled)
	}()
	select {
	case <-handled:
	case <-ctx.Done(): // an answer may be stuck at a client that does not read
	}
	err := s.closeSockets()
	<-handled
	s.serving.Wait()
	err = errors.Join(err, s.agent.Close())
	s.rtp.Close()
	return err
}

func (s *Server) closeSockets() error {
	if s.udp == nil {
		return nil
	}
	err := errors.Join(s.tcp.Close(), s.udp.Close())
	if err != nil {
		return fmt.Errorf("close SIP ports: %w", err)
	}
	return nil
}

// Stats are counts since the start, and what goes on now.
type Stats struct {
	Calls     int    // now
	Begun     uint64 // calls answered with 200
	Refused   uint64 // INVITEs answered otherwise
	Broken    uint64 // calls that ended for want of an ACK, media or a refresh
	Messages  uint64 // SIP messages from allowed networks
	Strangers uint64 // messages from elsewhere
	Limited   uint64 // dropped for rate or number of connections
	Malformed uint64
	TooLarge  uint64
	RTP       rtp.Stats
}

// Stats gives a copy.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	calls := len(s.calls)
	s.mu.Unlock()
	g := &s.gate.count
	return Stats{
		Calls: calls, Begun: s.count.begun.Load(), Refused: s.count.refused.Load(), Broken: s.count.broken.Load(),
		Messages: g.messages.Load(), Strangers: g.strangers.Load(), Limited: g.limited.Load(),
		Malformed: g.malformed.Load(), TooLarge: g.tooLarge.Load(), RTP: s.rtp.Stats(),
	}
}

// demoted logs what sipgo says for debugging only: it takes a peer's mistake
// for an error of ours.
type demoted struct{ slog.Handler }

// Enabled implements slog.Handler.
func (d demoted) Enabled(ctx context.Context, _ slog.Level) bool {
	return d.Handler.Enabled(ctx, slog.LevelDebug)
}

// Handle implements slog.Handler.
func (d demoted) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return d.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (d demoted) WithAttrs(attrs []slog.Attr) slog.Handler {
	return demoted{d.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (d demoted) WithGroup(name string) slog.Handler { return demoted{d.Handler.WithGroup(name)} }
