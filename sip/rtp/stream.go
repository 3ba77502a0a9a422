package rtp

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/reelvault/reelvault/media"
)

// Settings is what may change while a stream is open.
type Settings struct {
	Source Source
	Tracks []Track
	Held   bool // what comes is not handed on
	Mux    bool // RTCP comes to the port of RTP, too (RFC 5761)

	// Unknown, if set, is told once of each payload type that has no track. It
	// is called by a worker and must not block.
	Unknown func(payloadType uint8)
}

// Track is where the packets of one payload type go.
type Track struct {
	PayloadType uint8
	Track       media.Track
}

// Stream is what arrives on one pair of ports. Its methods may be called from
// any goroutine.
type Stream struct {
	receiver *Receiver
	worker   *worker
	port     uint16

	mu        sync.Mutex
	media     *socket // nil once closed
	reports   *socket
	settings  Settings
	latch     latch
	last      media.Track // took the last packet
	told      [2]uint64   // payload types that Unknown was told of
	swept     time.Time   // both sockets: when they were last looked into and emptied
	sweptRTCP time.Time
	cname     string
	heard     time.Time
	dropped   uint32 // the kernel's count of the RTP socket
	packet    rtp.Packet
	left      bool // RTCP said goodbye
}

// Port gives the RTP port.
func (s *Stream) Port() uint16 { return s.port }

// Set replaces the settings. Where packets come from is found out anew if the
// Source is another one, and else stays as found: a hold or a codec is no
// opening for somebody who waits to be heard.
func (s *Stream) Set(settings Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !settings.Source.equal(s.settings.Source) {
		s.latch = newLatch(settings.Source, s.receiver.config.SourceWait, time.Now())
	}
	s.set(settings)
}

func (s *Stream) set(settings Settings) {
	s.settings, s.last = settings, nil
	if len(settings.Tracks) > 0 {
		s.last = settings.Tracks[0].Track
	}
}

// Heard gives when the last packet came from where it may come, media or RTCP,
// or when the stream was opened. Left says that the sender has said goodbye by
// RTCP since.
func (s *Stream) Heard() (at time.Time, left bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard, s.left
}

