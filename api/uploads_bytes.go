package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/reelvault/reelvault"
)

// readStall is how long a sender of a file may send nothing before the request
// is over. It goes on in another.
const readStall = 30 * time.Second

type wholeBodyKey struct{}

// withWholeBody keeps a request's body as it came, for who takes in more than
// maxRequest.
func withWholeBody(ctx context.Context, body io.ReadCloser) context.Context {
	return context.WithValue(ctx, wholeBodyKey{}, body)
}

// receive takes in what a request sends of the rest of t.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, t reelvault.Transfer) (reelvault.Transfer, error) {
	whole, ok := r.Context().Value(wholeBodyKey{}).(io.ReadCloser)
	if !ok {
		whole = r.Body
	}
	b := &sentBody{body: http.MaxBytesReader(w, whole, t.Size-t.Received), control: http.NewResponseController(w)}
	got, err := s.Uploads.Append(r.Context(), t.FileID, t.Received, b)
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) && reelvault.KindOf(err) == reelvault.Invalid {
		return got, httpProblem(r.Context(), http.StatusRequestTimeout, "nothing came for too long")
	}
	return got, err
}

// sentBody implements media.Body: a body whose Read fails after readStall
// without a byte.
type sentBody struct {
	body    io.ReadCloser
	control *http.ResponseController

	mu  sync.Mutex
	cut bool
}

// Read implements io.Reader.
func (b *sentBody) Read(p []byte) (int, error) {
	if !b.wait(time.Now().Add(readStall)) {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := b.body.Read(p)
	if errors.Is(err, io.EOF) {
		b.wait(time.Time{}) // what follows is no sending
	}
	return n, err
}

// wait moves the deadline, unless the body was interrupted. Not every
// ResponseWriter has deadlines; those of real connections do.
func (b *sentBody) wait(until time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.cut {
		_ = b.control.SetReadDeadline(until)
	}
	return !b.cut
}

// Interrupt implements media.Body.
func (b *sentBody) Interrupt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cut = true
	_ = b.control.SetReadDeadline(time.Unix(1, 0))
}
