package depacket

import (
	"encoding/binary"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// maxOpusPacket is the longest duration of one packet (RFC 6716, section 3.2.5).
const maxOpusPacket = 120 * time.Millisecond

// maxOpusFrame is the size of the longest frame (RFC 6716, section 3.2.1).
const maxOpusFrame = 1275

// opus takes each payload for one frame (RFC 7587, section 4.2).
type opus struct {
	private []byte
	missing bool
}

func newOpus(f media.Format) (media.Depacketizer, error) {
	channels := f.Channels
	if channels == 0 {
		channels = 2 // RFC 7587, section 4.1: the rtpmap always says two
	}
	if channels > 2 {
		return nil, reelvault.Errorf(reelvault.Unsupported, "opus with %d channels has no mapping of its own", channels)
	}
	return &opus{private: opusHead(byte(channels))}, nil
}

// opusHead makes an identification header (RFC 7845, section 5.1). Its
// pre-skip is zero: the encoder's delay lies in the past of a capture that
// starts in the middle of a call, and cutting samples off the front of it
// would move the audio ahead of the video.
func opusHead(channels byte) []byte {
	b := append([]byte("OpusHead"), 1, channels, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, 48000)
	return append(b, 0, 0, 0) // gain, and mapping family 0: mono or stereo
}

// Push implements media.Depacketizer.
func (o *opus) Push(p *media.Packet, lost int) []media.Frame {
	o.missing = o.missing || lost > 0
	if len(p.Payload) == 0 {
		return nil
	}
	duration, ok := opusDuration(p.Payload)
	if !ok {
		o.missing = true
		return nil
	}
	f := media.Frame{
		Timestamp: p.Timestamp,
		Data:      p.Payload,
		Key:       true,
		AfterLoss: o.missing,
		Duration:  duration,
		Private:   o.private,
	}
	o.missing = false
	return []media.Frame{f}
}

// NeedKeyframe implements media.Depacketizer.
func (o *opus) NeedKeyframe() bool { return false }

// Reset implements media.Depacketizer.
func (o *opus) Reset() { o.missing = false }

// opusDuration gives the length of a packet, and false if the packet breaks
// one of the rules R1 to R7 of RFC 6716, section 3.4.
func opusDuration(b []byte) (time.Duration, bool) {
	frame := opusFrameDuration(b[0] >> 3)
	rest := b[1:]
	switch b[0] & 3 {
	case 0:
		return frame, len(rest) <= maxOpusFrame
	case 1:
		return 2 * frame, len(rest)%2 == 0 && len(rest)/2 <= maxOpusFrame
	case 2:
		first, n, ok := opusLength(rest)
		second := len(rest) - n - first
		return 2 * frame, ok && second >= 0 && second <= maxOpusFrame
	default:
		count, ok := opusFrameCount(rest)
		d := time.Duration(count) * frame
		return d, ok && d <= maxOpusPacket
	}
}

// opusFrameDuration reads the table of configurations (RFC 6716, section 3.1).
func opusFrameDuration(config byte) time.Duration {
	switch {
	case config < 12: // SILK
		return [...]time.Duration{10, 20, 40, 60}[config%4] * time.Millisecond
	case config < 16: // hybrid
		return [...]time.Duration{10, 20}[config%2] * time.Millisecond
	default: // CELT
		return 2500 * time.Microsecond << (config % 4)
	}
}

// opusLength reads the length of a frame and says how many bytes it took
// (RFC 6716, section 3.2.1).
func opusLength(b []byte) (length, n int, ok bool) {
	switch {
	case len(b) == 0:
		return 0, 0, false
	case b[0] < 252:
		return int(b[0]), 1, true
	case len(b) == 1:
		return 0, 0, false
	default:
		return int(b[0]) + 4*int(b[1]), 2, true
	}
}

// opusFrameCount checks what follows the TOC byte of a code 3 packet and says
// how many frames it has (RFC 6716, section 3.2.5).
func opusFrameCount(b []byte) (int, bool) {
	if len(b) == 0 {
		return 0, false
	}
	count, padded, variable := int(b[0]&0x3f), b[0]&0x40 != 0, b[0]&0x80 != 0
	b, ok := opusUnpad(b[1:], padded)
	if !ok || count == 0 {
		return 0, false
	}
	if !variable {
		return count, len(b)%count == 0 && len(b)/count <= maxOpusFrame
	}
	sum := 0 // of all frames but the last, whose length is what remains
	for range count - 1 {
		length, n, ok := opusLength(b)
		if !ok {
			return 0, false
		}
		b = b[n:]
		sum += length
	}
	last := len(b) - sum
	return count, last >= 0 && last <= maxOpusFrame
}

// opusUnpad takes the padding and its length off.
func opusUnpad(b []byte, padded bool) ([]byte, bool) {
	padding := 0
	for padded {
		if len(b) == 0 {
			return nil, false
		}
		padding += int(b[0])
		padded = b[0] == 255 // which stands for 254 bytes and another length
		if padded {
			padding--
		}
		b = b[1:]
	}
	if padding > len(b) {
		return nil, false
	}
	return b[:len(b)-padding], true
}
