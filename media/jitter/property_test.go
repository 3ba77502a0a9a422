package jitter_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/jitter"
)

// sent is a packet with the number it had before it was cut to 16 bits.
type sent struct {
	packet *media.Packet
	n      int
}

// drawArrivals sends a stream over a path that delays, drops and doubles, and
// gives it in order of arrival.
func drawArrivals(t *rapid.T, delay time.Duration) []sent {
	first := rapid.IntRange(0, 65535).Draw(t, "first")
	count := rapid.IntRange(1, 400).Draw(t, "count")
	lossy := rapid.IntRange(0, 30).Draw(t, "percent lost or doubled")
	var all []sent
	for i := range count {
		at := origin.Add(time.Duration(i) * 5 * time.Millisecond)
		copies := 1
		if roll := rapid.IntRange(0, 99).Draw(t, "fate"); roll < lossy {
			copies = 2 * (roll % 2)
		}
		for range copies {
			p := packet(1, first+i, 0)
			p.Arrival = at.Add(time.Duration(rapid.Int64Range(0, int64(delay)).Draw(t, "delay")))
			all = append(all, sent{p, i})
		}
	}
	slices.SortStableFunc(all, func(a, b sent) int { return a.packet.Arrival.Compare(b.packet.Arrival) })
	return all
}

// Whatever a path drops, doubles and delays: numbers only rise, Lost accounts
// for each missing one, no packet waits longer than Wait, and if no delay is
// longer than Wait, nothing that came is lost.
func TestPermutation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		delay := time.Duration(rapid.IntRange(0, 600).Draw(t, "delay ms")) * time.Millisecond
		arrivals := drawArrivals(t, delay)
		window := rapid.SampledFrom([]int{0, 200, 512}).Draw(t, "window") // 600 ms of delay are 120 packets
		b := jitter.New(jitter.Config{Window: window})
		came := map[int]bool{}
		number := map[*media.Packet]int{}
		var popped []int
		drain := func(now time.Time) {
			for {
				it, ok := b.Pop(now)
				if !ok {
					return
				}
				n := number[it.Packet]
				if len(popped) > 0 && n != popped[len(popped)-1]+it.Lost+1 {
					t.Fatalf("%d after %v with %d lost", n, popped[len(popped)-1], it.Lost)
				}
				if len(popped) == 0 && it.Lost != 0 || it.Restart {
					t.Fatalf("first item %+v", it)
				}
				popped = append(popped, n)
			}
		}
		for _, a := range arrivals {
			// A clock that ticks between packets, as the recorder's does.
			drain(a.packet.Arrival.Add(-time.Nanosecond))
			number[a.packet] = a.n
			came[a.n] = true
			b.Push(a.packet)
			drain(a.packet.Arrival)
		}
		if len(arrivals) > 0 {
			drain(arrivals[len(arrivals)-1].packet.Arrival.Add(jitter.DefaultWait))
		}
		if b.Len() != 0 {
			t.Fatalf("%d still held after the wait", b.Len())
		}
		if delay < jitter.DefaultWait && len(popped) != len(came) {
			t.Fatalf("%d of %d popped, with delays up to %v", len(popped), len(came), delay)
		}
	})
}

// hostile drives a Buffer with arbitrary packets and checks every bound.
func hostile(tb testing.TB, data []byte) {
	tb.Helper()
	for _, window := range []int{0, 16, 512} {
		hostileIn(tb, data, window)
	}
}

func hostileIn(tb testing.TB, data []byte, window int) {
	tb.Helper()
	const maxPackets, maxBytes = 64, 4096
	b := jitter.New(jitter.Config{Wait: 50 * time.Millisecond, MaxPackets: maxPackets, MaxBytes: maxBytes, Window: window})
	now := origin
	var last *media.Packet
	pop := func() {
		it, ok := b.Pop(now)
		if !ok {
			return
		}
		if it.Packet == nil || it.Lost < 0 || it.Restart && it.Lost != 0 {
			tb.Fatalf("item %+v", it)
		}
		if last != nil && !it.Restart {
			if it.Packet.SSRC != last.SSRC {
				tb.Fatal("another SSRC without a restart")
			}
		}
		last = it.Packet
	}
	var pushed, out uint64
	for ; len(data) >= 8; data = data[8:] {
		now = now.Add(time.Duration(data[0]) * time.Millisecond)
		switch op := data[1] % 16; op {
		case 14:
			b.Discard()
		case 15:
			b.Flush()
		default:
			pushed++
			b.Push(&media.Packet{
				SSRC:           uint32(data[2] % 3),
				SequenceNumber: binary.BigEndian.Uint16(data[3:]),
				Timestamp:      uint32(data[5]) << 24,
				Payload:        make([]byte, data[6]),
				Arrival:        now,
			})
			for range op {
				pop()
			}
		}
		if b.Len() > maxPackets {
			tb.Fatalf("%d held", b.Len())
		}
	}
	b.Flush()
	for b.Len() > 0 {
		pop()
		out++
	}
	s := b.Stats()
	if s.Received != pushed {
		tb.Fatalf("%d received, pushed %d", s.Received, pushed)
	}
	if dropped := s.Duplicates + s.Late + s.Strays + s.Refused + s.Discarded; dropped+out > pushed {
		tb.Fatalf("%d dropped and %d left of %d", dropped, out, pushed)
	}
}

func FuzzHostile(f *testing.F) {
	seq := func(step int, op byte) []byte {
		var d []byte
		for i := range 40 {
			d = append(d, 5, op, 0, byte(i*step>>8), byte(i*step), byte(i), 10, 0)
		}
		return d
	}
	f.Add(seq(1, 1))
	f.Add(seq(2, 1))
	f.Add(seq(2, 0))
	f.Add(seq(2999, 2))
	f.Add(seq(-1, 1))
	f.Add(append(seq(1, 1), seq(4001, 1)...))
	f.Add(append(append(seq(1, 0), 0, 14, 0, 0, 0, 0, 0, 0), seq(1, 1)...))
	f.Fuzz(func(t *testing.T, data []byte) { hostile(t, data) })
}

// BenchmarkPushPop is a video track with 1 % of the pairs swapped.
func BenchmarkPushPop(b *testing.B) {
	buf := jitter.New(jitter.Config{})
	packets := make([]*media.Packet, 1024)
	for i := range packets {
		packets[i] = &media.Packet{SSRC: 1, Payload: make([]byte, 1100)}
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		p := packets[n%len(packets)]
		seq := n
		if n%200 < 2 {
			seq = n ^ 1
		}
		p.SequenceNumber, p.Arrival = uint16(seq), origin.Add(time.Duration(n)*4*time.Millisecond)
		buf.Push(p)
		for ok := true; ok; {
			_, ok = buf.Pop(p.Arrival)
		}
		n++
	}
}
