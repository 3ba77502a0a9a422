package recorder_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/reelvault/reelvault"
)

// ledger keeps rows in memory.
type ledger struct {
	mu          sync.Mutex
	recordings  map[string]reelvault.Recording
	timings     map[string]reelvault.Timing // by file
	failure     error                       // of every change
	onSession   func()                      // called when a session is looked up
	onWithheld  func()                      // before it is told whether a session is withheld
	withheld    bool
	withheldErr error
	onCreate    func()                         // before a recording is added
	onMove      func(reelvault.RecordingEvent) // after a recording was moved
	onSeal      func()                         // before a sealed file is saved
	status      reelvault.SessionStatus
	features    reelvault.Features
	asks        bool // for consent
	answered    []reelvault.Participant
}

func newLedger() *ledger {
	return &ledger{
		recordings: map[string]reelvault.Recording{}, timings: map[string]reelvault.Timing{}, status: reelvault.StatusActive,
		features: reelvault.Features{AV: true, Phone: true},
	}
}

// setFailure makes every change fail from now on, or none.
func (l *ledger) setFailure(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure = err
}

// setStatus moves the session.
func (l *ledger) setStatus(s reelvault.SessionStatus) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status = s
}

func (l *ledger) Tenant(_ context.Context, id string) (reelvault.Tenant, error) {
	return reelvault.Tenant{ID: id, Name: "test", Features: l.features, Consent: reelvault.ConsentNotice{Required: l.asks}}, nil
}

func (l *ledger) Session(_ context.Context, tenantID, id string) (reelvault.Session, error) {
	if l.onSession != nil {
		l.onSession()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return reelvault.Session{ID: id, TenantID: tenantID, Status: l.status, Participants: l.answered}, nil
}

func (l *ledger) Withheld(context.Context, string, string) (bool, error) {
	if l.onWithheld != nil {
		l.onWithheld()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.withheld, l.withheldErr
}

func (l *ledger) CreateRecording(ctx context.Context, r reelvault.Recording) error {
	if l.onCreate != nil {
		l.onCreate()
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("create recording: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return l.failure
	}
	l.recordings[r.ID] = r
	return nil
}

func (l *ledger) Recording(_ context.Context, tenantID, id string) (reelvault.Recording, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.recordings[id]
	if !ok || r.TenantID != tenantID {
		return r, reelvault.Errorf(reelvault.NotFound, "no recording %s", id)
	}
	return copied(r), nil
}

func (l *ledger) RecordingOfFile(_ context.Context, fileID string) (reelvault.Recording, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.recordings {
		for _, f := range r.Files {
			if f.ID == fileID {
				return copied(r), nil
			}
		}
	}
	return reelvault.Recording{}, reelvault.Errorf(reelvault.NotFound, "no file %s", fileID)
}

// copied gives a ledger with the same rows.
func (l *ledger) copied() *ledger {
	c := newLedger()
	for _, r := range l.all() {
		c.recordings[r.ID] = r
	}
	return c
}

func copied(r reelvault.Recording) reelvault.Recording {
	r.Files, r.Tracks = slices.Clone(r.Files), slices.Clone(r.Tracks)
	slices.SortStableFunc(r.Files, func(a, b reelvault.File) int { return cmp.Compare(a.Offset, b.Offset) })
	slices.SortStableFunc(r.Tracks, func(a, b reelvault.Track) int { return cmp.Compare(a.Offset, b.Offset) })
	return r
}

func (l *ledger) all() []reelvault.Recording {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := []reelvault.Recording{}
	for _, r := range l.recordings {
		all = append(all, copied(r))
	}
	slices.SortFunc(all, func(a, b reelvault.Recording) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID))
	})
	return all
}

func (l *ledger) Unfinished(context.Context) ([]reelvault.Recording, error) {
	return slices.DeleteFunc(l.all(), func(r reelvault.Recording) bool {
		return !r.State.Capturing() && r.State != reelvault.RecordingProcessing
	}), nil
}

func (l *ledger) MoveRecording(_ context.Context, id string, e reelvault.RecordingEvent, change reelvault.Recording) (reelvault.Recording, error) {
	r, err := l.move(id, e, change)
	if l.onMove != nil {
		l.onMove(e)
	}
	return r, err
}

func (l *ledger) move(id string, e reelvault.RecordingEvent, change reelvault.Recording) (reelvault.Recording, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return reelvault.Recording{}, l.failure
	}
	r, ok := l.recordings[id]
	if !ok {
		return r, reelvault.Errorf(reelvault.NotFound, "no recording %s", id)
	}
	next, ok := r.State.Next(e)
	if !ok {
		return r, reelvault.Errorf(reelvault.Conflict, "cannot %s a recording that is %s", e, r.State)
	}
	r.State = next
	if !change.EndedAt.IsZero() {
		r.EndedAt = change.EndedAt
	}
	if change.Reason != "" {
		r.Reason = change.Reason
	}
	if change.SyncError != 0 {
		r.SyncError = change.SyncError
	}
	l.recordings[id] = r
	return copied(r), nil
}

func (l *ledger) SaveFile(_ context.Context, f reelvault.File) error {
	if l.onSeal != nil && f.Sealed {
		l.onSeal()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return l.failure
	}
	r := l.recordings[f.RecordingID]
	r.Files = slices.DeleteFunc(slices.Clone(r.Files), func(o reelvault.File) bool { return o.ID == f.ID })
	r.Files = append(r.Files, f)
	l.recordings[f.RecordingID] = r
	return nil
}

func (l *ledger) ForgetFile(_ context.Context, fileID string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, r := range l.recordings {
		r.Files = slices.DeleteFunc(slices.Clone(r.Files), func(f reelvault.File) bool { return f.ID == fileID })
		r.Tracks = slices.DeleteFunc(slices.Clone(r.Tracks), func(t reelvault.Track) bool { return t.FileID == fileID })
		l.recordings[id] = r
	}
	return nil
}

func (l *ledger) SaveTracks(_ context.Context, tracks []reelvault.Track) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return l.failure
	}
	for _, t := range tracks {
		r := l.recordings[t.RecordingID]
		r.Tracks = slices.DeleteFunc(slices.Clone(r.Tracks), func(o reelvault.Track) bool { return o.ID == t.ID })
		r.Tracks = append(r.Tracks, t)
		l.recordings[t.RecordingID] = r
	}
	return nil
}

func (l *ledger) SaveTiming(_ context.Context, fileID string, t reelvault.Timing) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timings[fileID] = t
	return nil
}
