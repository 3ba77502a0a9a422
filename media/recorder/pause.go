package recorder

import (
	"context"
	"time"

	"github.com/reelvault/reelvault"
)

// pause makes the pause hold and only then answers. Packets are refused
// before anything else happens, so a failed pause errs on the side of silence
// for as long as the ledger takes to say no.
func (r *recording) pause(ctx context.Context, by, reason string) (reelvault.Recording, error) {
	r.control.Lock()
	defer r.control.Unlock()
	if r.paused.Swap(true) {
		return reelvault.Recording{}, reelvault.Errorf(reelvault.Conflict, "cannot pause a recording that is %s", reelvault.RecordingPaused)
	}
	row, err := r.recorder.config.Ledger.MoveRecording(ctx, r.id, reelvault.EventPause, reelvault.Recording{})
	if err != nil {
		r.paused.Store(false)
		return reelvault.Recording{}, err
	}
	now := time.Now()
	r.mu.Lock()
	r.pauses = append(r.pauses, reelvault.Gap{Start: now.Sub(r.start), Cause: reelvault.GapPause, By: by, Reason: reason})
	gap := r.pauses[len(r.pauses)-1]
	r.mu.Unlock()
	for _, c := range r.all() {
		c.do(func() { c.pause(gap) })
	}
	r.saveTracks()
	r.recorder.config.Log.Info("recording paused", "recording", r.id, "by", by)
	return row, nil
}

// resume lets packets in again and asks for keyframes.
func (r *recording) resume(ctx context.Context) (reelvault.Recording, error) {
	r.control.Lock()
	defer r.control.Unlock()
	row, err := r.recorder.config.Ledger.MoveRecording(ctx, r.id, reelvault.EventResume, reelvault.Recording{})
	if err != nil {
		return reelvault.Recording{}, err
	}
	r.closePause(time.Now())
	for _, c := range r.all() {
		c.do(c.resume)
	}
	r.paused.Store(false)
	r.recorder.config.Log.Info("recording resumed", "recording", r.id)
	return row, nil
}

// closePause ends the open pause, if there is one.
func (r *recording) closePause(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.pauses); n > 0 && r.pauses[n-1].End == 0 {
		r.pauses[n-1].End = max(now.Sub(r.start), r.pauses[n-1].Start)
		r.end = max(r.end, r.pauses[n-1].End)
	}
}

// openPause gives the pause that holds now.
func (r *recording) openPause() (reelvault.Gap, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.pauses); n > 0 && r.pauses[n-1].End == 0 {
		return r.pauses[n-1], true
	}
	return reelvault.Gap{}, false
}
