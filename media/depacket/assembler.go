package depacket

import "github.com/reelvault/reelvault/media"

// maxFrame bounds the payload bytes of one picture. A keyframe of 4K video at
// the best quality any browser sends stays well below it.
const maxFrame = 8 << 20

// fate is what became of the packets gathered so far.
type fate uint8

const (
	pending fate = iota // no picture yet: they belong to the next one
	dropped             // a picture is missing from here on
	given               // a frame came of them
)

// hole says what of a picture never came.
type hole struct {
	before int  // packets right before its first one; they may be its own or other pictures'
	inside bool // something between its first packet and its last
	cut    bool // packets right after its last one, which may be its own or the next picture's
}

// broken says that the picture itself cannot be whole.
func (h hole) broken() bool { return h.inside || h.cut }

// gate is what a track remembers of its losses.
type gate struct {
	closed  bool // frames are being dropped until a keyframe
	missing bool // pictures right before the next frame are missing
}

// admit decides over a whole picture of a codec whose packets do not tell what
// they refer to: any packet missing before it may have been a reference.
func (g *gate) admit(key bool, h hole) fate {
	if h.before > 0 {
		g.lose()
	}
	if key {
		g.closed = false
	}
	if g.closed {
		return dropped
	}
	return given
}

// lose notes that a picture is missing which others may refer to.
func (g *gate) lose() {
	g.closed = true
	g.missing = true
}

// codec is what the video codecs differ in. It holds one picture at a time.
type codec interface {
	// parse reads what a payload says of itself and keeps it for add. False:
	// it makes no sense, and nothing has changed.
	parse(payload []byte) bool

	// add takes the payload that was parsed last into the picture. afterHole
	// says that packets between it and the picture's payload before it are
	// missing. False: it makes no sense in this place.
	add(afterHole bool) bool

	// finish ends the picture and forgets it, unless it is pending.
	finish(h hole, g *gate) (media.Frame, fate)

	// reset forgets the picture and everything that frames could refer to.
	reset()
}

// assembler gathers the packets of each picture. A picture ends with the
// marker bit, or where the timestamp changes because the packet with the
// marker was lost or the sender sets none.
type assembler struct {
	codec     codec
	gate      gate
	open      bool // a picture is being gathered
	timestamp uint32
	hole      hole // of the picture being gathered
	size      int  // its payload bytes
	lost      int  // packets right before the next one that never came
}

func newAssembler(c codec) *assembler {
	a := &assembler{codec: c}
	a.Reset()
	return a
}

// Push implements media.Depacketizer.
func (a *assembler) Push(p *media.Packet, lost int) []media.Frame {
	a.lost += lost
	if len(p.Payload) == 0 {
		return nil
	}
	if !a.codec.parse(p.Payload) {
		a.lost++
		return nil
	}
	var frames []media.Frame
	if a.open && p.Timestamp != a.timestamp {
		frames = a.finish(frames)
	}
	a.timestamp = p.Timestamp
	a.add(len(p.Payload))
	if p.Marker {
		frames = a.finish(frames)
	}
	return frames
}

// add puts the payload that was parsed last into the picture.
func (a *assembler) add(size int) {
	afterHole := a.open && a.lost > 0
	if a.open {
		a.hole.inside = a.hole.inside || afterHole
	} else {
		a.hole = hole{before: a.lost}
		a.size = 0
	}
	a.open = true
	a.lost = 0
	a.size += size
	if a.size > maxFrame || !a.codec.add(afterHole) {
		a.hole.inside = true
		a.lost = 1
	}
}

func (a *assembler) finish(frames []media.Frame) []media.Frame {
	a.hole.cut = a.lost > 0
	f, became := a.codec.finish(a.hole, &a.gate)
	switch became {
	case pending:
		return frames
	case dropped:
		a.open = false
		a.gate.missing = true
		return frames
	default:
		a.open = false
		f.Timestamp = a.timestamp
		f.AfterLoss = a.gate.missing
		a.gate.missing = false
		return append(frames, f)
	}
}

// NeedKeyframe implements media.Depacketizer.
func (a *assembler) NeedKeyframe() bool { return a.gate.closed }

// Reset implements media.Depacketizer.
func (a *assembler) Reset() {
	a.codec.reset()
	a.gate = gate{closed: true}
	a.open = false
	a.lost = 0
}
