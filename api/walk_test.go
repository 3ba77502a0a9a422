package api_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
)

// operation is what the walk reads of the OpenAPI document.
type operation struct {
	method, path string
	ID           string   `json:"operationId"`
	Open         string   `json:"x-reelvault-open"`
	Scopes       []string `json:"x-reelvault-scopes"`
	Tickets      []string `json:"x-reelvault-tickets"`
	Invited      bool     `json:"x-reelvault-invited"`
}

func (w *world) operations(tb testing.TB) []operation {
	tb.Helper()
	doc := decode[struct {
		Paths map[string]map[string]operation
	}](tb, w.do(call{method: "GET", path: "/openapi.json"}))
	var ops []operation
	for path, methods := range doc.Paths {
		for method, op := range methods {
			op.method, op.path = strings.ToUpper(method), path
			ops = append(ops, op)
		}
	}
	slices.SortFunc(ops, func(a, b operation) int { return strings.Compare(a.ID, b.ID) })
	if len(ops) == 0 {
		tb.Fatal("got no operations")
	}
	return ops
}

// needs is who may call each operation, written down a second time so that a
// change of the rules is a decision.
var needs = map[string]string{
	"createUpload": "ingest +call", "getUpload": "ingest +call", "appendUpload": "ingest +call", "deleteUpload": "ingest +call",
	"createDownload": "recordings:download +tab +call",
	"createActivity": "ingest +call", "createInvitation": "sessions:write", "deleteInvitation": "sessions:write",
	"getEvents": "sessions:read +tab +call", "joinCall": "invited", "listActivities": "content:read +tab +call",
	"listInvitations": "sessions:read", "setConsent": "ingest +call", "leaveCall": "ingest +call",
	"createSession": "sessions:write", "createTenant": "system", "createTenantToken": "system",
	"createTicket": "ingest recordings:watch sessions:read", "createToken": "tenant:admin",
	"deleteRecording": "recordings:delete", "deleteToken": "tenant:admin", "endSession": "sessions:write +call",
	"getHealth": "open", "getMe": "any", "getMedia": "open", "getMetrics": "system", "getReady": "open",
	"getRecording": "sessions:read +tab", "getSession": "sessions:read +tab", "getTenant": "tenant:admin system",
	"getTiming": "sessions:read +tab",
	"listAudit": "audit:read", "listRecordings": "sessions:read +tab", "listSessions": "sessions:read",
	"listTenants": "system", "listTokens": "tenant:admin", "pauseRecording": "recordings:control +tab",
	"resumeRecording": "recordings:control +tab", "signIn": "open", "signOut": "any",
	"stopRecording": "recordings:control +tab", "updateTenant": "tenant:admin system",
	"whepDelete": "recordings:watch +watch +tab +call", "whepPatch": "recordings:watch +watch +tab +call",
	"whepWatch": "recordings:watch +watch +tab +call", "whipDelete": "ingest +publish +call", "whipPatch": "ingest +publish +call",
	"whipPublish": "ingest +publish +call",
}

