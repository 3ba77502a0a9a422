// Package reelvault is the vocabulary of the recorder: the nouns every other
// package shares, the states they can be in, and the kinds of errors. It
// imports the standard library only and does no I/O.
//
// A packet's road through the program, left to right:
//
//	source -> inbox -> jitter -> timeline -> depacket -> mux -> spool -> archive -> catalog
//
// Only two things travel back: errors, and a request for a keyframe. Sources
// are WebRTC peers now and telephony later; what lies between inbox and
// spool is owned by one goroutine for each file; what lies behind the spool
// may be slow or down for as long as it likes without capture noticing.
//
// Times are UTC. Ids are UUIDv7 in their canonical text form, made where the
// thing is made. Every row, object, token and query belongs to one Tenant;
// another tenant's things are not found rather than forbidden.
package reelvault

import "time"

// Tenant is one customer company's space.
type Tenant struct {
	ID           string
	Name         string // unique, 1 to 63 of [a-z0-9-]; appears in object keys never
	Features     Features
	Consent      ConsentNotice
	MaxFileBytes int64 // of one file that is shared; 0 takes none
	CreatedAt    time.Time
}

// DefaultMaxFileBytes is what a new tenant takes unless it says otherwise.
const DefaultMaxFileBytes = 100 << 20

// ConsentNotice is what guests are asked before they are recorded. A Version
// names one text for ever: another text needs another version, so that an
// answer says what was answered.
type ConsentNotice struct {
	Required bool
	Text     string
	Version  string // as the tenant counts, such as "2026-05"; empty while there never was a text
	Language string // of the text, as BCP 47 writes it, or empty
}

// DefaultTenant is the name of the tenant that the first start makes.
const DefaultTenant = "default"

// Features switches whole capabilities of a tenant. A feature that is off
// captures nothing and hides the Recordings tab; what exists stays readable
// under retention, holds and exports.
type Features struct {
	AV    bool // audio, video, screen and file sharing
	Phone bool // IP telephony
}
