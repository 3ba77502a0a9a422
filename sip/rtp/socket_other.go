//go:build !linux

package rtp

import (
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a UDP socket that nobody waits on.
type socket struct{ fd int }

// bind opens a socket; buffer 0 leaves the kernel's default.
func bind(address netip.AddrPort, buffer int) (*socket, error) {
	family, sockaddr := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().Unmap().As4()})
	if address.Addr().Is6() {
		family, sockaddr = unix.AF_INET6, &unix.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM, 0)
	if err != nil {
		return nil, fmt.Errorf("open RTP socket: %w", err)
	}
	unix.CloseOnExec(fd)
	if err = unix.SetNonblock(fd, true); err == nil && buffer > 0 {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
	}
	if err == nil {
		err = unix.Bind(fd, sockaddr)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("bind RTP socket to %s: %w", address, err)
	}
	return &socket{fd}, nil
}

func (s *socket) close() { _ = unix.Close(s.fd) }

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
