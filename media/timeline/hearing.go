package timeline

import "time"

const (
	// A sender that mutes may stop its RTP clock: the first packets after the
	// mute then bear timestamps right behind those before it. They look like
	// packets that were held up on the way; these constants tell them apart.

	// stillRise is how much later than the smallest delay a packet must
	// arrive before its clock is suspected to have stood still.
	stillRise = time.Second

	// stillWindow is how long the suspicion must hold, without the delay
	// falling, as it does when a queue drains.
	stillWindow = 3 * time.Second

	// stillLeast is how long it must hold even if a report confirms it: the
	// sender's wall clock might have been set just then.
	stillLeast = 500 * time.Millisecond

	// stillReports is how long it must hold if a report may still come that
	// tells. Browsers send one every 5 s or more often.
	stillReports = 12 * time.Second

	// stillFall is the fall over half a window that speaks for a queue.
	stillFall = 250 * time.Millisecond

	// longestQueue is more than a path holds on to packets for.
	longestQueue = 5 * time.Second

	// longestStall is more than a connection survives without any packet:
	// consent to send is gone after 30 s (RFC 7675, section 5.1).
	longestStall = 30 * time.Second

	// seamless is how far from when it was due the first packet after a break
	// may arrive and still be taken for the next one.
	seamless = 100 * time.Millisecond

	// smoothGap is the longest silence of a track that is not a stall.
	smoothGap = time.Second

	// smoothRise is how late packets of a track may be that is not held up.
	smoothRise = 500 * time.Millisecond
)

// hearing is what a track's arrivals say about its clock and its path.
type hearing struct {
	any    bool
	began  time.Duration // the first packet
	at     time.Duration // the last new timestamp
	smooth time.Duration // since when new timestamps came without a stall
	normal time.Duration // the last one that was not late

	late        bool // every new timestamp since lateSince was late by more than stillRise
	lateSince   time.Duration
	early, rest time.Duration // smallest delay in the first and in the second half of the window
	ntpBefore   time.Duration // what reports said when it began
	reportsThen uint64
}

// Arrive takes note of a packet's timestamp as the packet arrives, before the
// jitter buffer.
func (t *Timeline) Arrive(track int, rtp uint32, arrival time.Time) {
	if t.epoch.IsZero() {
		t.epoch = arrival
	}
	k := t.tracks[track]
	at := arrival.Sub(t.epoch)
	ahead := maxAhead
	if t.apart {
		ahead = callAhead
	}
	e, n, rise := k.clock.hear(rtp, at, k.delay.min, ahead)
	if e != nil && n > e.last && at-e.media(n) < k.base-maxAhead {
		k.distrust(at) // it ran ahead little by little
		e = nil
	}
	fresh := e == nil || n > e.last
	if e == nil || fresh && t.stoodStill(k, at, rise) {
		e = k.reopen(rtp, at)
		n = e.n0
	}
	delay := at - e.media(n)
	if fresh || e.span(e.last-n) > maxBehind {
		k.recent.add(rtp, at)
	}
	k.clock.heard(e, n)
	if !fresh {
		return
	}
	if e.open {
		e.hear(delay)
		k.hearing.at = at
		return
	}
	k.hear(at, delay)
	t.suspectMicroseconds(k, e, at)
}

// hear takes note of a new timestamp's delay.
func (k *track) hear(at, delay time.Duration) {
	h := &k.hearing
	if !h.any {
		h.any, h.began, h.at, h.smooth, h.normal = true, at, at, at, at
		k.early, k.base = delay, delay
	}
	passed := at - h.at
	h.at = at
	if h.late {
		return // not a delay of the path until it is known why
	}
	k.delay.add(at, delay)
	k.base = max(k.delay.min, k.base-time.Duration(float64(passed)*maxRate))
	if !k.placed || at-k.placedAt <= settleTime {
		k.early = min(k.early, delay)
	}
	if delay-k.delay.min <= smoothRise {
		if at-h.normal > smoothGap {
			h.smooth = at
		}
		h.normal = at
	}
}

// distrust forgets a smallest delay that a clock which ran ahead took along.
func (k *track) distrust(at time.Duration) {
	k.delay = delays{}
	k.delay.add(at, k.base)
}

