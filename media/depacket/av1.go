package depacket

import (
	"bytes"

	"github.com/reelvault/reelvault/media"
)

// The OBU types of AV1 that are told apart (AV1, section 6.2.2).
const (
	obuSequenceHeader    = 1
	obuTemporalDelimiter = 2
	obuFrameHeader       = 3
	obuFrame             = 6
	obuTileList          = 8
	obuPadding           = 15
)

// av1 knows the AV1 RTP payload format 1.0. A picture is a temporal unit. What
// a frame refers to stands in a header extension that packets here do not
// carry, so every hole asks for a keyframe.
type av1 struct {
	in   av1Payload // what parse read last
	unit av1Unit
}

// av1Payload is a payload, split (AV1 RTP, section 4.3).
type av1Payload struct {
	elements  [][]byte
	continues bool // the first element goes on with the last one of the packet before
	open      bool // the last element goes on in the next packet
}

// av1Unit is the temporal unit being gathered.
type av1Unit struct {
	data     []byte // OBUs with sizes; its memory serves all units
	obu      []byte // the one that came last, as far as it has
	begun    bool   // it goes on in the next packet
	sequence *av1Sequence
	start    bool // the sequence header is the first OBU
	frames   bool // there is one
	key      bool // and the first is a shown keyframe behind a sequence header
}

// reset implements codec.
func (a *av1) reset() { a.unit = av1Unit{} }

// parse implements codec.
func (a *av1) parse(b []byte) bool {
	head := b[0]
	p := av1Payload{elements: a.in.elements[:0], continues: head&0x80 != 0, open: head&0x40 != 0}
	count := int(head >> 4 & 3) // zero if every element has its length
	b = b[1:]
	for n := 1; len(b) > 0; n++ {
		size := len(b)
		if n != count {
			var used int
			size, used = leb128(b)
			if b = b[used:]; used == 0 || size > len(b) {
				return false
			}
		}
		p.elements = append(p.elements, b[:size])
		b = b[size:]
	}
	if len(p.elements) == 0 || count > 0 && len(p.elements) != count {
		return false
	}
	a.in = p
	return true
}

// add implements codec.
func (a *av1) add(bool) bool {
	u := &a.unit
	if a.in.continues != u.begun {
		u.begun = false
		return false
	}
	last := len(a.in.elements) - 1
	for i, element := range a.in.elements {
		if !u.begun {
			u.obu = u.obu[:0]
		}
		u.obu = append(u.obu, element...)
		u.begun = i == last && a.in.open
		if !u.begun && !u.take(u.obu) {
			return false
		}
	}
	return true
}

// take adds an OBU to the temporal unit. Each gets a size field; what the
// container does not want (AV1 in Matroska, section on blocks) is left out.
func (u *av1Unit) take(obu []byte) bool {
	header, body, ok := splitOBU(obu)
	if !ok {
		return false
	}
	kind := header[0] >> 3 & 0x0f
	switch kind {
	case obuTemporalDelimiter, obuTileList, obuPadding:
		return true
	case obuSequenceHeader:
		s, valid := parseAV1Sequence(body)
		if !valid {
			return false
		}
		u.sequence = &s
		u.start = u.start || len(u.data) == 0
	case obuFrameHeader, obuFrame:
		if len(body) == 0 {
			return false
		}
		if !u.frames && u.sequence != nil {
			// show_existing_frame 0, frame_type KEY_FRAME, show_frame 1
			// (AV1, section 5.9.2); a reduced header leaves them out.
			u.key = u.sequence.reduced || body[0]&0xf0 == 0x10
		}
		u.frames = true
	}
	from := len(u.data)
	u.data = append(u.data, header...)
	u.data[from] |= 0x02
	u.data = appendLEB128(u.data, len(body))
	u.data = append(u.data, body...)
	if kind == obuSequenceHeader {
		u.sequence.obu = u.data[from:len(u.data):len(u.data)]
	}
	return true
}

// splitOBU parts an OBU's header from what it holds (AV1, section 5.3). It may
// come with a size, which must then be that of the element it came in.
func splitOBU(b []byte) (header, body []byte, ok bool) {
	if len(b) == 0 || b[0]&0x80 != 0 {
		return nil, nil, false
	}
	size := 1 + int(b[0]>>2&1) // with the extension
	if len(b) < size {
		return nil, nil, false
	}
	header, body = b[:size], b[size:]
	if b[0]&0x02 == 0 {
		return header, body, true
	}
	n, used := leb128(body)
	return header, body[used:], used > 0 && n == len(body)-used
}

// finish implements codec.
func (a *av1) finish(h hole, g *gate) (media.Frame, fate) {
	u := a.unit
	whole := !h.broken() && !u.begun
	if whole && !u.frames {
		return media.Frame{}, pending
	}
	a.unit = av1Unit{data: u.data[:0], obu: u.obu[:0]}
	if !whole || h.before > 0 && u.key && !u.start {
		g.lose()
		return media.Frame{}, dropped
	}
	if g.admit(u.key, h) != given {
		return media.Frame{}, dropped
	}
	f := media.Frame{Data: bytes.Clone(u.data), Key: u.key}
	if u.key {
		f.Width, f.Height = u.sequence.width, u.sequence.height
		f.Private = u.sequence.record()
	}
	return f, given
}
