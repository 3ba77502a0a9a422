package storagetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

var hostileTests = []catalogTest{
	{"any string is kept whole or refused as invalid", hostileStrings},
	{"times far away are kept", farTimes},
	{"a call whose context has ended has no effect", endedContext},
	{"many writers at once lose nothing", manyWriters},
	{"a call that is cut off midway is whole or gone, and alone in that", cutOffMidway},
	{"a catalog that is closed says so", closedCatalog},
}

func hostileStrings(t *testing.T, w *world) {
	t.Helper()
	for name, text := range map[string]string{
		"nul":       "before\x00after",
		"megabyte":  strings.Repeat("ž", 1<<19),
		"emoji":     "👩‍👩‍👧‍👦 \u202e\ufeff",
		"sql":       `'); DROP TABLE sessions; --`,
		"wildcards": `%_\*?`,
		"quotes":    "\"'`\r\n\t",
		"not utf-8": "\xff\xfe\x80",
		"number":    "0012e3",
	} {
		t.Log(name)
		s := reelvault.Session{
			ID: newID(), TenantID: w.ours.ID, ExternalID: text, Name: text, Status: reelvault.StatusCreated, CreatedAt: w.now,
			Participants: []reelvault.Participant{{ID: text, Role: reelvault.Role(text), JoinedAt: w.now}},
		}
		_, _, err := w.CreateSession(t.Context(), s)
		if reelvault.KindOf(err) == reelvault.Invalid {
			continue
		}
		ok(t, err)
		got, err := w.Session(t.Context(), w.ours.ID, s.ID)
		ok(t, err)
		if got.Name != text || got.ExternalID != text || got.Participants[0] != s.Participants[0] {
			t.Errorf("%s came back otherwise", name)
		}
		again, added, err := w.CreateSession(t.Context(), reelvault.Session{ID: newID(), TenantID: w.ours.ID, ExternalID: text, CreatedAt: w.now})
		ok(t, err)
		if added || again.ID != s.ID {
			t.Errorf("%s as an external id isn't found again", name)
		}
		_, err = w.Session(t.Context(), text, s.ID)
		wantRefusal(t, err, reelvault.NotFound)
		_, err = w.Session(t.Context(), w.ours.ID, text)
		wantRefusal(t, err, reelvault.NotFound)
		_, err = w.TenantNamed(t.Context(), text)
		wantRefusal(t, err, reelvault.NotFound)
	}
}

func farTimes(t *testing.T, w *world) {
	t.Helper()
	for _, at := range []time.Time{
		time.Date(1969, 12, 31, 23, 59, 59, 999_000_000, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		s := w.session(t, w.ours, reelvault.Session{CreatedAt: at})
		if !s.CreatedAt.Equal(at) || s.CreatedAt.Location() != time.UTC {
			t.Errorf("%v came back as %v", at, s.CreatedAt)
		}
	}
}

func endedContext(t *testing.T, w *world) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := reelvault.Session{ID: newID(), TenantID: w.ours.ID, Status: reelvault.StatusCreated, CreatedAt: w.now}
	_, _, err := w.CreateSession(ctx, s)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("creating gives %v, want %v", err, context.Canceled)
	}
	_, err = w.Session(ctx, w.ours.ID, s.ID)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("reading gives %v, want %v", err, context.Canceled)
	}
	_, err = w.Session(t.Context(), w.ours.ID, s.ID)
	wantRefusal(t, err, reelvault.NotFound)
	w.session(t, w.ours, reelvault.Session{})
}

// manyWriters has writers that succeed, fail and give up side by side: the
// fate of one must not touch another's.
func manyWriters(t *testing.T, w *world) {
	t.Helper()
	const writers, each = 24, 12
	race(t, writers, func(ctx context.Context, i int) error {
		for range each {
			mine, cancel := context.WithCancel(ctx)
			if i%3 == 2 {
				cancel()
			}
			name := w.ours.Name // taken
			if i%3 == 0 {
				name = newID()
			}
			err := w.CreateTenant(mine, reelvault.Tenant{ID: newID(), Name: name, CreatedAt: w.now})
			cancel()
			if i%3 == 1 && reelvault.KindOf(err) == reelvault.Conflict || i%3 == 2 && errors.Is(err, context.Canceled) {
				continue
			}
			if err != nil || i%3 != 0 {
				return errors.Join(errors.New("a writer was told another's fate"), err)
			}
		}
		return nil
	})
	got := walk(t, 100, w.Tenants, func(x reelvault.Tenant) string { return x.ID }, func() {})
	if want := writers/3*each + 2; len(got) != want {
		t.Errorf("%d tenants are there, want %d", len(got), want)
	}
}

// cutOffMidway ends the context of a long write while others are at work.
func cutOffMidway(t *testing.T, w *world) {
	t.Helper()
	r := w.recording(t, w.ours, reelvault.RecordingRunning)
	f := w.file(t, r.ID)
	const rounds, size, others = 10, 300, 6
	kept := 0
	for range rounds {
		tracks := make([]reelvault.Track, size)
		for i := range tracks {
			tracks[i] = reelvault.Track{ID: newID(), RecordingID: r.ID, FileID: f.ID, Lane: i}
		}
		long, cancel := context.WithCancel(t.Context())
		race(t, others+1, func(ctx context.Context, i int) error {
			if i < others {
				err := w.Append(ctx, reelvault.AuditEvent{ID: newID(), TenantID: w.ours.ID, At: w.now})
				cancel()
				return err
			}
			err := w.SaveTracks(long, tracks)
			if err == nil {
				kept += size
			}
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		})
		cancel()
	}
	got, err := w.Recording(t.Context(), w.ours.ID, r.ID)
	ok(t, err)
	if len(got.Tracks) != kept {
		t.Errorf("%d tracks are there, want the %d that were acknowledged", len(got.Tracks), kept)
	}
	events, _, err := w.Audit(t.Context(), w.ours.ID, storage.Page{Limit: 2 * rounds * others})
	ok(t, err)
	if len(events) != rounds*others {
		t.Errorf("%d events are there, want %d", len(events), rounds*others)
	}
}

func closedCatalog(t *testing.T, w *world) {
	t.Helper()
	ok(t, w.Check(t.Context()))
	ok(t, w.Close())
	ok(t, w.Close())
	wantRefusal(t, w.Check(t.Context()), reelvault.Unavailable)
	_, err := w.Tenant(t.Context(), w.ours.ID)
	wantRefusal(t, err, reelvault.Unavailable)
	_, _, err = w.Audit(t.Context(), w.ours.ID, storage.Page{Limit: 1})
	wantRefusal(t, err, reelvault.Unavailable)
	wantRefusal(t, w.SetUpload(t.Context(), newID(), ""), reelvault.Unavailable)
}
