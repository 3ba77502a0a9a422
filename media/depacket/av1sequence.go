package depacket

// av1Sequence is what is needed of a sequence header (AV1, section 5.5.1).
type av1Sequence struct {
	obu           []byte // as it stands in the frame
	profile       uint32
	reduced       bool // reduced_still_picture_header
	level         uint32
	tier          uint32
	width, height int
	colour        av1Colour
}

// av1Colour is what is needed of the colour configuration (AV1, section 5.5.2).
type av1Colour struct {
	high, twelve   bool // bit depth
	monochrome     bool
	subX, subY     bool
	samplePosition uint32
}

// record makes an AV1CodecConfigurationRecord (AV1 in ISOBMFF, section 2.3).
func (s *av1Sequence) record() []byte {
	flags := byte(s.tier)<<7 | byte(s.colour.samplePosition)
	for i, set := range []bool{s.colour.high, s.colour.twelve, s.colour.monochrome, s.colour.subX, s.colour.subY} {
		if set {
			flags |= 0x40 >> i
		}
	}
	b := []byte{0x81, byte(s.profile)<<5 | byte(s.level), flags, 0}
	return append(b, s.obu...)
}

// parseAV1Sequence reads a sequence header, false if it makes no sense.
func parseAV1Sequence(b []byte) (av1Sequence, bool) {
	r := &bitReader{data: b}
	s := av1Sequence{profile: r.bits(3)}
	r.skip(1)
	s.reduced = r.flag()
	if s.reduced {
		s.level = r.bits(5)
	} else {
		s.parseOperatingPoints(r)
	}
	widthBits, heightBits := int(r.bits(4))+1, int(r.bits(4))+1
	s.width = int(r.bits(widthBits)) + 1
	s.height = int(r.bits(heightBits)) + 1
	if !s.reduced && r.flag() {
		r.skip(4 + 3) // frame ids
	}
	r.skip(3)
	if !s.reduced {
		skipAV1Tools(r)
	}
	r.skip(3)
	s.parseColour(r)
	return s, s.profile <= 2 && !r.short
}

// parseOperatingPoints reads up to the operating points, of which the first
// is the whole stream.
func (s *av1Sequence) parseOperatingPoints(r *bitReader) {
	delayBits := 0
	if r.flag() { // timing_info
		r.skip(32 + 32)
		if r.flag() {
			r.skip(r.zeros(31)) // uvlc
		}
		if r.flag() { // decoder_model_info
			delayBits = int(r.bits(5)) + 1
			r.skip(32 + 5 + 5)
		}
	}
	hasDisplayDelay := r.flag()
	points := int(r.bits(5)) + 1
	for i := range points {
		r.skip(12)
		level, tier := r.bits(5), uint32(0)
		if level > 7 {
			tier = r.bits(1)
		}
		if i == 0 {
			s.level, s.tier = level, tier
		}
		if delayBits > 0 && r.flag() {
			r.skip(2*delayBits + 1)
		}
		if hasDisplayDelay && r.flag() {
			r.skip(4)
		}
	}
}

// skipAV1Tools passes over the flags of the coding tools.
func skipAV1Tools(r *bitReader) {
	r.skip(4)
	hasOrder := r.flag()
	if hasOrder {
		r.skip(2)
	}
	screenContent := r.flag() // each frame chooses
	if !screenContent {
		screenContent = r.flag() // always on
	}
	if screenContent && !r.flag() {
		r.skip(1) // seq_force_integer_mv
	}
	if hasOrder {
		r.skip(3)
	}
}

// parseColour reads the colour configuration.
func (s *av1Sequence) parseColour(r *bitReader) {
	const bt709, srgb, identity = 1, 13, 0
	c := &s.colour
	c.high = r.flag()
	c.twelve = s.profile == 2 && c.high && r.flag()
	c.monochrome = s.profile != 1 && r.flag()
	rgb := false
	if r.flag() {
		primaries, transfer, matrix := r.bits(8), r.bits(8), r.bits(8)
		rgb = primaries == bt709 && transfer == srgb && matrix == identity
	}
	switch {
	case c.monochrome:
		r.skip(1)
		c.subX, c.subY = true, true
		return
	case rgb:
		return
	}
	r.skip(1)
	switch {
	case s.profile == 0:
		c.subX, c.subY = true, true
	case s.profile == 2 && c.twelve:
		c.subX = r.flag()
		c.subY = c.subX && r.flag()
	case s.profile == 2:
		c.subX = true
	}
	if c.subX && c.subY {
		c.samplePosition = r.bits(2)
	}
}
