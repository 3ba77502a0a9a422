package recorder

import (
	"context"
	"time"

	"github.com/reelvault/reelvault"
)

// timingEvery bounds how much of the sender reports a crash can lose.
const timingEvery = time.Minute

// notes are what a capture leaves for its recording to save.
type notes struct {
	tracks []reelvault.Track
	fileID string
	timing *reelvault.Timing
}

// note leaves copies of what has changed since the last time.
func (c *capture) note(now time.Time) {
	s := c.segment
	if s == nil {
		return
	}
	c.notedMu.Lock()
	defer c.notedMu.Unlock()
	if c.dirty {
		c.dirty = false
		c.noted.tracks = s.rows()
	}
	if now.Sub(c.timed) >= timingEvery {
		c.timed = now
		t := s.timing()
		c.noted.fileID, c.noted.timing = s.row.ID, &t
	}
}

// takeNoted gives what was noted since the last call.
func (c *capture) takeNoted() notes {
	c.notedMu.Lock()
	defer c.notedMu.Unlock()
	n := c.noted
	c.noted = notes{}
	return n
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
	n := c.takeNoted()
	if len(n.tracks) > 0 {
		c.recorder.saveTracks(n.tracks)
	}
	if n.timing != nil {
		c.recorder.saveTiming(n.fileID, *n.timing)
	}
}

// forgetNoted drops what was noted, and waits for what is being saved: the
// rows of a sealed file are the last that are saved of it.
func (c *capture) forgetNoted() {
	c.saving.Lock()
	defer c.saving.Unlock()
	c.takeNoted()
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
	c, origin := s.capture, s.capture.origin()
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
