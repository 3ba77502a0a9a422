// Package webm writes WebM and Matroska (RFC 9559) while the media comes in,
// and mends what a crash left of such a file.
//
// A file is a head of HeadSize bytes, then clusters, then cues:
//
//	head: EBML header, Segment, SeekHead, Info, Tracks, Void
//	cluster, at most 500 ms and about 4 MiB, of known size, in one Append
//	...
//	cues, when the file is closed
//
// The head is rewritten in place when a track appears or changes and when the
// file is closed: until then it has no duration, no way to the cues and a
// Segment of unknown size. What Close changes lies in the first 512 bytes, so
// that one disk sector holds the old or the new, and a file cut at any byte
// after its head still plays to the last whole cluster.
//
// Inside a cluster blocks are sorted by time, audio before video. A track may
// run behind another: its blocks then stand in a later cluster with negative
// times relative to it, so that cluster timestamps never go back (they do
// only when a track is more than 30 s behind, which the 16 bits of a block's
// time can't say). A keyframe begins a cluster and takes along what other
// tracks already had from that instant on, so that a seek finds them.
//
// Codecs: Opus, VP8, VP9 and AV1 in WebM; these, H.264 and H.265 in Matroska.
package webm

import (
	"strings"
	"time"

	"github.com/reelvault/reelvault"
)

// HeadSize is the size of a file's head in bytes. It is one page and one
// sector of most disks, and some 50 tracks fit in.
const HeadSize = 4096

// MaxFrame is the largest frame in bytes that a Writer takes: twice the
// largest keyframe seen of a 4K screen share, rounded up.
const MaxFrame = 16 << 20

const (
	clusterSpan   = 500 * time.Millisecond // what a crash may cost beside the jitter buffer
	clusterBytes  = 4 << 20                // bounds the memory a file takes: 67 Mbit/s for 500 ms
	clusterFrames = 1 << 14                // bounds it for frames of a few bytes, too: 30 tracks with one each millisecond
	maxLanes      = 126                    // a block holds its lane in one byte
)

// Output takes the bytes of a file. The slices it is given are its own from
// then on.
type Output interface {
	// Append writes b at the end, in one write.
	Append(b []byte) error

	// WriteHead rewrites the first HeadSize bytes in place. It comes first.
	WriteHead(b []byte) error
}

// TrackSpec describes a track.
type TrackSpec struct {
	Codec    reelvault.Codec
	Media    reelvault.Media
	Channels int    // of audio, 1 or 2; zero is 2, as RTP has it for Opus (RFC 7587, section 7)
	Width    int    // largest so far in pixels, zero while unknown
	Height   int    // likewise
	Private  []byte // the Matroska CodecPrivate; nil while unknown, where there is none, and for Opus
	Name     string // shown by players, or empty
}

// codecIDs are the codec mappings (Matroska Codec Specifications).
var codecIDs = map[reelvault.Codec]string{
	reelvault.Opus: "A_OPUS",
	reelvault.VP8:  "V_VP8",
	reelvault.VP9:  "V_VP9",
	reelvault.AV1:  "V_AV1",
	reelvault.H264: "V_MPEG4/ISO/AVC",
	reelvault.H265: "V_MPEGH/ISO/HEVC",
}

// docTypes are the EBML document types of the containers.
var docTypes = map[reelvault.Container]string{
	reelvault.WebM:     "webm",
	reelvault.Matroska: "matroska",
}

func (s TrackSpec) audio() bool { return s.Media == reelvault.Audio }

// check says whether s can be a track of the container.
func (s TrackSpec) check(c reelvault.Container) error {
	if _, ok := docTypes[c]; !ok {
		return reelvault.Errorf(reelvault.Invalid, "container %q is neither WebM nor Matroska", c)
	}
	if _, ok := codecIDs[s.Codec]; !ok {
		return reelvault.Errorf(reelvault.Invalid, "codec %q has no Matroska mapping", s.Codec)
	}
	if c == reelvault.WebM && (s.Codec == reelvault.H264 || s.Codec == reelvault.H265) {
		return reelvault.Errorf(reelvault.Invalid, "codec %s is not allowed in WebM", s.Codec)
	}
	if s.audio() != (s.Codec == reelvault.Opus) {
		return reelvault.Errorf(reelvault.Invalid, "codec %s does not carry %s", s.Codec, s.Media)
	}
	if s.audio() && (s.Channels < 0 || s.Channels > 2) {
		return reelvault.Errorf(reelvault.Invalid, "%d channels of audio, want 1 or 2", s.Channels)
	}
	if s.Width < 0 || s.Width > 0xffff || s.Height < 0 || s.Height > 0xffff {
		return reelvault.Errorf(reelvault.Invalid, "picture of %dx%d pixels, want at most 65535 each", s.Width, s.Height)
	}
	return nil
}

// clean gives s with a name that an EBML string may hold and its own copy of
// the codec's private bytes.
func (s TrackSpec) clean() TrackSpec {
	s.Name = strings.ReplaceAll(strings.ToValidUTF8(s.Name, "\uFFFD"), "\x00", "")
	s.Private = append([]byte(nil), s.Private...)
	if s.audio() && s.Channels == 0 {
		s.Channels = 2
	}
	if s.Codec == reelvault.Opus && len(s.Private) == 0 {
		s.Private = opusHead(s.Channels)
	}
	return s
}

// opusHead is the identification header of RFC 7845, section 5.1, without
// pre-skip: what comes over RTP is played from its first sample on.
func opusHead(channels int) []byte {
	h := append([]byte("OpusHead"), 1, byte(channels), 0, 0)
	h = append(h, 0x80, 0xbb, 0, 0) // 48,000 Hz, little endian
	return append(h, 0, 0, 0)       // gain 0, mapping family 0
}
