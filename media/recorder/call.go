package recorder

import (
	"slices"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/jitter"
)

const (
	// pauseInTalk is how long a hole with no packet missing is taken for the
	// sender's silence suppression rather than for a mute: a breath, or a
	// moment of thought.
	pauseInTalk = 5 * time.Second

	// driftMost is how far a party of a call may be from where it belongs before
	// it is moved in the middle of a word. Within driftLeast it is left alone,
	// so that two of them are at most 40 ms apart as long as both are silent
	// now and then.
	driftLeast = 20 * time.Millisecond
	driftMost  = 200 * time.Millisecond
)

// callJitter bounds a party's jitter buffer: five seconds of 20 ms packets, in
// 4 KiB, of which none is waited for longer than jitterWait.
var callJitter = jitter.Config{Wait: jitterWait, MaxPackets: 256, Window: 256}

// owner gives whose medium t carries.
func (t *track) owner() (string, reelvault.Role) {
	if p := t.format.Party; p != (media.Party{}) {
		return p.ParticipantID, p.Role
	}
	return t.capture.publisher.ParticipantID, t.capture.publisher.Role
}

// sameParty gives the track of a party that comes again with the same codec.
func (c *capture) sameParty(f media.Format) *track {
	if !c.call() {
		return nil
	}
	i := slices.IndexFunc(c.tracks, func(t *track) bool { return t.format.Party == f.Party && t.format.Codec == f.Codec })
	if i < 0 {
		return nil
	}
	return c.tracks[i]
}

// reelOf says into which files a party goes: the first on each side share
// those of the call, if they speak the same law. Anybody else has a reel of
// their own.
func (c *capture) reelOf(t *track) *reel {
	side := t.format.Party.Channel
	i := slices.IndexFunc(c.reels, func(r *reel) bool { return r.channels == 2 })
	if side != 0 && side != 1 || i >= 0 && (c.reels[i].codec != t.format.Codec || c.reels[i].sides[side] != nil) {
		c.reels = append(c.reels, &reel{capture: c, codec: t.format.Codec, channels: 1})
		return c.reels[len(c.reels)-1]
	}
	if i < 0 {
		i = len(c.reels)
		c.reels = append(c.reels, &reel{capture: c, codec: t.format.Codec, channels: 2})
	}
	c.reels[i].sides[side] = t
	return c.reels[i]
}

// Hold implements media.Holder.
func (t *track) Hold(on bool) {
	t.held.Store(on)
	if on {
		t.wasHeld.Store(true)
	}
}

// dtxLongest is the longest hole that silence suppression leaves.
func (t *track) dtxLongest() time.Duration {
	if t.capture.call() {
		return pauseInTalk
	}
	return dtxLongest
}

// sentTo is where what the sender sent ends: silence may stand after it.
func (t *track) sentTo() time.Duration {
	if t.filling && t.capture.call() {
		return t.fillFrom
	}
	return t.end
}

// offHold forgets a hold that is over, once its gap is noted.
func (t *track) offHold() {
	if t.held.Load() {
		return
	}
	t.wasHeld.Store(false)
	if t.held.Load() { // in the meantime
		t.wasHeld.Store(true)
	}
}

// heardFrom says from where on a frame that belongs at a place is heard.
func (t *track) heardFrom(at time.Duration) time.Duration {
	if t.capture.call() {
		return max(at, t.end)
	}
	return at
}

// catchUp begins a party of whom the first words come when silence stands in
// their place already.
func (t *track) catchUp(at time.Duration) {
	if s := t.reel.segment; !t.started && t.capture.call() && at < s.written {
		t.started, t.filling, t.fillFrom, t.end = true, true, at, s.written
	}
}

// waiting says whether a jitter buffer waits for something.
func (c *capture) waiting() bool {
	return slices.ContainsFunc(c.tracks, func(t *track) bool { return t.jitter.Len() > 0 })
}

