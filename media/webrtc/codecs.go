package webrtc

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
	pion "github.com/pion/webrtc/v4"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// Media types of an m-line.
const (
	mediaAudio = "audio"
	mediaVideo = "video"
)

const nameRTX = "rtx"

// feedbackTypes are the RTCP feedback messages spoken here. Without
// transport-cc or goog-remb a browser stays at its start bitrate.
var feedbackTypes = []string{"nack", "nack pli", "ccm fir", "transport-cc", "goog-remb"}

// extensionURIs are the header extensions asked for. Left out on purpose are
// the video orientation, so that a phone turns the picture before it encodes
// it, and the stream ids of simulcast.
var extensionURIs = map[string]struct{}{sdp.TransportCCURI: {}, sdp.SDESMidURI: {}}

// A codec is an encoding we take.
type codec struct {
	codec    reelvault.Codec
	media    string
	mime     string
	clock    uint32
	channels int
	accepts  func(params fmtp) bool
}

var codecs = map[string]codec{
	"opus": {reelvault.Opus, mediaAudio, pion.MimeTypeOpus, 48000, 2, acceptAny},
	"vp8":  {reelvault.VP8, mediaVideo, pion.MimeTypeVP8, 90000, 1, acceptAny},
	"vp9":  {reelvault.VP9, mediaVideo, pion.MimeTypeVP9, 90000, 1, acceptVP9},
	"h264": {reelvault.H264, mediaVideo, pion.MimeTypeH264, 90000, 1, acceptH264},
	"h265": {reelvault.H265, mediaVideo, pion.MimeTypeH265, 90000, 1, acceptH265},
	"av1":  {reelvault.AV1, mediaVideo, pion.MimeTypeAV1, 90000, 1, acceptAV1},
}

func acceptAny(fmtp) bool { return true }

// acceptVP9 takes the profiles that browsers record and play: 0 (8 bit) and
// 2 (10 bit), both 4:2:0.
func acceptVP9(params fmtp) bool {
	profile := params.value("profile-id", "0")
	return profile == "0" || profile == "2"
}

// acceptH264 takes constrained and plain baseline, main and high, in single
// NAL unit or non-interleaved mode (RFC 6184, section 6.2).
func acceptH264(params fmtp) bool {
	mode := params.value("packetization-mode", "0")
	profile := params.value("profile-level-id", defaultH264Level)
	if len(profile) != 6 || (mode != "0" && mode != "1") {
		return false
	}
	return slices.Contains([]string{"42", "4d", "58", "64"}, strings.ToLower(profile[:2]))
}

// defaultH264Level is what an absent profile-level-id means (RFC 6184,
// section 8.1): baseline, level 1.
const defaultH264Level = "420010"

// acceptH265 takes single stream transmission without interleaving
// (RFC 7798, section 7.1).
func acceptH265(params fmtp) bool {
	return strings.EqualFold(params.value("tx-mode", "SRST"), "SRST") &&
		params.value("sprop-max-don-diff", "0") == "0"
}

// acceptAV1 takes the main profile, the one that every decoder has.
func acceptAV1(params fmtp) bool { return params.value("profile", "0") == "0" }

// fmtp is the value of an a=fmtp line, split at its semicolons.
type fmtp []string

func parseFMTP(text string) fmtp {
	var params fmtp
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part != "" {
			params = append(params, part)
		}
	}
	return params
}

func (f fmtp) String() string { return strings.Join(f, ";") }

func (f fmtp) value(key, absent string) string {
	for _, part := range f {
		if k, v, _ := strings.Cut(part, "="); strings.EqualFold(strings.TrimSpace(k), key) {
			return strings.TrimSpace(v)
		}
	}
	return absent
}

func (f fmtp) with(key, value string) fmtp {
	for i, part := range f {
		if k, _, _ := strings.Cut(part, "="); strings.EqualFold(strings.TrimSpace(k), key) {
			f[i] = key + "=" + value
			return f
		}
	}
	return append(f, key+"="+value)
}

// known gives the codec of p, and false for one we don't take.
func (p *payload) known(kind string) (codec, bool) {
	c, ok := codecs[p.name]
	if !ok || c.media != kind || p.clock != c.clock || p.channels != c.channels || !c.accepts(parseFMTP(p.fmtp)) {
		return codec{}, false
	}
	return c, true
}

