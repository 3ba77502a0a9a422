// Package wav writes WAVE files of G.711 as it came, one party a channel,
// while the media comes in, and mends what a crash left of such a file.
//
// A file is a head of HeadSize bytes, then samples:
//
//	RIFF size WAVE
//	fmt   format 7 (mu-law) or 6 (A-law), 1 or 2 channels, 8,000 samples a second
//	fact  samples a channel
//	data  one octet a sample, interleaved: left, right, left, right
//
// The head is rewritten in place when the file is closed. Until then its
// sizes are 0xFFFFFFFF and it counts no samples, which players take for a file
// that goes on to its end: what is there plays, and is as long as it is, while
// the rest comes in, and after a crash.
//
// Both channels share one clock, so a sample's place says when it was heard.
// A Writer therefore takes samples by their time, in any order, holds them
// back until Flush, and puts the law's silence where nothing came. The file
// ends with the last sample that came: silence is written only when something
// follows it.
//
// Recover needs no index: what is in the file are samples, up to the last
// byte that was written.
package wav

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/reelvault/reelvault"
)

const (
	// HeadSize is the size of a file's head in bytes.
	HeadSize = 58

	// Rate is how many samples a channel has a second.
	Rate = 8000

	// MaxSize is the largest file in bytes: its sizes have 32 bits, the highest
	// of which stands for a file that is not finished, and a chunk is even.
	MaxSize = 1<<32 - 2

	sampleTime = time.Second / Rate
	unfinished = 1<<32 - 1
	fmtSize    = 18 // with the size of an extension, which every other format than PCM has
)

// law is one of G.711's two encodings.
type law struct {
	codec   reelvault.Codec
	format  uint16 // RFC 2361, appendix A
	silence byte   // the code of zero, or of what is next to it
}

var laws = [...]law{
	{reelvault.PCMU, 7, 0xff},
	{reelvault.PCMA, 6, 0xd5},
}

// head makes a file's head. Sizes are in bytes but for samples, which counts
// those of one channel.
func (l law) head(channels int, riff, samples, data uint32) []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, HeadSize)
	b = le.AppendUint32(append(b, "RIFF"...), riff)
	b = le.AppendUint32(append(b, "WAVEfmt "...), fmtSize)
	b = le.AppendUint16(b, l.format)
	b = le.AppendUint16(b, uint16(channels))
	b = le.AppendUint32(b, Rate)
	b = le.AppendUint32(b, Rate*uint32(channels)) // bytes a second
	b = le.AppendUint16(b, uint16(channels))      // bytes a sample of all channels
	b = le.AppendUint16(b, 8)                     // bits a sample of one
	b = le.AppendUint16(b, 0)                     // bytes of extension
	b = le.AppendUint32(append(b, "fact"...), 4)
	b = le.AppendUint32(b, samples)
	return le.AppendUint32(append(b, "data"...), data)
}

// open makes the head of a file that is being written.
func (l law) open(channels int) []byte { return l.head(channels, unfinished, 0, unfinished) }

// whole makes the head of a finished file of size bytes, which must be even
// and hold whole samples.
func (l law) whole(channels int, size int64) []byte {
	data := size - HeadSize
	return l.head(channels, uint32(size-8), uint32(data/int64(channels)), uint32(data))
}

// parse reads what kind of file a head begins.
func parse(b []byte) (law, int, error) {
	const formatAt, channelsAt, riffAt, factAt, dataAt = 20, 22, 4, 46, 54
	channels := int(binary.LittleEndian.Uint16(b[channelsAt:]))
	for _, l := range laws {
		if binary.LittleEndian.Uint16(b[formatAt:]) != l.format || channels < 1 || channels > 2 {
			continue
		}
		want := l.head(channels, binary.LittleEndian.Uint32(b[riffAt:]), binary.LittleEndian.Uint32(b[factAt:]), binary.LittleEndian.Uint32(b[dataAt:]))
		if bytes.Equal(b, want) {
			return l, channels, nil
		}
	}
	return law{}, 0, reelvault.Errorf(reelvault.Invalid, "the file does not begin with the head of a G.711 WAVE file")
}

// duration is how long so many samples of one channel play.
func duration(samples int64) time.Duration { return time.Duration(samples) * sampleTime }
