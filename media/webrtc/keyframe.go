package webrtc

import "github.com/reelvault/reelvault"

// startsKeyframe says whether a payload looks like the start of a keyframe.
// It serves to start a watcher at a picture and to notice that a request was
// answered; what is recorded is decided by the depacketizers.
func startsKeyframe(c reelvault.Codec, b []byte) bool {
	switch c {
	case reelvault.VP8:
		return vp8Keyframe(b)
	case reelvault.VP9:
		// RFC 9628, section 4.2: not inter-predicted, begin of a frame, lowest layer.
		return len(b) > 0 && b[0]&0x40 == 0 && b[0]&0x08 != 0 && (b[0]&0x20 == 0 || vp9BaseLayer(b))
	case reelvault.H264:
		return h264Keyframe(b)
	case reelvault.H265:
		return h265Keyframe(b)
	case reelvault.AV1:
		// RTP Payload Format For AV1, section 4.4: N is set on the first
		// packet of a coded video sequence.
		return len(b) > 0 && b[0]&0x08 != 0
	default:
		return false
	}
}

// vp8Keyframe reads the payload descriptor (RFC 7741, section 4.2): start of
// the first partition, then the inverse key frame flag.
func vp8Keyframe(b []byte) bool {
	if len(b) < 1 || b[0]&0x17 != 0x10 {
		return false
	}
	n := 1
	if b[0]&0x80 != 0 {
		if len(b) < 2 {
			return false
		}
		flags := b[1]
		n++
		if flags&0x80 != 0 { // picture id, of one byte or two
			if len(b) <= n {
				return false
			}
			n += 1 + int(b[n]>>7)
		}
		if flags&0x40 != 0 {
			n++
		}
		if flags&0x30 != 0 {
			n++
		}
	}
	return len(b) > n && b[n]&1 == 0
}

// vp9BaseLayer says whether the layer indices name spatial layer 0.
func vp9BaseLayer(b []byte) bool {
	n := 1
	if b[0]&0x80 != 0 {
		if len(b) < 2 {
			return false
		}
		n += 1 + int(b[1]>>7)
	}
	return len(b) > n && b[n]&0x0e == 0
}

// h264Keyframe finds an IDR slice or a parameter set, which goes in front of
// one, alone, aggregated or as the first fragment (RFC 6184, section 5.2).
func h264Keyframe(b []byte) bool {
	const idr, sps, stapA, fuA = 5, 7, 24, 28
	if len(b) < 2 {
		return false
	}
	kind := b[0] & 0x1f
	switch kind {
	case stapA:
		for b = b[1:]; len(b) > 2; {
			if k := b[2] & 0x1f; k == idr || k == sps {
				return true
			}
			size := 2 + int(b[0])<<8 + int(b[1])
			if size > len(b) {
				return false
			}
			b = b[size:]
		}
		return false
	case fuA:
		return b[1]&0x80 != 0 && (b[1]&0x1f == idr || b[1]&0x1f == sps)
	default:
		return kind == idr || kind == sps
	}
}

// h265Keyframe does the same for RFC 7798, section 4.4.
func h265Keyframe(b []byte) bool {
	const firstIRAP, lastIRAP, vps, sps, aggregate, fragment = 16, 23, 32, 33, 48, 49
	if len(b) < 3 {
		return false
	}
	key := func(kind byte) bool { return kind >= firstIRAP && kind <= lastIRAP || kind == vps || kind == sps }
	switch kind := b[0] >> 1 & 0x3f; kind {
	case aggregate:
		for b = b[2:]; len(b) > 2; {
			if key(b[2] >> 1 & 0x3f) {
				return true
			}
			size := 2 + int(b[0])<<8 + int(b[1])
			if size > len(b) {
				return false
			}
			b = b[size:]
		}
		return false
	case fragment:
		return b[2]&0x80 != 0 && key(b[2]&0x3f)
	default:
		return key(kind)
	}
}
