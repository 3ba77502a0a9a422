package webrtc

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	pion "github.com/pion/webrtc/v4"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

const (
	// resendWindow is how many packets are kept for a watcher's NACKs: one
	// second of 5 Mbit/s.
	resendWindow = 512

	// resendSpacing is the least time between two repeats of one packet, so
	// that a flood of NACKs is not answered by a larger one.
	resendSpacing = 40 * time.Millisecond
)

// An outTrack forwards one lane to one watcher. It gives the watcher one
// unbroken stream: sequence numbers and timestamps go on over pauses and over
// changes of the source's SSRC. It implements pion.TrackLocal.
type outTrack struct {
	out     *egress
	lane    *lane
	section *section // of the watcher's offer
	stream  string   // id of the MediaStream
	codec   reelvault.Codec
	clock   uint32
	pt      uint8

	// Set by Bind, before packets flow.
	ssrc   uint32
	writer pion.TrackLocalWriter

	paused atomic.Bool // what is queued is not sent; set under out.mu

	// Guarded by out.mu.
	needKey bool
	resumes bool   // the next packet follows a pause or a drop
	started bool   // numbers below are valid
	source  uint32 // SSRC that they count for
	first   uint16 // of the source's sequence numbers since the last break
	shift   uint16 // watcher's minus source's sequence number
	tsShift uint32
	highest uint16 // watcher's
	lastTS  uint32 // watcher's, of the packet with the highest number
	lastAt  time.Time
	packets uint32
	octets  uint32
	sent    [resendWindow]sentPacket
}

type sentPacket struct {
	outgoing
	resent time.Time
}

// ID implements pion.TrackLocal.
func (t *outTrack) ID() string { return fmt.Sprintf("%s-%s", t.lane.section.media, t.lane.section.mid) }

// RID implements pion.TrackLocal: there are no simulcast layers.
func (t *outTrack) RID() string { return "" }

// StreamID implements pion.TrackLocal.
func (t *outTrack) StreamID() string { return t.stream }

// Kind implements pion.TrackLocal.
func (t *outTrack) Kind() pion.RTPCodecType { return pion.NewRTPCodecType(t.lane.section.media) }

// Bind implements pion.TrackLocal.
func (t *outTrack) Bind(c pion.TrackLocalContext) (pion.RTPCodecParameters, error) {
	t.out.mu.Lock()
	defer t.out.mu.Unlock()
	t.ssrc, t.writer = uint32(c.SSRC()), c.WriteStream()
	for _, p := range c.CodecParameters() {
		if uint8(p.PayloadType) == t.pt {
			return p, nil
		}
	}
	return pion.RTPCodecParameters{}, pion.ErrUnsupportedCodec
}

// Unbind implements pion.TrackLocal.
func (t *outTrack) Unbind(pion.TrackLocalContext) error { return nil }

// take forwards a packet that the publisher sent. allowed is false while the
// recording is paused: such a packet leaves no trace here.
func (t *outTrack) take(p media.Packet, key, allowed bool) {
	t.out.mu.Lock()
	defer t.out.mu.Unlock()
	if !t.out.ready {
		return
	}
	if !allowed {
		t.pause()
		return
	}
	t.paused.Store(false)
	if t.started && p.SSRC != t.source {
		t.interrupt()
	}
	if t.needKey && !key {
		t.lane.watched.Store(true)
		return
	}
	if !t.started || t.resumes {
		t.restart(&p)
	}
	if p.SequenceNumber-t.first >= 1<<15 {
		return // from before the break
	}
	t.number(p)
}

// pause drops what waits for the watcher or may be asked for again.
func (t *outTrack) pause() {
	if t.paused.Swap(true) {
		return
	}
	t.interrupt()
	clear(t.sent[:])
}

// interrupt makes the next packet that may go the first of a new run.
func (t *outTrack) interrupt() {
	t.resumes = true
	t.needKey = t.lane.section.media == mediaVideo
}

// restart maps the numbers of p to those that the watcher expects next.
func (t *outTrack) restart(p *media.Packet) {
	if t.started {
		t.shift = t.highest + 1 - p.SequenceNumber
		if p.SSRC != t.source {
			elapsed := uint32(p.Arrival.Sub(t.lastAt).Microseconds() * int64(t.clock) / 1e6)
			t.tsShift = t.lastTS + max(elapsed, 1) - p.Timestamp
		}
	} else {
		t.highest = p.SequenceNumber - 1
	}
	t.started, t.resumes, t.needKey = true, false, false
	t.source, t.first = p.SSRC, p.SequenceNumber
}

func (t *outTrack) number(p media.Packet) {
	o := outgoing{
		track: t, sequence: p.SequenceNumber + t.shift, timestamp: p.Timestamp + t.tsShift,
		marker: p.Marker, payload: p.Payload,
	}
	if !t.out.push(o) {
		t.interrupt()
		return
	}
	if o.sequence-t.highest < 1<<15 {
		t.highest, t.lastTS, t.lastAt = o.sequence, o.timestamp, p.Arrival
	}
	t.packets++
	t.octets += uint32(len(o.payload))
	t.sent[o.sequence%resendWindow] = sentPacket{outgoing: o}
}

// resend queues again what a NACK names: a packet and a bit for each of the
// 16 after it.
func (t *outTrack) resend(sequence, following uint16) {
	t.out.mu.Lock()
	defer t.out.mu.Unlock()
	now := t.out.conn.server.config.Now()
	for i := range uint16(17) {
		if i > 0 && following&(1<<(i-1)) == 0 {
			continue
		}
		s := &t.sent[(sequence+i)%resendWindow]
		if s.track == nil || s.sequence != sequence+i || now.Sub(s.resent) < resendSpacing {
			continue
		}
		s.resent = now
		if t.out.push(s.outgoing) {
			t.out.conn.server.counts.resent.Add(1)
		}
	}
}

// report passes a sender report on in the watcher's numbers, so that its lips
// stay in sync.
func (t *outTrack) report(r media.Report) {
	t.out.mu.Lock()
	defer t.out.mu.Unlock()
	if !t.out.ready || !t.started || t.resumes || r.SSRC != t.source {
		return
	}
	t.out.push(outgoing{report: &rtcp.SenderReport{
		SSRC: t.ssrc, NTPTime: r.NTP, RTPTime: r.RTP + t.tsShift, PacketCount: t.packets, OctetCount: t.octets,
	}})
}
