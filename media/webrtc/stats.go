package webrtc

import "sync/atomic"

// Stats counts what a Server has done since it was made.
type Stats struct {
	Publishers     int    // now
	Watchers       int    // now
	Connecting     int    // now; answered and not connected yet
	Packets        uint64 // RTP received, retransmissions and probes included
	Bytes          uint64 // of these
	Malformed      uint64 // packets without a whole RTP header or with impossible padding
	Unwanted       uint64 // packets of streams or payload types that were not negotiated
	Duplicates     uint64 // packets that had come before
	Recovered      uint64 // packets that came because a NACK asked for them
	NACKs          uint64 // packets asked for, repetitions included
	PLIs           uint64
	FIRs           uint64
	FeedbackFailed uint64 // RTCP that could not be sent
	Forwarded      uint64 // packets sent to watchers
	Resent         uint64 // packets sent to watchers again
	Dropped        uint64 // packets not sent to a watcher that was too slow
}

type counters struct {
	packets, bytes, malformed, unwanted, duplicates, recovered atomic.Uint64
	nacks, plis, firs, feedbackFailed                          atomic.Uint64
	forwarded, resent, dropped                                 atomic.Uint64
}

// Stats gives the counts of this moment.
func (s *Server) Stats() Stats {
	c := &s.counts
	stats := Stats{
		Packets: c.packets.Load(), Bytes: c.bytes.Load(), Malformed: c.malformed.Load(), Unwanted: c.unwanted.Load(),
		Duplicates: c.duplicates.Load(), Recovered: c.recovered.Load(), NACKs: c.nacks.Load(), PLIs: c.plis.Load(),
		FIRs: c.firs.Load(), FeedbackFailed: c.feedbackFailed.Load(), Forwarded: c.forwarded.Load(),
		Resent: c.resent.Load(), Dropped: c.dropped.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stats.Connecting = s.waiting
	for _, conn := range s.byID {
		if conn.in != nil {
			stats.Publishers++
		} else {
			stats.Watchers++
		}
	}
	return stats
}
