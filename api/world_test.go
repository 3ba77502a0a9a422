package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/sqlite"
)

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// tenant is a tenant with one of everything.
type tenant struct {
	ID        string
	Token     string // of all scopes but system
	TokenID   string
	PersonID  string
	Cookie    string
	Session   string
	Recording string // ready, with one sealed file
	File      string
}

// world is a server over a real catalog, and fakes where media would be.
type world struct {
	*api.Server
	catalog *faultyCatalog
	control *control
	gateway *gateway
	sink    *sink
	files   *files
	feed    *api.Feed
	clock   *clock
	parts   []api.Part
	// announced is the path of the upload that was announced as a sample last.
	announced string
	logs      *bytes.Buffer // read it when no request runs
	a, b      tenant
}

// everything is all scopes but system.
var everything = slices.DeleteFunc(slices.Clone(reelvault.Scopes), func(s reelvault.Scope) bool {
	return s == reelvault.ScopeSystem
})

// grace is longer than any test: nobody leaves by themselves but where a test
// is about that.
const grace = time.Hour

// roomy limits are met by no test that does not set its own.
func roomy() api.Limits {
	wide := api.Limit{PerMinute: 1_000_000, Burst: 1_000_000}
	return api.Limits{Address: wide, Credential: wide, Offers: wide, Ticket: wide, Messages: wide, SignIns: wide, Failures: wide}
}

func newWorld(tb testing.TB, change ...func(*api.Config)) *world {
	tb.Helper()
	return newWorldOf(tb, grace, change...)
}

// newWorldOf is newWorld with another grace time.
func newWorldOf(tb testing.TB, grace time.Duration, change ...func(*api.Config)) *world {
	tb.Helper()
	w := &world{clock: &clock{now: time.Now().UTC().Truncate(time.Millisecond)}, logs: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(&lockedWriter{w: w.logs}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	db, err := sqlite.Open(tb.Context(), filepath.Join(tb.TempDir(), "catalog.db"), w.clock.Now, log)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if closeErr := db.Close(); closeErr != nil {
			tb.Error(closeErr)
		}
	})
	w.catalog = &faultyCatalog{Catalog: db}
	w.control = &control{catalog: db, now: w.clock.Now}
	w.gateway = &gateway{connections: map[string]string{}}
	w.sink, w.files = &sink{}, &files{content: map[string][]byte{}}
	w.parts = []api.Part{{Name: "catalog", Vital: true}, {Name: "store"}}
	public, _ := url.Parse("http://reelvault.test")
	w.feed = api.NewFeed(api.FeedConfig{Catalog: w.catalog, Grace: grace, Now: w.clock.Now, Log: log})
	tb.Cleanup(w.feed.Close)
	c := api.Config{
		Feed: w.feed, Catalog: w.catalog, Control: w.control, Gateway: w.gateway, Sink: w.sink, Files: w.files, Uploads: w.newUploads(tb),
		Health: func(context.Context) []api.Part { return w.parts },
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "reelvault_up 1\n")
		}),
		PublicURL:      public,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Limits:         roomy(), Now: w.clock.Now, Log: log,
	}
	for _, f := range change {
		f(&c)
	}
	if w.Server, err = api.New(c); err != nil {
		tb.Fatal(err)
	}
	w.a = w.newTenant(tb, reelvault.DefaultTenant)
	w.b = w.newTenant(tb, "other")
	return w
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func (w *world) newTenant(tb testing.TB, name string) tenant {
	tb.Helper()
	t := tenant{ID: newID(), PersonID: newID()}
	must(tb, w.catalog.CreateTenant(tb.Context(), reelvault.Tenant{
		ID: t.ID, Name: name, CreatedAt: w.clock.Now(), Features: reelvault.Features{AV: true},
		MaxFileBytes: reelvault.DefaultMaxFileBytes,
		Consent:      reelvault.ConsentNotice{Text: "May we record this?", Version: "1", Language: "en"},
	}))
	must(tb, w.catalog.CreatePerson(tb.Context(), reelvault.Person{
		ID: t.PersonID, TenantID: t.ID, Name: "Ada", Scopes: everything, CreatedAt: w.clock.Now(),
	}))
	t.Token, t.TokenID = w.token(tb, t, everything...)
	t.Cookie, _ = w.credential(tb, reelvault.Credential{
		Kind: reelvault.CredentialCookie, TenantID: t.ID, PersonID: t.PersonID, Name: "Ada",
		ExpiresAt: w.clock.Now().Add(12 * time.Hour),
	})
	t.Session = w.session(tb, t)
	t.Recording, t.File = w.recording(tb, t, t.Session, reelvault.RecordingReady)
	return t
}

func (w *world) setFeatures(tb testing.TB, f reelvault.Features) {
	tb.Helper()
	_, err := w.catalog.UpdateTenant(tb.Context(), w.a.ID, func(t *reelvault.Tenant) error {
		t.Features = f
		return nil
	})
	must(tb, err)
}

// credential stores c with a new secret.
func (w *world) credential(tb testing.TB, c reelvault.Credential) (secret, id string) {
	tb.Helper()
	s, hash := api.NewSecret(c.Kind)
	c.ID, c.Hash, c.CreatedAt = newID(), hash, w.clock.Now()
	must(tb, w.catalog.CreateCredentials(tb.Context(), []reelvault.Credential{c}))
	return s.Reveal(), c.ID
}

