package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
)

// A thousand offers a minute from one address are too many; other addresses
// and other requests go on.
func TestOfferLimit(t *testing.T) {
	w := newWorld(t, func(c *api.Config) { c.Limits = api.DefaultLimits() })
	ok, limited := 0, 0
	malformed := call{
		method: "POST", path: "/api/v1/sessions/" + w.a.Session + "/whip?participant=guest-1", bearer: w.a.Token, body: offer,
		header: map[string]string{"Content-Type": "text/plain"},
	}
	for range 1000 {
		w.clock.advance(60 * time.Millisecond)
		got := w.do(malformed)
		switch got.Code {
		case 415:
			ok++
		case 429:
			limited++
			if got.Header().Get("Retry-After") != "1" {
				t.Fatalf("got Retry-After %q", got.Header().Get("Retry-After"))
			}
		default:
			t.Fatalf("got status %d %s", got.Code, got.Body)
		}
	}
	if ok < 700 || ok > 800 || limited == 0 {
		t.Errorf("got %d answered and %d refused, want the burst and the minute's 600 answered", ok, limited)
	}
	wantStatus(t, w.do(call{method: "GET", path: "/api/v1/me", bearer: w.a.Token}), 200)
	elsewhere := malformed
	elsewhere.from = "198.51.100.7:1"
	wantStatus(t, w.do(elsewhere), 415)
}

// Each limit binds what it names, and only that.
func TestLimits(t *testing.T) {
	one := api.Limit{PerMinute: 1, Burst: 1}
	for _, tt := range []struct {
		name   string
		limit  func(*api.Limits)
		first  call // 200 or 201
		other  call // is not bound by the limit
		bound  call // is
		reason string
	}{
		{
			name: "address", limit: func(l *api.Limits) { l.Address = one },
			first: call{path: "/healthz"}, other: call{path: "/healthz", from: "198.51.100.7:1"}, bound: call{path: "/docs"},
		},
		{
			name: "IPv6 network", limit: func(l *api.Limits) { l.Address = one },
			first: call{path: "/healthz", from: "[2001:db8::1]:1"}, other: call{path: "/healthz", from: "[2001:db8:0:1::1]:1"},
			bound: call{path: "/healthz", from: "[2001:db8::2]:1"},
		},
		{
			name: "credential", limit: func(l *api.Limits) { l.Credential = one },
			first: call{path: "/api/v1/me", bearer: "a"}, other: call{path: "/api/v1/me", bearer: "b"}, bound: call{path: "/api/v1/sessions", bearer: "a"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(c *api.Config) { tt.limit(&c.Limits) })
			do := func(c call) *httptest.ResponseRecorder {
				c.method = "GET"
				c.bearer = map[string]string{"a": w.a.Token, "b": w.b.Token}[c.bearer]
				return w.do(c)
			}
			wantStatus(t, do(tt.first), 200)
			wantStatus(t, do(tt.other), 200)
			got := do(tt.bound)
			wantStatus(t, got, 429)
			if got.Header().Get("Retry-After") != "60" {
				t.Errorf("got Retry-After %q, want 60", got.Header().Get("Retry-After"))
			}
			w.clock.advance(time.Minute)
			wantStatus(t, do(tt.bound), 200)
		})
	}
}

// Guessing is slow: of tokens, tickets for bytes and sign-in links. Who shares
// the address and has a valid credential goes on.
func TestGuessing(t *testing.T) {
	few := api.Limit{PerMinute: 60, Burst: 3}
	w := newWorld(t, func(c *api.Config) { c.Limits.Failures, c.Limits.SignIns = few, few })
	guess := func(c call, miss int) {
		t.Helper()
		for range 3 {
			wantStatus(t, w.do(c), miss)
		}
		wantStatus(t, w.do(c), 429)
	}
	guess(call{method: "GET", path: "/api/v1/me", bearer: "wrong"}, 401)
	wantStatus(t, w.do(call{method: "GET", path: "/api/v1/me", bearer: w.a.Token}), 200)
	w.clock.advance(time.Minute)
	guess(call{method: "GET", path: "/media/rvk_wrong/x.webm"}, 404)
	wantStatus(t, w.do(call{method: "GET", path: w.mediaTicket(t, w.a)}), 200)
	guess(call{method: "POST", path: "/api/v1/signin", body: `{"secret":"wrong"}`}, 401)
}

// The tables of limits are bounded: when one is full, whoever was away longest
// begins anew.
func TestLimitsAreBounded(t *testing.T) {
	w := newWorld(t, func(c *api.Config) { c.Limits.Address = api.Limit{PerMinute: 1, Burst: 1} })
	ask := func(n int) int {
		from := fmt.Sprintf("198.%d.%d.%d:1", n>>16, n>>8&0xff, n&0xff)
		return w.do(call{method: "GET", path: "/api/nothing", from: from}).Code
	}
	for n := range 10_000 {
		if got := ask(n); got != 404 {
			t.Fatalf("first request from address %d: got status %d", n, got)
		}
	}
	if got := ask(0); got != 429 {
		t.Errorf("got status %d while the table holds the address, want 429", got)
	}
	_ = ask(10_000) // takes the place of address 1
	if got := ask(1); got != 404 {
		t.Errorf("got status %d after the address was pushed out, want 404", got)
	}
}

