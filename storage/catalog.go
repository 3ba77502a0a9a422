package storage

import (
	"context"
	"time"

	"github.com/reelvault/reelvault"
)

// Catalog keeps every row. Each method is one transaction and durable when it
// returns. Methods may be called from any goroutine. Errors are of the kinds
// named at each method; what the database itself refuses or loses is Internal
// or, if it can't be reached, Unavailable. A context that ends before a method has
// begun ends it with the context's error and without effect. Times come back
// in UTC with millisecond precision, durations with microsecond precision,
// both cut off. Lists come back oldest first unless said otherwise and are
// never nil. A page may hold fewer rows than its limit; its cursor says
// whether there are more.
//
// What is added under an id, name or hash that is taken is a Conflict; what
// refers to a row that isn't there or is another tenant's is NotFound.
type Catalog interface {
	Tenants
	Sessions
	Participants
	Activities
	Recordings
	Transfers
	Access

	// Check says whether the database answers.
	Check(ctx context.Context) error

	// Close waits for running calls and closes the database.
	Close() error
}

// Tenants keeps the tenants.
type Tenants interface {
	// CreateTenant adds t. A name that is taken is a Conflict.
	CreateTenant(ctx context.Context, t reelvault.Tenant) error

	// Tenant gives one, or NotFound.
	Tenant(ctx context.Context, id string) (reelvault.Tenant, error)

	// TenantNamed gives one by its name, or NotFound.
	TenantNamed(ctx context.Context, name string) (reelvault.Tenant, error)

	// Tenants lists them by id, and gives the cursor of the next page or "".
	Tenants(ctx context.Context, p Page) ([]reelvault.Tenant, string, error)

	// UpdateTenant changes a tenant's Features, Consent and MaxFileBytes as
	// change says, in one transaction, or NotFound. An error of change ends it
	// without effect and is given back. change may run more than once and must
	// not use the catalog. A version of a notice that has or had another text
	// or language is a Conflict, as with CreateTenant.
	UpdateTenant(ctx context.Context, id string, change func(t *reelvault.Tenant) error) (reelvault.Tenant, error)
}

// SessionFilter chooses sessions of one tenant.
type SessionFilter struct {
	TenantID string
	Live     *bool // only live, only ended, or nil for both
}

// SessionEnd is how a session ends.
type SessionEnd struct {
	TenantID, SessionID string

	Reason reelvault.TerminationReason
	At     time.Time

	// Tell gives the activities that tell of it, all of this session, or else
	// it is a Conflict. s is the session as it has ended, but that those who
	// were there until now still have no LeftAt. It may be asked more than once
	// and must not use the catalog.
	Tell func(s reelvault.Session) []reelvault.Activity
}

// Sessions keeps the sessions.
type Sessions interface {
	// CreateSession adds s. If its ExternalID is there already, it changes
	// nothing and gives the session that has it, and false.
	CreateSession(ctx context.Context, s reelvault.Session) (reelvault.Session, bool, error)

	// Session gives one with its participants, or NotFound.
	Session(ctx context.Context, tenantID, id string) (reelvault.Session, error)

	// Sessions lists the newest first, and gives the cursor of the next page or
	// "". An unreadable cursor is Invalid.
	Sessions(ctx context.Context, f SessionFilter, p Page) ([]reelvault.Session, string, error)

	// MoveSession takes a session to a status. A move that its status does not
	// allow is a Conflict that names the present status.
	MoveSession(ctx context.Context, tenantID, id string, to reelvault.SessionStatus, reason reelvault.TerminationReason, at time.Time) (reelvault.Session, error)

	// EndSession closes a session as MoveSession does, lets everybody leave at
	// e.At who is there, and appends what e.Tell gives; all or nothing.
	EndSession(ctx context.Context, e SessionEnd) (reelvault.Session, error)
}

