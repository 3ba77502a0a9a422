package webrtc

import (
	"slices"
	"strconv"
	"strings"

	"github.com/reelvault/reelvault"
)

// Bounds of an offer. A browser with a camera, a microphone and a screen
// sends 8 to 20 KiB; what is far above that is not an offer.
const (
	maxOfferBytes    = 256 << 10
	maxSections      = 32 // m-lines
	maxPayloadTypes  = 96 // in one m-line: RFC 3551 leaves 35..63 and 96..127, and the static ones
	maxSectionSSRCs  = 16 // declared in one m-line: six simulcast layers with their RTX, and some
	maxCandidates    = 32 // remote ones of a connection; each costs a few connectivity checks
	maxTokenBytes    = 64 // of a mid
	maxFMTPBytes     = 1024
	bundleSemantics  = "BUNDLE"
	securedTransport = "UDP/TLS/RTP/SAVPF"
)

// An offer is what a client's SDP says, as far as it matters here.
type offer struct {
	sections    []*section
	bundle      []string // mids, the offerer-tagged one first
	ufrag, pwd  string
	fingerprint string
	setup       string
	candidates  []string // values of a=candidate, vetted
}

// A section is one media section (m-line) of an offer.
type section struct {
	line       int // of the m-line, from 1
	media      string
	proto      string
	formats    []string
	mid        string
	direction  string
	mux        bool
	ufrag, pwd string
	print      string
	setup      string
	candidates []string
	payloads   map[uint8]*payload
	order      []uint8 // payload types in the order of preference
	extensions map[string]int
	ssrcs      []uint32          // in the order of appearance
	rtxOf      map[uint32]uint32 // RTX SSRC -> primary SSRC (RFC 5576, section 4.2: FID)
}

// A payload is one payload type of a section.
type payload struct {
	pt       uint8
	name     string // as in a=rtpmap, lower case
	clock    uint32
	channels int
	fmtp     string
	feedback []string // values of a=rtcp-fb
}

// offerParser walks an SDP line by line, so that a complaint can name the
// line it is about.
type offerParser struct {
	offer   offer
	line    int
	current *section
	session section // holds the session-level attributes
}

// parseOffer reads an SDP offer (RFC 8866). Its errors are of kind Invalid
// and name the line.
func parseOffer(text string) (*offer, error) {
	if len(text) > maxOfferBytes {
		return nil, reelvault.Errorf(reelvault.TooLarge, "an offer may have at most %d bytes", maxOfferBytes)
	}
	p := offerParser{}
	for raw := range strings.Lines(text) {
		p.line++
		line := strings.TrimRight(raw, "\r\n")
		if line == "" {
			continue
		}
		if err := p.take(line); err != nil {
			return nil, err
		}
	}
	if p.line == 0 {
		return nil, invalidLine(0, "the offer is empty")
	}
	return p.finish()
}

func (p *offerParser) take(line string) error {
	if len(line) < 2 || line[1] != '=' {
		return p.errorf("is not of the form x=value")
	}
	if !printable(line) {
		return p.errorf("holds control characters")
	}
	value := line[2:]
	if p.line == 1 && line != "v=0" {
		return p.errorf("must be v=0")
	}
	switch line[0] {
	case 'm':
		return p.takeMedia(value)
	case 'a':
		key, val, _ := strings.Cut(value, ":")
		return p.takeAttribute(key, val)
	default: // o, s, t, c, b and the like say nothing that WebRTC uses
		return nil
	}
}

func (p *offerParser) takeMedia(value string) error {
	if len(p.offer.sections) == maxSections {
		return p.errorf("is one media section too many: at most %d are taken", maxSections)
	}
	fields := strings.Fields(value)
	if len(fields) < 4 {
		return p.errorf("needs media, port, protocol and formats")
	}
	if _, err := strconv.ParseUint(fields[1], 10, 16); err != nil {
		return p.errorf("has a malformed port")
	}
	if len(fields)-3 > maxPayloadTypes {
		return p.errorf("lists more than %d formats", maxPayloadTypes)
	}
	s := &section{
		line: p.line, media: fields[0], proto: fields[2], formats: fields[3:],
		direction: p.session.direction, payloads: map[uint8]*payload{},
		extensions: map[string]int{}, rtxOf: map[uint32]uint32{},
	}
	if s.direction == "" {
		s.direction = "sendrecv" // RFC 8866, section 6.7
	}
	p.offer.sections = append(p.offer.sections, s)
	p.current = s
	if s.media != mediaAudio && s.media != mediaVideo {
		return nil
	}
	for _, f := range s.formats {
		pt, err := strconv.ParseUint(f, 10, 7)
		if err != nil {
			return p.errorf("lists %q, which is no payload type", f)
		}
		if s.payloads[uint8(pt)] == nil {
			s.payloads[uint8(pt)] = &payload{pt: uint8(pt)}
			s.order = append(s.order, uint8(pt))
		}
	}
	return nil
}

