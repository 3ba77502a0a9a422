package storagetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

var noteTests = []catalogTest{
	{"a change of a participant and its note are kept together or not at all", notesAtomic},
	{"what changes nothing is not noted", notesOfChanges},
	{"a session ends with everybody in it, as it is told, or goes on", sessionEnds},
}

// telling gives a note that tells who somebody is by then.
func (w *world) telling(s reelvault.Session, id string) storage.Note {
	return func(p reelvault.Participant) reelvault.Activity {
		a := w.activity(s, fmt.Sprintf("%s %s %v %s", p.ID, p.Name, p.LeftAt.IsZero(), p.Consent.Answer))
		a.ID = id
		return a
	}
}

func notesAtomic(t *testing.T, w *world) {
	t.Helper()
	s, other := w.session(t, w.ours, reelvault.Session{}), w.session(t, w.ours, reelvault.Session{})
	taken := w.appended(t, w.activity(s, "first"))[0].ID
	p := reelvault.Participant{
		ID: "p", Role: reelvault.RoleGuest, Name: "Jana", JoinedAt: w.now,
		Consent: reelvault.Consent{Answer: reelvault.ConsentGiven, Version: "1", At: w.now},
	}
	come := func(n storage.Note) error {
		q := p
		q.Consent = reelvault.Consent{}
		came, err := w.SetParticipant(t.Context(), w.ours.ID, s.ID, q, n)
		if came != (err == nil) {
			t.Errorf("has come: got %v with %v", came, err)
		}
		return err
	}
	answer := func(n storage.Note) error { return w.SetConsent(t.Context(), w.ours.ID, s.ID, p, n) }
	leave := func(n storage.Note) error {
		q := p
		q.LeftAt = w.now.Add(time.Minute)
		was, err := w.Leave(t.Context(), w.ours.ID, s.ID, q, n)
		if was != (err == nil) {
			t.Errorf("has left: got %v with %v", was, err)
		}
		return err
	}
	want := []string{"first"}
	for i, change := range []struct {
		do   func(storage.Note) error
		tell string
	}{
		{come, "p Jana true "}, {answer, "p Jana true given"}, {leave, "p Jana false given"},
	} {
		before := w.participants(t, s)
		wantRefusal(t, change.do(w.telling(s, taken)), reelvault.Conflict)
		wantRefusal(t, change.do(w.telling(other, newID())), reelvault.Conflict)
		same(t, fmt.Sprintf("after change %d could not be noted", i), w.participants(t, s), before)
		same(t, "noted", w.texts(t, storage.ActivityFilter{TenantID: w.ours.ID, Limit: 9}), want)
		ok(t, change.do(w.telling(s, newID())))
		want = append(want, change.tell)
		same(t, "noted", w.texts(t, storage.ActivityFilter{TenantID: w.ours.ID, Limit: 9}), want)
	}
}

func notesOfChanges(t *testing.T, w *world) {
	t.Helper()
	s := w.session(t, w.ours, reelvault.Session{})
	n := w.telling(s, newID())
	known := reelvault.Participant{ID: "p", Role: reelvault.RoleGuest, JoinedAt: w.now, LeftAt: w.now}
	here := reelvault.Participant{ID: "q", Role: reelvault.RoleGuest, JoinedAt: w.now}
	for range 2 {
		_, err := w.SetParticipant(t.Context(), w.ours.ID, s.ID, known, n)
		ok(t, err)
		_, err = w.Leave(t.Context(), w.ours.ID, s.ID, known, n)
		ok(t, err)
		_, err = w.Leave(t.Context(), w.ours.ID, s.ID, reelvault.Participant{ID: "nobody", LeftAt: w.now}, n)
		ok(t, err)
	}
	w.participant(t, s, here)
	_, err := w.SetParticipant(t.Context(), w.ours.ID, s.ID, here, n)
	ok(t, err)
	here.Consent = reelvault.Consent{Answer: reelvault.ConsentRefused, Version: "1", At: w.now}
	ok(t, w.SetConsent(t.Context(), w.ours.ID, s.ID, here, nil))
	ok(t, w.SetConsent(t.Context(), w.ours.ID, s.ID, here, n))
	same(t, "noted", w.texts(t, storage.ActivityFilter{TenantID: w.ours.ID, Limit: 9}), []string{})
}

func sessionEnds(t *testing.T, w *world) {
	t.Helper()
	s, other := w.session(t, w.ours, reelvault.Session{}), w.session(t, w.ours, reelvault.Session{})
	taken := w.appended(t, w.activity(other, "other"))[0].ID
	gone := reelvault.Participant{ID: "a", Role: reelvault.RoleGuest, JoinedAt: w.now}
	here := reelvault.Participant{ID: "b", Role: reelvault.RoleOperator, JoinedAt: w.now}
	w.participant(t, s, gone)
	w.participant(t, s, here)
	gone.LeftAt = w.now.Add(time.Second)
	_, err := w.Leave(t.Context(), w.ours.ID, s.ID, gone, nil)
	ok(t, err)
	at := w.now.Add(time.Minute)
	end := storage.SessionEnd{TenantID: w.ours.ID, SessionID: s.ID, Reason: reelvault.ReasonGuestLeft, At: at}
	tells := func(s reelvault.Session, id string) func(reelvault.Session) []reelvault.Activity {
		return func(ended reelvault.Session) []reelvault.Activity {
			same(t, "who is told of", ended.Participants, []reelvault.Participant{gone, here})
			if ended.Status != reelvault.StatusClosed || !ended.EndedAt.Equal(at) {
				t.Errorf("told of a session that is %s at %v", ended.Status, ended.EndedAt)
			}
			a, b := w.activity(s, "left"), w.activity(s, "ended")
			b.ID = id
			return []reelvault.Activity{a, b}
		}
	}
	before, err := w.Session(t.Context(), w.ours.ID, s.ID)
	ok(t, err)
	for _, tell := range []func(reelvault.Session) []reelvault.Activity{tells(s, taken), tells(other, newID())} {
		end.Tell = tell
		_, err = w.EndSession(t.Context(), end)
		wantRefusal(t, err, reelvault.Conflict)
		var after reelvault.Session
		after, err = w.Session(t.Context(), w.ours.ID, s.ID)
		ok(t, err)
		same(t, "the session", after, before)
	}
	end.Tell = tells(s, newID())
	for what, change := range map[string]func(e *storage.SessionEnd){
		"theirs": func(e *storage.SessionEnd) { e.TenantID = w.theirs.ID }, "none": func(e *storage.SessionEnd) { e.SessionID = newID() },
	} {
		t.Log(what)
		foreign := end
		change(&foreign)
		_, err = w.EndSession(t.Context(), foreign)
		wantRefusal(t, err, reelvault.NotFound)
	}
	ended, err := w.EndSession(t.Context(), end)
	ok(t, err)
	here.LeftAt = at
	want := before
	want.Status, want.TerminationReason, want.EndedAt = reelvault.StatusClosed, reelvault.ReasonGuestLeft, at
	want.Participants = []reelvault.Participant{gone, here}
	same(t, "the session that has ended", ended, want)
	again, err := w.Session(t.Context(), w.ours.ID, s.ID)
	ok(t, err)
	same(t, "what is kept", again, want)
	_, err = w.EndSession(t.Context(), end)
	wantRefusal(t, err, reelvault.Conflict, "CLOSED")
	same(t, "noted", w.texts(t, storage.ActivityFilter{TenantID: w.ours.ID, Limit: 9}), []string{"other", "left", "ended"})
}
