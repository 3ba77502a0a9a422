// Package depacket turns the RTP packets of one track into whole frames.
//
// A jitter buffer stands in front: packets come in sequence order, each with
// the number of packets right before it that never came. For video an
// assembler gathers the packets of one timestamp into a picture; a codec knows
// how to read a payload, whether the picture is whole, and which others it
// needs.
//
// What comes out can be decoded: no half frame, no frame whose references may
// be missing, no bytes that were not sent. After a loss everything is dropped
// until the next keyframe, except where the stream itself proves that a frame
// can do without what was lost: VP8 and VP9 number their pictures and tell
// their temporal and spatial layers, VP8 and H.264 mark pictures that nothing
// refers to. What makes no sense counts as lost.
package depacket

import (
	"strings"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// New gives a depacketizer for the format f. An error is of kind Unsupported:
// there is none for the codec, or not for what f's parameters ask of it.
func New(f media.Format) (media.Depacketizer, error) {
	switch f.Codec {
	case reelvault.Opus:
		return newOpus(f)
	case reelvault.PCMU, reelvault.PCMA:
		return newG711(f)
	case reelvault.VP8:
		return newAssembler(&vp8{}), nil
	case reelvault.VP9:
		return newAssembler(&vp9{}), nil
	case reelvault.H264:
		return newH264(f)
	case reelvault.H265:
		return newH265(f)
	case reelvault.AV1:
		return newAssembler(&av1{}), nil
	default:
		return nil, reelvault.Errorf(reelvault.Unsupported, "no depacketizer for codec %q", f.Codec)
	}
}

// parameter gives the value of one format parameter, or an empty string.
// Names are compared without case (RFC 8866, section 6.15, leaves their form
// to the payload formats; those of ours are all plain tokens).
func parameter(fmtp, name string) string {
	for part := range strings.SplitSeq(fmtp, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}
