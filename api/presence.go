package api

import (
	"context"
	"fmt"
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
	role    reelvault.Role
	ties    int
	sources map[reelvault.RecordingKind]int // publishing connections of each kind
	goodbye time.Time                       // when they said that they leave; zero once they come again
	timer   *time.Timer                     // runs while ties is 0
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

// enter makes somebody a participant who is about to connect.
func (f *Feed) enter(ctx context.Context, tenantID, sessionID string, p reelvault.Participant) error {
	return f.come(ctx, place{tenantID, sessionID}, p, 0)
}

// stay is enter for somebody who has connected, until release is called.
func (f *Feed) stay(ctx context.Context, tenantID, sessionID string, p reelvault.Participant) (release func(), err error) {
	at := place{tenantID, sessionID}
	release = func() { f.release(person{at, p.ID}, f.config.Now().UTC()) }
	if err = f.come(ctx, at, p, 1); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// come adds p to the session, or brings them back, and adds ties to what ties
// them. They are tied even if the catalog refuses: every tie is released. A
// client that goes away doesn't end it halfway.
func (f *Feed) come(ctx context.Context, at place, p reelvault.Participant, ties int) error {
	door := &f.of(at.sessionID).door
	door.Lock()
	defer door.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), feedTimeout)
	defer cancel()
	came, err := f.config.Catalog.SetParticipant(ctx, at.tenantID, at.sessionID, p)
	if err != nil && ties == 0 {
		return err
	}
	f.tie(person{at, p.ID}, p.Role, ties)
	if err != nil || !came {
		return err
	}
	s, err := f.config.Catalog.Session(ctx, at.tenantID, at.sessionID)
	if err != nil {
		return err
	}
	for _, known := range s.Participants {
		if known.ID == p.ID {
			p = known // with the name that an earlier arrival had
		}
	}
	joined := f.activity(at.tenantID, at.sessionID, reelvault.ActivityJoined)
	joined.Actor, joined.ParticipantID = p.Role.Actor(), p.ID
	joined.Data = dataOf(map[string]any{"name": p.Name, "role": p.Role})
	_, err = f.AppendActivities(ctx, []reelvault.Activity{joined})
	return err
}

func (f *Feed) tie(who person, role reelvault.Role, ties int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.present[who]
	if p == nil {
		p = &presence{role: role, sources: map[reelvault.RecordingKind]int{}}
		f.present[who] = p
	}
	p.ties += ties
	p.goodbye = time.Time{}
	f.wait(who, p, f.config.Now().UTC())
}

// release takes one tie away. at is when it broke.
func (f *Feed) release(who person, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.present[who]
	if p == nil || p.ties == 0 {
		return // the session has ended meanwhile
	}
	p.ties--
	f.wait(who, p, at)
}

// goodbye notes that somebody says that they leave: once nothing ties them,
// they are not waited for. It is forgotten after the grace time, and when they
// come again.
func (f *Feed) goodbye(who person) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.present[who]
	if p == nil {
		return
	}
	p.goodbye = f.config.Now().UTC()
	f.wait(who, p, p.goodbye)
}

// wait lets the grace time run, anew, if nothing ties p. The caller holds mu.
func (f *Feed) wait(who person, p *presence, since time.Time) {
	p.stop()
	p.turn++
	if p.ties > 0 || f.closed {
		return
	}
	turn, grace := p.turn, f.config.Grace
	if !p.goodbye.IsZero() && f.config.Now().Before(p.goodbye.Add(grace)) {
		grace = 0 // nothing to wait for
	}
	p.timer = time.AfterFunc(grace, func() {
		f.tell(who.sessionID, func(ctx context.Context) {
			door := &f.of(who.sessionID).door
			door.Lock()
			defer door.Unlock()
			if f.gone(who, p, turn) {
				f.leave(ctx, who, p.role, since)
			}
		})
	})
}

// gone takes somebody out who has not come back since a turn.
func (f *Feed) gone(who person, p *presence, turn int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.present[who] != p || p.turn != turn {
		return false
	}
	delete(f.present, who)
	return true
}

// leave notes that somebody has left. The caller holds the
// door.
func (f *Feed) leave(ctx context.Context, who person, role reelvault.Role, at time.Time) {
	was, err := f.config.Catalog.Leave(ctx, who.tenantID, who.sessionID, who.id, at)
	if err != nil {
		f.log.ErrorContext(ctx, "leaving not noted", "session", who.sessionID, "participant", who.id, "error", err)
	}
	if !was {
		return
	}
	f.note(ctx, f.departure(who.place, who.id, role, at))
	f.mu.Lock()
	then := f.left
	f.mu.Unlock()
	then(ctx, who.tenantID, who.sessionID)
}

func (f *Feed) departure(from place, id string, role reelvault.Role, at time.Time) reelvault.Activity {
	a := f.activity(from.tenantID, from.sessionID, reelvault.ActivityLeft)
	a.At, a.Actor, a.ParticipantID = at, role.Actor(), id
	return a
}

// forget drops what ties somebody whose session has ended.
func (f *Feed) forget(who person) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.present[who]; p != nil {
		p.stop()
		delete(f.present, who)
	}
}

// count adds n to the publishing connections of p's kind, and gives how many
// there are.
func (f *Feed) count(p media.Published, n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	here := f.present[personOf(p)]
	if here == nil {
		return 0
	}
	here.sources[p.Kind] = max(here.sources[p.Kind]+n, 0)
	return here.sources[p.Kind]
}

// Adopt gives everybody the grace time to come back who was there when the
// program ended, and notes those as having left who don't. Telephone calls are
// left alone: they end with what carries them.
func (f *Feed) Adopt(ctx context.Context) error {
	for after, more := "", true; more; more = after != "" {
		tenants, next, err := f.config.Catalog.Tenants(ctx, storage.Page{After: after, Limit: maxPage})
		if err != nil {
			return fmt.Errorf("list tenants: %w", err)
		}
		for _, t := range tenants {
			if err := f.adopt(ctx, t.ID); err != nil {
				return err
			}
		}
		after = next
	}
	return nil
}

func (f *Feed) adopt(ctx context.Context, tenantID string) error {
	live := true
	filter := storage.SessionFilter{TenantID: tenantID, Live: &live}
	for after, more := "", true; more; more = after != "" {
		sessions, next, err := f.config.Catalog.Sessions(ctx, filter, storage.Page{After: after, Limit: maxPage})
		if err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		for _, s := range sessions {
			for _, p := range s.Participants {
				if p.LeftAt.IsZero() && s.Channel != reelvault.ChannelPhone {
					f.tie(person{place{tenantID, s.ID}, p.ID}, p.Role, 0)
				}
			}
		}
		after = next
	}
	return nil
}
