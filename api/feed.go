package api

import (
	"cmp"
	"context"
	"encoding/json"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/storage"
)

const (
	// feedDesks is how many sessions are written about at a time: writes that
	// arrive together share a commit.
	feedDesks = 32

	// feedQueue bounds what observers have told a desk and is not written yet.
	// They must not wait: a catalog that stalls for this long loses what
	// follows, with a line in the log, instead of stalling media.
	feedQueue = 256

	// feedTimeout bounds one write that no request waits for.
	feedTimeout = 10 * time.Second

	// ownClientID begins the client ids that are ours, and no client's.
	ownClientID = "reelvault:"

	// DefaultGrace is how long somebody may be without any connection before
	// they have left: a reload takes seconds, a change of networks up to 20.
	DefaultGrace = 20 * time.Second
)

// FeedConfig is what a Feed needs. Everything but Grace has to be there.
type FeedConfig struct {
	Catalog storage.Catalog
	Grace   time.Duration // 0: DefaultGrace
	Now     storage.Clock
	Log     *slog.Logger
}

// Feed writes what this node sees happen in sessions into the activity log,
// and wakes whoever follows the log. Followers read the catalog by number:
// nothing is kept for them here, so a slow one costs nothing and misses
// nothing.
//
// Whoever appends activities in this process does it through the Feed, or the
// followers learn of it with their next heartbeat. Close ends what NewFeed
// started. Its methods may be called from any goroutine.
type Feed struct {
	config FeedConfig
	log    *slog.Logger
	desks  [feedDesks]desk
	work   sync.WaitGroup // one for each desk
	ended  chan struct{}  // closed when followers have to end

	mu       sync.Mutex // guards what follows
	closed   bool
	bells    map[place]*bell
	present  map[person]*presence
	captures map[string]reelvault.RecordingState // of recordings that go on
	left     func(ctx context.Context, tenantID, sessionID string)
}

// place is a session, or a whole tenant if SessionID is empty.
type place struct{ tenantID, sessionID string }

// desk writes about some of the sessions, each time the same.
type desk struct {
	jobs chan func(ctx context.Context) // to sit, which alone takes them
	door sync.Mutex                     // held while somebody comes or goes, with what the catalog says about it
}

// bell wakes those who follow one place.
type bell struct {
	followers int
	rung      chan struct{} // closed when it rings, and then replaced
}

// NewFeed starts a Feed.
func NewFeed(c FeedConfig) *Feed {
	c.Grace = cmp.Or(c.Grace, DefaultGrace)
	f := &Feed{
		config: c, log: c.Log, ended: make(chan struct{}),
		bells: map[place]*bell{}, present: map[person]*presence{},
		captures: map[string]reelvault.RecordingState{},
		left:     func(context.Context, string, string) {},
	}
	for i := range f.desks {
		f.desks[i].jobs = make(chan func(context.Context), feedQueue)
		f.work.Go(f.desks[i].sit)
	}
	return f
}

// sit does one job after the other, so that what was told of a session in an
// order is written in it.
func (d *desk) sit() {
	for job := range d.jobs {
		ctx, cancel := context.WithTimeout(context.Background(), feedTimeout)
		job(ctx)
		cancel()
	}
}

// of gives the desk of a session.
func (f *Feed) of(sessionID string) *desk {
	h := fnv.New32a()
	_, _ = h.Write([]byte(sessionID)) // never fails, as hash.Hash documents
	return &f.desks[h.Sum32()%feedDesks]
}

// Close ends all followers and returns when what was told is written. Nobody
// has left because of it: they come back to the next start. A second Close
// waits for the same.
func (f *Feed) Close() {
	f.mu.Lock()
	first := !f.closed
	f.closed = true
	if first {
		for _, p := range f.present {
			p.stop()
		}
		for i := range f.desks {
			close(f.desks[i].jobs)
		}
	}
	f.mu.Unlock()
	f.work.Wait()
	if first {
		close(f.ended)
	}
}

