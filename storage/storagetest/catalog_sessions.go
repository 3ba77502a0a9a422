package storagetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

var sessionTests = []catalogTest{
	{"a session comes back as it was created", sessionComesBack},
	{"an external id is created once in a tenant", sessionUpsert},
	{"one of many that create an external id at once wins", sessionUpsertRace},
	{"a session is its tenant's alone", sessionTenancy},
	{"a session moves as the table of statuses allows", sessionMoves},
	{"one of many that end a session at once wins", sessionMoveRace},
	{"sessions are listed newest first, page by page, live or ended", sessionsListed},
	{"a page is not disturbed by what is added or moved meanwhile", sessionsUnderInserts},
	{"a session cursor that was tampered with is refused", sessionCursors},
	{"a session counts its recordings without the deleted", recordingsCounted},
}

func sessionComesBack(t *testing.T, w *world) {
	t.Helper()
	at := time.Date(2026, 10, 25, 2, 59, 59, 999_999_999, time.FixedZone("CET", 3600))
	s := reelvault.Session{
		ID: newID(), TenantID: w.ours.ID, ExternalID: "4711", Name: "Jana", Channel: reelvault.ChannelPhone,
		Source: reelvault.SourceIncomingCall, Status: reelvault.StatusClosed,
		TerminationReason: reelvault.ReasonGuestLeft, CreatedAt: at, EndedAt: at.Add(time.Second),
		Participants: []reelvault.Participant{
			{ID: "b", Role: reelvault.RoleOperator, JoinedAt: at.Add(time.Millisecond)},
			{ID: "a", Role: reelvault.RoleGuest, JoinedAt: at},
			{ID: "a", Role: reelvault.RoleOperator, JoinedAt: at.Add(time.Hour)},
		},
		Recordings: 7,
	}
	got, added, err := w.CreateSession(t.Context(), s)
	ok(t, err)
	if !added {
		t.Error("it was there already")
	}
	want := s
	want.CreatedAt = time.Date(2026, 10, 25, 1, 59, 59, 999_000_000, time.UTC)
	want.EndedAt = want.CreatedAt.Add(time.Second)
	want.Participants = []reelvault.Participant{
		{ID: "a", Role: reelvault.RoleGuest, JoinedAt: want.CreatedAt},
		{ID: "b", Role: reelvault.RoleOperator, JoinedAt: want.CreatedAt.Add(time.Millisecond)},
	}
	want.Recordings = 0
	same(t, "answer", got, want)
	got, err = w.Session(t.Context(), w.ours.ID, s.ID)
	ok(t, err)
	same(t, "kept", got, want)

	plain := w.session(t, w.ours, reelvault.Session{})
	got, err = w.Session(t.Context(), w.ours.ID, plain.ID)
	ok(t, err)
	if got.Participants == nil || len(got.Participants) != 0 || !got.EndedAt.IsZero() {
		t.Errorf("an empty session has participants %#v and ended at %v", got.Participants, got.EndedAt)
	}
}

func sessionUpsert(t *testing.T, w *world) {
	t.Helper()
	first := w.session(t, w.ours, reelvault.Session{ExternalID: "x", Name: "first"})
	again := reelvault.Session{
		ID: newID(), TenantID: w.ours.ID, ExternalID: "x", Name: "second", Status: reelvault.StatusClosed,
		CreatedAt: w.now, Participants: []reelvault.Participant{{ID: "p", Role: reelvault.RoleGuest, JoinedAt: w.now}},
	}
	got, added, err := w.CreateSession(t.Context(), again)
	ok(t, err)
	if added {
		t.Error("a second session with the external id was added")
	}
	same(t, "the one that is there", got, first)
	_, err = w.Session(t.Context(), w.ours.ID, again.ID)
	wantRefusal(t, err, reelvault.NotFound)

	// Other tenants and sessions without an external id don't meet.
	w.session(t, w.theirs, reelvault.Session{ExternalID: "x"})
	w.session(t, w.ours, reelvault.Session{})
	w.session(t, w.ours, reelvault.Session{})

	again.ID, again.ExternalID = first.ID, ""
	_, _, err = w.CreateSession(t.Context(), again)
	wantRefusal(t, err, reelvault.Conflict)
	again.ID, again.TenantID = newID(), newID()
	_, _, err = w.CreateSession(t.Context(), again)
	wantRefusal(t, err, reelvault.NotFound)
}

