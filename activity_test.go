package reelvault_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/reelvault/reelvault"
)

// The types of activities are wire values that other systems already use, and
// ours: their spelling is fixed.
func TestActivityWireValues(t *testing.T) {
	want := strings.Fields(`ChatMessage SharedFile SharedScreen PhotoRequest CobrowsingStarted CobrowsingStoppedByGuest
		ScreenSharingFailedByGuest FileUploadFailed HeroCard HeroCardSubmission ChatbotMessage CallScript
		CallScriptSubmission WelcomeMessage LastFarewellMessage PreviewUrl Location HeroCardQuickReply LocationRequest
		ExternalMessage OnHold ResumeGuest AvRequest AvResponse AvGetMediaResult AvTerminated ChatToMail AutoActivity
		ChatbotHeroCardSubmission AutoActivityAsOperator NotifyOperator UpgradeToFull SessionEnded SessionForwarded
		OperatorInvited OperatorInviteCanceled OperatorInviteRejected OperatorKicked Handoff Joined Left
		publisher.started publisher.stopped recording.started recording.paused recording.resumed recording.stopped
		recording.ready recording.failed consent.given consent.refused`)
	if len(reelvault.ActivityTypes) != len(want) {
		t.Fatalf("got %d types, want %d", len(reelvault.ActivityTypes), len(want))
	}
	for i, at := range reelvault.ActivityTypes {
		if string(at) != want[i] {
			t.Errorf("got type %q, want %q", at, want[i])
		}
		if !at.Known() || at.Own() != (i >= 41) {
			t.Errorf("%s: known %v, own %v", at, at.Known(), at.Own())
		}
	}
	for _, unknown := range []reelvault.ActivityType{"", "UNKNOWN", "chatMessage", "recording.", "Joined "} {
		if unknown.Known() {
			t.Errorf("%q is known", unknown)
		}
	}
}

// What somebody chose is checked, and the refusal says where it stands.
func TestActivityValidate(t *testing.T) {
	for _, tt := range []struct {
		name     string
		a        reelvault.Activity
		want     reelvault.Kind
		location string
	}{
		{"unknown type", reelvault.Activity{Type: "x"}, reelvault.Invalid, "body.type"},
		{"no type", reelvault.Activity{}, reelvault.Invalid, "body.type"},
		{"long text", reelvault.Activity{Text: strings.Repeat("ř", 8193)}, reelvault.TooLarge, "body.text"},
		{"NUL", reelvault.Activity{Text: "a\x00b"}, reelvault.Invalid, "body.text"},
		{"broken UTF-8", reelvault.Activity{Text: "a\xff"}, reelvault.Invalid, "body.text"},
		{"long data", reelvault.Activity{Data: `{"a":"` + strings.Repeat("x", 4096) + `"}`}, reelvault.TooLarge, "body.data"},
		{"data that is a list", reelvault.Activity{Data: `[]`}, reelvault.Invalid, "body.data"},
		{"data that is null", reelvault.Activity{Data: `null`}, reelvault.Invalid, "body.data"},
		{"data that is cut", reelvault.Activity{Data: `{`}, reelvault.Invalid, "body.data"},
		{"data with a NUL", reelvault.Activity{Data: `{"a":"\u0000"}`}, reelvault.Invalid, "body.data"},
		{"long client id", reelvault.Activity{ClientID: strings.Repeat("x", 65)}, reelvault.TooLarge, "body.clientId"},
		{"client id with a NUL", reelvault.Activity{ClientID: "\x00"}, reelvault.Invalid, "body.clientId"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.a.Type == "" && tt.name != "no type" {
				tt.a.Type = reelvault.ActivityChatMessage
			}
			var e *reelvault.Error
			if err := tt.a.Validate(); !errors.As(err, &e) || e.Kind != tt.want || e.Location != tt.location {
				t.Errorf("got %v, want a %s at %s", err, tt.want, tt.location)
			}
		})
	}
	fine := reelvault.Activity{
		Type: reelvault.ActivityChatMessage, Text: strings.Repeat("ř", 8192), Data: `{"a":[1]}`, ClientID: strings.Repeat("x", 64),
	}
	if err := fine.Validate(); err != nil {
		t.Errorf("got %v for the largest there may be", err)
	}
}

// The side somebody is on says what they are as an actor.
func TestRoleActor(t *testing.T) {
	for role, want := range map[reelvault.Role]reelvault.Actor{
		reelvault.RoleGuest: "Guest", reelvault.RoleOperator: "User", "": "",
	} {
		if got := role.Actor(); got != want {
			t.Errorf("%s: got %q, want %q", role, got, want)
		}
	}
}
