package storage

import (
	"context"

	"github.com/reelvault/reelvault"
)

// ActivityFilter chooses activities of one tenant.
type ActivityFilter struct {
	TenantID  string
	SessionID string // empty: of every session
	After     int64  // those whose Seq is larger
	Limit     int    // at least 1; a catalog gives no more than 1000
}

// Activities keeps what happened in sessions. Nothing changes or removes an
// activity; who read up to a Seq never finds a smaller one later. A release
// that erases what was said will blank texts and data in place, and so leave
// the numbers whole.
type Activities interface {
	// AppendActivities adds activities of one tenant, in this order and all or
	// none, and gives them as they are kept, each with its Seq: one more than
	// the tenant's last. One with a ClientID that its participant has used in
	// the session already is not added: the first one is given in its place. A
	// session that isn't there or is another tenant's is NotFound. Whether it
	// is live does not matter: some things happen after its end.
	AppendActivities(ctx context.Context, as []reelvault.Activity) ([]reelvault.Activity, error)

	// Activities lists them by Seq, fewer than Limit only if there are no more.
	Activities(ctx context.Context, f ActivityFilter) ([]reelvault.Activity, error)

	// LatestActivity gives the largest Seq of a tenant, or 0.
	LatestActivity(ctx context.Context, tenantID string) (int64, error)
}

// Note gives the activity that tells what became of a participant, who is p as
// they are kept now. It is appended in the transaction of the change, so that
// neither is there without the other; one of another session is a Conflict. It
// may be asked more than once and must not use the catalog. A nil Note tells
// nothing.
type Note func(p reelvault.Participant) reelvault.Activity

// Participants keeps who is in a session. A session that isn't there or is
// another tenant's is NotFound everywhere.
type Participants interface {
	// SetParticipant adds p, or brings back who is there: a Name and Address
	// that p has are taken over, LeftAt becomes zero; JoinedAt and Consent stay.
	// It says whether p has come, being new or having left, and notes it then.
	// Somebody who is there in another role is a Conflict, and so is a session
	// that isn't live.
	// A p with LeftAt, and the same JoinedAt, is only made known, so that they
	// can answer before they come: who is new is kept as having left then, until
	// they come and get another JoinedAt; who is there stays.
	SetParticipant(ctx context.Context, tenantID, sessionID string, p reelvault.Participant, joined Note) (bool, error)

	// Leave keeps that p.ID left at p.LeftAt, says whether they were there, and
	// notes it then.
	Leave(ctx context.Context, tenantID, sessionID string, p reelvault.Participant, left Note) (bool, error)

	// SetConsent keeps p.Consent as the answer of the guest p.ID, and notes it.
	// It may turn from given to refused and not back: that is a Conflict, and so
	// is an operator. The same answer to the same version again changes nothing,
	// and is not noted. Nobody of that id is NotFound.
	SetConsent(ctx context.Context, tenantID, sessionID string, p reelvault.Participant, answered Note) error

	// Withheld says whether a session must not be recorded because of what its
	// guests answered, or didn't. It is never so in a tenant that asks for no
	// consent now, nor in a Phone session: there the telephone system has asked.
	// Elsewhere it is so while
	//   - no guest has given consent, whoever else is there;
	//   - a guest who is there has not answered;
	//   - a guest has refused, for good, even after having left.
	// An answer counts whatever version of the text it was given to.
	Withheld(ctx context.Context, tenantID, sessionID string) (bool, error)
}