func sessionUpsertRace(t *testing.T, w *world) {
	t.Helper()
	const rivals = 16
	ids, wins := make([]string, rivals), make([]bool, rivals)
	race(t, rivals, func(ctx context.Context, i int) error {
		s, added, err := w.CreateSession(ctx, reelvault.Session{
			ID: newID(), TenantID: w.ours.ID, ExternalID: "x", Status: reelvault.StatusCreated, CreatedAt: w.now,
		})
		ids[i], wins[i] = s.ID, added
		return err
	})
	if n := count(wins); n != 1 {
		t.Errorf("%d of %d have added it, want 1", n, rivals)
	}
	if len(slices.Compact(ids)) != 1 {
		t.Errorf("they were given different sessions: %v", ids)
	}
}

func sessionTenancy(t *testing.T, w *world) {
	t.Helper()
	s := w.session(t, w.ours, reelvault.Session{})
	_, err := w.Session(t.Context(), w.theirs.ID, s.ID)
	wantRefusal(t, err, reelvault.NotFound)
	_, err = w.MoveSession(t.Context(), w.theirs.ID, s.ID, reelvault.StatusClosed, "", w.now)
	wantRefusal(t, err, reelvault.NotFound)
	_, err = w.MoveSession(t.Context(), w.ours.ID, newID(), reelvault.StatusClosed, "", w.now)
	wantRefusal(t, err, reelvault.NotFound)
	guest := reelvault.Participant{ID: "p", Role: reelvault.RoleGuest, JoinedAt: w.now}
	_, err = w.SetParticipant(t.Context(), w.theirs.ID, s.ID, guest, nil)
	wantRefusal(t, err, reelvault.NotFound)
	_, err = w.SetParticipant(t.Context(), w.ours.ID, newID(), guest, nil)
	wantRefusal(t, err, reelvault.NotFound)
	wantRefusal(t, w.CreateRecording(t.Context(), reelvault.Recording{
		ID: newID(), TenantID: w.theirs.ID, SessionID: s.ID, State: reelvault.RecordingRunning, StartedAt: w.now,
	}), reelvault.NotFound)
	got, err := w.Session(t.Context(), w.ours.ID, s.ID)
	ok(t, err)
	same(t, "the session", got, s)
	list, next, err := w.Sessions(t.Context(), storage.SessionFilter{TenantID: w.theirs.ID}, storage.Page{Limit: 10})
	ok(t, err)
	if list == nil || len(list) != 0 || next != "" {
		t.Errorf("the other tenant's list is %#v, %q", list, next)
	}
}

func sessionMoves(t *testing.T, w *world) {
	t.Helper()
	end := w.now.Add(time.Minute)
	for _, from := range reelvault.SessionStatuses {
		for _, to := range slices.Concat(reelvault.SessionStatuses, []reelvault.SessionStatus{"", "active"}) {
			before := w.session(t, w.ours, reelvault.Session{Status: from})
			got, err := w.MoveSession(t.Context(), w.ours.ID, before.ID, to, reelvault.ReasonGuestLeft, end)
			want := before
			if from.CanBecome(to) {
				ok(t, err)
				want.Status = to
				if !to.Live() {
					want.EndedAt, want.TerminationReason = end, reelvault.ReasonGuestLeft
				}
				same(t, string(from+" to "+to), got, want)
			} else {
				wantRefusal(t, err, reelvault.Conflict, string(from))
			}
			got, err = w.Session(t.Context(), w.ours.ID, before.ID)
			ok(t, err)
			same(t, string(from+" to "+to), got, want)
		}
	}
}

func sessionMoveRace(t *testing.T, w *world) {
	t.Helper()
	s := w.session(t, w.ours, reelvault.Session{Status: reelvault.StatusActive})
	const rivals = 8
	wins := make([]bool, rivals)
	race(t, rivals, func(ctx context.Context, i int) error {
		_, err := w.MoveSession(ctx, w.ours.ID, s.ID, reelvault.StatusClosed, "", w.now)
		wins[i] = err == nil
		if reelvault.KindOf(err) == reelvault.Conflict {
			return nil
		}
		return err
	})
	if n := count(wins); n != 1 {
		t.Errorf("%d of %d have ended it, want 1", n, rivals)
	}
}

