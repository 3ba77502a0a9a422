package webrtc

import (
	"time"

	"github.com/pion/rtcp"

	"github.com/reelvault/reelvault/media"
)

const (
	// feedbackInterval is how long a NACK or a keyframe request waits at most.
	feedbackInterval = 20 * time.Millisecond

	// transportInterval is that of transport-wide feedback, the one senders
	// expect (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 5).
	transportInterval = 100 * time.Millisecond

	// reportInterval is that of receiver reports, which tell a sender without
	// transport-wide feedback how much is lost.
	reportInterval = time.Second

	// keyframeSpacing is the least time between two requests. An encoder
	// that gets them faster sends nothing else.
	keyframeSpacing = 200 * time.Millisecond

	// watcherSpacing is the same for what watchers ask.
	watcherSpacing = time.Second

	// ignoredPLIs is after how many requests without a keyframe FIR is sent
	// as well: some senders know only that (RFC 5104, section 4.3.1).
	ignoredPLIs = 3

	// maximumBitrate is what a sender without transport-wide feedback is told
	// that it may send (draft-alvestrand-rmcat-remb-03).
	maximumBitrate = 10_000_000
)

// runFeedback is the feedback loop: it makes the RTCP of all publishers.
func (s *Server) runFeedback() {
	defer close(s.feedback)
	ticker := time.NewTicker(feedbackInterval)
	defer ticker.Stop()
	var list []*conn
	for {
		select {
		case <-s.ending.Done():
			return
		case <-ticker.C:
		}
		now := s.config.Now()
		list = s.publishing(list[:0])
		for _, c := range list {
			packets := c.in.feedback(now)
			if len(packets) == 0 {
				continue
			}
			if err := c.pc.WriteRTCP(packets); err != nil {
				s.counts.feedbackFailed.Add(1)
			}
		}
	}
}

// publishing adds to list the publishers that have sent something.
func (s *Server) publishing(list []*conn) []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.byID {
		if c.in != nil && c.in.streams.Load() > 0 {
			list = append(list, c)
		}
	}
	return list
}

// feedback gives what to tell the sender now.
func (in *ingest) feedback(now time.Time) []rtcp.Packet {
	in.mu.Lock()
	defer in.mu.Unlock()
	var packets []rtcp.Packet
	counts := &in.conn.server.counts
	report := !now.Before(in.nextRR)
	for _, l := range in.lanes {
		ssrc := l.stats.ssrc
		if !l.running || ssrc == 0 {
			continue
		}
		if ask := l.log.due(now); len(ask) > 0 {
			counts.nacks.Add(uint64(len(ask)))
			packets = append(packets, nackFor(in.sender, ssrc, ask))
		}
		packets = append(packets, l.keyframeRequest(ssrc, now)...)
	}
	if report {
		in.nextRR = now.Add(reportInterval)
		packets = append(packets, in.reports(now)...)
	}
	if in.dirty && !now.Before(in.nextTWCC) {
		in.nextTWCC = now.Add(transportInterval)
		in.dirty = false
		packets = append(packets, in.recorder.BuildFeedbackPacket()...)
	}
	return packets
}

// reports makes the receiver report, and tells a sender without
// transport-wide feedback that there is room.
func (in *ingest) reports(now time.Time) []rtcp.Packet {
	rr := &rtcp.ReceiverReport{SSRC: in.sender}
	remb := &rtcp.ReceiverEstimatedMaximumBitrate{SenderSSRC: in.sender, Bitrate: maximumBitrate}
	for _, l := range in.lanes {
		if !l.running || !l.stats.started {
			continue
		}
		rr.Reports = append(rr.Reports, l.stats.report(now))
		if l.remb {
			remb.SSRCs = append(remb.SSRCs, l.stats.ssrc)
		}
	}
	if len(rr.Reports) == 0 {
		return nil
	}
	if len(remb.SSRCs) == 0 {
		return []rtcp.Packet{rr}
	}
	return []rtcp.Packet{rr, remb}
}

// keyframes keeps count of the requests for keyframes of a lane.
type keyframes struct {
	pli, fir bool // negotiated
	asked    time.Time
	ignored  int // requests since the last keyframe
	sequence uint8
}

func (k *keyframes) came() { k.ignored = 0 }

func (l *lane) keyframeRequest(ssrc uint32, now time.Time) []rtcp.Packet {
	if l.section.media != mediaVideo {
		return nil
	}
	k := &l.keys
	since := now.Sub(k.asked)
	if since < keyframeSpacing {
		return nil
	}
	if !l.wanted.Swap(false) && (since < watcherSpacing || !l.watched.Load()) {
		return nil
	}
	l.watched.Store(false)
	k.asked = now
	k.ignored++
	counts := &l.in.conn.server.counts
	var packets []rtcp.Packet
	if k.pli || !k.fir {
		counts.plis.Add(1)
		packets = append(packets, &rtcp.PictureLossIndication{SenderSSRC: l.in.sender, MediaSSRC: ssrc})
	}
	if !k.pli || k.ignored > ignoredPLIs {
		counts.firs.Add(1)
		k.sequence++
		packets = append(packets, &rtcp.FullIntraRequest{
			SenderSSRC: l.in.sender, MediaSSRC: ssrc,
			FIR: []rtcp.FIREntry{{SSRC: ssrc, SequenceNumber: k.sequence}},
		})
	}
	return packets
}

// receiverStats keeps what a reception report needs (RFC 3550, appendix A).
type receiverStats struct {
	ssrc     uint32
	started  bool
	base     uint32 // first extended sequence number
	highest  uint32 // extended
	received uint32
	expected uint32 // at the last report
	got      uint32 // at the last report
	transit  int64  // of the last packet, in RTP units
	jitter   float64
	lastSR   uint32 // middle of the NTP time of the last sender report
	srAt     time.Time
	zero     time.Time // arrival of the first packet
}

func (r *receiverStats) packet(p *media.Packet, clock uint32) {
	if !r.started {
		r.started, r.ssrc, r.zero = true, p.SSRC, p.Arrival
		r.base, r.highest = uint32(p.SequenceNumber), uint32(p.SequenceNumber)
	}
	r.received++
	if ahead := p.SequenceNumber - uint16(r.highest); ahead < 1<<15 {
		r.highest += uint32(ahead)
	}
	transit := p.Arrival.Sub(r.zero).Microseconds()*int64(clock)/1e6 - int64(p.Timestamp)
	if r.received > 1 {
		delta := float64(int32(transit - r.transit))
		r.jitter += (max(delta, -delta) - r.jitter) / 16
	}
	r.transit = transit
}

func (r *receiverStats) report(now time.Time) rtcp.ReceptionReport {
	expected := r.highest - r.base + 1
	interval, got := expected-r.expected, r.received-r.got
	r.expected, r.got = expected, r.received
	var fraction uint8
	if interval > got && interval > 0 {
		fraction = uint8(min(255, (interval-got)*256/interval))
	}
	rr := rtcp.ReceptionReport{
		SSRC: r.ssrc, FractionLost: fraction, LastSequenceNumber: r.highest,
		Jitter: uint32(r.jitter), LastSenderReport: r.lastSR,
	}
	if expected > r.received {
		rr.TotalLost = min(expected-r.received, 1<<23-1)
	}
	if !r.srAt.IsZero() {
		rr.Delay = uint32(now.Sub(r.srAt) * 65536 / time.Second)
	}
	return rr
}