// A query that can't be read, or says two things, is refused rather than
// half obeyed.
func TestQueries(t *testing.T) {
	w := newWorld(t)
	for query, location := range map[string]string{
		"live=%zz": "query", "live=true;limit=1": "query", "live=true&live=false": "query.live", "Live=true": "query.Live", "live[]=true": "query.live[]",
	} {
		got := w.do(call{method: "GET", path: "/api/v1/sessions?" + query, bearer: w.a.Token})
		wantStatus(t, got, 422)
		if !strings.Contains(got.Body.String(), `"location":"`+location+`"`) {
			t.Errorf("%s: got %s, want the location %s", query, got.Body, location)
		}
	}
}

// The tickets of one page have a limit of their own.
func TestTicketOfferLimit(t *testing.T) {
	w := newWorld(t, func(c *api.Config) { c.Limits.Ticket = api.Limit{PerMinute: 1, Burst: 1} })
	ticket := w.ticket(t, w.a.Token, w.a.Session, "publish")
	wantStatus(t, w.offer("whip", w.a.Session, ticket, ""), 201)
	wantStatus(t, w.offer("whip", w.a.Session, ticket, ""), 429)
	wantStatus(t, w.offer("whip", w.a.Session, w.ticket(t, w.a.Token, w.a.Session, "publish"), ""), 201)
}

// The client's address is what trusted proxies say, and nothing a client can
// make up.
func TestClientAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, tt := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"direct", "192.0.2.1:5", nil, "192.0.2.1"},
		{"direct, made up", "192.0.2.1:5", []string{"203.0.113.9"}, "192.0.2.1"},
		{"proxy", "10.0.0.1:5", []string{"203.0.113.9"}, "203.0.113.9"},
		{"proxy, client made up more", "10.0.0.1:5", []string{"1.1.1.1, 203.0.113.9"}, "203.0.113.9"},
		{"two proxies", "10.0.0.1:5", []string{"203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		{"two headers", "10.0.0.1:5", []string{"1.1.1.1", "203.0.113.9"}, "203.0.113.9"},
		{"only proxies", "10.0.0.1:5", []string{"10.0.0.3"}, "10.0.0.3"},
		{"nothing said", "10.0.0.1:5", nil, "10.0.0.1"},
		{"garbage", "10.0.0.1:5", []string{"1.1.1.1, unknown"}, "10.0.0.1"},
		{"with a port", "10.0.0.1:5", []string{"203.0.113.9:4444"}, "203.0.113.9"},
		{"IPv6", "[fd00::1]:5", []string{"2001:db8::9"}, "2001:db8::9"},
		{"mapped", "[::ffff:10.0.0.1]:5", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"no address", "@", []string{"203.0.113.9"}, "@"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.RemoteAddr = tt.peer
		r.Header["X-Forwarded-For"] = tt.forwarded
		if got := api.ClientAddress(r, trusted); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// A request has an id: the client's, if it can stand in a log.
func TestRequestID(t *testing.T) {
	w := newWorld(t)
	for id, taken := range map[string]bool{
		"abc-1.2_3": true, "": false, "a b": false, "a\x1b[31m": false, strings.Repeat("x", 65): false, "<script>": false,
	} {
		got := w.do(call{method: "GET", path: "/api/v1/me", header: map[string]string{"Request-Id": id}})
		out := got.Header().Get("Request-Id")
		if (out == id) != taken || out == "" {
			t.Errorf("%q: got Request-Id %q", id, out)
		}
		if p := decode[struct{ RequestID string }](t, got); p.RequestID != out {
			t.Errorf("%q: got requestId %q in the problem, want %q", id, p.RequestID, out)
		}
	}
}

// Unknown paths and methods are problems, too; pages are left to the pages.
func TestUnknownPaths(t *testing.T) {
	w := newWorld(t, func(c *api.Config) {
		c.Pages = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page") })
	})
	for path, want := range map[string]int{
		"/": 200, "/signin": 200, "/api/": 404, "/api/v1/nothing": 404, "/api/v2/sessions": 404, "/media/x": 404, "/media/a/b/c": 404,
	} {
		got := w.do(call{method: "GET", path: path})
		wantStatus(t, got, want)
		if want == 404 && got.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: got %s", path, got.Header().Get("Content-Type"))
		}
	}
	got := w.do(call{method: "DELETE", path: "/api/v1/sessions"})
	wantStatus(t, got, 405)
	if got.Header().Get("Allow") != "GET, HEAD, OPTIONS, POST" {
		t.Errorf("got Allow %q", got.Header().Get("Allow"))
	}
	preflight := w.do(call{method: "OPTIONS", path: "/api/v1/sessions", header: map[string]string{"Origin": "https://evil.test"}})
	if preflight.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Error("pages of other origins may read sessions")
	}
}

// The answers of the API can't be framed, sniffed or kept.
func TestSecurityHeaders(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/api/v1/me", "/healthz", "/openapi.json", "/api/nothing", "/media/x/y"} {
		h := w.do(call{method: "GET", path: path}).Header()
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: got %s %q, want %q", path, name, h.Get(name), want)
			}
		}
	}
}