func (p *offerParser) takeAttribute(key, value string) error {
	s := p.current
	if s == nil {
		s = &p.session
		if key == "group" {
			return p.takeGroup(value)
		}
	}
	switch key {
	case "ice-ufrag":
		s.ufrag = value
		return p.checkCredential(value, minUfrag)
	case "ice-pwd":
		s.pwd = value
		return p.checkCredential(value, minPwd)
	case "fingerprint":
		return p.takeFingerprint(s, value)
	case "setup":
		s.setup = value
		if value != "actpass" && value != "active" && value != "passive" {
			return p.errorf("has a=setup:%s: actpass, active or passive is needed", value)
		}
	case "sendrecv", "sendonly", "recvonly", "inactive":
		s.direction = key
	}
	if p.current == nil {
		return nil
	}
	return p.takeMediaAttribute(s, key, value)
}

func (p *offerParser) takeMediaAttribute(s *section, key, value string) error {
	switch key {
	case "mid":
		return p.takeMid(s, value)
	case "rtcp-mux":
		s.mux = true
	case "rtpmap":
		return p.takeRTPMap(s, value)
	case "fmtp":
		return p.takeFMTP(s, value)
	case "rtcp-fb":
		p.takeFeedback(s, value)
	case "extmap":
		return p.takeExtension(s, value)
	case "ssrc":
		return p.takeSSRC(s, value)
	case "ssrc-group":
		return p.takeSSRCGroup(s, value)
	case "candidate":
		s.candidates = appendCandidate(s.candidates, value)
	}
	return nil
}

func (p *offerParser) takeGroup(value string) error {
	fields := strings.Fields(value)
	if len(fields) == 0 || fields[0] != bundleSemantics || p.offer.bundle != nil {
		return nil
	}
	if len(fields)-1 > maxSections {
		return p.errorf("bundles more than %d media sections", maxSections)
	}
	p.offer.bundle = fields[1:]
	return nil
}

func (p *offerParser) takeMid(s *section, value string) error {
	if value == "" || len(value) > maxTokenBytes || strings.ContainsAny(value, " \t:\"") {
		return p.errorf("has a malformed mid")
	}
	for _, other := range p.offer.sections {
		if other != s && other.mid == value {
			return p.errorf("repeats the mid %q", value)
		}
	}
	s.mid = value
	return nil
}

func (p *offerParser) takeFingerprint(s *section, value string) error {
	hash, digest, _ := strings.Cut(value, " ")
	size := map[string]int{"sha-256": 32, "sha-384": 48, "sha-512": 64}[strings.ToLower(hash)]
	if size == 0 {
		return nil // RFC 8122, section 5: there may be others beside it
	}
	pairs := strings.Split(digest, ":")
	if len(pairs) != size {
		return p.errorf("has a fingerprint of %d bytes, %s has %d", len(pairs), strings.ToLower(hash), size)
	}
	for _, pair := range pairs {
		if _, err := strconv.ParseUint(pair, 16, 8); err != nil || len(pair) != 2 {
			return p.errorf("has a malformed fingerprint")
		}
	}
	if s.print == "" {
		s.print = strings.ToLower(hash) + " " + digest
	}
	return nil
}

func (p *offerParser) takeRTPMap(s *section, value string) error {
	pl, rest := s.payloadOf(value)
	if pl == nil {
		return nil
	}
	parts := strings.Split(rest, "/")
	if len(parts) < 2 {
		return p.errorf("needs encoding name and clock rate")
	}
	clock, err := strconv.ParseUint(parts[1], 10, 32)
	if err != nil || clock == 0 {
		return p.errorf("has a malformed clock rate")
	}
	pl.name, pl.clock, pl.channels = strings.ToLower(parts[0]), uint32(clock), 1
	if len(parts) > 2 {
		n, err := strconv.ParseUint(parts[2], 10, 8)
		if err != nil {
			return p.errorf("has a malformed channel count")
		}
		pl.channels = int(n)
	}
	return nil
}

