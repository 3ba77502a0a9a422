package api_test

import (
	"testing"
)

// joined is what joining a call gives.
type joined struct {
	Ticket  struct{ Secret, ExpiresAt string }
	Session struct {
		ID           string
		Participants []struct {
			ID, Role, Name string
			Present        bool
		}
		Publishers []struct{ Participant, Source string }
	}
	Participant, Role, Name, Recording string

	Consent struct {
		Required                            bool
		Text, Version, Language, Answer, At string
	}
	ICEServers []struct {
		URLs                 []string
		Username, Credential string
	}
	Limits    struct{ MessageBytes, FileBytes int64 }
	LastEvent int64
}

// join joins a call as the page does.
func (w *world) join(tb testing.TB, invitation string) joined {
	tb.Helper()
	got := w.do(call{method: "POST", path: "/api/v1/call/join", bearer: invitation, body: "{}"})
	wantStatus(tb, got, 200)
	return decode[joined](tb, got)
}
