package storagetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

var activityTests = []catalogTest{
	{"an activity comes back as it was appended, with its number", activityComesBack},
	{"activities are numbered by tenant, without holes", activitiesNumbered},
	{"many that append at once leave no hole, and a reader misses none", activitiesRace},
	{"activities are appended all or none", activitiesAllOrNone},
	{"a client id is one activity of one participant in one session", activityOnce},
	{"activities are read from a number on, of a session or a tenant", activitiesRead},
	{"an activity is its tenant's alone", activityTenancy},
}

// activity gives one of a session; it isn't appended.
func (w *world) activity(s reelvault.Session, text string) reelvault.Activity {
	return reelvault.Activity{
		ID: newID(), TenantID: s.TenantID, SessionID: s.ID, At: w.now, Type: reelvault.ActivityChatMessage,
		Actor: reelvault.ActorGuest, ParticipantID: "guest", Text: text,
	}
}

func (w *world) appended(t *testing.T, as ...reelvault.Activity) []reelvault.Activity {
	t.Helper()
	kept, err := w.AppendActivities(t.Context(), as)
	ok(t, err)
	return kept
}

// texts reads what is after a number.
func (w *world) texts(t *testing.T, f storage.ActivityFilter) []string {
	t.Helper()
	as, err := w.Activities(t.Context(), f)
	ok(t, err)
	texts := []string{}
	for _, a := range as {
		texts = append(texts, a.Text)
	}
	return texts
}

func activityComesBack(t *testing.T, w *world) {
	t.Helper()
	s := w.session(t, w.ours, reelvault.Session{})
	full := reelvault.Activity{
		Seq: 4711, ID: newID(), TenantID: w.ours.ID, SessionID: s.ID,
		At: time.Date(2026, 10, 25, 2, 59, 59, 999_999_999, time.FixedZone("CET", 3600)), Type: reelvault.ActivitySharedFile,
		Actor: reelvault.ActorUser, ParticipantID: "operator-7", Text: "Smlouva „A“ 👩‍👧\r\n", Data: `{"bytes":1}`,
		FileID: newID(), ClientID: "c1",
	}
	plain := reelvault.Activity{ID: newID(), TenantID: w.ours.ID, SessionID: s.ID, At: w.now, Type: reelvault.ActivityRecordingStarted}
	kept := w.appended(t, full, plain)
	full.Seq, plain.Seq = 1, 2
	full.At = time.Date(2026, 10, 25, 1, 59, 59, 999_000_000, time.UTC)
	same(t, "answer", kept, []reelvault.Activity{full, plain})
	got, err := w.Activities(t.Context(), storage.ActivityFilter{TenantID: w.ours.ID, Limit: 9})
	ok(t, err)
	same(t, "kept", got, []reelvault.Activity{full, plain})

	none, err := w.AppendActivities(t.Context(), nil)
	ok(t, err)
	if len(none) != 0 {
		t.Errorf("appending nothing gives %v", none)
	}
}

func activitiesNumbered(t *testing.T, w *world) {
	t.Helper()
	a, b := w.session(t, w.ours, reelvault.Session{}), w.session(t, w.ours, reelvault.Session{})
	foreign := w.session(t, w.theirs, reelvault.Session{})
	for i, step := range []struct {
		s    reelvault.Session
		want int64
	}{{a, 1}, {foreign, 1}, {b, 2}, {a, 3}, {foreign, 2}} {
		if got := w.appended(t, w.activity(step.s, "x"))[0].Seq; got != step.want {
			t.Errorf("activity %d has number %d, want %d", i, got, step.want)
		}
	}
	for tenant, want := range map[string]int64{w.ours.ID: 3, w.theirs.ID: 2, newID(): 0} {
		got, err := w.LatestActivity(t.Context(), tenant)
		ok(t, err)
		if got != want {
			t.Errorf("the latest is %d, want %d", got, want)
		}
	}
	_, err := w.MoveSession(t.Context(), w.ours.ID, a.ID, reelvault.StatusClosed, "", w.now)
	ok(t, err)
	if got := w.appended(t, w.activity(a, "after the end"))[0].Seq; got != 4 {
		t.Errorf("after the end of the session the number is %d, want 4", got)
	}
}

// activitiesRace lets a reader follow while writers append, some of whom fail.
func activitiesRace(t *testing.T, w *world) {
	t.Helper()
	s := w.session(t, w.ours, reelvault.Session{})
	taken := w.appended(t, w.activity(s, "first"))[0]
	const writers, each = 12, 10
	var reader sync.WaitGroup
	var followed []int64
	reader.Go(func() { followed = w.follow(t, 1+writers/2*each*2) })
	race(t, writers, func(ctx context.Context, i int) error {
		for range each {
			as := []reelvault.Activity{w.activity(s, "x"), w.activity(s, "y")}
			if i%2 == 1 {
				as[1].ID = taken.ID
			}
			_, err := w.AppendActivities(ctx, as)
			if i%2 == 0 && err != nil {
				return err
			}
			if i%2 == 1 && reelvault.KindOf(err) != reelvault.Conflict {
				return fmt.Errorf("an id that is taken gives %w", err)
			}
		}
		return nil
	})
	reader.Wait()
	want := []int64{}
	for i := range int64(1 + writers/2*each*2) {
		want = append(want, i+1)
	}
	same(t, "what the reader saw", followed, want)
}