func (p *offerParser) takeFMTP(s *section, value string) error {
	pl, rest := s.payloadOf(value)
	if pl == nil {
		return nil
	}
	if len(rest) > maxFMTPBytes {
		return p.errorf("has format parameters of more than %d bytes", maxFMTPBytes)
	}
	pl.fmtp = strings.TrimSpace(rest)
	return nil
}

func (p *offerParser) takeFeedback(s *section, value string) {
	number, rest, _ := strings.Cut(value, " ")
	for _, pt := range s.order {
		pl := s.payloads[pt]
		if (number == "*" || number == strconv.Itoa(int(pt))) &&
			slices.Contains(feedbackTypes, rest) && !slices.Contains(pl.feedback, rest) {
			pl.feedback = append(pl.feedback, rest)
		}
	}
}

func (p *offerParser) takeExtension(s *section, value string) error {
	fields := strings.Fields(value)
	if len(fields) < 2 {
		return p.errorf("needs an id and a URI")
	}
	number, _, _ := strings.Cut(fields[0], "/")
	id, err := strconv.ParseUint(number, 10, 16)
	if err != nil || id == 0 {
		return p.errorf("has a malformed extension id")
	}
	// RFC 8285, section 4.2: 1 to 14 fit the one-byte form, the only one answered.
	if _, known := extensionURIs[fields[1]]; known && id < 15 {
		s.extensions[fields[1]] = int(id)
	}
	return nil
}

func (p *offerParser) takeSSRC(s *section, value string) error {
	number, _, _ := strings.Cut(value, " ")
	ssrc, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return p.errorf("has a malformed SSRC")
	}
	if slices.Contains(s.ssrcs, uint32(ssrc)) {
		return nil
	}
	if len(s.ssrcs) == maxSectionSSRCs {
		return p.errorf("declares one SSRC too many: at most %d are taken", maxSectionSSRCs)
	}
	for _, other := range p.offer.sections {
		if other != s && slices.Contains(other.ssrcs, uint32(ssrc)) {
			return p.errorf("declares an SSRC that another media section has")
		}
	}
	s.ssrcs = append(s.ssrcs, uint32(ssrc))
	return nil
}

func (p *offerParser) takeSSRCGroup(s *section, value string) error {
	fields := strings.Fields(value)
	if len(fields) != 3 || fields[0] != "FID" || len(s.rtxOf) == maxSectionSSRCs {
		return nil
	}
	primary, err1 := strconv.ParseUint(fields[1], 10, 32)
	repair, err2 := strconv.ParseUint(fields[2], 10, 32)
	if err1 != nil || err2 != nil || primary == repair {
		return p.errorf("has a malformed SSRC group")
	}
	s.rtxOf[uint32(repair)] = uint32(primary)
	return nil
}

// payloadOf finds the payload type that the value of a=rtpmap or a=fmtp
// starts with, and what follows it.
func (s *section) payloadOf(value string) (*payload, string) {
	number, rest, _ := strings.Cut(value, " ")
	pt, err := strconv.ParseUint(number, 10, 7)
	if err != nil {
		return nil, ""
	}
	return s.payloads[uint8(pt)], rest
}

func (p *offerParser) errorf(format string, args ...any) error {
	return invalidLine(p.line, format, args...)
}

func (p *offerParser) checkCredential(value string, least int) error {
	if !validCredential(value, least) {
		return p.errorf("has a malformed ICE credential")
	}
	return nil
}

// invalidLine makes an error of kind Invalid about a line of the request's
// body; line 0 is the body as a whole.
func invalidLine(line int, format string, args ...any) *reelvault.Error {
	if line > 0 {
		format = "line %d " + format
		args = append([]any{line}, args...)
	}
	err := reelvault.Errorf(reelvault.Invalid, format, args...)
	err.Location = "body"
	return err
}

func printable(line string) bool {
	for i := range len(line) {
		if line[i] < ' ' && line[i] != '\t' || line[i] == 0x7f {
			return false
		}
	}
	return true
}