// reopen begins an era at a packet, where its arrival says. If that is about
// where the next frame was due, the clock has jumped in the middle of a stream
// that went on, and what arrival adds is jitter.
func (k *track) reopen(rtp uint32, at time.Duration) *era {
	mu := at - k.delay.min
	k.hearing.late = false
	if !k.hearing.any {
		return k.clock.open(rtp, mu)
	}
	due := k.clock.top + k.clock.step
	seam := (mu - due).Abs() <= seamless
	if seam {
		mu = due
	}
	e := k.clock.open(rtp, mu)
	e.open, e.guessed = true, seam
	return e
}

// stoodStill judges a new timestamp that comes later than the smallest delay
// by rise: has the clock stood still, rather than the path been slow?
func (t *Timeline) stoodStill(k *track, at, rise time.Duration) bool {
	h := &k.hearing
	if rise <= stillRise {
		h.late = false
		return false
	}
	gap := at - h.at
	if gap >= longestStall || gap >= longestQueue && (t.apart || t.pathWasOpen(k, at-gap, at)) {
		return true
	}
	if !h.late {
		k.suspect(at, rise)
	}
	window := stillWindow
	if h.reportsThen > 0 && rise < longestQueue {
		window = stillReports
	}
	if at-h.lateSince < window/2 {
		h.early = min(h.early, rise)
	} else {
		h.rest = min(h.rest, rise)
	}
	stood, known := k.reportsSay(rise)
	switch {
	case known && stood && at-h.lateSince >= stillLeast:
		return true
	case known && stood || !known && at-h.lateSince < window:
		return false
	case !known && h.rest >= h.early-stillFall && (rise >= longestQueue || !t.othersLate(k, at)):
		return true
	}
	k.suspect(at, rise)
	return false
}

// suspect begins to watch whether a delay that has risen stays.
func (k *track) suspect(at, rise time.Duration) {
	h := &k.hearing
	h.late, h.lateSince, h.early, h.rest = true, at, rise, rise
	if h.reportsThen = k.report.number; h.reportsThen > 0 {
		h.ntpBefore = k.report.ahead()
	}
}

// reportsSay tells by a report that came since the delay rose whether the
// clock stood meanwhile: then the sender's wall clock ran ahead of it.
func (k *track) reportsSay(rise time.Duration) (stood, known bool) {
	h := &k.hearing
	if h.reportsThen == 0 || k.report.number == h.reportsThen {
		return false, false
	}
	return (k.report.ahead() - h.ntpBefore - rise).Abs() < rise/4, true
}

// pathWasOpen says that another track's packets came all the time.
func (t *Timeline) pathWasOpen(k *track, from, to time.Duration) bool {
	for _, o := range t.tracks {
		h := &o.hearing
		if o != k && h.any && !h.late && h.smooth <= from+smoothGap && to-h.normal <= smoothGap {
			return true
		}
	}
	return false
}

// othersLate says that another track is late, too: the path is slow for both.
func (t *Timeline) othersLate(k *track, at time.Duration) bool {
	for _, o := range t.tracks {
		if o != k && o.hearing.late && at-o.hearing.at <= stillWindow {
			return true
		}
	}
	return false
}

// media gives the media time of a frame.
func (t *Timeline) media(k *track, rtp uint32) time.Duration {
	e, n, ok := k.clock.find(rtp)
	if ok && k.restart {
		if at, heard := k.recent.find(rtp); heard && (at-e.media(n)-k.base).Abs() > stillRise {
			k.distrust(at)
			ok = false
		}
	}
	k.restart = false
	if !ok {
		at, heard := k.recent.find(rtp)
		if !heard { // right behind the last one
			at = k.mu + k.clock.step + k.delay.min
		}
		e = k.reopen(rtp, at)
		n = e.n0
	}
	e.settle(k.delay.min)
	if old := k.clock.cur; old != e {
		k.clock.cur = e
		if old != nil {
			t.reanchored(k, e.media(n))
		}
	}
	e.placed = max(e.placed, n)
	return e.media(n)
}
