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

	// A session may hold so many bytes of shared files as heldFiles of the
	// largest that its tenant takes, but heldLeast at least: a tenant that takes
	// photographs only takes many. maxHeld bounds their number: an empty file
	// costs rows and objects, too.
	heldFiles = 10
	heldLeast = 1 << 30
	maxHeld   = 1000
)

// Held is how many bytes of shared files one session may have, whole and on
// their way together, where its tenant takes files of maxFile bytes.
func Held(maxFile int64) int64 {
	return max(heldFiles*min(maxFile, maxSize), heldLeast)
}

// Begin implements media.Uploads.
func (e *Engine) Begin(ctx context.Context, p media.Publisher, f media.Announced) (reelvault.Transfer, error) {
	bound, err := e.admit(ctx, p, f)
	if err != nil {
		return reelvault.Transfer{}, err
	}
	t := e.newTransfer(p, f)
	coming, err := e.enter(t)
	if err != nil {
		return reelvault.Transfer{}, err
	}
	ctx = context.WithoutCancel(ctx)
	row := t.row
	if err = e.fit(ctx, p, coming, bound); err == nil {
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

// admit says whether p may send a file of this size now, and gives how many
// bytes the session may hold.
func (e *Engine) admit(ctx context.Context, p media.Publisher, f media.Announced) (int64, error) {
	if f.Size < 0 {
		return 0, reelvault.Errorf(reelvault.Invalid, "a file can't have %d bytes", f.Size)
	}
	tenant, err := e.config.Ledger.Tenant(ctx, p.TenantID)
	if err != nil {
		return 0, fmt.Errorf("find tenant: %w", err)
	}
	if !tenant.Features.AV {
		return 0, reelvault.Errorf(reelvault.Forbidden, "file sharing is switched off for tenant %s", tenant.Name)
	}
	if tenant.MaxFileBytes == 0 {
		return 0, reelvault.Errorf(reelvault.Forbidden, "tenant %s takes no files", tenant.Name)
	}
	if limit := min(tenant.MaxFileBytes, maxSize); f.Size > limit {
		return 0, reelvault.Errorf(reelvault.TooLarge, "the file has %d bytes, and may have %d", f.Size, limit)
	}
	s, err := e.config.Ledger.Session(ctx, p.TenantID, p.SessionID)
	if err != nil {
		return 0, fmt.Errorf("find session: %w", err)
	}
	if !s.Status.Live() {
		return 0, reelvault.Errorf(reelvault.Conflict, "the session is %s", s.Status)
	}
	return Held(tenant.MaxFileBytes), nil
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
// many. It gives all of its session that are on their way, by file id.
func (e *Engine) enter(t *transfer) (map[string]reelvault.Transfer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.draining {
		return nil, errDraining()
	}
	var own, tenant int
	coming := map[string]reelvault.Transfer{}
	for id, o := range e.open {
		if o.row.TenantID != t.row.TenantID {
			continue
		}
		tenant++
		if o.row.SessionID != t.row.SessionID {
			continue
		}
		coming[id] = o.row
		if o.row.ParticipantID == t.row.ParticipantID {
			own++
		}
	}
	if own >= perParticipant || len(coming) >= perSession || tenant >= perTenant {
		err := reelvault.Errorf(reelvault.Limited, "too many files are on their way")
		err.RetryAfter = time.Minute
		return nil, err
	}
	e.open[t.row.FileID], coming[t.row.FileID] = t, t.row
	e.hold(t, nil)
	return coming, nil
}

// fit says whether the session of p may hold what is coming beside what it
// has, and whether the disk has room for it now. Only the session's own files
// count: nobody is kept out by what somebody else has announced.
func (e *Engine) fit(ctx context.Context, p media.Publisher, coming map[string]reelvault.Transfer, bound int64) error {
	recordings, err := e.config.Ledger.RecordingsOf(ctx, p.TenantID, p.SessionID)
	if err != nil {
		return fmt.Errorf("list recordings: %w", err)
	}
	var held, lacking int64
	number := 1
	for _, row := range coming {
		held += row.Size
		lacking += row.Size - row.Received
	}
	for _, r := range recordings {
		if r.Kind != reelvault.RecordingFile || r.State == reelvault.RecordingDeleted {
			continue
		}
		number++
		for _, f := range r.Files {
			if _, counted := coming[f.ID]; !counted && r.State == reelvault.RecordingReady {
				held += f.Bytes
			}
		}
	}
	hint := "delete shared files of the session"
	if number > maxHeld {
		return &reelvault.Error{
			Kind: reelvault.TooLarge, Hint: hint,
			Message: fmt.Sprintf("the session has had %d shared files, and takes no more", number-1),
		}
	}
	if held > bound {
		return &reelvault.Error{
			Kind: reelvault.TooLarge, Hint: hint + ", or raise maxFileBytes of its tenant",
			Message: fmt.Sprintf("the shared files of the session would have %d bytes together, and may have %d", held, bound),
		}
	}
	return e.config.Spool.RoomFor(lacking)
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
