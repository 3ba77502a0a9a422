package rtp

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/reelvault/reelvault"
)

// pair is an even port for RTP and the next one for RTCP (RFC 3550, section 11).
type pair struct {
	port  uint16
	since time.Time // when it came to rest
}

// ports hands out pairs, the one that has rested longest first.
type ports struct {
	mu   sync.Mutex
	free []pair
}

func newPorts(first, last int) *ports {
	p := &ports{}
	for n := first + first%2; n+1 <= last; n += 2 {
		p.free = append(p.free, pair{port: uint16(n)})
	}
	return p
}

func (p pair) rested(now time.Time) bool {
	return p.since.IsZero() || now.Sub(p.since) >= coolDown
}

// open binds the next pair. One that another program has is passed over.
func (p *ports) open(address netip.Addr, now time.Time) (boundPair, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range len(p.free) {
		next := p.free[0]
		if !next.rested(now) {
			break
		}
		p.free = p.free[1:]
		bound, err := bindPair(address, next.port)
		if err == nil {
			return bound, nil
		}
		p.free = append(p.free, pair{next.port, now})
	}
	return boundPair{}, errNoPort()
}

func errNoPort() error {
	return &reelvault.Error{
		Kind: reelvault.Unavailable, Message: "no RTP port is free",
		Hint: "give a wider range with --rtp-ports", RetryAfter: coolDown,
	}
}

// rest takes a pair back whose sockets are closed.
func (p *ports) rest(port uint16, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, pair{port, now})
}

// restore takes back a pair that nobody was told of, so that nothing late can
// come to it.
func (p *ports) restore(port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = slices.Insert(p.free, 0, pair{port: port})
}

// boundPair is a pair with its sockets.
type boundPair struct {
	port           uint16
	media, reports *socket
}

func bindPair(address netip.Addr, port uint16) (boundPair, error) {
	media, err := bind(netip.AddrPortFrom(address, port), receiveBuffer)
	if err != nil {
		return boundPair{}, err
	}
	reports, err := bind(netip.AddrPortFrom(address, port+1), 0)
	if err != nil {
		media.close()
		return boundPair{}, err
	}
	return boundPair{port, media, reports}, nil
}
