package webrtc

import (
	"time"

	"github.com/pion/rtcp"
)

const (
	// nackWindow is how far back a packet is remembered, in packets: 4 s of
	// 2.5 Mbit/s, half a second of 20 Mbit/s.
	nackWindow = 1024

	// replayWindow is how late a packet may be, in packets, to be told from a
	// replay (RFC 3711, section 3.3.2). It must cover nackPatience for those who
	// retransmit without RTX, and stay below nackWindow.
	replayWindow = 512

	// maxMissing bounds what is asked for at a time. A longer hole is no
	// burst of losses but an outage, which a keyframe mends sooner.
	maxMissing = 256

	// nackPatience is how long a missing packet is asked for. The jitter
	// buffer gives it up after 400 ms.
	nackPatience = 400 * time.Millisecond

	// nackReorder is how late a packet may be before it counts as missing:
	// less than that is reordering, most of the time.
	nackReorder = 5 * time.Millisecond

	// nackRetry is the time between two requests for the same packet. It is
	// below the round trip of a far client, who ignores the second request
	// then; above it, a lost request or repair would cost the patience.
	nackRetry = 50 * time.Millisecond
)

// A receiveLog knows which packets of an SSRC came and which are missing. It
// sees retransmissions, too, so what was repaired is not asked for again.
type receiveLog struct {
	enabled bool // the sender answers NACKs
	started bool
	highest uint16
	seen    [nackWindow / 64]uint64
	missing []missingPacket // in the order of sequence numbers
}

type missingPacket struct {
	seq   uint16
	since time.Time
	asked time.Time // zero: not yet
}

// add notes a packet. fresh is false if it came before; recovered is true if
// it had been asked for. A repair from before the window counts as come before;
// any other packet from there SRTP has taken for a replay.
func (r *receiveLog) add(seq uint16, now time.Time) (fresh, recovered bool) {
	if !r.started {
		r.started, r.highest = true, seq
		r.mark(seq)
		return true, false
	}
	if ahead := seq - r.highest; ahead != 0 && ahead < 1<<15 {
		r.advance(seq, now)
		return true, false
	}
	if r.highest-seq >= nackWindow || r.has(seq) {
		return false, false
	}
	r.mark(seq)
	return true, r.found(seq)
}

func (r *receiveLog) advance(seq uint16, now time.Time) {
	gap := seq - r.highest - 1
	if gap >= nackWindow {
		clear(r.seen[:])
	}
	if gap > maxMissing {
		r.missing = r.missing[:0]
	}
	for next := r.highest + 1; next != seq && gap < nackWindow; next++ {
		r.unmark(next)
		if r.enabled && gap <= maxMissing && len(r.missing) < maxMissing {
			r.missing = append(r.missing, missingPacket{seq: next, since: now})
		}
	}
	r.highest = seq
	r.mark(seq)
}

// found takes seq off the list of missing packets and says whether it had
// been asked for.
func (r *receiveLog) found(seq uint16) bool {
	for i, m := range r.missing {
		if m.seq == seq {
			r.missing = append(r.missing[:i], r.missing[i+1:]...)
			return !m.asked.IsZero()
		}
	}
	return false
}

// due lists the sequence numbers to ask for now and gives up the oldest.
func (r *receiveLog) due(now time.Time) []uint16 {
	if len(r.missing) == 0 {
		return nil
	}
	var ask []uint16
	waiting := r.missing[:0]
	for _, m := range r.missing {
		if now.Sub(m.since) > nackPatience {
			continue
		}
		if now.Sub(m.since) >= nackReorder && now.Sub(m.asked) >= nackRetry {
			m.asked = now
			ask = append(ask, m.seq)
		}
		waiting = append(waiting, m)
	}
	r.missing = waiting
	return ask
}

func (r *receiveLog) mark(seq uint16)     { r.seen[seq%nackWindow/64] |= 1 << (seq % 64) }
func (r *receiveLog) unmark(seq uint16)   { r.seen[seq%nackWindow/64] &^= 1 << (seq % 64) }
func (r *receiveLog) has(seq uint16) bool { return r.seen[seq%nackWindow/64]&(1<<(seq%64)) != 0 }

// nackFor makes the NACK (RFC 4585, section 6.2.1) for sequence numbers.
func nackFor(sender, ssrc uint32, seqs []uint16) rtcp.Packet {
	return &rtcp.TransportLayerNack{SenderSSRC: sender, MediaSSRC: ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(seqs)}
}
