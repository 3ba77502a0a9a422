package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/sip"
	"github.com/reelvault/reelvault/storage"
)

// reasonExpired is why the session of a call ended whose client went without a
// word. It is a wire value.
const reasonExpired reelvault.TerminationReason = "ExternalSessionExpired"

// madeClientID marks the coming of somebody to a session that was made for their
// call, so that a restart knows which sessions to end. It is kept with them or
// not at all, and no client may choose an id that begins so.
const madeClientID = ownClientID + "call"

// ownClientID begins the client ids of what this program tells: of somebody's
// coming and going the call page believes nobody else.
const ownClientID = "reelvault:"

// maxExternalID is how long an id of another system may be, as in the API.
const maxExternalID = 200

// phone makes sessions of calls. It implements sip.Calls.
type phone struct {
	catalog storage.Catalog
	feed    *api.Feed
	room    func() error // whether the spool has room
	tenant  string       // name
	log     *slog.Logger

	mu      sync.Mutex
	running map[string]*phoneSession // by session
}

// phoneSession is a session with calls in it: the client may call again while
// the first one still goes on.
type phoneSession struct {
	calls int
	ours  bool // made here; others end their own sessions
}

func newPhone(c storage.Catalog, f *api.Feed, room func() error, tenant string, log *slog.Logger) *phone {
	return &phone{catalog: c, feed: f, room: room, tenant: tenant, log: log, running: map[string]*phoneSession{}}
}

// Begin implements sip.Calls.
func (p *phone) Begin(ctx context.Context, c sip.Call) (sip.Session, error) {
	tenant, err := p.catalog.TenantNamed(ctx, p.tenant)
	if err != nil {
		return sip.Session{}, fmt.Errorf("find tenant %s: %w", p.tenant, err)
	}
	if !tenant.Features.Phone {
		return sip.Session{}, reelvault.Errorf(reelvault.Forbidden, "telephony is switched off for tenant %s", tenant.Name)
	}
	if err = p.room(); err != nil {
		return sip.Session{}, err
	}
	session, fresh, err := p.find(ctx, tenant.ID, c)
	if err != nil {
		return sip.Session{}, err
	}
	s := sip.Session{TenantID: tenant.ID, ID: session.ID}
	p.enter(s.ID, fresh)
	if session.Status.CanBecome(reelvault.StatusActive) {
		_, err = p.catalog.MoveSession(ctx, tenant.ID, session.ID, reelvault.StatusActive, "", time.Now())
	}
	if err == nil {
		err = p.Update(ctx, s, c.Parties)
	}
	if err != nil {
		return sip.Session{}, errors.Join(err, p.End(ctx, s, sip.CauseFailed))
	}
	return s, nil
}

// find gives the session that goes by one of the call's names, if it is one of
// the telephone and goes on, or else makes one.
func (p *phone) find(ctx context.Context, tenantID string, c sip.Call) (reelvault.Session, bool, error) {
	names := slices.DeleteFunc(slices.Clone(c.IDs), func(id string) bool {
		return len(id) > maxExternalID || strings.ContainsFunc(id, unicode.IsControl) || id != strings.ToValidUTF8(id, "")
	})
	for _, name := range append(names, "") {
		session, fresh, err := p.catalog.CreateSession(ctx, reelvault.Session{
			ID: newID(), TenantID: tenantID, ExternalID: name, Name: c.Name,
			Channel: reelvault.ChannelPhone, Source: reelvault.SourceIncomingCall,
			Status: reelvault.StatusCreated, CreatedAt: time.Now().UTC(),
		})
		if err != nil || fresh || session.Channel == reelvault.ChannelPhone && session.Status.Live() {
			return session, fresh, err
		}
	}
	return reelvault.Session{}, false, reelvault.Errorf(reelvault.Conflict, "no session could be made for the call")
}

func (p *phone) enter(session string, fresh bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.running[session]
	if s == nil {
		s = &phoneSession{}
		p.running[session] = s
	}
	s.calls++
	s.ours = s.ours || fresh
}

