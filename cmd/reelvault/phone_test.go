package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
	"github.com/reelvault/reelvault/sip"
	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/sqlite"
)

// phoneRig is a phone with a catalog of its own, whose tenant takes calls.
type phoneRig struct {
	*phone

	t      *testing.T
	tenant reelvault.Tenant
}

func newPhoneRig(t *testing.T) *phoneRig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	catalog, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"), time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if failed := catalog.Close(); failed != nil {
			t.Error(failed)
		}
	})
	tenant, err := ensureTenant(t.Context(), catalog, "tenant", time.Now().UTC())
	if err != nil {
		t.Fatal(err)
	}
	feed := api.NewFeed(api.FeedConfig{Catalog: catalog, Now: time.Now, Log: log})
	t.Cleanup(feed.Close)
	return &phoneRig{newPhone(catalog, feed, func() error { return nil }, tenant.Name, log), t, tenant}
}

// call begins a call of two parties.
func (r *phoneRig) call(id string) sip.Session {
	r.t.Helper()
	s, err := r.Begin(r.t.Context(), sip.Call{IDs: []string{id}, Parties: []sip.Party{
		{ID: sip.CallerID, Role: reelvault.RoleGuest, Name: "Ann"}, {ID: sip.CalleeID, Role: reelvault.RoleOperator},
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// platform makes a session for a call that is to come.
func (r *phoneRig) platform(id string) {
	r.t.Helper()
	_, _, err := r.catalog.CreateSession(r.t.Context(), reelvault.Session{
		ID: newID(), TenantID: r.tenant.ID, ExternalID: id, Channel: reelvault.ChannelPhone, Source: reelvault.SourceIncomingCall,
		Status: reelvault.StatusCreated, CreatedAt: time.Now().UTC(),
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// session gives a session, and how many are there of its parties.
func (r *phoneRig) session(s sip.Session) (reelvault.Session, int) {
	r.t.Helper()
	session, err := r.catalog.Session(r.t.Context(), s.TenantID, s.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	here := 0
	for _, p := range session.Participants {
		if p.LeftAt.IsZero() {
			here++
		}
	}
	return session, here
}

// crash begins anew over the same catalog.
func (r *phoneRig) crash() {
	r.t.Helper()
	r.phone = newPhone(r.catalog, r.feed, r.room, r.tenant.Name, r.log)
	if err := r.recover(context.WithoutCancel(r.t.Context())); err != nil {
		r.t.Fatal(err)
	}
}

// A crash ends the sessions that were made for calls. Those of the platform
// are the platform's to end: their parties have left, and may call again.
func TestRecoverCalls(t *testing.T) {
	r := newPhoneRig(t)
	r.platform("theirs")
	r.platform("waiting")
	theirs, ours := r.call("theirs"), r.call("ours")
	if s, here := r.session(ours); !s.Status.Live() || here != 2 {
		t.Errorf("ours before: got %s with %d parties", s.Status, here)
	}
	r.crash()
	if s, here := r.session(ours); s.Status != reelvault.StatusClosed || s.TerminationReason != reasonExpired || here != 0 {
		t.Errorf("ours: got %s for %q with %d parties", s.Status, s.TerminationReason, here)
	}
	if s, here := r.session(theirs); s.Status != reelvault.StatusActive || here != 0 {
		t.Errorf("theirs: got %s with %d parties, want ACTIVE with none", s.Status, here)
	}
	as, err := r.catalog.Activities(t.Context(), storage.ActivityFilter{TenantID: r.tenant.ID, SessionID: theirs.ID, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	for _, a := range as {
		if a.ClientID != ownClientID+a.ID {
			t.Errorf("theirs: got the client id %q of %s, want one of ours", a.ClientID, a.Type)
		}
		if a.Type == reelvault.ActivityLeft {
			left++
		}
	}
	if left != 2 {
		t.Errorf("theirs: %d have left in the log, want 2", left)
	}
	again := r.call("theirs")
	if s, here := r.session(again); again != theirs || here != 2 {
		t.Errorf("called again: got session %s with %d parties, want %s with 2", s.ID, here, theirs.ID)
	}
	if err = r.End(t.Context(), again, sip.CauseBye); err != nil {
		t.Error(err)
	}
	if s, here := r.session(again); !s.Status.Live() || here != 0 {
		t.Errorf("hung up: got %s with %d parties, want a live session with none", s.Status, here)
	}
	waiting := r.call("waiting")
	if s, here := r.session(waiting); s.ExternalID != "waiting" || here != 2 {
		t.Errorf("waiting: got %q with %d parties", s.ExternalID, here)
	}
}
