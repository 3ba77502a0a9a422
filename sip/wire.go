package sip

import (
	"bytes"
	"strconv"
	"strings"
)

// message is one SIP message as it came, in lines.
type message struct {
	start string
	lines []string // header lines, folded ones still folded
	body  []byte
}

// readMessage takes a message apart. Lines may end in CRLF or, as some devices
// have it, in LF alone. It is false where there is no start line.
func readMessage(data []byte) (message, bool) {
	var m message
	rest := bytes.TrimLeft(data, "\r\n")
	for len(rest) > 0 {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		rest = after
		text := strings.TrimSuffix(string(line), "\r")
		switch {
		case m.start == "":
			m.start = text
		case text == "":
			m.body = rest
			return m, true
		default:
			m.lines = append(m.lines, text)
		}
	}
	return m, m.start != ""
}

// header gives the value of the first header of these names.
func (m message) header(names ...string) string {
	for _, line := range m.lines {
		if value, ok := headerOf(line, names...); ok {
			return value
		}
	}
	return ""
}

func headerOf(line string, names ...string) (string, bool) {
	name, value, ok := strings.Cut(line, ":")
	if !ok || line[0] == ' ' || line[0] == '\t' {
		return "", false
	}
	name = strings.TrimSpace(name)
	for _, n := range names {
		if strings.EqualFold(name, n) {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}

// request says whether the message asks for something, and gives its method.
func (m message) request() (method string, ok bool) {
	method, rest, _ := strings.Cut(m.start, " ")
	return method, !strings.HasPrefix(m.start, "SIP/") && strings.HasSuffix(rest, " SIP/2.0")
}

// contentLength gives what the header says, 0 without one, or false for what
// is no length.
func (m message) contentLength() (int, bool) {
	text := m.header("Content-Length", "l")
	if text == "" {
		return 0, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0
}

// mended writes the message as the parser wants it: CRLF after each line, no
// line that is no header, a Contact whose bracket is closed, and the length
// that the body has. Without bare, headers that a recorder has no use for are
// left out, too.
func (m message) mended(bare bool) []byte {
	var b bytes.Buffer
	b.Grow(len(m.body) + 2048)
	b.WriteString(m.start)
	b.WriteString("\r\n")
	skipping := false
	for _, line := range m.lines {
		folded := line[0] == ' ' || line[0] == '\t'
		if folded && skipping {
			continue
		}
		if skipping = !folded && useless(line, bare); skipping {
			continue
		}
		b.WriteString(closed(line))
		b.WriteString("\r\n")
	}
	b.WriteString("Content-Length: ")
	b.WriteString(strconv.Itoa(len(m.body)))
	b.WriteString("\r\n\r\n")
	b.Write(m.body)
	return b.Bytes()
}

// useless says which lines are left out.
func useless(line string, bare bool) bool {
	if !strings.Contains(line, ":") {
		return true
	}
	if _, is := headerOf(line, "Content-Length", "l"); is {
		return true
	}
	_, is := headerOf(line, "Route", "Refer-To", "r", "Referred-By", "b", "Max-Forwards")
	return bare && is
}

// closed adds the bracket that some clients forget behind their Contact: in
// front of a parameter of the header, or at the end.
func closed(line string) string {
	value, is := headerOf(line, "Contact", "m")
	if !is || !strings.Contains(value, "<") || strings.Contains(value, ">") {
		return line
	}
	if i := strings.Index(line, ";+sip."); i >= 0 {
		return line[:i] + ">" + line[i:]
	}
	return line + ">"
}

// refusal answers a request without any transaction: with the headers that an
// answer repeats (RFC 3261, section 8.2.6.2), and so with fewer bytes than the
// request had. What has to get none, gets none: nil.
func (m message) refusal(status string) []byte {
	method, ok := m.request()
	if !ok || method == "ACK" || m.header("Via", "v") == "" || m.header("CSeq") == "" {
		return nil
	}
	var b bytes.Buffer
	b.WriteString("SIP/2.0 " + status + "\r\n")
	copying := false
	for _, line := range m.lines {
		if line[0] != ' ' && line[0] != '\t' {
			_, copying = headerOf(line, "Via", "v", "From", "f", "To", "t", "Call-ID", "i", "CSeq")
		}
		if copying {
			b.WriteString(line + "\r\n")
		}
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	return b.Bytes()
}
