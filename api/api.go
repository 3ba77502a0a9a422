// Package api is the HTTP interface: the operations of the OpenAPI document,
// the bytes of recordings, WHIP and WHEP signalling, health and the pages.
//
// A request's road, left to right:
//
//	request id -> limits by address -> route -> credential -> rule -> input -> handler
//
// Every operation has a rule in the one table of rules.go; one without a rule
// does not start. A credential names a tenant, and every read of the catalog
// is in that tenant, so that another tenant's things do not exist. Each denial
// and each act on a recording is an audit event; bytes and live pictures are
// served only after theirs is written. One file, errors.go, turns kinds of
// errors into HTTP.
//
// The package knows the contracts of media and storage, never what stands
// behind them.
package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/storage"
)

// Files opens the bytes of a sealed file, wherever they are by now.
type Files interface {
	// Open gives a reader of the whole file and its size in bytes. Bytes that
	// are gone are an error of kind NotFound, a store that can't be reached is
	// Unavailable. The caller closes the reader.
	Open(ctx context.Context, f reelvault.File) (io.ReadSeekCloser, int64, error)
}

// Part is one part of the program as /readyz shows it.
type Part struct {
	Name  string // such as "catalog", "spool", "store"
	Err   error  // nil if it works
	Vital bool   // without it no new recording can be taken
}

// Config is what a Server needs. Everything but Metrics, Pages, PublicURL and
// TrustedProxies has to be there.
type Config struct {
	Catalog storage.Catalog
	Control media.Control
	Gateway media.Gateway
	Sink    media.Sink // asked whether a publisher may come, before it is answered
	Files   Files
	Uploads media.Uploads
	Feed    *Feed // writes what happens in sessions, and is followed by GET /events
	Health  func(ctx context.Context) []Part

	Metrics        http.Handler   // behind /metrics; nil: there is none
	Pages          http.Handler   // behind every other path; nil: there are none
	PublicURL      *url.URL       // where browsers reach us; https makes cookies Secure
	TrustedProxies []netip.Prefix // whose X-Forwarded-For counts
	Version        string         // of the program, for the OpenAPI document
	Limits         Limits
	Now            storage.Clock
	Log            *slog.Logger
}

func (c Config) validate() error {
	switch {
	case c.Catalog == nil, c.Control == nil, c.Gateway == nil, c.Sink == nil, c.Files == nil, c.Uploads == nil, c.Feed == nil, c.Health == nil:
		return errors.New("api needs a catalog, control, gateway, sink, files, uploads, feed and health")
	case c.Now == nil, c.Log == nil:
		return errors.New("api needs a clock and a logger")
	}
	return nil
}

// Server answers HTTP requests. Run hangs up those whose invitation is over. It keeps limits, merged audit events, the
// answers of idempotent requests and who opened a connection, in bounded tables
// and nothing else.
type Server struct {
	Config
	log     *slog.Logger
	handler http.Handler
	spec    []byte // the OpenAPI document
	cross   *http.CrossOriginProtection

	addresses   *limiter
	credentials *limiter
	offers      *limiter
	tickets     *limiter
	joins       *limiter
	messages    *limiter
	signIns     *limiter
	failures    *limiter

	served  *table[*once] // which media tickets have their audit event
	answers *answers      // by Idempotency-Key
	opened  *table[opener]
	streams *streams

	downloads *downloads

	homeMu sync.Mutex
	home   string // id of the default tenant, once known; guarded by homeMu
}

// New makes a Server. It fails if c lacks something.
func New(c Config) (*Server, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		Config:      c,
		log:         c.Log,
		cross:       http.NewCrossOriginProtection(),
		addresses:   newLimiter("requests from this address", c.Limits.Address),
		credentials: newLimiter("requests with this credential", c.Limits.Credential),
		offers:      newLimiter("offers from this address", c.Limits.Offers),
		tickets:     newLimiter("offers with this ticket", c.Limits.Ticket),
		joins:       newLimiter("joins with this invitation", c.Limits.Ticket),
		messages:    newLimiter("messages", c.Limits.Messages),
		signIns:     newLimiter("tries to sign in", c.Limits.SignIns),
		failures:    newLimiter("requests without a valid credential", c.Limits.Failures),
		served:      newTable[*once](servedTickets),
		answers:     newAnswers(),
		opened:      newTable[opener](openedConnections),
		streams:     newStreams(),
		downloads:   newDownloads(),
	}
	if c.PublicURL != nil {
		if err := s.cross.AddTrustedOrigin(c.PublicURL.Scheme + "://" + c.PublicURL.Host); err != nil {
			return nil, errors.New("the public URL needs a scheme and a host")
		}
	}
	mux := http.NewServeMux()
	api := humago.New(mux, s.humaConfig())
	s.registerAll(api)
	if err := s.finishSpec(api.OpenAPI()); err != nil {
		return nil, err
	}
	s.mountRest(mux, api.OpenAPI())
	s.handler = s.outermost(mux)
	s.Feed.onLeave(s.reconsider)
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// secure says whether browsers reach us over TLS only.
func (s *Server) secure() bool { return s.PublicURL != nil && s.PublicURL.Scheme == "https" }

func (s *Server) registerAll(api huma.API) {
	s.registerActivities(api)
	s.registerAudit(api)
	s.registerCalls(api)
	s.registerConsent(api)
	s.registerEvents(api)
	s.registerDownloads(api)
	s.registerHealth(api)
	s.registerInvitations(api)
	s.registerMe(api)
	s.registerMedia(api)
	s.registerRecordings(api)
	s.registerSessions(api)
	s.registerSignIn(api)
	s.registerTenants(api)
	s.registerTickets(api)
	s.registerTokens(api)
	s.registerUploads(api)
	s.registerWHEP(api)
	s.registerWHIP(api)
}

// now gives the time as the API shows it.
func (s *Server) now() time.Time { return s.Now().UTC() }
