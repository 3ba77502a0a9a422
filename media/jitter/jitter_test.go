package jitter_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/jitter"
)

var origin = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func ms(n int) time.Time { return origin.Add(time.Duration(n) * time.Millisecond) }

// packet arrives at the given millisecond with a timestamp that follows its
// sequence number.
func packet(ssrc uint32, seq, at int) *media.Packet {
	return &media.Packet{
		SSRC: ssrc, SequenceNumber: uint16(seq), Timestamp: uint32(seq) * 960,
		Payload: []byte{byte(seq), byte(seq >> 8)}, Arrival: ms(at),
	}
}

// bench drives a Buffer and writes down what comes out: sequence numbers, with
// "-n" in front of a packet after n lost ones and "!" in front of a restart.
type bench struct {
	b   *jitter.Buffer
	out []string
}

func (w *bench) pop(at int) {
	for {
		it, ok := w.b.Pop(ms(at))
		if !ok {
			return
		}
		s := fmt.Sprint(it.Packet.SequenceNumber)
		if it.Lost > 0 {
			s = fmt.Sprintf("-%d %s", it.Lost, s)
		}
		if it.Restart {
			s = "!" + s
		}
		w.out = append(w.out, s)
	}
}

func (w *bench) push(at int, seqs ...int) {
	for _, s := range seqs {
		w.b.Push(packet(1, s, at))
		w.pop(at)
	}
}

func (w *bench) check(t *testing.T, want string) {
	t.Helper()
	if got := strings.Join(w.out, " "); got != want {
		t.Errorf("popped %q, want %q", got, want)
	}
	w.out = nil
}

// started gives a buffer that has popped sequence numbers up to and including
// last, at millisecond 400.
func started(t *testing.T, last int) *bench {
	t.Helper()
	w := &bench{b: jitter.New(jitter.Config{})}
	w.push(0, last)
	w.pop(400)
	w.check(t, fmt.Sprint(last))
	return w
}

// What comes out for what goes in, in the ordinary cases.
func TestOrder(t *testing.T) {
	tests := []struct {
		name string
		run  func(w *bench)
		want string
	}{
		{"in order passes at once", func(w *bench) { w.push(500, 101, 102, 103) }, "101 102 103"},
		{"a pair swapped", func(w *bench) { w.push(500, 102, 101, 103) }, "101 102 103"},
		{"a duplicate of a held packet", func(w *bench) { w.push(500, 102, 102, 101) }, "101 102"},
		{"a duplicate of a popped packet", func(w *bench) { w.push(500, 101, 101, 102) }, "101 102"},
		{"a hole is not given up too early", func(w *bench) { w.push(500, 102, 103); w.pop(899) }, ""},
		{"a hole is given up", func(w *bench) { w.push(500, 102); w.push(600, 103); w.pop(900) }, "-1 102 103"},
		{"the wait counts from the first behind the hole", func(w *bench) { w.push(500, 103); w.push(800, 102); w.pop(900) }, "-1 102 103"},
		{"two holes, each waits for itself", func(w *bench) { w.push(500, 102); w.push(700, 104); w.pop(900); w.pop(1099) }, "-1 102"},
		{"two holes, both over", func(w *bench) { w.push(500, 102); w.push(700, 105); w.pop(900); w.pop(1100) }, "-1 102 -2 105"},
		{"a retransmission in time", func(w *bench) { w.push(500, 102); w.push(899, 101) }, "101 102"},
		{"a retransmission too late", func(w *bench) { w.push(500, 102); w.pop(900); w.push(901, 101, 103) }, "-1 102 103"},
		{"a mute is no loss", func(w *bench) { w.push(500, 101); w.push(600_000, 102) }, "101 102"},
		{"flush", func(w *bench) { w.push(500, 102, 105); w.b.Flush(); w.pop(500) }, "-1 102 -2 105"},
		{"after a flush nothing waits", func(w *bench) { w.b.Flush(); w.push(500, 103) }, "-2 103"},
		{"reopened, a hole waits again", func(w *bench) { w.b.Flush(); w.b.Reopen(); w.push(500, 102); w.pop(899) }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := started(t, 100)
			tt.run(w)
			w.check(t, tt.want)
		})
	}
}

