package upload_test

import (
	"context"
	"sync"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// ledger is a catalog in memory, which can fail.
type ledger struct {
	mu         sync.Mutex
	tenant     reelvault.Tenant
	session    reelvault.Session
	recordings map[string]reelvault.Recording // by file
	transfers  map[string]reelvault.Transfer
	activities []reelvault.Activity
	fails      map[string]error // by method
	notes      int
}

func newLedger(p media.Publisher) *ledger {
	return &ledger{
		tenant:     reelvault.Tenant{ID: p.TenantID, Name: "default", Features: reelvault.Features{AV: true}, MaxFileBytes: limit},
		session:    reelvault.Session{ID: p.SessionID, TenantID: p.TenantID, Status: reelvault.StatusActive},
		recordings: map[string]reelvault.Recording{}, transfers: map[string]reelvault.Transfer{}, fails: map[string]error{},
	}
}

func (l *ledger) fail(method string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fails[method] = err
}

func (l *ledger) end(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.session.Status, l.session.EndedAt = reelvault.StatusClosed, at
}

func (l *ledger) told() []reelvault.Activity {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.activities
}

func (l *ledger) recording(fileID string) reelvault.Recording {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recordings[fileID]
}

func (l *ledger) Tenant(_ context.Context, id string) (reelvault.Tenant, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id != l.tenant.ID {
		return reelvault.Tenant{}, missing("tenant")
	}
	return l.tenant, nil
}

func (l *ledger) Session(_ context.Context, tenantID, id string) (reelvault.Session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if tenantID != l.tenant.ID {
		return reelvault.Session{}, missing("session")
	}
	s := l.session
	s.ID = id
	return s, nil
}

func (l *ledger) RecordingOfFile(_ context.Context, fileID string) (reelvault.Recording, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.recordings[fileID]
	if !ok {
		return reelvault.Recording{}, missing("file")
	}
	return r, nil
}

func (l *ledger) RecordingsOf(_ context.Context, tenantID, sessionID string) ([]reelvault.Recording, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []reelvault.Recording
	for _, r := range l.recordings {
		if r.TenantID == tenantID && r.SessionID == sessionID {
			all = append(all, r)
		}
	}
	return all, l.fails["RecordingsOf"]
}

func (l *ledger) BeginTransfer(_ context.Context, r reelvault.Recording, t reelvault.Transfer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fails["BeginTransfer"]; err != nil {
		return err
	}
	l.recordings[t.FileID], l.transfers[t.FileID] = r, t
	return nil
}

func (l *ledger) Transfers(context.Context) ([]reelvault.Transfer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []reelvault.Transfer
	for _, t := range l.transfers {
		all = append(all, t)
	}
	return all, l.fails["Transfers"]
}

func (l *ledger) NoteTransfer(ctx context.Context, fileID string, received int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.fails["NoteTransfer"]; err != nil {
		return err
	}
	l.notes++
	t := l.transfers[fileID]
	t.Received = received
	l.transfers[fileID] = t
	return nil
}

func (l *ledger) FinishTransfer(_ context.Context, f reelvault.File, a reelvault.Activity) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fails["FinishTransfer"]; err != nil {
		return err
	}
	r := l.recordings[f.ID]
	r.State, r.EndedAt, r.Files = reelvault.RecordingReady, a.At, []reelvault.File{f}
	l.recordings[f.ID] = r
	delete(l.transfers, f.ID)
	l.activities = append(l.activities, a)
	return nil
}

func (l *ledger) AbortTransfer(_ context.Context, fileID, reason string, a reelvault.Activity) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fails["AbortTransfer"]; err != nil {
		return err
	}
	r := l.recordings[fileID]
	r.State, r.EndedAt, r.Reason = reelvault.RecordingFailed, a.At, reason
	l.recordings[fileID] = r
	delete(l.transfers, fileID)
	l.activities = append(l.activities, a)
	return nil
}

func missing(what string) error {
	return reelvault.Errorf(reelvault.NotFound, "there is no such %s", what)
}