// sample makes a request that op accepts, on things of t made for it. scope is
// the only one the caller has, or empty.
func (w *world) sample(tb testing.TB, op operation, t tenant, scope string) call {
	tb.Helper()
	c := call{method: op.method, path: op.path}
	set := func(name, value string) { c.path = strings.Replace(c.path, "{"+name+"}", value, 1) }
	sdp := func(contentType, body string) {
		c.body = body
		c.header = map[string]string{"Content-Type": contentType}
	}
	connection := func() {
		set("id", t.Session)
		set("connection", w.gateway.connect(t.Session))
	}
	recordingIn := func(s reelvault.RecordingState) {
		id, _ := w.recording(tb, t, t.Session, s)
		set("id", id)
	}
	switch op.ID {
	case "getHealth", "getReady", "getMetrics", "getMe", "listAudit", "listSessions", "listTenants", "listTokens", "signOut":
	case "getMedia":
		ticket := w.mediaTicket(tb, t)
		c.path = ticket
	case "signIn":
		secret, _ := w.credential(tb, reelvault.Credential{Kind: reelvault.CredentialLink, TenantID: t.ID, PersonID: t.PersonID})
		c.body = fmt.Sprintf(`{"secret":%q}`, secret)
	case "createTenant":
		c.body = fmt.Sprintf(`{"name":"t-%s","features":{"av":true,"phone":false}}`, strings.ToLower(newID()))
	case "updateTenant":
		set("id", t.ID)
		c.body = `{"features":{"av":true,"phone":true}}`
	case "getTenant":
		set("id", t.ID)
	case "createTenantToken":
		set("id", t.ID)
		c.body = fmt.Sprintf(`{"name":"x","scopes":[%q]}`, scope)
	case "createToken":
		c.body = fmt.Sprintf(`{"name":"x","scopes":[%q]}`, scope)
	case "deleteToken":
		_, id := w.token(tb, t, reelvault.ScopeIngest)
		set("id", id)
	case "createSession":
		c.body = `{"name":"made"}`
	case "getEvents":
		c.once = true
	case "getSession", "listRecordings", "listActivities", "listInvitations":
		set("id", t.Session)
	case "createInvitation":
		set("id", t.Session)
		c.body = `{"role":"operator"}`
	case "deleteInvitation":
		_, id := w.invitation(tb, t, "guest-1")
		set("id", t.Session)
		set("invitation", id)
	case "joinCall":
		c.bearer, _ = w.invitation(tb, t, "guest-1")
	case "createActivity":
		set("id", t.Session)
		c.body = `{"type":"ChatMessage","text":"hello"}`
	case "setConsent":
		w.guest(tb, t, "guest-1")
		set("id", t.Session)
		c.body = `{"answer":"given","version":"1","participant":"guest-1"}`
	case "leaveCall":
		set("id", t.Session)
		c.body = `{"participant":"guest-1"}`
	case "createUpload", "getUpload", "appendUpload", "deleteUpload", "createDownload":
		return w.sampleUpload(tb, t, op.ID)
	case "endSession":
		set("id", w.session(tb, t))
	case "createTicket":
		set("id", t.Session)
		purpose := map[string]string{"ingest": "publish", "sessions:read": "tab"}[scope]
		if purpose == "" {
			purpose = "watch"
		}
		c.body = fmt.Sprintf(`{"purpose":%q,"participant":"guest-1"}`, purpose)
	case "getRecording", "getTiming", "deleteRecording":
		recordingIn(reelvault.RecordingReady)
	case "pauseRecording":
		recordingIn(reelvault.RecordingRunning)
		c.body = `{"reason":"card number"}`
	case "resumeRecording":
		recordingIn(reelvault.RecordingPaused)
	case "stopRecording":
		recordingIn(reelvault.RecordingRunning)
	case "whipPublish":
		set("id", t.Session)
		c.path += "?participant=guest-1"
		sdp("application/sdp", "v=0\r\n")
	case "whepWatch":
		set("id", t.Session)
		sdp("application/sdp", "v=0\r\n")
	case "whipPatch", "whepPatch":
		connection()
		sdp("application/trickle-ice-sdpfrag", "a=candidate:1\r\n")
		c.header["If-Match"] = etag
	case "whipDelete", "whepDelete":
		connection()
	default:
		tb.Fatalf("operation %s has no sample request: add one, and its rule to needs", op.ID)
	}
	return c
}

// invitation makes one for a guest of a tenant's session.
func (w *world) invitation(tb testing.TB, t tenant, participant string) (secret, id string) {
	tb.Helper()
	return w.credential(tb, reelvault.Credential{
		Kind: reelvault.CredentialInvitation, TenantID: t.ID, IssuerID: t.TokenID, Name: "Jana", SessionID: t.Session,
		ParticipantID: participant, Role: reelvault.RoleGuest, ExpiresAt: w.clock.Now().Add(24 * time.Hour),
	})
}

// guest brings a guest into a tenant's session.
func (w *world) guest(tb testing.TB, t tenant, id string) {
	tb.Helper()
	_, err := w.catalog.SetParticipant(tb.Context(), t.ID, t.Session, reelvault.Participant{
		ID: id, Role: reelvault.RoleGuest, JoinedAt: w.clock.Now(),
	}, nil)
	must(tb, err)
}

// mediaTicket gives the URL of a tenant's file.
func (w *world) mediaTicket(tb testing.TB, t tenant) string {
	tb.Helper()
	secret, _ := w.credential(tb, reelvault.Credential{
		Kind: reelvault.CredentialTicket, TenantID: t.ID, IssuerID: t.TokenID, Purpose: reelvault.PurposePlay, FileID: t.File,
		ExpiresAt: w.clock.Now().Add(15 * time.Minute),
	})
	return "/media/" + secret + "/" + t.File + ".webm"
}

// The document says of each operation what needs says, and nothing is left out.
func TestEveryOperationHasItsRule(t *testing.T) {
	seen := map[string]bool{}
	for _, op := range newWorld(t).operations(t) {
		seen[op.ID] = true
		got := strings.Join(op.Scopes, " ")
		switch {
		case op.Open != "":
			got = "open"
		case op.Invited:
			got = "invited"
		case got == "":
			got = "any"
		}
		for _, ticket := range op.Tickets {
			got += " +" + ticket
		}
		if got != needs[op.ID] {
			t.Errorf("%s: got %q, want %q", op.ID, got, needs[op.ID])
		}
	}
	for id := range needs {
		if !seen[id] {
			t.Errorf("%s is not in the document", id)
		}
	}
}

