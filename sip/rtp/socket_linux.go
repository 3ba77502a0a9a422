package rtp

import (
	"encoding/binary"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wanted are the options of each socket: when a packet came, and how many were
// dropped before it.
var wanted = []int{unix.SO_TIMESTAMPNS, unix.SO_RXQ_OVFL}

const (
	controlSize = 64 // room for a timestamp and a drop counter, each with its header
	nameSize    = unix.SizeofSockaddrInet6
)

// mmsghdr is the kernel's, which package unix does not know.
type mmsghdr struct {
	header unix.Msghdr
	length uint32
}

// batch is what one system call takes. It belongs to one worker.
type batch struct {
	headers  [batchPackets]mmsghdr
	vectors  [batchPackets]unix.Iovec
	names    [batchPackets][nameSize]byte
	controls [batchPackets][controlSize]byte
	data     [batchPackets][packetSize]byte
}

func newBatch() *batch {
	b := &batch{}
	for i := range b.headers {
		b.vectors[i].Base = &b.data[i][0]
		b.vectors[i].SetLen(packetSize)
		h := &b.headers[i].header
		h.Iov, h.Name, h.Control = &b.vectors[i], &b.names[i][0], &b.controls[i][0]
		h.SetIovlen(1)
	}
	return b
}

// receive takes at most batchPackets packets that are there, without waiting.
// A socket that reports an error has nothing for us.
func (s *socket) receive(b *batch) int {
	for i := range b.headers {
		b.headers[i].header.Namelen = nameSize
		b.headers[i].header.SetControllen(controlSize)
	}
	// The socket does not block, so the scheduler need not be told.
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&b.headers[0])), batchPackets, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// packet gives the i-th packet of the last receive; whole is false if it was
// longer than fits.
func (b *batch) packet(i int) (data []byte, from netip.AddrPort, whole bool) {
	h := &b.headers[i]
	name := &b.names[i]
	port := binary.BigEndian.Uint16(name[2:])
	if h.header.Namelen == unix.SizeofSockaddrInet4 {
		from = netip.AddrPortFrom(netip.AddrFrom4([4]byte(name[4:8])), port)
	} else {
		from = netip.AddrPortFrom(netip.AddrFrom16([16]byte(name[8:24])).Unmap(), port)
	}
	return b.data[i][:h.length], from, h.header.Flags&unix.MSG_TRUNC == 0
}

// stamp gives when the i-th packet arrived by the host's clock.
func (b *batch) stamp(i int) time.Time {
	body := b.control(i, unix.SO_TIMESTAMPNS)
	if len(body) < int(unsafe.Sizeof(unix.Timespec{})) {
		return time.Time{}
	}
	return time.Unix((*unix.Timespec)(unsafe.Pointer(&body[0])).Unix())
}

// drops gives how many packets the socket's buffer has had no room for until
// the i-th packet came; the kernel says nothing as long as there are none.
func (b *batch) drops(i int) uint32 {
	body := b.control(i, unix.SO_RXQ_OVFL)
	if len(body) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(body)
}

// control gives the body of one of the control messages of the i-th packet.
func (b *batch) control(i, kind int) []byte {
	const head = unix.SizeofCmsghdr
	for rest := b.controls[i][:b.headers[i].header.Controllen]; len(rest) >= head; {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&rest[0]))
		size := int(c.Len)
		if size < head || size > len(rest) {
			return nil
		}
		if c.Level == unix.SOL_SOCKET && int(c.Type) == kind {
			return rest[head:size]
		}
		rest = rest[min(unix.CmsgSpace(size-head), len(rest)):]
	}
	return nil
}
