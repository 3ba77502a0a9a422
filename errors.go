package reelvault

import (
	"errors"
	"fmt"
	"time"
)

// Kind is what a machine needs to know of an error. The set is closed: an
// adapter translates what its library says into one of these at its border.
type Kind uint8

// The kinds. The zero Kind is Internal, so an error nobody classified is ours.
const (
	Internal        Kind = iota // a fault of ours or of the machine
	Invalid                     // the request is malformed or breaks a rule it could have known
	Unauthenticated             // no valid credential
	Forbidden                   // a valid credential without the needed scope or feature
	NotFound                    // does not exist, or belongs to another tenant
	Conflict                    // the thing's present state does not allow it, or the name is taken
	Stale                       // the precondition (If-Match) no longer holds
	TooLarge                    // over a documented size
	Unsupported                 // a media type or codec we do not take
	NotAcceptable               // nothing we can offer is acceptable to the client
	Limited                     // over a rate limit; RetryAfter says when to come back
	Unavailable                 // we cannot now, and later is worth a try
	StorageFull                 // the local disk has no room for another recording
)

var kindNames = [...]string{
	"internal", "invalid", "unauthenticated", "forbidden", "not-found", "conflict", "stale",
	"too-large", "unsupported", "not-acceptable", "limited", "unavailable", "storage-full",
}

// String gives the kind as it appears in problem types and logs.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Error is an error for four readers: Kind for the machine, Message for the
// person who caused it, Hint for the operator who can mend it, and Cause for
// the log. Message never carries the cause's text.
type Error struct {
	Kind       Kind
	Message    string        // one sentence, no secrets
	Hint       string        // what an operator can do, or empty
	Location   string        // where in the input, such as "body.name" or "query.limit", or empty
	RetryAfter time.Duration // for Limited and Unavailable, or zero
	Cause      error

	told bool // Message holds the cause's text
}

// Error gives the message and the cause, each once.
func (e *Error) Error() string {
	if e.Cause == nil || e.told {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error of kind k. One %w verb sets the cause as fmt.Errorf
// does, but its text then stays in Message: use it only for causes whose text
// the person may read.
func Errorf(k Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	cause := errors.Unwrap(err)
	return &Error{Kind: k, Message: err.Error(), Cause: cause, told: cause != nil}
}

// KindOf gives the kind of the outermost Error in err's chain; Internal if
// there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
