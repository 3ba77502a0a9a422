package telephony_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

const (
	// floodPackets is how many packets are thrown at each port of a call.
	floodPackets = 30_000

	// floodMemory is how many MiB more than before a flood may take: the
	// sockets' buffers are the kernel's, and nothing that is dropped is kept.
	floodMemory = 24
)

// poison is a code that no tone has.
const poison = 0x2a

// A flood of the ports of one call, from its own host, from another one and
// from the very address of its client, costs the call beside it nothing. The
// flooded one goes on with the right source, nothing of the flood is kept, and
// memory stays where it was.
func TestFlood(t *testing.T) {
	p := newPhone(t)
	flooded, beside := p.call(t, testmedia.CallSpec{Session: "flooded"}), p.call(t, testmedia.CallSpec{Session: "beside"})
	ctx, hush := context.WithCancel(t.Context())
	defer hush()
	var talking sync.WaitGroup
	talking.Go(func() { talk(t, beside, testmedia.Talk{For: 4 * time.Second, Reports: true}) })
	sent, undisturbed := &progress{}, int64(time.Second/voiceTime)
	talking.Go(func() {
		_, err := flooded.Talk(ctx, testmedia.Talk{For: patience, Reports: true, Lose: sent.note})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	sent.await(t, undisturbed)
	before, err := p.PeakMiB()
	if err != nil {
		t.Fatal(err)
	}
	flood(t, flooded)
	p.calm(t)
	over := sent.lines[0].Load() + 5 // from then on nothing of the flood is in the way
	sent.await(t, over+undisturbed)
	hush()
	talking.Wait()
	peak, err := p.PeakMiB()
	if err != nil {
		t.Fatal(err)
	}
	if peak-before > floodMemory {
		t.Errorf("the flood took %.1f MiB, want at most %d", peak-before, floodMemory)
	}
	bye(t, beside)
	bye(t, flooded)

	_, recordings := p.ended(t, "beside")
	p.whole(t, only(t, recordings), reelvault.PCMU, 4*time.Second)
	_, recordings = p.ended(t, "flooded")
	r := only(t, recordings)
	lanes(t, r)
	w := p.wave(t, r.Files[0].PlaybackURL)
	for channel, voice := range tones(reelvault.PCMU) {
		codes := w.codes(channel)
		if i := bytes.Index(codes, bytes.Repeat([]byte{poison}, 8)); i >= 0 {
			t.Errorf("channel %d has something of the flood at sample %d", channel, i)
		}
		spoken := said(voice.Sound, time.Duration(sent.lines[channel].Load())*voiceTime)
		if got := w.sound(channel); (got - length(spoken)).Abs() > exact {
			t.Errorf("channel %d lasts %v, want %v", channel, got, length(spoken))
		}
		for when, part := range map[string][]byte{"before": spoken[:undisturbed*packet], "after": spoken[over*packet:]} {
			if !bytes.Contains(codes, part) {
				t.Errorf("channel %d lacks something of what came %s the flood", channel, when)
			}
		}
	}
}

// voiceTime is how long a packet of a voice is.
const voiceTime = 20 * time.Millisecond

// progress is how many packets of each line have been sent, or are about to be.
type progress struct{ lines [2]atomic.Int64 }

// note is a testmedia.Talk's Lose that loses nothing.
func (p *progress) note(line, n int) bool {
	p.lines[line].Store(int64(n + 1))
	return false
}

// await waits until so many packets of each line have been sent.
func (p *progress) await(tb testing.TB, packets int64) {
	tb.Helper()
	for deadline := time.Now().Add(patience); p.lines[0].Load() <= packets || p.lines[1].Load() <= packets; {
		if time.Now().After(deadline) {
			tb.Fatalf("%d packets were sent, want %d", p.lines[0].Load(), packets)
		}
		<-time.After(voiceTime)
	}
}

// flood throws everything at the ports of a call.
func flood(tb testing.TB, c *testmedia.PhoneCall) {
	tb.Helper()
	neighbour, foreigner := thrower(tb, "127.0.0.1"), thrower(tb, "127.0.0.9")
	for line, target := range c.Targets() {
		for n := range floodPackets {
			var err error
			switch n % 3 {
			case 0: // a stream that would do for a call, of the same host
				_, err = neighbour.WriteToUDPAddrPort(voicePacket(tb, uint16(n), 7), target)
			case 1: // the same of another host, and what is no RTP
				_, err = foreigner.WriteToUDPAddrPort(garbage(tb, n), target)
			default: // as if the client itself had lost its mind
				err = c.Throw(line, clientGarbage(tb, n))
			}
			if err != nil {
				tb.Error(err)
				return
			}
			if n%30 == 0 { // RTCP is read less often
				report := netip.AddrPortFrom(target.Addr(), target.Port()+1)
				if _, err := foreigner.WriteToUDPAddrPort(garbage(tb, n), report); err != nil {
					tb.Error(err)
					return
				}
			}
		}
	}
}

func thrower(tb testing.TB, host string) *net.UDPConn {
	tb.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(host), 0)))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return conn
}

// voicePacket is 20 ms of poison.
func voicePacket(tb testing.TB, number uint16, ssrc uint32) []byte {
	tb.Helper()
	p := rtp.Packet{
		Header:  rtp.Header{Version: 2, SequenceNumber: number, Timestamp: uint32(number) * packet, SSRC: ssrc},
		Payload: bytes.Repeat([]byte{poison}, packet),
	}
	data, err := p.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// garbage is what a stranger throws.
func garbage(tb testing.TB, n int) []byte {
	tb.Helper()
	switch n / 3 % 4 {
	case 0:
		return voicePacket(tb, uint16(n), 8)
	case 1:
		return append(voicePacket(tb, uint16(n), 8), make([]byte, 40_000)...)
	case 2:
		return noise(n%200 + 1)
	default:
		return []byte{0x81, 203, 0, 1, 0, 0, 0, 7} // RTCP: goodbye
	}
}

// clientGarbage is what comes from the very address of the client, and is not
// its stream.
func clientGarbage(tb testing.TB, n int) []byte {
	tb.Helper()
	whole := voicePacket(tb, uint16(n), rand.Uint32()) // never twice the same source
	switch n / 3 % 6 {
	case 0:
		return whole
	case 1:
		return whole[:n%12] // not even a header
	case 2:
		return append(whole, make([]byte, 3000)...)
	case 3:
		whole[0] = 0x8f // fifteen more sources than there are
		return whole[:20]
	case 4:
		whole[0], whole[len(whole)-1] = 0xa0, 255 // more padding than there is
		return whole
	default:
		whole[0] &= 0x3f // another version
		return whole
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// calm waits until nothing is left of a flood.
func (p *phone) calm(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	for last, same := -1.0, 0; same < 3; {
		now := 0.0
		for _, name := range []string{"foreign", "malformed", "overflow"} {
			n, err := p.Metric(ctx, "reelvault_rtp_"+name+"_packets_total")
			if err != nil {
				tb.Fatal(err)
			}
			now += n
		}
		if same++; now != last {
			last, same = now, 0
		}
		<-time.After(100 * time.Millisecond) // more than two looks into the sockets
	}
}