// apt gives the payload type that p retransmits (RFC 4588, section 8.1).
func (p *payload) apt() (uint8, bool) {
	if p.name != nameRTX {
		return 0, false
	}
	pt, err := strconv.ParseUint(parseFMTP(p.fmtp).value("apt", ""), 10, 7)
	return uint8(pt), err == nil
}

// answerFMTP gives the format parameters to answer p with. They say what we
// want to receive: no discontinuous transmission, for a recording's silence
// must be told from loss; forward error correction; stereo if the sender has
// any. All else stays as offered.
func (p *payload) answerFMTP() string {
	params := parseFMTP(p.fmtp)
	switch p.name {
	case "opus":
		if params.value("sprop-stereo", "") == "1" {
			params = params.with("stereo", "1")
		}
		params = params.with("useinbandfec", "1").with("usedtx", "0")
	case "h264":
		// What the defaults mean, written out: pion matches by text.
		params = params.with("packetization-mode", params.value("packetization-mode", "0"))
		params = params.with("profile-level-id", params.value("profile-level-id", defaultH264Level))
	}
	return params.String()
}

// format describes a track of payload type p.
func (p *payload) format(c codec, screen bool) media.Format {
	f := media.Format{Media: reelvault.Audio, Codec: c.codec, ClockRate: c.clock, FMTP: p.answerFMTP()}
	if c.media == mediaAudio {
		f.Channels = c.channels
		return f
	}
	f.Media = reelvault.Video
	if screen {
		f.Media = reelvault.Screen
	}
	return f
}

// has says whether p's feedback was negotiated.
func (p *payload) has(feedback string) bool { return slices.Contains(p.feedback, feedback) }

// selectCodecs drops from s every payload type we don't take and says whether
// any is left.
func (s *section) selectCodecs() bool {
	var kept []uint8
	for _, pt := range s.order {
		if _, ok := s.payloads[pt].known(s.media); ok {
			kept = append(kept, pt)
		}
	}
	for _, pt := range s.order {
		apt, ok := s.payloads[pt].apt()
		if ok && slices.Contains(kept, apt) && !slices.Contains(kept, pt) {
			s.payloads[pt].feedback = nil // feedback is about the stream that is repaired
			kept = append(kept, pt)
		}
	}
	s.keep(kept)
	return len(kept) > 0
}

// keep drops every payload type but those listed.
func (s *section) keep(pts []uint8) {
	for pt := range s.payloads {
		if !slices.Contains(pts, pt) {
			delete(s.payloads, pt)
		}
	}
	s.order = pts
}

// mediaEngine makes pion agree to exactly the payload types of the sections.
func mediaEngine(sections []*section) (*pion.MediaEngine, error) {
	m := &pion.MediaEngine{}
	seen := map[uint8]pion.RTPCodecCapability{}
	for _, s := range sections {
		kind := pion.NewRTPCodecType(s.media)
		for _, pt := range s.order {
			p := s.payloads[pt]
			capability := p.capability()
			if other, ok := seen[pt]; ok {
				if other.MimeType != capability.MimeType || other.SDPFmtpLine != capability.SDPFmtpLine {
					return nil, invalidLine(s.line, "gives payload type %d a second meaning in one bundle", pt)
				}
				continue
			}
			seen[pt] = capability
			params := pion.RTPCodecParameters{RTPCodecCapability: capability, PayloadType: pion.PayloadType(pt)}
			if err := m.RegisterCodec(params, kind); err != nil {
				return nil, invalidLine(s.line, "has payload types that contradict each other")
			}
		}
		for uri := range s.extensions {
			if err := m.RegisterHeaderExtension(pion.RTPHeaderExtensionCapability{URI: uri}, kind); err != nil {
				return nil, invalidLine(s.line, "has header extensions that contradict each other")
			}
		}
	}
	return m, nil
}

func (p *payload) capability() pion.RTPCodecCapability {
	c := pion.RTPCodecCapability{MimeType: pion.MimeTypeRTX, ClockRate: p.clock, SDPFmtpLine: p.fmtp}
	if p.name != nameRTX {
		known := codecs[p.name]
		c.MimeType, c.SDPFmtpLine = known.mime, p.answerFMTP()
		if known.media == mediaAudio {
			c.Channels = uint16(known.channels)
		}
	}
	for _, f := range p.feedback {
		kind, parameter, _ := strings.Cut(f, " ")
		c.RTCPFeedback = append(c.RTCPFeedback, pion.RTCPFeedback{Type: kind, Parameter: parameter})
	}
	return c
}
