package jitter

import (
	"math"
	"time"

	"github.com/reelvault/reelvault/media"
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
)

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
