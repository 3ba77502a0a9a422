package api

import (
	"embed"
	"net/http"
)

// docsFiles is the page that shows the OpenAPI document. It is ours, so that
// it works on closed networks and needs no exception in the policy below.
//
//go:embed docs
var docsFiles embed.FS

const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// mountDocs adds /openapi.json and /docs.
func (s *Server) mountDocs(mux *http.ServeMux) {
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
		if _, err := w.Write(s.spec); err != nil {
			s.log.DebugContext(r.Context(), "answer not taken", "error", err)
		}
	})
	files := map[string]string{"/docs": "docs/index.html", "/docs/docs.js": "docs/docs.js", "/docs/docs.css": "docs/docs.css"}
	for path, name := range files {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", docsPolicy)
			http.ServeFileFS(w, r, docsFiles, name)
		})
	}
}