// follow reads on and on until it has seen a number, and gives all it saw.
func (w *world) follow(t *testing.T, until int64) []int64 {
	t.Helper()
	var seen []int64
	for last := int64(0); last < until; {
		as, err := w.Activities(t.Context(), storage.ActivityFilter{TenantID: w.ours.ID, After: last, Limit: 7})
		if err != nil {
			t.Error(err)
			return seen
		}
		for _, a := range as {
			last = a.Seq
			seen = append(seen, a.Seq)
		}
	}
	return seen
}

func activitiesAllOrNone(t *testing.T, w *world) {
	t.Helper()
	s, foreign := w.session(t, w.ours, reelvault.Session{}), w.session(t, w.theirs, reelvault.Session{})
	first := w.appended(t, w.activity(s, "first"))[0]
	again, lost, theirs := w.activity(s, "again"), w.activity(s, "lost"), w.activity(foreign, "theirs")
	again.ID, lost.SessionID = first.ID, newID()
	for what, tt := range map[string]struct {
		bad  reelvault.Activity
		want reelvault.Kind
	}{
		"an id that is taken":           {again, reelvault.Conflict},
		"a session that isn't there":    {lost, reelvault.NotFound},
		"an activity of another tenant": {theirs, reelvault.Invalid},
	} {
		t.Log(what)
		_, err := w.AppendActivities(t.Context(), []reelvault.Activity{w.activity(s, "good"), tt.bad})
		wantRefusal(t, err, tt.want)
	}
	same(t, "ours", w.texts(t, storage.ActivityFilter{TenantID: w.ours.ID, Limit: 9}), []string{"first"})
	same(t, "theirs", w.texts(t, storage.ActivityFilter{TenantID: w.theirs.ID, Limit: 9}), []string{})
	if got := w.appended(t, w.activity(s, "second"))[0].Seq; got != 2 {
		t.Errorf("the next number is %d, want 2", got)
	}
}

func activityOnce(t *testing.T, w *world) {
	t.Helper()
	s := w.session(t, w.ours, reelvault.Session{})
	named := func(s reelvault.Session, participant, text string) reelvault.Activity {
		a := w.activity(s, text)
		a.ClientID, a.ParticipantID = "1", participant
		return a
	}
	const rivals = 16
	kept := make([]reelvault.Activity, rivals)
	race(t, rivals, func(ctx context.Context, i int) error {
		as, err := w.AppendActivities(ctx, []reelvault.Activity{named(s, "guest", fmt.Sprint(i))})
		if err == nil {
			kept[i] = as[0]
		}
		return err
	})
	if len(slices.Compact(kept)) != 1 {
		t.Errorf("they were given different activities: %+v", kept)
	}
	// Beside it, one that is new is added; the same id of another participant,
	// in another session and none at all is another activity.
	both := w.appended(t, named(s, "guest", "again"), w.activity(s, "new"))
	same(t, "the one that is there", both[0], kept[0])
	w.appended(t, named(s, "operator", "b"), named(w.session(t, w.ours, reelvault.Session{}), "guest", "c"), w.activity(s, "d"))
	same(t, "all", w.texts(t, storage.ActivityFilter{TenantID: w.ours.ID, Limit: 99}), []string{kept[0].Text, "new", "b", "c", "d"})
}

func activitiesRead(t *testing.T, w *world) {
	t.Helper()
	a, b := w.session(t, w.ours, reelvault.Session{}), w.session(t, w.ours, reelvault.Session{})
	for i, s := range []reelvault.Session{a, b, a, a, b} {
		w.appended(t, w.activity(s, fmt.Sprint(i+1)))
	}
	for _, tt := range []struct {
		session string
		after   int64
		limit   int
		want    []string
	}{
		{"", 0, 9, []string{"1", "2", "3", "4", "5"}},
		{"", 0, 2, []string{"1", "2"}},
		{"", 2, 2, []string{"3", "4"}},
		{"", 5, 2, []string{}},
		{"", 1 << 60, 2, []string{}},
		{"", -1, 1, []string{"1"}},
		{a.ID, 0, 9, []string{"1", "3", "4"}},
		{a.ID, 1, 1, []string{"3"}},
		{b.ID, 2, 9, []string{"5"}},
		{newID(), 0, 9, []string{}},
	} {
		f := storage.ActivityFilter{TenantID: w.ours.ID, SessionID: tt.session, After: tt.after, Limit: tt.limit}
		same(t, fmt.Sprintf("%+v", f), w.texts(t, f), tt.want)
	}
	_, err := w.Activities(t.Context(), storage.ActivityFilter{TenantID: w.ours.ID})
	wantRefusal(t, err, reelvault.Invalid)
}

func activityTenancy(t *testing.T, w *world) {
	t.Helper()
	s := w.session(t, w.ours, reelvault.Session{})
	w.appended(t, w.activity(s, "ours"))
	foreign := w.activity(s, "foreign")
	foreign.TenantID = w.theirs.ID
	_, err := w.AppendActivities(t.Context(), []reelvault.Activity{foreign})
	wantRefusal(t, err, reelvault.NotFound)
	for _, session := range []string{"", s.ID} {
		f := storage.ActivityFilter{TenantID: w.theirs.ID, SessionID: session, Limit: 9}
		same(t, "what the others read", w.texts(t, f), []string{})
	}
}
