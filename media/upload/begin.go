package upload

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/google/uuid"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

const (
	// Life is how long a file may take from its announcement on: a closed
	// laptop goes on the next morning.
	Life = 24 * time.Hour

	// maxSize is what a recording's file may have at most: a store takes 10,000
	// parts of 8 MiB.
	maxSize = 10_000 * (8 << 20)

	// How many files may be on their way at once. A person who drops a folder
	// sends a few at a time; what a client says more than that to begin is no
	// person's.
	perParticipant = 16
	perSession     = 64
	perTenant      = 2000
)

// Begin implements media.Uploads.
func (e *Engine) Begin(ctx context.Context, p media.Publisher, f media.Announced) (reelvault.Transfer, error) {
	if err := e.admit(ctx, p, f); err != nil {
		return reelvault.Transfer{}, err
	}
	t := e.newTransfer(p, f)
	need, err := e.enter(t)
	if err != nil {
		return reelvault.Transfer{}, err
	}
	ctx = context.WithoutCancel(ctx)
	row := t.row
	if err = e.config.Spool.RoomFor(need); err == nil {
		err = e.begin(ctx, t)
	}
	over := err != nil
	if err == nil && row.Whole() {
		err = e.complete(ctx, t)
		over = err == nil
	}
	e.release(t, over)
	return row, err
}

// admit says whether p may send a file of this size now.
func (e *Engine) admit(ctx context.Context, p media.Publisher, f media.Announced) error {
	if f.Size < 0 {
		return reelvault.Errorf(reelvault.Invalid, "a file can't have %d bytes", f.Size)
	}
	tenant, err := e.config.Ledger.Tenant(ctx, p.TenantID)
	if err != nil {
		return fmt.Errorf("find tenant: %w", err)
	}
	if !tenant.Features.AV {
		return reelvault.Errorf(reelvault.Forbidden, "file sharing is switched off for tenant %s", tenant.Name)
	}
	if tenant.MaxFileBytes == 0 {
		return reelvault.Errorf(reelvault.Forbidden, "tenant %s takes no files", tenant.Name)
	}
	if limit := min(tenant.MaxFileBytes, maxSize); f.Size > limit {
		return reelvault.Errorf(reelvault.TooLarge, "the file has %d bytes, and may have %d", f.Size, limit)
	}
	s, err := e.config.Ledger.Session(ctx, p.TenantID, p.SessionID)
	if err != nil {
		return fmt.Errorf("find session: %w", err)
	}
	if !s.Status.Live() {
		return reelvault.Errorf(reelvault.Conflict, "the session is %s", s.Status)
	}
	return nil
}

// newTransfer makes what is kept of a file that is announced.
func (e *Engine) newTransfer(p media.Publisher, f media.Announced) *transfer {
	now := e.config.Now().UTC()
	row := reelvault.Transfer{
		FileID: newID(), RecordingID: newID(), TenantID: p.TenantID, SessionID: p.SessionID,
		ParticipantID: p.ParticipantID, Role: p.Role, Size: f.Size, ExpiresAt: now.Add(Life),
	}
	return &transfer{
		row: row, name: Name(f.Name), start: now,
		key: path.Join(row.TenantID, row.SessionID, row.RecordingID, row.FileID+"."+string(reelvault.Plain)),
	}
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// enter counts t in, as one that the caller works on, unless there are too
// many. It gives how many bytes all of them still lack.
func (e *Engine) enter(t *transfer) (int64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.draining {
		return 0, errDraining()
	}
	var own, session, tenant int
	need := t.row.Size
	for _, o := range e.open {
		need += o.row.Size - o.row.Received
		if o.row.TenantID != t.row.TenantID {
			continue
		}
		tenant++
		if o.row.SessionID != t.row.SessionID {
			continue
		}
		session++
		if o.row.ParticipantID == t.row.ParticipantID {
			own++
		}
	}
	if own >= perParticipant || session >= perSession || tenant >= perTenant {
		err := reelvault.Errorf(reelvault.Limited, "too many files are on their way")
		err.RetryAfter = time.Minute
		return 0, err
	}
	e.open[t.row.FileID] = t
	e.hold(t, nil)
	return need, nil
}

// begin makes the spool file first: one without a row is swept at the next
// start.
func (e *Engine) begin(ctx context.Context, t *transfer) error {
	f, err := e.config.Spool.Create(t.row.FileID)
	if err != nil {
		return fmt.Errorf("create spool file: %w", err)
	}
	if err = f.Close(); err != nil {
		return errors.Join(err, e.config.Spool.Remove(t.row.FileID))
	}
	r := reelvault.Recording{
		ID: t.row.RecordingID, TenantID: t.row.TenantID, SessionID: t.row.SessionID, Kind: reelvault.RecordingFile,
		State: reelvault.RecordingRunning, Durability: reelvault.Spooled, StartedAt: t.start, Files: []reelvault.File{t.file()},
	}
	if err = e.config.Ledger.BeginTransfer(ctx, r, t.row); err != nil {
		return errors.Join(fmt.Errorf("begin transfer: %w", err), e.config.Spool.Remove(t.row.FileID))
	}
	e.config.Log.InfoContext(ctx, "shared file begun", "file", t.row.FileID, "session", t.row.SessionID, "size", t.row.Size)
	return nil
}

// file gives the row of the file as it is before it is sealed.
func (t *transfer) file() reelvault.File {
	return reelvault.File{
		ID: t.row.FileID, RecordingID: t.row.RecordingID, Container: reelvault.Plain,
		Durability: reelvault.Spooled, Key: t.key, Name: t.name,
	}
}
