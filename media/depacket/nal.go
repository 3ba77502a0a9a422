package depacket

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
)

// maxParameterSet bounds one parameter set. Real ones have tens of bytes,
// those with every scaling list spelled out some hundreds.
const maxParameterSet = 4 << 10

// setKinds is a set of kinds of parameter sets, a bit for each.
type setKinds uint8

// with adds the kind of a NAL unit type whose kinds begin at first.
func (k setKinds) with(kind, first byte) setKinds { return k | 1<<(kind-first) }

// accessUnit gathers the NAL units of one picture, each behind its length. Its
// memory serves all pictures.
type accessUnit struct {
	sets     []byte   // parameter sets that came with it
	data     []byte   // the other units
	fragment []byte   // the fragmented unit that came last, as far as it has
	begun    bool     // it goes on
	slices   bool     // there is one
	start    bool     // and the first is the picture's first
	key      bool     // decoding can start here
	pps      int      // of the first slice
	renewed  setKinds // those that came with it
}

// aggregated takes the first unit off an aggregation packet (RFC 6184, section
// 5.7.1; RFC 7798, section 4.4.2); false if it is empty or cut off.
func aggregated(b []byte) (unit, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	size := int(binary.BigEndian.Uint16(b))
	b = b[2:]
	if size == 0 || size > len(b) {
		return nil, nil, false
	}
	return b[:size], b[size:], true
}

// join adds a fragment to the fragmented unit. With the last one it gives the
// whole unit. False: the fragment does not fit where it is.
func (a *accessUnit) join(fuHeader byte, header, payload []byte) ([]byte, bool) {
	start, end := fuHeader&0x80 != 0, fuHeader&0x40 != 0
	if start == a.begun {
		a.begun = false
		return nil, false
	}
	if start {
		a.fragment = append(a.fragment[:0], header...)
	}
	a.fragment = append(a.fragment, payload...)
	a.begun = !end
	if a.begun {
		return nil, true
	}
	return a.fragment, true
}

// cleared gives an empty access unit in the same memory.
func (a *accessUnit) cleared() accessUnit {
	return accessUnit{sets: a.sets[:0], data: a.data[:0], fragment: a.fragment[:0]}
}

// whole says that nothing of the picture is missing. renews are the kinds of
// parameter sets that the sender puts in front of its keyframes: after a hole
// a keyframe is whole only with all of them, for they may have changed.
func (a *accessUnit) whole(h hole, renews setKinds) bool {
	if h.broken() || a.begun || !a.slices || !a.start {
		return false
	}
	return h.before == 0 || !a.key || a.renewed&renews == renews
}

// appendUnit appends a NAL unit behind its length.
func appendUnit(b, unit []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(unit)))
	return append(b, unit...)
}

// appendSet appends a parameter set as the configuration records hold it.
func appendSet(b, unit []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(unit)))
	return append(b, unit...)
}

// unescape takes the emulation prevention bytes out of at most the first n
// bytes of a NAL unit (H.264, section 7.4.1; H.265, section 7.4.2).
func unescape(unit []byte, n int) []byte {
	raw := make([]byte, 0, min(len(unit), n))
	zeros := 0
	for _, c := range unit[:min(len(unit), n)] {
		if zeros >= 2 && c == 3 {
			zeros = 0
			continue
		}
		zeros++
		if c != 0 {
			zeros = 0
		}
		raw = append(raw, c)
	}
	return raw
}

// spropUnits decodes the parameter sets of one format parameter. What cannot
// be decoded is passed over: the same sets will come in band.
func spropUnits(fmtp, name string) [][]byte {
	var units [][]byte
	for text := range strings.SplitSeq(parameter(fmtp, name), ",") {
		if unit, err := base64.StdEncoding.DecodeString(text); err == nil && len(unit) > 0 {
			units = append(units, unit)
		}
	}
	return units
}
