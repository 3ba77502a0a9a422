package api

import (
	"context"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/storage"
)

// person is a participant of a session.
type person struct {
	place
	id string
}

// presence is what ties somebody who has come to their session: publishing
// connections and event streams. When nothing has tied them for the grace
// time, they have left.
type presence struct {
	ties    int
	offers  int                             // to publish, that are being answered
	sources map[reelvault.RecordingKind]int // publishing connections of each kind
	silent  bool                            // they count as there, and it isn't noted that they have come
	since   time.Time                       // when the last tie broke
	goodbye time.Time                       // when they said that they leave; zero once they come again
	timer   *time.Timer                     // runs while nothing ties them
	turn    int                             // of the timer: one that has fired may be too late
}

func (p *presence) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

func personOf(p media.Published) person {
	return person{place{p.TenantID, p.SessionID}, p.ParticipantID}
}

// entrance is the way in of somebody whose offer is being answered.
type entrance struct {
	feed *Feed
	who  person
	was  time.Time // when they left before, or else when they came
}

// enter lets somebody count as being in s who is about to publish. Whether
// they do is told to the entrance: then it is noted that they have come, or
// they are out again as if nothing had been.
func (f *Feed) enter(ctx context.Context, s reelvault.Session, p reelvault.Participant) (*entrance, error) {
	e := &entrance{feed: f, who: person{place{s.TenantID, s.ID}, p.ID}, was: p.JoinedAt}
	for _, known := range s.Participants {
		if known.ID == p.ID && known.LeftAt.After(known.JoinedAt) { // else they were only known, and come now
			e.was = known.LeftAt
		}
	}
	ctx, leave := f.atDoor(ctx, s.ID)
	defer leave()
	came, err := f.config.Catalog.SetParticipant(ctx, s.TenantID, s.ID, p, nil)
	if err != nil {
		return nil, err
	}
	f.change(e.who, func(here *presence) {
		here.offers++
		here.silent = here.silent || came
		here.goodbye = time.Time{}
	})
	return e, nil
}

// atDoor waits until nobody else comes or goes, and keeps it so until leave is
// called. A client that goes away doesn't end what happens at the door halfway.
func (f *Feed) atDoor(ctx context.Context, sessionID string) (_ context.Context, leave func()) {
	door := &f.of(sessionID).door
	door.Lock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), feedTimeout)
	return ctx, func() {
		cancel()
		door.Unlock()
	}
}

// publishes notes that they have come. If that can't be written, they aren't
// in.
func (e *entrance) publishes(ctx context.Context) error {
	f := e.feed
	ctx, leave := f.atDoor(ctx, e.who.sessionID)
	defer leave()
	err := f.noteSilent(ctx, e.who)
	if err != nil {
		e.out(ctx)
		return err
	}
	f.change(e.who, func(here *presence) { here.offers-- })
	return nil
}

// fails lets them be out again, unless they have come in another way.
func (e *entrance) fails(ctx context.Context) {
	ctx, leave := e.feed.atDoor(ctx, e.who.sessionID)
	defer leave()
	e.out(ctx)
}

// out is fails, at the door.
func (e *entrance) out(ctx context.Context) {
	f, alone := e.feed, false
	here, turn := f.change(e.who, func(here *presence) {
		here.offers--
		if alone = here.silent && here.ties+here.offers == 0; alone {
			here.since = e.was
		}
	})
	if alone {
		f.leave(ctx, e.who, here, turn)
	}
}

