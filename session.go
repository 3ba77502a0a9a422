package reelvault

import (
	"slices"
	"time"
)

// Channel is how the contact is held. The values are wire values.
type Channel string

// The channels.
const (
	ChannelChat  Channel = "Chat"
	ChannelAV    Channel = "AV"
	ChannelPhone Channel = "Phone"
)

// SessionSource is how the contact came about. The values are wire values.
type SessionSource string

// The sources of sessions.
const (
	SourceDefault        SessionSource = "Default"
	SourceCallback       SessionSource = "Callback"
	SourceInvitation     SessionSource = "Invitation"
	SourceChatInvitation SessionSource = "ChatInvitation"
	SourceIncomingCall   SessionSource = "IncomingCall"
	SourceOutgoingCall   SessionSource = "OutgoingCall"
	SourceCampaign       SessionSource = "Campaign"
	SourceAPI            SessionSource = "API"
	SourceFacebook       SessionSource = "Facebook"
	SourceWhatsApp       SessionSource = "WhatsApp"
	SourceVK             SessionSource = "VK"
	SourceApple          SessionSource = "Apple"
	SourceGenericChannel SessionSource = "GenericChannel"
)

// SessionStatus is where a session stands. The values are wire values.
type SessionStatus string

// The statuses. ACW is after-call work, BCW the preparation before an
// outbound call is dialled.
const (
	StatusCreated     SessionStatus = "CREATED"
	StatusInQueue     SessionStatus = "IN_QUEUE"
	StatusWaiting     SessionStatus = "WAITING"
	StatusActive      SessionStatus = "ACTIVE"
	StatusACW         SessionStatus = "ACW"
	StatusBCW         SessionStatus = "BCW"
	StatusClosed      SessionStatus = "CLOSED"
	StatusBlacklisted SessionStatus = "BLACKLISTED"
)

// SessionStatuses lists every status, in the order of a session's life.
var SessionStatuses = []SessionStatus{
	StatusCreated, StatusInQueue, StatusWaiting, StatusBCW, StatusActive, StatusACW,
	StatusClosed, StatusBlacklisted,
}

// sessionMoves is the status machine: from each status, where a session may
// go. Closed and blacklisted sessions stay what they are.
var sessionMoves = map[SessionStatus][]SessionStatus{
	StatusCreated:     {StatusInQueue, StatusWaiting, StatusBCW, StatusActive, StatusClosed, StatusBlacklisted},
	StatusInQueue:     {StatusWaiting, StatusActive, StatusClosed, StatusBlacklisted},
	StatusWaiting:     {StatusInQueue, StatusActive, StatusClosed, StatusBlacklisted},
	StatusBCW:         {StatusActive, StatusACW, StatusClosed, StatusBlacklisted},
	StatusActive:      {StatusInQueue, StatusWaiting, StatusACW, StatusClosed, StatusBlacklisted},
	StatusACW:         {StatusClosed, StatusBlacklisted},
	StatusClosed:      nil,
	StatusBlacklisted: nil,
}

// CanBecome says whether a session may go from s to next. Staying is no move.
func (s SessionStatus) CanBecome(next SessionStatus) bool {
	return slices.Contains(sessionMoves[s], next)
}

// Predecessors lists the statuses from which a session may come to s, so that
// a catalog can repeat the rule in its WHERE.
func (s SessionStatus) Predecessors() []SessionStatus {
	var from []SessionStatus
	for _, p := range SessionStatuses {
		if p.CanBecome(s) {
			from = append(from, p)
		}
	}
	return from
}

// Live says whether the session still goes on.
func (s SessionStatus) Live() bool { return s != StatusClosed && s != StatusBlacklisted }

// TerminationReason is why a session ended. The values are wire values.
type TerminationReason string

// The termination reasons this program sets itself.
const (
	ReasonSessionAPICall TerminationReason = "SessionApiCall"
	ReasonGuestLeft      TerminationReason = "GuestLeft"
	ReasonOperatorLeft   TerminationReason = "OperatorLeft"
)

// Session is one contact of a guest with operators.
type Session struct {
	ID                string
	TenantID          string
	ExternalID        string // the owning platform's id, unique in the tenant, or empty
	Name              string // what lists show, or empty
	Channel           Channel
	Source            SessionSource
	Status            SessionStatus
	TerminationReason TerminationReason // empty while live
	CreatedAt         time.Time
	EndedAt           time.Time // zero while live
	Participants      []Participant
	Recordings        int // how many there are, deleted ones left out
}

// Role is the side a participant is on.
type Role string

// The roles.
const (
	RoleGuest    Role = "guest"
	RoleOperator Role = "operator"
)

// Participant is one person in a session. ID is unique in the session and
// chosen by whoever brings the person in: it comes back in WHIP and WHEP
// requests, 1 to 64 of [A-Za-z0-9._-].
type Participant struct {
	ID       string
	Role     Role
	Name     string // what people read, or empty
	Address  string // where a call came from or went to: a SIP address of record, or empty
	JoinedAt time.Time
	LeftAt   time.Time // zero while there; coming back makes it zero again
	Consent  Consent   // of a guest
}

// Consent is what a person answered to the question whether the session may
// be recorded.
type Consent struct {
	Answer  ConsentAnswer
	Version string // of the text that was shown
	At      time.Time
}

// ConsentAnswer is the answer to the notice before a recording.
type ConsentAnswer string

// The answers; the empty one is that there was none. A refusal is final.
const (
	ConsentGiven   ConsentAnswer = "given"
	ConsentRefused ConsentAnswer = "refused"
)
