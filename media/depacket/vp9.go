package depacket

import (
	"bytes"
	"encoding/binary"

	"github.com/reelvault/reelvault/media"
)

// maxSpatial is how many spatial layers the payload descriptor can tell apart.
const maxSpatial = 8

// maxReach is how far back a picture can refer, in pictures: P_DIFF has 7 bits.
const maxReach = 128

// vp9Layer says what of one spatial layer has been given without a hole since
// the last keyframe.
type vp9Layer struct {
	base  bool // its base temporal layer
	upper bool // all of it
}

// vp9Picture is a picture that was given, as a reference.
type vp9Picture struct {
	id     counter
	layers uint8 // a bit for each spatial layer
}

// vp9Frame is one layer frame of the picture being gathered.
type vp9Frame struct {
	vp9Descriptor
	from   int    // where it begins in the picture's data
	data   []byte // set when the picture ends
	broken bool
	ended  bool
}

// vp9 knows RFC 9628. A picture is all layer frames of one time; what can be
// decoded of it becomes one superframe. A layer frame refers to the layer
// below in the same picture, and to its own layer in other pictures: which
// these are the descriptor says (flexible mode), or TL0PICIDX lets conclude.
type vp9 struct {
	in     vp9Descriptor // what parse read last
	first  vp9Descriptor // of the picture
	frames []vp9Frame    // of the picture, by spatial layer
	data   []byte        // of the picture; its memory serves all pictures
	open   bool          // the picture has a packet

	id     counter // of the latest picture
	base   uint8   // TL0PICIDX of the latest picture of the base temporal layer
	lossy  bool    // something is missing since the last keyframe
	top    int     // highest spatial layer since the last whole keyframe
	layers [maxSpatial]vp9Layer
	refs   [maxReach]vp9Picture // by picture ID
}

// reset implements codec.
func (v *vp9) reset() { *v = vp9{lossy: true} }

// parse implements codec.
func (v *vp9) parse(b []byte) bool {
	d, ok := parseVP9Descriptor(b)
	if ok {
		v.in = d
	}
	return ok
}

// add implements codec.
func (v *vp9) add(afterHole bool) bool {
	if !v.open {
		v.open = true
		v.first = v.in
	}
	var last *vp9Frame
	if len(v.frames) > 0 {
		last = &v.frames[len(v.frames)-1]
		last.broken = last.broken || !last.ended && (afterHole || v.in.start)
	}
	if v.in.id != v.first.id || v.in.temporal != v.first.temporal {
		return false
	}
	if v.in.start {
		if last != nil && v.in.spatial <= last.spatial {
			return false
		}
		v.frames = append(v.frames, vp9Frame{vp9Descriptor: v.in, from: len(v.data)})
		last = &v.frames[len(v.frames)-1]
	} else if last == nil || last.ended || last.broken || last.spatial != v.in.spatial {
		return false
	}
	v.data = append(v.data, v.in.payload...)
	last.ended = v.in.end
	return true
}

// finish implements codec.
func (v *vp9) finish(h hole, g *gate) (media.Frame, fate) {
	d, frames := v.first, v.split()
	if !d.id.follows(v.id, h.before) {
		v.lose(d, h.before)
		g.missing = true
	}
	v.id = d.id
	header := v.begin(frames, h)
	whole := frames[:0]
	var present, layers uint8
	for _, f := range frames {
		present |= 1 << f.spatial
		if v.decodable(f, layers) {
			layers |= 1 << f.spatial
			whole = append(whole, f)
		}
	}
	if h.broken() || h.before > 0 && (!d.start || d.spatial > 0) {
		present = 0xff // any layer may have had a frame in the hole
	}
	v.account(header.key || d.temporal == 0, layers, present&^layers)
	g.closed = v.closed()
	if layers == 0 {
		return media.Frame{}, dropped
	}
	f := media.Frame{Data: superframe(whole), Key: header.key, Width: header.width, Height: header.height}
	if top := whole[len(whole)-1].spatial; f.Key && top > 0 && d.sizes[top] != (vp9Size{}) {
		f.Width, f.Height = int(d.sizes[top].width), int(d.sizes[top].height)
	}
	return f, given
}

// split gives the layer frames of the picture, and makes ready for the next.
func (v *vp9) split() []vp9Frame {
	frames, end := v.frames, len(v.data)
	for i := len(frames) - 1; i >= 0; i-- {
		f := &frames[i]
		f.data = v.data[f.from:end]
		end = f.from
		// An index cannot stand inside a superframe.
		f.broken = f.broken || len(frames) > 1 && hasSuperframeIndex(f.data)
	}
	v.open, v.frames, v.data = false, v.frames[:0], v.data[:0]
	return frames
}

// begin starts anew if the picture's first layer frame is a keyframe, and gives its header.
func (v *vp9) begin(frames []vp9Frame, h hole) vp9Header {
	for _, f := range frames {
		v.top = max(v.top, f.spatial)
	}
	if len(frames) == 0 || frames[0].spatial > 0 || !frames[0].whole() {
		return vp9Header{}
	}
	header := parseVP9Header(frames[0].data)
	if !header.key {
		return vp9Header{}
	}
	if !h.broken() {
		v.top = frames[len(frames)-1].spatial
	}
	v.lossy = false
	v.refs = [maxReach]vp9Picture{}
	for i := range v.layers {
		v.layers[i] = vp9Layer{base: true, upper: true}
	}
	return header
}