// Recordings keeps recordings with their files, tracks and gaps.
type Recordings interface {
	// CreateRecording adds r without files and tracks.
	CreateRecording(ctx context.Context, r reelvault.Recording) error

	// Recording gives one with files, tracks and gaps, or NotFound.
	Recording(ctx context.Context, tenantID, id string) (reelvault.Recording, error)

	// RecordingOfFile gives the recording that has this file, of any tenant, or NotFound.
	RecordingOfFile(ctx context.Context, fileID string) (reelvault.Recording, error)

	// RecordingsOf lists a session's recordings with files, tracks and gaps,
	// deleted ones left out.
	RecordingsOf(ctx context.Context, tenantID, sessionID string) ([]reelvault.Recording, error)

	// Unfinished lists the recordings of every tenant whose state is
	// recording, paused or processing, with files, tracks and gaps.
	Unfinished(ctx context.Context) ([]reelvault.Recording, error)

	// MoveRecording applies an event. One that the present state does not
	// allow is a Conflict that names the state. change may set EndedAt, Reason
	// and SyncError; zero values leave what is there.
	MoveRecording(ctx context.Context, id string, e reelvault.RecordingEvent, change reelvault.Recording) (reelvault.Recording, error)

	// SaveFile adds f or replaces what may change while it is captured:
	// Offset, Duration, Bytes, Type, Sealed. It never touches durability. Once
	// it is sealed the same values may be saved again; others are a Conflict.
	SaveFile(ctx context.Context, f reelvault.File) error

	// SaveTracks adds or replaces tracks, gaps included, in one transaction.
	SaveTracks(ctx context.Context, tracks []reelvault.Track) error

	// SaveTiming keeps how the tracks of a file were placed, in place of what
	// was kept before; NotFound without the file.
	SaveTiming(ctx context.Context, fileID string, t reelvault.Timing) error

	// Timing gives what was kept for a file, or NotFound.
	Timing(ctx context.Context, fileID string) (reelvault.Timing, error)

	// Unstored lists the files of every tenant that are not verified and whose
	// recording is not deleted, sealed or not.
	Unstored(ctx context.Context) ([]reelvault.File, error)

	// CommitFile records a step of durability. Going back is a Conflict;
	// repeating a step with the same values is not. Stored may be repeated with
	// another version, which takes the place of one that did not read back;
	// Verified is of the version that is stored. An object of another key or
	// size than the file's, and a file that isn't sealed, are a Conflict.
	// sha256 is for Verified, and Invalid if it is missing there.
	CommitFile(ctx context.Context, fileID string, d reelvault.Durability, o Object, sha256 string) error

	// Upload gives the id of the file's open upload, or ""; NotFound without
	// the file.
	Upload(ctx context.Context, fileID string) (string, error)

	// SetUpload keeps the id of the file's open upload; "" forgets it; NotFound
	// without the file.
	SetUpload(ctx context.Context, fileID, uploadID string) error

	// Erasable lists the files of deleted recordings, and of transfers that
	// were aborted, whose bytes still exist.
	Erasable(ctx context.Context) ([]reelvault.File, error)

	// ForgetFile removes the row of a file whose bytes are gone, and its tracks
	// and tickets. One that isn't there is no error; one that is stored or
	// verified while its recording is not deleted is a Conflict.
	ForgetFile(ctx context.Context, fileID string) error
}

// Access keeps people, credentials and the audit log.
type Access interface {
	// CreatePerson adds p.
	CreatePerson(ctx context.Context, p reelvault.Person) error

	// Person gives one, or NotFound.
	Person(ctx context.Context, id string) (reelvault.Person, error)

	// People lists a tenant's people.
	People(ctx context.Context, tenantID string) ([]reelvault.Person, error)

	// CreateCredentials adds all of cs or none. A hash that is taken is a Conflict.
	CreateCredentials(ctx context.Context, cs []reelvault.Credential) error

	// Credential gives the one with this hash if it has not expired at now, or
	// NotFound.
	Credential(ctx context.Context, kind reelvault.CredentialKind, hash [32]byte, now time.Time) (reelvault.Credential, error)

	// Consume gives and deletes the one with this hash, once even if many ask
	// at the same time; NotFound for all others.
	Consume(ctx context.Context, kind reelvault.CredentialKind, hash [32]byte, now time.Time) (reelvault.Credential, error)

	// Prolong moves a credential's end to at least until; one that never ends
	// stays so. One that has ended is NotFound, like one that isn't there.
	Prolong(ctx context.Context, id string, until time.Time) error

	// Credentials lists a tenant's credentials of a kind, expired ones left out.
	Credentials(ctx context.Context, tenantID string, kind reelvault.CredentialKind, now time.Time) ([]reelvault.Credential, error)

	// Revoke deletes a tenant's credential and every ticket and invitation it
	// issued, and what these issued, or NotFound.
	Revoke(ctx context.Context, tenantID, id string) error

	// RemoveExpired deletes credentials that ended before now.
	RemoveExpired(ctx context.Context, now time.Time) error

	// Append adds an event to the audit log. Nothing changes or removes one. A
	// tenant need not exist: a denial may have none.
	Append(ctx context.Context, e reelvault.AuditEvent) error

	// Audit lists a tenant's events, newest first.
	Audit(ctx context.Context, tenantID string, p Page) ([]reelvault.AuditEvent, string, error)
}
