package depacket

import (
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

const (
	g711Rate = 8000 // RFC 3551, section 4.5.14: one octet a sample

	// maxG711 is the longest packet that a receiver should expect: 200 ms (RFC
	// 3551, section 4.2). What is longer is no telephone's.
	maxG711 = g711Rate / 5
)

// g711 takes each payload for one frame, of mu-law or A-law alike.
type g711 struct {
	missing bool
	given   [1]media.Frame // what Push gives: no allocation for a packet
}

func newG711(f media.Format) (media.Depacketizer, error) {
	if f.Channels > 1 {
		return nil, reelvault.Errorf(reelvault.Unsupported, "%s with %d channels, want one party in each stream", f.Codec, f.Channels)
	}
	if f.ClockRate != g711Rate {
		return nil, reelvault.Errorf(reelvault.Unsupported, "%s at %d samples a second, want %d", f.Codec, f.ClockRate, g711Rate)
	}
	return &g711{}, nil
}

// Push implements media.Depacketizer.
func (g *g711) Push(p *media.Packet, lost int) []media.Frame {
	g.missing = g.missing || lost > 0
	if len(p.Payload) == 0 {
		return nil
	}
	if len(p.Payload) > maxG711 {
		g.missing = true
		return nil
	}
	g.given[0] = media.Frame{
		Timestamp: p.Timestamp,
		Data:      p.Payload,
		Key:       true,
		AfterLoss: g.missing,
		Duration:  time.Duration(len(p.Payload)) * time.Second / g711Rate,
	}
	g.missing = false
	return g.given[:]
}

// NeedKeyframe implements media.Depacketizer.
func (g *g711) NeedKeyframe() bool { return false }

// Reset implements media.Depacketizer.
func (g *g711) Reset() { g.missing = false }
