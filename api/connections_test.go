package api_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
	"github.com/reelvault/reelvault/media"
)

// open opens a connection and gives its Location.
func (w *world) open(tb testing.TB, name, bearer string) string {
	tb.Helper()
	got := w.offer(name, w.a.Session, bearer, "")
	wantStatus(tb, got, 201)
	return got.Header().Get("Location")
}

// reach sends a trickle to a connection, and ends it.
func (w *world) reach(location, bearer string) (patch, hangUp *httptest.ResponseRecorder) {
	patch = w.do(call{method: "PATCH", path: location, bearer: bearer, body: "a=candidate:1\r\n", header: map[string]string{
		"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": etag,
	}})
	return patch, w.do(call{method: "DELETE", path: location, bearer: bearer})
}

// A connection is changed by the ticket that opened it, and by who may open
// one for anybody in this session; to all others it does not exist.
func TestConnectionsAreBound(t *testing.T) {
	w := newWorld(t)
	mine := w.ticket(t, w.a.Token, w.a.Session, "publish")
	same := w.ticket(t, w.a.Token, w.a.Session, "publish") // for the same participant, but not the one that opened it
	watch := w.ticket(t, w.a.Token, w.a.Session, "watch")
	elsewhere := w.ticket(t, w.a.Token, w.session(t, w.a), "publish")
	ingest, _ := w.token(t, w.a, reelvault.ScopeIngest)
	watcher, _ := w.token(t, w.a, reelvault.ScopeRecordingsWatch)
	published := w.open(t, "whip", mine)
	watched := w.open(t, "whep", watch)
	as := func(location, from, to string) string { return strings.Replace(location, "/"+from+"/", "/"+to+"/", 1) }
	for _, tt := range []struct {
		name, location, bearer string
		want                   int
	}{
		{"another tenant's token", published, w.b.Token, 404},
		{"another tenant's session", strings.Replace(published, w.a.Session, w.b.Session, 1), w.b.Token, 404},
		{"another session", strings.Replace(published, w.a.Session, w.session(t, w.a), 1), w.a.Token, 404},
		{"another ticket", published, same, 404},
		{"a ticket for another session", published, elsewhere, 404},
		{"a ticket to watch", published, watch, 403},
		{"a token to watch", published, watcher, 403},
		{"a publisher as a watcher, by token", as(published, "whip", "whep"), watcher, 404},
		{"a publisher as a watcher, by ticket", as(published, "whip", "whep"), watch, 404},
		{"a publisher as a watcher, by who may all", as(published, "whip", "whep"), w.a.Token, 404},
		{"a watcher as a publisher", as(watched, "whep", "whip"), ingest, 404},
		{"no credential", published, "", 401},
	} {
		patch, hangUp := w.reach(tt.location, tt.bearer)
		if patch.Code != tt.want || hangUp.Code != tt.want {
			t.Errorf("%s: got %d to PATCH and %d to DELETE, want %d", tt.name, patch.Code, hangUp.Code, tt.want)
		}
	}
	for _, tt := range []struct{ name, location, bearer string }{
		{"the ticket that opened it", published, mine},
		{"a token that may publish", w.open(t, "whip", mine), ingest},
		{"the watcher itself", watched, watch},
		{"a person's token", w.open(t, "whep", watch), w.a.Token},
	} {
		patch, hangUp := w.reach(tt.location, tt.bearer)
		if patch.Code != 204 || hangUp.Code != 200 {
			t.Errorf("%s: got %d to PATCH and %d to DELETE, want 204 and 200", tt.name, patch.Code, hangUp.Code)
		}
	}
}

// A credential that has ended reaches nothing, not even its own connection.
func TestConnectionsOfEndedCredentials(t *testing.T) {
	w := newWorld(t)
	issuer, id := w.token(t, w.a, everything...)
	direct := w.open(t, "whep", issuer)
	ticket := w.ticket(t, issuer, w.a.Session, "publish")
	through := w.open(t, "whip", ticket)
	wantStatus(t, w.do(call{method: "DELETE", path: "/api/v1/tokens/" + id, bearer: w.a.Token}), 204)
	short := w.ticket(t, w.a.Token, w.a.Session, "publish")
	expired := w.open(t, "whip", short)
	w.clock.advance(15*time.Minute + time.Second)
	for _, tt := range []struct{ name, location, bearer string }{
		{"revoked token", direct, issuer}, {"ticket of a revoked token", through, ticket}, {"expired ticket", expired, short},
	} {
		patch, hangUp := w.reach(tt.location, tt.bearer)
		if patch.Code != 401 || hangUp.Code != 401 {
			t.Errorf("%s: got %d to PATCH and %d to DELETE, want 401", tt.name, patch.Code, hangUp.Code)
		}
		wantStatus(t, w.offer("whip", w.a.Session, tt.bearer, ""), 401)
	}
}

