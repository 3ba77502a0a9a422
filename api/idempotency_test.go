package api_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
)

// keyless are the POSTs that take no key, and why.
var keyless = map[string]string{
	"signIn":       "a link is good once",
	"joinCall":     "joining again is what it is for: each time gives another ticket for the same participant",
	"signOut":      "ends the credential that the key would belong to",
	"whipPublish":  "an answer belongs to one ICE session: a client that lost it makes another offer",
	"whepWatch":    "as whipPublish",
	"createUpload": "what is announced twice and sent once expires",
}

// keyed gives a request with a key.
func keyed(c call, key string) call {
	c.header = merge(c.header, map[string]string{"Idempotency-Key": key})
	return c
}

// Every POST with an effect, new ones too, takes a key: the same request again
// gives the same answer and no second effect, another one is refused.
func TestWalkIdempotency(t *testing.T) {
	w := newWorld(t)
	system, _ := w.token(t, w.a, reelvault.Scopes...)
	doc := decode[struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name, In string }
		}
	}](t, w.do(call{method: "GET", path: "/openapi.json"}))
	for _, op := range w.operations(t) {
		documented := false
		for _, p := range doc.Paths[op.path][strings.ToLower(op.method)].Parameters {
			documented = documented || p.Name == "Idempotency-Key" && p.In == "header"
		}
		if want := op.method == "POST" && keyless[op.ID] == ""; documented != want {
			t.Errorf("%s takes an Idempotency-Key: got %v, want %v", op.ID, documented, want)
		}
		if !documented {
			continue
		}
		sample := w.sample(t, op, w.a, "ingest")
		sample.bearer = system
		c := keyed(sample, op.ID)
		first := w.do(c)
		wantAllowed(t, "the first time", op, first)
		event := w.lastEvent(t, w.a.ID)
		w.clock.advance(23 * time.Hour)
		again := w.do(c)
		if again.Code != first.Code || again.Body.String() != first.Body.String() || again.Header().Get("Location") != first.Header().Get("Location") {
			t.Errorf("%s again: got %d %s, want %d %s", op.ID, again.Code, again.Body, first.Code, first.Body)
		}
		if e := w.lastEvent(t, w.a.ID); e.ID != event.ID {
			t.Errorf("%s again: got the audit event %s %s", op.ID, e.Action, e.Outcome)
		}
		other := sample
		other.path = strings.Replace(op.path, "{id}", newID(), 1)
		if other.path == op.path {
			other.body = strings.Replace(sample.body, `"name":"`, `"name":"0`, 1)
		}
		if got := w.do(keyed(other, op.ID)); got.Code != 422 || !strings.Contains(got.Body.String(), `"header.Idempotency-Key"`) {
			t.Errorf("%s, another request with the key: got %d %s, want 422", op.ID, got.Code, got.Body)
		}
	}
}

func (w *world) sessions(tb testing.TB) int {
	tb.Helper()
	return len(decode[pageJSON](tb, w.do(call{method: "GET", path: "/api/v1/sessions?limit=500", bearer: w.a.Token})).Items)
}

// A key belongs to a credential, holds a day, and is one whatever its quotes.
func TestIdempotencyKeys(t *testing.T) {
	w := newWorld(t)
	other, _ := w.token(t, w.a, everything...)
	before := w.sessions(t)
	made := func(what string, want int, c call) {
		t.Helper()
		wantStatus(t, w.do(c), 201)
		if got := w.sessions(t) - before; got != want {
			t.Errorf("%s: got %d sessions, want %d", what, got, want)
		}
	}
	post := call{method: "POST", path: "/api/v1/sessions", bearer: w.a.Token, body: `{"name":"x"}`}
	made("first", 1, keyed(post, `"a-1"`))
	made("again", 1, keyed(post, `"a-1"`))
	made("without quotes", 1, keyed(post, `a-1`))
	reordered := post
	reordered.body = ` { "channel" : "AV", "name" : "x" } `
	made("written differently", 1, keyed(reordered, `a-1`))
	made("another key", 2, keyed(post, `a-2`))
	made("without a key", 3, post)
	foreign := post
	foreign.bearer = other
	made("another credential", 4, keyed(foreign, `a-1`))
	w.clock.advance(24 * time.Hour)
	made("a day later", 5, keyed(post, `a-1`))
	made("and again", 5, keyed(post, `a-1`))

	cookie := call{method: "POST", path: "/api/v1/sessions", cookie: w.cookieOf(t), body: `{}`}
	cookie.header = map[string]string{"X-CSRF-Token": w.csrf(t, cookie.cookie)}
	made("a person", 6, keyed(cookie, "a-1"))
	made("a person again", 6, keyed(cookie, "a-1"))
}

// cookieOf signs the person of tenant a in anew.
func (w *world) cookieOf(tb testing.TB) string {
	tb.Helper()
	secret, _ := w.credential(tb, reelvault.Credential{
		Kind: reelvault.CredentialCookie, TenantID: w.a.ID, PersonID: w.a.PersonID, ExpiresAt: w.clock.Now().Add(time.Hour),
	})
	return secret
}

