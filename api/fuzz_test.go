package api_test

import (
	"context"
	"mime"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/reelvault/reelvault/api"
)

// Whatever a session is called, the name of its download is one header value
// that holds one harmless file name.
func FuzzDisposition(f *testing.F) {
	for _, name := range []string{
		"Sale 9", "", "..", "../../etc/passwd", `C:\CON`, "a\r\nSet-Cookie: x=1", "\u202egnp.exe", "\x00", "O'Brien \"x\"", "; filename=b",
		"Ян Новак", "😀😀", strings.Repeat("я", 300), "a%00b", "nul", "\xff\xfe", "a\u2028b", " . ", "e\u0301",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := api.Disposition(name, "webm")
		if i := strings.IndexFunc(got, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsControl(r) }); i >= 0 {
			t.Fatalf("got %q, which is no header value", got)
		}
		kind, params, err := mime.ParseMediaType(got)
		if err != nil || kind != "attachment" || len(params) != 1 {
			t.Fatalf("got %q: %v, %v", got, params, err)
		}
		file := params["filename"]
		if file != filepath.Base(file) || strings.ContainsAny(file, `/\:*?"<>|`) || !strings.HasSuffix(file, ".webm") ||
			len(file) > 255 || strings.HasPrefix(file, ".") {
			t.Fatalf("got the file name %q", file)
		}
	})
}

// The address is always one, and that of the peer unless a proxy speaks for it.
func FuzzClientAddress(f *testing.F) {
	for _, forwarded := range []string{
		"203.0.113.9", "1.1.1.1, 203.0.113.9", "unknown", "", ",,,", "[::1]:80", "::ffff:1.2.3.4", "fe80::1%eth0", "10.0.0.2, 10.0.0.3", "1.2.3.4:99999",
	} {
		f.Add("10.0.0.1:5", forwarded)
		f.Add("192.0.2.1:5", forwarded)
	}
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, peer, forwarded string) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.RemoteAddr = peer
		r.Header["X-Forwarded-For"] = []string{forwarded}
		got := api.ClientAddress(r, trusted)
		p, err := netip.ParseAddrPort(peer)
		if err != nil {
			if got != peer {
				t.Fatalf("got %q for a peer without an address", got)
			}
			return
		}
		if _, err := netip.ParseAddr(got); err != nil {
			t.Fatalf("got %q: %v", got, err)
		}
		if direct := p.Addr().Unmap().WithZone(""); !trusted[0].Contains(direct) && got != direct.String() {
			t.Fatalf("got %q for the peer %q that is no proxy", got, peer)
		}
	})
}

// No request makes a fault of ours, and none without a credential gets
// anything that is not open.
func FuzzRequest(f *testing.F) {
	w := newWorld(f)
	for _, op := range w.operations(f) {
		c := w.sample(f, op, w.a, "ingest")
		f.Add(c.method, c.path, c.header["Content-Type"], c.body)
	}
	for _, path := range []string{
		"/api/v1/sessions?cursor=czE3OjE", "/api/v1/sessions?live=", "/api/v1/sessions?limit=9999999999999999999", "/api/v1/sessions?a[b]=c;d",
		"/media/rvk_x/..%2f..", "/api/v1/recordings/%00", "//api/v1/me", "/api/v1/sessions/%2e%2e/me", "/metrics?x", "/docs/../x",
	} {
		f.Add("GET", path, "", "")
	}
	f.Add("POST", "/api/v1/sessions", "application/json", `{"name":"\ud800","externalId":"\u0000"}`)
	f.Add("POST", "/api/v1/sessions", "application/json; charset", `{"name":{"name":[]}}`)
	f.Fuzz(func(t *testing.T, method, path, contentType, body string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, "GET", "/", strings.NewReader(body))
		u, err := r.URL.Parse(path)
		if err != nil || !validMethod(method) {
			return
		}
		r.Method, r.URL, r.RequestURI = method, u, path
		r.Header.Set("Content-Type", contentType)
		for _, bearer := range []string{"", w.a.Token} {
			if bearer != "" {
				r.Header.Set("Authorization", "Bearer "+bearer)
			}
			got := httptest.NewRecorder()
			w.ServeHTTP(hanger{got, cancel}, r)
			if got.Code >= 500 {
				t.Fatalf("%s %q: got status %d %s", method, path, got.Code, got.Body)
			}
			if bearer == "" && got.Code < 300 && strings.HasPrefix(u.Path, "/api/v1/") && u.Path != "/api/v1/signin" && method != "OPTIONS" {
				t.Fatalf("%s %q: got status %d without a credential", method, path, got.Code)
			}
		}
	})
}

// Whatever an Idempotency-Key holds, it is refused, or it is heeded: the second
// answer is the first.
func FuzzIdempotencyKey(f *testing.F) {
	w := newWorld(f)
	for _, key := range []string{
		`"8e03978e-40d5-43dd-bc93-6894a57f9324"`, "8e03978e-40d5-43dd-bc93-6894a57f9324", "", `""`, `"`, `"\""`, `"\"`, `"a\b"`, `"a";p=1`,
		`?1`, `:YQ==:`, `"a", "b"`, "a,b", " a", "a\tb", "\x00", "\x7f", "ключ", "\xff", strings.Repeat("x", 255), strings.Repeat("x", 256),
	} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		// Which costs one commit, and no audit event.
		c := keyed(call{method: "POST", path: "/api/v1/sessions", bearer: w.a.Token, body: `{}`}, key)
		first, again := w.do(c), w.do(c)
		if first.Code != 201 && first.Code != 400 {
			t.Fatalf("%q: got %d %s", key, first.Code, first.Body)
		}
		if again.Code != first.Code || first.Code == 201 && again.Body.String() != first.Body.String() {
			t.Fatalf("%q: got %d %s, then %d %s", key, first.Code, first.Body, again.Code, again.Body)
		}
	})
}

// validMethod says whether net/http lets a method through to a handler.
func validMethod(m string) bool {
	return m != "" && strings.IndexFunc(m, func(r rune) bool { return r < 'A' || r > 'Z' }) < 0
}
