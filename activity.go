package reelvault

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Activity is one thing that happened in a session. Nothing changes or
// removes one; Seq orders all of a tenant's, without holes, in the order in
// which they were written, which imports make differ from At.
type Activity struct {
	Seq           int64 // from 1, set by the catalog
	ID            string
	TenantID      string
	SessionID     string
	At            time.Time // on the session's clock
	Type          ActivityType
	Actor         Actor
	ParticipantID string // who did it or whom it is about, or empty
	Text          string // what was said, at most MaxActivityText bytes, as it was sent
	Data          string // a JSON object of at most MaxActivityData bytes, or empty
	FileID        string // of the file that was shared, or empty
	ClientID      string // chosen by whoever sends it: the same one again, of the same participant, is the same activity
}

// Limits of an activity. A text is kept as it was sent, in whatever Unicode
// form, because it is evidence; a search has to fold both sides.
const (
	MaxActivityText = 16 << 10 // bytes of UTF-8: some four printed pages
	MaxActivityData = 4 << 10  // bytes of JSON
	MaxClientID     = 64       // bytes
)

// Validate says what is wrong with the fields that somebody chose, as an error
// of kind Invalid or TooLarge whose Location begins with "body.".
func (a Activity) Validate() error {
	switch {
	case !a.Type.Known():
		return wrong("type", "there is no activity type %q", a.Type)
	case len(a.Text) > MaxActivityText:
		return tooLong("text", MaxActivityText)
	case len(a.Data) > MaxActivityData:
		return tooLong("data", MaxActivityData)
	case len(a.ClientID) > MaxClientID:
		return tooLong("clientId", MaxClientID)
	case !storable(a.Text):
		return wrong("text", "the text is not UTF-8 or holds a NUL")
	case !storable(a.ClientID):
		return wrong("clientId", "the id is not UTF-8 or holds a NUL")
	case a.Data != "" && !isObject(a.Data):
		return wrong("data", "the data has to be a JSON object")
	}
	return nil
}

func wrong(field, format string, args ...any) error {
	err := Errorf(Invalid, format, args...)
	err.Location = "body." + field
	return err
}

func tooLong(field string, limit int) error {
	err := Errorf(TooLarge, "%s may have at most %d bytes", field, limit)
	err.Location = "body." + field
	return err
}

// storable says whether every catalog can keep s: PostgreSQL takes no NUL.
func storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func isObject(s string) bool {
	var o map[string]json.RawMessage
	return utf8.ValidString(s) && json.Unmarshal([]byte(s), &o) == nil && o != nil && !strings.Contains(s, `\u0000`)
}

// Actor is the kind of who did something. The values are wire values; the
// empty one is this program.
type Actor string

// The actors.
const (
	ActorSystem  Actor = ""
	ActorUser    Actor = "User" // an operator
	ActorGuest   Actor = "Guest"
	ActorChatbot Actor = "Chatbot"
)

// Actor gives what somebody of role r is as an actor.
func (r Role) Actor() Actor {
	switch r {
	case RoleGuest:
		return ActorGuest
	case RoleOperator:
		return ActorUser
	default:
		return ActorSystem
	}
}

// ActivityType is what happened.
type ActivityType string

