package timeline

import "time"

const (
	videoRate = 90_000 // of every video payload format of WebRTC
	opusRate  = 48_000 // RFC 7587, section 4.1

	// Safari on iOS 18.4 and 18.5 counts video timestamps in microseconds
	// though 90 kHz was negotiated (WebKit bug 292273).
	microseconds = 1_000_000

	// rateWindow is from the first packet on how long that is looked for.
	rateWindow = 5 * time.Second

	// rateSpan is the time it is measured over: less than a jitter buffer holds
	// the start for, so that it is mostly known before the first frame is
	// placed. In minRateSteps it is if the frames are further apart.
	rateSpan     = 250 * time.Millisecond
	minRateSteps = 3
	maxRateSteps = 20

	// minRateStep is the mean step of a camera at 60 frames a second in
	// microseconds. A backlog that drains eleven times faster than it was
	// made would measure the same; but its steps would be those of a camera
	// at six frames a second.
	minRateStep = 15_000

	// maxArrivals is how many arrivals are kept for frames that wait in the
	// jitter buffer.
	maxArrivals = 64
)

// arrivals remembers when the latest timestamps were heard first.
type arrivals struct {
	ring [maxArrivals]struct {
		rtp uint32
		at  time.Duration
	}
	n int // ever added
}

func (a *arrivals) add(rtp uint32, at time.Duration) {
	if a.n > 0 && a.ring[(a.n-1)%maxArrivals].rtp == rtp {
		return
	}
	a.ring[a.n%maxArrivals].rtp, a.ring[a.n%maxArrivals].at = rtp, at
	a.n++
}

// find gives the first arrival of rtp, if it is among those kept.
func (a *arrivals) find(rtp uint32) (time.Duration, bool) {
	for i := max(0, a.n-maxArrivals); i < a.n; i++ {
		if p := a.ring[i%maxArrivals]; p.rtp == rtp {
			return p.at, true
		}
	}
	return 0, false
}

// between gives how many units and how much time lie between the timestamps
// heard i and j places ago, i being the older.
func (a *arrivals) between(i, j int) (units int64, d time.Duration) {
	p, q := a.ring[(a.n-1-i)%maxArrivals], a.ring[(a.n-1-j)%maxArrivals]
	return int64(int32(q.rtp - p.rtp)), q.at - p.at
}

// suspectMicroseconds looks for a video clock that counts microseconds, and
// sets it right.
func (t *Timeline) suspectMicroseconds(k *track, e *era, at time.Duration) {
	if k.audio || k.clock.rate != videoRate || at-k.hearing.began > rateWindow {
		return
	}
	steps := k.recent.countsMicroseconds()
	if steps == 0 {
		return
	}
	k.clock.rate, e.rate = microseconds, microseconds
	e.n0, e.mu0 = e.last, at
	k.delay = delays{}
	for i := range steps + 1 {
		units, d := k.recent.between(i, 0)
		k.delay.add(at-d, at-d-e.media(e.last-units))
	}
	if k.placed { // keep off, and make it mean what arrival says
		shift := k.delay.min - k.off
		if ref := t.leader(); ref != k {
			shift += ref.off - ref.delay.min
		}
		e.mu0 += shift
		k.delay.shift(-shift)
	}
	k.early, k.base = k.delay.min, k.delay.min
	k.lips.forget()
}

// countsMicroseconds gives the number of latest steps over which timestamps
// ran at a million units a second, zero if they did not.
func (a *arrivals) countsMicroseconds() int {
	for steps := minRateSteps; steps <= min(maxRateSteps, a.n-1); steps++ {
		units, d := a.between(steps, 0)
		if d < rateSpan {
			continue
		}
		u1, d1 := a.between(steps, steps/2)
		u2, d2 := a.between(steps/2, 0)
		if units < int64(steps)*minRateStep || !aMillion(units, d, 30) || !aMillion(u1, d1, 60) || !aMillion(u2, d2, 60) {
			return 0
		}
		return steps
	}
	return 0
}

// aMillion says whether a clock that made so many units in d makes a million
// a second, within percent.
func aMillion(units int64, d time.Duration, percent int64) bool {
	want := int64(d / time.Microsecond)
	return units*100 >= want*(100-percent) && units*100 <= want*(100+percent)
}
