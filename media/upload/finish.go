package upload

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/reelvault/reelvault"
)

const (
	// tendEvery is how late a file that expired may be given up.
	tendEvery = time.Minute

	// afterEnd is how long a file may go on to come after its session's end: who
	// hangs up may have sent one just before.
	afterEnd = 15 * time.Minute
)

// Shared is the Data of the activity SharedFile.
type Shared struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Bytes       int64  `json:"bytes"`
	SHA256      string `json:"sha256"` // lower-case hex
	RecordingID string `json:"recordingId"`
}

// Lost is the Data of the activity FileUploadFailed.
type Lost struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// errSpool says that a file can't be finished with what the spool has of it.
var errSpool = errors.New("the spool does not give the whole file")

// complete seals a file of which every byte is here, and tells of it. The
// caller works on t.
func (e *Engine) complete(ctx context.Context, t *transfer) error {
	f, err := e.reopen(t)
	if err != nil {
		return fmt.Errorf("%w: %w", errSpool, err)
	}
	file, sum, err := seal(t, f)
	if closed := f.Close(); err == nil && closed != nil {
		err = fmt.Errorf("close spool file: %w", closed)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errSpool, err)
	}
	data, err := json.Marshal(Shared{file.Name, file.Type, file.Bytes, sum, file.RecordingID})
	if err != nil {
		return fmt.Errorf("tell of file: %w", err)
	}
	a := e.activity(t, reelvault.ActivitySharedFile, data)
	a.FileID = file.ID
	if err = e.config.Ledger.FinishTransfer(ctx, file, a); err != nil {
		return fmt.Errorf("finish transfer: %w", err)
	}
	e.config.Stored(file.ID)
	e.config.Log.InfoContext(ctx, "shared file whole", "file", file.ID, "session", t.row.SessionID, "bytes", file.Bytes)
	return nil
}

// activity makes one about t, as of now.
func (e *Engine) activity(t *transfer, what reelvault.ActivityType, data []byte) reelvault.Activity {
	return reelvault.Activity{
		ID: newID(), TenantID: t.row.TenantID, SessionID: t.row.SessionID, At: e.config.Now().UTC(), Type: what,
		Actor: t.row.Role.Actor(), ParticipantID: t.row.ParticipantID, Data: string(data),
	}
}

// seal makes the file's row and SHA-256 of what the spool holds.
func seal(t *transfer, f File) (reelvault.File, string, error) {
	all := io.NewSectionReader(f, 0, t.row.Size)
	sum := sha256.New()
	n, err := io.CopyBuffer(sum, all, make([]byte, bufferSize))
	if err == nil && n < t.row.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return reelvault.File{}, "", fmt.Errorf("read spool file, byte %d of %d: %w", n, t.row.Size, err)
	}
	head := make([]byte, min(sniffed, t.row.Size))
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return reelvault.File{}, "", fmt.Errorf("read head of spool file: %w", err)
	}
	if err := f.Seal(); err != nil {
		return reelvault.File{}, "", fmt.Errorf("seal spool file: %w", err)
	}
	file := t.file()
	file.Bytes, file.Sealed, file.Type = t.row.Size, true, Type(head, t.name)
	return file, hex.EncodeToString(sum.Sum(nil)), nil
}

// Cancel implements media.Uploads.
func (e *Engine) Cancel(ctx context.Context, fileID string) error {
	err := e.giveUp(ctx, fileID, "was cancelled")
	if reelvault.KindOf(err) != reelvault.NotFound {
		return err
	}
	if _, err := e.settled(ctx, fileID); err != nil {
		return err
	}
	return errWhole()
}

func errWhole() error {
	return reelvault.Errorf(reelvault.Conflict, "the file is whole already")
}