// onLeave has do called after somebody has left a session.
func (f *Feed) onLeave(do func(ctx context.Context, tenantID, sessionID string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = do
}

// tell hands over a job about a session, and never waits. It says whether the
// job will be done.
func (f *Feed) tell(sessionID string, job func(ctx context.Context)) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	select {
	case f.of(sessionID).jobs <- job:
		return true
	default:
		return false
	}
}

// say is tell for what is lost if the desk is full.
func (f *Feed) say(sessionID string, what reelvault.ActivityType, job func(ctx context.Context)) {
	if !f.tell(sessionID, job) {
		f.log.Error("activity lost: the catalog is too slow, or closed", "session", sessionID, "type", what)
	}
}

// settle returns when what was told of a session so far is written, or at once
// if nothing can be told now.
func (f *Feed) settle(ctx context.Context, sessionID string) {
	written := make(chan struct{})
	if !f.tell(sessionID, func(context.Context) { close(written) }) {
		return
	}
	select {
	case <-written:
	case <-ctx.Done():
	}
}

// AppendActivities is storage.Activities.AppendActivities, and wakes those who
// follow.
func (f *Feed) AppendActivities(ctx context.Context, as []reelvault.Activity) ([]reelvault.Activity, error) {
	kept, err := f.config.Catalog.AppendActivities(ctx, as)
	if err != nil {
		return nil, err
	}
	for _, a := range kept {
		f.ring(a.TenantID, a.SessionID)
	}
	return kept, nil
}

// note appends what nobody waits for.
func (f *Feed) note(ctx context.Context, as ...reelvault.Activity) {
	if _, err := f.AppendActivities(ctx, as); err != nil {
		f.log.ErrorContext(ctx, "activity lost", "session", as[0].SessionID, "type", as[0].Type, "error", err)
	}
}

// activity begins one of a session that happens now.
func (f *Feed) activity(tenantID, sessionID string, t reelvault.ActivityType) reelvault.Activity {
	return reelvault.Activity{ID: newID(), TenantID: tenantID, SessionID: sessionID, At: f.config.Now().UTC(), Type: t}
}

// dataOf gives a small object as an activity keeps it.
func dataOf(v map[string]any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // what comes from JSON, strings and numbers can be written as JSON
	}
	return string(b)
}

// follow gives a function whose channel is closed with the next activity of a
// session, or of a whole tenant if sessionID is empty, until stop is called.
func (f *Feed) follow(tenantID, sessionID string) (next func() <-chan struct{}, stop func()) {
	at := place{tenantID, sessionID}
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.bells[at]
	if b == nil {
		b = &bell{rung: make(chan struct{})}
		f.bells[at] = b
	}
	b.followers++
	next = func() <-chan struct{} {
		f.mu.Lock()
		defer f.mu.Unlock()
		return b.rung
	}
	return next, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if b.followers--; b.followers == 0 {
			delete(f.bells, at)
		}
	}
}

// ring wakes those who follow a session or its tenant.
func (f *Feed) ring(tenantID, sessionID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, at := range []place{{tenantID, sessionID}, {tenantID, ""}} {
		if b := f.bells[at]; b != nil {
			close(b.rung)
			b.rung = make(chan struct{})
		}
	}
}

// Recording notes what became of a recording: opened, paused, resumed, ended,
// ready or failed. It never waits.
func (f *Feed) Recording(r reelvault.Recording) {
	f.mu.Lock()
	before := f.captures[r.ID]
	if r.State.Capturing() {
		f.captures[r.ID] = r.State
	} else {
		delete(f.captures, r.ID)
	}
	f.mu.Unlock()
	a := f.activity(r.TenantID, r.SessionID, "")
	switch r.State {
	case reelvault.RecordingRunning:
		a.Type = reelvault.ActivityRecordingStarted
		if before == reelvault.RecordingPaused {
			a.Type = reelvault.ActivityRecordingResumed
		}
	case reelvault.RecordingPaused:
		a.Type = reelvault.ActivityRecordingPaused
	case reelvault.RecordingProcessing:
		a.Type = reelvault.ActivityRecordingStopped
	case reelvault.RecordingReady:
		a.Type = reelvault.ActivityRecordingReady
	case reelvault.RecordingFailed:
		a.Type, a.Text = reelvault.ActivityRecordingFailed, r.Reason
	default:
		return
	}
	a.Data = dataOf(map[string]any{"recordingId": r.ID, "kind": r.Kind})
	f.say(r.SessionID, a.Type, func(ctx context.Context) { f.note(ctx, a) })
}

