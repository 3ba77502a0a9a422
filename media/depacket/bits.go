package depacket

import "math/bits"

// bitReader reads big-endian bit fields. Reading past the end gives zeros and
// sets short, which callers check once, when they have read everything.
type bitReader struct {
	data  []byte
	pos   int // in bits
	short bool
}

// bits reads n bits, at most 32.
func (r *bitReader) bits(n int) uint32 {
	if r.pos+n > 8*len(r.data) {
		r.pos = 8 * len(r.data)
		r.short = true
		return 0
	}
	var v uint64
	for range n {
		v = v<<1 | uint64(r.data[r.pos/8]>>(7-r.pos%8)&1)
		r.pos++
	}
	return uint32(v)
}

// flag reads one bit.
func (r *bitReader) flag() bool { return r.bits(1) == 1 }

// skip passes over n bits.
func (r *bitReader) skip(n int) {
	for ; n > 32; n -= 32 {
		r.bits(32)
	}
	r.bits(n)
}

// zeros reads bits up to and with the next one that is set, and gives how many
// were not; at most limit, beyond which the data makes no sense.
func (r *bitReader) zeros(limit int) int {
	n := 0
	for !r.flag() {
		if r.short || n == limit {
			r.short = true
			return 0
		}
		n++
	}
	return n
}

// ue reads an unsigned Exp-Golomb number (H.264, section 9.1).
func (r *bitReader) ue() int {
	n := r.zeros(31)
	return 1<<n - 1 + int(r.bits(n))
}

// se reads a signed Exp-Golomb number (H.264, section 9.1.1).
func (r *bitReader) se() int {
	v := r.ue()
	if v%2 == 0 {
		return -v / 2
	}
	return v/2 + 1
}

// leb128 reads a number of 7 bits a byte (AV1, section 4.10.5) and says how
// long it is; zero if it is cut off or above 32 bits.
func leb128(b []byte) (value, n int) {
	var v uint64
	for i, c := range b[:min(len(b), 8)] {
		v |= uint64(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			if bits.Len64(v) > 32 {
				return 0, 0
			}
			return int(v), i + 1
		}
	}
	return 0, 0
}

// appendLEB128 is the reverse of leb128.
func appendLEB128(b []byte, v int) []byte {
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}