// A part that is down is told with its reason; only one that no recording can
// do without makes the program unready. Causes stay inside.
func TestReady(t *testing.T) {
	w := newWorld(t)
	broken := &reelvault.Error{
		Kind: reelvault.Unavailable, Message: "the object store does not answer", Hint: "see --s3-endpoint", Cause: errors.New("dial 10.1.2.3"),
	}
	for _, tt := range []struct {
		name   string
		parts  []api.Part
		code   int
		status string
		holds  string
	}{
		{"fine", []api.Part{{Name: "catalog", Vital: true}}, 200, "ok", ""},
		{"store down", []api.Part{{Name: "catalog", Vital: true}, {Name: "store", Err: broken}}, 200, "degraded", "the object store does not answer"},
		{"spool down", []api.Part{{Name: "spool", Vital: true, Err: broken}, {Name: "store", Err: broken}}, 503, "down", "see --s3-endpoint"},
		{"unknown cause", []api.Part{{Name: "store", Err: errors.New("dial 10.1.2.3")}}, 200, "degraded", "internal error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.parts = tt.parts
			got := w.do(call{method: "GET", path: "/readyz"})
			wantStatus(t, got, tt.code)
			if s := decode[struct{ Status string }](t, got).Status; s != tt.status {
				t.Errorf("got status %s, want %s", s, tt.status)
			}
			if s := got.Body.String(); !strings.Contains(s, tt.holds) || strings.Contains(s, "10.1.2.3") {
				t.Errorf("got %s, want it to hold %q and no cause", s, tt.holds)
			}
		})
	}
}

// A panic is a problem with an id, and a log line with a stack.
func TestPanic(t *testing.T) {
	var logs bytes.Buffer
	w := newWorld(t, func(c *api.Config) {
		c.Pages = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })
		c.Log = slog.New(slog.NewTextHandler(&logs, nil))
	})
	got := w.do(call{method: "GET", path: "/page"})
	wantStatus(t, got, 500)
	var p struct{ Code, Detail, RequestID string }
	must(t, json.Unmarshal(got.Body.Bytes(), &p))
	if p.Code != "internal" || p.Detail != "internal error" || !strings.Contains(logs.String(), p.RequestID) || strings.Contains(got.Body.String(), "boom") {
		t.Errorf("got %s and log %s", got.Body, &logs)
	}
}

// The documentation page needs nothing from elsewhere.
func TestDocs(t *testing.T) {
	w := newWorld(t)
	for path, contentType := range map[string]string{
		"/docs": "text/html; charset=utf-8", "/docs/docs.js": "text/javascript; charset=utf-8", "/docs/docs.css": "text/css; charset=utf-8",
	} {
		got := w.do(call{method: "GET", path: path})
		wantStatus(t, got, 200)
		if got.Header().Get("Content-Type") != contentType {
			t.Errorf("%s: got %s", path, got.Header().Get("Content-Type"))
		}
		if s := got.Body.String(); strings.Contains(s, "//cdn") || strings.Contains(s, "https://") {
			t.Errorf("%s refers to another host", path)
		}
		if !strings.Contains(got.Header().Get("Content-Security-Policy"), "script-src 'self'") {
			t.Errorf("%s: got policy %q", path, got.Header().Get("Content-Security-Policy"))
		}
	}
}

// patient is a connection that knows deadlines.
type patient struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (p *patient) SetWriteDeadline(t time.Time) error {
	p.deadlines = append(p.deadlines, t)
	return nil
}

// A client that takes nothing holds no answer open: each write has a deadline.
func TestStalledClients(t *testing.T) {
	w := newWorld(t, func(c *api.Config) {
		c.Pages = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a page") })
	})
	for _, path := range []string{"/healthz", "/api/v1/me", "/openapi.json", "/docs", "/page", w.mediaTicket(t, w.a)} {
		p := &patient{ResponseRecorder: httptest.NewRecorder()}
		w.ServeHTTP(p, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		if p.Body.Len() == 0 || len(p.deadlines) == 0 {
			t.Errorf("%s: got %d bytes with %d deadlines", path, p.Body.Len(), len(p.deadlines))
			continue
		}
		if left := time.Until(p.deadlines[0]); left <= 0 || left > time.Minute {
			t.Errorf("%s: got a deadline in %s", path, left)
		}
	}
}

// A server that lacks a part does not start.
func TestNewNeedsItsParts(t *testing.T) {
	if _, err := api.New(api.Config{}); err == nil {
		t.Error("got a server made of nothing")
	}
}