// Publisher notes that somebody's media comes, or comes no more, by one of
// perhaps several connections. It never waits.
func (f *Feed) Publisher(p media.Published, up bool) {
	at, who := f.config.Now().UTC(), personOf(p)
	// What ties them is known at once: a desk that is full must not keep
	// somebody in a session who has left it.
	if up {
		f.tie(who)
		f.change(who, func(here *presence) { here.sources[p.Kind]++ })
		f.say(p.SessionID, reelvault.ActivityPublisherStarted, func(ctx context.Context) { f.published(ctx, p, at) })
		return
	}
	remaining := 0
	f.change(who, func(here *presence) {
		here.sources[p.Kind]--
		remaining = here.sources[p.Kind]
	})
	f.say(p.SessionID, reelvault.ActivityPublisherStopped, func(ctx context.Context) { f.unpublished(ctx, p, at, remaining) })
	f.release(who, at)
}

func (f *Feed) published(ctx context.Context, p media.Published, at time.Time) {
	who := reelvault.Participant{ID: p.ParticipantID, Role: p.Role, JoinedAt: at}
	if err := f.come(ctx, place{p.TenantID, p.SessionID}, who); err != nil {
		f.log.WarnContext(ctx, "participant not noted", "session", p.SessionID, "participant", p.ParticipantID, "error", err)
	}
	started := f.activityOf(p, reelvault.ActivityPublisherStarted, at)
	started.Data = dataOf(map[string]any{"source": sourceOf(p.Kind)})
	as := []reelvault.Activity{started}
	if p.Kind == reelvault.RecordingScreen {
		as = append(as, f.activityOf(p, reelvault.ActivitySharedScreen, at))
	}
	f.note(ctx, as...)
}

func (f *Feed) unpublished(ctx context.Context, p media.Published, at time.Time, remaining int) {
	stopped := f.activityOf(p, reelvault.ActivityPublisherStopped, at)
	stopped.Data = dataOf(map[string]any{"source": sourceOf(p.Kind), "remaining": remaining})
	f.note(ctx, stopped)
}

// activityOf begins one that a publisher did.
func (f *Feed) activityOf(p media.Published, t reelvault.ActivityType, at time.Time) reelvault.Activity {
	a := f.activity(p.TenantID, p.SessionID, t)
	a.At, a.Actor, a.ParticipantID = at, p.Role.Actor(), p.ParticipantID
	return a
}

// EndSession closes a session for a reason, lets everybody leave, and notes
// both. All of it is kept, or none. One that is closed already is a Conflict.
func (f *Feed) EndSession(
	ctx context.Context, tenantID, sessionID string, reason reelvault.TerminationReason,
) (reelvault.Session, error) {
	ctx, leave := f.atDoor(ctx, sessionID)
	defer leave()
	s, err := f.config.Catalog.EndSession(ctx, storage.SessionEnd{
		TenantID: tenantID, SessionID: sessionID, Reason: reason, At: f.config.Now().UTC(), Tell: f.tellEnd,
	})
	if err != nil {
		return reelvault.Session{}, err
	}
	f.ring(tenantID, sessionID)
	return s, nil
}

// tellEnd tells that a session has ended, and that who was there has left. The
// caller is at the door.
func (f *Feed) tellEnd(s reelvault.Session) []reelvault.Activity {
	at := place{s.TenantID, s.ID}
	var as []reelvault.Activity
	for _, p := range s.Participants {
		if p.LeftAt.IsZero() && !f.isSilent(person{at, p.ID}) {
			p.LeftAt = s.EndedAt
			as = append(as, f.departed(at)(p))
		}
	}
	ended := f.activity(s.TenantID, s.ID, reelvault.ActivitySessionEnded)
	ended.At, ended.ClientID = s.EndedAt, ownClientID+string(reelvault.ActivitySessionEnded)
	ended.Data = dataOf(map[string]any{"reason": s.TerminationReason})
	return append(as, ended)
}
