package upload_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/spool"
	"github.com/reelvault/reelvault/media/upload"
)

// limit is what the tenant of the tests allows a file to have.
const limit = 32 << 20

// rig is an engine over a real spool, and a ledger in memory.
type rig struct {
	*upload.Engine
	ledger *ledger
	spool  *spooling
	dir    string
	who    media.Publisher

	mu     sync.Mutex
	clock  time.Time
	stored map[string]int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{
		dir: t.TempDir(), clock: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), stored: map[string]int{},
		who: media.Publisher{TenantID: newID(), SessionID: newID(), ParticipantID: "guest-1", Role: reelvault.RoleGuest},
	}
	r.ledger = newLedger(r.who)
	r.start(t)
	return r
}

// start makes the engine, as a new process does: what the one before had in
// memory is gone.
func (r *rig) start(t *testing.T) {
	t.Helper()
	dir, err := spool.Open(r.dir, spool.Config{Reserve: 1})
	must(t, err)
	r.spool = &spooling{dir: dir}
	r.Engine = upload.New(upload.Config{
		Ledger: r.ledger, Spool: r.spool, Now: r.now, Log: slog.New(slog.DiscardHandler),
		Stored: func(id string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.stored[id]++
		},
	})
	must(t, r.Recover(t.Context()))
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clock
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock = r.clock.Add(d)
}

func (r *rig) begin(t *testing.T, name string, size int64) reelvault.Transfer {
	t.Helper()
	row, err := r.Begin(t.Context(), r.who, media.Announced{Name: name, Size: size})
	must(t, err)
	return row
}

// send appends all of b and wants so many bytes to be here then.
func (r *rig) send(t *testing.T, id string, offset int64, b []byte) reelvault.Transfer {
	t.Helper()
	row, err := r.Append(t.Context(), id, offset, bodyOf(b))
	must(t, err)
	return row
}

func (r *rig) find(t *testing.T, id string) reelvault.Transfer {
	t.Helper()
	row, err := r.Find(t.Context(), r.who.TenantID, r.who.SessionID, id)
	must(t, err)
	return row
}

// content reads what the spool has of a file.
func (r *rig) content(t *testing.T, id string) []byte {
	t.Helper()
	f, err := r.spool.dir.Open(id)
	must(t, err)
	defer f.Close() //nolint:errcheck // only read from
	size, err := f.Size()
	must(t, err)
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	must(t, err)
	return b
}

// body gives bytes, and then waits or ends.
type body struct {
	io.Reader
	waits chan struct{} // closed when a stalled one has given all it has
	cut   chan struct{}
	once  sync.Once
}

func bodyOf(b []byte) *body { return newBody(bytes.NewReader(b)) }

func newBody(r io.Reader) *body {
	return &body{Reader: r, waits: make(chan struct{}), cut: make(chan struct{})}
}

func (b *body) Interrupt() { b.once.Do(func() { close(b.cut) }) }

// stalled gives what head has and then waits to be interrupted.
func stalled(head []byte) *body {
	b := bodyOf(nil)
	b.Reader = io.MultiReader(bytes.NewReader(head), readerFunc(func([]byte) (int, error) {
		close(b.waits)
		<-b.cut
		return 0, io.ErrClosedPipe
	}))
	return b
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// spooling shows a spool to the engine, and can run out of room.
type spooling struct {
	dir *spool.Dir

	mu   sync.Mutex
	room func(n int64) error
	sync error
}

func (s *spooling) set(room func(int64) error, sync error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room, s.sync = room, sync
}

func (s *spooling) Create(id string) (upload.File, error) { return s.file(s.dir.Create(id)) }

func (s *spooling) Reopen(id string) (upload.File, error) { return s.file(s.dir.Reopen(id)) }

func (s *spooling) file(f *spool.File, err error) (upload.File, error) {
	if err != nil {
		return nil, err
	}
	return file{f, s}, nil
}

func (s *spooling) Remove(id string) error { return s.dir.Remove(id) }

func (s *spooling) RoomFor(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.room == nil {
		return nil
	}
	return s.room(n)
}

type file struct {
	*spool.File
	spool *spooling
}

func (f file) Sync(ctx context.Context) error {
	f.spool.mu.Lock()
	err := f.spool.sync
	f.spool.mu.Unlock()
	if err != nil {
		return err
	}
	return f.File.Sync(ctx)
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, what string, err error, want reelvault.Kind) {
	t.Helper()
	if err == nil || reelvault.KindOf(err) != want {
		t.Errorf("%s: got %v, want an error of kind %s", what, err, want)
	}
}
