package recorder

import (
	"context"
	"fmt"
	"time"

	"github.com/reelvault/reelvault"
)

const nothingKept = "nothing that can be played arrived"

// seal ends the recording: captures write what they hold, abandoned files
// are finished, and the ledger hears of it. What fails here is logged and
// left to Recover, which does the rest at the next start; until then the
// recording stays as it is.
func (r *recording) seal() {
	r.control.Lock()
	defer r.control.Unlock()
	now := time.Now()
	for _, c := range r.all() {
		c.do(c.finish)
	}
	r.ended.Store(true)
	r.paused.Store(false)
	pause := r.closePause(now)
	r.mu.Lock()
	row, leftover := r.row, r.leftover
	r.mu.Unlock()
	if row == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), sealTime)
	defer cancel()
	err := r.finishLeftovers(ctx, leftover)
	if err == nil {
		err = r.settle(ctx, pause)
	}
	if err != nil {
		r.recorder.config.Log.Error("seal recording", "recording", r.id, "err", err)
	}
}

// finishLeftovers finishes abandoned files as Recover would.
func (r *recording) finishLeftovers(ctx context.Context, all []leftover) error {
	for _, l := range all {
		select {
		case <-l.let:
		case <-ctx.Done():
			return fmt.Errorf("finish abandoned file %s: %w", l.row.ID, ctx.Err())
		}
		if err := r.finish(ctx, l.row, l.tracks, reelvault.GapDisk); err != nil {
			return err
		}
	}
	return nil
}

// finish makes a whole file of what the spool holds of f and counts it in. Of
// a file that holds nothing, or is gone, the row is removed.
func (r *recording) finish(ctx context.Context, f reelvault.File, tracks []reelvault.Track, cause reelvault.GapCause) error {
	finished, err := r.recorder.finishFile(ctx, f, tracks, cause)
	switch kind := reelvault.KindOf(err); {
	case err == nil:
		r.keep(finished, 0)
		return nil
	case kind == reelvault.Invalid, kind == reelvault.NotFound:
		r.recorder.config.Log.Error("file lost", "recording", r.id, "file", f.ID, "err", err)
		if err = r.recorder.config.Ledger.ForgetFile(ctx, f.ID); err != nil {
			return fmt.Errorf("forget file %s: %w", f.ID, err)
		}
		return nil
	default:
		return fmt.Errorf("finish file %s: %w", f.ID, err)
	}
}

// settle moves the row to its last state, and ends the pause that held.
func (r *recording) settle(ctx context.Context, pause reelvault.Gap) error {
	change := reelvault.Recording{EndedAt: r.endedAt(), SyncError: shown(r.syncErr)}
	row, err := r.recorder.config.Ledger.MoveRecording(ctx, r.id, reelvault.EventSeal, change)
	if err != nil {
		return err
	}
	r.recorder.config.Changed(row)
	r.stretchPause(row, pause)
	return r.conclude(ctx)
}

// conclude says whether what was sealed can be played.
func (r *recording) conclude(ctx context.Context) error {
	event, change := reelvault.EventReady, reelvault.Recording{}
	if !r.kept {
		event, change.Reason = reelvault.EventFail, nothingKept
	}
	row, err := r.recorder.config.Ledger.MoveRecording(ctx, r.id, event, change)
	if err != nil {
		return err
	}
	r.recorder.config.Changed(row)
	r.recorder.config.Log.Info("recording sealed", "recording", r.id, "event", event, "reason", change.Reason)
	return nil
}

// endedAt gives the instant of the recording's end.
func (r *recording) endedAt() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.start.Add(r.end).UTC()
}

// shown gives a lip-sync error worth telling: people notice above 40 ms.
func shown(d time.Duration) time.Duration {
	if d <= 40*time.Millisecond {
		return 0
	}
	return d
}
