package depacket

import (
	"bytes"
	"encoding/binary"

	"github.com/reelvault/reelvault/media"
)

// maxProvable is how many packets in a row may be missing for the counters in
// the payload descriptors to prove anything. Each lost packet is at most one
// picture, so the shortest counter, the 7-bit picture ID, cannot have gone
// round unseen.
const maxProvable = 127

// counter is a number that goes up by one with each picture and wraps.
type counter struct {
	value uint16
	mask  uint16
	known bool
}

// follows says that no picture lies between last and c, although n packets do.
// The sender may widen its counter from 7 to 15 bits (RFC 7741, section 4.2).
func (c counter) follows(last counter, n int) bool {
	return n == 0 || n <= maxProvable && c.known && last.known && c.value == (last.value+1)&c.mask
}

// pictureID reads a picture ID of 7 or 15 bits and says how long it is; zero
// if it is cut off.
func pictureID(b []byte) (counter, int) {
	switch {
	case len(b) == 0:
		return counter{}, 0
	case b[0]&0x80 == 0:
		return counter{value: uint16(b[0]), mask: 0x7f, known: true}, 1
	case len(b) == 1:
		return counter{}, 0
	default:
		return counter{value: binary.BigEndian.Uint16(b) & 0x7fff, mask: 0x7fff, known: true}, 2
	}
}

// vp8Descriptor is the payload descriptor (RFC 7741, section 4.2).
type vp8Descriptor struct {
	start        bool // of the frame
	disposable   bool // no other frame refers to this one
	id           counter
	layered      bool  // temporal and base are there
	temporal     uint8 // layer
	base         uint8 // TL0PICIDX: of this base layer frame, or of the one it depends on
	onlyThatBase bool  // it depends on no other frame than that
	payload      []byte
}

// vp8 knows RFC 7741. Frames of a temporal layer refer to frames of their own
// and lower layers only, so a loss that left the base layer whole, which
// TL0PICIDX proves, spares the base layer.
type vp8 struct {
	in    vp8Descriptor // what parse read last
	first vp8Descriptor // of the frame
	data  []byte        // of the frame; its memory serves all frames
	open  bool          // the frame has a packet

	id    counter // of the latest frame
	base  uint8   // TL0PICIDX of the latest base layer frame
	whole bool    // the base layer is, since the last keyframe
	upper bool    // and so are the layers above it
}

// reset implements codec.
func (v *vp8) reset() { *v = vp8{} }

// parse implements codec.
func (v *vp8) parse(b []byte) bool {
	d := vp8Descriptor{start: b[0]&0x17 == 0x10, disposable: b[0]&0x20 != 0}
	extended := b[0]&0x80 != 0
	b = b[1:]
	if extended {
		var ok bool
		if b, ok = d.extend(b); !ok {
			return false
		}
	}
	if len(b) == 0 {
		return false
	}
	d.payload = b
	v.in = d
	return true
}

// extend reads the optional fields and gives what follows them.
func (d *vp8Descriptor) extend(b []byte) ([]byte, bool) {
	if len(b) == 0 {
		return nil, false
	}
	hasID, hasBase, hasLayer, hasKey := b[0]&0x80 != 0, b[0]&0x40 != 0, b[0]&0x20 != 0, b[0]&0x10 != 0
	b = b[1:]
	if hasID {
		id, n := pictureID(b)
		if n == 0 {
			return nil, false
		}
		d.id, b = id, b[n:]
	}
	if hasBase {
		if len(b) == 0 {
			return nil, false
		}
		d.base, b = b[0], b[1:]
	}
	if hasLayer || hasKey {
		if len(b) == 0 {
			return nil, false
		}
		if hasLayer {
			d.temporal = b[0] >> 6
			d.onlyThatBase = b[0]&0x20 != 0
		}
		b = b[1:]
	}
	d.layered = hasBase && hasLayer
	return b, true
}

// add implements codec.
func (v *vp8) add(bool) bool {
	if !v.open {
		v.open = true
		v.first = v.in
		v.data = append(v.data[:0], v.in.payload...)
		return v.in.start
	}
	v.data = append(v.data, v.in.payload...)
	return !v.in.start && v.in.id == v.first.id
}

// finish implements codec.
func (v *vp8) finish(h hole, g *gate) (media.Frame, fate) {
	d, data := v.first, v.data
	v.open = false
	if !d.id.follows(v.id, h.before) {
		v.lose(d, h.before)
		g.lose()
	}
	v.id = d.id
	header, ok := parseVP8Header(data)
	if h.broken() || !ok {
		v.loseThis(d)
		g.closed = g.closed || !v.upper
		return media.Frame{}, dropped
	}
	if header.key {
		v.whole, v.upper, g.closed = true, true, false
	}
	if header.key || d.temporal == 0 {
		v.base = d.base
	}
	if !v.decodable(d) {
		return media.Frame{}, dropped
	}
	return media.Frame{Data: bytes.Clone(data), Key: header.key, Width: header.width, Height: header.height}, given
}

// lose notes that n packets of other frames before d are missing.
func (v *vp8) lose(d vp8Descriptor, n int) {
	v.upper = false
	expected := v.base
	if d.temporal == 0 {
		expected++
	}
	v.whole = v.whole && d.layered && d.base == expected && n <= maxProvable
}

// loseThis notes that the frame d is not whole. Without picture IDs the hole
// might hide another frame of the same time.
func (v *vp8) loseThis(d vp8Descriptor) {
	if d.disposable && d.id.known {
		return
	}
	v.upper = false
	v.whole = v.whole && d.temporal > 0
}

// decodable says whether what d refers to was given.
func (v *vp8) decodable(d vp8Descriptor) bool {
	switch {
	case !v.whole:
		return false
	case v.upper || d.temporal == 0:
		return true
	default:
		return d.layered && d.onlyThatBase && d.base == v.base
	}
}

// vp8Header is the uncompressed data chunk (RFC 6386, section 9.1).
type vp8Header struct {
	key           bool
	width, height int
}

// parseVP8Header reads the start of a frame, false if it cannot be one.
func parseVP8Header(b []byte) (vp8Header, bool) {
	if len(b) < 3 {
		return vp8Header{}, false
	}
	tag := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	h := vp8Header{key: tag&1 == 0}
	size := 3
	if h.key {
		if len(b) < 10 || b[3] != 0x9d || b[4] != 0x01 || b[5] != 0x2a {
			return vp8Header{}, false
		}
		h.width = int(binary.LittleEndian.Uint16(b[6:]) & 0x3fff) // above it, the scale
		h.height = int(binary.LittleEndian.Uint16(b[8:]) & 0x3fff)
		if h.width == 0 || h.height == 0 {
			return vp8Header{}, false
		}
		size = 10
	}
	firstPartition := tag >> 5
	return h, size+firstPartition <= len(b)
}
