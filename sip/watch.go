package sip

import (
	"time"
)

// unknownTypes is how many payload types may wait to be looked at: more than
// the streams of a call have in common use.
const unknownTypes = 16

// payloadSeen is a payload type that came on a line without having been agreed.
type payloadSeen struct {
	line        int
	payloadType uint8
}

// watch looks after the call until it ends.
func (c *call) watch() {
	tick := time.NewTicker(c.server.config.Timers.Check)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			c.check(now)
		case p := <-c.unknown:
			c.admitPayload(p)
		case <-c.ending:
			return
		}
	}
}

// check ends a call whose client has gone without a word.
func (c *call) check(now time.Time) {
	t := c.server.config.Timers
	c.mu.Lock()
	defer c.mu.Unlock()
	heard, speaking, left := c.heard(), false, true
	for _, l := range c.legs {
		if l == nil || l.held {
			continue
		}
		_, bye := l.stream.Heard()
		speaking, left = true, left && bye
	}
	last := heard
	if c.seen.After(last) {
		last = c.seen
	}
	switch silent := now.Sub(last); {
	case speaking && left && silent > t.Left:
		c.end(CauseSilence)
	case speaking && silent > t.Silence:
		c.end(CauseSilence)
	case !speaking && silent > t.Held:
		c.end(CauseSilence)
	case !c.expires.IsZero() && now.After(c.expires):
		c.expire(now.Sub(heard) > t.Left)
	}
}

// expire acts on a session timer that nobody refreshed. A client that still
// sends has only forgotten it. The caller holds c.mu.
func (c *call) expire(silent bool) {
	if silent {
		c.end(CauseExpired)
		return
	}
	c.expires = time.Time{}
	c.log.Warn("the client does not refresh its session timer, but sends")
}

// heard gives when the last packet came on any line. The caller holds c.mu.
func (c *call) heard() time.Time {
	var last time.Time
	for _, l := range c.legs {
		if l == nil {
			continue
		}
		if at, _ := l.stream.Heard(); at.After(last) {
			last = at
		}
	}
	return last
}
