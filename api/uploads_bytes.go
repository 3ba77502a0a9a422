package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// readStall is how long a sender of a file may send nothing before the request
// is over. It goes on in another.
const readStall = 30 * time.Second

// askAgainEvery is how long a request may send on after it would be refused:
// a large file takes an hour. Each time costs a few queries.
const askAgainEvery = 2 * time.Second

type wholeBodyKey struct{}

// withWholeBody keeps a request's body as it came, for who takes in more than
// maxRequest.
func withWholeBody(ctx context.Context, body io.ReadCloser) context.Context {
	return context.WithValue(ctx, wholeBodyKey{}, body)
}

// receive takes in what a request of c sends of the rest of t, as long as it
// would still be let in.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, c *caller, t reelvault.Transfer) (reelvault.Transfer, error) {
	whole, ok := r.Context().Value(wholeBodyKey{}).(io.ReadCloser)
	if !ok {
		whole = r.Body
	}
	b := &sentBody{body: http.MaxBytesReader(w, whole, t.Size-t.Received), control: http.NewResponseController(w)}
	ctx, stop := context.WithCancel(r.Context())
	_, over := s.liveSession(ctx, c, t.SessionID)
	refused := make(chan error, 1)
	live := reelvault.KindOf(over) != reelvault.Conflict
	go func() { refused <- s.askAgain(ctx, c, t.SessionID, live, b) }()
	got, err := s.Uploads.Append(r.Context(), t.FileID, t.Received, b)
	stop()
	if why := <-refused; why != nil && err != nil {
		return got, why
	}
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) && reelvault.KindOf(err) == reelvault.Invalid {
		return got, httpProblem(r.Context(), http.StatusRequestTimeout, "nothing came for too long")
	}
	return got, err
}

// askAgain waits until what c sends would be refused, interrupts it and gives
// why, or nil if ctx ends first. A session that is over already takes what was
// announced for a while; one that is live and ends, ends what is being sent.
func (s *Server) askAgain(ctx context.Context, c *caller, sessionID string, live bool, b media.Body) error {
	tick := time.NewTicker(askAgainEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		err := s.stillGood(ctx, c)
		if err == nil && live {
			_, err = s.liveSession(ctx, c, sessionID)
		}
		if refuses(err) && ctx.Err() == nil {
			b.Interrupt()
			return err
		}
	}
}

// refuses says whether err says no, where another only says that it isn't known
// now.
func refuses(err error) bool {
	switch reelvault.KindOf(err) {
	case reelvault.Unauthenticated, reelvault.Forbidden, reelvault.Conflict, reelvault.NotFound:
		return true
	default:
		return false
	}
}

// stillGood says whether the credential of c is good, as it was. A ticket to a
// call that has expired is as long as its invitation is: who has that gets
// another ticket whenever they ask.
func (s *Server) stillGood(ctx context.Context, c *caller) error {
	_, err := s.credential(ctx, c.credential.Kind, c.secret)
	cred := c.credential
	if reelvault.KindOf(err) != reelvault.Unauthenticated || cred.Purpose != reelvault.PurposeCall || s.now().Before(cred.ExpiresAt) {
		return err
	}
	all, listed := s.invitations(ctx, reelvault.Session{ID: cred.SessionID, TenantID: cred.TenantID})
	if listed != nil {
		return listed
	}
	if slices.ContainsFunc(all, func(i reelvault.Credential) bool { return i.ID == cred.IssuerID }) {
		return nil
	}
	return err
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
