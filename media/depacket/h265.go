package depacket

import (
	"slices"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// The NAL unit types of H.265 that are told apart (H.265, table 7-1; RFC 7798, section 4.4).
const (
	h265RASLFirst  = 8
	h265RASLLast   = 9
	h265IRAPFirst  = 16
	h265BLALast    = 18
	h265CRA        = 21 // the last IRAP type, with two reserved ones behind it
	h265IRAPEnd    = 23
	h265VCLLast    = 31
	h265VPSType    = 32
	h265SPSType    = 33
	h265PPSType    = 34
	h265Delimiter  = 35
	h265Filler     = 38
	h265SingleLast = 47
	h265AP         = 48
	h265FU         = 49
)

// h265 knows RFC 7798 without decoding order numbers. Which pictures a slice
// refers to is not told, so every hole asks for a picture that needs none.
type h265 struct {
	in   []byte // what parse read last
	unit h265Unit
	sets h265Sets
	// renews is what the sender puts in front of its keyframes, as far as seen.
	renews setKinds
	// orphaned says that what stood before the last keyframe is missing, and
	// so are the references of its RASL pictures (H.265, section 8.1.3).
	orphaned bool
}

// h265Unit is the picture being gathered.
type h265Unit struct {
	accessUnit
	kind byte // of its first slice
}

func newH265(f media.Format) (media.Depacketizer, error) {
	if n := parameter(f.FMTP, "sprop-max-don-diff"); n != "" && n != "0" {
		return nil, reelvault.Errorf(reelvault.Unsupported, "h265 with sprop-max-don-diff %s (interleaved)", n)
	}
	h := &h265{sets: newH265Sets()}
	for _, name := range []string{"sprop-vps", "sprop-sps", "sprop-pps"} {
		for _, unit := range spropUnits(f.FMTP, name) {
			if len(unit) > 2 {
				h.sets.store(unit)
			}
		}
	}
	return newAssembler(h), nil
}

// reset implements codec. Parameter sets hold until others come.
func (h *h265) reset() { h.unit = h265Unit{} }

// parse implements codec.
func (h *h265) parse(b []byte) bool {
	if len(b) < 3 || b[0]&0x80 != 0 {
		return false
	}
	switch kind := b[0] >> 1; kind {
	case h265AP:
		for rest := b[2:]; len(rest) > 0; {
			unit, r, ok := aggregated(rest)
			if !ok || !h265Valid(unit) {
				return false
			}
			rest = r
		}
	case h265FU:
		if len(b) < 4 || b[2]&0xc0 == 0xc0 || b[2]&0x3f > h265SingleLast {
			return false
		}
	default: // also PACI
		if !h265Valid(b) {
			return false
		}
	}
	h.in = b
	return true
}

// h265Valid says that a NAL unit is none of RFC 7798's own and has a header
// without an error.
func h265Valid(unit []byte) bool {
	return len(unit) > 2 && unit[0]&0x80 == 0 && unit[0]>>1 <= h265SingleLast && unit[1]&7 != 0
}

// add implements codec.
func (h *h265) add(bool) bool {
	b := h.in
	if b[0]>>1 == h265FU {
		unit, ok := h.unit.join(b[2], []byte{b[0]&0x81 | b[2]&0x3f<<1, b[1]}, b[3:])
		if unit == nil {
			return ok
		}
		return h265Valid(unit) && h.take(unit)
	}
	if h.unit.begun {
		return false
	}
	if b[0]>>1 != h265AP {
		return h.take(b)
	}
	for rest := b[2:]; len(rest) > 0; {
		var unit []byte
		if unit, rest, _ = aggregated(rest); !h.take(unit) {
			return false
		}
	}
	return true
}

// take adds a NAL unit to the picture.
func (h *h265) take(unit []byte) bool {
	u := &h.unit
	if unit[0]&1 != 0 || unit[1]>>3 != 0 {
		return true // a layer above the base, which does without it (H.265, section F.3.1)
	}
	switch kind := unit[0] >> 1; {
	case kind == h265Delimiter || kind == h265Filler:
		return true
	case kind >= h265VPSType && kind <= h265PPSType:
		u.sets = appendUnit(u.sets, unit)
		u.renewed = u.renewed.with(kind, h265VPSType)
		h.renews |= u.renewed
		return h.sets.store(unit)
	case kind <= h265VCLLast && !u.slices:
		r := bitReader{data: unescape(unit[2:], h265SliceStart)}
		u.slices = true
		u.kind = kind
		u.key = kind >= h265IRAPFirst && kind <= h265CRA
		u.start = r.flag()
		if kind >= h265IRAPFirst && kind <= h265IRAPEnd {
			r.skip(1) // no_output_of_prior_pics_flag
		}
		u.pps = r.ue()
		if r.short {
			return false
		}
	}
	u.data = appendUnit(u.data, unit)
	return true
}

// h265SliceStart is how many bytes of a slice are enough for the number of its PPS.
const h265SliceStart = 8

// finish implements codec.
func (h *h265) finish(hole hole, g *gate) (media.Frame, fate) {
	u := h.unit
	if !u.slices && !hole.broken() {
		return media.Frame{}, pending
	}
	h.unit = h265Unit{accessUnit: u.cleared()}
	if !u.whole(hole, h.renews) {
		g.lose()
		return media.Frame{}, dropped
	}
	first := g.closed || hole.before > 0
	if g.admit(u.key, hole) != given {
		return media.Frame{}, dropped
	}
	if !u.key {
		if h.orphaned && u.kind >= h265RASLFirst && u.kind <= h265RASLLast {
			return media.Frame{}, dropped // only RASL pictures refer to it
		}
		return media.Frame{Data: slices.Concat(u.sets, u.data)}, given
	}
	active, ok := h.sets.active(u.pps)
	if !ok {
		g.lose()
		return media.Frame{}, dropped
	}
	if hole.before == 0 {
		h.renews = u.renewed
	}
	h.orphaned = u.kind <= h265BLALast || first
	return media.Frame{
		Data:    slices.Concat(active.prefix(), u.data),
		Key:     true,
		Width:   active.sps.width,
		Height:  active.sps.height,
		Private: active.record(),
	}, given
}
