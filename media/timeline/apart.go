package timeline

import "time"

// Drift gives how far a track of a Timeline with senders Apart is too early,
// as far as that is known: against what arrival says, or against the first
// track, if reports of one sender tie them. It costs little to ask for each
// frame.
func (t *Timeline) Drift(track int) (time.Duration, bool) {
	k := t.tracks[track]
	if !t.apart || !k.placed {
		return 0, false
	}
	if m := t.tracks[t.master]; k != m && m.placed {
		if y, ok := k.lips.at(k.mu, k.off-m.off); ok {
			return m.off + y - k.off, true
		}
	}
	if !k.delay.ready() {
		return 0, false
	}
	return k.delay.min - k.off, true
}

// Shift moves what a track brings from now on, later if by is positive. Frame
// times fall by as much as by is negative: the caller leaves out what overlaps.
func (t *Timeline) Shift(track int, by time.Duration) {
	k := t.tracks[track]
	k.off += by
	k.last += min(by, 0)
	t.noteCorrection(Correction{Track: track, From: k.last, To: k.last, Amount: by})
	if t.line() {
		t.log.Info("track moved beside the other parties", "track", track, "fileTime", k.last, "by", by)
	}
}
