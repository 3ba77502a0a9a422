package webrtc

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

const (
	// Payloads are copied into slabs, so that there is one allocation for
	// some fifty packets of video and five hundred of audio. A slab lives as
	// long as the last packet in it, which is a jitter buffer's 400 ms.
	videoSlab = 64 << 10
	audioSlab = 16 << 10

	// packetChunk is how many media.Packets are allocated at once.
	packetChunk = 32
)

// A lane takes the packets of one media section: one sender, one SSRC at a
// time, and its retransmissions.
type lane struct {
	in      *ingest
	section *section
	primary uint32 // the SSRC that the offer declares, or 0
	repair  uint32 // that of its RTX stream, or 0

	// RTP goroutine only.
	ssrc    uint32
	last    time.Time // of the last packet of ssrc
	payload *payload
	slab    []byte
	chunk   []media.Packet

	// Guarded by in.mu.
	running bool
	remb    bool     // the sender waits to be told a bitrate
	current *payload // the same as payload
	format  media.Format
	track   media.Track
	log     receiveLog
	stats   receiverStats
	keys    keyframes

	wanted   atomic.Bool // the recorder wants a keyframe
	watched  atomic.Bool // a watcher wants a keyframe
	watchers atomic.Pointer[[]*outTrack]
}

var (
	errTooManyTracks = errors.New("the client changes its codecs too often")
	errOtherCodec    = errors.New("the publisher sends another codec now")
)

// arrived is one packet on its way through a lane.
type arrived struct {
	header  *rtp.Header
	payload []byte
	at      time.Time
}

func newLane(in *ingest, s *section) *lane {
	l := &lane{in: in, section: s}
	l.primary, l.repair = s.sources()
	return l
}

// take handles a packet of the lane's SSRC or of its RTX stream.
func (l *lane) take(a arrived) {
	counts := &l.in.conn.server.counts
	p := l.section.payloads[a.header.PayloadType]
	if p == nil {
		counts.unwanted.Add(1)
		return
	}
	packet := media.Packet{
		SSRC: a.header.SSRC, SequenceNumber: a.header.SequenceNumber, Timestamp: a.header.Timestamp,
		Marker: a.header.Marker, Arrival: a.at,
	}
	apt, repair := p.apt()
	if repair {
		// RFC 4588, section 4: the original sequence number leads the payload.
		// Without one the packet only probes the bandwidth.
		if len(a.payload) < 2 || l.ssrc == 0 {
			return
		}
		packet.SSRC, packet.SequenceNumber = l.ssrc, binary.BigEndian.Uint16(a.payload)
		a.payload = a.payload[2:]
		if p = l.section.payloads[apt]; p == nil {
			return
		}
	} else if !l.admitSSRC(a) {
		counts.unwanted.Add(1)
		return
	}
	if !l.observe(&packet, repair) {
		counts.duplicates.Add(1)
		return
	}
	if !l.begin(p) {
		return
	}
	l.deliver(&packet, a.payload)
}

// admitSSRC says whether the packet's SSRC is the lane's, or may become it.
func (l *lane) admitSSRC(a arrived) bool {
	if a.header.SSRC != l.ssrc {
		if l.ssrc != 0 && a.at.Sub(l.last) < takeover {
			return false
		}
		l.in.mu.Lock()
		delete(l.in.bySSRC, l.ssrc)
		l.in.bySSRC[a.header.SSRC] = l
		l.log, l.stats = receiveLog{enabled: l.log.enabled}, receiverStats{}
		l.in.mu.Unlock()
		l.ssrc = a.header.SSRC
	}
	l.last = a.at
	return true
}

// observe notes the packet for reports and NACKs and says whether it is new.
func (l *lane) observe(p *media.Packet, repair bool) bool {
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	if !repair {
		l.stats.packet(p, l.format.ClockRate)
	}
	fresh, recovered := l.log.add(p.SequenceNumber, p.Arrival)
	if recovered {
		l.in.conn.server.counts.recovered.Add(1)
	}
	return fresh
}

// begin makes sure that a track of p's codec runs, and says whether one may.
func (l *lane) begin(p *payload) bool {
	if p == l.payload {
		return true
	}
	c, ok := p.known(l.section.media)
	if !ok {
		return false
	}
	format := p.format(c, l.in.conn.who.Kind == reelvault.RecordingScreen)
	if l.payload != nil && format.Codec == l.format.Codec {
		l.payload = p
		l.in.mu.Lock()
		l.current = p
		l.in.mu.Unlock()
		return true
	}
	l.in.tracks++
	if l.in.tracks > maxTracks {
		l.in.conn.cancel(errTooManyTracks)
		return false
	}
	l.payload = p
	l.addTrack(format)
	return true
}

func (l *lane) addTrack(format media.Format) {
	var request func()
	if l.section.media == mediaVideo {
		request = func() { l.wanted.Store(true) }
	}
	if l.track != nil {
		l.track.Close()
	}
	track, err := l.in.capture.AddTrack(format, request)
	if err != nil {
		l.in.conn.server.log.Warn("publisher is forwarded but not recorded", "connection", l.in.conn.id,
			"session", l.in.conn.who.SessionID, "codec", format.Codec, "error", err)
		track = nil
	}
	l.in.mu.Lock()
	l.running, l.current, l.format, l.track = true, l.payload, format, track
	l.keys = keyframes{fir: l.payload.has("ccm fir"), pli: l.payload.has("nack pli")}
	l.log.enabled = l.payload.has("nack")
	l.remb = l.in.twccID == 0 && l.payload.has("goog-remb")
	l.in.mu.Unlock()
	l.closeWatchers(format.Codec, errOtherCodec)
}

// deliver hands the packet to the recorder and, if that allows it, on to the
// watchers. Those who are in the call get it in any case.
func (l *lane) deliver(p *media.Packet, payload []byte) {
	p.Payload = l.keep(payload)
	key := l.section.media == mediaVideo && startsKeyframe(l.format.Codec, p.Payload)
	if key {
		l.watched.Store(false)
		l.in.mu.Lock()
		l.keys.came()
		l.in.mu.Unlock()
	}
	forward := true
	if l.track != nil {
		forward = l.track.WritePacket(l.own(p))
	}
	for _, w := range l.watching() {
		w.take(*p, key, forward || w.out.conn.who.Unrecorded)
	}
}

// keep copies a payload into the slab.
func (l *lane) keep(payload []byte) []byte {
	if len(payload) == 0 {
		return nil
	}
	if len(payload) > len(l.slab) {
		size := videoSlab
		if l.section.media == mediaAudio {
			size = audioSlab
		}
		l.slab = make([]byte, max(size, len(payload)))
	}
	n := copy(l.slab, payload)
	kept := l.slab[:n:n]
	l.slab = l.slab[n:]
	return kept
}

// own gives a copy of p that the recorder may take over.
func (l *lane) own(p *media.Packet) *media.Packet {
	if len(l.chunk) == 0 {
		l.chunk = make([]media.Packet, packetChunk)
	}
	owned := &l.chunk[0]
	l.chunk = l.chunk[1:]
	*owned = *p
	return owned
}
