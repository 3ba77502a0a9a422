package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/reelvault/reelvault/testmedia/node"
)

// Where there is no room, while a recording is paused and after it was stopped,
// those in a call see and hear each other as before, and read that they are not
// recorded. Who is switched off reads that.
func TestCallRecording(t *testing.T) {
	n := start(t)
	var me struct{ Tenant struct{ ID string } }
	if err := n.JSON(t.Context(), http.MethodGet, "/api/v1/me", nil, &me); err != nil {
		t.Fatal(err)
	}
	full, session := newSession(t, n), newSession(t, n)
	spool := filepath.Join(n.Data, "spool")
	move := func(from, to string) func() {
		return func() {
			if err := os.Rename(from, to); err != nil {
				t.Error(err)
			}
		}
	}
	control := func(verb string, body any) func() {
		return func() {
			for _, r := range running(t, n, session) {
				if _, err := n.Do(t.Context(), http.MethodPost, "/api/v1/recordings/"+r.ID+"/"+verb, body); err != nil {
					t.Error(err)
				}
			}
		}
	}
	runCues(t, map[string]func(){
		"no room": move(spool, spool+"-away"),
		"room":    move(spool+"-away", spool),
		"pause":   control("pause", map[string]string{"reason": "card number"}),
		"resume":  control("resume", nil),
		"stop":    control("stop", nil),
		"switch off": func() {
			off := map[string]any{"features": map[string]bool{"av": false, "phone": false}}
			if _, err := n.Do(t.Context(), http.MethodPatch, "/api/v1/tenants/"+me.Tenant.ID, off); err != nil {
				t.Error(err)
			}
		},
	}, "call-recording.mjs", invite(t, n, full, "operator", "operator").URL, invite(t, n, full, "guest", "guest").URL,
		invite(t, n, session, "operator", "operator").URL, invite(t, n, session, "guest", "guest").URL)

	if all, err := n.Recordings(t.Context(), full); err != nil || len(all) != 0 {
		t.Errorf("recordings without room: got %+v and %v, want none", all, err)
	}
	if all, err := n.Recordings(t.Context(), session); err != nil || len(all) != 1 {
		t.Errorf("recordings: got %+v and %v, want one", all, err)
	}
}

// running gives the recordings that have not ended, of which there has to be one.
func running(t *testing.T, n *node.Node, session string) []node.Recording {
	t.Helper()
	all, err := n.Recordings(t.Context(), session)
	if err != nil {
		t.Error(err)
	}
	if len(all) != 1 {
		t.Errorf("recordings: got %+v, want one", all)
	}
	return all
}
