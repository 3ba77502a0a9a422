package recorder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/reelvault/reelvault"
)

// crashLoss is what a crash may have cost at the end of a file: the jitter
// wait and the open cluster.
const crashLoss = time.Second

// Recover finishes what a crash left: each file is cut at its last whole
// cluster and indexed, each recording becomes ready, or failed with a reason.
// A recording that was paused stays paused, and takes publishers that come
// back within the time any recording waits for them. Call it once, before
// Open. A recording that can't be finished is logged, and left for next time.
// Shared files are not ours to finish: their senders go on with them.
func (r *Recorder) Recover(ctx context.Context) error {
	all, err := r.config.Ledger.Unfinished(ctx)
	if err != nil {
		return fmt.Errorf("list unfinished recordings: %w", err)
	}
	for _, row := range all {
		if row.Kind == reelvault.RecordingFile {
			continue
		}
		if err := r.recoverOne(ctx, row); err != nil {
			if ctx.Err() != nil {
				return err
			}
			r.config.Log.Error("recover recording", "recording", row.ID, "err", err)
		}
	}
	return r.sweep(ctx)
}

// sweep removes spool files that hold nothing: a crash came before their first
// byte, and no row leads to them any more.
func (r *Recorder) sweep(ctx context.Context) error {
	left, err := r.config.Spool.Left()
	if err != nil {
		return fmt.Errorf("list spool files: %w", err)
	}
	for _, id := range left {
		empty, err := r.empty(ctx, id)
		if err == nil && empty {
			err = r.config.Spool.Remove(id)
		}
		if err != nil {
			r.config.Log.Error("sweep spool file", "file", id, "err", err)
		}
	}
	return nil
}

// empty says whether a spool file holds nothing, and isn't a row's: a shared
// file may be empty and whole.
func (r *Recorder) empty(ctx context.Context, fileID string) (bool, error) {
	file, err := r.config.Spool.Open(fileID)
	if err != nil {
		return false, err
	}
	size, err := file.Size()
	if err = errors.Join(err, file.Close()); err != nil || size > 0 {
		return false, err
	}
	_, err = r.config.Ledger.RecordingOfFile(ctx, fileID)
	if reelvault.KindOf(err) == reelvault.NotFound {
		return true, nil
	}
	return false, err
}

func (r *Recorder) recoverOne(ctx context.Context, row reelvault.Recording) error {
	rec := newRecording(r, scopeOfRow(row))
	rec.id, rec.row, rec.start = row.ID, &row, row.StartedAt
	var lost, noted time.Duration
	for _, f := range row.Files {
		if f.Sealed {
			rec.keep(f, row.SyncError)
			continue
		}
		tracks := slices.DeleteFunc(slices.Clone(row.Tracks), func(t reelvault.Track) bool { return t.FileID != f.ID })
		if err := rec.finish(ctx, f, tracks, reelvault.GapCrash); err != nil {
			return err
		}
		lost, noted = crashLoss, max(noted, gapsEnd(tracks))
	}
	rec.end = max(rec.end+lost, noted)
	r.config.Log.Info("recording recovered", "recording", row.ID, "state", row.State, "end", rec.end)
	switch row.State {
	case reelvault.RecordingPaused:
		r.readopt(rec)
		return nil
	case reelvault.RecordingProcessing:
		return rec.conclude(ctx)
	default:
		return rec.settle(ctx, reelvault.Gap{})
	}
}

// readopt lets a paused recording go on waiting for its publishers.
func (r *Recorder) readopt(rec *recording) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec.paused.Store(true)
	rec.broken = true // a crash is no goodbye
	rec.pauses = []reelvault.Gap{lastPause(rec.row.Tracks)}
	r.recordings[rec.scope] = rec
	r.lives.Add(1)
	go func() {
		defer r.lives.Done()
		rec.run()
	}()
	rec.ring()
}

// scopeOfRow gives the scope of a recording that was open before a crash. A
// screen share's participant is the one its tracks name.
func scopeOfRow(row reelvault.Recording) scope {
	s := scope{row.TenantID, row.SessionID, row.Kind, ""}
	if row.Kind == reelvault.RecordingScreen && len(row.Tracks) > 0 {
		s.participantID = row.Tracks[0].ParticipantID
	}
	return s
}

// finishFile makes a whole file of what the spool holds of f, and notes the
// gap at the end of its tracks.
func (r *Recorder) finishFile(ctx context.Context, f reelvault.File, tracks []reelvault.Track, cause reelvault.GapCause) (reelvault.File, error) {
	file, err := r.config.Spool.Reopen(f.ID)
	if err != nil {
		return f, fmt.Errorf("reopen spool file: %w", err)
	}
	defer func() {
		if closed := file.Close(); closed != nil {
			r.config.Log.Debug("close spool file", "file", f.ID, "err", closed)
		}
	}()
	found, err := recoverFile(f.Container, file)
	if err != nil {
		return f, fmt.Errorf("recover file: %w", err)
	}
	if err := file.Seal(); err != nil {
		return f, fmt.Errorf("seal spool file: %w", err)
	}
	f.Duration, f.Bytes, f.Sealed = found.duration, file.Size(), true
	for i := range tracks {
		mend(&tracks[i], f, found, cause)
	}
	if err := r.config.Ledger.SaveTracks(ctx, tracks); err != nil {
		return f, fmt.Errorf("save tracks: %w", err)
	}
	if err := r.config.Ledger.SaveFile(ctx, f); err != nil {
		return f, fmt.Errorf("save file: %w", err)
	}
	r.config.Stored(f.ID)
	return f, nil
}

// mend makes a track's row say what its file holds.
func mend(t *reelvault.Track, f reelvault.File, found remains, cause reelvault.GapCause) {
	var end time.Duration
	if i := t.Lane - 1; i >= 0 && i < len(found.lanes) {
		end = found.lanes[i].end
		if !found.lanes[i].bare {
			t.Offset = f.Offset + found.lanes[i].first
		}
	}
	t.Duration = max(f.Offset+end-t.Offset, 0)
	last := f.Offset + max(end, t.Offset-f.Offset)
	if n := len(t.Gaps); n > 0 && t.Gaps[n-1].Cause == reelvault.GapPause && t.Gaps[n-1].Start == t.Gaps[n-1].End {
		t.Gaps[n-1].End = max(last, t.Gaps[n-1].Start) + crashLoss
		return
	}
	if n := len(t.Gaps); n > 0 && t.Gaps[n-1].Start == t.Gaps[n-1].End {
		t.Gaps[n-1].End = max(last, t.Gaps[n-1].Start) // of a silence that went on
	}
	if found.whole {
		return
	}
	if n := len(t.Gaps); n > 0 {
		// What ended a gap was still on its way to the disk.
		last = max(last, t.Gaps[n-1].End)
	}
	t.Gaps = append(t.Gaps, reelvault.Gap{Start: last, End: last + crashLoss, Cause: cause})
}

// gapsEnd gives the end of the last gap in any of tracks.
func gapsEnd(tracks []reelvault.Track) time.Duration {
	var end time.Duration
	for _, t := range tracks {
		if n := len(t.Gaps); n > 0 {
			end = max(end, t.Gaps[n-1].End)
		}
	}
	return end
}
