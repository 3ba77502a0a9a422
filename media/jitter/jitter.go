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
	"math"
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

const (
	// maxJump is the largest step in sequence numbers that is still read as
	// loss or reordering (RFC 3550, appendix A.1, MAX_DROPOUT). In a window that
	// is smaller it is three quarters of that.
	maxJump = 3000

	// nearby is how far a second packet may lie from a stray one to confirm
	// it. The appendix asks for the very next; on a lossy, reordering path the
	// next few serve as well, and a random one still fails 65,504 times out
	// of 65,536.
	nearby = 16

	// stuckAfter is how long every packet must have been too late, though
	// newer by its timestamp, before the sequence is taken to have stepped
	// back.
	stuckAfter = time.Second

	// forgetAfter is how long after Discard the old place in the sequence
	// means anything: at 600 packets a second maxJump is passed by then.
	forgetAfter = 5 * time.Second

	none = -1 // no slot
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

// slot is one place of the ring. Occupied slots form a list in order of
// arrival, so that the longest-held packet is known at once.
type slot struct {
	p            *media.Packet
	older, newer int32
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

// forgotten says that p may begin anywhere: nothing came before, or what came
// was discarded too long ago to compare with.
func (b *Buffer) forgotten(p *media.Packet) bool {
	if !b.started {
		return true
	}
	return b.unanchored && b.held == 0 && p.SSRC == b.ssrc && p.Arrival.Sub(b.heard) > forgetAfter
}

// begin makes p's place the first of a stream. It takes nothing yet.
func (b *Buffer) begin(p *media.Packet) {
	b.started, b.unanchored = true, true
	b.ssrc = p.SSRC
	b.highest = int64(p.SequenceNumber) - 1
	b.floor = math.MinInt64
	b.newestRTP = p.Timestamp
}

// unwrap counts a sequence number on past 65,535: the reading nearest to the
// highest one so far.
func (b *Buffer) unwrap(seq uint16) int64 {
	return b.highest + int64(int16(seq-uint16(b.highest)))
}

// bottom is the lowest place that is still open.
func (b *Buffer) bottom() int64 {
	if b.unanchored {
		return b.floor
	}
	return b.next
}

// stuck says that p, late by its number, is newer than the stream by its
// timestamp, and that the stream has stood still: the numbers have stepped
// back. Retransmissions that a sender uses as padding are late, too, and may
// be all that comes for a while; but they are old by their timestamps.
func (b *Buffer) stuck(p *media.Packet) bool {
	return int32(p.Timestamp-b.newestRTP) > 0 && p.Arrival.Sub(b.heard) >= stuckAfter
}

// doubt keeps a packet that does not fit the stream, or begins a new stream
// with it if it confirms the one kept before.
func (b *Buffer) doubt(p *media.Packet) {
	q := b.probe
	if q == nil {
		b.probe = p
		return
	}
	d := int16(p.SequenceNumber - q.SequenceNumber)
	if p.SSRC != q.SSRC || d == 0 || d > nearby || d < -nearby {
		b.stats.Strays++
		b.probe = p
		return
	}
	b.probe = nil
	for b.held > 0 {
		b.out = append(b.out, b.take())
	}
	b.stats.Restarts++
	b.restart = true
	b.begin(q)
	b.accept(q, b.unwrap(q.SequenceNumber))
	b.accept(p, b.unwrap(p.SequenceNumber))
}

func (b *Buffer) dropProbe() {
	if b.probe != nil {
		b.stats.Strays++
		b.probe = nil
	}
}

// accept puts p into its place in the ring.
func (b *Buffer) accept(p *media.Packet, n int64) {
	// Two streams that alternate would else reset each other for ever.
	b.dropProbe()
	for b.held > 0 && n-b.lowestHeld() > b.mask {
		b.out = append(b.out, b.take())
	}
	i := int32(n & b.mask)
	s := &b.slots[i]
	if s.p != nil {
		b.stats.Duplicates++
		return
	}
	if b.held == 0 || n < b.lowest {
		b.lowest = n
	}
	if n > b.highest {
		b.highest, b.newestRTP = n, p.Timestamp
	} else {
		b.stats.Reordered++
	}
	*s = slot{p: p, older: b.newest, newer: none}
	if b.newest != none {
		b.slots[b.newest].newer = i
	} else {
		b.oldest = i
	}
	b.newest = i
	b.held++
	b.bytes += len(p.Payload)
	b.heard = p.Arrival
}

// lowestHeld is a lower bound of the places in use.
func (b *Buffer) lowestHeld() int64 {
	if b.unanchored {
		return b.lowest
	}
	return b.next
}

// missing says that the next packet to pop is not there, or not decided.
func (b *Buffer) missing() bool { return b.unanchored || b.slots[b.next&b.mask].p == nil }

// take removes the first packet in the ring, which must not be empty, and
// gives up the hole before it. The caller accounts for its bytes.
func (b *Buffer) take() Item {
	if b.unanchored {
		b.next, b.unanchored = b.lowest, false
	}
	var it Item
	for b.slots[b.next&b.mask].p == nil {
		b.next++
		it.Lost++
	}
	i := int32(b.next & b.mask)
	it.Packet, it.Restart = b.slots[i].p, b.restart
	b.unlink(i)
	b.next++
	b.restart = false
	b.stats.Lost += uint64(it.Lost)
	return it
}

// unlink empties a slot.
func (b *Buffer) unlink(i int32) {
	s := b.slots[i]
	if s.older != none {
		b.slots[s.older].newer = s.newer
	} else {
		b.oldest = s.newer
	}
	if s.newer != none {
		b.slots[s.newer].older = s.older
	} else {
		b.newest = s.older
	}
	b.slots[i] = slot{}
	b.held--
}