// With the session its connections end, and no new one begins.
func TestConnectionsOfAnEndedSession(t *testing.T) {
	w := newWorld(t)
	ticket := w.ticket(t, w.a.Token, w.a.Session, "publish")
	location := w.open(t, "whip", ticket)
	wantStatus(t, w.do(call{method: "POST", path: "/api/v1/sessions/" + w.a.Session + "/end", bearer: w.a.Token}), 200)
	patch, hangUp := w.reach(location, ticket)
	wantStatus(t, patch, 404)
	wantStatus(t, hangUp, 404)
	wantStatus(t, w.offer("whip", w.a.Session, ticket, ""), 409)
}

// A feature that is switched off ends what runs, in this tenant; an offer that
// is being answered meanwhile gets nothing.
func TestFeatureOffEndsPublishers(t *testing.T) {
	w := newWorld(t)
	quiet := w.session(t, w.a)
	w.gateway.running = []media.Published{
		{Publisher: media.Publisher{TenantID: w.a.ID, SessionID: w.a.Session}}, {Publisher: media.Publisher{TenantID: w.b.ID, SessionID: w.b.Session}},
	}
	patch := func(av string) {
		t.Helper()
		wantStatus(t, w.do(call{
			method: "PATCH", path: "/api/v1/tenants/" + w.a.ID, bearer: w.a.Token, body: `{"features":{"av":` + av + `,"phone":false}}`,
		}), 200)
	}
	patch("true")
	if len(w.gateway.hungUp) != 0 {
		t.Errorf("got %v hung up with the feature on", w.gateway.hungUp)
	}
	patch("false")
	want := []string{w.a.Session}
	if !slices.Equal(w.gateway.hungUp, want) || !slices.Equal(w.control.stopped, want) {
		t.Errorf("got %v hung up and %v stopped, want %v: not %s, where nobody publishes", w.gateway.hungUp, w.control.stopped, want, quiet)
	}
	for _, name := range []string{"whip", "whep"} {
		patch("true")
		w.gateway.before = func() {
			w.setFeatures(t, reelvault.Features{})
		}
		wantStatus(t, w.offer(name, w.a.Session, w.a.Token, "?participant=guest-1"), 403)
		w.gateway.before = nil
		if len(w.gateway.connections) != 0 {
			t.Errorf("%s: got %d connections left behind", name, len(w.gateway.connections))
		}
	}
}

// The limit of offers is each client's own, also behind a proxy that is
// trusted; nobody gets out of it by making up addresses. What runs goes on.
func TestOfferLimitBehindProxies(t *testing.T) {
	w := newWorld(t, func(c *api.Config) { c.Limits = api.DefaultLimits() })
	running, _ := w.recording(t, w.a, w.a.Session, reelvault.RecordingRunning)
	location := w.open(t, "whip", w.ticket(t, w.a.Token, w.a.Session, "publish"))
	offers := func(from string, forwarded func(n int) string) (limited int) {
		for n := range 1000 {
			w.clock.advance(60 * time.Millisecond)
			got := w.do(call{
				method: "POST", path: "/api/v1/sessions/" + w.a.Session + "/whip?participant=guest-1", bearer: w.a.Token, body: "x", from: from,
				header: map[string]string{"Content-Type": "text/plain", "X-Forwarded-For": forwarded(n)},
			})
			if got.Code == 429 {
				limited++
				if got.Header().Get("Retry-After") == "" || !strings.Contains(got.Body.String(), `"code":"limited"`) {
					t.Fatalf("got %v %s", got.Header(), got.Body)
				}
			}
		}
		return limited
	}
	made := func(n int) string { return "203.0.113." + string(rune('1'+n%9)) }
	if got := offers("192.0.2.7:1", made); got == 0 {
		t.Error("a client that makes up addresses was not limited")
	}
	if got := offers("10.0.0.1:1", func(int) string { return "198.51.100.1" }); got == 0 {
		t.Error("one client behind a proxy was not limited")
	}
	if got := offers("10.0.0.1:1", func(n int) string { return made(n) + ", 198.51.100.2" }); got == 0 {
		t.Error("a client behind a proxy that makes up addresses was not limited")
	}
	if got := offers("10.0.0.1:1", made); got != 0 {
		t.Errorf("nine clients behind a proxy: got %d refused, want none", got)
	}
	from := func(c call) call { c.from = "192.0.2.7:1"; return c }
	patch, _ := w.reach(location, w.a.Token)
	wantStatus(t, patch, 204)
	wantStatus(t, w.do(from(call{method: "POST", path: "/api/v1/recordings/" + running + "/stop", bearer: w.a.Token})), 200)
}
