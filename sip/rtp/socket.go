package rtp

import (
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// socket is a UDP socket that nobody waits on: it is not known to the
// runtime's poller, which would else wake up for every packet.
type socket struct{ fd int }

// bind opens a socket; buffer 0 leaves the kernel's default.
func bind(address netip.AddrPort, buffer int) (*socket, error) {
	family, sockaddr := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().Unmap().As4()})
	if address.Addr().Is6() {
		family, sockaddr = unix.AF_INET6, &unix.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()}
	}
	syscall.ForkLock.RLock() // so that no program that is started meanwhile inherits it
	fd, err := unix.Socket(family, unix.SOCK_DGRAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, fmt.Errorf("open RTP socket: %w", err)
	}
	err = unix.SetNonblock(fd, true)
	for _, option := range wanted {
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 1)
		}
	}
	if err == nil && buffer > 0 {
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
