package webrtc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/reelvault/reelvault"
)

// finish resolves what the bundle shares and drops nothing yet.
func (p *offerParser) finish() (*offer, error) {
	o := &p.offer
	if len(o.sections) == 0 {
		return nil, invalidLine(0, "the offer has no media section")
	}
	if o.bundle == nil {
		o.bundle = []string{o.sections[0].mid}
	}
	for _, s := range o.sections {
		if s.media != mediaAudio && s.media != mediaVideo {
			continue
		}
		if s.mid == "" {
			return nil, invalidLine(s.line, "starts a media section without a=mid")
		}
		if !s.mux {
			return nil, invalidLine(s.line, "starts a media section without a=rtcp-mux")
		}
	}
	tagged := o.tagged()
	if tagged == nil {
		return nil, invalidLine(0, "the bundle group names no media section of the offer")
	}
	o.ufrag, o.pwd = first(p.session.ufrag, tagged.ufrag), first(p.session.pwd, tagged.pwd)
	o.fingerprint = first(p.session.print, tagged.print)
	o.setup = first(tagged.setup, p.session.setup)
	o.candidates = tagged.candidates
	switch {
	case o.ufrag == "":
		return nil, invalidLine(tagged.line, "starts a media section without a=ice-ufrag")
	case o.pwd == "":
		return nil, invalidLine(tagged.line, "starts a media section without a=ice-pwd")
	case o.fingerprint == "":
		return nil, invalidLine(tagged.line, "starts a media section without an a=fingerprint of SHA-256 or better")
	case o.setup == "":
		return nil, invalidLine(tagged.line, "starts a media section without a=setup")
	}
	return o, nil
}

// tagged gives the offerer-tagged section, whose transport the bundle uses
// (RFC 8843, section 7.2.1).
func (o *offer) tagged() *section {
	if len(o.bundle) == 0 {
		return nil
	}
	for _, s := range o.sections {
		if s.mid == o.bundle[0] {
			return s
		}
	}
	return nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// usable lists the sections that can be answered with one of the directions.
// A section outside the bundle or of another transport is refused, not wrong.
func (o *offer) usable(directions ...string) []*section {
	var kept []*section
	for _, s := range o.sections {
		if s.proto != securedTransport || !slices.Contains(o.bundle, s.mid) {
			continue
		}
		if (s.media == mediaAudio || s.media == mediaVideo) && slices.Contains(directions, s.direction) {
			kept = append(kept, s)
		}
	}
	return kept
}

// publishable gives the sections of a WHIP offer that we take, each with the
// codecs we take.
func (o *offer) publishable() ([]*section, error) {
	var kept []*section
	for _, s := range o.usable("sendrecv", "sendonly") {
		if s.selectCodecs() {
			kept = append(kept, s)
		}
	}
	if len(kept) == 0 {
		err := reelvault.Errorf(reelvault.Unsupported, "the offer sends nothing we record: Opus, VP8, VP9, H.264, H.265 and AV1 are taken")
		err.Location = "body"
		return nil, err
	}
	return kept, nil
}

// render writes an offer anew with only the sections and attributes that were
// understood and kept, so that pion never reads a stranger's text.
func (o *offer) render(kept []*section) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("v=0")
	line("o=- 1 1 IN IP4 127.0.0.1")
	line("s=-")
	line("t=0 0")
	line("a=group:%s %s", bundleSemantics, strings.Join(mids(kept), " "))
	line("a=fingerprint:%s", o.fingerprint)
	line("a=ice-options:trickle")
	for i, s := range kept {
		line("m=%s 9 %s %s", s.media, securedTransport, strings.Join(numbers(s.order), " "))
		line("c=IN IP4 0.0.0.0")
		line("a=mid:%s", s.mid)
		line("a=ice-ufrag:%s", o.ufrag)
		line("a=ice-pwd:%s", o.pwd)
		line("a=setup:%s", o.setup)
		line("a=rtcp-mux")
		line("a=%s", s.direction)
		for _, uri := range s.uris() {
			line("a=extmap:%d %s", s.extensions[uri], uri)
		}
		for _, pt := range s.order {
			s.payloads[pt].render(line)
		}
		primary, repair := s.sources()
		if repair != 0 {
			line("a=ssrc-group:FID %d %d", primary, repair)
			line("a=ssrc:%d cname:x", repair)
		}
		if primary == 0 {
			// Any will do: pion grows a transceiver for each SSRC that comes
			// to a section without one.
			primary = uint32(i + 1)
		}
		line("a=ssrc:%d cname:x", primary)
		if i == 0 {
			for _, c := range o.candidates {
				line("a=candidate:%s", c)
			}
		}
	}
	return b.String()
}

