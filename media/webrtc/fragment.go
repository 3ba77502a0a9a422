package webrtc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/reelvault/reelvault"
)

// maxFragmentBytes bounds a trickle fragment: a browser sends a few hundred
// bytes, with every candidate it has 4 KiB.
const maxFragmentBytes = 32 << 10

// A fragment is the body of a PATCH (RFC 8840, section 9; RFC 9725, section 4.3).
type fragment struct {
	ufrag, pwd string
	candidates []string // values of a=candidate, vetted
}

// parseFragment reads an application/trickle-ice-sdpfrag body about the
// sections with the given mids. Its errors are of kind Invalid and name the
// line. Attributes it does not know are skipped, as section 9.2 wants.
func parseFragment(text string, known []string) (*fragment, error) {
	if len(text) > maxFragmentBytes {
		return nil, reelvault.Errorf(reelvault.TooLarge, "a fragment may have at most %d bytes", maxFragmentBytes)
	}
	p := fragmentParser{known: known}
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
	if p.media != 0 {
		return nil, invalidLine(p.media, "starts a media section without a=mid")
	}
	if !p.said {
		return nil, invalidLine(0, "the fragment says nothing about ICE")
	}
	if p.ufrag != "" && p.pwd == "" {
		return nil, invalidLine(p.ufragLine, "has an ice-ufrag without an ice-pwd in the fragment")
	}
	return &p.fragment, nil
}

type fragmentParser struct {
	fragment
	known     []string
	line      int
	media     int // line of an m-line that has no a=mid yet
	ufragLine int
	said      bool
}

func (p *fragmentParser) take(line string) error {
	if len(line) < 2 || line[1] != '=' || !printable(line) {
		return invalidLine(p.line, "is not of the form x=value")
	}
	switch line[0] {
	case 'm':
		if p.media != 0 {
			return invalidLine(p.media, "starts a media section without a=mid")
		}
		p.media = p.line
		return nil
	case 'a':
		key, value, _ := strings.Cut(line[2:], ":")
		return p.takeAttribute(key, value)
	default: // v, o, s and t are of whole descriptions, and harmless
		return nil
	}
}

func (p *fragmentParser) takeAttribute(key, value string) error {
	switch key {
	case "mid":
		if !slices.Contains(p.known, value) {
			return invalidLine(p.line, "names the mid %q, which the offer does not have", value)
		}
		p.media = 0
	case "ice-ufrag":
		if p.ufrag != "" && p.ufrag != value {
			return invalidLine(p.line, "is a second ice-ufrag: there is one transport")
		}
		if !validCredential(value, minUfrag) {
			return invalidLine(p.line, "has a malformed ICE credential")
		}
		p.ufrag, p.ufragLine, p.said = value, p.line, true
	case "ice-pwd":
		if !validCredential(value, minPwd) {
			return invalidLine(p.line, "has a malformed ICE credential")
		}
		p.pwd = value
	case "candidate":
		if len(strings.Fields(value)) < 8 {
			return invalidLine(p.line, "has a malformed candidate")
		}
		p.said = true
		p.candidates = appendCandidate(p.candidates, value)
	case "end-of-candidates":
		p.said = true
	}
	return nil
}

// restartFragment is the body of the answer to an ICE restart.
func restartFragment(s *section, ufrag, pwd string, candidates []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "m=%s 9 %s 0\r\na=mid:%s\r\n", s.media, securedTransport, s.mid)
	fmt.Fprintf(&b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", ufrag, pwd)
	for _, c := range candidates {
		fmt.Fprintf(&b, "a=candidate:%s\r\n", c)
	}
	b.WriteString("a=end-of-candidates\r\n")
	return b.String()
}