// The first packet to arrive need not be the first that was sent.
func TestStart(t *testing.T) {
	w := &bench{b: jitter.New(jitter.Default())}
	w.push(0, 7)
	w.push(30, 5)
	w.push(60, 8)
	w.pop(399)
	w.check(t, "")
	w.pop(400)
	w.check(t, "5 -1 7 8")
	w.push(401, 4, 9)
	w.check(t, "9")
	if got := w.b.Stats(); got.Late != 1 || got.Lost != 1 || got.Reordered != 1 {
		t.Errorf("stats %+v, want 1 late, 1 lost, 1 reordered", got)
	}
}

// A small window takes a longer step for a new stream, and misses nothing of
// what comes.
func TestSmallWindow(t *testing.T) {
	for _, tt := range []struct {
		step     int
		restarts uint64
		want     string
	}{
		{96, 0, "100 -95 196 197"},
		{97, 1, "100 !197 198"},
	} {
		w := &bench{b: jitter.New(jitter.Config{Window: 128})}
		w.push(0, 100)
		w.pop(400)
		w.push(500, 100+tt.step, 101+tt.step)
		w.pop(900)
		if got := w.b.Stats(); got.Restarts != tt.restarts || got.Strays != 0 {
			t.Errorf("step of %d: stats %+v, want %d restarts", tt.step, got, tt.restarts)
		}
		w.check(t, tt.want)
	}
}

// Flush ends the wait at the start, too: a call of three packets is kept.
func TestFlushAtStart(t *testing.T) {
	w := &bench{b: jitter.New(jitter.Config{})}
	w.push(0, 2, 1, 3)
	w.b.Flush()
	w.pop(1)
	w.check(t, "1 2 3")
}

// Sequence numbers go on after 65,535, also in the wait at the start and
// across a hole.
func TestWrap(t *testing.T) {
	w := &bench{b: jitter.New(jitter.Config{})}
	w.push(0, 1, 65535, 0, 65534)
	w.pop(400)
	w.check(t, "65534 65535 0 1")

	w = started(t, 65533)
	w.push(500, 65535, 1)
	w.pop(900)
	w.check(t, "-1 65535 -1 1")

	w = started(t, 0)
	for i := 1; i <= 200_000; i++ {
		w.b.Push(packet(1, i, 500+i))
		it, ok := w.b.Pop(ms(500 + i))
		if !ok || it.Lost != 0 || it.Restart || it.Packet.SequenceNumber != uint16(i) {
			t.Fatalf("packet %d: got %+v, %v", i, it, ok)
		}
	}
}

// A padding-only packet is popped in its place, or it would look like loss.
func TestPadding(t *testing.T) {
	w := started(t, 10)
	p := packet(1, 12, 500)
	p.Payload = nil
	w.b.Push(p)
	w.push(501, 11, 13)
	w.check(t, "11 12 13")
}

// A second stream begins after the first is drained, once its second packet
// has confirmed it.
func TestRestart(t *testing.T) {
	tests := []struct {
		name   string
		ssrc   uint32
		a, b   int
		want   string // at 900 ms, with 102 held
		strays uint64
	}{
		{"another SSRC", 2, 5000, 5001, "-1 102 !5000 5001", 0},
		{"another SSRC, close by", 2, 103, 104, "-1 102 !103 104", 0},
		{"another SSRC, reordered", 2, 5001, 5000, "-1 102 !5000 5001", 0},
		{"another SSRC, one lost", 2, 5000, 5002, "-1 102 !5000 -1 5002", 0},
		{"a jump forward", 1, 3200, 3201, "-1 102 !3200 3201", 0},
		{"a jump back", 1, 40000, 40001, "-1 102 !40000 40001", 0},
		{"a jump across zero", 1, 60000, 60001, "-1 102 !60000 60001", 0},
		{"the same stray packet twice", 1, 9000, 9000, "-1 102", 1},
		{"two unrelated stray packets", 1, 9000, 20000, "-1 102", 1},
		{"a far one of each kind", 2, 9000, 20000, "-1 102", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := started(t, 100)
			w.push(499, 102)
			w.b.Push(packet(tt.ssrc, tt.a, 500))
			w.pop(500)
			w.check(t, "")
			w.b.Push(packet(tt.ssrc, tt.b, 500))
			w.pop(900)
			w.check(t, tt.want)
			if got := w.b.Stats().Strays; got != tt.strays {
				t.Errorf("%d strays, want %d", got, tt.strays)
			}
		})
	}
}

