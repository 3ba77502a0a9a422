// Package upload takes in the files that participants share in a session. A
// shared file is the one File of a Recording of kind file, so that from the
// spool on it goes the road of every recording: parts, read-back, commit.
//
//	Begin -> Append ... -> (digest, media type, seal) -> FinishTransfer -> archive
//	      \-> Cancel, expiry -> AbortTransfer -> the archive erases what it has
//
// What Find and Append say is here, is: it was synced to the disk, and then
// noted in the ledger. Whatever lies in the spool behind the noted offset, as
// after a power cut, was never acknowledged and is cut off before anything is
// appended. So a transfer goes on after a crash of this program, of the
// machine, or of the sender, at the offset that the sender is told.
//
// One request at a time sends a file. One that has fallen silent, as after a
// change of networks, gives way to the next. A file is whole when the spool
// has as many bytes as were announced; its SHA-256 and media type are then made
// of what the spool holds, and one transaction of the ledger makes the file
// sealed, the recording ready and appends the activity SharedFile.
//
// Memory is a bounded buffer for each request. The number of files on their
// way is bounded by participant, session and tenant, and what a session has in
// all, whole and announced, by Held. Announcing a file keeps no room for it
// from other sessions: the disk is looked at with every piece that comes, and
// has to keep free what recordings may need and more, since recordings go
// first. A file for which there is no room stays resumable.
//
// A request that goes on when the file expires is broken off, and so is one
// that goes on for long after the session's end.
package upload

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// Ledger is what uploads need of the catalog. Each method is durable when it
// returns, and may be called from any goroutine.
type Ledger interface {
	// Tenant gives one, or an error of kind NotFound.
	Tenant(ctx context.Context, id string) (reelvault.Tenant, error)

	// Session gives one, or an error of kind NotFound.
	Session(ctx context.Context, tenantID, id string) (reelvault.Session, error)

	// RecordingsOf gives a session's recordings with their files.
	RecordingsOf(ctx context.Context, tenantID, sessionID string) ([]reelvault.Recording, error)

	// RecordingOfFile gives the recording that has this file, or NotFound.
	RecordingOfFile(ctx context.Context, fileID string) (reelvault.Recording, error)

	// BeginTransfer adds a recording with its one file, and the transfer.
	BeginTransfer(ctx context.Context, r reelvault.Recording, t reelvault.Transfer) error

	// Transfers lists those that are neither finished nor aborted.
	Transfers(ctx context.Context) ([]reelvault.Transfer, error)

	// NoteTransfer keeps how much of a file is here.
	NoteTransfer(ctx context.Context, fileID string, received int64) error

	// FinishTransfer seals f, makes its recording ready as of a.At, appends a
	// and ends the transfer, all of it or nothing.
	FinishTransfer(ctx context.Context, f reelvault.File, a reelvault.Activity) error

	// AbortTransfer makes the recording failed for a reason as of a.At, leaves
	// the file to be erased, appends a and ends the transfer, all of it or
	// nothing.
	AbortTransfer(ctx context.Context, fileID, reason string, a reelvault.Activity) error
}

// Spool is what uploads need of the local spool.
type Spool interface {
	// Create makes an empty file.
	Create(fileID string) (File, error)

	// Reopen opens a file to go on with it.
	Reopen(fileID string) (File, error)

	// Remove deletes a file that nobody writes.
	Remove(fileID string) error

	// RoomFor gives an error of kind StorageFull unless n more bytes leave free
	// what recordings may need, those included that have yet to begin. It is
	// asked with every piece that comes.
	RoomFor(n int64) error
}

// File is one spool file.
type File interface {
	io.ReaderAt
	io.Closer

	// Append writes b at the end.
	Append(b []byte) error

	// Truncate cuts the file to size bytes.
	Truncate(size int64) error

	// Size gives how many bytes have been written.
	Size() int64

	// Sync returns when what was written survives a power cut.
	Sync(ctx context.Context) error

	// Seal syncs the file and makes it immutable.
	Seal() error
}

// Config is what an Engine needs. All fields but Stored, Log and Now are
// required.
type Config struct {
	Ledger Ledger
	Spool  Spool
	Stored func(fileID string) // told when a file has grown, is whole or was given up; must not block
	Log    *slog.Logger        // nil: silence
	Now    func() time.Time    // nil: the machine's clock
}

