package api_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
)

// A token is shown once, works, and stops working when it is deleted or its
// time is over.
func TestTokens(t *testing.T) {
	w := newWorld(t)
	end := w.clock.Now().Add(time.Hour).Format(time.RFC3339)
	made := w.do(call{
		method: "POST", path: "/api/v1/tokens", bearer: w.a.Token,
		body: fmt.Sprintf(`{"name":"chat platform","scopes":["sessions:read","ingest","ingest"],"expiresAt":%q}`, end),
	})
	wantStatus(t, made, 201)
	token := decode[struct {
		ID, Secret string
		Scopes     []string
	}](t, made)
	if len(token.Scopes) != 2 || !strings.HasPrefix(token.Secret, "rvt_") || len(token.Secret) < 43 {
		t.Errorf("got %s", made.Body)
	}
	if e := w.lastEvent(t, w.a.ID); e.Action != "createToken" || e.Target != "token/"+token.ID || strings.Contains(e.Detail, token.Secret) {
		t.Errorf("got event %+v", e)
	}
	list := func(bearer string) *httptest.ResponseRecorder {
		return w.do(call{method: "GET", path: "/api/v1/sessions", bearer: bearer})
	}
	wantStatus(t, list(token.Secret), 200)
	all := w.do(call{method: "GET", path: "/api/v1/tokens", bearer: w.a.Token})
	if s := all.Body.String(); !strings.Contains(s, token.ID) || strings.Contains(s, "secret") || strings.Contains(s, w.b.TokenID) {
		t.Errorf("got %s, want own tokens without secrets", s)
	}
	w.clock.advance(time.Hour + time.Second)
	wantStatus(t, list(token.Secret), 401)
	wantStatus(t, w.do(call{method: "DELETE", path: "/api/v1/tokens/" + w.a.TokenID, bearer: w.a.Token}), 204)
	wantStatus(t, list(w.a.Token), 401)
}

// Nobody gives a scope they lack, nor one that does not exist.
func TestTokenScopes(t *testing.T) {
	w := newWorld(t)
	admin, _ := w.token(t, w.a, reelvault.ScopeTenantAdmin, reelvault.ScopeSystem)
	for _, tt := range []struct {
		name, path, body string
		want             int
	}{
		{"own", "/tokens", `{"name":"x","scopes":["tenant:admin"]}`, 201},
		{"not held", "/tokens", `{"name":"x","scopes":["tenant:admin","ingest"]}`, 403},
		{"unknown", "/tokens", `{"name":"x","scopes":["root"]}`, 422},
		{"none", "/tokens", `{"name":"x","scopes":[]}`, 422},
		{"no name", "/tokens", `{"name":"","scopes":["tenant:admin"]}`, 422},
		{"over already", "/tokens", `{"name":"x","scopes":["tenant:admin"],"expiresAt":"2001-01-01T00:00:00Z"}`, 422},
		{"another tenant", "/tenants/" + w.b.ID + "/tokens", `{"name":"x","scopes":["tenant:admin"]}`, 201},
		{"system in own tenant", "/tenants/" + w.a.ID + "/tokens", `{"name":"x","scopes":["system"]}`, 201},
		{"system in another tenant", "/tenants/" + w.b.ID + "/tokens", `{"name":"x","scopes":["system"]}`, 403},
		{"no such tenant", "/tenants/" + newID() + "/tokens", `{"name":"x","scopes":["tenant:admin"]}`, 404},
	} {
		got := w.do(call{method: "POST", path: "/api/v1" + tt.path, bearer: admin, body: tt.body})
		if got.Code != tt.want {
			t.Errorf("%s: got %d %s, want %d", tt.name, got.Code, got.Body, tt.want)
		}
	}
}

// Only tokens are deleted here: a cookie, or another's token, is not found.
func TestDeleteTokenOnly(t *testing.T) {
	w := newWorld(t)
	_, cookie := w.credential(t, reelvault.Credential{Kind: reelvault.CredentialCookie, TenantID: w.a.ID, PersonID: w.a.PersonID})
	for _, id := range []string{cookie, w.b.TokenID, newID(), "x"} {
		wantStatus(t, w.do(call{method: "DELETE", path: "/api/v1/tokens/" + id, bearer: w.a.Token}), 404)
	}
}