// ours says whether a session with calls in it was made here.
func (p *phone) ours(session string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.running[session]
	return s != nil && s.ours
}

// leave says whether the last call has left a session that was made here.
func (p *phone) leave(session string) (last, ours bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.running[session]
	if s == nil {
		return true, false
	}
	s.calls--
	if s.calls == 0 {
		delete(p.running, session)
	}
	return s.calls == 0, s.ours
}

// Update implements sip.Calls.
func (p *phone) Update(ctx context.Context, s sip.Session, parties []sip.Party) error {
	began, ours := time.Now().UTC(), p.ours(s.ID)
	for i, party := range parties {
		now := began.Add(time.Duration(i) * time.Millisecond) // so that the caller stays the first in lists
		came, err := p.catalog.SetParticipant(ctx, s.TenantID, s.ID, reelvault.Participant{
			ID: party.ID, Role: party.Role, Name: party.Name, Address: party.Address, JoinedAt: now,
		}, func(who reelvault.Participant) reelvault.Activity {
			a := activityOf(s, reelvault.ActivityJoined, who, now)
			if a.Data = nameAndRole(who); ours {
				a.ClientID = madeClientID
			}
			return a
		})
		if err != nil {
			return fmt.Errorf("add %s of the call: %w", party.ID, err)
		}
		if came {
			p.feed.Appended(s.TenantID, s.ID)
		}
	}
	return nil
}

// nameAndRole gives the data of somebody's coming.
func nameAndRole(who reelvault.Participant) string {
	data, err := json.Marshal(map[string]string{"name": who.Name, "role": string(who.Role)})
	if err != nil {
		panic(err) // strings can be written as JSON
	}
	return string(data)
}

