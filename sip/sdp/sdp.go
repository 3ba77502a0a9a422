// Package sdp reads the offers of session recording clients and writes a
// recorder's answers (RFC 8866, RFC 3264; RFC 7866, section 7).
//
// It has a reader of its own because pion/sdp refuses a whole description for
// a missing t= line, a line out of order or a protocol that it does not know,
// and a call would be lost for that. This reader takes every line that makes
// sense by itself and skips the others; what it can't do without is one m-line.
//
// Every m-line of an offer is answered, in its order: a line of audio with a
// codec of ours by "recvonly", by "inactive" if the client holds it, any other
// by port 0.
//
// The package does no I/O, and knows neither sockets nor sessions.
package sdp

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/reelvault/reelvault"
)

const (
	// MaxOffer is how many bytes of an offer are read.
	MaxOffer = 64 << 10

	// MaxLines bounds the m-lines of an offer; clients send one to three.
	MaxLines = 16

	maxLabel = 128 // bytes
)

// Direction is who sends on an m-line (RFC 8866, section 6.7).
type Direction string

// The directions.
const (
	SendRecv Direction = "sendrecv"
	SendOnly Direction = "sendonly"
	RecvOnly Direction = "recvonly"
	Inactive Direction = "inactive"
)

// Offer is what a client offers to send.
type Offer struct {
	Lines []Line
}

// Line is one m-line.
type Line struct {
	Media      string     // such as "audio"
	Port       int        // 0: the line is not used
	Protocol   string     // such as "RTP/AVP"
	Formats    []string   // as written
	Label      string     // RFC 4574, or empty
	Direction  Direction  // the line's own, else the session's, else sendrecv
	Address    netip.Addr // where the client is, or the zero Addr if it does not say
	NoAddress  bool       // the address is 0.0.0.0 or ::, the hold of RFC 2543
	RTCPMux    bool       // RFC 5761
	Encodings  []Encoding // of the formats, in the client's order of preference
	PacketTime int        // milliseconds, or 0
}

// Encoding is one format of a line that the recorder knows.
type Encoding struct {
	PayloadType uint8
	Codec       reelvault.Codec
	ClockRate   uint32
}

// Parse reads an offer. It fails only where there is no m-line at all.
func Parse(text []byte) (Offer, error) {
	if len(text) > MaxOffer {
		return Offer{}, reelvault.Errorf(reelvault.TooLarge, "the SDP has %d bytes; at most %d are read", len(text), MaxOffer)
	}
	session := section{direction: SendRecv}
	var lines []section
	at := &session
	for raw := range strings.Lines(string(text)) {
		line := strings.TrimSpace(raw)
		if len(line) < 2 || line[1] != '=' {
			continue
		}
		value := strings.TrimSpace(line[2:])
		switch line[0] {
		case 'm':
			if len(lines) == MaxLines {
				return Offer{}, reelvault.Errorf(reelvault.Invalid, "the SDP has more than %d m-lines", MaxLines)
			}
			lines = append(lines, section{media: value})
			at = &lines[len(lines)-1]
		case 'c':
			at.connection = value
		case 'a':
			at.attribute(value)
		default:
		}
	}
	if len(lines) == 0 {
		return Offer{}, reelvault.Errorf(reelvault.Invalid, "the SDP has no m-line")
	}
	var o Offer
	for i := range lines {
		o.Lines = append(o.Lines, lines[i].line(session))
	}
	return o, nil
}

// section is the session's part of a description or an m-line's, as written.
type section struct {
	media      string
	connection string
	label      string
	direction  Direction
	mux        bool
	packetTime int
	rtpmap     map[string]string // payload type -> encoding
}

func (s *section) attribute(text string) {
	name, value, _ := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "sendrecv", "sendonly", "recvonly", "inactive":
		s.direction = Direction(strings.ToLower(strings.TrimSpace(name)))
	case "label":
		if len(value) <= maxLabel && !strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			s.label = value
		}
	case "rtcp-mux":
		s.mux = true
	case "ptime":
		if n, err := strconv.Atoi(value); err == nil && n > 0 && n <= 1000 {
			s.packetTime = n
		}
	case "rtpmap":
		if pt, encoding, ok := strings.Cut(value, " "); ok {
			if s.rtpmap == nil {
				s.rtpmap = map[string]string{}
			}
			s.rtpmap[pt] = strings.TrimSpace(encoding)
		}
	default:
	}
}

// line completes an m-line with what the session says for all.
func (s *section) line(session section) Line {
	l := Line{Label: s.label, Direction: s.direction, RTCPMux: s.mux || session.mux, PacketTime: s.packetTime}
	if l.Direction == "" {
		l.Direction = session.direction
	}
	connection := s.connection
	if connection == "" {
		connection = session.connection
	}
	l.Address, l.NoAddress = address(connection)
	fields := strings.Fields(s.media)
	if len(fields) < 3 {
		return l
	}
	l.Media, l.Protocol, l.Formats = strings.ToLower(fields[0]), strings.ToUpper(fields[2]), fields[3:]
	port, _, _ := strings.Cut(fields[1], "/")
	if n, err := strconv.Atoi(port); err == nil && n > 0 && n <= 65535 {
		l.Port = n
	}
	for _, f := range l.Formats {
		if e, ok := encoding(f, s.rtpmap[f]); ok {
			l.Encodings = append(l.Encodings, e)
		}
	}
	return l
}

// address reads a c= line.
func address(connection string) (netip.Addr, bool) {
	fields := strings.Fields(connection)
	if len(fields) < 3 {
		return netip.Addr{}, false
	}
	host, _, _ := strings.Cut(fields[2], "/") // a multicast address has its TTL behind it
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, false
	}
	if a.IsUnspecified() {
		return netip.Addr{}, true
	}
	return a.Unmap().WithZone(""), false
}

// encoding knows the formats that are recorded, by their name or, without one,
// by their static payload type (RFC 3551, section 6).
func encoding(format, name string) (Encoding, bool) {
	pt, err := strconv.ParseUint(format, 10, 7)
	if err != nil {
		return Encoding{}, false
	}
	if name == "" {
		switch pt {
		case 0:
			name = "PCMU/8000"
		case 8:
			name = "PCMA/8000"
		default:
		}
	}
	parts := strings.Split(strings.ToUpper(name), "/")
	if len(parts) < 2 || parts[1] != "8000" || len(parts) > 2 && parts[2] != "1" {
		return Encoding{}, false
	}
	codec := map[string]reelvault.Codec{"PCMU": reelvault.PCMU, "PCMA": reelvault.PCMA}[parts[0]]
	return Encoding{PayloadType: uint8(pt), Codec: codec, ClockRate: 8000}, codec != ""
}
