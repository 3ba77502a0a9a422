//go:build !linux

package rtp

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// wanted are the options of each socket.
var wanted []int

// batch is what one look takes. It belongs to one worker.
type batch struct {
	data  [batchPackets][packetSize + 1]byte
	sizes [batchPackets]int
	from  [batchPackets]netip.AddrPort
}

func newBatch() *batch { return &batch{} }

// receive takes at most batchPackets packets that are there, without waiting.
func (s *socket) receive(b *batch) int {
	for i := range b.data {
		n, from, err := unix.Recvfrom(s.fd, b.data[i][:], 0)
		if err != nil {
			return i
		}
		b.sizes[i] = n
		switch a := from.(type) {
		case *unix.SockaddrInet4:
			b.from[i] = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
		case *unix.SockaddrInet6:
			b.from[i] = netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
		}
	}
	return batchPackets
}

// packet gives the i-th packet of the last receive; whole is false if it was
// longer than fits.
func (b *batch) packet(i int) (data []byte, from netip.AddrPort, whole bool) {
	return b.data[i][:min(b.sizes[i], packetSize)], b.from[i], b.sizes[i] <= packetSize
}

// stamp knows no times here: the packet counts as arriving when it is taken.
func (b *batch) stamp(int) time.Time { return time.Time{} }

// drops does not know, either.
func (b *batch) drops(int) uint32 { return 0 }