func refused(code int) bool { return code == 401 || code == 403 || code == 404 }

// wantDenied checks the answer and that the audit log of the caller's tenant,
// which is always the first one, has it.
func (w *world) wantDenied(t *testing.T, what string, op operation, got *httptest.ResponseRecorder, want int) {
	t.Helper()
	if got.Code != want {
		t.Errorf("%s %s: got status %d, want %d; body %s", op.ID, what, got.Code, want, got.Body)
		return
	}
	if e := w.lastEvent(t, w.a.ID); e.Action != op.ID || e.Outcome != "denied" {
		t.Errorf("%s %s: got audit event %s %s, want the denial", op.ID, what, e.Action, e.Outcome)
	}
	var p struct{ Code, RequestID string }
	if op.method == "HEAD" {
		return // which has no body
	}
	if err := json.Unmarshal(got.Body.Bytes(), &p); err != nil || p.Code == "" || p.RequestID != got.Header().Get("Request-Id") {
		t.Errorf("%s %s: got body %s, want a problem with the request's id", op.ID, what, got.Body)
	}
}

// wantAllowed checks that the answer is a success.
func wantAllowed(t *testing.T, what string, op operation, got *httptest.ResponseRecorder) {
	t.Helper()
	if refused(got.Code) || got.Code >= 400 {
		t.Errorf("%s %s: got status %d, want success; body %s", op.ID, what, got.Code, got.Body)
	}
}

// Without a valid credential every operation that is not open is 401.
func TestWalkWithoutCredential(t *testing.T) {
	w := newWorld(t)
	expired, _ := w.credential(t, reelvault.Credential{
		Kind: reelvault.CredentialToken, TenantID: w.a.ID, Name: "old", Scopes: reelvault.Scopes, ExpiresAt: w.clock.Now().Add(-time.Second),
	})
	revoked, id := w.token(t, w.a, reelvault.Scopes...)
	must(t, w.catalog.Revoke(t.Context(), w.a.ID, id))
	link, _ := w.credential(t, reelvault.Credential{Kind: reelvault.CredentialLink, TenantID: w.a.ID, PersonID: w.a.PersonID})
	file := strings.Split(w.mediaTicket(t, w.a), "/")[2]
	for _, op := range w.operations(t) {
		if op.Open != "" {
			wantAllowed(t, "without a token", op, w.do(w.sample(t, op, w.a, "")))
			continue
		}
		c := w.sample(t, op, w.a, "ingest")
		c.bearer = ""
		w.wantDenied(t, "without a token", op, w.do(c), 401)
		for what, secret := range map[string]string{
			"garbage": "garbage", "empty ticket": "rvk_", "expired": expired, "revoked": revoked,
			"a link as token": link, "a cookie as token": w.a.Cookie, "a file's ticket": file,
		} {
			c.bearer, c.cookie = secret, ""
			w.wantDenied(t, "with "+what, op, w.do(c), 401)
		}
		c.bearer, c.cookie = "", "garbage"
		w.wantDenied(t, "with a garbage cookie", op, w.do(c), 401)
		c.cookie = w.a.Token
		w.wantDenied(t, "with a token as cookie", op, w.do(c), 401)
	}
}

// A token that has one scope may do what the rule gives that scope, and
// nothing else.
func TestWalkEachScope(t *testing.T) {
	w := newWorld(t)
	for _, scope := range reelvault.Scopes {
		token, _ := w.token(t, w.a, scope)
		for _, op := range w.operations(t) {
			if op.Open != "" || op.ID == "signOut" {
				continue
			}
			c := w.sample(t, op, w.a, string(scope))
			c.bearer = token
			what := "with " + string(scope)
			enough := len(op.Scopes) == 0 && !op.Invited || slices.Contains(op.Scopes, string(scope))
			if enough && op.ID != "createInvitation" { // which gives more than any one scope
				wantAllowed(t, what, op, w.do(c))
				continue
			}
			w.wantDenied(t, what, op, w.do(c), 403)
		}
	}
}

// What another tenant has is 404, to the byte what does not exist is.
func TestWalkForeignTenant(t *testing.T) {
	w := newWorld(t)
	same := map[string]string{"Request-Id": "same"}
	for _, op := range w.operations(t) {
		if !strings.Contains(op.path, "{id}") || op.ID == "createTenantToken" {
			continue
		}
		c := w.sample(t, op, w.b, "ingest")
		c.bearer = w.a.Token
		c.header = merge(c.header, same)
		foreign := w.do(c)
		w.wantDenied(t, "of another tenant", op, foreign, 404)
		for _, id := range []string{newID(), "x", "..%2f..%2fetc", "%00", strings.Repeat("9", 2000), "%E2%80%AE", "'%20OR%201=1--"} {
			c.path = strings.Replace(op.path, "{id}", id, 1)
			c.path = strings.Replace(c.path, "{connection}", newID(), 1)
			c.path = strings.Replace(c.path, "{invitation}", newID(), 1)
			c.path = strings.Replace(c.path, "{file}", newID(), 1)
			if op.ID == "whipPublish" || op.ID == "createUpload" {
				c.path += "?participant=guest-1"
			}
			got := w.do(c)
			if got.Code != 404 || got.Body.String() != foreign.Body.String() {
				t.Errorf("%s %s: got %d %s, want what a foreign thing gives: %s", op.ID, c.path, got.Code, got.Body, foreign.Body)
			}
		}
	}
}

