package web_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/reelvault/reelvault/api/web"
)

func get(t *testing.T, h http.Handler, method, path string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// staticRoot gives the versioned folder that the page loads its files from.
func staticRoot(t *testing.T, page string) string {
	t.Helper()
	root := regexp.MustCompile(`/static/[0-9a-f]{16}/`).FindString(page)
	if root == "" {
		t.Fatalf("no versioned folder in the page:\n%s", page)
	}
	return root
}

// Every page is the same document; all else is unknown or not allowed.
func TestRoutes(t *testing.T) {
	h := web.Handler()
	root := staticRoot(t, get(t, h, http.MethodGet, "/", nil).Body.String())
	tests := []struct {
		method, path string
		status       int
		contentType  string
	}{
		{http.MethodGet, "/", 200, "text/html"},
		{http.MethodHead, "/", 200, "text/html"},
		{http.MethodGet, "/signin", 200, "text/html"},
		{http.MethodGet, "/publish?session=x", 200, "text/html"},
		{http.MethodGet, "/sessions/0198", 200, "text/html"},
		{http.MethodGet, "/call/", 200, "text/html"},
		{http.MethodGet, "/call/secret", 404, "text/plain"},
		{http.MethodPost, "/", 405, "text/plain"},
		{http.MethodGet, "/sessions/", 404, "text/plain"},
		{http.MethodGet, "/sessions/0198/x", 404, "text/plain"},
		{http.MethodGet, "/index.html", 404, "text/plain"},
		{http.MethodGet, root + "app/main.js", 200, "text/javascript"},
		{http.MethodGet, root + "app/style/base.css", 200, "text/css"},
		{http.MethodGet, root + "app/icon.svg", 200, "image/svg+xml"},
		{http.MethodGet, root + "thirdparty/lit/index.js", 200, "text/javascript"},
		{http.MethodDelete, root + "app/main.js", 405, "text/plain"},
		{http.MethodGet, root + "app/index.html", 404, "text/plain"},
		{http.MethodGet, root + "thirdparty/README.md", 404, "text/plain"},
		{http.MethodGet, root + "app/", 404, "text/plain"},
		{http.MethodGet, root + "app/..%2f..%2fweb.go", 404, "text/plain"},
		{http.MethodGet, "/static/0000000000000000/app/main.js", 404, "text/plain"},
	}
	for _, tc := range tests {
		w := get(t, h, tc.method, tc.path, nil)
		if w.Code != tc.status || !strings.HasPrefix(w.Header().Get("Content-Type"), tc.contentType) {
			t.Errorf("%s %s: got %d %q, want %d %q", tc.method, tc.path,
				w.Code, w.Header().Get("Content-Type"), tc.status, tc.contentType)
		}
	}
}

// The one inline script is allowed by its hash; nothing else inline is.
func TestContentSecurityPolicy(t *testing.T) {
	w := get(t, web.Handler(), http.MethodGet, "/", nil)
	page, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
	inline := regexp.MustCompile(`(?s)<script([^>]*)>(.*?)</script>`).FindAllStringSubmatch(page, -1)
	scripts := 0
	for _, m := range inline {
		if m[2] == "" {
			continue
		}
		scripts++
		sum := sha256.Sum256([]byte(m[2]))
		if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %s of an inline script", policy, want)
		}
	}
	if scripts != 1 {
		t.Errorf("got %d inline scripts, want the import map alone", scripts)
	}
	for _, want := range []string{
		"default-src 'none'", "style-src 'self';", "media-src 'self' blob:", "connect-src 'self' blob:",
		"frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'",
	} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q allows something unsafe", policy)
	}
}

// Whatever the answer, the headers that protect a page are there.
func TestHeadersOfEveryAnswer(t *testing.T) {
	h := web.Handler()
	root := staticRoot(t, get(t, h, http.MethodGet, "/", nil).Body.String())
	want := map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "no-referrer",
		"Permissions-Policy":           "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
	}
	for _, path := range []string{"/", "/nothing", root + "app/main.js", root + "nothing"} {
		w := get(t, h, http.MethodGet, path, nil)
		for name, value := range want {
			if got := w.Header().Get(name); got != value {
				t.Errorf("%s: %s is %q, want %q", path, name, got, value)
			}
		}
		if w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("%s: no Content-Security-Policy", path)
		}
	}
}

// The document is checked on each visit; what it loads never changes under
// its address.
func TestCaching(t *testing.T) {
	h := web.Handler()
	page := get(t, h, http.MethodGet, "/", nil)
	root := staticRoot(t, page.Body.String())
	tests := []struct{ path, cache string }{
		{"/", "no-cache"},
		{root + "app/main.js", "public, max-age=31536000, immutable"},
	}
	for _, tc := range tests {
		first := get(t, h, http.MethodGet, tc.path, nil)
		if got := first.Header().Get("Cache-Control"); got != tc.cache {
			t.Errorf("%s: Cache-Control %q, want %q", tc.path, got, tc.cache)
		}
		again := get(t, h, http.MethodGet, tc.path, http.Header{"If-None-Match": {first.Header().Get("Etag")}})
		if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
			t.Errorf("%s again: got %d with %d bytes, want 304 with none", tc.path, again.Code, again.Body.Len())
		}
		other := get(t, h, http.MethodGet, tc.path, http.Header{"If-None-Match": {`"other"`}})
		if other.Code != http.StatusOK || other.Body.Len() == 0 {
			t.Errorf("%s with another tag: got %d with %d bytes, want 200 with all", tc.path, other.Code, other.Body.Len())
		}
	}
	if got := get(t, h, http.MethodGet, root+"nothing", nil).Header().Get("Cache-Control"); got != "" {
		t.Errorf("a missing file has Cache-Control %q", got)
	}
}
