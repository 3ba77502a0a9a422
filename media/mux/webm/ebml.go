package webm

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Element ids (RFC 8794, section 11.2; RFC 9559, section 5.1).
const (
	idEBML               = 0x1A45DFA3
	idEBMLVersion        = 0x4286
	idEBMLReadVersion    = 0x42F7
	idEBMLMaxIDLength    = 0x42F2
	idEBMLMaxSizeLength  = 0x42F3
	idDocType            = 0x4282
	idDocTypeVersion     = 0x4287
	idDocTypeReadVersion = 0x4285
	idVoid               = 0xEC

	idSegment      = 0x18538067
	idSeekHead     = 0x114D9B74
	idSeek         = 0x4DBB
	idSeekID       = 0x53AB
	idSeekPosition = 0x53AC

	idInfo           = 0x1549A966
	idTimestampScale = 0x2AD7B1
	idDuration       = 0x4489
	idDateUTC        = 0x4461
	idMuxingApp      = 0x4D80
	idWritingApp     = 0x5741

	idTracks            = 0x1654AE6B
	idTrackEntry        = 0xAE
	idTrackNumber       = 0xD7
	idTrackUID          = 0x73C5
	idTrackType         = 0x83
	idFlagLacing        = 0x9C
	idLanguage          = 0x22B59C
	idName              = 0x536E
	idCodecID           = 0x86
	idCodecPrivate      = 0x63A2
	idCodecDelay        = 0x56AA
	idSeekPreRoll       = 0x56BB
	idVideo             = 0xE0
	idPixelWidth        = 0xB0
	idPixelHeight       = 0xBA
	idAudio             = 0xE1
	idSamplingFrequency = 0xB5
	idChannels          = 0x9F

	idCluster     = 0x1F43B675
	idTimestamp   = 0xE7
	idSimpleBlock = 0xA3

	idCues                = 0x1C53BB6B
	idCuePoint            = 0xBB
	idCueTime             = 0xB3
	idCueTrackPositions   = 0xB7
	idCueTrack            = 0xF7
	idCueClusterPosition  = 0xF1
	idCueRelativePosition = 0xF0
)

const unknownSize = 1<<56 - 1 // in eight bytes (RFC 8794, section 6.2)

func appendID(b []byte, id uint32) []byte {
	for n := (bits.Len32(id) + 7) / 8; n > 0; n-- {
		b = append(b, byte(id>>(8*(n-1))))
	}
	return b
}

// sizeLen is how many bytes appendSize takes for n. A size with all its bits
// set would mean unknown.
func sizeLen(n int) int {
	return bits.Len64(uint64(n)+1)/7 + min(bits.Len64(uint64(n)+1)%7, 1)
}

func appendSize(b []byte, n int) []byte { return appendSizeIn(b, uint64(n), sizeLen(n)) }

// appendSizeIn appends n as a variable-size integer of width bytes
// (RFC 8794, section 4).
func appendSizeIn(b []byte, n uint64, width int) []byte {
	n |= 1 << (7 * width)
	for i := width - 1; i >= 0; i-- {
		b = append(b, byte(n>>(8*i)))
	}
	return b
}

func appendBytes(b []byte, id uint32, body []byte) []byte {
	b = appendSize(appendID(b, id), len(body))
	return append(b, body...)
}

func appendString(b []byte, id uint32, s string) []byte { return appendBytes(b, id, []byte(s)) }

func appendUint(b []byte, id uint32, v uint64) []byte {
	return appendUintIn(b, id, v, max(1, (bits.Len64(v)+7)/8))
}

// appendUintIn appends v in width bytes, for elements that are overwritten
// with other values later.
func appendUintIn(b []byte, id uint32, v uint64, width int) []byte {
	b = appendSize(appendID(b, id), width)
	for i := width - 1; i >= 0; i-- {
		b = append(b, byte(v>>(8*i)))
	}
	return b
}

func appendFloat(b []byte, id uint32, v float64) []byte {
	return appendUintIn(b, id, math.Float64bits(v), 8)
}

// appendVoid appends a Void element of n bytes in all, 9 at least.
func appendVoid(b []byte, n int) []byte {
	b = appendSizeIn(append(b, idVoid), uint64(n-9), 8)
	return append(b, make([]byte, n-9)...)
}

// element is the header of one element.
type element struct {
	id   uint32
	head int   // bytes of id and size
	size int64 // bytes of the body; -1 is unknown
}

// maxElementHead is the longest header that readElement takes.
const maxElementHead = 4 + 8

// readElement reads the element header at the front of b. It says false if
// there is none.
func readElement(b []byte) (element, bool) {
	if len(b) == 0 || b[0] < 0x10 {
		return element{}, false
	}
	idLen := bits.LeadingZeros8(b[0]) + 1
	if len(b) <= idLen || b[idLen] == 0 {
		return element{}, false
	}
	width := bits.LeadingZeros8(b[idLen]) + 1
	if len(b) < idLen+width {
		return element{}, false
	}
	e := element{head: idLen + width}
	e.id = uint32(readUint(b[:idLen]))
	size := readUint(b[idLen:e.head]) &^ (1 << (7 * width))
	e.size = int64(size)
	if size == 1<<(7*width)-1 {
		e.size = -1
	}
	return e, true
}

// readUint reads a big-endian integer of at most eight bytes.
func readUint(b []byte) uint64 {
	var w [8]byte
	copy(w[8-min(len(b), 8):], b)
	return binary.BigEndian.Uint64(w[:])
}