// giveUp breaks off the request that sends a file, if there is one, and gives
// the file up. It is NotFound if the file is not on its way.
func (e *Engine) giveUp(ctx context.Context, fileID, why string) error {
	for {
		e.mu.Lock()
		t := e.open[fileID]
		var w *writer
		if t != nil {
			w = t.writer
		}
		if w != nil {
			w.interrupt(reelvault.Errorf(reelvault.Conflict, "the file was given up: it %s", why))
		}
		e.mu.Unlock()
		if w == nil {
			err := e.abort(ctx, fileID, why)
			if errors.Is(err, errBusy) && ctx.Err() == nil {
				continue // somebody was faster
			}
			return err
		}
		select {
		case <-w.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// abort gives a file up that nobody works on. One that is whole is finished
// instead, now or by Tend, unless the spool has lost it.
func (e *Engine) abort(ctx context.Context, fileID, why string) error {
	t, err := e.acquire(fileID, nil, anyRow)
	if err != nil {
		return err
	}
	over := false
	defer func() { e.release(t, over) }()
	ctx = context.WithoutCancel(ctx)
	if t.row.Whole() {
		err = e.complete(ctx, t)
		over = err == nil
		if !errors.Is(err, errSpool) {
			return errWhole()
		}
		e.config.Log.ErrorContext(ctx, "finish shared file that is to be given up", "file", fileID, "err", err)
	}
	reason := fmt.Sprintf("%d of %d bytes came before the transfer %s", t.row.Received, t.row.Size, why)
	data, err := json.Marshal(Lost{t.name, reason})
	if err != nil {
		return fmt.Errorf("tell of file: %w", err)
	}
	err = e.config.Ledger.AbortTransfer(ctx, fileID, reason, e.activity(t, reelvault.ActivityFileUploadFailed, data))
	if err != nil {
		return fmt.Errorf("abort transfer: %w", err)
	}
	over = true
	e.config.Stored(fileID)
	e.config.Log.InfoContext(ctx, "shared file given up", "file", fileID, "reason", reason)
	return nil
}

// Run gives up what has expired and finishes what is whole, until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		e.Tend(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Tend looks once after the files on their way: those that expired, or whose
// session ended a while ago, are given up, and those that are whole and that
// the ledger did not take before are finished. A request that sends one of the
// former is broken off. What fails is logged, and tried again the next time.
func (e *Engine) Tend(ctx context.Context) {
	for _, row := range e.rows() {
		var err error
		switch {
		case row.Whole():
			err = e.finish(ctx, row.FileID)
		case e.expired(row):
			err = e.giveUp(ctx, row.FileID, "expired")
		case e.ended(ctx, row):
			err = e.giveUp(ctx, row.FileID, "expired after the end of the session")
		}
		if kind := reelvault.KindOf(err); err != nil && kind != reelvault.NotFound && kind != reelvault.Conflict && ctx.Err() == nil {
			e.config.Log.ErrorContext(ctx, "tend shared file", "file", row.FileID, "err", err)
		}
	}
}

// rows lists all transfers.
func (e *Engine) rows() []reelvault.Transfer {
	e.mu.Lock()
	defer e.mu.Unlock()
	var rows []reelvault.Transfer
	for _, t := range e.open {
		rows = append(rows, t.row)
	}
	return rows
}

// ended says whether the session of a transfer ended a while ago.
func (e *Engine) ended(ctx context.Context, row reelvault.Transfer) bool {
	s, err := e.config.Ledger.Session(ctx, row.TenantID, row.SessionID)
	if err != nil {
		e.config.Log.WarnContext(ctx, "find session of shared file", "file", row.FileID, "err", err)
		return false
	}
	return !s.Status.Live() && !s.EndedAt.IsZero() && e.config.Now().Sub(s.EndedAt) >= afterEnd
}

// finish completes a file that nobody works on.
func (e *Engine) finish(ctx context.Context, fileID string) error {
	t, err := e.acquire(fileID, nil, anyRow)
	if err != nil {
		return err
	}
	err = e.complete(context.WithoutCancel(ctx), t)
	e.release(t, err == nil)
	return err
}