// Engine implements media.Uploads. Call Recover before the first request, Run
// beside them, and Drain at the end.
type Engine struct {
	config  Config
	writers sync.WaitGroup // a request is added under mu while draining is false

	mu       sync.Mutex // guards what follows, and is never held over I/O
	draining bool
	open     map[string]*transfer // by file id
}

var _ media.Uploads = (*Engine)(nil)

// transfer is a file on its way. Engine.mu guards it.
type transfer struct {
	row    reelvault.Transfer
	name   string // of the file
	key    string // of the file
	start  time.Time
	writer *writer // who works on it; nil: nobody
}

// writer is a request, or a goroutine of ours, that works on a transfer.
type writer struct {
	body  media.Body    // nil: nothing is read
	heard time.Time     // when the body last gave bytes; guarded by Engine.mu
	done  chan struct{} // closed when it has ended
	cause error         // why it was interrupted; guarded by Engine.mu
}

// New makes an Engine.
func New(c Config) *Engine {
	if c.Stored == nil {
		c.Stored = func(string) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Engine{config: c, open: map[string]*transfer{}}
}

// Recover takes up the transfers that an earlier process left. Call it once.
func (e *Engine) Recover(ctx context.Context) error {
	rows, err := e.config.Ledger.Transfers(ctx)
	if err != nil {
		return fmt.Errorf("list transfers: %w", err)
	}
	for _, row := range rows {
		t, err := e.restore(ctx, row)
		if err != nil {
			return fmt.Errorf("take up transfer %s: %w", row.FileID, err)
		}
		e.mu.Lock()
		e.open[row.FileID] = t
		e.mu.Unlock()
	}
	if len(rows) > 0 {
		e.config.Log.InfoContext(ctx, "took up transfers of files", "transfers", len(rows))
	}
	return nil
}

func (e *Engine) restore(ctx context.Context, row reelvault.Transfer) (*transfer, error) {
	r, err := e.config.Ledger.RecordingOfFile(ctx, row.FileID)
	if err != nil {
		return nil, err
	}
	t := &transfer{row: row, start: r.StartedAt}
	for _, f := range r.Files {
		if f.ID == row.FileID {
			t.name, t.key = f.Name, f.Key
		}
	}
	return t, nil
}

// Drain refuses new requests, breaks off running ones, and returns when what
// they brought is safe or ctx ends. What is left is taken up by Recover.
func (e *Engine) Drain(ctx context.Context) error {
	e.mu.Lock()
	e.draining = true
	for _, t := range e.open {
		if t.writer != nil {
			t.writer.interrupt(errDraining())
		}
	}
	e.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.writers.Wait()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for files on their way: %w", context.Cause(ctx))
	}
}

func errDraining() error {
	return reelvault.Errorf(reelvault.Unavailable, "the recorder is shutting down")
}

// interrupt ends what a request sends. The caller holds Engine.mu.
func (w *writer) interrupt(cause error) {
	if w.body == nil || w.cause != nil {
		return
	}
	w.cause = cause
	w.body.Interrupt()
}

// errBusy says that somebody works on the file already.
var errBusy = reelvault.Errorf(reelvault.Conflict, "another request sends this file")

// acquire makes the caller the one that works on a file, which takes nothing
// unless its row is what they want: others may. The caller calls release.
func (e *Engine) acquire(fileID string, body media.Body, wants func(row reelvault.Transfer) error) (*transfer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.open[fileID]
	switch {
	case e.draining:
		return nil, errDraining()
	case t == nil:
		return nil, reelvault.Errorf(reelvault.NotFound, "no such file is on its way")
	case t.writer != nil:
		return nil, errBusy
	}
	if err := wants(t.row); err != nil {
		return nil, err
	}
	e.hold(t, body)
	return t, nil
}

// anyRow is what acquire is given by whoever works on a file as it is.
func anyRow(reelvault.Transfer) error { return nil }

// hold makes the caller the one that works on t. The caller holds e.mu.
func (e *Engine) hold(t *transfer, body media.Body) {
	t.writer = &writer{body: body, heard: e.config.Now(), done: make(chan struct{})}
	e.writers.Add(1)
}

// release ends what acquire began. over says that t is finished or given up.
func (e *Engine) release(t *transfer, over bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if over {
		delete(e.open, t.row.FileID)
	}
	close(t.writer.done)
	t.writer = nil
	e.writers.Done()
}

// row gives a copy of a transfer's row.
func (e *Engine) row(t *transfer) reelvault.Transfer {
	e.mu.Lock()
	defer e.mu.Unlock()
	return t.row
}
