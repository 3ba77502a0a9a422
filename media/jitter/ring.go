package jitter

import "github.com/reelvault/reelvault/media"

const none = -1 // no slot

// slot is one place of the ring. Occupied slots form a list in order of
// arrival, so that the longest-held packet is known at once.
type slot struct {
	p            *media.Packet
	older, newer int32
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
