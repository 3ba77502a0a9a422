package api

import (
	"context"
	"errors"
	"net/http"
	"path"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/reelvault/reelvault"
)

type requestIDKey struct{}

type addressKey struct{}

// requestIDPattern is what we take over as a Request-Id: it goes into logs.
var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

func addressOf(ctx context.Context) string {
	a, _ := ctx.Value(addressKey{}).(string)
	return a
}

// maxRequest bounds what any handler can read of a body but that of a file;
// operations have their own, lower limits.
const maxRequest = 1 << 20

// outermost does what every request needs, whoever answers it.
func (s *Server) outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("Request-Id")
		if !requestIDPattern.MatchString(id) {
			id = newID()
		}
		address := clientAddress(r, s.TrustedProxies)
		ctx := context.WithValue(r.Context(), requestIDKey{}, id)
		ctx = withWholeBody(ctx, r.Body)
		r = r.WithContext(context.WithValue(ctx, addressKey{}, address))
		s.securityHeaders(w.Header())
		w.Header().Set("Request-Id", id)
		r.Body = http.MaxBytesReader(w, r.Body, maxRequest)

		rec := &recorder{ResponseWriter: w}
		start := s.now()
		defer func() {
			s.recovered(rec, r, recover())
			s.log.DebugContext(r.Context(), "request", "request", id, "address", address, "method", r.Method,
				"path", redactPath(r.URL.Path), "status", rec.status, "took", s.now().Sub(start))
		}()
		if err := s.addresses.take(bucketOf(address), s.now()); err != nil {
			s.fail(rec, r, err)
			return
		}
		next.ServeHTTP(rec, r)
	})
}

// securityHeaders sets what is right for answers that are no page. Pages set
// their own policy over it.
func (s *Server) securityHeaders(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	if s.secure() {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// recovered answers a panic of a handler with a problem and logs its stack.
// One with http.ErrAbortHandler goes on: it is how a handler cuts a
// connection.
func (s *Server) recovered(w *recorder, r *http.Request, cause any) {
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	s.log.ErrorContext(r.Context(), "handler panicked", "request", requestID(r.Context()),
		"cause", cause, "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
	s.fail(w, r, reelvault.Errorf(reelvault.Internal, "handler panicked"))
}

// redactPath hides the ticket in a media path: it is a credential.
func redactPath(target string) string {
	rest, ok := strings.CutPrefix(path.Clean(target), mediaPrefix)
	if !ok {
		return target
	}
	_, name, _ := strings.Cut(rest, "/")
	return mediaPrefix + "[redacted]/" + name
}

// writeStall is how long a client may take nothing of an answer before its
// connection, and the file that may be behind it, are closed.
const writeStall = time.Minute

// recorder remembers the status that went out, and ends an answer whose client
// takes nothing for writeStall.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	// Not every ResponseWriter has deadlines; those of real connections do.
	_ = http.NewResponseController(r.ResponseWriter).SetWriteDeadline(time.Now().Add(writeStall))
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
