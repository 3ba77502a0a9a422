package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/reelvault/reelvault/testmedia/node"
)

const notice = "We record sessions to check how we advise. They are kept for five years."

// A guest is asked before anything is recorded, and the answer is kept. Who
// does not agree any more is not recorded any more, and the call goes on.
func TestCallConsent(t *testing.T) {
	n := start(t)
	var me struct{ Tenant struct{ ID string } }
	if err := n.JSON(t.Context(), http.MethodGet, "/api/v1/me", nil, &me); err != nil {
		t.Fatal(err)
	}
	asks := map[string]any{"consent": map[string]any{"required": true, "text": notice, "version": "2026-11", "language": "en"}}
	if _, err := n.Do(t.Context(), http.MethodPatch, "/api/v1/tenants/"+me.Tenant.ID, asks); err != nil {
		t.Fatal(err)
	}
	session := newSession(t, n)
	operator := invite(t, n, session, "operator", "operator")
	guest := invite(t, n, session, "guest", "guest")
	text := runScript(t, []string{"OUT_DIR=" + t.ArtifactDir()}, "call-consent.mjs", operator.URL, guest.URL, notice)
	t.Logf("%s", text)

	all, err := n.Await(within(t, 30*time.Second), session, node.Finished)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].State != "ready" {
		t.Fatalf("recordings: got %+v, want one that is ready", all)
	}
	var list struct {
		Items []struct {
			Type, Participant string
			At                time.Time
			Data              struct{ Version string }
		}
	}
	if err := n.JSON(t.Context(), http.MethodGet, "/api/v1/sessions/"+session+"/activities?limit=500", nil, &list); err != nil {
		t.Fatal(err)
	}
	var answers []string
	for _, a := range list.Items {
		if a.Type != "consent.given" && a.Type != "consent.refused" {
			continue
		}
		answers = append(answers, a.Type)
		if a.Participant != "guest" || a.Data.Version != "2026-11" {
			t.Errorf("answer: got %+v, want the guest's to 2026-11", a)
		}
		if a.Type == "consent.given" && all[0].StartedAt.Before(a.At) {
			t.Errorf("recorded from %v, before consent at %v", all[0].StartedAt, a.At)
		}
	}
	if len(answers) != 2 || answers[0] != "consent.given" || answers[1] != "consent.refused" {
		t.Errorf("answers: got %v, want consent given, then refused", answers)
	}
}
