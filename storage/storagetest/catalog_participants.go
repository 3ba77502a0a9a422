package storagetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
)

var participantTests = []catalogTest{
	{"one of many that bring a participant at once has brought them", participantRace},
	{"a participant keeps role, arrival and consent, and takes what is new", participantKept},
	{"a participant comes into live sessions only", participantsJoin},
	{"a participant leaves once, and comes back", participantLeaves},
	{"who is only known can answer, and comes later", participantKnown},
}

var consentTests = []catalogTest{
	{"an answer is kept, and a refusal is final", consentKept},
	{"only guests of the session answer", consentRefusals},
	{"a session is withheld until every guest has agreed", withheld},
}

func (w *world) participant(t *testing.T, s reelvault.Session, p reelvault.Participant) bool {
	t.Helper()
	p.JoinedAt = w.now
	came, err := w.SetParticipant(t.Context(), s.TenantID, s.ID, p, nil)
	ok(t, err)
	return came
}

// participants gives who is in a session.
func (w *world) participants(t *testing.T, s reelvault.Session) []reelvault.Participant {
	t.Helper()
	got, err := w.Session(t.Context(), s.TenantID, s.ID)
	ok(t, err)
	return got.Participants
}

func participantRace(t *testing.T, w *world) {
	t.Helper()
	s := w.session(t, w.ours, reelvault.Session{})
	guest := reelvault.Participant{ID: "p", Role: reelvault.RoleGuest, JoinedAt: w.now}
	const rivals = 8
	for _, expected := range []int{1, 0} {
		came := make([]bool, rivals)
		race(t, rivals, func(ctx context.Context, i int) (err error) {
			came[i], err = w.SetParticipant(ctx, w.ours.ID, s.ID, guest, nil)
			return err
		})
		if n := count(came); n != expected {
			t.Errorf("%d have brought them, want %d", n, expected)
		}
	}
	same(t, "participants", w.participants(t, s), []reelvault.Participant{guest})
}

func participantKept(t *testing.T, w *world) {
	t.Helper()
	s, other := w.session(t, w.ours, reelvault.Session{}), w.session(t, w.ours, reelvault.Session{})
	want := reelvault.Participant{ID: "p", Role: reelvault.RoleGuest, Name: "Jana Nová", JoinedAt: w.now}
	w.participant(t, s, want)
	ok(t, w.SetConsent(t.Context(), w.ours.ID, s.ID, reelvault.Participant{ID: "p", Consent: reelvault.Consent{Answer: reelvault.ConsentGiven, Version: "1", At: w.now}}, nil))
	want.Consent = reelvault.Consent{Answer: reelvault.ConsentGiven, Version: "1", At: w.now}

	later := reelvault.Participant{
		ID: "p", Role: reelvault.RoleGuest, Address: "sip:jana@example.net", JoinedAt: w.now.Add(time.Hour),
		Consent: reelvault.Consent{Answer: reelvault.ConsentRefused},
	}
	came, err := w.SetParticipant(t.Context(), w.ours.ID, s.ID, later, nil)
	ok(t, err)
	if came {
		t.Error("who was there has come")
	}
	want.Address = later.Address
	same(t, "with an address", w.participants(t, s), []reelvault.Participant{want})
	w.participant(t, s, reelvault.Participant{ID: "p", Role: reelvault.RoleGuest, Name: "Jana Nová-Malá"})
	want.Name = "Jana Nová-Malá"
	same(t, "with another name", w.participants(t, s), []reelvault.Participant{want})

	operator := reelvault.Participant{ID: "p", Role: reelvault.RoleOperator, JoinedAt: w.now}
	_, err = w.SetParticipant(t.Context(), w.ours.ID, s.ID, operator, nil)
	wantRefusal(t, err, reelvault.Conflict, "p", "guest")
	same(t, "after a wrong role", w.participants(t, s), []reelvault.Participant{want})
	w.participant(t, other, operator) // of the same id in another session
}

func participantsJoin(t *testing.T, w *world) {
	t.Helper()
	for _, status := range reelvault.SessionStatuses {
		s := w.session(t, w.ours, reelvault.Session{Status: status})
		_, err := w.SetParticipant(t.Context(), w.ours.ID, s.ID, reelvault.Participant{ID: "p", Role: reelvault.RoleGuest, JoinedAt: w.now}, nil)
		if status.Live() {
			ok(t, err)
			continue
		}
		wantRefusal(t, err, reelvault.Conflict, string(status))
	}
}

