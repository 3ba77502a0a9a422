package recorder

import (
	"sync/atomic"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/jitter"
)

const (
	// jitterWait is how long a missing packet is waited for: several rounds of
	// retransmission at 80 ms, and with the open cluster still under a second
	// of loss at a crash.
	jitterWait = 400 * time.Millisecond

	// keyframe requests: the first at once, the next when the one before was
	// ignored for a good round trip, and one every seekEvery so that a seek
	// never has to decode more than that.
	askAgain  = 500 * time.Millisecond
	seekEvery = 10 * time.Second

	// muteAfter tells a camera that stopped sending from a low frame rate.
	muteAfter = 2 * time.Second

	// dtxLongest is the longest hole an encoder in DTX leaves: it sends a
	// frame at least every 400 ms (RFC 7587, section 3.1.3), give or take.
	dtxLongest = 500 * time.Millisecond
)

// track is one medium of a capture. It implements media.Track; but for
// WritePacket, WriteReport and overloads it belongs to the capture goroutine.
type track struct {
	capture         *capture
	reel            *reel // nil before the first frame of a call's party
	index           int   // in the timeline
	format          media.Format
	depacket        media.Depacketizer
	jitter          *jitter.Buffer
	requestKeyframe func()
	overloads       atomic.Uint64 // packets dropped, written by the source
	held            atomic.Bool   // on hold, written by the source
	wasHeld         atomic.Bool   // since the last frame

	gated    bool // video: frames are dropped until a keyframe
	lane     *lane
	end      time.Duration  // of what is written, on the capture's clock
	started  bool           // something is written
	interval time.Duration  // between the last two video frames
	hole     *reelvault.Gap // what is missing next, when its cause is known
	dropped  uint64         // overloads already turned into gaps
	asked    time.Time
	lastKey  time.Time
	filling  bool // silence is being written for want of packets
	fillFrom time.Duration
	muting   bool // the last gap is a silence in a call that goes on
}

// WritePacket implements media.Track.
func (t *track) WritePacket(p *media.Packet) bool {
	r := t.capture.recording
	if r.paused.Load() {
		return false
	}
	if r.ended.Load() || t.capture.withheld.Load() {
		return true
	}
	select {
	case t.capture.inbox <- arrival{track: t, packet: p}:
	default:
		t.overloads.Add(1)
		t.capture.recorder.stats.overloads.Add(1)
	}
	return true
}

// WriteReport implements media.Track.
func (t *track) WriteReport(r media.Report) {
	if t.capture.withheld.Load() {
		return
	}
	select {
	case t.capture.inbox <- arrival{track: t, report: &r}:
	default: // the next report says as much
	}
}

// Close implements media.Track. What was written stays; nothing waits for more.
func (t *track) Close() {
	t.capture.do(func() {
		t.capture.drain()
		t.jitter.Flush()
	})
}

// arrive takes one packet out of the inbox.
func (t *track) arrive(p *media.Packet) {
	if len(p.Payload) > 0 {
		t.capture.timeline.Arrive(t.index, p.Timestamp, p.Arrival)
	}
	t.jitter.Push(p)
}

// advance takes what the jitter buffer has ready through to the muxer.
func (t *track) advance(now time.Time) {
	for {
		item, ok := t.jitter.Pop(now)
		if !ok {
			break
		}
		lost := item.Lost
		if item.Restart {
			t.capture.timeline.Restart(t.index)
			lost = max(lost, 1)
		}
		frames := t.depacket.Push(item.Packet, lost)
		for i := range frames {
			t.frame(&frames[i], now)
		}
	}
	if t.capture.recording.paused.Load() || t.jitter.Stats().Received == 0 {
		return
	}
	if t.gated || t.depacket.NeedKeyframe() || now.Sub(t.lastKey) >= seekEvery {
		t.askKeyframe(now)
	}
}

// askKeyframe asks the sender, unless it was asked a moment ago.
func (t *track) askKeyframe(now time.Time) {
	if t.requestKeyframe == nil || now.Sub(t.asked) < askAgain {
		return
	}
	t.asked = now
	t.capture.recorder.stats.keyframeAsks.Add(1)
	t.requestKeyframe()
}

// frame writes one frame, or drops it and everything that refers to it.
func (t *track) frame(f *media.Frame, now time.Time) {
	c := t.capture
	at, ok := c.timeline.Place(t.index, f.Timestamp)
	if ok && c.call() {
		at, ok = t.follow(f, at)
	}
	if f.Key && t.requestKeyframe != nil {
		t.lastKey = now
	}
	if t.gated && !f.Key {
		return
	}
	if !ok || !c.open() || !c.fits(at) || !t.ready(f, at, now) {
		t.gated = t.requestKeyframe != nil
		return
	}
	t.gated = false
	if t.format.Media == reelvault.Audio {
		t.audio(f, at, now)
		return
	}
	t.video(f, at, now)
}

// ready makes sure that t has a lane in a file that takes f.
func (t *track) ready(f *media.Frame, at time.Duration, now time.Time) bool {
	if t.reel == nil {
		t.reel = t.capture.reelOf(t)
	}
	return t.reel.ready(t, f, at, now)
}

// video notes what is missing before f, and writes it.
func (t *track) video(f *media.Frame, at time.Duration, now time.Time) {
	if t.started {
		t.gapBefore(f.AfterLoss, t.end, at)
		if d := at - t.end + t.interval; t.hole == nil && !f.AfterLoss && d > 0 {
			t.interval = min(d, time.Second)
		}
	}
	if !t.write(f, at, now) {
		return
	}
	t.started, t.hole = true, nil
	t.end = at + t.interval
}

// gapBefore notes the hole from end to at, if it is one.
func (t *track) gapBefore(afterLoss bool, end, at time.Duration) {
	cause, known := t.cause(afterLoss, at-end)
	if !known || at <= end {
		return
	}
	gap := reelvault.Gap{Start: end, End: at, Cause: cause}
	if t.hole != nil {
		gap.By, gap.Reason = t.hole.By, t.hole.Reason
	}
	t.closeGap(gap)
}

// cause says why there is a hole of length d, and false if it is none.
func (t *track) cause(afterLoss bool, d time.Duration) (reelvault.GapCause, bool) {
	dropped := t.overloads.Load()
	overloaded := dropped != t.dropped
	t.dropped = dropped
	switch {
	case t.hole != nil:
		return t.hole.Cause, true
	case overloaded && afterLoss:
		return reelvault.GapOverload, true
	case t.wasHeld.Load():
		return reelvault.GapHold, true
	case afterLoss:
		return reelvault.GapLoss, true
	case t.format.Media == reelvault.Audio && d <= t.dtxLongest():
		return reelvault.GapDTX, d >= silenceLongest
	case t.format.Media == reelvault.Video && d <= muteAfter, t.format.Media == reelvault.Screen:
		// A screen that does not change sends nothing, and shows what it showed.
		return "", false
	default:
		return reelvault.GapMute, true
	}
}

// write gives f to the muxer. It says whether that went well.
func (t *track) write(f *media.Frame, at time.Duration, now time.Time) bool {
	t.capture.recorder.stats.frames.Add(1)
	if t.reel.segment == nil {
		return false
	}
	err := t.reel.segment.write(t.lane, at, f)
	t.reel.check(err, now)
	return err == nil
}

// discard throws away what is on its way to the muxer.
func (t *track) discard() {
	t.jitter.Discard()
	t.depacket.Reset()
	t.gated = t.requestKeyframe != nil
}
