package recorder

import (
	"context"
	"slices"
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
	all := r.all()
	for _, c := range all {
		c.do(func() { c.pause(gap) })
	}
	r.saveNoted()
	if len(all) == 0 {
		r.notePause(row.Tracks, gap)
	}
	r.recorder.config.Changed(row)
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
	pause := r.closePause(time.Now())
	r.stretchPause(row, pause)
	for _, c := range r.all() {
		c.do(func() { c.resume(pause) })
	}
	r.paused.Store(false)
	r.saveNoted()
	r.recorder.config.Changed(row)
	r.recorder.config.Log.Info("recording resumed", "recording", r.id)
	return row, nil
}

// closePause ends the open pause and gives it; without one, an empty gap.
func (r *recording) closePause(now time.Time) reelvault.Gap {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.pauses)
	if n == 0 || r.pauses[n-1].End != 0 {
		return reelvault.Gap{}
	}
	last := &r.pauses[n-1]
	last.End = max(now.Sub(r.start), last.Start)
	r.end = max(r.end, last.End)
	return *last
}

// notePause notes a pause that begins while no publisher is here, in the
// tracks of the last file.
func (r *recording) notePause(tracks []reelvault.Track, g reelvault.Gap) {
	if len(tracks) == 0 {
		return
	}
	last := tracks[len(tracks)-1].FileID
	tracks = slices.DeleteFunc(slices.Clone(tracks), func(t reelvault.Track) bool { return t.FileID != last })
	g.End = g.Start
	for i := range tracks {
		tracks[i].Gaps = append(tracks[i].Gaps, g)
	}
	r.recorder.saveTracks(tracks)
}

// stretchPause makes a pause last to its end in the tracks of publishers who
// left while it held. Those who stayed note its end themselves.
func (r *recording) stretchPause(row reelvault.Recording, pause reelvault.Gap) {
	sealed := map[string]bool{}
	for _, f := range row.Files {
		sealed[f.ID] = f.Sealed
	}
	var stretched []reelvault.Track
	for _, t := range row.Tracks {
		n := len(t.Gaps)
		if !sealed[t.FileID] || n == 0 || t.Gaps[n-1].Cause != reelvault.GapPause || t.Gaps[n-1].End < pause.Start || t.Gaps[n-1].End >= pause.End {
			continue
		}
		t.Gaps[n-1].End = pause.End
		stretched = append(stretched, t)
	}
	if len(stretched) > 0 {
		r.recorder.saveTracks(stretched)
	}
}

// lastPause gives the newest pause that tracks tell of, as one that still
// holds.
func lastPause(tracks []reelvault.Track) reelvault.Gap {
	last := reelvault.Gap{Cause: reelvault.GapPause}
	for _, t := range tracks {
		for _, g := range t.Gaps {
			if g.Cause == reelvault.GapPause && g.Start >= last.Start {
				last = g
			}
		}
	}
	last.End = 0
	return last
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
