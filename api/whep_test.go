package api_test

import "testing"

// Who watches with a ticket of the call is in it, and sees what is not recorded
// for a pause; nobody else does.
func TestWatchInCall(t *testing.T) {
	w := newWorld(t)
	secret, _ := w.invitation(t, w.a, "guest-1")
	wantStatus(t, w.offer("whip", w.a.Session, w.a.Token, "?participant=op&role=operator"), 201)
	for _, tt := range []struct {
		who, bearer string
		want        bool
	}{
		{"a guest", w.join(t, secret).Ticket.Secret, true},
		{"an administrator", w.a.Token, false},
	} {
		wantStatus(t, w.offer("whep", w.a.Session, tt.bearer, "?participant=op"), 201)
		if got := w.gateway.watched[len(w.gateway.watched)-1].Unrecorded; got != tt.want {
			t.Errorf("%s sees what is not recorded: got %v, want %v", tt.who, got, tt.want)
		}
	}
}
