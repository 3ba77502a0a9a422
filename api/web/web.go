// Package web serves the Sessions page, the publish page and the page of a call:
// HTML, style and ES modules, embedded as they are, without a build step.
//
// Every page is the same document; its script reads the address and shows what
// it names. The document is checked on each visit (no-cache with an ETag). All
// it loads lies under /static/{version}/, where version is a hash of all
// embedded files, so relative imports stay inside one version and each file
// may be cached for ever.
//
// The content security policy allows nothing but our own files. The one inline
// script, the import map, is allowed by its hash, which is computed here so
// that it cannot go stale. The pages use the public API only.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed app thirdparty
var files embed.FS

const (
	document  = "app/index.html"
	immutable = "public, max-age=31536000, immutable"
)

// served lists what of the embedded files a browser may ask for.
var served = map[string]string{
	".js":  "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
}

// Handler serves the pages at /, /signin, /publish, /call/ and /sessions/{id},
// and their assets at /static/. It answers GET and HEAD, anything else with 404 or
// 405, and takes no credentials: what is secret comes from the API.
func Handler() http.Handler {
	assets, version := loadAssets()
	page := bytes.ReplaceAll(assets[document].body, []byte("{{static}}"), []byte("/static/"+version))
	shell := asset{body: page, etag: etag(page), contentType: "text/html; charset=utf-8"}
	policy := contentPolicy(page)

	serveShell := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Cache-Control", "no-cache")
		shell.serve(w, r)
	}
	mux := http.NewServeMux()
	for _, pattern := range []string{"/{$}", "/signin", "/publish", "/sessions/{id}", "/call/{$}"} {
		mux.HandleFunc("GET "+pattern, serveShell)
	}
	mux.HandleFunc("GET /static/{version}/{file...}", func(w http.ResponseWriter, r *http.Request) {
		a, ok := assets[r.PathValue("file")]
		if !ok || a.contentType == "" || r.PathValue("version") != version {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", immutable)
		a.serve(w, r)
	})
	return harden(mux)
}

// harden sets what holds for every answer, errors included.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Permissions-Policy", "camera=(self), microphone=(self), display-capture=(self), geolocation=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

// contentPolicy gives the policy of a page whose only inline script is its
// import map. lit-html is the Trusted Types policy under which Lit makes its
// templates; nothing else may turn text into markup.
func contentPolicy(page []byte) string {
	_, rest, _ := bytes.Cut(page, []byte(`<script type="importmap">`))
	importMap, _, _ := bytes.Cut(rest, []byte("</script>"))
	sum := sha256.Sum256(importMap)
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self' 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'",
		"style-src 'self'",
		"img-src 'self' blob:",
		"media-src 'self' blob:",
		"connect-src 'self' blob:",
		"frame-ancestors 'none'",
		"base-uri 'none'",
		"form-action 'none'",
		"require-trusted-types-for 'script'",
		"trusted-types lit-html",
	}, "; ")
}

// asset is one file as it is sent.
type asset struct {
	body        []byte
	etag        string
	contentType string // empty: not for browsers
}

func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("ETag", a.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}

// loadAssets gives all embedded files by path, and a hash over them.
func loadAssets() (map[string]asset, string) {
	set := map[string]asset{}
	all := sha256.New()
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := files.ReadFile(name)
		a := asset{body: body, etag: etag(body), contentType: served[path.Ext(name)]}
		set[name] = a
		all.Write([]byte(name + a.etag)) // a hash takes any bytes
		return err
	})
	if err != nil {
		panic("read embedded files: " + err.Error()) // they are part of the program
	}
	return set, hex.EncodeToString(all.Sum(nil)[:8])
}

func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}