// Keys that can't be meant are refused before anything happens.
func TestIdempotencyKeyRefusals(t *testing.T) {
	w := newWorld(t)
	before := w.sessions(t)
	for _, key := range []string{``, `""`, `"a`, `a"`, `a b`, `"a", "b"`, "a\tb", `"a\b"`, "ключ", strings.Repeat("x", 256), `"` + strings.Repeat("x", 256) + `"`} {
		got := w.do(keyed(call{method: "POST", path: "/api/v1/sessions", bearer: w.a.Token, body: `{}`}, key))
		if got.Code != 400 || !strings.Contains(got.Body.String(), `"code":"malformed"`) {
			t.Errorf("%q: got %d %s, want 400", key, got.Code, got.Body)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/sessions", strings.NewReader(`{}`))
	r.Header = map[string][]string{
		"Authorization": {"Bearer " + w.a.Token}, "Content-Type": {"application/json"}, "Idempotency-Key": {"a", "a"},
	}
	two := httptest.NewRecorder()
	w.ServeHTTP(two, r)
	wantStatus(t, two, 400)
	if got := w.sessions(t); got != before {
		t.Errorf("got %d sessions made", got-before)
	}
	for _, key := range []string{`"a \"quoted\" \\ one"`, strings.Repeat("x", 255), `"` + strings.Repeat(`\"`, 255) + `"`} {
		wantStatus(t, w.do(keyed(call{method: "POST", path: "/api/v1/sessions", bearer: w.a.Token, body: `{}`}, key)), 201)
	}
}

// A duplicate that comes while the first one runs is a conflict; the first one
// is not disturbed, and its answer is there for the next.
func TestIdempotencyWhileRunning(t *testing.T) {
	w := newWorld(t)
	id, _ := w.recording(t, w.a, w.a.Session, reelvault.RecordingRunning)
	stop := keyed(call{method: "POST", path: "/api/v1/recordings/" + id + "/stop", bearer: w.a.Token}, "stop")
	w.control.before = func() {
		w.control.before = nil
		got := w.do(stop)
		wantStatus(t, got, 409)
		if !strings.Contains(got.Body.String(), "still running") {
			t.Errorf("got %s", got.Body)
		}
		other := stop
		other.path = "/api/v1/recordings/" + w.a.Recording + "/stop"
		wantStatus(t, w.do(other), 422)
	}
	first := w.do(stop)
	wantStatus(t, first, 200)
	again := w.do(stop)
	if again.Code != 200 || again.Body.String() != first.Body.String() {
		t.Errorf("got %d %s, want %s", again.Code, again.Body, first.Body)
	}
	wantStatus(t, w.do(keyed(stop, "another")), 409) // by its state
}

// What was refused, failed or even panicked had no effect: its key is free.
func TestIdempotencyKeepsSuccessesOnly(t *testing.T) {
	w := newWorld(t)
	id, _ := w.recording(t, w.a, w.a.Session, reelvault.RecordingPaused)
	path := "/api/v1/recordings/" + id
	pause := keyed(call{method: "POST", path: path + "/pause", bearer: w.a.Token, body: `{"reason":"x"}`}, "k")
	wantStatus(t, w.do(pause), 409)
	wantStatus(t, w.do(call{method: "POST", path: path + "/resume", bearer: w.a.Token}), 200)
	wantStatus(t, w.do(pause), 200)

	token := keyed(call{method: "POST", path: "/api/v1/tokens", bearer: w.a.Token, body: `{"name":"x","scopes":["ingest"]}`}, "t")
	w.catalog.breakAudit(errors.New("disk full"))
	wantStatus(t, w.do(token), 503)
	w.catalog.breakAudit(nil)
	wantStatus(t, w.do(token), 201)

	stop := keyed(call{method: "POST", path: path + "/stop", bearer: w.a.Token}, "s")
	w.control.before = func() { panic("boom") }
	wantStatus(t, w.do(stop), 500)
	w.control.before = nil
	wantStatus(t, w.do(stop), 200)
}

// A key opens nothing for who may not do it any more, and kept answers hold
// no secret that can be read without the credential.
func TestIdempotencyKeepsNoSecrets(t *testing.T) {
	w := newWorld(t)
	admin, id := w.token(t, w.a, everything...)
	c := keyed(call{method: "POST", path: "/api/v1/tokens", bearer: admin, body: `{"name":"findme","scopes":["ingest"]}`}, "key-1")
	made := w.do(c)
	wantStatus(t, made, 201)
	secret := decode[struct{ Secret string }](t, made).Secret
	for _, text := range []string{secret, "findme", "secret", "key-1"} {
		if w.Keeps(text) {
			t.Errorf("got %q in a kept answer", text)
		}
	}
	wantStatus(t, w.do(call{method: "DELETE", path: "/api/v1/tokens/" + id, bearer: w.a.Token}), 204)
	wantStatus(t, w.do(c), 401)
	if strings.Contains(w.logs.String(), secret) || strings.Contains(w.logs.String(), "key-1") {
		t.Error("got the secret or the key in the log")
	}
}

// The store is bounded. When it is full whoever holds most loses the oldest:
// one that floods pushes out its own answers.
func TestIdempotencyIsBounded(t *testing.T) {
	k, now := api.NewAnswers(), time.Now()
	must(t, k.Keep("quiet", "1", 1000, now))
	for i := range 3000 {
		must(t, k.Keep("loud", fmt.Sprint(i), 60_000, now.Add(time.Duration(i)*time.Second)))
	}
	if !k.Has("quiet", "1") || !k.Has("loud", "2999") || k.Has("loud", "0") {
		t.Errorf("got quiet %v, loud's last %v and first %v", k.Has("quiet", "1"), k.Has("loud", "2999"), k.Has("loud", "0"))
	}
	kept, owners, size := k.Size()
	if owners != 2 || size > 16<<20 || size < 15<<20 || kept < 200 {
		t.Errorf("got %d answers of %d owners in %d bytes", kept, owners, size)
	}
	must(t, k.Keep("loud", "large", 64<<10+1, now))
	if k.Has("loud", "large") {
		t.Error("got an answer that is too large to keep")
	}
	must(t, k.Keep("quiet", "2", 1, now.Add(26*time.Hour)))
	if kept, owners, _ := k.Size(); kept != 1 || owners != 1 {
		t.Errorf("a day later: got %d answers of %d owners, want the new one alone", kept, owners)
	}
}
