package testmedia

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Impairment is what a network does to packets. Lost packets are asked for
// again, as the receiver's NACKs would, until they come or are too late to
// matter.
type Impairment struct {
	Seed      uint64
	RoundTrip time.Duration
	Jitter    time.Duration // uniform, from zero; reorders
	Loss      float64       // of packets, independent of each other
	Burst     time.Duration // everything within it is lost, retransmissions too
	BurstEach time.Duration // mean time between bursts
	Duplicate float64       // of packets
	HeldUntil time.Duration // a start burst: what was sent before arrives then, at once
}

// giveUp is how long retransmissions are asked for.
const giveUp = time.Second

// Apply gives what arrives, in order of arrival, with At as arrival time.
func (m Impairment) Apply(sent []Sent) []Sent {
	rng := rand.New(rand.NewPCG(m.Seed, 7))
	bursts := m.bursts(rng, sent)
	lost := func(at time.Duration) bool {
		i, in := slices.BinarySearchFunc(bursts, at, func(b, at time.Duration) int {
			if at < b {
				return 1
			}
			if at >= b+m.Burst {
				return -1
			}
			return 0
		})
		return in && i < len(bursts) || rng.Float64() < m.Loss
	}
	arrived := make([]Sent, 0, len(sent))
	for _, s := range sent {
		at := s.At
		again := at
		for lost(again) && again-at < giveUp {
			again += m.RoundTrip + 20*time.Millisecond
			if s.Report != nil {
				again = at + giveUp // reports are not sent again
			}
		}
		if again-at >= giveUp {
			continue
		}
		s.At = m.arrival(rng, again)
		arrived = append(arrived, s)
		if s.Report == nil && rng.Float64() < m.Duplicate {
			s.At = m.arrival(rng, again)
			arrived = append(arrived, s)
		}
	}
	slices.SortStableFunc(arrived, func(a, b Sent) int { return int(a.At - b.At) })
	return arrived
}

func (m Impairment) arrival(rng *rand.Rand, sent time.Duration) time.Duration {
	at := sent + m.RoundTrip/2
	if m.Jitter > 0 {
		at += time.Duration(rng.Int64N(int64(m.Jitter)))
	}
	if sent < m.HeldUntil {
		at = m.HeldUntil + (at-m.RoundTrip/2)/100
	}
	return at
}

// bursts gives the instants at which bursts of loss begin, in order.
func (m Impairment) bursts(rng *rand.Rand, sent []Sent) []time.Duration {
	if m.Burst == 0 || len(sent) == 0 {
		return nil
	}
	var at []time.Duration
	for next := m.BurstEach; next < sent[len(sent)-1].At; {
		at = append(at, next)
		next += m.Burst + m.BurstEach/2 + time.Duration(rng.Int64N(int64(m.BurstEach)))
	}
	return at
}
