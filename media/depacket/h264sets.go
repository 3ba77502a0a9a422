package depacket

import (
	"bytes"
	"maps"
	"slices"
)

// maxPixels bounds a picture's width and height: above it a parameter set is
// taken for damaged. The highest levels end at 16,888 (H.264, table A-1).
const maxPixels = 1 << 15

// h264SPS is what is needed of a sequence parameter set (H.264, section 7.3.2.1.1).
type h264SPS struct {
	unit          []byte
	id            int
	profile       byte
	chroma        int // chroma_format_idc
	lumaDepth     int // bits above 8
	chromaDepth   int
	width, height int // after cropping
}

// h264PPS is what is needed of a picture parameter set (H.264, section 7.3.2.2).
type h264PPS struct {
	unit []byte
	sps  int
}

// h264Sets keeps the latest parameter sets by their ids, at most 32 and 256.
type h264Sets struct {
	sps map[int]h264SPS
	pps map[int]h264PPS
}

func newH264Sets() h264Sets {
	return h264Sets{sps: map[int]h264SPS{}, pps: map[int]h264PPS{}}
}

// store keeps an SPS or PPS, false if it makes no sense. Anything else it leaves.
func (s h264Sets) store(unit []byte) bool {
	if len(unit) > maxParameterSet {
		return false
	}
	unit = bytes.Clone(unit) // it outlives its packet
	switch unit[0] & 0x1f {
	case h264SPSType:
		sps, ok := parseH264SPS(unit)
		if ok {
			s.sps[sps.id] = sps
		}
		return ok
	case h264PPSType:
		r := bitReader{data: unescape(unit[1:], len(unit))}
		id, sps := r.ue(), r.ue()
		if r.short || id > 255 || sps > 31 {
			return false
		}
		s.pps[id] = h264PPS{unit: unit, sps: sps}
	}
	return true
}

// h264Active is what a coded video sequence can refer to: one SPS, and every
// PPS that belongs to it.
type h264Active struct {
	sps h264SPS
	pps [][]byte
}

// active gives the sets that a slice with this PPS activates, false if one is missing.
func (s h264Sets) active(pps int) (h264Active, bool) {
	p, ok := s.pps[pps]
	if !ok {
		return h264Active{}, false
	}
	sps, ok := s.sps[p.sps]
	if !ok {
		return h264Active{}, false
	}
	a := h264Active{sps: sps}
	for _, id := range slices.Sorted(maps.Keys(s.pps)) {
		if s.pps[id].sps == p.sps {
			a.pps = append(a.pps, s.pps[id].unit)
		}
	}
	return a, true
}

// prefix gives the sets as they stand in front of a keyframe.
func (a h264Active) prefix() []byte {
	b := appendUnit(nil, a.sps.unit)
	for _, pps := range a.pps {
		b = appendUnit(b, pps)
	}
	return b
}

// record makes an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, section
// 5.3.3.1), which has room for 255 PPS.
func (a h264Active) record() []byte {
	sps := a.sps.unit
	b := []byte{1, sps[1], sps[2], sps[3], 0xff, 0xe1} // lengths of 4 bytes, one SPS
	b = appendSet(b, sps)
	pps := a.pps[:min(len(a.pps), 255)]
	b = append(b, byte(len(pps)))
	for _, p := range pps {
		b = appendSet(b, p)
	}
	switch a.sps.profile {
	case 100, 110, 122, 144, 244:
		b = append(b, 0xfc|byte(a.sps.chroma), 0xf8|byte(a.sps.lumaDepth), 0xf8|byte(a.sps.chromaDepth), 0)
	}
	return b
}

// parseH264SPS reads an SPS, false if it makes no sense.
func parseH264SPS(unit []byte) (h264SPS, bool) {
	r := &bitReader{data: unescape(unit[1:], len(unit))}
	s := h264SPS{unit: unit, profile: byte(r.bits(8)), chroma: 1}
	r.skip(16) // constraints and level
	s.id = r.ue()
	switch s.profile {
	case 44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244:
		s.parseHigh(r)
	}
	r.ue() // log2_max_frame_num_minus4
	skipH264Order(r)
	r.ue() // max_num_ref_frames
	r.skip(1)
	width, height := (r.ue()+1)*16, (r.ue()+1)*16
	framesOnly := r.flag()
	if !framesOnly {
		height *= 2
		r.skip(1)
	}
	r.skip(1)
	if r.flag() {
		x, y := s.cropUnits(framesOnly)
		width -= (r.ue() + r.ue()) * x
		height -= (r.ue() + r.ue()) * y
	}
	s.width, s.height = width, height
	sane := s.id < 32 && s.chroma < 4 && s.lumaDepth < 7 && s.chromaDepth < 7
	fits := s.width > 0 && s.width < maxPixels && s.height > 0 && s.height < maxPixels
	return s, sane && fits && !r.short && len(unit) >= 4
}

// parseHigh reads what only the high profiles have.
func (s *h264SPS) parseHigh(r *bitReader) {
	s.chroma = r.ue()
	if s.chroma == 3 {
		r.skip(1)
	}
	s.lumaDepth, s.chromaDepth = r.ue(), r.ue()
	r.skip(1)
	if !r.flag() {
		return
	}
	lists := 8
	if s.chroma == 3 {
		lists = 12
	}
	for i := range lists {
		if !r.flag() {
			continue
		}
		size := 16
		if i >= 6 {
			size = 64
		}
		skipH264ScalingList(r, size)
	}
}

// skipH264ScalingList passes over a list (H.264, section 7.3.2.1.1.1).
func skipH264ScalingList(r *bitReader, size int) {
	last, next := 8, 8
	for range size {
		if next != 0 {
			next = (last + r.se()) & 0xff
		}
		if next != 0 {
			last = next
		}
	}
}

// skipH264Order passes over what is said of the picture order count.
func skipH264Order(r *bitReader) {
	switch r.ue() {
	case 0:
		r.ue()
	case 1:
		r.skip(1)
		r.se()
		r.se()
		for n := r.ue(); n > 0 && !r.short; n-- {
			r.se()
		}
	}
}

// cropUnits gives the units of the cropping offsets in pixels (H.264,
// equations 7-19 to 7-22).
func (s *h264SPS) cropUnits(framesOnly bool) (x, y int) {
	x, y = 1, 1
	if s.chroma == 1 || s.chroma == 2 {
		x = 2
	}
	if s.chroma == 1 {
		y = 2
	}
	if !framesOnly {
		y *= 2
	}
	return x, y
}
