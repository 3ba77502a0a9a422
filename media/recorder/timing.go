package recorder

import (
	"context"
	"time"

	"github.com/reelvault/reelvault"
)

// timingEvery bounds how much of the sender reports a crash can lose.
const timingEvery = time.Minute

// note is what a capture leaves of a file for its recording to save.
type note struct {
	tracks []reelvault.Track
	timing *reelvault.Timing
}

// note leaves copies of what has changed since the last time.
func (c *capture) note(now time.Time) {
	timing := now.Sub(c.timed) >= timingEvery
	if timing {
		c.timed = now
	}
	for _, r := range c.reels {
		if s := r.segment; s != nil && (timing || s.dirty) {
			c.noteFile(s, timing)
		}
	}
}

func (c *capture) noteFile(s *segment, timing bool) {
	c.notedMu.Lock()
	defer c.notedMu.Unlock()
	n := c.noted[s.row.ID]
	if s.dirty {
		s.dirty = false
		n.tracks = s.rows()
	}
	if timing {
		t := s.timing()
		n.timing = &t
	}
	c.noted[s.row.ID] = n
}

// takeNoted gives what was noted since the last call, by file.
func (c *capture) takeNoted() map[string]note {
	c.notedMu.Lock()
	defer c.notedMu.Unlock()
	if len(c.noted) == 0 {
		return nil
	}
	all := c.noted
	c.noted = map[string]note{}
	return all
}

// saveNoted saves what captures have noted since the last time.
func (r *recording) saveNoted() {
	for _, c := range r.all() {
		c.saveNoted()
	}
}

func (c *capture) saveNoted() {
	c.saving.Lock()
	defer c.saving.Unlock()
	for fileID, n := range c.takeNoted() {
		if len(n.tracks) > 0 {
			c.recorder.saveTracks(n.tracks)
		}
		if n.timing != nil {
			c.recorder.saveTiming(fileID, *n.timing)
		}
	}
}

// forgetNoted drops what was noted of a file, and waits for what is being
// saved: the rows of a sealed file are the last that are saved of it.
func (c *capture) forgetNoted(fileID string) {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.notedMu.Lock()
	defer c.notedMu.Unlock()
	delete(c.noted, fileID)
}

func (r *Recorder) saveTracks(tracks []reelvault.Track) {
	ctx, cancel := context.WithTimeout(context.Background(), sealTime)
	defer cancel()
	if err := r.config.Ledger.SaveTracks(ctx, tracks); err != nil {
		r.config.Log.Error("save tracks", "recording", tracks[0].RecordingID, "err", err)
	}
}

// timing gives what the timeline knows of this file's tracks.
func (s *segment) timing() reelvault.Timing {
	c := s.reel.capture
	origin := c.origin()
	var known reelvault.Timing
	for _, r := range c.timeline.Reports() {
		known.Reports = append(known.Reports, reelvault.TimingReport{
			TrackID: s.trackID(r.Track), SSRC: r.Report.SSRC, NTP: r.Report.NTP, RTP: r.Report.RTP,
			At: r.At + origin, Verdict: string(r.Verdict), Residual: r.Residual,
		})
	}
	for _, k := range c.timeline.Corrections() {
		known.Corrections = append(known.Corrections, reelvault.TimingCorrection{
			TrackID: s.trackID(k.Track), Reset: k.Reset, From: k.From + origin, To: k.To + origin, Amount: k.Amount,
		})
	}
	return known
}

// trackID gives the id of a timeline's track in this file, or nothing for one
// that is not in it.
func (s *segment) trackID(index int) string {
	for _, l := range s.lanes {
		if l.index == index {
			return l.row.ID
		}
	}
	return ""
}

// saveTiming saves how a file's tracks were placed. The file plays without
// it, so what fails is logged.
func (r *Recorder) saveTiming(fileID string, t reelvault.Timing) {
	ctx, cancel := context.WithTimeout(context.Background(), sealTime)
	defer cancel()
	if err := r.config.Ledger.SaveTiming(ctx, fileID, t); err != nil {
		r.config.Log.Error("save timing", "file", fileID, "err", err)
	}
}
