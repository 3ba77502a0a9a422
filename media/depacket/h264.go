package depacket

import (
	"slices"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// The NAL unit types of H.264 that are told apart (H.264, table 7-1; RFC 6184, table 1).
const (
	h264Slice      = 1
	h264PartitionA = 2
	h264IDR        = 5
	h264SPSType    = 7
	h264PPSType    = 8
	h264Delimiter  = 9
	h264Filler     = 12
	h264STAPA      = 24
	h264FUA        = 28
)

// h264 knows RFC 6184 without interleaving. Which pictures a slice refers to
// cannot be told from the packets. Nor does frame_num prove that a hole held
// no reference: it starts over with each IDR picture, and one of these may lie
// in the hole. So a hole is only harmless inside a picture of nal_ref_idc 0.
type h264 struct {
	in   []byte // what parse read last
	unit h264Unit
	sets h264Sets
	// renews is what the sender puts in front of its keyframes, as far as seen.
	renews setKinds
}

// h264Unit is the picture being gathered.
type h264Unit struct {
	accessUnit
	disposable bool // nothing refers to it
}

func newH264(f media.Format) (media.Depacketizer, error) {
	if mode := parameter(f.FMTP, "packetization-mode"); mode == "2" {
		return nil, reelvault.Errorf(reelvault.Unsupported, "h264 in packetization-mode %s (interleaved)", mode)
	}
	h := &h264{sets: newH264Sets()}
	for _, unit := range spropUnits(f.FMTP, "sprop-parameter-sets") {
		h.sets.store(unit)
	}
	return newAssembler(h), nil
}

// reset implements codec. Parameter sets hold until others come.
func (h *h264) reset() { h.unit = h264Unit{} }

// parse implements codec.
func (h *h264) parse(b []byte) bool {
	if b[0]&0x80 != 0 {
		return false // forbidden_zero_bit
	}
	switch b[0] & 0x1f {
	case h264STAPA:
		for rest := b[1:]; len(rest) > 0; {
			unit, r, ok := aggregated(rest)
			if !ok || !h264Valid(unit[0]) {
				return false
			}
			rest = r
		}
		if len(b) == 1 {
			return false
		}
	case h264FUA:
		if len(b) < 3 || b[1]&0xc0 == 0xc0 || !h264Valid(b[1]&0x1f) {
			return false
		}
	default: // also STAP-B, MTAP and FU-B, which belong to the interleaved mode
		if !h264Valid(b[0]) {
			return false
		}
	}
	h.in = b
	return true
}

// h264Valid says that a header is that of a NAL unit, without an error.
func h264Valid(header byte) bool {
	kind := header & 0x1f
	return header&0x80 == 0 && kind > 0 && kind < h264STAPA
}

// add implements codec.
func (h *h264) add(bool) bool {
	b := h.in
	if b[0]&0x1f == h264FUA {
		unit, ok := h.unit.join(b[1], []byte{b[0]&0xe0 | b[1]&0x1f}, b[2:])
		if unit == nil {
			return ok
		}
		return h.take(unit)
	}
	if h.unit.begun {
		return false
	}
	if b[0]&0x1f != h264STAPA {
		return h.take(b)
	}
	for rest := b[1:]; len(rest) > 0; {
		var unit []byte
		if unit, rest, _ = aggregated(rest); !h.take(unit) {
			return false
		}
	}
	return true
}

// take adds a NAL unit to the picture.
func (h *h264) take(unit []byte) bool {
	u := &h.unit
	switch kind := unit[0] & 0x1f; kind {
	case h264Delimiter, h264Filler:
		return true
	case h264SPSType, h264PPSType:
		u.sets = appendUnit(u.sets, unit)
		u.renewed = u.renewed.with(kind, h264SPSType)
		h.renews |= u.renewed
		return h.sets.store(unit)
	case h264Slice, h264PartitionA, h264IDR:
		r := bitReader{data: unescape(unit[1:], h264SliceStart)}
		firstMacroblock := r.ue()
		r.ue() // slice_type
		pps := r.ue()
		if r.short {
			return false
		}
		if !u.slices {
			u.slices = true
			u.start = firstMacroblock == 0
			u.key = kind == h264IDR
			u.pps = pps
			u.disposable = unit[0]&0x60 == 0 && !u.key
		}
	}
	u.data = appendUnit(u.data, unit)
	return true
}

// h264SliceStart is how many bytes of a slice are enough for first_mb_in_slice,
// slice_type and the number of its PPS.
const h264SliceStart = 16

// finish implements codec.
func (h *h264) finish(hole hole, g *gate) (media.Frame, fate) {
	u := h.unit
	if !u.slices && !hole.broken() {
		return media.Frame{}, pending
	}
	h.unit = h264Unit{accessUnit: u.cleared()}
	if !u.whole(hole, h.renews) {
		if !u.disposable || !u.start || hole.before > 0 || hole.cut {
			g.lose()
		}
		return media.Frame{}, dropped
	}
	if g.admit(u.key, hole) != given {
		return media.Frame{}, dropped
	}
	if !u.key {
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
	return media.Frame{
		Data:    slices.Concat(active.prefix(), u.data),
		Key:     true,
		Width:   active.sps.width,
		Height:  active.sps.height,
		Private: active.record(),
	}, given
}
