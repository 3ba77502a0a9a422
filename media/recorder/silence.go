package recorder

import (
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// Chromium plays the audio behind a hole in an Opus track too early, by the
// hole's length. So every hole is filled with frames of CELT silence, whose
// first byte says how long they are (RFC 6716, section 3.1).
const (
	silenceLongest  = 20 * time.Millisecond
	silenceShortest = 2500 * time.Microsecond

	// fillBehind is how far behind the clock a mute is filled while nothing
	// comes: whatever still arrives by then was given up by the jitter buffer.
	fillBehind = jitterWait + 200*time.Millisecond

	// waitBehind is the same in a call while something waits in a jitter buffer,
	// and the capture looks every turnEvery: room for a machine or a network
	// that held everything up for almost half a second, and with a turn still
	// under the second that a crash may cost.
	waitBehind = 900 * time.Millisecond

	// burstTime is how long pictures must have been there before the sound that
	// is missing beside them counts as missing. After a stall of the network or
	// of this machine both come in one burst, and not in step.
	burstTime = 200 * time.Millisecond

	// outOfStep is how far ahead of the sound pictures of the same instant may
	// come, or one side of a call ahead of the other, so that nothing is missing
	// yet when both stop.
	outOfStep = 100 * time.Millisecond
)

// silences are full-band CELT frames of mono silence, longest first. A
// decoder gives them out in the stream's own number of channels.
var silences = [...]struct {
	duration time.Duration
	data     []byte
}{
	{20 * time.Millisecond, []byte{0xf8, 0xff, 0xfe}},
	{10 * time.Millisecond, []byte{0xf0, 0xff, 0xfe}},
	{5 * time.Millisecond, []byte{0xe8, 0xff, 0xfe}},
	{silenceShortest, []byte{0xe0, 0xff, 0xfe}},
}

// audio fills the hole before f and writes it.
func (t *track) audio(f *media.Frame, at time.Duration, now time.Time) {
	t.catchUp(at)
	if t.started && at < t.end && !t.late(f, at) {
		return
	}
	t.closeMute()
	if t.started {
		// What was filled while nothing came has its cause only now.
		end := t.end
		if t.filling {
			end = t.fillFrom
		}
		if t.hole != nil || f.AfterLoss || at-end >= silenceLongest {
			t.gapBefore(f.AfterLoss, end, t.heardFrom(at))
		}
		if !t.fill(at, now) {
			return
		}
	}
	if !t.write(f, at, now) {
		return
	}
	t.started, t.filling, t.hole = true, false, nil
	t.end = at + f.Duration
	t.offHold()
}

// late notes that f came when silence stood in its place, or lies behind what
// came before it. It says whether a part of it has its place still.
func (t *track) late(f *media.Frame, at time.Duration) bool {
	some, call := at+f.Duration > t.end, t.capture.call()
	switch {
	case some && !call: // a player decides
	case t.filling:
		t.closeMute()
		if at > t.fillFrom { // up to here nothing was sent
			t.gapBefore(f.AfterLoss, t.fillFrom, at)
			t.fillFrom, t.hole = at, nil
			t.offHold()
		}
		if end := min(at+f.Duration, t.end); end > t.fillFrom {
			t.closeGap(reelvault.Gap{Start: t.fillFrom, End: end, Cause: reelvault.GapLoss})
			t.fillFrom = end
		}
	case call:
		t.closeGap(reelvault.Gap{Start: at, End: min(at+f.Duration, t.end), Cause: reelvault.GapLoss})
	}
	return some
}

// fill writes silence from the track's end up to at, as close as frames come.
// The file's length bounds it: Place never goes past the clock.
func (t *track) fill(at time.Duration, now time.Time) bool {
	if t.format.Codec != reelvault.Opus {
		return true
	}
	for _, s := range silences {
		for t.end+s.duration <= at {
			t.capture.recorder.stats.silence.Add(1)
			if !t.write(&media.Frame{Data: s.data, Key: true, Duration: s.duration}, t.end, now) {
				return false
			}
			t.end += s.duration
		}
	}
	return true
}

// fillMutes writes silence into audio tracks that have stopped while others
// go on, so that the file stays interleaved. With nothing else going on there
// is no hurry: the next packet fills the hole, and the end of the file none.
func (c *capture) fillMutes(now time.Time) {
	if c.reels[0].segment == nil {
		return
	}
	var others time.Duration
	for _, t := range c.tracks {
		if t.format.Media != reelvault.Audio {
			others = max(others, t.end-t.interval-outOfStep)
		}
	}
	upTo := min(c.reels[0].settled(others, now), c.timeline.Now(now)-fillBehind)
	for _, t := range c.tracks {
		if t.format.Media != reelvault.Audio || !t.started || t.lane == nil || t.end+silenceLongest > upTo {
			continue
		}
		if !t.filling {
			t.filling, t.fillFrom = true, t.end
		}
		t.fill(t.end+(upTo-t.end)/silenceLongest*silenceLongest, now)
	}
}

// sight is how far the media were at some instant.
type sight struct {
	here time.Duration
	at   time.Time
}

// settled gives how far the media, which are here now, were at least burstTime
// ago.
func (r *reel) settled(here time.Duration, now time.Time) time.Duration {
	if now.Sub(r.sights[1].at) >= burstTime {
		r.sights[0], r.sights[1] = r.sights[1], sight{here, now}
	}
	return r.sights[0].here
}
