package recorder

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/depacket"
	"github.com/reelvault/reelvault/media/jitter"
	"github.com/reelvault/reelvault/media/timeline"
)

const (
	// inboxSize is how many packets wait for a capture goroutine: three
	// seconds of a 2.5 Mbit/s publisher, so that a slow ledger or a start
	// burst of two seconds costs nothing.
	inboxSize = 1024

	// callInbox is the same for the two sides of a call: five seconds of 50
	// packets a second each.
	callInbox = 512

	// turnEvery is how often a capture goroutine looks into its inbox. Waking
	// up for each packet would cost more than all the rest; 40 ms is a tenth of
	// the jitter wait.
	turnEvery = 40 * time.Millisecond

	// callTurn is the same for a call of which nothing waits in a jitter buffer:
	// nobody asks it for a keyframe, and what a crash may cost is fillBehind
	// and this.
	callTurn = burstTime

	// openTime is how long the ledger may take to open a recording or a file of
	// it before the frame that waits for that is given up. The inbox holds as
	// much, and callOpenTime that of a call.
	openTime     = 2 * time.Second
	callOpenTime = 4 * time.Second

	// earlyTime is how much before the recording's zero a publisher may have
	// begun and still be moved there: some turns of a machine that is busy.
	earlyTime = 500 * time.Millisecond

	// maxTracks bounds the tracks of one publisher: a camera, a microphone,
	// and a few to spare.
	maxTracks = 8

	// maxParties bounds those of a call: everybody who was ever in it, with each
	// codec they used.
	maxParties = 64
)

// capture takes one publisher's packets. It implements media.Capture.
type capture struct {
	recorder  *Recorder
	recording *recording
	publisher media.Publisher

	inbox     chan arrival
	commands  chan func()
	closing   chan struct{} // closed once by Close
	finished  chan struct{} // closed by run at its end
	closeOnce sync.Once
	cause     error // set before closing is closed

	withheld atomic.Bool // nothing is taken, until release

	saving  sync.Mutex // held while notes are saved, so that older ones never overtake newer ones
	notedMu sync.Mutex
	noted   map[string]note // by file

	// capture goroutine only
	timeline *timeline.Timeline
	tracks   []*track
	reels    []*reel // of a browser one, and the first of a call that of its two sides
	opened   bool
	tryAgain time.Time     // not before this instant is opening tried again
	since    time.Time     // what arrived before is not taken, whoever hands it on now
	first    bool          // no file has begun yet
	ended    bool          // finish has run
	nudge    time.Duration // see fits
	timed    time.Time     // when the timing was last noted
}

// arrival is one thing a source hands over.
type arrival struct {
	track  *track
	packet *media.Packet
	report *media.Report // instead of a packet
}

func newCapture(r *Recorder, rec *recording, p media.Publisher) *capture {
	inbox := inboxSize
	if p.Kind == reelvault.RecordingPhone {
		inbox = callInbox
	}
	c := &capture{
		recorder: r, recording: rec, publisher: p,
		inbox: make(chan arrival, inbox), commands: make(chan func()),
		closing: make(chan struct{}), finished: make(chan struct{}), first: true, noted: map[string]note{},
		timeline: timeline.New(timeline.Config{
			Apart: p.Kind == reelvault.RecordingPhone,
			Log:   r.config.Log.With("session", p.SessionID, "participant", p.ParticipantID),
		}),
	}
	c.withheld.Store(true)
	return c
}

// call says that the publisher is a telephone call, with several people in it.
func (c *capture) call() bool { return c.publisher.Kind == reelvault.RecordingPhone }

// AddTrack implements media.Capture.
func (c *capture) AddTrack(f media.Format, requestKeyframe func()) (media.Track, error) {
	if c.publisher.Kind == reelvault.RecordingScreen && f.Media == reelvault.Video {
		f.Media = reelvault.Screen
	}
	if c.call() && containerOf(f.Codec) != reelvault.WAV {
		return nil, reelvault.Errorf(reelvault.Unsupported, "codec %q is not recorded of a call", f.Codec)
	}
	var t *track
	err := error(reelvault.Errorf(reelvault.Unavailable, "the capture has ended"))
	c.do(func() { t, err = c.addTrack(f, requestKeyframe) })
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (c *capture) addTrack(f media.Format, requestKeyframe func()) (*track, error) {
	if t := c.sameParty(f); t != nil {
		t.jitter.Reopen()
		return t, nil
	}
	most, jitters := maxTracks, jitter.Config{Wait: jitterWait}
	if c.call() {
		most, jitters = maxParties, callJitter
	}
	if len(c.tracks) == most {
		return nil, reelvault.Errorf(reelvault.Invalid, "a publisher may send at most %d tracks", most)
	}
	d, err := depacket.New(f)
	if err != nil {
		return nil, err
	}
	t := &track{
		capture: c, format: f, depacket: d, requestKeyframe: requestKeyframe,
		jitter: jitter.New(jitters), gated: f.Media != reelvault.Audio,
	}
	if c.ended {
		return t, nil
	}
	t.index = c.timeline.AddTrack(f.ClockRate, f.Media == reelvault.Audio)
	c.tracks = append(c.tracks, t)
	if !c.call() {
		t.reel = c.onlyReel()
	}
	return t, nil
}

// onlyReel gives the one that all tracks of a browser are on.
func (c *capture) onlyReel() *reel {
	if len(c.reels) == 0 {
		c.reels = []*reel{{capture: c}}
	}
	return c.reels[0]
}

// Close implements media.Capture.
func (c *capture) Close(cause error) {
	c.closeOnce.Do(func() {
		c.cause = cause
		close(c.closing)
	})
	<-c.finished
}

// do runs f on the capture goroutine and waits for it; it does nothing once
// the capture has ended.
func (c *capture) do(f func()) {
	done := make(chan struct{})
	select {
	case c.commands <- func() { defer close(done); f() }:
		<-done
	case <-c.finished:
	}
}

// run is the capture goroutine.
func (c *capture) run() {
	defer close(c.finished)
	every := c.every()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case f := <-c.commands:
			f()
		case now := <-tick.C:
			c.turn(now)
			if next := c.every(); next != every {
				every = next
				tick.Reset(every)
			}
		case <-c.closing:
			c.turn(time.Now())
			c.finish()
			c.recording.left(c, c.cause)
			return
		}
	}
}