// A stray packet is forgotten when the stream goes on: otherwise two streams
// that alternate would reset each other with every packet.
func TestAlternatingStreams(t *testing.T) {
	w := started(t, 100)
	for i := 1; i <= 50; i++ {
		w.b.Push(packet(2, 7000+i, 400+i))
		w.b.Push(packet(1, 100+i, 400+i))
	}
	w.pop(1000)
	if len(w.out) != 50 || w.out[0] != "101" || w.out[49] != "150" {
		t.Errorf("popped %q, want 101 to 150", w.out)
	}
	if got := w.b.Stats(); got.Restarts != 0 || got.Strays != 50 {
		t.Errorf("stats %+v, want 50 strays and no restart", got)
	}
}

// A stray packet that is close enough to pass for loss costs the stream only
// a moment: when nothing but newer packets with lower numbers comes, the
// numbers have stepped back.
func TestStepBack(t *testing.T) {
	w := started(t, 100)
	stray := packet(1, 2500, 500)
	stray.Timestamp = 101 * 960
	w.b.Push(stray)
	w.pop(900)
	w.check(t, "-2399 2500")
	w.push(920, 102)
	w.push(1499, 130)
	w.check(t, "")
	w.push(1500, 131, 132)
	w.pop(1900)
	w.check(t, "!131 132")
}

// Old packets that a sender repeats as padding while its picture stands still
// are late however long that lasts.
func TestRepeatedAsPadding(t *testing.T) {
	w := started(t, 100)
	w.push(500, 101, 102, 103)
	for i := range 100 {
		w.push(2000+100*i, 101, 102)
	}
	w.push(20_000, 104)
	w.check(t, "101 102 103 104")
	if got := w.b.Stats(); got.Late != 200 || got.Restarts != 0 {
		t.Errorf("stats %+v, want 200 late and no restart", got)
	}
}

// A backlog of 2 s is kept, at the start and later, even if nobody pops while
// it comes.
func TestBurst(t *testing.T) {
	for _, start := range []bool{true, false} {
		w := &bench{b: jitter.New(jitter.Config{})}
		if !start {
			w = started(t, 65500)
		}
		for i := range 900 {
			w.b.Push(packet(1, 65501+i, 500))
		}
		w.pop(900)
		if len(w.out) != 900 || w.out[899] != fmt.Sprint((65501+899)%65536) {
			t.Errorf("start %v: %d packets came out, want 900", start, len(w.out))
		}
		if got := w.b.Stats().Refused; got != 0 {
			t.Errorf("start %v: %d refused", start, got)
		}
	}
}

// Pause: what is held goes, and neither it nor what is not pushed counts as
// lost; what was sent before the pause does not come out after it.
func TestDiscard(t *testing.T) {
	tests := []struct {
		name string
		run  func(w *bench)
		want string
	}{
		{"goes on", func(w *bench) { w.push(700, 120, 121) }, "120 121"},
		{"goes on after long, far away", func(w *bench) { w.push(60_000, 30_000, 30_001) }, "30000 30001"},
		{"goes on after long, below", func(w *bench) { w.push(60_000, 50, 51) }, "50 51"},
		{"late ones stay out", func(w *bench) { w.push(700, 101, 103, 120, 102) }, "120"},
		{"a hole behind the pause is loss", func(w *bench) { w.push(700, 120, 122) }, "120 -1 122"},
		{"another SSRC", func(w *bench) {
			w.b.Push(packet(2, 120, 60_000))
			w.b.Push(packet(2, 121, 60_000))
		}, "!120 121"},
		{"again", func(w *bench) { w.push(700, 120); w.b.Discard(); w.push(701, 119, 122) }, "122"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := started(t, 100)
			w.push(500, 102, 103, 105)
			w.b.Discard()
			if w.b.Len() != 0 || w.b.Stats().Discarded != 3 {
				t.Fatalf("%d held, stats %+v; want none held, 3 discarded", w.b.Len(), w.b.Stats())
			}
			w.pop(10_000)
			w.check(t, "")
			tt.run(w)
			w.pop(100_000)
			w.check(t, tt.want)
		})
	}
}

