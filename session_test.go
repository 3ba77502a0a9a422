package reelvault_test

import (
	"slices"
	"testing"

	"github.com/reelvault/reelvault"
)

// sessionRules is the status machine, written down a second time as a square,
// so that a change of it is a decision. Rows and columns are in the order of
// SessionStatuses; x is a move that is allowed.
var sessionRules = map[reelvault.SessionStatus]string{
	//                            Cr Qu Wa BC Ac AC Cl Bl
	reelvault.StatusCreated:     ". x x x x . x x",
	reelvault.StatusInQueue:     ". . x . x . x x",
	reelvault.StatusWaiting:     ". x . . x . x x",
	reelvault.StatusBCW:         ". . . . x x x x",
	reelvault.StatusActive:      ". x x . . x x x",
	reelvault.StatusACW:         ". . . . . . x x",
	reelvault.StatusClosed:      ". . . . . . . .",
	reelvault.StatusBlacklisted: ". . . . . . . .",
}

func TestSessionMoves(t *testing.T) {
	if len(sessionRules) != len(reelvault.SessionStatuses) {
		t.Fatalf("got %d statuses, want %d", len(reelvault.SessionStatuses), len(sessionRules))
	}
	for _, from := range reelvault.SessionStatuses {
		row, ok := sessionRules[from]
		if !ok {
			t.Fatalf("%s has no row", from)
		}
		for i, to := range reelvault.SessionStatuses {
			want := row[2*i] == 'x'
			if got := from.CanBecome(to); got != want {
				t.Errorf("%s to %s: got %v, want %v", from, to, got, want)
			}
			if got := slices.Contains(to.Predecessors(), from); got != want {
				t.Errorf("%s is a predecessor of %s: got %v, want %v", from, to, got, want)
			}
		}
	}
}

// A status nobody knows goes nowhere and is reached from nowhere: it may have
// come from a newer release's database or from a client.
func TestUnknownSessionStatus(t *testing.T) {
	for _, unknown := range []reelvault.SessionStatus{"", "UNKNOWN", "created", "CLOSED "} {
		for _, s := range reelvault.SessionStatuses {
			if unknown.CanBecome(s) || s.CanBecome(unknown) {
				t.Errorf("got a move between %q and %s", unknown, s)
			}
		}
		if unknown.CanBecome(unknown) {
			t.Errorf("got a move from %q to itself", unknown)
		}
		if got := unknown.Predecessors(); len(got) != 0 {
			t.Errorf("%q: got predecessors %v", unknown, got)
		}
	}
}

// A session that has ended stays ended, and every other one can end.
func TestLiveSessions(t *testing.T) {
	ended := []reelvault.SessionStatus{reelvault.StatusClosed, reelvault.StatusBlacklisted}
	for _, s := range reelvault.SessionStatuses {
		if got, want := s.Live(), !slices.Contains(ended, s); got != want {
			t.Errorf("%s is live: got %v, want %v", s, got, want)
		}
		for _, end := range ended {
			if s.CanBecome(end) != s.Live() {
				t.Errorf("%s can become %s: got %v, want %v", s, end, s.CanBecome(end), s.Live())
			}
		}
	}
}

// Statuses, channels, sources and reasons are wire values that other systems
// already use: their spelling is fixed.
func TestSessionWireValues(t *testing.T) {
	got := []string{}
	for _, s := range reelvault.SessionStatuses {
		got = append(got, string(s))
	}
	got = append(got, string(reelvault.ChannelChat), string(reelvault.ChannelAV), string(reelvault.ChannelPhone))
	for _, s := range []reelvault.SessionSource{
		reelvault.SourceDefault, reelvault.SourceCallback, reelvault.SourceInvitation, reelvault.SourceChatInvitation,
		reelvault.SourceIncomingCall, reelvault.SourceOutgoingCall, reelvault.SourceCampaign, reelvault.SourceAPI,
		reelvault.SourceFacebook, reelvault.SourceWhatsApp, reelvault.SourceVK, reelvault.SourceApple, reelvault.SourceGenericChannel,
	} {
		got = append(got, string(s))
	}
	got = append(got, string(reelvault.ReasonSessionAPICall), string(reelvault.ReasonGuestLeft), string(reelvault.ReasonOperatorLeft))
	want := []string{
		"CREATED", "IN_QUEUE", "WAITING", "BCW", "ACTIVE", "ACW", "CLOSED", "BLACKLISTED",
		"Chat", "AV", "Phone",
		"Default", "Callback", "Invitation", "ChatInvitation", "IncomingCall", "OutgoingCall", "Campaign", "API",
		"Facebook", "WhatsApp", "VK", "Apple", "GenericChannel",
		"SessionApiCall", "GuestLeft", "OperatorLeft",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
