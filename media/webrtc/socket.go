package webrtc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"

	"github.com/reelvault/reelvault"
)

const (
	// socketBuffer holds what arrives while the reader is off the CPU: 100
	// publishers of 2.5 Mbit/s send 4 MiB in 130 ms. The kernel may grant less.
	socketBuffer = 4 << 20

	// tcpWriteBuffer lets a TCP peer that reads slowly lose RTCP instead of
	// stopping the goroutine that writes it.
	tcpWriteBuffer = 256 << 10

	// tcpReadBuffer is in packets.
	tcpReadBuffer = 64

	// tcpFirstPacket is how long a TCP connection may stay silent.
	tcpFirstPacket = 10 * time.Second
)

// sockets are the one UDP port of all peers and ICE-TCP on the same number.
type sockets struct {
	udp       *announcedMux
	tcp       *ice.TCPMuxDefault
	port      int
	announced []netip.Addr
	bound     netip.Addr // unspecified when listening on all addresses
}

// openSockets listens on one port number for UDP and TCP; 0 takes a free one.
// There may be mostTCP connections at a time.
func openSockets(ctx context.Context, c Config, mostTCP int) (*sockets, error) {
	announced, err := resolveHosts(ctx, c.Host)
	if err != nil {
		return nil, err
	}
	s := &sockets{announced: announced, bound: bindAddress(announced)}
	conn, listener, err := listenBoth(ctx, s.bound, c.Port)
	if err != nil {
		return nil, err
	}
	// A smaller buffer than asked for is still a buffer.
	_ = conn.SetReadBuffer(socketBuffer)
	_ = conn.SetWriteBuffer(socketBuffer)
	s.port = int(conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()) //nolint:errcheck // a UDPConn has a UDPAddr
	s.udp = newAnnouncedMux(conn, s.hostAddrs())
	s.tcp = ice.NewTCPMuxDefault(ice.TCPMuxParams{
		Listener: newBoundedListener(listener, mostTCP), Logger: quiet.NewLogger("ice"), ReadBufferSize: tcpReadBuffer,
		WriteBufferSize: tcpWriteBuffer, FirstStunBindTimeout: tcpFirstPacket, AliveDurationForConnFromStun: tcpFirstPacket,
	})
	return s, nil
}

// close may be called again.
func (s *sockets) close() error { return errors.Join(s.udp.Close(), s.tcp.Close()) }

func resolveHosts(ctx context.Context, hosts []string) ([]netip.Addr, error) {
	var list []netip.Addr
	for _, host := range hosts {
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, fmt.Errorf("resolve announced host %s: %w", host, err)
		}
		for _, addr := range addrs {
			if addr = addr.Unmap(); addr.IsUnspecified() {
				return nil, fmt.Errorf("announce host %s: peers need an address they can send to", host)
			}
			if !slices.Contains(list, addr) {
				list = append(list, addr)
			}
		}
	}
	return list, nil
}

// bindAddress gives the narrowest address to listen on: the announced one if
// it is one and this machine's, else all, for the announced one may be that
// of a router in front.
func bindAddress(announced []netip.Addr) netip.Addr {
	if len(announced) == 1 && (announced[0].IsLoopback() || isOwn(announced[0])) {
		return announced[0]
	}
	return netip.IPv6Unspecified()
}

func isOwn(addr netip.Addr) bool {
	own, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(own, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().Unmap() == addr
	})
}

// listenAttempts is how often a free UDP port is tried that may be taken for TCP.
const listenAttempts = 16

func listenBoth(ctx context.Context, bound netip.Addr, port int) (*net.UDPConn, net.Listener, error) {
	var lc net.ListenConfig
	for attempt := 1; ; attempt++ {
		packet, err := lc.ListenPacket(ctx, "udp", hostPort(bound, port))
		if err != nil {
			return nil, nil, cannotListen("UDP", port, err)
		}
		conn, ok := packet.(*net.UDPConn)
		if !ok {
			return nil, nil, errors.Join(errors.New("listen for WebRTC: not a UDP socket"), packet.Close())
		}
		number := int(netip.MustParseAddrPort(conn.LocalAddr().String()).Port())
		listener, err := lc.Listen(ctx, "tcp", hostPort(bound, number))
		if err == nil {
			return conn, listener, nil
		}
		if err = errors.Join(err, conn.Close()); port != 0 || attempt == listenAttempts {
			return nil, nil, cannotListen("TCP", number, err)
		}
	}
}

func cannotListen(protocol string, port int, err error) error {
	return &reelvault.Error{
		Kind: reelvault.Unavailable, Message: fmt.Sprintf("the %s port %d cannot be listened on", protocol, port),
		Hint: "name another one with --webrtc-port", Cause: err,
	}
}

func hostPort(addr netip.Addr, port int) string {
	if addr.IsUnspecified() {
		return fmt.Sprintf(":%d", port)
	}
	return netip.AddrPortFrom(addr, uint16(port)).String()
}

// hostAddrs gives one announced address of each family: pion opens a
// candidate for each, and one is enough to receive what is sent to any.
func (s *sockets) hostAddrs() []net.Addr {
	var list []net.Addr
	for _, is4 := range []bool{true, false} {
		i := slices.IndexFunc(s.announced, func(a netip.Addr) bool { return a.Is4() == is4 })
		if i >= 0 {
			list = append(list, net.UDPAddrFromAddrPort(netip.AddrPortFrom(s.announced[i], uint16(s.port))))
		}
	}
	return list
}

// candidates gives the values of the answer's a=candidate lines (RFC 8839,
// section 5.1; RFC 6544, section 4.5), UDP first.
func (s *sockets) candidates() []string {
	const hostPreference, tcpPreference = 126, 90 // RFC 8445, section 5.1.2.2; RFC 6544, section 4.2
	var list []string
	for i, addr := range s.announced {
		priority := hostPreference<<24 | (65535-i)<<8 | 255
		list = append(list, fmt.Sprintf("%d 1 udp %d %s %d typ host", i+1, priority, addr, s.port))
	}
	for i, addr := range s.announced {
		priority := tcpPreference<<24 | (65535-i)<<8 | 255
		list = append(list, fmt.Sprintf("%d 1 tcp %d %s %d typ host tcptype passive",
			len(s.announced)+i+1, priority, addr, s.port))
	}
	return list
}

// tcpAddress says whether pion should open a TCP candidate on a local address.
func (s *sockets) tcpAddress(ip net.IP) bool {
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return false
	}
	addr = addr.Unmap()
	return s.bound.IsUnspecified() && !addr.IsLinkLocalUnicast() || addr == s.bound
}

// announcedMux is pion's UDP mux, but with announced addresses in place of
// the socket's own.
type announcedMux struct {
	*ice.UDPMuxDefault
	addrs []net.Addr
}

func newAnnouncedMux(conn *net.UDPConn, addrs []net.Addr) *announcedMux {
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{Logger: quiet.NewLogger("ice"), UDPConn: conn})
	return &announcedMux{UDPMuxDefault: mux, addrs: addrs}
}

// GetListenAddresses implements ice.UDPMux.
func (m *announcedMux) GetListenAddresses() []net.Addr { return m.addrs }

// quiet swallows what pion logs: it logs packets, and we log changes of state.
var quiet logging.LoggerFactory = &logging.DefaultLoggerFactory{
	Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled,
}
