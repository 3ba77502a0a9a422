package reelvault

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"
)

// Scope is one right. A token or sign-in holds a set of them, in one tenant.
type Scope string

// The scopes.
const (
	ScopeSessionsRead       Scope = "sessions:read"
	ScopeSessionsWrite      Scope = "sessions:write"
	ScopeContentRead        Scope = "content:read"
	ScopeContentErase       Scope = "content:erase"
	ScopeRecordingsPlay     Scope = "recordings:play"
	ScopeRecordingsWatch    Scope = "recordings:watch"
	ScopeRecordingsDownload Scope = "recordings:download"
	ScopeRecordingsControl  Scope = "recordings:control"
	ScopeRecordingsDelete   Scope = "recordings:delete"
	ScopeRoutingWrite       Scope = "routing:write"
	ScopeContactWrite       Scope = "contact:write"
	ScopeBansWrite          Scope = "bans:write"
	ScopeNotesWrite         Scope = "notes:write"
	ScopeExportsCreate      Scope = "exports:create"
	ScopeHoldsWrite         Scope = "holds:write"
	ScopeAuditRead          Scope = "audit:read"
	ScopeWebhooksWrite      Scope = "webhooks:write"
	ScopePeopleWrite        Scope = "people:write"
	ScopeTenantAdmin        Scope = "tenant:admin"
	ScopeIngest             Scope = "ingest"
	ScopeSystem             Scope = "system" // alone may make tenants
)

// Scopes lists every scope.
var Scopes = []Scope{
	ScopeSessionsRead, ScopeSessionsWrite, ScopeContentRead, ScopeContentErase, ScopeRecordingsPlay,
	ScopeRecordingsWatch, ScopeRecordingsDownload, ScopeRecordingsControl, ScopeRecordingsDelete,
	ScopeRoutingWrite, ScopeContactWrite, ScopeBansWrite, ScopeNotesWrite, ScopeExportsCreate,
	ScopeHoldsWrite, ScopeAuditRead, ScopeWebhooksWrite, ScopePeopleWrite, ScopeTenantAdmin,
	ScopeIngest, ScopeSystem,
}

// Principal is who makes a request, as far as rights go.
type Principal struct {
	TenantID string
	ID       string // of the Person, Token or Ticket
	Name     string // for logs, audit and pauses
	Scopes   []Scope
}

// Can says whether p holds s.
func (p Principal) Can(s Scope) bool { return slices.Contains(p.Scopes, s) }

// Person is somebody who can sign in.
type Person struct {
	ID        string
	TenantID  string
	Name      string
	Scopes    []Scope
	CreatedAt time.Time
}

// CredentialKind is what a credential is good for.
type CredentialKind string

// The kinds of credentials.
const (
	CredentialToken  CredentialKind = "token"  // an API token, Authorization: Bearer
	CredentialLink   CredentialKind = "link"   // a one-time sign-in link
	CredentialCookie CredentialKind = "cookie" // a sign-in in a browser
	CredentialTicket CredentialKind = "ticket" // a short-lived right to one session or file

	// CredentialInvitation is a link to the call page. All that it is good for
	// is to get tickets for one participant of one session, again and again.
	CredentialInvitation CredentialKind = "invitation"
)

// Credential is a secret somebody shows. Only the SHA-256 of the secret is
// kept: secrets are 256 random bits, so a slow hash would add nothing.
type Credential struct {
	ID        string
	Kind      CredentialKind
	TenantID  string
	Hash      [32]byte
	Name      string  // what lists and logs show
	PersonID  string  // whose it is; empty for a service's token
	IssuerID  string  // of a ticket: the principal whose rights it borrows
	Scopes    []Scope // of a token or ticket; a link or cookie has its person's
	Purpose   Purpose // of a ticket
	SessionID string  // of a ticket for a session, and of an invitation
	FileID    string  // of a ticket for a file's bytes

	// Of a ticket to publish or call, and of an invitation: as whom, and only so.
	ParticipantID string
	Role          Role

	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
}

// Purpose is what a ticket is for.
type Purpose string

// The purposes. Play and Download are for the bytes of one file, the others
// for one session.
const (
	PurposePublish  Purpose = "publish"
	PurposeWatch    Purpose = "watch"
	PurposeTab      Purpose = "tab"
	PurposeCall     Purpose = "call" // to take part in a call: publish, watch, chat
	PurposePlay     Purpose = "play"
	PurposeDownload Purpose = "download"
)

// AuditEvent is one thing that was done or denied, kept for ever.
type AuditEvent struct {
	ID          string
	TenantID    string
	At          time.Time
	PrincipalID string
	Principal   string // name
	Action      string // operation id, or "play", "download"
	Target      string // kind and id, such as "file/0198..."
	Outcome     string // "ok" or "denied"
	Address     string // of the client
	Detail      string // small JSON object, or empty
}

// Secret is a string that prints as [redacted] everywhere but in Reveal. Keep
// it in exported fields: fmt can't ask an unexported one how it prints, and
// shows the string.
type Secret string

const redacted = "[redacted]"

// Reveal gives the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter. Without it a verb that is wrong for a string
// would be reported with the secret itself.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText implements encoding.TextMarshaler, and so JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
