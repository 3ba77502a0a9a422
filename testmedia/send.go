package testmedia

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// mtu is the largest RTP payload that is sent, as browsers have it.
const mtu = 1160

// Stream is one medium of a publisher.
type Stream int

// The streams.
const (
	AudioStream Stream = iota
	VideoStream
)

// SendSpec says how a publisher's clocks and reports behave. Its own clock
// starts at zero with the clip.
type SendSpec struct {
	Length      time.Duration // of the media; the clip is repeated
	VideoStart  time.Duration // pictures before that are not sent
	VideoSkew   time.Duration // how much later pictures are sent than sound of the same instant
	AudioPPM    float64       // how much faster the sound card's clock runs than the sender's NTP clock
	MuteFrom    time.Duration // sound between these is not sent; its clock goes on
	MuteTo      time.Duration
	DTX         bool          // between beeps, sound is sent as encoders in DTX do: a frame each 400 ms (RFC 7587, section 3.1.3)
	ReportsFrom time.Duration // first sender reports
	NoReports   bool
	BadReport   time.Duration // if not zero, the video report nearest to this is wrong by 100 ms
	WrapSoon    bool          // sequence numbers and timestamps wrap within seconds
	ReportEvery time.Duration // zero: a second
}

// Sent is one RTP packet or sender report on its way.
type Sent struct {
	Stream Stream
	At     time.Duration // when it leaves, on the sender's clock; after Impairment.Apply, when it arrives
	Packet media.Packet  // without Arrival
	Report *media.Report // instead of a packet
}

// Formats gives what a clip's streams carry.
func (c *Clip) Formats() map[Stream]media.Format {
	f := map[Stream]media.Format{}
	if len(c.AudioFrames) > 0 {
		f[AudioStream] = media.Format{Media: reelvault.Audio, Codec: reelvault.Opus, ClockRate: 48000, Channels: 2}
	}
	if len(c.VideoFrames) > 0 {
		f[VideoStream] = media.Format{Media: reelvault.Video, Codec: c.Video, ClockRate: 90000}
	}
	return f
}

// sendingStream packetizes one stream, turn by turn of its clip.
type sendingStream struct {
	spec      SendSpec
	stream    Stream
	frames    []Encoded
	sends     func(at time.Duration) bool
	rate      float64 // RTP units a second, with the clock's error
	payloader rtp.Payloader
	ssrc      uint32
	sequence  uint16
	base      uint32
	report    time.Duration // when the next one is due
	keyed     bool          // a keyframe was sent, and nothing left out since
	sent      []Sent        // of this turn
}

// Send gives everything that the publisher sends, in order.
func Send(c *Clip, s SendSpec) ([]Sent, error) {
	streams, err := newSendingStreams(c, s)
	if err != nil {
		return nil, err
	}
	var all []Sent
	for _, t := range streams {
		for loop := time.Duration(0); t.turn(loop); loop += c.Duration {
		}
		all = append(all, t.sent...)
	}
	return inOrder(all), nil
}

func inOrder(all []Sent) []Sent {
	slices.SortStableFunc(all, func(a, b Sent) int { return int(a.At - b.At) })
	return all
}

func newSendingStreams(c *Clip, s SendSpec) ([]*sendingStream, error) {
	var streams []*sendingStream
	if len(c.AudioFrames) > 0 {
		t := newSendingStream(s, AudioStream, 48000*s.tempo(), &codecs.OpusPayloader{})
		t.frames, t.sends = c.AudioFrames, s.sounds
		streams = append(streams, t)
	}
	if len(c.VideoFrames) > 0 {
		p, err := payloader(c.Video)
		if err != nil {
			return nil, err
		}
		t := newSendingStream(s, VideoStream, 90000, p)
		t.frames, t.sends = c.VideoFrames, func(at time.Duration) bool { return at >= s.VideoStart }
		streams = append(streams, t)
	}
	return streams, nil
}

