package rtp

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// stampTries and stampWait bound the wait for the kernel's first stamp,
	// which takes it some microseconds.
	stampTries = 50
	stampWait  = 2 * time.Millisecond
)

// holdStamps gives a socket that has the kernel stamp packets as long as it is
// open, or nil if there is none to be had. The kernel does so only while
// somebody wants it, and begins a moment after the first who does: what arrives
// before that is stamped when it is read, which is up to a sweep too late.
func holdStamps() *socket {
	s, err := bind(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0), 0)
	if err != nil {
		return nil
	}
	self, err := unix.Getsockname(s.fd)
	b := newBatch()
	for range stampTries {
		if err == nil {
			err = unix.Sendto(s.fd, []byte{0}, unix.MSG_DONTWAIT, self)
		}
		<-time.After(stampWait)
		n, now := s.receive(b), time.Now()
		if err != nil || n > 0 && now.Sub(b.stamp(n-1)) >= stampWait/2 {
			break
		}
	}
	return s
}