// The scope system makes tenants, and gives each its first token.
func TestTenants(t *testing.T) {
	w := newWorld(t)
	system, _ := w.token(t, w.a, reelvault.Scopes...)
	post := func(path, body string) *httptest.ResponseRecorder {
		return w.do(call{method: "POST", path: path, bearer: system, body: body})
	}
	made := post("/api/v1/tenants", `{"name":"acme","features":{"av":false,"phone":true}}`)
	wantStatus(t, made, 201)
	wantStatus(t, post("/api/v1/tenants", `{"name":"acme","features":{"av":true,"phone":true}}`), 409)
	wantStatus(t, post("/api/v1/tenants", `{"name":"Acme Inc.","features":{"av":true,"phone":true}}`), 422)
	id := decode[struct{ ID string }](t, made).ID
	first := post("/api/v1/tenants/"+id+"/tokens", `{"name":"first","scopes":["tenant:admin"]}`)
	wantStatus(t, first, 201)
	token := decode[struct{ Secret string }](t, first).Secret
	me := w.do(call{method: "GET", path: "/api/v1/me", bearer: token})
	if s := me.Body.String(); !strings.Contains(s, `"name":"acme"`) || !strings.Contains(s, `"av":false,"phone":true`) {
		t.Errorf("got %s", s)
	}
	own := call{method: "PATCH", path: "/api/v1/tenants/" + id, bearer: token, body: `{"features":{"av":true,"phone":true}}`}
	wantStatus(t, w.do(own), 200)
	own.path = "/api/v1/tenants/" + w.b.ID
	wantStatus(t, w.do(own), 404)
}

// Nobody gives a ticket for what they may not do themselves.
func TestTicketNeedsTheScopeItCarries(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		scope reelvault.Scope
		want  map[string]int
	}{
		{reelvault.ScopeIngest, map[string]int{"publish": 201, "watch": 403, "tab": 403}},
		{reelvault.ScopeRecordingsWatch, map[string]int{"publish": 403, "watch": 201, "tab": 403}},
		{reelvault.ScopeSessionsRead, map[string]int{"publish": 403, "watch": 403, "tab": 201}},
	} {
		token, _ := w.token(t, w.a, tt.scope)
		for purpose, want := range tt.want {
			got := w.do(call{
				method: "POST", path: "/api/v1/sessions/" + w.a.Session + "/tickets", bearer: token,
				body: fmt.Sprintf(`{"purpose":%q,"participant":"guest-1"}`, purpose),
			})
			if got.Code != want {
				t.Errorf("%s with %s: got status %d, want %d", purpose, tt.scope, got.Code, want)
			}
		}
	}
}

// A ticket does not outlive the token that made it.
func TestTicketEndsWithItsIssuer(t *testing.T) {
	w := newWorld(t)
	end := w.clock.Now().Add(5 * time.Minute)
	token, _ := w.credential(t, reelvault.Credential{
		Kind: reelvault.CredentialToken, TenantID: w.a.ID, Name: "short", Scopes: everything, ExpiresAt: end,
	})
	ticket := w.ticket(t, token, w.a.Session, "watch")
	got := w.do(call{method: "GET", path: "/api/v1/me", bearer: ticket})
	if s := decode[struct{ ExpiresAt string }](t, got).ExpiresAt; s != end.Format("2006-01-02T15:04:05.000Z") {
		t.Errorf("got expiresAt %s, want that of the token, %s", s, end)
	}
}

// A ticket ends with its time, and says who publishes.
func TestTickets(t *testing.T) {
	w := newWorld(t)
	make := func(body string) *httptest.ResponseRecorder {
		return w.do(call{method: "POST", path: "/api/v1/sessions/" + w.a.Session + "/tickets", bearer: w.a.Token, body: body})
	}
	me := func(secret string) int { return w.do(call{method: "GET", path: "/api/v1/me", bearer: secret}).Code }
	wantStatus(t, make(`{"purpose":"publish"}`), 422)
	wantStatus(t, make(`{"purpose":"play"}`), 422)
	wantStatus(t, make(`{"purpose":"watch","lifeSeconds":43201}`), 422)
	type ticket struct{ Secret, ExpiresAt, Participant, Role string }
	short := decode[ticket](t, make(`{"purpose":"publish","participant":"op-1","role":"operator","lifeSeconds":60}`))
	normal := decode[ticket](t, make(`{"purpose":"watch"}`))
	if short.Participant != "op-1" || short.Role != "operator" {
		t.Errorf("got %+v", short)
	}
	if want := w.clock.Now().Add(15 * time.Minute).Format("2006-01-02T15:04:05.000Z"); normal.ExpiresAt != want {
		t.Errorf("got expiresAt %s, want %s", normal.ExpiresAt, want)
	}
	w.clock.advance(61 * time.Second)
	if got := me(short.Secret); got != 401 {
		t.Errorf("got %d with a ticket whose time is over", got)
	}
	if got := me(normal.Secret); got != 200 {
		t.Errorf("got %d with a ticket of 15 minutes after one", got)
	}
}
