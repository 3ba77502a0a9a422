package api_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/storage"
)

// faultyCatalog is a catalog whose audit log can break.
type faultyCatalog struct {
	storage.Catalog
	mu    sync.Mutex
	audit error
	comes func(error) error // what becomes of somebody's coming; nil: what did
	goes  func() error      // asked before somebody leaves
	write func()            // runs before activities are appended
	reads func() error      // asked before activities are read
	ends  func()            // runs before a session ends
}

func (c *faultyCatalog) Activities(ctx context.Context, f storage.ActivityFilter) ([]reelvault.Activity, error) {
	if c.reads != nil {
		if err := c.reads(); err != nil {
			return nil, err
		}
	}
	return c.Catalog.Activities(ctx, f)
}

func (c *faultyCatalog) EndSession(ctx context.Context, e storage.SessionEnd) (reelvault.Session, error) {
	if c.ends != nil {
		c.ends()
	}
	return c.Catalog.EndSession(ctx, e)
}

func (c *faultyCatalog) Leave(
	ctx context.Context, tenantID, sessionID string, p reelvault.Participant, left storage.Note,
) (bool, error) {
	if c.goes != nil {
		if err := c.goes(); err != nil {
			return false, err
		}
	}
	return c.Catalog.Leave(ctx, tenantID, sessionID, p, left)
}

func (c *faultyCatalog) AppendActivities(ctx context.Context, as []reelvault.Activity) ([]reelvault.Activity, error) {
	if c.write != nil {
		c.write()
	}
	return c.Catalog.AppendActivities(ctx, as)
}

func (c *faultyCatalog) SetParticipant(
	ctx context.Context, tenantID, sessionID string, p reelvault.Participant, joined storage.Note,
) (bool, error) {
	came, err := c.Catalog.SetParticipant(ctx, tenantID, sessionID, p, joined)
	if c.comes != nil {
		err = c.comes(err)
	}
	return came, err
}

func (c *faultyCatalog) breakAudit(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.audit = err
}

func (c *faultyCatalog) Append(ctx context.Context, e reelvault.AuditEvent) error {
	c.mu.Lock()
	err := c.audit
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.Catalog.Append(ctx, e)
}

// control moves recordings in the catalog as the recorder would.
type control struct {
	catalog  storage.Catalog
	now      storage.Clock
	mu       sync.Mutex
	stopped  []string // sessions
	released []string // sessions
	guests   []string // who were released
	paused   []string // by, reason
	before   func()   // runs before a stop
	freeing  func()   // runs during a release
}

func (c *control) Pause(ctx context.Context, tenantID, id, by, reason string) (reelvault.Recording, error) {
	c.mu.Lock()
	c.paused = append(c.paused, by, reason)
	c.mu.Unlock()
	return c.move(ctx, tenantID, id, reelvault.EventPause)
}

func (c *control) Resume(ctx context.Context, tenantID, id string) (reelvault.Recording, error) {
	return c.move(ctx, tenantID, id, reelvault.EventResume)
}

func (c *control) Stop(ctx context.Context, tenantID, id string) (reelvault.Recording, error) {
	if c.before != nil {
		c.before()
	}
	if _, err := c.move(ctx, tenantID, id, reelvault.EventSeal); err != nil {
		return reelvault.Recording{}, err
	}
	return c.move(ctx, tenantID, id, reelvault.EventReady)
}

func (c *control) StopSession(_ context.Context, _, sessionID string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = append(c.stopped, sessionID)
	return nil
}

// Release frees those guests only who have agreed, as the recorder does.
func (c *control) Release(ctx context.Context, tenantID, sessionID string) error {
	if c.freeing != nil {
		c.freeing()
	}
	s, err := c.catalog.Session(ctx, tenantID, sessionID)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.released = append(c.released, sessionID)
	for _, p := range s.Participants {
		if p.Consent.Answer == reelvault.ConsentGiven {
			c.guests = append(c.guests, p.ID)
		}
	}
	return err
}

// freed gives the guests who were released, each time again.
func (c *control) freed() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.guests)
}

// done gives how often sessions were released and stopped.
func (c *control) done() (released, stopped int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.released), len(c.stopped)
}