// stay ties somebody who has connected to their session, until release is
// called, and lets them come.
func (f *Feed) stay(ctx context.Context, tenantID, sessionID string, p reelvault.Participant) (release func(), err error) {
	at := place{tenantID, sessionID}
	f.tie(person{at, p.ID})
	release = func() { f.release(person{at, p.ID}, f.config.Now().UTC()) }
	if err = f.come(ctx, at, p); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// come adds p, who is tied, to the session, or brings them back.
func (f *Feed) come(ctx context.Context, at place, p reelvault.Participant) error {
	ctx, leave := f.atDoor(ctx, at.sessionID)
	defer leave()
	came, err := f.config.Catalog.SetParticipant(ctx, at.tenantID, at.sessionID, p, f.joined(at))
	if err != nil {
		return err
	}
	if !came {
		return f.noteSilent(ctx, person{at, p.ID})
	}
	f.change(person{at, p.ID}, func(here *presence) { here.silent = false })
	f.ring(at.tenantID, at.sessionID)
	return nil
}

// joined tells that somebody has come, with the name that an earlier arrival
// may have had.
func (f *Feed) joined(at place) storage.Note {
	return func(p reelvault.Participant) reelvault.Activity {
		a := f.activity(at.tenantID, at.sessionID, reelvault.ActivityJoined)
		a.Actor, a.ParticipantID, a.ClientID = p.Role.Actor(), p.ID, ownClientID+a.ID
		a.Data = dataOf(map[string]any{"name": p.Name, "role": p.Role})
		return a
	}
}

// noteSilent notes that somebody has come who only counted as there. The caller
// is at the door.
func (f *Feed) noteSilent(ctx context.Context, who person) error {
	if !f.isSilent(who) {
		return nil
	}
	s, err := f.config.Catalog.Session(ctx, who.tenantID, who.sessionID)
	if err != nil {
		return err
	}
	for _, p := range s.Participants {
		if p.ID != who.id || !p.LeftAt.IsZero() { // the session may have ended
			continue
		}
		if _, err = f.AppendActivities(ctx, []reelvault.Activity{f.joined(who.place)(p)}); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if here := f.present[who]; here != nil {
		here.silent = false
	}
	return nil
}

// isSilent says whether somebody counts as there of whom it isn't noted that
// they have come.
func (f *Feed) isSilent(who person) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	here := f.present[who]
	return here != nil && here.silent
}

// change changes what ties somebody, whom it makes known if they aren't, and
// lets the grace time run, anew, if nothing does. It gives them with the turn.
func (f *Feed) change(who person, do func(here *presence)) (*presence, int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	here := f.present[who]
	if here == nil {
		here = &presence{sources: map[reelvault.RecordingKind]int{}, since: f.config.Now().UTC()}
		f.present[who] = here
	}
	do(here)
	f.wait(who, here)
	return here, here.turn
}

func (f *Feed) tie(who person) {
	f.change(who, func(here *presence) {
		here.ties++
		here.goodbye = time.Time{}
	})
}

// release takes one tie away. at is when it broke.
func (f *Feed) release(who person, at time.Time) {
	f.change(who, func(here *presence) {
		here.ties--
		here.since = at
	})
}

// here says whether somebody is in their session, or may still come back.
func (f *Feed) here(who person) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.present[who]
	return p != nil && !p.silent
}

// goodbye notes that somebody says that they leave: once nothing ties them,
// they are not waited for. It is forgotten after the grace time, and when they
// come again.
func (f *Feed) goodbye(who person) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if here := f.present[who]; here != nil {
		here.goodbye = f.config.Now().UTC()
		f.wait(who, here)
	}
}

// wait lets the grace time run, anew, if nothing ties p. The caller holds mu.
func (f *Feed) wait(who person, p *presence) {
	p.stop()
	p.turn++
	if p.ties+p.offers > 0 || f.closed {
		return
	}
	turn, grace := p.turn, f.config.Grace
	if !p.goodbye.IsZero() && f.config.Now().Before(p.goodbye.Add(grace)) {
		grace = 0 // nothing to wait for
	}
	p.timer = time.AfterFunc(grace, func() {
		told := f.tell(who.sessionID, func(ctx context.Context) {
			ctx, leave := f.atDoor(ctx, who.sessionID)
			defer leave()
			f.leave(ctx, who, p, turn)
		})
		if !told {
			f.again(who, p, turn)
		}
	})
}

// again waits another grace time for who should have left by now: the leaving
// of nobody gets lost.
func (f *Feed) again(who person, p *presence, turn int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.present[who] == p && p.turn == turn {
		p.goodbye = time.Time{}
		f.wait(who, p)
	}
}

// leave keeps and notes that somebody has left who has not come back since a
// turn. The caller is at the door.
func (f *Feed) leave(ctx context.Context, who person, p *presence, turn int) {
	f.mu.Lock()
	over := f.present[who] == p && p.turn == turn
	at, left, then := p.since, f.departed(who.place), f.left
	if p.silent {
		left = nil
	}
	f.mu.Unlock()
	if !over {
		return
	}
	was, err := f.config.Catalog.Leave(ctx, who.tenantID, who.sessionID, reelvault.Participant{ID: who.id, LeftAt: at}, left)
	if err != nil && reelvault.KindOf(err) != reelvault.NotFound {
		f.log.WarnContext(ctx, "leaving not noted yet", "session", who.sessionID, "participant", who.id, "error", err)
		f.again(who, p, turn)
		return
	}
	f.mu.Lock()
	if f.present[who] == p && p.turn == turn {
		p.stop()
		delete(f.present, who)
	}
	f.mu.Unlock()
	if was {
		f.ring(who.tenantID, who.sessionID)
		then(ctx, who.tenantID, who.sessionID)
	}
}

// departed tells that somebody has left.
func (f *Feed) departed(from place) storage.Note {
	return func(p reelvault.Participant) reelvault.Activity {
		a := f.activity(from.tenantID, from.sessionID, reelvault.ActivityLeft)
		a.At, a.Actor, a.ParticipantID, a.ClientID = p.LeftAt, p.Role.Actor(), p.ID, ownClientID+a.ID
		return a
	}
}