func participantLeaves(t *testing.T, w *world) {
	t.Helper()
	s := w.session(t, w.ours, reelvault.Session{})
	guest := reelvault.Participant{ID: "p", Role: reelvault.RoleGuest, JoinedAt: w.now}
	w.participant(t, s, guest)
	left := w.now.Add(time.Minute)
	leave := func(id string) bool {
		was, err := w.Leave(t.Context(), w.ours.ID, s.ID, reelvault.Participant{ID: id, LeftAt: left}, nil)
		ok(t, err)
		return was
	}
	gone := guest
	gone.LeftAt = left
	for i, want := range []bool{true, false} {
		if got := leave("p"); got != want {
			t.Errorf("leaving %d: was there %v, want %v", i, got, want)
		}
		same(t, "who left", w.participants(t, s), []reelvault.Participant{gone})
		left = left.Add(time.Hour)
	}
	if leave("nobody") {
		t.Error("nobody was there")
	}
	back := guest
	back.JoinedAt = left
	came, err := w.SetParticipant(t.Context(), w.ours.ID, s.ID, back, nil)
	ok(t, err)
	if !came {
		t.Error("who left hasn't come back")
	}
	same(t, "who came back", w.participants(t, s), []reelvault.Participant{guest})

	_, err = w.MoveSession(t.Context(), w.ours.ID, s.ID, reelvault.StatusClosed, "", w.now)
	ok(t, err)
	if !leave("p") {
		t.Error("who was there when the session ended wasn't there")
	}
	_, err = w.Leave(t.Context(), w.theirs.ID, s.ID, reelvault.Participant{ID: "p", LeftAt: left}, nil)
	wantRefusal(t, err, reelvault.NotFound)
	_, err = w.Leave(t.Context(), w.ours.ID, newID(), reelvault.Participant{ID: "p", LeftAt: left}, nil)
	wantRefusal(t, err, reelvault.NotFound)
}

func participantKnown(t *testing.T, w *world) {
	t.Helper()
	s := w.session(t, w.ours, reelvault.Session{})
	known := reelvault.Participant{ID: "p", Role: reelvault.RoleGuest, Name: "Jana", JoinedAt: w.now, LeftAt: w.now}
	if w.participant(t, s, known) {
		t.Error("who is only known has come")
	}
	given := reelvault.Consent{Answer: reelvault.ConsentGiven, Version: "1", At: w.now}
	ok(t, w.SetConsent(t.Context(), w.ours.ID, s.ID, reelvault.Participant{ID: "p", Consent: given}, nil))
	known.Consent = given
	same(t, "known", w.participants(t, s), []reelvault.Participant{known})
	here := known
	here.JoinedAt, here.LeftAt = w.now.Add(time.Minute), time.Time{}
	came, err := w.SetParticipant(t.Context(), w.ours.ID, s.ID, reelvault.Participant{ID: "p", Role: reelvault.RoleGuest, JoinedAt: here.JoinedAt}, nil)
	ok(t, err)
	if !came {
		t.Error("who was only known hasn't come")
	}
	known.LeftAt = w.now.Add(time.Hour)
	if w.participant(t, s, known) {
		t.Error("who was there has come")
	}
	same(t, "here", w.participants(t, s), []reelvault.Participant{here})
}

func consentKept(t *testing.T, w *world) {
	t.Helper()
	given := reelvault.Consent{Answer: reelvault.ConsentGiven, Version: "1", At: w.now}
	newer := reelvault.Consent{Answer: reelvault.ConsentGiven, Version: "2", At: w.now.Add(time.Minute)}
	refused := reelvault.Consent{Answer: reelvault.ConsentRefused, Version: "2", At: w.now.Add(time.Hour)}
	s := w.session(t, w.ours, reelvault.Session{})
	w.participant(t, s, reelvault.Participant{ID: "p", Role: reelvault.RoleGuest})
	later := func(c reelvault.Consent) reelvault.Consent {
		c.At = c.At.Add(24 * time.Hour)
		return c
	}
	for i, step := range []struct {
		answer, kept reelvault.Consent
		conflict     bool
	}{
		{answer: given, kept: given},
		{answer: later(given), kept: given},
		{answer: newer, kept: newer},
		{answer: refused, kept: refused},
		{answer: later(refused), kept: refused},
		{answer: newer, kept: refused, conflict: true},
		{answer: given, kept: refused, conflict: true},
	} {
		err := w.SetConsent(t.Context(), w.ours.ID, s.ID, reelvault.Participant{ID: "p", Consent: step.answer}, nil)
		if step.conflict {
			wantRefusal(t, err, reelvault.Conflict)
		} else {
			ok(t, err)
		}
		same(t, fmt.Sprintf("step %d", i), w.participants(t, s)[0].Consent, step.kept)
	}
}

