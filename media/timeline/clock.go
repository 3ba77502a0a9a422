package timeline

import (
	"math"
	"time"
)

const (
	// maxStep is the furthest that an RTP timestamp may lie behind the latest
	// one and still be on the same clock. More is a discontinuity.
	maxStep = 30 * time.Second

	// maxAhead is how much earlier than any packet before it a packet may
	// arrive, by its timestamp. Room for a backlog that comes in slowly after
	// the start; a clock that runs away is caught by it.
	maxAhead = 10 * time.Second

	// callAhead is the same of telephony, where no path is known to lose its
	// queue at once: what comes that much too early is on a clock that has
	// jumped. To believe it would leave a hole now, and leave out as much later.
	callAhead = 500 * time.Millisecond

	// maxBehind is how far back a frame may lie in decoding order, or ahead
	// without having been heard. Pictures may be reordered by a few frame
	// times; a clock that goes back is another clock.
	maxBehind = time.Second

	// maxFrameStep is the longest distance of two frames that is expected to
	// repeat itself.
	maxFrameStep = 100 * time.Millisecond

	// minSettle is how many timestamps an era must have heard for its smallest
	// delay to be worth more than a guess.
	minSettle = 5

	// maxEras is one that is being placed, one that is waiting in the jitter
	// buffer, and room for two strays.
	maxEras = 4
)

// era is a stretch of a track over which its RTP clock runs without a break:
// timestamp n, counted on past 2^32, stands for the media time
// mu0 + (n - n0) / rate.
type era struct {
	rate        uint32
	n0          int64
	mu0         time.Duration
	first, last int64 // heard
	placed      int64 // the highest, at first below all

	// Until the first frame is placed by it, an era after the first is open
	// to better knowledge of where it begins.
	open     bool
	guessed  bool          // mu0 is where a frame was due, not where arrival said
	min      time.Duration // the smallest delay since it began
	arrivals int
}

// unwrap counts a timestamp on past 2^32: the reading nearest to the last one.
func (e *era) unwrap(rtp uint32) int64 { return e.last + int64(int32(rtp-uint32(e.last))) }

func (e *era) media(n int64) time.Duration { return e.mu0 + e.span(n-e.n0) }

// span turns RTP units into time without rounding errors that add up, and
// without overflow for any distance that 32 bits a step can reach in years.
func (e *era) span(n int64) time.Duration {
	rate := int64(e.rate)
	return time.Duration(n/rate)*time.Second + time.Duration(n%rate)*time.Second/time.Duration(rate)
}

// hear takes note of a delay that was heard while the era was open.
func (e *era) hear(delay time.Duration) {
	if e.arrivals == 0 || delay < e.min {
		e.min = delay
	}
	e.arrivals++
}

// settle fixes where the era begins: where its smallest delay becomes that of
// the track, if enough was heard to know better than the guess.
func (e *era) settle(delay time.Duration) {
	if !e.open {
		return
	}
	e.open = false
	if e.arrivals == 0 || e.guessed && e.arrivals < minSettle {
		return
	}
	e.mu0 += e.min - delay
}

// behind says that n lies so far before what was placed that it can't be on
// this clock: frames come in decoding order, each once.
func (e *era) behind(n int64) bool {
	return n < e.placed && e.span(e.placed-n) > maxBehind
}

// clock maps the RTP timestamps of one track to its media time, which has no
// breaks: after a discontinuity the next era begins where arrival says.
type clock struct {
	rate uint32
	eras []*era        // the one heard last is last
	cur  *era          // of the frame placed last
	top  time.Duration // the highest that was heard
	step time.Duration // from the one before it
}

// open begins an era at rtp. The one that was heard longest ago makes room.
func (c *clock) open(rtp uint32, mu0 time.Duration) *era {
	if len(c.eras) == maxEras {
		i := 0
		if c.eras[i] == c.cur {
			i = 1
		}
		c.eras = append(c.eras[:i], c.eras[i+1:]...)
	}
	n := int64(rtp)
	e := &era{rate: c.rate, n0: n, mu0: mu0, first: n, last: n, placed: math.MinInt64}
	c.eras = append(c.eras, e)
	return e
}

// nearest gives the era in which rtp, having arrived at this time, is nearest
// to the track's smallest delay, and by how much it is later than that. The
// clock must have an era.
func (c *clock) nearest(rtp uint32, at, delay time.Duration) (*era, int64, time.Duration) {
	var best *era
	var bestN int64
	var late time.Duration
	for _, e := range c.eras {
		n := e.unwrap(rtp)
		d := at - e.media(n) - delay
		if best == nil || d.Abs() <= late.Abs() {
			best, bestN, late = e, n, d
		}
	}
	return best, bestN, late
}

// hear gives the era of a packet's timestamp, or none if it is on no clock
// that was heard before, or ahead of it by more than may be, and its lateness.
func (c *clock) hear(rtp uint32, at, delay, ahead time.Duration) (*era, int64, time.Duration) {
	if len(c.eras) == 0 {
		return nil, 0, 0
	}
	e, n, late := c.nearest(rtp, at, delay)
	if n > e.last && late < -ahead || n <= e.last && e.span(e.last-n) > maxStep {
		return nil, 0, 0
	}
	return e, n, late
}

// heard notes that n was heard in e.
func (c *clock) heard(e *era, n int64) {
	e.first, e.last = min(e.first, n), max(e.last, n)
	if mu := e.media(n); mu > c.top {
		c.top, c.step = mu, min(mu-c.top, maxFrameStep)
	}
	if c.eras[len(c.eras)-1] == e {
		return
	}
	for i, o := range c.eras {
		if o == e {
			c.eras = append(append(c.eras[:i], c.eras[i+1:]...), e)
			return
		}
	}
}

// find gives the era of a frame that comes in decoding order.
func (c *clock) find(rtp uint32) (*era, int64, bool) {
	if c.cur != nil {
		if n := c.cur.unwrap(rtp); n >= c.cur.first && n <= c.cur.last && !c.cur.behind(n) {
			return c.cur, n, true
		}
	}
	for i := len(c.eras) - 1; i >= 0; i-- {
		e := c.eras[i]
		if n := e.unwrap(rtp); n >= e.first && n <= e.last && !e.behind(n) {
			return e, n, true
		}
	}
	if c.cur != nil { // never heard: as near to the last one as a frame can be
		if n := c.cur.unwrap(rtp); !c.cur.behind(n) && c.cur.span(n-c.cur.placed) <= maxBehind {
			return c.cur, n, true
		}
	}
	return nil, 0, false
}
