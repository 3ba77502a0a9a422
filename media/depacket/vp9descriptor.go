package depacket

import "encoding/binary"

// vp9Size is the resolution of a spatial layer in pixels.
type vp9Size struct{ width, height uint16 }

// vp9Descriptor is the payload descriptor (RFC 9628, section 4.2).
type vp9Descriptor struct {
	inter      bool // it refers to other pictures
	flexible   bool // and diffs says to which
	start, end bool // of the layer frame
	id         counter
	temporal   uint8
	switchUp   bool // later pictures of higher temporal layers need none of those before this one
	spatial    int
	needsBelow bool // it refers to the spatial layer below in its picture
	layered    bool // base is there
	base       uint8
	diffs      [3]uint8 // how many pictures back the references are
	refs       int      // how many of them
	sizes      [maxSpatial]vp9Size
	payload    []byte
}

// parseVP9Descriptor reads the descriptor, false if it or the payload is cut off.
func parseVP9Descriptor(b []byte) (vp9Descriptor, bool) {
	head := b[0]
	hasID, hasLayer, hasStructure := head&0x80 != 0, head&0x20 != 0, head&0x02 != 0
	d := vp9Descriptor{inter: head&0x40 != 0, flexible: head&0x10 != 0, start: head&0x08 != 0, end: head&0x04 != 0}
	b = b[1:]
	if hasID {
		id, n := pictureID(b)
		if n == 0 {
			return d, false
		}
		d.id, b = id, b[n:]
	}
	ok := hasID || !d.flexible
	if ok && hasLayer {
		b, ok = d.parseLayer(b)
	}
	if ok && d.flexible && d.inter {
		b, ok = d.parseDiffs(b)
	}
	if ok && hasStructure {
		b, ok = d.parseStructure(b)
	}
	d.payload = b
	return d, ok && len(b) > 0
}

// parseLayer reads the layer indices and gives what follows them.
func (d *vp9Descriptor) parseLayer(b []byte) ([]byte, bool) {
	if len(b) == 0 {
		return nil, false
	}
	d.temporal = b[0] >> 5
	d.switchUp = b[0]&0x10 != 0
	d.spatial = int(b[0] >> 1 & 7)
	d.needsBelow = b[0]&1 != 0
	b = b[1:]
	if d.flexible {
		return b, true
	}
	if len(b) == 0 {
		return nil, false
	}
	d.layered = true
	d.base = b[0]
	return b[1:], true
}

// parseDiffs reads the reference indices and gives what follows them.
func (d *vp9Descriptor) parseDiffs(b []byte) ([]byte, bool) {
	for more := true; more; {
		if len(b) == 0 || d.refs == len(d.diffs) {
			return nil, false
		}
		d.diffs[d.refs] = b[0] >> 1
		d.refs++
		more = b[0]&1 != 0
		b = b[1:]
	}
	return b, true
}

// parseStructure reads the resolutions, passes over the picture group of the
// scalability structure and gives what follows it.
func (d *vp9Descriptor) parseStructure(b []byte) ([]byte, bool) {
	if len(b) == 0 {
		return nil, false
	}
	layers, hasSizes, hasGroup := int(b[0]>>5)+1, b[0]&0x10 != 0, b[0]&0x08 != 0
	b = b[1:]
	if hasSizes {
		if len(b) < 4*layers {
			return nil, false
		}
		for i := range layers {
			d.sizes[i] = vp9Size{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}
			b = b[4:]
		}
	}
	if !hasGroup {
		return b, true
	}
	if len(b) == 0 {
		return nil, false
	}
	pictures := b[0]
	b = b[1:]
	for range pictures {
		if len(b) == 0 {
			return nil, false
		}
		size := 1 + int(b[0]>>2&3)
		if len(b) < size {
			return nil, false
		}
		b = b[size:]
	}
	return b, true
}
