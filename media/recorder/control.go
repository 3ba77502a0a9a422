package recorder

import (
	"context"

	"github.com/reelvault/reelvault"
)

// Pause implements media.Control.
func (r *Recorder) Pause(ctx context.Context, tenantID, recordingID, by, reason string) (reelvault.Recording, error) {
	rec, err := r.running(ctx, tenantID, recordingID, reelvault.EventPause)
	if err != nil {
		return reelvault.Recording{}, err
	}
	return rec.pause(ctx, by, reason)
}

// Resume implements media.Control.
func (r *Recorder) Resume(ctx context.Context, tenantID, recordingID string) (reelvault.Recording, error) {
	rec, err := r.running(ctx, tenantID, recordingID, reelvault.EventResume)
	if err != nil {
		return reelvault.Recording{}, err
	}
	return rec.resume(ctx)
}

// Stop implements media.Control.
func (r *Recorder) Stop(ctx context.Context, tenantID, recordingID string) (reelvault.Recording, error) {
	rec, err := r.running(ctx, tenantID, recordingID, reelvault.EventSeal)
	if err != nil {
		return reelvault.Recording{}, err
	}
	rec.askToStop()
	if err = rec.wait(ctx); err != nil {
		return reelvault.Recording{}, err
	}
	row, err := r.config.Ledger.Recording(ctx, tenantID, recordingID)
	if err == nil && (row.State.Capturing() || row.State == reelvault.RecordingProcessing) {
		err = &reelvault.Error{
			Kind: reelvault.Internal, Message: "the recording ended, and could not be sealed",
			Hint: "look into the log for what failed; the next start of the recorder seals it",
		}
	}
	return row, err
}

// StopSession implements media.Control.
func (r *Recorder) StopSession(ctx context.Context, tenantID, sessionID string) error {
	return stopAll(ctx, r.of(tenantID, sessionID))
}

// Release implements media.Control.
func (r *Recorder) Release(_ context.Context, tenantID, sessionID string) error {
	for _, rec := range r.of(tenantID, sessionID) {
		for _, c := range rec.all() {
			c.do(c.release)
		}
	}
	return nil
}

// of gives a session's recordings that take publishers.
func (r *Recorder) of(tenantID, sessionID string) []*recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*recording
	for s, rec := range r.recordings {
		if s.tenantID == tenantID && s.sessionID == sessionID {
			all = append(all, rec)
		}
	}
	return all
}

// stopAll asks recordings to stop, and waits until all have.
func stopAll(ctx context.Context, all []*recording) error {
	for _, rec := range all {
		rec.askToStop()
	}
	for _, rec := range all {
		if err := rec.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// running finds a recording that captures. One that is known but does not is
// a Conflict that names its state.
func (r *Recorder) running(ctx context.Context, tenantID, recordingID string, e reelvault.RecordingEvent) (*recording, error) {
	r.mu.Lock()
	for s, rec := range r.recordings {
		if s.tenantID == tenantID && rec.id == recordingID {
			r.mu.Unlock()
			return rec, nil
		}
	}
	r.mu.Unlock()

	row, err := r.config.Ledger.Recording(ctx, tenantID, recordingID)
	if err != nil {
		return nil, err
	}
	return nil, reelvault.Errorf(reelvault.Conflict, "cannot %s a recording that is %s", e, row.State)
}
