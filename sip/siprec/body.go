package siprec

import (
	"bytes"
	"mime"
	"strings"
)

const (
	// maxParts bounds the parts of a body: clients send two or three.
	maxParts = 16

	// maxPartHeaders bounds the header lines of a part.
	maxPartHeaders = 32
)

// Body is what a SIP message carried. SDP and Metadata are nil if it had none.
type Body struct {
	SDP      []byte
	Metadata []byte
	Notes    []Note
}

// Split takes the parts out of a SIP body with this Content-Type. The parts
// may come in any order, with or without an end boundary, under the media
// types of any draft; a part whose type says nothing is known by its content.
// The result shares memory with body.
func Split(contentType string, body []byte) Body {
	s := splitter{}
	if boundary, ok := boundaryOf(contentType, body); ok {
		s.multipart(boundary, body)
	} else if len(bytes.TrimSpace(body)) > 0 {
		s.take(contentType, body)
	}
	s.body.Notes = s.notes
	return s.body
}

// boundaryOf gives the boundary of a multipart body, or false for another one.
func boundaryOf(contentType string, body []byte) (string, bool) {
	kind, params, _ := strings.Cut(contentType, ";")
	if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(kind)), "multipart/") {
		return "", false
	}
	if _, parsed, err := mime.ParseMediaType(contentType); err == nil && strings.TrimSpace(parsed["boundary"]) != "" {
		return strings.TrimSpace(parsed["boundary"]), true
	}
	for _, param := range strings.Split(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if value = strings.Trim(value, " \t\""); strings.EqualFold(strings.TrimSpace(name), "boundary") && value != "" {
			return value, true
		}
	}
	// A Content-Type that lost its boundary: the body begins with it.
	line, _, _ := bytes.Cut(bytes.TrimLeft(body, " \t\r\n"), []byte("\n"))
	found, ok := strings.CutPrefix(strings.TrimRight(string(line), " \t\r"), "--")
	return found, ok && found != ""
}

type splitter struct {
	body  Body
	notes notes
}

// multipart walks the lines of body. What stands before the first boundary and
// behind the last is no part (RFC 2046, section 5.1.1).
func (s *splitter) multipart(boundary string, body []byte) {
	var start, parts int
	within, ended := false, false
	finish := func(end int) {
		if !within {
			return
		}
		if parts++; parts > maxParts {
			return
		}
		s.part(body[start:end])
	}
	for at := 0; at < len(body) && !ended; {
		next := len(body)
		if i := bytes.IndexByte(body[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		line := strings.TrimSpace(string(clip(body[at:next], len(boundary)+64)))
		if line == "--"+boundary || line == "--"+boundary+"--" {
			finish(at)
			within, ended = true, strings.HasSuffix(line, "--") && line != "--"+boundary
			start = next
		}
		at = next
	}
	if !ended {
		finish(len(body))
		s.notes.add(Odd, "the body has no end boundary")
	}
	if parts > maxParts {
		s.notes.add(Lost, "%d parts after the first %d are ignored", parts-maxParts, maxParts)
	}
	if parts == 0 {
		s.notes.add(Lost, "the body is multipart and has no part within its boundary")
	}
}

func clip(b []byte, n int) []byte { return b[:min(len(b), n)] }

// part reads the header of a part, and takes what follows it.
func (s *splitter) part(part []byte) {
	kind := ""
	rest := part
	for range maxPartHeaders {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		text := strings.TrimSpace(string(clip(line, 512)))
		name, value, isHeader := strings.Cut(text, ":")
		if text != "" && (!isHeader || strings.ContainsAny(name, "<= \t")) {
			break // no header and no empty line: the content has begun
		}
		rest = after
		if text == "" {
			if !found || kind != "" || len(bytes.TrimSpace(rest)) == 0 || !headerFollows(rest) {
				break
			}
			continue // an empty line too many before the headers
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "content-type", "c":
			kind = strings.TrimSpace(value)
		case "content-transfer-encoding":
			if e := strings.ToLower(strings.TrimSpace(value)); e != "binary" && e != "8bit" && e != "7bit" {
				s.notes.add(Lost, "a part is encoded as %s", quote(e))
			}
		default:
		}
		if !found {
			break
		}
	}
	s.take(kind, rest)
}

// headerFollows says whether what comes next looks like a header of a part.
func headerFollows(rest []byte) bool {
	return len(rest) > 8 && strings.EqualFold(string(rest[:8]), "content-")
}

// take keeps content that is SDP or metadata, the first of each.
func (s *splitter) take(contentType string, content []byte) {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	content = bytes.TrimSpace(content)
	switch {
	case len(content) == 0:
	case kind == "application/sdp", isSDP(content):
		if s.body.SDP == nil {
			s.body.SDP = content
		}
	case isMetadataType(kind), isMetadata(content):
		if kind != "application/rs-metadata+xml" {
			s.notes.add(Odd, "the metadata has the media type %s", quote(kind))
		}
		if s.body.Metadata == nil {
			s.body.Metadata = content
		}
	default:
		s.notes.add(Odd, "a part of type %s is ignored", quote(kind))
	}
}

// isMetadataType takes the media types of RFC 9806, of RFC 7866's time and of
// clients that write neither, such as "application/ +xml".
func isMetadataType(kind string) bool {
	return strings.HasPrefix(kind, "application/rs-metadata") && !strings.HasSuffix(kind, "-request")
}

// isSDP knows SDP by its first line (RFC 8866, section 5.1).
func isSDP(content []byte) bool { return bytes.HasPrefix(content, []byte("v=0")) }

// isMetadata knows the metadata by its root, whatever its prefix and namespace.
func isMetadata(content []byte) bool {
	return content[0] == '<' && bytes.Contains(clip(content, 1024), []byte("recording"))
}