// turn takes what has arrived and writes what is due.
func (c *capture) turn(now time.Time) {
	c.drain()
	if c.ended {
		return
	}
	for _, t := range c.tracks {
		t.advance(now)
	}
	for _, r := range c.reels {
		if c.call() {
			r.flush(r.spoken(now), now)
			continue
		}
		c.fillMutes(now)
		r.flush(c.timeline.Now(now), now)
	}
	c.note(now)
}

// drain empties the inbox into the jitter buffers. It takes no more than was
// there at the start, so a flood cannot hold it. A packet that got in while a
// pause began is dropped.
func (c *capture) drain() {
	for range len(c.inbox) {
		a := <-c.inbox
		if a.packet == nil {
			c.timeline.Report(a.track.index, *a.report)
			continue
		}
		if c.recording.paused.Load() || a.packet.Arrival.Before(c.since) {
			continue
		}
		c.recorder.stats.packets.Add(1)
		a.track.arrive(a.packet)
	}
}

// finish writes everything that waits, and seals the file. It is the end of
// this capture's part in its recording; it may go on for watchers.
func (c *capture) finish() {
	if c.ended {
		return
	}
	now := time.Now()
	c.drain()
	for _, t := range c.tracks {
		t.jitter.Flush()
		t.advance(now)
	}
	c.endGaps(now)
	for _, r := range c.reels {
		r.closeSegment()
	}
	c.ended = true
}

// pause drops what sits in buffers. The recording refuses packets already.
func (c *capture) pause(gap reelvault.Gap) {
	now := time.Now()
	c.drain()
	for _, t := range c.tracks {
		t.discard()
		t.endMute(gap.Start - c.origin())
		t.hole = &gap
		t.openGap(gap)
	}
	for _, r := range c.reels {
		r.flush(maxTime, now)
	}
	c.note(now)
}

// resume begins every track anew, with a keyframe, and notes that the pause has
// ended: the first frame after it may be a while.
func (c *capture) resume(pause reelvault.Gap) {
	now := time.Now()
	c.drain()
	c.since = now
	for _, t := range c.tracks {
		t.discard()
		t.stretchPause(pause.End)
		t.askKeyframe(now)
	}
	c.note(now)
}

// release lets a capture that was withheld begin, with a keyframe.
func (c *capture) release() {
	if !c.withheld.Swap(false) {
		return
	}
	now := time.Now()
	c.since = now
	for _, t := range c.tracks {
		t.askKeyframe(now)
	}
}

// open opens the recording, if this capture is the first to have media. It
// says whether the recording is open now.
func (c *capture) open() bool {
	if c.opened {
		return true
	}
	if time.Now().Before(c.tryAgain) && !c.recording.isOpen() {
		return false // each frame that waits would wait out the ledger
	}
	ctx, cancel := c.opening()
	defer cancel()
	if err := c.recording.open(ctx, c.timeline.Start()); err != nil {
		c.tryAgain = time.Now().Add(retryFile)
		c.recorder.config.Log.Error("open recording", "recording", c.recording.id, "err", err)
		return false
	}
	c.opened = true
	return true
}

// opening gives how long the ledger is waited for.
func (c *capture) opening() (context.Context, context.CancelFunc) {
	if c.call() {
		return context.WithTimeout(context.Background(), callOpenTime)
	}
	return context.WithTimeout(context.Background(), openTime)
}

// origin gives where the capture's own zero lies on the recording's clock.
func (c *capture) origin() time.Duration {
	return c.timeline.Start().Sub(c.recording.zero()) + c.nudge
}

// fits says whether a frame lies within the recording. Of publishers that
// begin together, the one whose turn comes first opens the recording, and
// another may have begun a moment before it: that one is moved to the
// recording's zero, rather than lose its first keyframe.
func (c *capture) fits(at time.Duration) bool {
	if origin := c.origin(); c.first && origin < 0 && origin >= -earlyTime {
		c.nudge -= origin
	}
	return at+c.origin() >= 0
}