// every says how long it is to the next turn.
func (c *capture) every() time.Duration {
	if c.call() && !c.waiting() {
		return callTurn
	}
	return turnEvery
}

// spoken says up to when everything is here: where both sides have passed, or
// where one has, if whatever the other still sends was given up by the jitter
// buffer.
func (r *reel) spoken(now time.Time) time.Duration {
	if r.channels == 1 {
		return maxTime
	}
	both, most := maxTime, time.Duration(0)
	for _, t := range r.sides {
		if t == nil || !t.started {
			both = 0
			continue
		}
		both, most = min(both, t.end), max(most, t.end)
	}
	behind := fillBehind
	if r.capture.waiting() {
		behind = waitBehind
	}
	return max(both, min(r.settled(most, now)-outOfStep, r.capture.timeline.Now(now)-behind))
}

// silent notes for whom silence was written, up to this time: it is too late
// for what belongs there.
func (r *reel) silent(upTo time.Duration) {
	for _, t := range r.tracks() {
		if !t.started || t.lane == nil || t.end >= upTo {
			continue
		}
		if !t.filling {
			t.filling, t.fillFrom = true, t.end
		}
		t.end = upTo
		if upTo-t.fillFrom >= muteAfter {
			t.openMute()
		}
	}
}

// openMute notes a silence that goes on: a gap of no length, so that after a
// crash it is known where it began.
func (t *track) openMute() {
	if t.muting || len(t.lane.row.Gaps) == maxGaps {
		return
	}
	g := reelvault.Gap{Start: t.fillFrom + t.capture.origin(), Cause: reelvault.GapMute}
	if t.wasHeld.Load() {
		g.Cause = reelvault.GapHold
	}
	g.End = g.Start
	t.lane.row.Gaps = append(t.lane.row.Gaps, g)
	t.muting, t.lane.segment.dirty = true, true
}

// endMute notes the silence in a call up to where a pause begins.
func (t *track) endMute(at time.Duration) {
	if !t.filling || !t.capture.call() {
		return
	}
	t.closeMute()
	t.gapBefore(false, t.fillFrom, max(at, t.end))
	t.filling = false
}

// closeMute takes that note back: how long the silence was, and why, is known
// now, or there is nothing behind it.
func (t *track) closeMute() {
	if !t.muting {
		return
	}
	t.muting = false
	if l := t.lane; l != nil {
		l.row.Gaps = l.row.Gaps[:len(l.row.Gaps)-1]
		l.segment.dirty = true
	}
}

// follow leads a party whose clock runs otherwise than ours back to its place,
// at moments when nobody hears it: in a hole, or at a frame of quiet, which is
// left out or put off. It gives the frame's time, and false to leave it out.
func (t *track) follow(f *media.Frame, at time.Duration) (time.Duration, bool) {
	early, known := t.capture.timeline.Drift(t.index)
	if !known || early.Abs() <= max(driftLeast, f.Duration*3/4) {
		return at, true
	}
	by, unheard := early, false
	switch {
	case t.started && at-t.end > early.Abs():
	case early.Abs() > driftMost:
		if early > 0 && at-t.sentTo() < silenceLongest { // what is missing was never there
			t.missed(reelvault.GapMute)
		}
	case !quiet(t.format.Codec, f.Data):
		return at, true
	case early < 0:
		by, unheard = -f.Duration, true
	}
	t.capture.timeline.Shift(t.index, by)
	return at + by, !unheard || at+by >= t.end
}

// quiet says whether every sample is within 120 of zero, of 32,635: at -48 dB
// nothing is said.
func quiet(c reelvault.Codec, b []byte) bool {
	flip, most := byte(0xff), byte(0x0f) // ITU-T G.711, tables 2a and 2b: mu-law is sent inverted
	if c == reelvault.PCMA {
		flip, most = 0x55, 0x07 // every other bit is
	}
	return !slices.ContainsFunc(b, func(code byte) bool { return (code^flip)&0x7f > most })
}