func (w *world) token(tb testing.TB, t tenant, scopes ...reelvault.Scope) (secret, id string) {
	tb.Helper()
	return w.credential(tb, reelvault.Credential{
		Kind: reelvault.CredentialToken, TenantID: t.ID, Name: "test token", Scopes: scopes,
	})
}

func (w *world) session(tb testing.TB, t tenant) string {
	tb.Helper()
	s := reelvault.Session{
		ID: newID(), TenantID: t.ID, Name: "Sale \u201cnine\u201d", Channel: reelvault.ChannelAV, Source: reelvault.SourceDefault,
		Status: reelvault.StatusCreated, CreatedAt: w.clock.Now(),
	}
	_, _, err := w.catalog.CreateSession(tb.Context(), s)
	must(tb, err)
	return s.ID
}

// recording makes a recording in a state, with one file and track.
func (w *world) recording(tb testing.TB, t tenant, session string, state reelvault.RecordingState) (id, file string) {
	tb.Helper()
	r := reelvault.Recording{
		ID: newID(), TenantID: t.ID, SessionID: session, Kind: reelvault.RecordingAV,
		State: reelvault.RecordingRunning, StartedAt: w.clock.Now(),
	}
	must(tb, w.catalog.CreateRecording(tb.Context(), r))
	f := reelvault.File{ID: newID(), RecordingID: r.ID, Container: reelvault.WebM, Durability: reelvault.Spooled}
	f.Key = t.ID + "/" + f.ID
	must(tb, w.catalog.SaveFile(tb.Context(), f))
	events := map[reelvault.RecordingState][]reelvault.RecordingEvent{
		reelvault.RecordingReady:      {reelvault.EventSeal, reelvault.EventReady},
		reelvault.RecordingProcessing: {reelvault.EventSeal},
		reelvault.RecordingPaused:     {reelvault.EventPause},
	}[state]
	if state == reelvault.RecordingReady {
		f.Sealed, f.Bytes, f.Duration = true, int64(len(content)), 2*time.Second
		must(tb, w.catalog.SaveFile(tb.Context(), f))
	}
	must(tb, w.catalog.SaveTracks(tb.Context(), []reelvault.Track{{
		ID: newID(), RecordingID: r.ID, FileID: f.ID, Lane: 1, ParticipantID: "guest-1", Role: reelvault.RoleGuest,
		Type: reelvault.TrackGuest, Media: reelvault.Audio, Codec: reelvault.Opus, Duration: 2 * time.Second,
		Gaps: []reelvault.Gap{
			{Start: 100 * time.Millisecond, End: 140 * time.Millisecond, Cause: reelvault.GapLoss},
			{Start: time.Second, End: 1500 * time.Millisecond, Cause: reelvault.GapPause, By: "Ada", Reason: "card number"},
		},
	}}))
	for _, e := range events {
		_, err := w.catalog.MoveRecording(tb.Context(), r.ID, e, reelvault.Recording{EndedAt: w.clock.Now().Add(2 * time.Second)})
		must(tb, err)
	}
	w.files.put(f.ID, content)
	return r.ID, f.ID
}

// content is what every file holds.
var content = bytes.Repeat([]byte("0123456789"), 100)

// call is one request.
type call struct {
	method, path string
	body         string // JSON unless header says otherwise
	bearer       string
	cookie       string
	header       map[string]string
	from         string // RemoteAddr; empty: 192.0.2.1:1234
	once         bool   // hang up after the first bytes of a stream
}

// hanger ends a request once something was sent.
type hanger struct {
	*httptest.ResponseRecorder
	hangUp context.CancelFunc
}

// Flush implements http.Flusher.
func (h hanger) Flush() { h.hangUp() }

func (w *world) do(c call) *httptest.ResponseRecorder {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, c.method, "http://reelvault.test"+c.path, strings.NewReader(c.body))
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	if c.cookie != "" {
		r.AddCookie(&http.Cookie{Name: "reelvault", Value: c.cookie})
	}
	for k, v := range c.header {
		r.Header.Set(k, v)
	}
	if c.from != "" {
		r.RemoteAddr = c.from
	}
	rec := httptest.NewRecorder()
	if c.once {
		w.ServeHTTP(hanger{rec, cancel}, r)
		return rec
	}
	w.ServeHTTP(rec, r)
	return rec
}

// await waits until something holds.
func (w *world) await(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			tb.Fatalf("%s never came", what)
		}
	}
}

// csrf gives the token that belongs to a cookie.
func (w *world) csrf(tb testing.TB, cookie string) string {
	tb.Helper()
	return decode[struct {
		CSRFToken string `json:"csrfToken"`
	}](tb, w.do(call{method: "GET", path: "/api/v1/me", cookie: cookie})).CSRFToken
}

func decode[T any](tb testing.TB, rec *httptest.ResponseRecorder) T {
	tb.Helper()
	var v T
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		tb.Fatalf("got status %d and body %q: %v", rec.Code, rec.Body, err)
	}
	return v
}

func wantStatus(tb testing.TB, rec *httptest.ResponseRecorder, want int) {
	tb.Helper()
	if rec.Code != want {
		tb.Fatalf("got status %d, want %d; body %s", rec.Code, want, rec.Body)
	}
}

// lastEvent gives the newest audit event of a tenant.
func (w *world) lastEvent(tb testing.TB, tenantID string) reelvault.AuditEvent {
	tb.Helper()
	events, _, err := w.catalog.Audit(tb.Context(), tenantID, storage.Page{Limit: 1})
	must(tb, err)
	if len(events) == 0 {
		return reelvault.AuditEvent{}
	}
	return events[0]
}
