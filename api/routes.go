package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
)

// Where things are.
const (
	apiPrefix   = "/api/v1"
	mediaPrefix = "/media/"
)

// allowedHeaders are those that pages of other origins may send.
const allowedHeaders = "Authorization, Content-Type, If-Match, Request-Id"

// mountRest adds what is no operation: the answer to other methods on the
// paths of operations, to unknown paths, the documents and the pages.
func (s *Server) mountRest(mux *http.ServeMux, spec *huma.OpenAPI) {
	for path, item := range spec.Paths {
		others := s.otherMethods(item)
		if _, r := methodsOf(item); r.tus && item.Post == nil {
			others = byOverride(mux, others)
		}
		mux.Handle(path, others)
	}
	s.mountDocs(mux)
	unknown := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, reelvault.Errorf(reelvault.NotFound, "no such path"))
	})
	mux.Handle("/api/", unknown)
	mux.Handle(mediaPrefix, unknown)
	if s.Pages == nil {
		mux.Handle("/", unknown)
		return
	}
	mux.Handle("/", s.Pages)
}

// otherMethods answers OPTIONS, and 405 to methods that the path lacks.
func (s *Server) otherMethods(item *huma.PathItem) http.HandlerFunc {
	methods, r := methodsOf(item)
	allow := strings.Join(methods, ", ")
	return func(w http.ResponseWriter, req *http.Request) {
		h := w.Header()
		h.Set("Allow", allow)
		if r.cross {
			allowOrigins(h)
		}
		if r.tus {
			speakTus(h)
		}
		if req.Method != http.MethodOptions {
			s.fail(w, req, httpProblem(req.Context(), http.StatusMethodNotAllowed, "this path takes "+allow))
			return
		}
		if !r.cross {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.Set("Access-Control-Allow-Methods", allow)
		h.Set("Access-Control-Allow-Headers", allowedHeaders)
		h.Set("Access-Control-Max-Age", "7200") // the most that Chromium heeds
		if r.tus {
			h.Set("Access-Control-Allow-Headers", allowedHeaders+tusAllowed)
			s.offerTus(w, req)
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if item.Post != nil {
			h.Set("Accept-Post", sdpType)
		} else {
			h.Set("Accept-Patch", fragmentType)
		}
		w.WriteHeader(http.StatusOK) // RFC 9725, section 4.2, wants 200
	}
}

// methodsOf lists the methods of a path, and says whether pages of other
// origins may use it and whether it takes uploads.
func methodsOf(item *huma.PathItem) ([]string, rule) {
	methods := []string{http.MethodOptions}
	var r rule
	for method, op := range operationsOf(item) {
		methods = append(methods, method)
		if method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		r.cross = r.cross || rules[op.OperationID].cross
		r.tus = r.tus || rules[op.OperationID].tus
	}
	slices.Sort(methods)
	return methods, r
}

func operationsOf(item *huma.PathItem) map[string]*huma.Operation {
	all := map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put,
		http.MethodPatch: item.Patch, http.MethodDelete: item.Delete, http.MethodHead: item.Head,
	}
	for method, op := range all {
		if op == nil {
			delete(all, method)
		}
	}
	return all
}

// allowOrigins lets pages of any origin read the answer. They can't use a
// sign-in of ours: without Access-Control-Allow-Credentials no cookie is sent,
// so all they have is a token or ticket they were given.
func allowOrigins(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Location, ETag, Link, Accept-Patch, Request-Id, Retry-After"+tusExposed)
}
