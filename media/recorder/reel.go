package recorder

import (
	"slices"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

const (
	// A file is closed and the next one begun, at a keyframe, at either bound.
	longestFile = 4 * time.Hour
	largestFile = 4 << 30

	// retryFile is how long a failing disk is left alone before a new file. It
	// doubles up to retryMost while files fail young, so that an hour without
	// a disk leaves hundreds of empty files and not thousands.
	retryFile = time.Second
	retryMost = 8 * time.Second

	// keyframeWithin is how long a file waits at a bound for a picture that the
	// next one may begin with: one is asked for every seekEvery. Without any,
	// as when a camera is off, sound begins it.
	keyframeWithin = 2 * seekEvery
)

// reel is a row of files, one after the other, of the tracks that share them:
// all of a browser's, the two sides of a call, or one party of it. It belongs
// to the capture goroutine.
type reel struct {
	capture  *capture
	codec    reelvault.Codec // of a call
	channels int             // of a call; zero otherwise
	sides    [2]*track       // of a call's two channels

	segment   *segment      // nil between two files
	retryAt   time.Time     // not before this instant is a new file tried again
	retryWait time.Duration // before the next try
	sights    [2]sight      // for settled, the older one first
}

// tracks gives those that are on this reel.
func (r *reel) tracks() []*track {
	return slices.DeleteFunc(slices.Clone(r.capture.tracks), func(t *track) bool { return t.reel != r })
}

// ready makes sure that t has a lane in a file that takes f. It says false
// if there is none to be had now.
func (r *reel) ready(t *track, f *media.Frame, at time.Duration, now time.Time) bool {
	if r.segment != nil && (r.due(t, f, at) || r.unfit(t)) {
		r.closeSegment()
	}
	if r.segment == nil && !r.openSegment(at, now) {
		t.missed(reelvault.GapDisk)
		return false
	}
	if r.segment.out.busy() {
		t.missed(reelvault.GapDisk)
		return false
	}
	if at < r.segment.base {
		return false
	}
	err := r.segment.admit(t, f, at)
	if err == nil {
		return true
	}
	if reelvault.KindOf(err) == reelvault.Invalid {
		// The file is whole; only this track has no place in it.
		t.missed(reelvault.GapLoss)
		return false
	}
	r.check(err, now)
	return false
}

// due says whether the file has reached a bound and f may begin the next.
func (r *reel) due(t *track, f *media.Frame, at time.Duration) bool {
	if at-r.segment.base < longestFile && r.segment.writer.size() < largestFile {
		return false
	}
	if t.format.Media != reelvault.Audio {
		return f.Key
	}
	return !slices.ContainsFunc(r.tracks(), func(o *track) bool {
		return o.format.Media != reelvault.Audio && o.lane != nil && o.end > at-keyframeWithin
	})
}

// unfit says whether a codec has turned up that the file's container can't hold.
func (r *reel) unfit(t *track) bool {
	return containerOf(t.format.Codec) == reelvault.Matroska && r.segment.row.Container == reelvault.WebM
}

// openSegment begins a file. Its zero is the end of the file before, or at.
func (r *reel) openSegment(at time.Duration, now time.Time) bool {
	if now.Before(r.retryAt) {
		return false
	}
	s, err := r.newSegment(at, now)
	if err != nil {
		r.backOff(now, time.Time{})
		r.capture.recorder.config.Log.Error("begin file", "recording", r.capture.recording.id, "err", err)
		return false
	}
	r.segment = s
	return true
}

// flush writes what lies before upTo.
func (r *reel) flush(upTo time.Duration, now time.Time) {
	if r.segment == nil {
		return
	}
	written, err := r.segment.flush(upTo)
	if r.channels > 0 {
		r.silent(written)
	}
	r.check(err, now)
}

// check abandons the file if err says that it is broken.
func (r *reel) check(err error, now time.Time) {
	if err == nil || r.segment == nil {
		return
	}
	c := r.capture
	c.recorder.config.Log.Error("file abandoned", "recording", c.recording.id, "file", r.segment.row.ID, "err", err)
	c.recorder.stats.abandoned.Add(1)
	r.backOff(now, r.segment.began)
	r.segment.out.abandon()
	c.recording.leaveBehind(r.segment)
	r.segment = nil
	for _, t := range r.tracks() {
		t.lane, t.muting = nil, false
		t.gated = t.requestKeyframe != nil
		t.missed(reelvault.GapDisk)
	}
}

// backOff says when the next file may begin after one that began then failed.
func (r *reel) backOff(now, began time.Time) {
	r.retryWait = min(2*max(r.retryWait, retryFile/2), retryMost)
	if !began.IsZero() && now.Sub(began) > retryMost {
		r.retryWait = retryFile
	}
	r.retryAt = now.Add(r.retryWait)
}

// closeSegment seals the file: what is held, index, head, sync, rows.
func (r *reel) closeSegment() {
	s := r.segment
	if s == nil {
		return
	}
	r.segment = nil
	c := r.capture
	for _, t := range r.tracks() {
		if t.lane != nil {
			t.closeMute()
			t.lane.row.Duration = max(t.sentTo()+c.origin()-t.lane.row.Offset, 0)
			t.lane, t.gated = nil, t.requestKeyframe != nil
		}
	}
	if err := s.seal(); err != nil {
		c.recorder.config.Log.Error("seal file", "recording", c.recording.id, "file", s.row.ID, "err", err)
		c.recording.leaveBehind(s)
		return
	}
	c.recording.keep(s.row, c.timeline.SyncError())
	c.recorder.config.Stored(s.row.ID)
}
