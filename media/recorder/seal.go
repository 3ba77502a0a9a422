package recorder

import (
	"context"
	"time"

	"github.com/reelvault/reelvault"
)

const nothingKept = "nothing that can be played arrived"

// seal ends the recording: captures write what they hold, abandoned files
// are finished, and the ledger hears of it. What fails here is logged and
// left to Recover, which does the rest at the next start.
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
	for _, s := range leftover {
		r.finishLeftover(ctx, s)
	}
	if err := r.settle(ctx, pause); err != nil {
		r.recorder.config.Log.Error("seal recording", "recording", r.id, "err", err)
	}
}

// finishLeftover finishes an abandoned file as Recover would.
func (r *recording) finishLeftover(ctx context.Context, s *segment) {
	select {
	case <-s.out.finished:
	case <-ctx.Done():
		return
	}
	f, err := r.recorder.finishFile(ctx, s.row, s.rows(), reelvault.GapDisk)
	if err != nil {
		r.recorder.config.Log.Error("finish abandoned file", "recording", r.id, "file", s.row.ID, "err", err)
		return
	}
	r.keep(f, 0)
}

// settle moves the row to its last state, and ends the pause that held.
func (r *recording) settle(ctx context.Context, pause reelvault.Gap) error {
	change := reelvault.Recording{EndedAt: r.endedAt(), SyncError: shown(r.syncErr)}
	row, err := r.recorder.config.Ledger.MoveRecording(ctx, r.id, reelvault.EventSeal, change)
	if err != nil {
		return err
	}
	r.stretchPause(row.Tracks, pause)
	return r.conclude(ctx)
}

// conclude says whether what was sealed can be played.
func (r *recording) conclude(ctx context.Context) error {
	event, change := reelvault.EventReady, reelvault.Recording{}
	if !r.kept {
		event, change.Reason = reelvault.EventFail, nothingKept
	}
	if _, err := r.recorder.config.Ledger.MoveRecording(ctx, r.id, event, change); err != nil {
		return err
	}
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
