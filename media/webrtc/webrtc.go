// Package webrtc is the source for browsers: publishers come in by WHIP
// (RFC 9725), watchers get a publisher's packets by WHEP
// (draft-ietf-wish-whep). It implements media.Gateway over media.Sink.
//
// A packet's road:
//
//	UDP or TCP port -> pion (ICE, DTLS, SRTP) -> ingest -> media.Track
//	                                                 \-> watchers' queues -> pion
//
// pion hands each decrypted packet to ingest in the goroutine that decrypted
// it; there is no goroutine, queue or copy between the two, and no
// interceptor. ingest stamps the arrival, copies the payload once into a slab
// and gives it to the Track. If the Track says the packet may be forwarded, a
// reference goes into the bounded queue of each watcher. Reports, NACKs,
// keyframe requests and bandwidth feedback are made by one goroutine for all
// connections, the feedback loop.
//
// Guarantees: no source ever waits for the recorder or for a watcher. What a
// client sends is bounded by named constants before it costs memory: bytes
// and lines of an offer, media sections, streams, codec changes, TCP connections,
// connections that are not connected yet. pion never parses a client's SDP, but one that
// was written anew from what was understood. Every connection ends by one
// road, with every goroutine joined and its capture closed with the cause.
package webrtc

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// Defaults of Config.
const (
	DefaultHost           = "127.0.0.1"
	DefaultMaxPublishers  = 500
	DefaultMaxWatchers    = 500
	DefaultMaxConnecting  = 64               // a browser is through in 1 s, so this is 64 arrivals a second
	DefaultConnectTimeout = 30 * time.Second // from the answer to the first media path
	DefaultVanishTimeout  = 30 * time.Second // from the last packet of any kind; a change of network takes 5 to 20 s
)

// Config says how to build a Server. The zero value of each field but Log
// means its default.
type Config struct {
	Host           []string // addresses or names that peers are told; default 127.0.0.1
	Port           int      // UDP port of all peers and TCP port of ICE-TCP; 0 takes a free one
	ICEServers     []ICEServer
	MaxPublishers  int
	MaxWatchers    int
	MaxConnecting  int           // connections that were answered and are not connected yet
	ConnectTimeout time.Duration // after which one that never connected is removed
	VanishTimeout  time.Duration // after which one that vanished is closed; until then it may restart ICE
	Log            *slog.Logger
	Now            func() time.Time // of packets' arrival; with a monotonic reading

	// Changed is told when the media path of a publisher is up, and when that
	// publisher has ended: each once, in this order, before a Hangup returns.
	// It must not block.
	Changed func(p media.Published, up bool)
}

// ICEServer is a STUN or TURN server that clients are told of
// (RFC 9725, section 4.6).
type ICEServer struct {
	URL        string // stun:, stuns:, turn: or turns:
	Username   string // of TURN, or empty
	Credential reelvault.Secret
}

// Server is the media.Gateway. Its methods may be called from any goroutine.
type Server struct {
	config  Config
	sink    media.Sink
	log     *slog.Logger
	sockets *sockets
	counts  counters

	ending   context.Context //nolint:containedctx // the life of every connection; ended by Close
	end      context.CancelCauseFunc
	feedback chan struct{}  // closed when the feedback loop has returned
	conns    sync.WaitGroup // one for each connection

	mu      sync.Mutex // guards what follows
	closed  bool
	byID    map[string]*conn
	waiting int // connections that are not connected yet
}

var _ media.Gateway = (*Server)(nil)

var (
	errShutdown = errors.New("the server shuts down")
	errGoodbye  = errors.New("the client said goodbye")
	errEnded    = errors.New("the publisher has ended")
)

// New opens the sockets and starts to serve. A port that is in use is an
// Unavailable error. Close ends what New started.
func New(c Config, sink media.Sink) (*Server, error) {
	c = c.withDefaults()
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	// A peer needs one TCP connection, or two while it changes networks, and
	// most need none.
	socks, err := openSockets(ctx, c, c.MaxPublishers+c.MaxWatchers)
	if err != nil {
		return nil, err
	}
	s := &Server{
		config: c, sink: sink, log: c.Log, sockets: socks,
		feedback: make(chan struct{}), byID: map[string]*conn{},
	}
	s.ending, s.end = context.WithCancelCause(context.Background())
	go s.runFeedback()
	return s, nil
}

// resolveTimeout bounds the look-up of announced names.
const resolveTimeout = 10 * time.Second

func (c Config) withDefaults() Config {
	if len(c.Host) == 0 {
		c.Host = []string{DefaultHost}
	}
	c.MaxPublishers = orDefault(c.MaxPublishers, DefaultMaxPublishers)
	c.MaxWatchers = orDefault(c.MaxWatchers, DefaultMaxWatchers)
	c.MaxConnecting = orDefault(c.MaxConnecting, DefaultMaxConnecting)
	c.ConnectTimeout = orDefault(c.ConnectTimeout, DefaultConnectTimeout)
	c.VanishTimeout = orDefault(c.VanishTimeout, DefaultVanishTimeout)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Changed == nil {
		c.Changed = func(media.Published, bool) {}
	}
	return c
}

func orDefault[T int | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}

// Port gives the number of the UDP and TCP port.
func (s *Server) Port() int { return s.sockets.port }

// Close refuses new connections, ends all there are as shut down, and returns
// when every goroutine has ended, or when ctx does, with its error; the rest
// then ends on its own. A second Close waits for the same.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end(errShutdown)
	done := make(chan error, 1)
	go func() {
		s.conns.Wait()
		<-s.feedback
		done <- s.sockets.close()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
