package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
)

func (w *world) link(tb testing.TB) string {
	tb.Helper()
	secret, _ := w.credential(tb, reelvault.Credential{
		Kind: reelvault.CredentialLink, TenantID: w.a.ID, PersonID: w.a.PersonID, ExpiresAt: w.clock.Now().Add(15 * time.Minute),
	})
	return secret
}

func (w *world) signIn(secret string, header map[string]string) *httptest.ResponseRecorder {
	return w.do(call{method: "POST", path: "/api/v1/signin", body: fmt.Sprintf(`{"secret":%q}`, secret), header: header})
}

// cookie gives the one cookie that an answer sets.
func cookie(tb testing.TB, rec *httptest.ResponseRecorder) *http.Cookie {
	tb.Helper()
	wantStatus(tb, rec, 200)
	c, err := http.ParseSetCookie(rec.Header().Get("Set-Cookie"))
	if err != nil || len(rec.Header().Values("Set-Cookie")) != 1 {
		tb.Fatalf("got cookies %q: %v", rec.Header().Values("Set-Cookie"), err)
	}
	return c
}

// A link signs in once, and the cookie is out of reach of scripts and other
// sites.
func TestSignIn(t *testing.T) {
	for _, tt := range []struct {
		name, public, cookie string
		secure               bool
	}{
		{"plain", "http://reelvault.test", "reelvault", false},
		{"TLS", "https://reelvault.test", "__Host-reelvault", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(c *api.Config) { c.PublicURL, _ = url.Parse(tt.public) })
			link := w.link(t)
			r := w.signIn(link, nil)
			c, body := cookie(t, r), r.Body.String()
			if c.Name != tt.cookie || c.Secure != tt.secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode ||
				c.Path != "/" || c.Domain != "" || c.MaxAge != 12*60*60 {
				t.Errorf("got cookie %v", c)
			}
			if strings.Contains(body, c.Value) || !strings.Contains(body, `"csrfToken":"`) || !strings.Contains(body, `"kind":"person"`) {
				t.Errorf("got body %s", body)
			}
			if got := r.Header().Get("Strict-Transport-Security") != ""; got != tt.secure {
				t.Errorf("got Strict-Transport-Security: %v, want %v", got, tt.secure)
			}
			wantStatus(t, w.signIn(link, nil), 401)
		})
	}
}

// Old, foreign and made-up links are all the same 401; another site can't
// sign its visitor in.
func TestSignInRefusals(t *testing.T) {
	w := newWorld(t)
	old := w.link(t)
	w.clock.advance(15*time.Minute + time.Second)
	first := w.signIn("made-up", map[string]string{"Request-Id": "same"}).Body.String()
	for _, secret := range []string{old, w.a.Token, w.a.Cookie} {
		got := w.signIn(secret, map[string]string{"Request-Id": "same"})
		if got.Code != 401 || got.Body.String() != first {
			t.Errorf("got %d %s, want 401 %s", got.Code, got.Body, first)
		}
	}
	link := w.link(t)
	wantStatus(t, w.signIn(link, map[string]string{"Origin": "https://evil.test"}), 403)
	wantStatus(t, w.signIn(link, map[string]string{"Content-Type": "text/plain"}), 415) // as a form would send it
	wantStatus(t, w.signIn(link, map[string]string{"Origin": "http://reelvault.test"}), 200)
}

// What a validation refuses is not repeated: it may be a secret.
func TestSignInDoesNotEcho(t *testing.T) {
	w := newWorld(t)
	for _, body := range []string{`{"secret":"hidden`, `{"secret":"hidden","more":"hidden"}`, `{"secret":["hidden"]}`, `"hidden"`} {
		got := w.do(call{method: "POST", path: "/api/v1/signin", body: body})
		if got.Code != 400 && got.Code != 422 || strings.Contains(got.Body.String(), "hidden") {
			t.Errorf("%s: got %d %s", body, got.Code, got.Body)
		}
	}
}

// A sign-in ends 12 h after its last use, and use moves the cookie's end, too.
func TestSignInLife(t *testing.T) {
	w := newWorld(t)
	secret := cookie(t, w.signIn(w.link(t), nil)).Value
	me := call{method: "GET", path: "/api/v1/me", cookie: secret}
	if got := w.do(me); got.Header().Get("Set-Cookie") != "" {
		t.Errorf("got a cookie again at once: %s", got.Header().Get("Set-Cookie"))
	}
	for range 3 {
		w.clock.advance(11 * time.Hour)
		got := w.do(me)
		wantStatus(t, got, 200)
		if !strings.Contains(got.Header().Get("Set-Cookie"), secret) {
			t.Errorf("got Set-Cookie %q, want the cookie prolonged", got.Header().Get("Set-Cookie"))
		}
	}
	w.clock.advance(12*time.Hour + time.Second)
	wantStatus(t, w.do(me), 401)
}

// Signing out ends the sign-in and removes the cookie; a token can't.
func TestSignOut(t *testing.T) {
	w := newWorld(t)
	csrf := map[string]string{"X-CSRF-Token": w.csrf(t, w.a.Cookie)}
	wantStatus(t, w.do(call{method: "POST", path: "/api/v1/signout", bearer: w.a.Token}), 409)
	got := w.do(call{method: "POST", path: "/api/v1/signout", cookie: w.a.Cookie, header: csrf})
	wantStatus(t, got, 204)
	if !strings.Contains(got.Header().Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("got Set-Cookie %q", got.Header().Get("Set-Cookie"))
	}
	wantStatus(t, w.do(call{method: "GET", path: "/api/v1/me", cookie: w.a.Cookie}), 401)
}

// An Authorization header decides alone, whatever the cookie says.
func TestBearerGoesBeforeCookie(t *testing.T) {
	w := newWorld(t)
	wantStatus(t, w.do(call{method: "GET", path: "/api/v1/me", bearer: "wrong", cookie: w.a.Cookie}), 401)
	got := w.do(call{method: "GET", path: "/api/v1/me", cookie: w.a.Cookie, header: map[string]string{"Authorization": "Basic YTpi"}})
	wantStatus(t, got, 401)
	if got.Header().Get("WWW-Authenticate") != `Bearer realm="reelvault"` {
		t.Errorf("got WWW-Authenticate %q", got.Header().Get("WWW-Authenticate"))
	}
	got = w.do(call{method: "POST", path: "/api/v1/sessions", bearer: w.a.Token, cookie: w.b.Cookie, body: `{}`})
	wantStatus(t, got, 201) // no CSRF token: no browser adds a token by itself
}