// lose notes that n packets of other pictures before d are missing.
func (v *vp9) lose(d vp9Descriptor, n int) {
	v.lossy = true
	expected := v.base
	if d.temporal == 0 {
		expected++
	}
	proved := d.layered && d.base == expected && n <= maxProvable
	for i := range v.layers {
		v.layers[i] = vp9Layer{base: proved && v.layers[i].base}
	}
}

// account notes which layers of the picture were given and which are missing,
// a bit for each. base says that it belongs to the base temporal layer.
func (v *vp9) account(base bool, layers, missing uint8) {
	d := v.first
	if base {
		v.base = d.base
	}
	v.lossy = v.lossy || missing != 0
	for i := range v.layers {
		l := &v.layers[i]
		if missing>>i&1 == 1 {
			l.upper = false
			l.base = l.base && !base
		}
		if layers>>i&1 == 1 && base && d.switchUp {
			l.upper = l.base // later pictures need none of the upper ones before
		}
	}
	if d.id.known {
		v.refs[d.id.value%maxReach] = vp9Picture{id: d.id, layers: layers}
	}
}

// closed says whether frames of any layer are being dropped.
func (v *vp9) closed() bool {
	for _, l := range v.layers[:v.top+1] {
		if !l.upper || !l.base {
			return true
		}
	}
	return false
}

// decodable says whether f is whole and so is what it refers to. below has a
// bit for each layer of the picture that is.
func (v *vp9) decodable(f vp9Frame, below uint8) bool {
	if !f.whole() {
		return false
	}
	h := parseVP9Header(f.data)
	if !h.ok || h.key && f.spatial > 0 {
		return false // a keyframe there would wipe out the layers below
	}
	if f.needsBelow && f.spatial > 0 && below>>(f.spatial-1)&1 == 0 {
		return false
	}
	// Without error resilience a frame also needs the probabilities that the
	// frames before it left behind (VP9, section 7.2), references or not.
	if v.lossy && !h.resilient {
		return false
	}
	l := v.layers[f.spatial]
	switch {
	case l.base && l.upper:
		return true
	case !f.inter:
		return f.needsBelow && f.spatial > 0
	case f.flexible:
		return v.haveRefs(f)
	default:
		return l.base && f.temporal == 0
	}
}

// haveRefs says whether every picture that f refers to was given in f's layer.
func (v *vp9) haveRefs(f vp9Frame) bool {
	for _, diff := range f.diffs[:f.refs] {
		id := f.id
		id.value = (id.value - uint16(diff)) & id.mask
		ref := v.refs[id.value%maxReach]
		if ref.id != id || ref.layers>>f.spatial&1 == 0 {
			return false
		}
	}
	return true
}

// whole says that every byte of the layer frame is there.
func (f vp9Frame) whole() bool { return f.ended && !f.broken }

// vp9Header is the start of the uncompressed header (VP9, section 6.2).
type vp9Header struct {
	ok            bool
	key           bool
	resilient     bool
	width, height int // of a keyframe
}

// parseVP9Header reads the header of a frame.
func parseVP9Header(b []byte) vp9Header {
	r := bitReader{data: b}
	if r.bits(2) != 2 {
		return vp9Header{}
	}
	profile := r.bits(1) | r.bits(1)<<1
	if profile == 3 {
		r.skip(1)
	}
	if r.flag() { // show_existing_frame: nothing but its number follows
		return vp9Header{ok: !r.short}
	}
	h := vp9Header{key: !r.flag()}
	r.skip(1)
	h.resilient = r.flag()
	if h.key {
		if r.bits(24) != 0x498342 {
			return vp9Header{}
		}
		skipVP9Color(&r, profile)
		h.width = int(r.bits(16)) + 1
		h.height = int(r.bits(16)) + 1
	}
	h.ok = !r.short
	return h
}

// skipVP9Color passes over the colour configuration (VP9, section 6.2.2).
func skipVP9Color(r *bitReader, profile uint32) {
	const rgb = 7
	if profile >= 2 {
		r.skip(1)
	}
	if r.bits(3) != rgb {
		r.skip(1)
		if profile&1 == 1 {
			r.skip(3)
		}
	} else if profile&1 == 1 {
		r.skip(1)
	}
}

// superframe joins layer frames into one block (VP9, annex B).
func superframe(frames []vp9Frame) []byte {
	if len(frames) == 1 {
		return bytes.Clone(frames[0].data)
	}
	const sizeBytes = 4
	var data []byte
	marker := byte(0xc0 | (sizeBytes-1)<<3 | (len(frames) - 1))
	index := []byte{marker}
	for _, f := range frames {
		data = append(data, f.data...)
		index = binary.LittleEndian.AppendUint32(index, uint32(len(f.data)))
	}
	return append(append(data, index...), marker)
}

// hasSuperframeIndex says whether b ends with the index of a superframe.
func hasSuperframeIndex(b []byte) bool {
	last := b[len(b)-1]
	size := 2 + (int(last>>3&3)+1)*(int(last&7)+1)
	return last>>5 == 6 && size <= len(b) && b[len(b)-size] == last
}
