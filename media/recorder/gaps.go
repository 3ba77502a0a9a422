package recorder

import (
	"time"

	"github.com/reelvault/reelvault"
)

const (
	// joinGaps makes one gap of two with the same cause that lie this close:
	// with every twentieth packet lost, a list of single packets says less
	// than one of stretches.
	joinGaps = 100 * time.Millisecond

	// maxGaps bounds a track's list; behind it gaps grow into the last one.
	maxGaps = 5000
)

// missed remembers why frames of t are dropped, for the gap before the next.
func (t *track) missed(cause reelvault.GapCause) {
	if t.hole == nil {
		t.hole = &reelvault.Gap{Cause: cause}
	}
}

// closeGap notes a hole given on the capture's clock.
func (t *track) closeGap(g reelvault.Gap) {
	if t.lane == nil {
		return
	}
	origin := t.capture.origin()
	g.Start, g.End = g.Start+origin, g.End+origin
	t.lane.add(g)
	t.lane.segment.dirty = true
}

// openGap notes a pause that holds from now on: a gap of no length, so that
// after a crash it is known where it began, by whom and why.
func (t *track) openGap(g reelvault.Gap) {
	if t.lane == nil {
		return
	}
	g.Start = max(g.Start, t.end+t.capture.origin())
	g.End = g.Start
	t.lane.add(g)
	t.lane.pausing = true
	t.lane.segment.dirty = true
}

// stretchPause makes the pause that held last to end, on the recording's clock.
// It may yet grow, up to the first frame after it.
func (t *track) stretchPause(end time.Duration) {
	if t.lane == nil || !t.lane.pausing {
		return
	}
	if last := &t.lane.row.Gaps[len(t.lane.row.Gaps)-1]; last.Cause == reelvault.GapPause {
		last.End = max(last.End, end)
		t.lane.segment.dirty = true
	}
}

// add appends g, or grows the last gap into it.
func (l *lane) add(g reelvault.Gap) {
	n := len(l.row.Gaps)
	if n > 0 {
		last := &l.row.Gaps[n-1]
		resumed := l.pausing && g.Cause == reelvault.GapPause
		near := last.Cause == g.Cause && last.By == g.By && g.Start-last.End <= joinGaps
		if resumed || near || n == maxGaps {
			last.End = max(last.End, g.End)
			l.pausing = false
			return
		}
		g.Start = max(g.Start, last.End)
	}
	if g.End >= g.Start {
		l.row.Gaps = append(l.row.Gaps, g)
	}
}

// endGaps closes what is still open when the capture ends: a pause lasts to
// the end of the recording, and video that waits for a keyframe is missing up
// to the end of what else there is.
func (c *capture) endGaps(now time.Time) {
	var end time.Duration
	for _, t := range c.tracks {
		end = max(end, t.end)
	}
	pause, paused := c.recording.openPause()
	for _, t := range c.tracks {
		switch {
		case t.lane == nil:
		case paused:
			pause.Start, pause.End = t.end, max(c.timeline.Now(now), t.end)
			t.closeGap(pause)
		case (t.gated || t.depacket.NeedKeyframe()) && t.started && end > t.end+joinGaps:
			t.gapBefore(true, t.end, end)
		}
	}
}