// sources gives the SSRC that the section declares and that of its RTX stream,
// 0 for none. A section may declare several, of a simulcast we did not ask
// for: the first counts.
func (s *section) sources() (primary, repair uint32) {
	for _, ssrc := range s.ssrcs {
		if _, ok := s.rtxOf[ssrc]; !ok {
			primary = ssrc
			break
		}
	}
	for _, ssrc := range s.ssrcs {
		if of, ok := s.rtxOf[ssrc]; ok && of == primary {
			repair = ssrc
		}
	}
	return primary, repair
}

func (p *payload) render(line func(string, ...any)) {
	name, clock, parameters := p.name, p.clock, p.fmtp
	if c, ok := codecs[p.name]; ok {
		_, name, _ = strings.Cut(c.mime, "/")
		parameters = p.answerFMTP()
		if c.media == mediaAudio {
			name = fmt.Sprintf("%s/%d/%d", name, clock, c.channels)
		} else {
			name = fmt.Sprintf("%s/%d", name, clock)
		}
	} else {
		name = fmt.Sprintf("%s/%d", name, clock)
	}
	line("a=rtpmap:%d %s", p.pt, name)
	if parameters != "" {
		line("a=fmtp:%d %s", p.pt, parameters)
	}
	for _, f := range p.feedback {
		line("a=rtcp-fb:%d %s", p.pt, f)
	}
}

func (s *section) uris() []string {
	var uris []string
	for uri := range s.extensions {
		uris = append(uris, uri)
	}
	slices.Sort(uris)
	return uris
}

func mids(sections []*section) []string {
	var list []string
	for _, s := range sections {
		list = append(list, s.mid)
	}
	return list
}

func numbers(pts []uint8) []string {
	var list []string
	for _, pt := range pts {
		list = append(list, fmt.Sprint(pt))
	}
	return list
}

// complete turns pion's answer to the kept sections into the answer to the
// whole offer: sections that were refused stand at their places with port 0
// (RFC 3264, section 6), and the candidates are the announced ones.
func (o *offer) complete(answer string, kept []*section, candidates []string) string {
	parts := splitSections(answer)
	var b strings.Builder
	b.WriteString(parts[0])
	next := 0
	for _, s := range o.sections {
		if next >= len(kept) || kept[next] != s || next+1 >= len(parts) {
			s.refuse(&b)
			continue
		}
		for line := range strings.Lines(parts[next+1]) {
			if !strings.HasPrefix(line, "a=candidate:") && !strings.HasPrefix(line, "a=end-of-candidates") {
				b.WriteString(line)
			}
		}
		if next == 0 {
			for _, c := range candidates {
				b.WriteString("a=candidate:" + c + "\r\n")
			}
			b.WriteString("a=end-of-candidates\r\n")
		}
		next++
	}
	return b.String()
}

// refuse writes the answer to a section we don't take. Firefox wants a
// connection line in it all the same; pion wants an a=rtpmap for each payload
// type but 0, and which ones are listed means nothing (RFC 3264, section 6).
func (s *section) refuse(b *strings.Builder) {
	formats := "0"
	if s.media != mediaAudio && s.media != mediaVideo {
		formats = strings.Join(s.formats, " ")
	}
	fmt.Fprintf(b, "m=%s 0 %s %s\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n", s.media, s.proto, formats)
	if s.mid != "" {
		fmt.Fprintf(b, "a=mid:%s\r\n", s.mid)
	}
}

// splitSections cuts an SDP in front of each m-line; the first part is the
// session level.
func splitSections(text string) []string {
	parts := []string{""}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "m=") {
			parts = append(parts, "")
		}
		parts[len(parts)-1] += line
	}
	return parts
}