// sounds says whether the sound at an instant is sent.
func (s SendSpec) sounds(at time.Duration) bool {
	const refresh, frame = 400 * time.Millisecond, 20 * time.Millisecond
	if at >= s.MuteFrom && at < s.MuteTo {
		return false
	}
	beeps := (at - firstEvent + EventEvery/2) % EventEvery // EventEvery/2 where a beep begins
	quiet := (beeps - EventEvery/2).Abs() > 150*time.Millisecond
	return !s.DTX || !quiet || at%refresh < frame
}

// tempo is how much faster the sender plays its clip than its NTP clock runs:
// an audio frame is always as many samples of the sound card.
func (s SendSpec) tempo() float64 { return 1 + s.AudioPPM/1e6 }

func payloader(c reelvault.Codec) (rtp.Payloader, error) {
	switch c {
	case reelvault.VP8:
		return &codecs.VP8Payloader{EnablePictureID: true}, nil
	case reelvault.VP9:
		return &codecs.VP9Payloader{}, nil
	case reelvault.AV1:
		return &codecs.AV1Payloader{}, nil
	case reelvault.H264:
		return &codecs.H264Payloader{}, nil
	case reelvault.H265:
		return &codecs.H265Payloader{}, nil
	default:
		return nil, fmt.Errorf("no payloader for %q", c)
	}
}

func newSendingStream(s SendSpec, stream Stream, rate float64, p rtp.Payloader) *sendingStream {
	t := &sendingStream{
		spec: s, stream: stream, rate: rate, payloader: p, ssrc: 0x1000 + uint32(stream), sequence: 1000, base: 1 << 20,
		report: max(s.ReportsFrom, 300*time.Millisecond),
	}
	if s.WrapSoon {
		t.sequence = 65535 - 300
		t.base = -uint32(rate * 3)
	}
	return t
}

// rtp gives the stream's RTP time at an instant of the sender's clock.
func (t *sendingStream) rtp(at time.Duration) uint32 {
	return t.base + uint32(int64(math.Round(at.Seconds()*t.rate)))
}

// turn adds to what is sent the clip as it is played from loop on. It gives
// false at the end of all that is to be sent.
func (t *sendingStream) turn(loop time.Duration) bool {
	every := t.spec.ReportEvery
	if every == 0 {
		every = time.Second
	}
	skew := time.Duration(0)
	if t.stream == VideoStream {
		skew = t.spec.VideoSkew
	}
	for _, f := range t.frames {
		at := time.Duration(float64(loop+f.At) / t.spec.tempo())
		if at >= t.spec.Length {
			return false
		}
		t.keyed = t.sends(at) && (t.keyed || f.Key)
		if !t.keyed {
			continue
		}
		if !t.spec.NoReports && at >= t.report {
			t.sendReport(at + skew)
			t.report = at + every
		}
		t.packets(f, at, at+skew)
	}
	return true
}

func (t *sendingStream) packets(f Encoded, captured, leaves time.Duration) {
	payloads := t.payloader.Payload(mtu, f.Data)
	for i, payload := range payloads {
		t.sent = append(t.sent, Sent{Stream: t.stream, At: leaves, Packet: media.Packet{
			SSRC: t.ssrc, SequenceNumber: t.sequence, Timestamp: t.rtp(captured),
			Marker: t.stream == VideoStream && i == len(payloads)-1, Payload: payload,
		}})
		t.sequence++
	}
}

// since1900 is when the sender's clock starts: some day in 2023.
const since1900 = 3_900_000_000

// sendReport says which RTP time the stream's clock showed at an instant.
func (t *sendingStream) sendReport(at time.Duration) {
	seconds := at.Seconds()
	if bad := t.spec.BadReport; t.stream == VideoStream && bad != 0 && (at-bad).Abs() < 500*time.Millisecond {
		seconds += 0.1
	}
	whole := uint64(seconds)
	t.sent = append(t.sent, Sent{Stream: t.stream, At: at, Report: &media.Report{
		SSRC: t.ssrc, RTP: t.rtp(at),
		NTP: (since1900+whole)<<32 | uint64((seconds-float64(whole))*(1<<32)),
	}})
}