func merge(a, b map[string]string) map[string]string {
	m := map[string]string{}
	for k, v := range a {
		m[k] = v
	}
	for k, v := range b {
		m[k] = v
	}
	return m
}

// A cookie alone reads; to write takes the CSRF token, and our own pages.
func TestWalkCookies(t *testing.T) {
	w := newWorld(t)
	csrf := w.csrf(t, w.a.Cookie)
	for _, op := range w.operations(t) {
		if op.Open != "" || slices.Contains(op.Scopes, "system") && len(op.Scopes) == 1 {
			continue
		}
		if op.Invited {
			continue // a browser never adds an invitation by itself
		}
		c := w.sample(t, op, w.a, "tenant:admin")
		c.cookie = w.a.Cookie
		if op.ID == "signOut" {
			c.cookie, _ = w.credential(t, reelvault.Credential{
				Kind: reelvault.CredentialCookie, TenantID: w.a.ID, PersonID: w.a.PersonID, ExpiresAt: w.clock.Now().Add(time.Hour),
			})
		}
		if op.method == "GET" || op.method == "HEAD" {
			wantAllowed(t, "with a cookie", op, w.do(c))
			continue
		}
		plain := c.header
		w.wantDenied(t, "without CSRF token", op, w.do(c), 403)
		c.header = merge(plain, map[string]string{"X-CSRF-Token": "wrong"})
		w.wantDenied(t, "with a wrong CSRF token", op, w.do(c), 403)
		token := csrf
		if c.cookie != w.a.Cookie {
			token = w.csrf(t, c.cookie)
		}
		c.header = merge(plain, map[string]string{"X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"})
		w.wantDenied(t, "from another site", op, w.do(c), 403)
		c.header = merge(plain, map[string]string{"X-CSRF-Token": token, "Origin": "https://evil.test"})
		w.wantDenied(t, "from another origin", op, w.do(c), 403)
		c.header = merge(plain, map[string]string{"X-CSRF-Token": token, "Sec-Fetch-Site": "same-origin", "Origin": "http://reelvault.test"})
		wantAllowed(t, "with CSRF token", op, w.do(c))
	}
}

// A ticket is good for the operations of its purpose, in its own session.
func TestWalkTickets(t *testing.T) {
	w := newWorld(t)
	for _, purpose := range []string{"publish", "watch", "tab", "call"} {
		ticket := w.ticket(t, w.a.Token, w.a.Session, purpose)
		elsewhere := w.ticket(t, w.a.Token, w.session(t, w.a), purpose)
		for _, op := range w.operations(t) {
			if op.Open != "" || op.ID == "signOut" {
				continue
			}
			c := w.sample(t, op, w.a, "ingest")
			c.bearer = ticket
			what := "with a ticket to " + purpose
			switch {
			case op.ID == "endSession": // of those who call, operators only
				w.wantDenied(t, what, op, w.do(c), 403)
				continue
			case op.ID == "getMe", slices.Contains(op.Tickets, purpose):
				wantAllowed(t, what, op, w.do(c))
			default:
				w.wantDenied(t, what, op, w.do(c), 403)
				continue
			}
			if op.ID == "getMe" {
				continue
			}
			c = w.sample(t, op, w.a, "ingest")
			if op.ID == "getEvents" {
				c.path += "?session=" + w.a.Session
			}
			c.bearer = elsewhere
			w.wantDenied(t, what+" for another session", op, w.do(c), 404)
		}
	}
}

// ticket gets a ticket as a client does.
func (w *world) ticket(tb testing.TB, token, session, purpose string) string {
	tb.Helper()
	if purpose == "call" {
		t := w.a
		t.Session = session
		invitation, _ := w.invitation(tb, t, "guest-1")
		return w.join(tb, invitation).Ticket.Secret
	}
	got := w.do(call{
		method: "POST", path: "/api/v1/sessions/" + session + "/tickets", bearer: token,
		body: fmt.Sprintf(`{"purpose":%q,"participant":"guest-1","role":"guest"}`, purpose),
	})
	wantStatus(tb, got, 201)
	return decode[struct{ Secret string }](tb, got).Secret
}
