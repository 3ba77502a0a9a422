package webrtc

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	pion "github.com/pion/webrtc/v4"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// retryLimited is when a client may come back that found us full.
const retryLimited = 5 * time.Second

// ICE timers: a peer is asked for life every keepalive; silence of the vanish
// timeout ends the connection, the first part of it is named "disconnected".
const (
	keepalive    = 2 * time.Second
	disconnected = 5 * time.Second
)

// A conn is one peer: a publisher or a watcher.
type conn struct {
	server *Server
	id     string
	who    media.Publisher
	pc     *pion.PeerConnection
	offer  *offer
	kept   []*section
	in     *ingest // of a publisher, else nil
	out    *egress // of a watcher, else nil

	ctx    context.Context //nolint:containedctx // the life of the connection; its cause is why it ended
	cancel context.CancelCauseFunc
	up     chan struct{} // closed when the media path is up
	rise   sync.Once     // closes up
	done   chan struct{} // closed when the connection has ended and is joined

	signalling sync.Mutex // one PATCH at a time; guards what follows
	etag       string
	ufrag      string // the client's, of the present ICE session
	remotes    int    // candidates of the client that were taken
}

// newConn makes a peer for an offer's sections. It holds nothing that must be
// given back before it is registered.
func (s *Server) newConn(who media.Publisher, o *offer, kept []*section) *conn {
	return &conn{
		server: s, id: uuid.NewString(), who: who, offer: o, kept: kept,
		up: make(chan struct{}), done: make(chan struct{}),
		etag: newETag(), ufrag: o.ufrag, remotes: len(o.candidates),
	}
}

// register takes a place among the bounded numbers; run gives it back.
func (s *Server) register(c *conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	publishers, watchers := 0, 0
	for _, other := range s.byID {
		if other.in != nil {
			publishers++
		} else {
			watchers++
		}
	}
	switch {
	case s.closed:
		return reelvault.Errorf(reelvault.Unavailable, "the server shuts down")
	case s.waiting >= s.config.MaxConnecting:
		return limited("%d connections wait for their media path already", s.waiting)
	case c.in != nil && publishers >= s.config.MaxPublishers:
		return limited("%d publishers are connected already", publishers)
	case c.in == nil && watchers >= s.config.MaxWatchers:
		return limited("%d watchers are connected already", watchers)
	}
	c.ctx, c.cancel = context.WithCancelCause(s.ending)
	s.byID[c.id] = c
	s.waiting++
	s.conns.Add(1)
	return nil
}

func limited(format string, args ...any) error {
	err := reelvault.Errorf(reelvault.Limited, format, args...)
	err.RetryAfter = retryLimited
	return err
}

// newETag makes the entity tag of an ICE session (RFC 9725, section 4.3.1).
func newETag() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return `"` + hex.EncodeToString(b[:]) + `"`
}

// open builds the pion side of c.
func (c *conn) open(buffers bufferFactory) error {
	engine, err := mediaEngine(c.kept)
	if err != nil {
		return err
	}
	api := pion.NewAPI(pion.WithMediaEngine(engine), pion.WithSettingEngine(c.server.settings(buffers)),
		pion.WithInterceptorRegistry(&interceptor.Registry{}))
	c.pc, err = api.NewPeerConnection(pion.Configuration{RTPHeaderEncryptionPolicy: pion.RTPHeaderEncryptionPolicyDisable})
	if err != nil {
		return fmt.Errorf("create peer connection: %w", err)
	}
	c.pc.OnConnectionStateChange(c.stateChanged)
	return nil
}

func (s *Server) settings(buffers bufferFactory) pion.SettingEngine {
	e := pion.SettingEngine{LoggerFactory: quiet, BufferFactory: buffers}
	e.SetICEUDPMux(s.sockets.udp)
	e.SetICETCPMux(s.sockets.tcp)
	e.SetNetworkTypes([]pion.NetworkType{
		pion.NetworkTypeUDP4, pion.NetworkTypeUDP6, pion.NetworkTypeTCP4, pion.NetworkTypeTCP6,
	})
	e.SetIncludeLoopbackCandidate(true)
	e.SetIPFilter(func(ip net.IP) bool { return s.sockets.tcpAddress(ip) })
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	e.DisableActiveTCP(true) // a client's candidate must not make us open a connection
	e.SetICETimeouts(min(disconnected, s.config.VanishTimeout/2),
		s.config.VanishTimeout-min(disconnected, s.config.VanishTimeout/2), min(keepalive, s.config.VanishTimeout/4))
	e.SetSRTPReplayProtectionWindow(replayWindow)
	e.SetFireOnTrackBeforeFirstRTP(true) // ingest reads the packets, pion must not wait for one
	return e
}

// stateChanged is called by pion.
func (c *conn) stateChanged(state pion.PeerConnectionState) {
	switch state {
	case pion.PeerConnectionStateConnected:
		c.rise.Do(func() { close(c.up) })
	case pion.PeerConnectionStateFailed:
		c.cancel(errors.New("the media path failed"))
	case pion.PeerConnectionStateClosed:
		select {
		case <-c.up:
			c.cancel(errGoodbye) // DTLS close_notify (RFC 8827, section 6.5)
		default:
			c.cancel(errors.New("the handshake failed"))
		}
	default:
	}
}