// The types that other systems know, too. The values are wire values.
const (
	ActivityChatMessage                ActivityType = "ChatMessage"
	ActivitySharedFile                 ActivityType = "SharedFile"
	ActivitySharedScreen               ActivityType = "SharedScreen"
	ActivityPhotoRequest               ActivityType = "PhotoRequest"
	ActivityCobrowsingStarted          ActivityType = "CobrowsingStarted"
	ActivityCobrowsingStoppedByGuest   ActivityType = "CobrowsingStoppedByGuest"
	ActivityScreenSharingFailedByGuest ActivityType = "ScreenSharingFailedByGuest"
	ActivityFileUploadFailed           ActivityType = "FileUploadFailed"
	ActivityHeroCard                   ActivityType = "HeroCard"
	ActivityHeroCardSubmission         ActivityType = "HeroCardSubmission"
	ActivityChatbotMessage             ActivityType = "ChatbotMessage"
	ActivityCallScript                 ActivityType = "CallScript"
	ActivityCallScriptSubmission       ActivityType = "CallScriptSubmission"
	ActivityWelcomeMessage             ActivityType = "WelcomeMessage"
	ActivityLastFarewellMessage        ActivityType = "LastFarewellMessage"
	ActivityPreviewURL                 ActivityType = "PreviewUrl"
	ActivityLocation                   ActivityType = "Location"
	ActivityHeroCardQuickReply         ActivityType = "HeroCardQuickReply"
	ActivityLocationRequest            ActivityType = "LocationRequest"
	ActivityExternalMessage            ActivityType = "ExternalMessage"
	ActivityOnHold                     ActivityType = "OnHold"
	ActivityResumeGuest                ActivityType = "ResumeGuest"
	ActivityAvRequest                  ActivityType = "AvRequest"
	ActivityAvResponse                 ActivityType = "AvResponse"
	ActivityAvGetMediaResult           ActivityType = "AvGetMediaResult"
	ActivityAvTerminated               ActivityType = "AvTerminated"
	ActivityChatToMail                 ActivityType = "ChatToMail"
	ActivityAutoActivity               ActivityType = "AutoActivity"
	ActivityChatbotHeroCardSubmission  ActivityType = "ChatbotHeroCardSubmission"
	ActivityAutoActivityAsOperator     ActivityType = "AutoActivityAsOperator"
	ActivityNotifyOperator             ActivityType = "NotifyOperator"
	ActivityUpgradeToFull              ActivityType = "UpgradeToFull"
	ActivitySessionEnded               ActivityType = "SessionEnded"
	ActivitySessionForwarded           ActivityType = "SessionForwarded"
	ActivityOperatorInvited            ActivityType = "OperatorInvited"
	ActivityOperatorInviteCanceled     ActivityType = "OperatorInviteCanceled"
	ActivityOperatorInviteRejected     ActivityType = "OperatorInviteRejected"
	ActivityOperatorKicked             ActivityType = "OperatorKicked"
	ActivityHandoff                    ActivityType = "Handoff"
	ActivityJoined                     ActivityType = "Joined"
	ActivityLeft                       ActivityType = "Left"
)

// The types of our own. Only this program writes them.
const (
	ActivityPublisherStarted ActivityType = "publisher.started" // media comes; Data: source
	ActivityPublisherStopped ActivityType = "publisher.stopped" // Data: source, and remaining, how many connections still bring it
	ActivityRecordingStarted ActivityType = "recording.started" // this and the next: Data: recordingId, kind
	ActivityRecordingPaused  ActivityType = "recording.paused"
	ActivityRecordingResumed ActivityType = "recording.resumed"
	ActivityRecordingStopped ActivityType = "recording.stopped"
	ActivityRecordingReady   ActivityType = "recording.ready"
	ActivityRecordingFailed  ActivityType = "recording.failed"
	ActivityConsentGiven     ActivityType = "consent.given" // this and the next: Data: version
	ActivityConsentRefused   ActivityType = "consent.refused"
)

// ActivityTypes lists every type, ours last.
var ActivityTypes = []ActivityType{
	ActivityChatMessage, ActivitySharedFile, ActivitySharedScreen, ActivityPhotoRequest, ActivityCobrowsingStarted,
	ActivityCobrowsingStoppedByGuest, ActivityScreenSharingFailedByGuest, ActivityFileUploadFailed, ActivityHeroCard,
	ActivityHeroCardSubmission, ActivityChatbotMessage, ActivityCallScript, ActivityCallScriptSubmission,
	ActivityWelcomeMessage, ActivityLastFarewellMessage, ActivityPreviewURL, ActivityLocation, ActivityHeroCardQuickReply,
	ActivityLocationRequest, ActivityExternalMessage, ActivityOnHold, ActivityResumeGuest, ActivityAvRequest,
	ActivityAvResponse, ActivityAvGetMediaResult, ActivityAvTerminated, ActivityChatToMail, ActivityAutoActivity,
	ActivityChatbotHeroCardSubmission, ActivityAutoActivityAsOperator, ActivityNotifyOperator, ActivityUpgradeToFull,
	ActivitySessionEnded, ActivitySessionForwarded, ActivityOperatorInvited, ActivityOperatorInviteCanceled,
	ActivityOperatorInviteRejected, ActivityOperatorKicked, ActivityHandoff, ActivityJoined, ActivityLeft,
	ActivityPublisherStarted, ActivityPublisherStopped, ActivityRecordingStarted, ActivityRecordingPaused,
	ActivityRecordingResumed, ActivityRecordingStopped, ActivityRecordingReady, ActivityRecordingFailed,
	ActivityConsentGiven, ActivityConsentRefused,
}

// Own says whether t is a type of ours, which only this program writes.
func (t ActivityType) Own() bool { return strings.Contains(string(t), ".") }

// Known says whether t is a type at all.
func (t ActivityType) Known() bool { return slices.Contains(ActivityTypes, t) }
