package rtp

import (
	"net/netip"
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

// room fails when fewer than n pairs may be handed out now.
func (p *ports) room(n int, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	rested := 0
	for _, f := range p.free[:min(n, len(p.free))] { // the first have rested longest
		if f.rested(now) {
			rested++
		}
	}
	if rested < n {
		return errNoPort()
	}
	return nil
}

func (p pair) rested(now time.Time) bool {
	return p.since.IsZero() || now.Sub(p.since) >= coolDown
}

// open binds the next pair. One that another program has is passed over.
func (p *ports) open(address netip.Addr, now time.Time) (uint16, [2]*socket, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range len(p.free) {
		next := p.free[0]
		if !next.rested(now) {
			break
		}
		p.free = p.free[1:]
		sockets, err := bindPair(address, next.port)
		if err == nil {
			return next.port, sockets, nil
		}
		p.free = append(p.free, pair{next.port, now})
	}
	return 0, [2]*socket{}, errNoPort()
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

func bindPair(address netip.Addr, port uint16) ([2]*socket, error) {
	media, err := bind(netip.AddrPortFrom(address, port), receiveBuffer)
	if err != nil {
		return [2]*socket{}, err
	}
	reports, err := bind(netip.AddrPortFrom(address, port+1), 0)
	if err != nil {
		media.close()
		return [2]*socket{}, err
	}
	return [2]*socket{media, reports}, nil
}
