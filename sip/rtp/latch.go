package rtp

import (
	"net/netip"
	"slices"
	"time"
)

// Source says where the packets of a stream may come from.
type Source struct {
	Told    netip.AddrPort // where the client says it sends from, or the zero AddrPort
	Peer    netip.Addr     // who signals
	Allowed []netip.Prefix // from where anything may come at all
}

func (s Source) equal(o Source) bool {
	return s.Told == o.Told && s.Peer == o.Peer && slices.Equal(s.Allowed, o.Allowed)
}

// The ranks of sources. Clients behind address translation send from elsewhere
// than they say, and others from a port they did not name; so a source is not
// taken by its address alone, but the likelier one wins.
const (
	rankForeign  = iota // never taken
	rankStranger        // within the allowed networks, and no more
	rankPeer            // the host that signals
	rankHost            // the host that was told
	rankTold            // host and port that were told
)

func (s Source) rank(from netip.AddrPort) int {
	host := from.Addr()
	if !slices.ContainsFunc(s.Allowed, func(p netip.Prefix) bool { return p.Contains(host) }) {
		return rankForeign
	}
	switch {
	case from == s.Told:
		return rankTold
	case host == s.Told.Addr():
		return rankHost
	case host == s.Peer:
		return rankPeer
	}
	return rankStranger
}

// latch keeps a stream to one source. A likelier source takes over at once,
// any other one when the present one has been silent; a stranger is heard only
// where nobody likelier is.
type latch struct {
	source Source
	wait   time.Duration // how long from has to be silent
	from   netip.AddrPort
	rank   int
	last   time.Time // when from was heard, or when the latch was set
}

func newLatch(s Source, wait time.Duration, now time.Time) latch {
	return latch{source: s, wait: wait, rank: rankStranger, last: now}
}

// take says whether a packet from here is the stream's.
func (l *latch) take(from netip.AddrPort, at time.Time) bool {
	if from != l.from {
		rank := l.source.rank(from)
		if rank == rankForeign || rank <= l.rank && at.Sub(l.last) < l.wait {
			return false
		}
		l.from, l.rank = from, rank
	}
	l.last = at
	return true
}

// near says whether RTCP from here is the stream's: it comes from the host of
// the media, or from where that would be looked for.
func (l *latch) near(from netip.AddrPort) bool {
	return from.Addr() == l.from.Addr() || l.source.rank(from) >= rankPeer
}
