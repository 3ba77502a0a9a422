package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

const (
	// bufferSize is what one request holds in memory.
	bufferSize = 64 << 10

	// What has come is made safe after saveBytes or saveEvery, whichever is
	// first: that much a crash makes the sender send again. Each costs a sync
	// of the file and one of the ledger.
	saveBytes = 4 << 20
	saveEvery = 2 * time.Second

	// silence is how long a request that sends nothing keeps others away.
	silence = 2 * time.Second
)

// Find implements media.Uploads.
func (e *Engine) Find(ctx context.Context, tenantID, sessionID, fileID string) (reelvault.Transfer, error) {
	none := reelvault.Errorf(reelvault.NotFound, "no such file")
	for {
		row, writer := e.look(fileID)
		switch {
		case row == (reelvault.Transfer{}):
			whole, err := e.settled(ctx, fileID)
			if err == nil && (whole.TenantID != tenantID || whole.SessionID != sessionID) {
				return reelvault.Transfer{}, none
			}
			return whole, err
		case row.TenantID != tenantID || row.SessionID != sessionID || e.expired(row):
			return reelvault.Transfer{}, none
		case writer == nil:
			return row, nil
		}
		select {
		case <-writer.done:
		case <-ctx.Done():
			return reelvault.Transfer{}, context.Cause(ctx)
		}
	}
}

func (e *Engine) expired(row reelvault.Transfer) bool {
	return !e.config.Now().Before(row.ExpiresAt) && !row.Whole()
}

// look gives what is here of a file, and the writer that is to be waited for:
// one that has fallen silent.
func (e *Engine) look(fileID string) (reelvault.Transfer, *writer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.open[fileID]
	if t == nil {
		return reelvault.Transfer{}, nil
	}
	w := t.writer
	if w == nil || e.config.Now().Sub(w.heard) < silence {
		return t.row, nil
	}
	w.interrupt(reelvault.Errorf(reelvault.Conflict, "another request goes on with this file"))
	return t.row, w
}

// settled gives a file that is whole, of any tenant.
func (e *Engine) settled(ctx context.Context, fileID string) (reelvault.Transfer, error) {
	none := reelvault.Errorf(reelvault.NotFound, "no such file")
	r, err := e.config.Ledger.RecordingOfFile(ctx, fileID)
	if err != nil {
		return reelvault.Transfer{}, fmt.Errorf("find file: %w", err)
	}
	if r.Kind != reelvault.RecordingFile || r.State != reelvault.RecordingReady {
		return reelvault.Transfer{}, none
	}
	for _, f := range r.Files {
		if f.ID == fileID {
			return reelvault.Transfer{
				FileID: f.ID, RecordingID: r.ID, TenantID: r.TenantID, SessionID: r.SessionID, Size: f.Bytes, Received: f.Bytes,
			}, nil
		}
	}
	return reelvault.Transfer{}, none
}

// Append implements media.Uploads.
func (e *Engine) Append(ctx context.Context, fileID string, offset int64, body media.Body) (reelvault.Transfer, error) {
	var row reelvault.Transfer
	t, err := e.acquire(fileID, body, func(now reelvault.Transfer) error {
		if e.expired(now) {
			return errExpired()
		}
		row = now
		return fits(row, offset)
	})
	if reelvault.KindOf(err) == reelvault.NotFound {
		return e.repeat(ctx, fileID, offset)
	}
	if err != nil {
		return row, err
	}
	over := false
	defer func() { e.release(t, over) }()
	// What has come is kept whether its sender is still there or not.
	ctx = context.WithoutCancel(ctx)
	err = e.receive(ctx, t)
	if row = e.row(t); err != nil || !row.Whole() {
		return row, err
	}
	err = e.complete(ctx, t)
	over = err == nil
	return row, err
}

// repeat answers a request for a file that is whole: the first answer may have
// been lost.
func (e *Engine) repeat(ctx context.Context, fileID string, offset int64) (reelvault.Transfer, error) {
	row, err := e.settled(ctx, fileID)
	if err == nil {
		err = fits(row, offset)
	}
	return row, err
}

