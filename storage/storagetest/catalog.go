package storagetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

// Catalog runs the suite over a catalog. open gives an empty one that runs on
// the real clock, and sees to its closing.
func Catalog(t *testing.T, open func(t *testing.T) storage.Catalog) {
	t.Helper()
	for _, group := range [][]catalogTest{
		tenantTests, sessionTests, participantTests, consentTests, activityTests, noteTests, recordingTests, fileTests,
		transferTests, trackTests, accessTests, auditTests, hostileTests,
	} {
		for _, test := range group {
			t.Run(test.name, func(t *testing.T) {
				test.run(t, settle(t, open(t)))
			})
		}
	}
}

// catalogTest is one promise of the contract.
type catalogTest struct {
	name string // the promise
	run  func(t *testing.T, w *world)
}

// world is a catalog in which two tenants live.
type world struct {
	storage.Catalog
	ours, theirs reelvault.Tenant
	now          time.Time // what rows are stamped with; whole milliseconds
}

func settle(t *testing.T, c storage.Catalog) *world {
	t.Helper()
	w := &world{Catalog: c, now: time.Now().UTC().Truncate(time.Millisecond)}
	w.ours = reelvault.Tenant{ID: newID(), Name: "ours", Features: reelvault.Features{AV: true}, CreatedAt: w.now}
	w.theirs = reelvault.Tenant{ID: newID(), Name: "theirs", Features: reelvault.Features{Phone: true}, CreatedAt: w.now}
	for _, tenant := range []reelvault.Tenant{w.ours, w.theirs} {
		ok(t, c.CreateTenant(t.Context(), tenant))
	}
	return w
}

// session adds a session of tenant as the fields that matter are in s.
func (w *world) session(t *testing.T, tenant reelvault.Tenant, s reelvault.Session) reelvault.Session {
	t.Helper()
	s.ID, s.TenantID = newID(), tenant.ID
	s.Channel, s.Source = reelvault.ChannelAV, reelvault.SourceDefault
	if s.Status == "" {
		s.Status = reelvault.StatusCreated
	}
	if s.CreatedAt.IsZero() {
		s.CreatedAt = w.now
	}
	kept, added, err := w.CreateSession(t.Context(), s)
	ok(t, err)
	if !added {
		t.Fatalf("session %q was there already", s.ExternalID)
	}
	return kept
}

// recording adds a recording in state, in a session of its own.
func (w *world) recording(t *testing.T, tenant reelvault.Tenant, state reelvault.RecordingState) reelvault.Recording {
	t.Helper()
	r := reelvault.Recording{
		ID: newID(), TenantID: tenant.ID, SessionID: w.session(t, tenant, reelvault.Session{}).ID,
		Kind: reelvault.RecordingAV, State: state, Durability: reelvault.Spooled, StartedAt: w.now,
		Files: []reelvault.File{}, Tracks: []reelvault.Track{},
	}
	ok(t, w.CreateRecording(t.Context(), r))
	return r
}

// file adds a sealed file of 100 bytes to a recording.
func (w *world) file(t *testing.T, recordingID string) reelvault.File {
	t.Helper()
	id := newID()
	f := reelvault.File{
		ID: id, RecordingID: recordingID, Container: reelvault.WebM, Duration: time.Minute, Bytes: 100,
		Durability: reelvault.Spooled, Sealed: true, Key: "r/" + id + ".webm",
	}
	ok(t, w.SaveFile(t.Context(), f))
	return f
}

// credential gives one that ends in an hour; it isn't added.
func (w *world) credential(kind reelvault.CredentialKind) reelvault.Credential {
	id := newID()
	return reelvault.Credential{
		ID: id, Kind: kind, TenantID: w.ours.ID, Hash: sha256.Sum256([]byte(id)), Name: "a credential",
		Scopes: []reelvault.Scope{}, CreatedAt: w.now, ExpiresAt: w.now.Add(time.Hour),
	}
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func objectOf(f reelvault.File) storage.Object {
	return storage.Object{Key: f.Key, Version: "v1", Size: f.Bytes}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantRefusal fails unless err is of kind k and its text has each of words.
func wantRefusal(t *testing.T, err error, k reelvault.Kind, words ...string) {
	t.Helper()
	var e *reelvault.Error
	if !errors.As(err, &e) || e.Kind != k {
		t.Fatalf("got error %v, want one of kind %s", err, k)
	}
	for _, word := range words {
		if !strings.Contains(e.Message, word) {
			t.Errorf("got message %q, want it to name %q", e.Message, word)
		}
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// walk reads a list page by page and gives the ids of its rows. between runs
// after each page.
func walk[T any](
	t *testing.T, limit int, page func(context.Context, storage.Page) ([]T, string, error), id func(T) string, between func(),
) []string {
	t.Helper()
	var ids []string
	p := storage.Page{Limit: limit}
	for range 100 {
		rows, next, err := page(t.Context(), p)
		ok(t, err)
		if rows == nil {
			t.Error("a page is nil")
		}
		if len(rows) > limit {
			t.Errorf("a page has %d rows, want at most %d", len(rows), limit)
		}
		for _, row := range rows {
			ids = append(ids, id(row))
		}
		if next == "" {
			return ids
		}
		p.After = next
		between()
	}
	t.Fatal("the list has no end")
	return nil
}

// badCursors are cursors that no list may take.
func badCursors(real string) []string {
	return []string{
		"x", "!!!!", " ", strings.Repeat("A", 1<<16), "bnVsbA", real + "A", real[1:], real + "=", real + "\n", "\x00",
		strings.ToUpper(real) + "a",
	}
}
