package webrtc

import (
	"context"
	"encoding/binary"
	"io"
	"time"

	"github.com/pion/transport/v5/packetio"

	"github.com/reelvault/reelvault/media"
)

// For tests of what a connection shows only in its timing.
var StartsKeyframe = startsKeyframe

// Overflow offers packets to a watcher whose writer stands still and gives how
// many were taken.
func Overflow(packets int) int {
	e := newEgress(&conn{server: &Server{}})
	taken := 0
	for range packets {
		e.mu.Lock()
		if e.push(outgoing{}) {
			taken++
		}
		e.mu.Unlock()
	}
	return taken
}

// Receive takes packets of a publisher with this offer as pion gives them once
// they are decrypted, which is no more than whole fixed headers.
func Receive(sink media.Sink, text string, packets [][]byte, now func() time.Time) (Stats, error) {
	o, err := parseOffer(text)
	if err != nil {
		return Stats{}, err
	}
	kept, err := o.publishable()
	if err != nil {
		return Stats{}, err
	}
	s := &Server{config: Config{Now: now}.withDefaults()}
	s.log = s.config.Log
	c := s.newConn(media.Publisher{}, o, kept)
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	defer c.cancel(nil)
	c.in = newIngest(c)
	if c.in.capture, err = sink.Open(c.ctx, c.who); err != nil {
		return Stats{}, err
	}
	streams := map[uint32]io.Writer{}
	for _, b := range packets {
		ssrc := binary.BigEndian.Uint32(b[8:])
		if streams[ssrc] == nil {
			streams[ssrc] = c.in.buffer(packetio.RTPBufferPacket, ssrc)
		}
		if _, err := streams[ssrc].Write(b); err != nil {
			return Stats{}, err
		}
	}
	c.in.close(errGoodbye)
	return s.Stats(), nil
}
