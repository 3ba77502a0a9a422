package depacket

import (
	"bytes"
	"maps"
	"slices"
)

// h265ProfileBytes is the length of the general part of profile_tier_level(),
// from the profile to the level (H.265, section 7.3.3).
const h265ProfileBytes = 12

// h265SPS is what is needed of a sequence parameter set (H.265, section 7.3.2.2.1).
type h265SPS struct {
	unit          []byte
	id            int
	vps           int
	temporal      int    // sub-layers
	nested        bool   // sps_temporal_id_nesting_flag
	profile       []byte // the general part of profile_tier_level()
	chroma        int    // chroma_format_idc
	lumaDepth     int    // bits above 8
	chromaDepth   int
	width, height int // inside the conformance window
}

// h265PPS is what is needed of a picture parameter set (H.265, section 7.3.2.3.1).
type h265PPS struct {
	unit []byte
	sps  int
}

// h265Sets keeps the latest parameter sets by their ids, at most 16, 16 and 64.
type h265Sets struct {
	vps map[int][]byte
	sps map[int]h265SPS
	pps map[int]h265PPS
}

func newH265Sets() h265Sets {
	return h265Sets{vps: map[int][]byte{}, sps: map[int]h265SPS{}, pps: map[int]h265PPS{}}
}

// store keeps a VPS, SPS or PPS of three bytes or more, false if it makes no
// sense. Anything else it leaves.
func (s h265Sets) store(unit []byte) bool {
	if len(unit) > maxParameterSet {
		return false
	}
	unit = bytes.Clone(unit) // it outlives its packet
	r := &bitReader{data: unescape(unit[2:], len(unit))}
	switch unit[0] >> 1 {
	case h265VPSType:
		s.vps[int(r.bits(4))] = unit
	case h265SPSType:
		sps, ok := parseH265SPS(r)
		if ok {
			sps.unit = unit
			s.sps[sps.id] = sps
		}
		return ok
	case h265PPSType:
		id, sps := r.ue(), r.ue()
		if r.short || id > 63 || sps > 15 {
			return false
		}
		s.pps[id] = h265PPS{unit: unit, sps: sps}
	}
	return true
}

// h265Active is what a coded video sequence can refer to: one VPS, one SPS,
// and every PPS that belongs to it.
type h265Active struct {
	vps []byte
	sps h265SPS
	pps [][]byte
}

// active gives the sets that a slice with this PPS activates, false if one is missing.
func (s h265Sets) active(pps int) (h265Active, bool) {
	p, ok := s.pps[pps]
	if !ok {
		return h265Active{}, false
	}
	sps, ok := s.sps[p.sps]
	if !ok {
		return h265Active{}, false
	}
	vps, ok := s.vps[sps.vps]
	if !ok {
		return h265Active{}, false
	}
	a := h265Active{vps: vps, sps: sps}
	for _, id := range slices.Sorted(maps.Keys(s.pps)) {
		if s.pps[id].sps == p.sps {
			a.pps = append(a.pps, s.pps[id].unit)
		}
	}
	return a, true
}

// prefix gives the sets as they stand in front of a keyframe.
func (a h265Active) prefix() []byte {
	b := appendUnit(nil, a.vps)
	b = appendUnit(b, a.sps.unit)
	for _, pps := range a.pps {
		b = appendUnit(b, pps)
	}
	return b
}

// record makes an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, section
// 8.3.3.1). What it may leave unknown is zero.
func (a h265Active) record() []byte {
	s := a.sps
	b := append([]byte{1}, s.profile...)
	b = append(b, 0xf0, 0, 0xfc, 0xfc|byte(s.chroma), 0xf8|byte(s.lumaDepth), 0xf8|byte(s.chromaDepth), 0, 0)
	layers := byte(s.temporal)<<3 | 3 // lengths of 4 bytes
	if s.nested {
		layers |= 4
	}
	b = append(b, layers, 3)
	b = appendSets(b, h265VPSType, [][]byte{a.vps})
	b = appendSets(b, h265SPSType, [][]byte{s.unit})
	return appendSets(b, h265PPSType, a.pps)
}

// appendSets appends an array of parameter sets that is not complete: they
// come in band, too.
func appendSets(b []byte, kind byte, sets [][]byte) []byte {
	b = append(b, kind, 0, byte(len(sets)))
	for _, s := range sets {
		b = appendSet(b, s)
	}
	return b
}

// parseH265SPS reads an SPS, false if it makes no sense.
func parseH265SPS(r *bitReader) (h265SPS, bool) {
	s := h265SPS{vps: int(r.bits(4)), temporal: int(r.bits(3)) + 1, nested: r.flag()}
	for range h265ProfileBytes {
		s.profile = append(s.profile, byte(r.bits(8)))
	}
	skipH265SubLayers(r, s.temporal-1)
	s.id = r.ue()
	s.chroma = r.ue()
	if s.chroma == 3 {
		r.skip(1)
	}
	s.width, s.height = r.ue(), r.ue()
	if r.flag() {
		x, y := s.cropUnits()
		s.width -= (r.ue() + r.ue()) * x
		s.height -= (r.ue() + r.ue()) * y
	}
	s.lumaDepth, s.chromaDepth = r.ue(), r.ue()
	sane := s.id < 16 && s.temporal <= 7 && s.chroma < 4 && s.lumaDepth < 9 && s.chromaDepth < 9
	fits := s.width > 0 && s.width < maxPixels && s.height > 0 && s.height < maxPixels
	return s, sane && fits && !r.short
}

// skipH265SubLayers passes over what profile_tier_level() says of n sub-layers.
func skipH265SubLayers(r *bitReader, n int) {
	if n == 0 {
		return
	}
	size := 0
	for i := range 8 {
		hasProfile, hasLevel := r.flag(), r.flag()
		if i < n && hasProfile {
			size += 88
		}
		if i < n && hasLevel {
			size += 8
		}
	}
	r.skip(size)
}

// cropUnits gives the units of the conformance window's offsets in pixels
// (H.265, table 6-1).
func (s *h265SPS) cropUnits() (x, y int) {
	x, y = 1, 1
	if s.chroma == 1 || s.chroma == 2 {
		x = 2
	}
	if s.chroma == 1 {
		y = 2
	}
	return x, y
}
