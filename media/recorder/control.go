package recorder

import (
	"context"
	"fmt"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
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
func (r *Recorder) Release(ctx context.Context, tenantID, sessionID string) error {
	a, err := r.answers(ctx, tenantID, sessionID)
	if err != nil {
		return err
	}
	for _, rec := range r.of(tenantID, sessionID) {
		for _, c := range rec.all() {
			if a.allow(c.publisher) {
				c.do(c.release)
			}
		}
	}
	return nil
}

// answers is what the guests of a session have said about being recorded.
type answers struct {
	asked bool
	given map[string]bool // by participant
}

// answers asks the ledger.
func (r *Recorder) answers(ctx context.Context, tenantID, sessionID string) (answers, error) {
	t, err := r.config.Ledger.Tenant(ctx, tenantID)
	if err != nil {
		return answers{}, fmt.Errorf("ask for tenant %s: %w", tenantID, err)
	}
	s, err := r.config.Ledger.Session(ctx, tenantID, sessionID)
	if err != nil {
		return answers{}, fmt.Errorf("ask for session %s: %w", sessionID, err)
	}
	a := answers{asked: t.Consent.Required && s.Channel != reelvault.ChannelPhone, given: map[string]bool{}}
	for _, p := range s.Participants {
		a.given[p.ID] = p.Consent.Answer == reelvault.ConsentGiven
	}
	return a, nil
}

// allow says whether p's own media may be recorded. The session counts only
// the guests who are there; one who has left it may connect at any moment, or
// be connected still.
func (a answers) allow(p media.Publisher) bool {
	return !a.asked || p.Role != reelvault.RoleGuest || a.given[p.ParticipantID]
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