// answer completes the exchange with pion and gives the SDP to send back.
func (c *conn) answer(ctx context.Context) (string, error) {
	offered := pion.SessionDescription{Type: pion.SDPTypeOffer, SDP: c.offer.render(c.kept)}
	if err := c.pc.SetRemoteDescription(offered); err != nil {
		return "", refused(err)
	}
	if err := c.gather(ctx); err != nil {
		return "", err
	}
	return c.offer.complete(c.pc.LocalDescription().SDP, c.kept, c.server.sockets.candidates()), nil
}

// gather answers pion's remote description and waits for its candidates,
// which takes no network: there are host candidates only.
func (c *conn) gather(ctx context.Context) error {
	gathered := pion.GatheringCompletePromise(c.pc)
	answer, err := c.pc.CreateAnswer(&pion.AnswerOptions{OfferAnswerOptions: pion.OfferAnswerOptions{ICETricklingSupported: true}})
	if err != nil {
		return refused(err)
	}
	if err := c.pc.SetLocalDescription(answer); err != nil {
		return refused(err)
	}
	select {
	case <-gathered:
		return nil
	case <-c.ctx.Done():
		return reelvault.Errorf(reelvault.Unavailable, "the connection ended before it was answered")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refused is for what pion finds wrong in an offer that we found right.
func refused(err error) error {
	return &reelvault.Error{Kind: reelvault.Invalid, Message: "the offer cannot be answered", Location: "body", Cause: err}
}

// run is the life of c after its registration. Whatever ends it, it ends here.
func (c *conn) run() {
	s := c.server
	defer s.conns.Done()
	defer close(c.done)
	published := c.connect() && c.in != nil
	if published {
		s.config.Changed(media.Published{Publisher: c.who, Formats: c.in.formats()}, true)
	}
	<-c.ctx.Done()
	cause := context.Cause(c.ctx)
	if errors.Is(cause, errGoodbye) || errors.Is(cause, errEnded) {
		cause = nil
	}
	if c.pc != nil {
		if err := c.pc.GracefulClose(); err != nil {
			s.log.Debug("close peer connection", "connection", c.id, "error", err)
		}
	}
	if c.in != nil {
		c.in.close(cause)
	}
	if c.out != nil {
		c.out.close()
	}
	s.mu.Lock()
	delete(s.byID, c.id)
	s.mu.Unlock()
	if published {
		s.config.Changed(media.Published{Publisher: c.who, Formats: c.in.formats()}, false)
	}
	s.log.Info("connection ended", "connection", c.id, "session", c.who.SessionID, "participant", c.who.ParticipantID, "cause", cause)
}

// connect waits until the media path is up, or c has ended, and says which.
func (c *conn) connect() (connected bool) {
	s := c.server
	timer := time.NewTimer(s.config.ConnectTimeout)
	defer timer.Stop()
	select {
	case <-c.up:
		connected = true
		if c.out != nil {
			c.out.start()
		}
		s.log.Info("connection is up", "connection", c.id, "session", c.who.SessionID, "participant", c.who.ParticipantID, "publishes", c.in != nil)
	case <-timer.C:
		c.cancel(errors.New("the client never connected"))
	case <-c.ctx.Done():
	}
	s.mu.Lock()
	s.waiting--
	s.mu.Unlock()
	return connected
}

// Hangup implements media.Gateway.
func (s *Server) Hangup(ctx context.Context, sessionID, id string) error {
	c, err := s.find(sessionID, id)
	if err != nil {
		return err
	}
	c.cancel(errGoodbye)
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) find(sessionID, id string) (*conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byID[id]
	if c == nil || c.who.SessionID != sessionID {
		return nil, reelvault.Errorf(reelvault.NotFound, "there is no such connection in this session")
	}
	return c, nil
}

// HangupSession implements media.Gateway. It returns when the connections
// have ended, or when ctx does.
func (s *Server) HangupSession(ctx context.Context, tenantID, sessionID string) {
	ended := s.ofSession(tenantID, sessionID)
	for _, c := range ended {
		c.cancel(errGoodbye)
	}
	for _, c := range ended {
		select {
		case <-c.done:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) ofSession(tenantID, sessionID string) []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*conn
	for _, c := range s.byID {
		if c.who.TenantID == tenantID && c.who.SessionID == sessionID {
			list = append(list, c)
		}
	}
	return list
}

// ICEServers implements media.Gateway.
func (s *Server) ICEServers() []string {
	var links []string
	for _, server := range s.config.ICEServers {
		link := fmt.Sprintf("<%s>; rel=\"ice-server\"", server.URL)
		// Only TURN has a credential; a STUN server has no need to see it.
		if server.Username != "" && strings.HasPrefix(server.URL, "turn") {
			link += fmt.Sprintf("; username=%q; credential=%q; credential-type=\"password\"",
				server.Username, server.Credential.Reveal())
		}
		links = append(links, link)
	}
	return links
}
