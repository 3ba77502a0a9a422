package webrtc

import (
	"encoding/binary"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/transport/v5/packetio"

	"github.com/reelvault/reelvault"
)

// maxQueue is how many packets may wait for a watcher's socket: one second of
// 5 Mbit/s. What comes then is dropped, up to the next keyframe.
const maxQueue = 512

// An egress sends one publisher's packets to one watcher. Publishers put into
// the queue, one goroutine writes to the socket.
type egress struct {
	conn    *conn
	tracks  []*outTrack
	streams atomic.Int32
	wake    chan struct{} // holds one: the queue is not empty
	ended   chan struct{} // closed when the writer has returned; nil before it starts

	mu     sync.Mutex // guards what follows, and what tracks say it guards
	ready  bool       // the media path is up
	queue  []outgoing
	spare  []outgoing // the other half of the queue's double buffer
	closed bool
}

// outgoing is a packet with the watcher's numbers.
type outgoing struct {
	track     *outTrack
	sequence  uint16
	timestamp uint32
	marker    bool
	payload   []byte
	report    *rtcp.SenderReport // instead of a packet
}

func newEgress(c *conn) *egress {
	return &egress{conn: c, wake: make(chan struct{}, 1)}
}

// buffer is the bufferFactory of a watcher, who sends nothing but RTCP.
func (e *egress) buffer(kind packetio.BufferPacketType, ssrc uint32) io.ReadWriteCloser {
	if e.streams.Add(1) > maxStreams {
		e.conn.cancel(errTooManyStreams)
	}
	if kind == packetio.RTCPBufferPacket {
		return &requestStream{out: e, ssrc: ssrc}
	}
	return discard{}
}

// start lets packets flow. It is called once, when the media path is up.
func (e *egress) start() {
	e.ended = make(chan struct{})
	e.mu.Lock()
	e.ready = true
	e.mu.Unlock()
	for _, t := range e.tracks {
		t.lane.watched.Store(true)
	}
	go e.write()
}

// close ends the writer and takes the tracks off their lanes.
func (e *egress) close() {
	for _, t := range e.tracks {
		t.lane.unwatch(t)
	}
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.ring()
	if e.ended != nil {
		<-e.ended
	}
}

func (e *egress) ring() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// write is the writer. A socket that blocks, as TCP's may, blocks only this.
func (e *egress) write() {
	defer close(e.ended)
	var header rtp.Header
	for range e.wake {
		e.mu.Lock()
		batch := e.queue
		e.queue, e.spare = e.spare[:0], nil
		closed := e.closed
		e.mu.Unlock()
		if closed {
			return
		}
		for i := range batch {
			e.send(&header, &batch[i])
		}
		clear(batch)
		e.mu.Lock()
		e.spare = batch[:0]
		e.mu.Unlock()
	}
}

func (e *egress) send(header *rtp.Header, o *outgoing) {
	if o.report != nil {
		// A report that is lost is followed by another one.
		_ = e.conn.pc.WriteRTCP([]rtcp.Packet{o.report})
		return
	}
	if o.track.paused.Load() {
		return
	}
	*header = rtp.Header{
		Version: 2, Marker: o.marker, PayloadType: o.track.pt, SequenceNumber: o.sequence,
		Timestamp: o.timestamp, SSRC: o.track.ssrc,
	}
	if _, err := o.track.writer.WriteRTP(header, o.payload); err != nil {
		e.conn.server.counts.dropped.Add(1)
		return
	}
	e.conn.server.counts.forwarded.Add(1)
}

// push puts o into the queue and says whether there was room. The caller
// holds mu.
func (e *egress) push(o outgoing) bool {
	if len(e.queue) >= maxQueue {
		e.conn.server.counts.dropped.Add(1)
		return false
	}
	e.queue = append(e.queue, o)
	e.ring()
	return true
}

// A requestStream takes the RTCP that concerns one SSRC of a watcher.
type requestStream struct {
	out  *egress
	ssrc uint32
}

// Read tells pion that there is nothing to read: Write has taken it.
func (r *requestStream) Read([]byte) (int, error) { return 0, io.EOF }

// Close implements io.Closer.
func (r *requestStream) Close() error { return nil }

// Write takes NACK (RFC 4585, section 6.2.1), PLI (6.3.1) and FIR (RFC 5104,
// section 4.3.1).
func (r *requestStream) Write(b []byte) (int, error) {
	const headerBytes, nack, pli, fir = 12, 1, 1, 4
	if len(b) < headerBytes {
		return len(b), nil
	}
	t := r.out.trackOf(r.ssrc)
	if t == nil {
		return len(b), nil
	}
	switch format := b[0] & 0x1f; {
	case b[1] == typePayloadFeedback && (format == pli || format == fir):
		t.lane.watched.Store(true)
	case b[1] == typeTransportFeedback && format == nack:
		for pair := b[headerBytes:]; len(pair) >= 4; pair = pair[4:] {
			t.resend(binary.BigEndian.Uint16(pair), binary.BigEndian.Uint16(pair[2:]))
		}
	}
	return len(b), nil
}

func (e *egress) trackOf(ssrc uint32) *outTrack {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.tracks {
		if t.ssrc == ssrc {
			return t
		}
	}
	return nil
}

// watch adds t to those who get the lane's packets.
func (l *lane) watch(t *outTrack) error {
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	if l.in.closed {
		return reelvault.Errorf(reelvault.NotFound, "the publisher has just ended")
	}
	if l.running && l.format.Codec != t.codec {
		return reelvault.Errorf(reelvault.Conflict, "the publisher has just changed to %s", l.format.Codec)
	}
	list := append([]*outTrack{t}, l.watching()...)
	l.watchers.Store(&list)
	return nil
}

func (l *lane) unwatch(t *outTrack) {
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(l.watching()), func(other *outTrack) bool { return other == t })
	l.watchers.Store(&list)
}

// watching lists who gets the lane's packets.
func (l *lane) watching() []*outTrack {
	if list := l.watchers.Load(); list != nil {
		return *list
	}
	return nil
}

// closeWatchers ends the connections of those who watch the lane, except in
// codec.
func (l *lane) closeWatchers(codec reelvault.Codec, cause error) {
	for _, t := range l.watching() {
		if t.codec != codec {
			t.out.conn.cancel(cause)
		}
	}
}