// End implements sip.Calls.
func (p *phone) End(ctx context.Context, s sip.Session, cause sip.Cause) error {
	last, ours := p.leave(s.ID)
	if !last {
		return nil
	}
	session, err := p.catalog.Session(ctx, s.TenantID, s.ID)
	if err != nil {
		return fmt.Errorf("find session of call: %w", err)
	}
	if !session.Status.Live() {
		return nil // ended by somebody, which hung up the call
	}
	if !ours {
		return p.part(ctx, session)
	}
	reason := reelvault.ReasonGuestLeft
	switch {
	case cause == sip.CauseHangup:
		reason = reelvault.ReasonSessionAPICall
	case cause != sip.CauseBye && cause != sip.CauseCancel:
		reason = reasonExpired
	}
	_, err = p.feed.EndSession(ctx, s.TenantID, s.ID, reason)
	if reelvault.KindOf(err) == reelvault.Conflict { // somebody ended it meanwhile
		if now, failed := p.catalog.Session(ctx, s.TenantID, s.ID); failed == nil && !now.Status.Live() {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("end session of call: %w", err)
	}
	return nil
}

// part notes that the parties of a call have left a session that goes on.
func (p *phone) part(ctx context.Context, session reelvault.Session) error {
	call := sip.Session{TenantID: session.TenantID, ID: session.ID}
	for _, who := range session.Participants {
		who.LeftAt = time.Now().UTC()
		was, err := p.catalog.Leave(ctx, session.TenantID, session.ID, who, func(who reelvault.Participant) reelvault.Activity {
			return activityOf(call, reelvault.ActivityLeft, who, who.LeftAt)
		})
		if err != nil {
			return fmt.Errorf("let %s leave: %w", who.ID, err)
		}
		if was {
			p.feed.Appended(session.TenantID, session.ID)
		}
	}
	return nil
}

func activityOf(s sip.Session, t reelvault.ActivityType, who reelvault.Participant, at time.Time) reelvault.Activity {
	id := newID()
	return reelvault.Activity{
		ID: id, TenantID: s.TenantID, SessionID: s.ID, At: at, Type: t, Actor: who.Role.Actor(), ParticipantID: who.ID,
		ClientID: ownClientID + id,
	}
}

// recoverPage is how many sessions are looked at together.
const recoverPage = 200

// recover ends the sessions of calls that a crash has cut off: a dialog does
// not outlive the process, and its client will call anew. In those that others
// have made, and will end, it lets the parties leave.
func (p *phone) recover(ctx context.Context) error {
	tenant, err := p.catalog.TenantNamed(ctx, p.tenant)
	if err != nil {
		if reelvault.KindOf(err) == reelvault.NotFound {
			err = nil // the first start
		}
		return err
	}
	live := true
	for cursor := ""; ; {
		var page []reelvault.Session
		page, cursor, err = p.catalog.Sessions(ctx, storage.SessionFilter{TenantID: tenant.ID, Live: &live}, storage.Page{Limit: recoverPage, After: cursor})
		if err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		for _, s := range page {
			if s.Channel != reelvault.ChannelPhone {
				continue
			}
			if err = p.bury(ctx, s); err != nil {
				return err
			}
		}
		if cursor == "" {
			return nil
		}
	}
}

// bury ends a session in which somebody seems to be calling, if it is ours.
func (p *phone) bury(ctx context.Context, s reelvault.Session) error {
	s, err := p.catalog.Session(ctx, s.TenantID, s.ID)
	if err != nil {
		return fmt.Errorf("find session of call: %w", err)
	}
	calling := slices.ContainsFunc(s.Participants, func(who reelvault.Participant) bool {
		return who.ID == sip.CallerID && who.LeftAt.IsZero()
	})
	if !calling {
		return nil
	}
	made, err := p.made(ctx, s)
	if err != nil {
		return err
	}
	if !made {
		return p.part(ctx, s)
	}
	p.log.WarnContext(ctx, "ended the session of a call that was cut off", "session", s.ID)
	if _, err = p.feed.EndSession(ctx, s.TenantID, s.ID, reasonExpired); err != nil {
		return fmt.Errorf("end session of call: %w", err)
	}
	return nil
}

// firstActivities is among how many of a session's activities the coming of its
// caller is looked for, who comes first to a session that is made for a call.
const firstActivities = 100

// made says whether a session was made for a call.
func (p *phone) made(ctx context.Context, s reelvault.Session) (bool, error) {
	as, err := p.catalog.Activities(ctx, storage.ActivityFilter{TenantID: s.TenantID, SessionID: s.ID, Limit: firstActivities})
	if err != nil {
		return false, fmt.Errorf("list activities of call: %w", err)
	}
	return slices.ContainsFunc(as, func(a reelvault.Activity) bool { return a.ClientID == madeClientID }), nil
}

// openPhone begins to take telephone calls, if it is set to.
func (n *node) openPhone(ctx context.Context, c nodeConfig) error {
	calls := newPhone(n.catalog, n.feed, n.spool.Room, c.tenant, n.log)
	if err := calls.recover(ctx); err != nil {
		return err
	}
	if c.sip == nil {
		return nil
	}
	config := *c.sip
	config.Calls, config.Sink, config.Log = calls, n.recorder, n.log
	server, err := sip.New(ctx, config)
	if err != nil {
		return err
	}
	n.phone = server
	n.log.InfoContext(ctx, "taking telephone calls", "sip", server.Addr())
	return nil
}

func (n *node) closePhone(ctx context.Context) error {
	if n.phone == nil {
		return nil
	}
	if err := n.phone.Close(ctx); err != nil {
		return fmt.Errorf("end telephone calls: %w", err)
	}
	return nil
}

// lines are all connections of sessions: those of browsers, and calls.
type lines struct {
	media.Gateway

	phone *sip.Server
}

// HangupSession implements media.Gateway.
func (l lines) HangupSession(ctx context.Context, tenantID, sessionID string) {
	l.phone.HangupSession(ctx, tenantID, sessionID)
	l.Gateway.HangupSession(ctx, tenantID, sessionID)
}
