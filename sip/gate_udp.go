package sip

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// renewSources is after how many senders sipgo's reading loop is begun anew:
// it remembers each of them as long as it runs, and a client may send every
// call from another port.
const renewSources = 4096

// datagramBuffer is asked of the kernel: room for some hundred INVITEs of 5 KiB
// that come in one moment.
const datagramBuffer = 4 << 20

// errorPause is how long to wait when the socket cannot be read.
const errorPause = 10 * time.Millisecond

// renewPause is how long nothing is read before that: a request that is on its
// way to its transaction would find no socket to be answered from. What comes
// meanwhile waits in the socket's buffer.
const renewPause = 100 * time.Millisecond

var errRenew = errors.New("the reading loop is due for a new one")

// datagrams is the UDP socket behind the gate, as sipgo reads it.
type datagrams struct {
	net.PacketConn

	gate    *gate
	buffer  []byte // of the reading loop
	sources map[netip.AddrPort]bool
}

func newDatagrams(conn net.PacketConn, g *gate) *datagrams {
	if udp, ok := conn.(*net.UDPConn); ok {
		_ = udp.SetReadBuffer(datagramBuffer) // what the kernel does not grant, clients repeat
	}
	return &datagrams{PacketConn: conn, gate: g, buffer: make([]byte, datagramSize), sources: map[netip.AddrPort]bool{}}
}

// ReadFrom implements net.PacketConn. It gives the next message that may come
// in. It fails for good only when the socket is closed.
func (d *datagrams) ReadFrom(b []byte) (int, net.Addr, error) {
	if len(d.sources) >= renewSources {
		<-time.After(renewPause)
		clear(d.sources)
		return 0, nil, errRenew
	}
	for {
		n, from, err := d.PacketConn.ReadFrom(d.buffer)
		if errors.Is(err, net.ErrClosed) {
			return 0, nil, err
		}
		udp, ok := from.(*net.UDPAddr)
		if err != nil || !ok {
			<-time.After(errorPause) // whatever it is, it is not this datagram's fault
			continue
		}
		source := udp.AddrPort()
		source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
		onward, answer := d.take(d.buffer[:n], source.Addr())
		if answer != nil {
			_, _ = d.WriteTo(answer, from) // who asks again is answered again
		}
		if onward == nil || len(onward) > len(b) {
			continue
		}
		d.sources[source] = true
		return copy(b, onward), from, nil
	}
}

// take is check with what is only so for datagrams: what is over the limit is
// dropped, because clients repeat; a datagram ends its message (RFC 3261,
// section 18.3).
func (d *datagrams) take(data []byte, host netip.Addr) (onward, answer []byte) {
	now := time.Now()
	m, ok := readMessage(data)
	if !ok {
		return nil, nil // a keep-alive
	}
	if !d.gate.admits(host) {
		if d.gate.stranger(host, now) {
			return nil, m.refusal("403 Forbidden")
		}
		return nil, nil
	}
	if !d.gate.limiter(host, now).AllowN(now, 1) {
		d.gate.count.limited.Add(1)
		return nil, nil
	}
	length, ok := m.contentLength()
	if !ok {
		d.gate.count.malformed.Add(1)
		return nil, m.refusal("400 Bad Request")
	}
	if m.header("Content-Length", "l") != "" && length < len(m.body) {
		m.body = m.body[:length]
	}
	return d.gate.check(m)
}
