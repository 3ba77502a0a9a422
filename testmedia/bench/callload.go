package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

type callLoadCmd struct {
	SIP   string        `help:"Session recording server to call, host:port over UDP."`
	Ports string        `help:"Ports on loopback to send to without a call, with commas."`
	Calls int           `default:"200" help:"How many calls at once."`
	For   time.Duration `default:"30s" help:"How long they talk."`
}

// Run calls and talks.
func (l *callLoadCmd) Run(ctx context.Context) (err error) {
	voices := []testmedia.Voice{
		{Name: "Caller", Address: "sip:caller@bench.example", Law: reelvault.PCMU, Sound: testmedia.Tone(reelvault.PCMU, 440, time.Second)},
		{Name: "Callee", Address: "sip:callee@bench.example", Law: reelvault.PCMU, Sound: testmedia.Tone(reelvault.PCMU, 1000, time.Second)},
	}
	var ports []netip.AddrPort
	for _, text := range strings.Split(l.Ports, ",") {
		if port, failed := strconv.ParseUint(text, 10, 16); failed == nil {
			ports = append(ports, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)))
		}
	}
	calls := make([]*testmedia.PhoneCall, l.Calls)
	for i := range calls {
		if l.SIP != "" {
			calls[i], err = testmedia.Call(ctx, testmedia.CallSpec{Target: l.SIP, Voices: voices})
		} else {
			calls[i], err = testmedia.Aimed(ctx, voices, ports[voicesOfCall*i:])
		}
		if err != nil {
			return fmt.Errorf("call %d: %w", i, err)
		}
	}
	fmt.Fprintln(os.Stderr, "sending")
	report, err := testmedia.Say(ctx, calls, testmedia.Talk{For: l.For, Reports: l.SIP != ""})
	if err != nil {
		return err
	}
	for _, c := range calls {
		if err = c.Bye(ctx); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(loadReport{Packets: report.Packets, LateMS: float64(report.Late.Microseconds()) / 1000})
}

type udpDiscardCmd struct {
	Ports int `default:"400" help:"How many ports."`
}

// Run reads from a socket a stream, each in a goroutine, and throws away what
// comes: the least that a receiver in Go does who waits for packets. It prints
// its ports, and at the end how many packets came.
func (d *udpDiscardCmd) Run(ctx context.Context) error {
	var packets atomic.Uint64
	var reading sync.WaitGroup
	var ports []string
	var sockets []net.PacketConn
	for range d.Ports {
		conn, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp4", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("open port: %w", err)
		}
		_, port, err := net.SplitHostPort(conn.LocalAddr().String())
		if err != nil {
			return errors.Join(err, conn.Close())
		}
		udp, ok := conn.(*net.UDPConn)
		if !ok {
			return errors.Join(errors.New("open port: no UDP"), conn.Close())
		}
		ports, sockets = append(ports, port), append(sockets, conn)
		reading.Go(func() {
			buffer := make([]byte, 2048)
			for {
				if _, _, err := udp.ReadFromUDPAddrPort(buffer); err != nil {
					return
				}
				packets.Add(1)
			}
		})
	}
	if _, err := fmt.Fprintln(os.Stdout, strings.Join(ports, ",")); err != nil {
		return err
	}
	<-ctx.Done()
	var failed error
	for _, s := range sockets {
		failed = errors.Join(failed, s.Close())
	}
	reading.Wait()
	_, err := fmt.Fprintln(os.Stdout, packets.Load())
	return errors.Join(failed, err)
}
