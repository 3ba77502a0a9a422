package api

import (
	"context"
	"encoding/base64"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/reelvault/reelvault"
)

// The resumable upload protocol, https://tus.io/protocols/resumable-upload 1.0:
// its one version, what we do of its extensions, and the type of the bytes.
const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,creation-with-upload,expiration,termination"
	offsetType    = "application/offset+octet-stream"
)

// overrideHeader names the method that a POST stands for, where the network
// lets no other methods through (Core protocol, X-HTTP-Method-Override).
const overrideHeader = "X-HTTP-Method-Override"

// What pages of other origins may send and read beside what WHIP needs.
const (
	tusAllowed = ", Tus-Resumable, Upload-Length, Upload-Metadata, Upload-Offset, " + overrideHeader
	tusExposed = ", Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size, Upload-Length, Upload-Offset, Upload-Expires"
)

// maxMetadata bounds Upload-Metadata in bytes: a name of 10,000 characters
// still comes through, to be cut.
const maxMetadata = 64 << 10

// speakTus sets what every answer to an upload says.
func speakTus(h http.Header) {
	h.Set("Tus-Resumable", tusVersion)
	h.Set("Tus-Version", tusVersion)
}

// byOverride answers a POST by what mux has for the method that it stands for,
// and everything else by rest.
func byOverride(mux http.Handler, rest http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch method := r.Header.Get(overrideHeader); {
		case r.Method != http.MethodPost:
		case method == http.MethodPatch, method == http.MethodHead, method == http.MethodDelete:
			meant := *r
			meant.Method = method
			mux.ServeHTTP(w, &meant)
			return
		}
		rest(w, r)
	}
}

// offerTus answers OPTIONS. Only who shows a credential has a tenant, and so
// a limit.
func (s *Server) offerTus(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Del("Tus-Resumable") // which the protocol leaves out here
	h.Set("Tus-Extension", tusExtensions)
	c := &caller{address: addressOf(r.Context())}
	if r.Header.Get("Authorization") == "" || s.identify(w, r, c) != nil {
		return
	}
	if tenant, err := s.Catalog.Tenant(r.Context(), c.TenantID); err == nil {
		h.Set("Tus-Max-Size", strconv.FormatInt(tenant.MaxFileBytes, 10))
	}
}

// wantTus refuses another version of the protocol, and requests that don't say
// one.
func wantTus(ctx context.Context, version string) error {
	if version == tusVersion {
		return nil
	}
	p := httpProblem(ctx, http.StatusPreconditionFailed, "this needs the header Tus-Resumable: "+tusVersion)
	p.Code = "tus-version"
	p.Type = problemType + p.Code
	return p
}

// countOf reads a number of bytes from a header.
func countOf(name, value string) (int64, error) {
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil || n > math.MaxInt64 || strings.HasPrefix(value, "+") {
		return 0, &reelvault.Error{Kind: reelvault.Invalid, Message: name + " has to be a number of bytes", Location: "header." + name}
	}
	return int64(n), nil
}

// parseMetadata reads an Upload-Metadata header: keys, each with a value in
// Base64 or without one, apart by commas. Values may be any bytes.
func parseMetadata(header string) (map[string]string, error) {
	wrong := func(message string) error {
		return &reelvault.Error{Kind: reelvault.Invalid, Message: message, Location: "header.Upload-Metadata"}
	}
	if len(header) > maxMetadata {
		return nil, wrong("the metadata are too long")
	}
	all := map[string]string{}
	if strings.TrimSpace(header) == "" {
		return all, nil
	}
	for pair := range strings.SplitSeq(header, ",") {
		key, encoded, _ := strings.Cut(strings.TrimSpace(pair), " ")
		if key == "" {
			return nil, wrong("a key of the metadata is empty")
		}
		if _, twice := all[key]; twice {
			return nil, wrong("a key of the metadata is given twice")
		}
		value, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if err != nil {
			return nil, wrong("a value of the metadata is not Base64")
		}
		all[key] = string(value)
	}
	return all, nil
}

// answerUpload says how far an upload is.
func answerUpload(w http.ResponseWriter, status int, t reelvault.Transfer) {
	h := w.Header()
	h.Set("Upload-Offset", strconv.FormatInt(t.Received, 10))
	if at := expires(t); at != "" {
		h.Set("Upload-Expires", at)
	}
	w.WriteHeader(status)
}

// expires gives when an upload that is not whole is given up.
func expires(t reelvault.Transfer) string {
	if t.Whole() || t.ExpiresAt.IsZero() {
		return ""
	}
	return t.ExpiresAt.UTC().Format(http.TimeFormat)
}
