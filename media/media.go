// Package media holds the contracts of the pipeline: what travels through it
// and how a source, the recorder and the API speak to each other.
//
// A source reads packets off its network and hands each to a Track. A Track
// never blocks: the packet goes into a bounded inbox or is dropped and
// counted as an overload gap. One capture goroutine for each file drains the
// inbox and runs the stages in order: jitter, timeline, depacket, mux. The
// only call in the other direction is a request for a keyframe.
package media

import (
	"time"

	"github.com/reelvault/reelvault"
)

// Packet is one RTP packet (RFC 3550, section 5.1) as it arrived.
type Packet struct {
	SSRC           uint32
	SequenceNumber uint16
	Timestamp      uint32
	Marker         bool
	Payload        []byte    // without padding; never written to again. Empty for a packet that only counts: padding, comfort noise, DTMF
	Arrival        time.Time // with a monotonic reading: steps of the host's clock do not show
}

// Report is the sender information of one RTCP sender report (RFC 3550,
// section 6.4.1): the same instant on the sender's clock and in RTP units.
type Report struct {
	SSRC    uint32
	NTP     uint64 // seconds since 1900 in 32.32 fixed point
	RTP     uint32
	CNAME   string // of the sender, as it told it last (RFC 3550, section 6.5.1), or empty
	Arrival time.Time
}

// Frame is one whole encoded frame, in the form its container wants: length
// prefixed NAL units for H.264 and H.265 with the parameter sets in front of
// each keyframe, OBUs with sizes and without temporal delimiters for AV1, the
// plain payload otherwise.
type Frame struct {
	Timestamp uint32 // RTP, as sent
	Data      []byte
	Key       bool          // decodable without any other frame; always true for audio
	AfterLoss bool          // frames of this track right before this one are missing
	Duration  time.Duration // of audio; zero for video
	Width     int           // pixels, on keyframes of video when the bitstream says
	Height    int
	Private   []byte // on keyframes: the Matroska CodecPrivate, nil where the codec has none
}

// Format describes the one medium that a track carries.
type Format struct {
	Media     reelvault.Media
	Codec     reelvault.Codec
	ClockRate uint32 // RTP units a second
	Channels  int    // of audio
	FMTP      string // format parameters as negotiated (RFC 8866, section 6.15), or empty
	Party     Party  // whose it is, where one connection carries several people, as in a call
}

// Party is one side of a telephone call. The zero Party stands for the
// publisher itself.
type Party struct {
	ParticipantID string
	Role          reelvault.Role

	// Channel is the party's place in a call's stereo file: 0 is left, the
	// caller; 1 is right, the callee. Any other has a mono file of its own.
	Channel int
}

// Mixed is the Channel of a stream that holds all parties of a call.
const Mixed = -1

// Publisher says whose media a capture takes.
type Publisher struct {
	TenantID      string
	SessionID     string
	ParticipantID string
	Role          reelvault.Role
	Kind          reelvault.RecordingKind // which recording takes it: av, screen or phone

	// Unrecorded lets the publisher go on without being recorded where
	// recording is switched off or refused, and a watcher receive what comes
	// while it is paused: two people in a call come first.
	Unrecorded bool
}

// Depacketizer turns the packets of one track into whole frames. It belongs
// to the capture goroutine.
type Depacketizer interface {
	// Push takes the next packet in sequence order; lost says how many
	// packets right before it never came. It gives the frames that p
	// completes, in decoding order. It never gives half a frame, a frame
	// whose references are missing, or bytes that were not sent. A payload
	// that makes no sense is treated as lost. p and what it gives may share
	// memory. The slice that it gives is good until the next Push.
	Push(p *Packet, lost int) []Frame

	// NeedKeyframe says that frames are being dropped until a keyframe comes.
	// It is so from the start, and never for audio.
	NeedKeyframe() bool

	// Reset drops what is half assembled, as for a pause. The next frame of
	// video will be a keyframe.
	Reset()
}