func sessionsListed(t *testing.T, w *world) {
	t.Helper()
	var every, live, ended []string
	// Two sessions share each millisecond, so that the id has to decide.
	for i, status := range slices.Concat(reelvault.SessionStatuses, reelvault.SessionStatuses) {
		s := w.session(t, w.ours, reelvault.Session{
			Status: status, CreatedAt: w.now.Add(time.Duration(i/2) * time.Millisecond),
			Participants: []reelvault.Participant{{ID: "p" + string(rune('a'+i)), Role: reelvault.RoleGuest, JoinedAt: w.now}},
		})
		every = append(every, s.ID)
		if status.Live() {
			live = append(live, s.ID)
		} else {
			ended = append(ended, s.ID)
		}
	}
	w.session(t, w.theirs, reelvault.Session{})
	yes, no := true, false
	for _, test := range []struct {
		name string
		live *bool
		want []string
	}{{"all", nil, every}, {"live", &yes, live}, {"ended", &no, ended}} {
		slices.Reverse(test.want)
		f := storage.SessionFilter{TenantID: w.ours.ID, Live: test.live}
		for limit := 1; limit <= len(test.want)+1; limit++ {
			got := walk(t, limit, sessionPages(w, f), func(s reelvault.Session) string {
				if len(s.Participants) != 1 {
					t.Errorf("a listed session has participants %v, want 1", s.Participants)
				}
				return s.ID
			}, func() {})
			same(t, test.name, got, test.want)
		}
	}
}

func sessionPages(w *world, f storage.SessionFilter) func(context.Context, storage.Page) ([]reelvault.Session, string, error) {
	return func(ctx context.Context, p storage.Page) ([]reelvault.Session, string, error) {
		return w.Sessions(ctx, f, p)
	}
}

func sessionsUnderInserts(t *testing.T, w *world) {
	t.Helper()
	var want []string
	for range 9 {
		want = append(want, w.session(t, w.ours, reelvault.Session{}).ID)
	}
	slices.Reverse(want)
	got := walk(t, 2, sessionPages(w, storage.SessionFilter{TenantID: w.ours.ID}),
		func(s reelvault.Session) string { return s.ID },
		func() { w.session(t, w.ours, reelvault.Session{CreatedAt: w.now.Add(time.Second)}) })
	same(t, "ids", got, want)
}

func sessionCursors(t *testing.T, w *world) {
	t.Helper()
	for range 2 {
		w.session(t, w.ours, reelvault.Session{})
	}
	f := storage.SessionFilter{TenantID: w.ours.ID}
	_, next, err := w.Sessions(t.Context(), f, storage.Page{Limit: 1})
	ok(t, err)
	for _, bad := range badCursors(next) {
		_, _, err = w.Sessions(t.Context(), f, storage.Page{Limit: 1, After: bad})
		wantRefusal(t, err, reelvault.Invalid)
	}
	_, _, err = w.Tenants(t.Context(), storage.Page{Limit: 1, After: next})
	wantRefusal(t, err, reelvault.Invalid)
	for _, limit := range []int{0, -1} {
		_, _, err = w.Sessions(t.Context(), f, storage.Page{Limit: limit})
		wantRefusal(t, err, reelvault.Invalid)
	}
	got, _, err := w.Sessions(t.Context(), f, storage.Page{Limit: int(^uint(0) >> 1)})
	ok(t, err)
	if len(got) != 2 {
		t.Errorf("the largest limit gives %d sessions, want 2", len(got))
	}
}

func recordingsCounted(t *testing.T, w *world) {
	t.Helper()
	s := w.session(t, w.ours, reelvault.Session{})
	for _, state := range reelvault.RecordingStates {
		ok(t, w.CreateRecording(t.Context(), reelvault.Recording{
			ID: newID(), TenantID: w.ours.ID, SessionID: s.ID, Kind: reelvault.RecordingAV, State: state, StartedAt: w.now,
		}))
	}
	want := len(reelvault.RecordingStates) - 1
	got, err := w.Session(t.Context(), w.ours.ID, s.ID)
	ok(t, err)
	if got.Recordings != want {
		t.Errorf("the session has %d recordings, want %d", got.Recordings, want)
	}
	list, _, err := w.Sessions(t.Context(), storage.SessionFilter{TenantID: w.ours.ID}, storage.Page{Limit: 1})
	ok(t, err)
	if len(list) != 1 || list[0].Recordings != want {
		t.Errorf("the list says %+v, want %d recordings", list, want)
	}
}

// race runs f n times at once and fails if one of them does.
func race(t *testing.T, n int, f func(ctx context.Context, i int) error) {
	t.Helper()
	errs := make([]error, n)
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-gate
			errs[i] = f(t.Context(), i)
		})
	}
	close(gate)
	wg.Wait()
	for _, err := range errs {
		ok(t, err)
	}
}

func count(flags []bool) int {
	n := 0
	for _, f := range flags {
		if f {
			n++
		}
	}
	return n
}
