package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
)

// statuses maps the kinds of errors to HTTP. No other place does.
var statuses = map[reelvault.Kind]int{
	reelvault.Internal:        http.StatusInternalServerError,
	reelvault.Invalid:         http.StatusUnprocessableEntity,
	reelvault.Unauthenticated: http.StatusUnauthorized,
	reelvault.Forbidden:       http.StatusForbidden,
	reelvault.NotFound:        http.StatusNotFound,
	reelvault.Conflict:        http.StatusConflict,
	reelvault.Stale:           http.StatusPreconditionFailed,
	reelvault.TooLarge:        http.StatusRequestEntityTooLarge,
	reelvault.Unsupported:     http.StatusUnsupportedMediaType,
	reelvault.NotAcceptable:   http.StatusNotAcceptable,
	reelvault.Limited:         http.StatusTooManyRequests,
	reelvault.Unavailable:     http.StatusServiceUnavailable,
	reelvault.StorageFull:     http.StatusInsufficientStorage,
}

// httpCodes names the failures that HTTP alone knows.
var httpCodes = map[int]string{
	http.StatusBadRequest:           "malformed",
	http.StatusMethodNotAllowed:     "method-not-allowed",
	http.StatusRequestTimeout:       "request-timeout",
	http.StatusPreconditionRequired: "precondition-required",
}

// What everybody may read instead of a cause.
const (
	notFoundDetail = "there is no such thing here"
	internalDetail = "internal error"
)

// problemType begins every problem type; the code follows. A URN says that
// there is nothing to fetch (RFC 9457, section 3.1.1).
const problemType = "urn:reelvault:problem:"

// problem is an error as the client sees it (RFC 9457).
type problem struct {
	Type      string          `json:"type" doc:"Stable: urn:reelvault:problem: and the code"`
	Title     string          `json:"title" doc:"The HTTP status in words"`
	Status    int             `json:"status" doc:"The HTTP status"`
	Code      string          `json:"code" doc:"Stable name of the kind of problem, such as not-found"`
	Detail    string          `json:"detail" doc:"One sentence for the person who made the request"`
	Hint      string          `json:"hint,omitempty" doc:"What the operator of this server can do"`
	RequestID string          `json:"requestId" doc:"Names this request in the logs; also in the Request-Id header"`
	Errors    []problemDetail `json:"errors,omitempty" nullable:"false" doc:"Each thing that is wrong with the input"`

	retryAfter time.Duration
}

// problemDetail is one thing that is wrong with the input.
type problemDetail struct {
	Location string `json:"location,omitempty" doc:"Where, such as body.name or query.limit"`
	Message  string `json:"message" doc:"What is wrong"`
}

// Error implements error.
func (p *problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus implements huma.StatusError.
func (p *problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders implements huma.HeadersError.
func (p *problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="reelvault"`)
	}
	return h
}

// httpProblem makes a problem that HTTP alone knows.
func httpProblem(ctx context.Context, status int, detail string) *problem {
	code, ok := httpCodes[status]
	if !ok {
		code = codeOf(status)
	}
	return &problem{
		Type: problemType + code, Title: http.StatusText(status), Status: status,
		Code: code, Detail: detail, RequestID: requestID(ctx),
	}
}

func codeOf(status int) string {
	for k, s := range statuses {
		if s == status {
			return k.String()
		}
	}
	return reelvault.Internal.String()
}

// problemOf makes the problem of err. The cause of a fault of ours goes to
// the log and nowhere else.
func (s *Server) problemOf(ctx context.Context, err error) *problem {
	var ready *problem
	if errors.As(err, &ready) {
		return ready
	}
	kind := reelvault.KindOf(err)
	p := httpProblem(ctx, statuses[kind], "")
	var e *reelvault.Error
	if errors.As(err, &e) {
		p.Detail, p.Hint, p.retryAfter = e.Message, e.Hint, e.RetryAfter
		if e.Location != "" {
			p.Errors = []problemDetail{{Location: e.Location, Message: e.Message}}
		}
	}
	switch kind {
	case reelvault.NotFound:
		// What does not exist and what is somebody else's must not differ.
		p.Detail, p.Hint, p.Errors = notFoundDetail, "", nil
	case reelvault.Internal:
		p.Detail, p.Hint, p.Errors = internalDetail, "", nil
		level := slog.LevelError
		if ctx.Err() != nil {
			level = slog.LevelDebug // the client has gone, and took what we were doing with it
		}
		s.log.Log(ctx, level, "request failed", "request", p.RequestID, "error", err)
	case reelvault.Unavailable, reelvault.StorageFull:
		s.log.WarnContext(ctx, "request refused", "request", p.RequestID, "error", err)
	default:
	}
	return p
}

// validationProblem turns what Huma says of an input into our problem. The
// offending values are left out: one of them may be a secret.
func (s *Server) validationProblem(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := httpProblem(ctx.Context(), m.Status, m.Detail)
	if m.Status >= http.StatusInternalServerError {
		// All that Huma fails at is reading a body whose client has gone.
		s.log.DebugContext(ctx.Context(), "request not read", "request", p.RequestID, "error", m.Detail)
		p.Detail = internalDetail
		return p, nil
	}
	for _, d := range m.Errors {
		p.Errors = append(p.Errors, problemDetail{Location: d.Location, Message: d.Message})
	}
	return p, nil
}

// fail answers with the problem of err, outside of an operation's handler.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problemOf(r.Context(), err)
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	if r.Method == http.MethodHead {
		return
	}
	if err := json.NewEncoder(w).Encode(p); err != nil {
		s.log.DebugContext(r.Context(), "answer not taken", slog.Any("error", err))
	}
}

// problemResponse documents the answer that every operation may give.
func problemResponse(registry huma.Registry) *huma.Response {
	return &huma.Response{
		Description: "A problem (RFC 9457)",
		Content: map[string]*huma.MediaType{
			"application/problem+json": {Schema: registry.Schema(reflect.TypeFor[problem](), true, "Problem")},
		},
	}
}