func (c *control) move(ctx context.Context, tenantID, id string, e reelvault.RecordingEvent) (reelvault.Recording, error) {
	if _, err := c.catalog.MoveRecording(ctx, id, e, reelvault.Recording{}); err != nil {
		return reelvault.Recording{}, err
	}
	return c.catalog.Recording(ctx, tenantID, id)
}

// gateway answers every offer and remembers what it was asked.
type gateway struct {
	mu          sync.Mutex
	connections map[string]string // session of each
	publishers  []media.Publisher
	watched     []media.Publisher
	hungUp      []string // connections and sessions
	err         error    // instead of an answer
	before      func()   // runs before an answer is given
	running     []media.Published
}

const etag = `"ice-1"`

func (g *gateway) Publish(_ context.Context, p media.Publisher, _ string) (media.Answer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.publishers = append(g.publishers, p)
	return g.answer(p.SessionID)
}

func (g *gateway) Watch(_ context.Context, p media.Publisher, _ string) (media.Answer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.watched = append(g.watched, p)
	return g.answer(p.SessionID)
}

func (g *gateway) answer(session string) (media.Answer, error) {
	if g.before != nil {
		g.before()
	}
	if g.err != nil {
		return media.Answer{}, g.err
	}
	id := newID()
	g.connections[id] = session
	return media.Answer{ID: id, ETag: etag, SDP: "v=0\r\n"}, nil
}

func (g *gateway) Patch(_ context.Context, session, id, ifMatch, fragment string) (media.Answer, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.connections[id] != session:
		return media.Answer{}, reelvault.Errorf(reelvault.NotFound, "no such connection")
	case !strings.HasPrefix(fragment, "a="):
		return media.Answer{}, reelvault.Errorf(reelvault.Invalid, "malformed fragment")
	case ifMatch == "*":
		return media.Answer{ID: id, ETag: `"ice-2"`, SDP: "a=ice-ufrag:new\r\n"}, nil
	case ifMatch != etag:
		return media.Answer{}, reelvault.Errorf(reelvault.Stale, "another ICE session")
	}
	return media.Answer{}, nil
}

func (g *gateway) Hangup(_ context.Context, session, id string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.connections[id] != session {
		return reelvault.Errorf(reelvault.NotFound, "no such connection")
	}
	delete(g.connections, id)
	g.hungUp = append(g.hungUp, id)
	return nil
}

func (g *gateway) HangupSession(_ context.Context, _, session string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hungUp = append(g.hungUp, session)
	maps.DeleteFunc(g.connections, func(_, of string) bool { return of == session })
}

func (g *gateway) Publishers(_, session string) []media.Published {
	return slices.DeleteFunc(slices.Clone(g.running), func(p media.Published) bool { return p.SessionID != session })
}

func (g *gateway) ICEServers() []string {
	return []string{`<stun:stun.example.net>; rel="ice-server"`, `<turn:turn.example.net>; rel="ice-server"; username="ann"; credential="p\"w"; credential-type="password"`}
}

// connect opens a connection behind the API's back.
func (g *gateway) connect(session string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	id := newID()
	g.connections[id] = session
	return id
}

// sink admits everybody, or nobody.
type sink struct{ err error }

func (s *sink) Admit(context.Context, media.Publisher) error { return s.err }

func (s *sink) Open(context.Context, media.Publisher) (media.Capture, error) {
	panic("the API opens no captures")
}

// files holds bytes by file id.
type files struct {
	mu      sync.Mutex
	content map[string][]byte
	opened  int
	closed  int
	read    func() // runs after each Read
}

func (f *files) put(id string, b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.content[id] = b
}

func (f *files) Open(_ context.Context, file reelvault.File) (io.ReadSeekCloser, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.content[file.ID]
	if !ok {
		return nil, 0, reelvault.Errorf(reelvault.NotFound, "no such object")
	}
	f.opened++
	return &reader{bytes.NewReader(b), f}, int64(len(b)), nil
}

type reader struct {
	*bytes.Reader
	files *files
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.files.read != nil {
		r.files.read()
	}
	return n, err
}

func (r *reader) Close() error {
	r.files.mu.Lock()
	defer r.files.mu.Unlock()
	r.files.closed++
	return nil
}
