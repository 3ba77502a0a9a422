package e2e_test

import "testing"

// When the way of media breaks, the call page restores it over the connection
// that stands, or takes another if the server knows it no more, and all that
// goes on in one recording.
func TestCallPath(t *testing.T) {
	n := start(t)
	session := newSession(t, n)
	operator := invite(t, n, session, "operator", "operator")
	guest := invite(t, n, session, "guest", "guest")
	runScript(t, nil, "call-path.mjs", operator.URL, guest.URL)
	all, err := n.Recordings(t.Context(), session)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 {
		t.Errorf("recordings: got %+v, want one", all)
	}
}
