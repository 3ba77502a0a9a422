// Package jitter puts the packets of one track back into the order in which
// they were sent.
//
// A packet that continues the sequence can be popped at once: an undisturbed
// stream passes without delay. Behind a hole the buffer holds what comes,
// until the missing packet is there or the longest-held packet has waited for
// Config.Wait; then the hole is given up and reported as Item.Lost. The start
// of a stream waits likewise, because the first packet to arrive need not be
// the first that was sent.
//
// Guarantees, whatever arrives:
//
//   - Sequence numbers only rise between two items marked Restart, each comes
//     once, and Lost accounts for every number between two neighbours.
//   - No packet is held for longer than Wait, if somebody pops.
//   - Never more than MaxPackets packets or MaxBytes bytes (by one payload)
//     are held: at the bound Pop gives holes up early, and Push refuses. Who
//     pops until nothing comes after each push is never refused.
//   - One stray packet, of another SSRC or with a far sequence number, neither
//     moves nor resets the stream: a second one beside it has to confirm it
//     (the idea of RFC 3550, appendix A.1).
//   - No allocation for a packet that passes.
//
// A Buffer has no lock, goroutine or clock: it belongs to one capture
// goroutine, which tells it the time.
package jitter

import (
	"math/bits"
	"time"

	"github.com/reelvault/reelvault/media"
)

// Defaults of a Config.
const (
	// DefaultWait leaves room for two retransmissions over a round trip of
	// 80 ms with NACKs sent every 100 ms, and still keeps what a crash may
	// lose well under a second.
	DefaultWait = 400 * time.Millisecond

	// DefaultMaxPackets holds a backlog of 2 s at 20 Mbit/s.
	DefaultMaxPackets = 4096

	// DefaultMaxBytes holds the same backlog with packets of full size.
	DefaultMaxBytes = 5 << 20

	// DefaultWindow lets a burst of maxJump packets be lost. It takes 64 KiB.
	DefaultWindow = 4096
)

// Config bounds a Buffer. A field that is not positive takes its default.
type Config struct {
	Wait       time.Duration // for a missing packet, and at the start of a stream
	MaxPackets int
	MaxBytes   int // of payload
	Window     int // consecutive sequence numbers that can be told apart: a power of two, 16 bytes each
}

// Default gives the bounds for a track of a WebRTC publisher.
func Default() Config {
	return Config{Wait: DefaultWait, MaxPackets: DefaultMaxPackets, MaxBytes: DefaultMaxBytes, Window: DefaultWindow}
}

// Item is one packet in its place in the sequence.
type Item struct {
	Packet  *media.Packet
	Lost    int  // packets right before this one that never came
	Restart bool // a new stream begins here: another SSRC, or a jump in the sequence. What is missing can't be told; Lost is 0
}

// Stats counts packets since New.
type Stats struct {
	Received   uint64 // pushed
	Reordered  uint64 // taken after one with a higher sequence number
	Duplicates uint64 // dropped: held already
	Late       uint64 // dropped: their place was passed. Retransmissions of what had come are among them
	Strays     uint64 // dropped: far from the stream and never confirmed
	Refused    uint64 // dropped: the buffer was at its bound
	Discarded  uint64 // dropped by Discard
	Lost       uint64 // never came in time
	Restarts   uint64
}

// Buffer holds the packets of one track. Use New.
type Buffer struct {
	conf  Config
	stats Stats

	// The ring. Sequence numbers are counted on past 65,535.
	slots          []slot
	mask           int64 // of the places in it
	jump           int64 // see maxJump
	oldest, newest int32 // by arrival
	held           int
	next           int64 // the place to pop next; undefined while unanchored
	lowest         int64 // held, while unanchored
	highest        int64 // ever taken
	floor          int64 // while unanchored, what lies below is late

	unanchored bool // the start of the stream is not decided yet
	started    bool // ssrc is known
	restart    bool // the next item begins a new stream
	flushed    bool
	ssrc       uint32
	newestRTP  uint32    // timestamp of the packet at highest
	heard      time.Time // arrival of the packet taken last

	probe *media.Packet // a stray one that waits for confirmation

	// What was pushed out of the ring before it was popped.
	out     []Item
	outHead int
	bytes   int // in the ring and in out
}

// New makes an empty Buffer. A Window that is no power of two is rounded up.
func New(c Config) *Buffer {
	if c.Wait <= 0 {
		c.Wait = DefaultWait
	}
	if c.MaxPackets <= 0 {
		c.MaxPackets = DefaultMaxPackets
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.Window <= 0 {
		c.Window = DefaultWindow
	}
	window := int64(1) << bits.Len64(uint64(c.Window-1))
	return &Buffer{
		conf: c, slots: make([]slot, window), mask: window - 1, jump: min(maxJump, window*3/4),
		oldest: none, newest: none,
	}
}

// Push takes the next packet in order of arrival. It keeps p until it is
// popped or discarded.
func (b *Buffer) Push(p *media.Packet) {
	b.stats.Received++
	if b.full() {
		b.stats.Refused++
		return
	}
	if b.forgotten(p) {
		b.begin(p)
	}
	n := b.unwrap(p.SequenceNumber)
	switch {
	case p.SSRC != b.ssrc || n-b.highest > b.jump || b.highest-n > b.jump:
		b.doubt(p)
	case n < b.bottom() && b.stuck(p):
		b.doubt(p)
	case n < b.bottom():
		b.stats.Late++
	default:
		b.accept(p, n)
	}
}

// Pop gives the next packet in sequence order: if it is there without a hole
// before it, or if waiting for what is missing has lasted long enough by now,
// or if a bound or Flush forces it.
func (b *Buffer) Pop(now time.Time) (Item, bool) {
	if b.outHead < len(b.out) {
		it := b.out[b.outHead]
		b.out[b.outHead] = Item{}
		b.outHead++
		b.bytes -= len(it.Packet.Payload)
		return it, true
	}
	b.out, b.outHead = b.out[:0], 0
	if b.held == 0 {
		return Item{}, false
	}
	if b.missing() && !b.flushed && !b.full() && now.Sub(b.slots[b.oldest].p.Arrival) < b.conf.Wait {
		return Item{}, false
	}
	it := b.take()
	b.bytes -= len(it.Packet.Payload)
	return it, true
}

// Flush says that no more packets will come: all that is held can be popped,
// and nothing waits any more.
func (b *Buffer) Flush() {
	b.flushed = true
	b.dropProbe()
}

// Reopen takes Flush back: the stream goes on after all.
func (b *Buffer) Reopen() { b.flushed = false }

// Discard throws away what is held, as for a pause. What was thrown away, and
// what is not pushed until the stream goes on, is not reported as lost; what
// was sent before and arrives afterwards is late.
func (b *Buffer) Discard() {
	b.stats.Discarded += uint64(b.Len())
	for b.held > 0 {
		b.unlink(b.oldest)
	}
	for _, it := range b.out[b.outHead:] {
		b.restart = b.restart || it.Restart
	}
	clear(b.out)
	b.out, b.outHead, b.bytes = b.out[:0], 0, 0
	b.dropProbe()
	b.unanchored, b.floor = true, b.highest+1
}

// Len is the number of packets that can still be popped.
func (b *Buffer) Len() int { return b.held + len(b.out) - b.outHead }

// Stats gives the counts so far.
func (b *Buffer) Stats() Stats { return b.stats }

func (b *Buffer) full() bool {
	return b.Len() >= b.conf.MaxPackets || b.bytes >= b.conf.MaxBytes
}