// A restart that was decided but not popped is not forgotten by a pause, and
// a stray packet does not outlive one.
func TestDiscardKeepsRestart(t *testing.T) {
	w := started(t, 100)
	for _, seq := range []int{5000, 5001, 8000, 11_000} { // the last ones push the first out of the ring
		w.b.Push(packet(2, seq, 500))
	}
	w.b.Push(packet(9, 1, 500))
	w.b.Discard()
	w.b.Push(packet(9, 2, 501))
	w.b.Push(packet(2, 11_010, 502))
	w.pop(1000)
	w.check(t, "!11010")

	w = &bench{b: jitter.New(jitter.Config{})}
	w.b.Discard()
	w.push(0, 1, 2)
	w.pop(400)
	w.check(t, "1 2")
}

// Stray packets of two streams do not confirm each other.
func TestStraysOfTwoStreams(t *testing.T) {
	w := started(t, 100)
	w.b.Push(packet(2, 5000, 500))
	w.b.Push(packet(3, 5001, 500))
	w.push(501, 101)
	w.pop(1000)
	w.check(t, "101")
}

// A flood stays within its bounds: holes are given up early when somebody
// pops, packets are refused when nobody does.
func TestBounds(t *testing.T) {
	tests := []struct {
		name          string
		conf          jitter.Config
		packets, each int // the most that may be held; payload of each
	}{
		{"packets", jitter.Config{MaxPackets: 50}, 50, 1},
		{"bytes", jitter.Config{MaxBytes: 5000}, 50, 100},
		{"default packets", jitter.Config{}, jitter.DefaultMaxPackets, 1},
		{"default bytes", jitter.Default(), jitter.DefaultMaxBytes/1500 + 1, 1500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			payload := make([]byte, tt.each)
			flood := func(pop bool) *jitter.Buffer {
				b := jitter.New(tt.conf)
				for i := range 3 * tt.packets {
					p := packet(1, 2*i, 0) // every other number: nothing is contiguous
					p.Payload = payload
					b.Push(p)
					for ok := pop; ok; {
						_, ok = b.Pop(ms(0))
					}
					if b.Len() > tt.packets {
						t.Fatalf("%d held, want at most %d", b.Len(), tt.packets)
					}
				}
				return b
			}
			if got := flood(false).Stats().Refused; got != uint64(2*tt.packets) {
				t.Errorf("nobody pops: %d refused, want %d", got, 2*tt.packets)
			}
			if got := flood(true).Stats(); got.Refused != 0 || got.Lost == 0 {
				t.Errorf("somebody pops: %+v, want none refused and early losses", got)
			}
		})
	}
}

// The ring tells 4,096 numbers apart. A sparse flood that spans more pushes
// the front out early, in order, rather than over itself.
func TestSparse(t *testing.T) {
	w := started(t, 0)
	for _, seq := range []int{2500, 5000, 7500, 10_000} {
		w.b.Push(packet(1, seq, 500))
	}
	w.pop(500)
	w.check(t, "-2499 2500 -2499 5000 -2499 7500")
	w.pop(900)
	w.check(t, "-2499 10000")

	w = &bench{b: jitter.New(jitter.Config{})}
	for _, seq := range []int{100, 3000, 5900, 8800} {
		w.b.Push(packet(1, seq, 0))
	}
	w.pop(0)
	w.check(t, "100 -2899 3000 -2899 5900")
	w.pop(400)
	w.check(t, "-2899 8800")
}

// Steady traffic allocates nothing.
func TestNoAllocation(t *testing.T) {
	b := jitter.New(jitter.Config{})
	p := make([]*media.Packet, 512)
	for i := range p {
		p[i] = packet(1, 0, 0)
	}
	n := 0
	step := func() {
		q := p[n%len(p)]
		q.SequenceNumber, q.Arrival = uint16(n^1), ms(n) // each pair swapped
		b.Push(q)
		for ok := true; ok; {
			_, ok = b.Pop(q.Arrival)
		}
		n++
	}
	for range 2000 {
		step()
	}
	if got := testing.AllocsPerRun(5000, step); got != 0 {
		t.Errorf("%v allocations for a packet, want none", got)
	}
}