// Close takes what has come until now, and gives the port back. A second Close
// does nothing.
func (s *Stream) Close() {
	s.worker.remove(s)
	s.receiver.sweepLast(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.media == nil {
		return
	}
	s.media.close()
	s.reports.close()
	s.media, s.reports = nil, nil
	s.receiver.ports.rest(s.port, time.Now())
	s.receiver.count.streams.Add(-1)
}

// sweep takes what has come, so many packets at most: RTP first, then RTCP if
// it is its turn.
func (s *Stream) sweep(b *batch, c *chunk, most int, reports bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.media == nil {
		return
	}
	began := time.Now()
	for taken := 0; taken < most; {
		n := s.media.receive(b)
		now := time.Now() // behind the call: nothing in it came later
		for i := range n {
			s.takeMedia(b, i, now, c)
		}
		if taken += n; n < batchPackets {
			s.swept = began
			break
		}
	}
	if !reports {
		return
	}
	began = time.Now()
	n := s.reports.receive(b)
	now := time.Now()
	for i := range n {
		s.takeReports(b, i, arrival(b, i, s.sweptRTCP, now))
	}
	s.sweptRTCP = began
}

// arrival turns the kernel's stamp into a time with a monotonic reading. The
// packet came since the last sweep that left nothing, and before now, whatever
// happened to the host's clock.
func arrival(b *batch, i int, swept, now time.Time) time.Time {
	stamp := b.stamp(i)
	if stamp.IsZero() {
		return now
	}
	age := now.Round(0).Sub(stamp)
	return now.Add(-min(max(age, 0), now.Sub(swept)))
}

func (s *Stream) takeMedia(b *batch, i int, now time.Time, c *chunk) {
	data, from, whole := b.packet(i)
	if dropped := b.drops(i); dropped != s.dropped {
		s.receiver.count.overflows.Add(uint64(dropped - s.dropped))
		s.dropped = dropped
	}
	at := arrival(b, i, s.swept, now)
	if isRTCP(data) {
		if s.settings.Mux {
			s.takeReports(b, i, at)
		}
		return
	}
	if !whole || s.packet.Unmarshal(data) != nil || s.packet.Version != 2 {
		s.receiver.count.malformed.Add(1)
		return
	}
	if !s.latch.take(from, at) {
		s.receiver.count.foreign.Add(1)
		return
	}
	s.heard, s.left = at, false
	if s.settings.Held {
		s.receiver.count.unwanted.Add(1)
		return
	}
	s.deliver(c, at)
}

// deliver hands the parsed packet on. One of another payload type, such as
// comfort noise or a pressed key, takes part in the numbering of its stream
// and so goes to the same track, empty.
func (s *Stream) deliver(c *chunk, at time.Time) {
	h := &s.packet.Header
	var payload []byte
	known := slices.IndexFunc(s.settings.Tracks, func(t Track) bool { return t.PayloadType == h.PayloadType })
	if known >= 0 {
		s.last, payload = s.settings.Tracks[known].Track, s.packet.Payload
	} else {
		s.receiver.count.unwanted.Add(1)
		s.tell(h.PayloadType)
	}
	if s.last == nil {
		return
	}
	p := c.packet(payload)
	p.SSRC, p.SequenceNumber, p.Timestamp, p.Marker, p.Arrival = h.SSRC, h.SequenceNumber, h.Timestamp, h.Marker, at
	s.receiver.count.packets.Add(1)
	s.last.WritePacket(p)
}

func (s *Stream) tell(payloadType uint8) {
	word, bit := payloadType/64, uint64(1)<<(payloadType%64)
	if s.settings.Unknown == nil || s.told[word]&bit != 0 {
		return
	}
	s.told[word] |= bit
	s.settings.Unknown(payloadType)
}

// isRTCP knows RTCP by its packet types (RFC 5761, section 4).
func isRTCP(data []byte) bool { return len(data) >= 2 && data[1] >= 192 && data[1] <= 223 }

func (s *Stream) takeReports(b *batch, i int, at time.Time) {
	data, from, whole := b.packet(i)
	if !s.latch.near(from) {
		s.receiver.count.foreign.Add(1)
		return
	}
	packets, err := rtcp.Unmarshal(data)
	if err != nil || !whole {
		s.receiver.count.malformed.Add(1)
		return
	}
	s.heard = at
	var reports []media.Report
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.SenderReport:
			reports = append(reports, media.Report{SSRC: p.SSRC, NTP: p.NTPTime, RTP: p.RTPTime, Arrival: at})
		case *rtcp.SourceDescription:
			s.cname = cmp.Or(cnameOf(p), s.cname)
		case *rtcp.Goodbye:
			s.left = true
		}
	}
	for _, r := range reports {
		if r.CNAME = s.cname; s.last != nil && !s.settings.Held {
			s.last.WriteReport(r)
		}
	}
}

func cnameOf(d *rtcp.SourceDescription) string {
	for _, c := range d.Chunks {
		for _, item := range c.Items {
			if item.Type == rtcp.SDESCNAME {
				return item.Text
			}
		}
	}
	return ""
}

// chunk gives packets and their payloads out of larger pieces of memory. A
// piece is let go when it is full, and freed with the last of its packets.
type chunk struct {
	packets []media.Packet
	bytes   []byte
}

const (
	chunkPackets = 64
	chunkBytes   = 16 << 10
)

func (c *chunk) packet(payload []byte) *media.Packet {
	if len(c.packets) == 0 {
		c.packets = make([]media.Packet, chunkPackets)
	}
	p := &c.packets[0]
	c.packets = c.packets[1:]
	if len(payload) > len(c.bytes) {
		c.bytes = make([]byte, max(chunkBytes, len(payload)))
	}
	n := copy(c.bytes, payload)
	p.Payload, c.bytes = c.bytes[:n:n], c.bytes[n:]
	return p
}