func consentRefusals(t *testing.T, w *world) {
	t.Helper()
	s := w.session(t, w.ours, reelvault.Session{})
	w.participant(t, s, reelvault.Participant{ID: "o", Role: reelvault.RoleOperator})
	w.participant(t, s, reelvault.Participant{ID: "g", Role: reelvault.RoleGuest})
	before := w.participants(t, s)
	answer := func(tenant, session, participant string) error {
		return w.SetConsent(t.Context(), tenant, session, reelvault.Participant{ID: participant, Consent: reelvault.Consent{Answer: reelvault.ConsentGiven, At: w.now}}, nil)
	}
	wantRefusal(t, answer(w.ours.ID, s.ID, "o"), reelvault.Conflict)
	wantRefusal(t, answer(w.ours.ID, s.ID, "x"), reelvault.NotFound)
	wantRefusal(t, answer(w.theirs.ID, s.ID, "g"), reelvault.NotFound)
	wantRefusal(t, answer(w.ours.ID, newID(), "g"), reelvault.NotFound)
	same(t, "participants", w.participants(t, s), before)
}

// withheld goes through what guests can have done. Each letter is a guest: n
// has not answered, y agreed, r refused; capitals have left; o is an operator.
func withheld(t *testing.T, w *world) {
	t.Helper()
	_, err := w.UpdateTenant(t.Context(), w.ours.ID, func(x *reelvault.Tenant) error {
		x.Consent = reelvault.ConsentNotice{Required: true, Text: "May we?", Version: "1"}
		return nil
	})
	ok(t, err)
	free := []string{"y", "yy", "Y", "yN", "oy", "YN"}
	for _, guests := range slices.Concat(free, []string{"", "o", "n", "N", "r", "R", "yn", "yr", "yR", "on", "YR", "nY"}) {
		for _, channel := range []reelvault.Channel{reelvault.ChannelAV, reelvault.ChannelChat, reelvault.ChannelPhone} {
			asks := channel != reelvault.ChannelPhone && !slices.Contains(free, guests)
			w.wantWithheld(t, w.ours, channel, guests, asks)
			w.wantWithheld(t, w.theirs, channel, guests, false)
		}
	}
	_, err = w.Withheld(t.Context(), w.ours.ID, newID())
	wantRefusal(t, err, reelvault.NotFound)
	_, err = w.Withheld(t.Context(), w.theirs.ID, w.session(t, w.ours, reelvault.Session{}).ID)
	wantRefusal(t, err, reelvault.NotFound)
}

func (w *world) wantWithheld(t *testing.T, tenant reelvault.Tenant, c reelvault.Channel, guests string, want bool) {
	t.Helper()
	s := w.sessionOn(t, tenant, c)
	w.fill(t, s, guests)
	got, err := w.Withheld(t.Context(), tenant.ID, s.ID)
	ok(t, err)
	if got != want {
		t.Errorf("%q in %s of %s is withheld: got %v, want %v", guests, c, tenant.Name, got, want)
	}
}

func (w *world) sessionOn(t *testing.T, tenant reelvault.Tenant, c reelvault.Channel) reelvault.Session {
	t.Helper()
	s, _, err := w.CreateSession(t.Context(), reelvault.Session{
		ID: newID(), TenantID: tenant.ID, Channel: c, Status: reelvault.StatusActive, CreatedAt: w.now,
	})
	ok(t, err)
	return s
}

// fill brings the guests that letters stand for.
func (w *world) fill(t *testing.T, s reelvault.Session, letters string) {
	t.Helper()
	for i, letter := range letters {
		p := reelvault.Participant{ID: fmt.Sprint(i), Role: reelvault.RoleGuest}
		if letter == 'o' {
			p.Role = reelvault.RoleOperator
		}
		w.participant(t, s, p)
		answer := map[rune]reelvault.ConsentAnswer{
			'y': reelvault.ConsentGiven, 'Y': reelvault.ConsentGiven, 'r': reelvault.ConsentRefused, 'R': reelvault.ConsentRefused,
		}[letter]
		if answer != "" {
			ok(t, w.SetConsent(t.Context(), s.TenantID, s.ID, reelvault.Participant{ID: p.ID, Consent: reelvault.Consent{Answer: answer, Version: "1", At: w.now}}, nil))
		}
		if letter < 'a' {
			_, err := w.Leave(t.Context(), s.TenantID, s.ID, reelvault.Participant{ID: p.ID, LeftAt: w.now}, nil)
			ok(t, err)
		}
	}
}