func fits(row reelvault.Transfer, offset int64) error {
	if offset != row.Received {
		return reelvault.Errorf(reelvault.Conflict, "%d bytes are here, and the request goes on at %d", row.Received, offset)
	}
	return nil
}

// receive takes in what the writer's body gives.
func (e *Engine) receive(ctx context.Context, t *transfer) error {
	if t.row.Whole() {
		return nil
	}
	f, err := e.reopen(t)
	if err != nil {
		return err
	}
	err = e.copy(ctx, t, f)
	if closed := f.Close(); closed != nil {
		e.config.Log.DebugContext(ctx, "close spool file", "file", t.row.FileID, "err", closed)
	}
	return err
}

// reopen opens the spool file, cut to what was acknowledged of it.
func (e *Engine) reopen(t *transfer) (File, error) {
	f, err := e.config.Spool.Reopen(t.row.FileID)
	if reelvault.KindOf(err) == reelvault.NotFound && t.row.Received == 0 {
		f, err = e.config.Spool.Create(t.row.FileID)
	}
	if err != nil {
		return nil, fmt.Errorf("open spool file: %w", err)
	}
	switch size := f.Size(); {
	case size < t.row.Received:
		err = reelvault.Errorf(reelvault.Internal, "the spool file has %d bytes of %d that were safe", size, t.row.Received)
	case size > t.row.Received:
		err = f.Truncate(t.row.Received)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cut spool file: %w", err), f.Close())
	}
	return f, nil
}

// copy appends what the body gives, until it ends or the file is whole, and
// makes it safe.
func (e *Engine) copy(ctx context.Context, t *transfer, f File) error {
	w := t.writer
	buffer := make([]byte, bufferSize)
	saved := e.config.Now()
	for f.Size() < t.row.Size {
		n, broken := w.body.Read(buffer[:min(bufferSize, t.row.Size-f.Size())])
		now := e.config.Now()
		if n > 0 {
			e.hear(w, now)
			if err := f.Append(buffer[:n]); err != nil {
				return fmt.Errorf("append to spool file: %w", err)
			}
		}
		if broken != nil {
			return errors.Join(e.save(ctx, t, f), e.brokenOff(w, broken))
		}
		if f.Size() == t.row.Size {
			break
		}
		if err := e.mayGoOn(t); err != nil {
			return errors.Join(e.save(ctx, t, f), err)
		}
		if f.Size()-t.row.Received < saveBytes && now.Sub(saved) < saveEvery {
			continue
		}
		if err := e.save(ctx, t, f); err != nil {
			return err
		}
		saved = now
	}
	return e.save(ctx, t, f)
}

// mayGoOn says whether more of a file may come. Hundreds of files may come at
// once, so that the disk is looked at with each piece: that costs a system
// call, and the piece cost one, too.
func (e *Engine) mayGoOn(t *transfer) error {
	if e.expired(t.row) {
		return errExpired()
	}
	return e.config.Spool.RoomFor(0)
}

func errExpired() error {
	return reelvault.Errorf(reelvault.NotFound, "the transfer has expired")
}

func (e *Engine) hear(w *writer, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w.heard = now
}

// brokenOff says why a body gave no more, nil if it had ended.
func (e *Engine) brokenOff(w *writer, err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if w.cause != nil {
		return w.cause
	}
	return &reelvault.Error{Kind: reelvault.Invalid, Message: "the body broke off", Cause: err}
}

// save makes safe what the spool file has, and then acknowledges it.
func (e *Engine) save(ctx context.Context, t *transfer, f File) error {
	size := f.Size()
	if size == t.row.Received {
		return nil
	}
	if err := f.Sync(ctx); err != nil {
		return fmt.Errorf("sync spool file: %w", err)
	}
	if err := e.config.Ledger.NoteTransfer(ctx, t.row.FileID, size); err != nil {
		return fmt.Errorf("note transfer: %w", err)
	}
	e.mu.Lock()
	t.row.Received = size
	e.mu.Unlock()
	e.config.Stored(t.row.FileID)
	return nil
}
