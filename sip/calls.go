package sip

import (
	"context"

	"github.com/reelvault/reelvault"
)

// Calls is where calls become sessions. Its methods may be called from any
// goroutine, for different calls at the same time.
type Calls interface {
	// Begin makes a session for a call, with its parties, or finds one that
	// the owning platform has made for it. It is refused with an error of kind
	// Forbidden (telephony is off), StorageFull or Unavailable.
	Begin(ctx context.Context, c Call) (Session, error)

	// Update tells of parties that are new, or of whom more is known.
	Update(ctx context.Context, s Session, parties []Party) error

	// End tells that the call is over. Its capture is closed by then.
	End(ctx context.Context, s Session, cause Cause) error
}

// Session says which session a call became.
type Session struct {
	TenantID, ID string
}

// Call is what is known of a call when it begins.
type Call struct {
	// IDs name the call to others, the best name first: the communication
	// session of the metadata, if there is one, and the Call-ID.
	IDs []string

	Name     string // what lists may show, or empty
	Parties  []Party
	Metadata []byte   // as it came, or nil
	Notes    []string // what was odd about it
}

// Party is one side of a call.
type Party struct {
	ID      string // unique in the call and stable: caller, callee, party3 and so on
	Role    reelvault.Role
	Name    string // display name, or empty
	Address string // address of record, or empty
}

// CallerID and CalleeID are the ids of the first two parties of a call.
const (
	CallerID = "caller"
	CalleeID = "callee"
)

// Cause is why a call ended.
type Cause string

// The causes.
const (
	CauseBye      Cause = "bye"      // the client said so
	CauseCancel   Cause = "cancel"   // the client took its INVITE back
	CauseHangup   Cause = "hangup"   // this side was asked to
	CauseShutdown Cause = "shutdown" // this program ends
	CauseUnheard  Cause = "unheard"  // no ACK, and no media
	CauseSilence  Cause = "silence"  // no media for too long
	CauseExpired  Cause = "expired"  // the session timer ran out
	CauseFailed   Cause = "failed"   // the recorder or a port was not to be had
)

// Broken says whether a call that ended so ended otherwise than on purpose.
func (c Cause) Broken() bool {
	return c == CauseUnheard || c == CauseSilence || c == CauseExpired || c == CauseFailed
}
