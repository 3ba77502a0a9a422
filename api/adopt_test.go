package api_test

import (
	"slices"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
)

// Who was there when the program ended, and doesn't come back, has left; who is
// on the telephone stays.
func TestAdopt(t *testing.T) {
	w := newWorldOf(t, time.Millisecond)
	must(t, open(t, w.listen(t)+"/api/v1/events", w.callTicket(t, "guest-1")).Body.Close())
	w.await(t, "the leaving", func() bool { return len(w.what(t)) == 2 })
	w.came(t, "guest-1")
	w.guest(t, w.a, "guest-2") // whose offer was not answered yet
	phone, _, err := w.catalog.CreateSession(t.Context(), reelvault.Session{
		ID: newID(), TenantID: w.a.ID, Channel: reelvault.ChannelPhone, Status: reelvault.StatusActive, CreatedAt: w.clock.Now(),
		Participants: []reelvault.Participant{{ID: "caller", Role: reelvault.RoleGuest, JoinedAt: w.clock.Now()}},
	})
	must(t, err)
	must(t, w.feed.Adopt(t.Context()))
	w.await(t, "the leaving of all", func() bool {
		return !slices.ContainsFunc(w.participants(t), func(p reelvault.Participant) bool { return p.LeftAt.IsZero() })
	})
	wantList(t, "what happened", w.what(t), []string{"Joined guest-1", "Left guest-1", "Joined guest-1", "Left guest-1"})
	if phone, err = w.catalog.Session(t.Context(), w.a.ID, phone.ID); err != nil || !phone.Participants[0].LeftAt.IsZero() {
		t.Errorf("got %+v, %v", phone.Participants, err)
	}
}

// came brings a guest of whom it is noted, as a program that has ended did.
func (w *world) came(tb testing.TB, id string) {
	tb.Helper()
	p := reelvault.Participant{ID: id, Role: reelvault.RoleGuest, JoinedAt: w.clock.Now()}
	_, err := w.catalog.SetParticipant(tb.Context(), w.a.ID, w.a.Session, p, func(p reelvault.Participant) reelvault.Activity {
		return reelvault.Activity{
			ID: newID(), TenantID: w.a.ID, SessionID: w.a.Session, At: w.clock.Now(), Type: reelvault.ActivityJoined, ParticipantID: p.ID,
			ClientID: "reelvault:" + newID(),
		}
	})
	must(tb, err)
}

// Who comes back after the program has ended in the middle of their coming has
// come, whether that is found before or after.
func TestAdoptNotesTheComing(t *testing.T) {
	for _, first := range []bool{true, false} {
		w := newWorld(t)
		url, ticket := w.listen(t)+"/api/v1/events", w.callTicket(t, "guest-1")
		w.guest(t, w.a, "guest-1") // of whom it is not noted
		comes := func() {
			open(t, url, ticket).lines.Scan()
		}
		if first {
			comes()
		}
		must(t, w.feed.Adopt(t.Context()))
		if !first {
			comes()
		}
		must(t, w.feed.Adopt(t.Context()))
		wantList(t, "what happened", w.what(t), []string{"Joined guest-1"})
	}
}

// What another system tells of coming and going says nothing about who was
// there when the program ended.
func TestAdoptHeedsNoHearsay(t *testing.T) {
	w := newWorldOf(t, time.Millisecond)
	w.came(t, "guest-1")
	w.guest(t, w.a, "guest-2") // of whom it is not noted
	for _, told := range []string{`{"type":"Left","participant":"guest-1"}`, `{"type":"Joined","participant":"guest-2"}`} {
		if code, _ := w.say(t, w.a.Token, told); code != 201 {
			t.Fatal(code)
		}
	}
	must(t, w.feed.Adopt(t.Context()))
	w.await(t, "the leaving of both", func() bool {
		return !slices.ContainsFunc(w.participants(t), func(p reelvault.Participant) bool { return p.LeftAt.IsZero() })
	})
	wantList(t, "what happened", w.what(t), []string{"Joined guest-1", "Left guest-1", "Joined guest-2", "Left guest-1"})
}

// A session whose log can't be read keeps nobody in it, nor in another one.
func TestAdoptGoesOn(t *testing.T) {
	w := newWorldOf(t, time.Millisecond)
	w.came(t, "guest-1")
	other := w.a
	other.Session = w.session(t, w.a)
	w.guest(t, other, "guest-2")
	failed := false
	w.catalog.reads = func() error {
		if failed {
			return nil
		}
		failed = true
		return reelvault.Errorf(reelvault.Unavailable, "the catalog is away")
	}
	must(t, w.feed.Adopt(t.Context()))
	w.await(t, "the leaving of both", func() bool {
		s, err := w.catalog.Session(t.Context(), other.ID, other.Session)
		must(t, err)
		return !s.Participants[0].LeftAt.IsZero() && !w.participants(t)[0].LeftAt.IsZero()
	})
}
