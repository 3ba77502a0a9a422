// Package siprec reads what a session recording client says of a call: the
// body of its SIP message (RFC 7866, section 9) and the metadata in it
// (RFC 7865).
//
//	SIP body -> Split -> SDP, for package sdp
//	                  -> metadata -> Parse -> Metadata.Sides(labels) -> who speaks on which m-line
//
// What clients send differs from the standard and from each other in nearly
// every detail, and a call is worth more than its description. So nothing here
// fails: what can be understood is taken, by local names and by either
// spelling, and each deviation is a Note. Memory and time are bounded by the
// constants below; the document type is ignored, so no entity expands.
//
// The package does no I/O, and knows neither sockets nor sessions.
package siprec

import (
	"fmt"
	"slices"
)

// Grade says how much a Note matters.
type Grade string

// The grades.
const (
	Odd  Grade = "odd"  // not as the standard wants it, and understood all the same
	Lost Grade = "lost" // something was said that could not be used
)

// Note is one deviation, for the people who run the client.
type Note struct {
	Grade Grade
	Text  string // one phrase, in which peers' words are quoted and cut
}

// String gives the note as it appears in logs.
func (n Note) String() string { return string(n.Grade) + ": " + n.Text }

// maxNotes bounds the notes of one message; a hostile one has a deviation in
// every line.
const maxNotes = 32

// notes collects, each note once.
type notes []Note

func (n *notes) add(g Grade, format string, args ...any) {
	note := Note{Grade: g, Text: fmt.Sprintf(format, args...)}
	if len(*n) < maxNotes && !slices.Contains(*n, note) {
		*n = append(*n, note)
	}
}

// maxQuoted bounds a peer's words in a note.
const maxQuoted = 64

// quote makes a peer's words fit to be logged.
func quote(s string) string {
	if len(s) > maxQuoted {
		s = s[:maxQuoted]
	}
	return fmt.Sprintf("%q", s)
}
