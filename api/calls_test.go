package api_test

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/storage"
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

	Consent    answered
	ICEServers []struct {
		URLs                 []string
		Username, Credential string
	}
	Limits    struct{ MessageBytes, FileBytes int64 }
	LastEvent int64
}

type answered struct {
	Required                            bool
	Text, Version, Language, Answer, At string
}

func (w *world) tryJoin(invitation string) *httptest.ResponseRecorder {
	return w.do(call{method: "POST", path: "/api/v1/call/join", bearer: invitation, body: "{}"})
}

// join joins a call as the page does.
func (w *world) join(tb testing.TB, invitation string) joined {
	tb.Helper()
	got := w.tryJoin(invitation)
	wantStatus(tb, got, 200)
	return decode[joined](tb, got)
}

type invitation struct{ ID, URL, Participant, Role, Name, CreatedAt, ExpiresAt string }

func (w *world) invite(tb testing.TB, bearer, session, body string) *httptest.ResponseRecorder {
	tb.Helper()
	return w.do(call{method: "POST", path: "/api/v1/sessions/" + session + "/invitations", bearer: bearer, body: body})
}

// invited makes an invitation over the API and gives it with its secret.
func (w *world) invited(tb testing.TB, body string) (invitation, string) {
	tb.Helper()
	got := w.invite(tb, w.a.Token, w.a.Session, body)
	wantStatus(tb, got, 201)
	i := decode[invitation](tb, got)
	page, secret, _ := strings.Cut(i.URL, "#")
	if page != "http://reelvault.test/call/" || !strings.HasPrefix(secret, "rvi_") {
		tb.Errorf("got link %q", i.URL)
	}
	return i, secret
}

// what lists what happened in the first tenant, by type and participant.
func (w *world) what(tb testing.TB) []string {
	tb.Helper()
	as, err := w.catalog.Activities(tb.Context(), storage.ActivityFilter{TenantID: w.a.ID, Limit: 999})
	must(tb, err)
	list := []string{}
	for _, a := range as {
		list = append(list, strings.TrimSpace(string(a.Type)+" "+a.ParticipantID))
	}
	return list
}

func wantList(tb testing.TB, what string, got, want []string) {
	tb.Helper()
	if !slices.Equal(got, want) {
		tb.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// An invitation is one participant's, however often it is used, and gives all
// that the page has to know.
func TestJoin(t *testing.T) {
	w := newWorld(t)
	w.gateway.running = []media.Published{{Publisher: media.Publisher{SessionID: w.a.Session, ParticipantID: "op", Kind: reelvault.RecordingScreen}}}
	made, secret := w.invited(t, `{"name":"Jana Nová","lifeSeconds":3600}`)
	if made.Role != "guest" || !strings.HasPrefix(made.Participant, "guest-") || made.Name != "Jana Nová" {
		t.Errorf("got %+v", made)
	}
	first := w.join(t, secret)
	if first.Participant != made.Participant || first.Role != "guest" || first.Name != "Jana Nová" || first.Session.ID != w.a.Session ||
		first.Limits.MessageBytes != 16384 || first.Limits.FileBytes != reelvault.DefaultMaxFileBytes || first.Recording != "off" {
		t.Errorf("got %+v", first)
	}
	if len(first.ICEServers) != 2 || first.ICEServers[0].URLs[0] != "stun:stun.example.net" || first.ICEServers[1].Username != "ann" ||
		first.ICEServers[1].Credential != `p"w` {
		t.Errorf("got ICE servers %+v", first.ICEServers)
	}
	if p := first.Session.Publishers; len(p) != 1 || p[0].Participant != "op" || p[0].Source != "screen" {
		t.Errorf("got publishers %+v", p)
	}
	// Who only looks at the page is known and not there yet.
	if p := first.Session.Participants; len(p) != 1 || p[0].ID != made.Participant || p[0].Name != "Jana Nová" || p[0].Present {
		t.Errorf("got participants %+v", p)
	}
	second := w.join(t, secret)
	if second.Participant != first.Participant || second.Ticket.Secret == first.Ticket.Secret {
		t.Errorf("got %+v after %+v", second, first)
	}
	if life := parseTime(t, second.Ticket.ExpiresAt).Sub(w.clock.Now()); life != 10*time.Minute {
		t.Errorf("the ticket lives %v, want 10m", life)
	}
	w.clock.advance(55 * time.Minute)
	if end := w.join(t, secret).Ticket.ExpiresAt; end != made.ExpiresAt {
		t.Errorf("the ticket ends at %s, want the invitation's end %s", end, made.ExpiresAt)
	}
	w.clock.advance(5 * time.Minute)
	got := w.tryJoin(secret)
	wantStatus(t, got, 401)
	if !strings.Contains(got.Body.String(), "the invitation is unknown, expired or revoked") {
		t.Errorf("got %s", got.Body)
	}
	if len(w.what(t)) != 0 {
		t.Errorf("got activities %v of somebody who never connected", w.what(t))
	}
}

func parseTime(tb testing.TB, s string) time.Time {
	tb.Helper()
	at, err := time.Parse(time.RFC3339, s)
	must(tb, err)
	return at
}

// What is wrong with an invitation is said.
func TestInvitationRefusals(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]int{
		`{"role":"admin"}`: 422, `{"participant":"a b"}`: 422, `{"lifeSeconds":59}`: 422, `{"lifeSeconds":2592001}`: 422,
		`{"name":"` + strings.Repeat("x", 201) + `"}`: 422, `{"url":"x"}`: 422, `{"participant":"op","role":"guest"}`: 409, `{}`: 201,
	} {
		if want == 409 {
			_, err := w.catalog.SetParticipant(t.Context(), w.a.ID, w.a.Session, reelvault.Participant{ID: "op", Role: reelvault.RoleOperator}, nil)
			must(t, err)
		}
		if got := w.invite(t, w.a.Token, w.a.Session, body); got.Code != want {
			t.Errorf("%s: got %d %s, want %d", body, got.Code, got.Body, want)
		}
	}
	_, secret := w.invited(t, `{}`)
	wantStatus(t, w.do(call{method: "POST", path: "/api/v1/sessions/" + w.a.Session + "/end", bearer: w.a.Token}), 200)
	got := w.tryJoin(secret)
	wantStatus(t, got, 409)
	if !strings.Contains(got.Body.String(), "the session has ended, and the invitation with it") {
		t.Errorf("got %s", got.Body)
	}
	wantStatus(t, w.invite(t, w.a.Token, w.a.Session, `{}`), 409)
}

// An invitation is good for joining and nothing else, and nothing else is.
func TestInvitationIsNoTicket(t *testing.T) {
	w := newWorld(t)
	secret, _ := w.invitation(t, w.a, "guest-1")
	system, _ := w.token(t, w.a, reelvault.Scopes...)
	for _, op := range w.operations(t) {
		c := w.sample(t, op, w.a, "ingest")
		if op.Open != "" {
			continue
		}
		if op.Invited {
			for what, bearer := range map[string]string{"token": system, "ticket": w.ticket(t, w.a.Token, w.a.Session, "call")} {
				c.bearer = bearer
				w.wantDenied(t, "with a "+what, op, w.do(c), 403)
			}
			continue
		}
		c.bearer = secret
		w.wantDenied(t, "with an invitation", op, w.do(c), 403)
	}
}

// Revoking an invitation ends its tickets and hangs up what they opened, and
// touches nobody else's.
func TestRevokeInvitation(t *testing.T) {
	w := newWorld(t)
	made, secret := w.invited(t, `{"participant":"guest-1"}`)
	_, other := w.invited(t, `{"participant":"guest-2"}`)
	mine, theirs := w.join(t, secret).Ticket.Secret, w.join(t, other).Ticket.Secret
	for _, ticket := range []string{mine, theirs} {
		wantStatus(t, w.offer("whip", w.a.Session, ticket, ""), 201)
		wantStatus(t, w.offer("whep", w.a.Session, ticket, "?participant=guest-1"), 201)
	}
	list := decode[struct{ Items []invitation }](t, w.do(call{
		method: "GET", path: "/api/v1/sessions/" + w.a.Session + "/invitations", bearer: w.a.Token,
	}))
	if len(list.Items) != 2 || list.Items[0].ID != made.ID || list.Items[0].URL != "" {
		t.Errorf("got invitations %+v", list.Items)
	}
	gone := call{method: "DELETE", path: "/api/v1/sessions/" + w.a.Session + "/invitations/" + made.ID, bearer: w.a.Token}
	wantStatus(t, w.do(gone), 204)
	wantStatus(t, w.do(gone), 404)
	wantStatus(t, w.tryJoin(secret), 401)
	wantStatus(t, w.offer("whip", w.a.Session, mine, ""), 401)
	wantStatus(t, w.offer("whip", w.a.Session, theirs, ""), 201)
	if len(w.gateway.hungUp) != 2 || len(w.gateway.connections) != 3 {
		t.Errorf("hung up %d and left %d connections, want 2 and 3", len(w.gateway.hungUp), len(w.gateway.connections))
	}
	w.join(t, other)
}

// A revocation while an offer is answered doesn't miss its connection.
func TestRevokeDuringOffer(t *testing.T) {
	for _, name := range []string{"whip", "whep"} {
		w := newWorld(t)
		secret, id := w.invitation(t, w.a, "guest-1")
		ticket := w.join(t, secret).Ticket.Secret
		w.gateway.before = func() { must(t, w.catalog.Revoke(t.Context(), w.a.ID, id)) }
		wantStatus(t, w.offer(name, w.a.Session, ticket, ""), 401)
		if len(w.gateway.connections) != 0 {
			t.Errorf("%s: got a connection that nobody will hang up", name)
		}
	}
}

// Who made an invitation with a token takes it back with the token; one that a
// person made outlives the sign-in.
func TestInvitationsOfIssuers(t *testing.T) {
	w := newWorld(t)
	token, id := w.token(t, w.a, everything...)
	made := decode[invitation](t, w.invite(t, token, w.a.Session, `{}`))
	_, ofToken, _ := strings.Cut(made.URL, "#")
	ticket := w.join(t, ofToken).Ticket.Secret
	watched := w.open(t, "whep", ticket)
	kept := w.open(t, "whep", w.a.Token)
	wantStatus(t, w.do(call{method: "DELETE", path: "/api/v1/tokens/" + id, bearer: w.a.Token}), 204)
	wantStatus(t, w.tryJoin(ofToken), 401)
	if got := w.gateway.hungUp; len(got) != 1 || !strings.HasSuffix(watched, got[0]) {
		t.Errorf("got %v hung up, want %s and not %s", got, watched, kept)
	}

	csrf := map[string]string{"X-CSRF-Token": w.csrf(t, w.a.Cookie)}
	got := w.do(call{method: "POST", path: "/api/v1/sessions/" + w.a.Session + "/invitations", cookie: w.a.Cookie, header: csrf, body: `{}`})
	wantStatus(t, got, 201)
	_, ofPerson, _ := strings.Cut(decode[invitation](t, got).URL, "#")
	wantStatus(t, w.do(call{method: "POST", path: "/api/v1/signout", cookie: w.a.Cookie, header: csrf}), 204)
	w.join(t, ofPerson)
}

// A ticket of a call publishes as its participant, recorded or not, watches
// whom it likes, and reaches what an earlier ticket of the invitation opened.
func TestCallTickets(t *testing.T) {
	w := newWorld(t)
	secret, _ := w.invitation(t, w.a, "guest-1")
	first, second := w.join(t, secret).Ticket.Secret, w.join(t, secret).Ticket.Secret
	got := w.offer("whip", w.a.Session, first, "?source=screen")
	wantStatus(t, got, 201)
	p := w.gateway.publishers[0]
	if p.ParticipantID != "guest-1" || p.Role != reelvault.RoleGuest || !p.Unrecorded || p.Kind != reelvault.RecordingScreen {
		t.Errorf("got publisher %+v", p)
	}
	wantStatus(t, w.offer("whip", w.a.Session, first, "?participant=guest-2"), 403)
	wantStatus(t, w.offer("whip", w.a.Session, first, "?role=operator"), 403)
	wantStatus(t, w.offer("whip", w.a.Session, w.a.Token, "?participant=op&role=operator"), 201)
	if w.gateway.publishers[1].Unrecorded {
		t.Error("a token publishes unrecorded")
	}
	stranger, _ := w.invitation(t, w.a, "guest-2")
	patch := call{
		method: "PATCH", path: got.Header().Get("Location"), body: "a=candidate:1\r\n",
		header: map[string]string{"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": etag},
	}
	for _, tt := range []struct {
		bearer string
		want   int
	}{{first, 204}, {second, 204}, {w.join(t, stranger).Ticket.Secret, 404}} {
		patch.bearer = tt.bearer
		wantStatus(t, w.do(patch), tt.want)
	}
	wantStatus(t, w.do(call{method: "DELETE", path: got.Header().Get("Location"), bearer: second}), 200)
}

// The page shows whether the session is recorded now.
func TestRecordingNow(t *testing.T) {
	w := newWorld(t)
	secret, _ := w.invitation(t, w.a, "guest-1")
	must(t, w.catalog.CreateRecording(t.Context(), reelvault.Recording{
		ID: newID(), TenantID: w.a.ID, SessionID: w.a.Session, Kind: reelvault.RecordingFile,
		State: reelvault.RecordingRunning, StartedAt: w.clock.Now(),
	}))
	if got := w.join(t, secret).Recording; got != "off" {
		t.Errorf("while a file is sent: got %s, want off", got)
	}
	for _, tt := range []struct {
		state reelvault.RecordingState
		want  string
	}{
		{reelvault.RecordingReady, "off"},
		{reelvault.RecordingProcessing, "off"},
		{reelvault.RecordingPaused, "paused"},
		{reelvault.RecordingRunning, "recording"},
		{reelvault.RecordingPaused, "recording"},
	} {
		w.recording(t, w.a, w.a.Session, tt.state)
		if got := w.join(t, secret).Recording; got != tt.want {
			t.Errorf("with one that is %s: got %s, want %s", tt.state, got, tt.want)
		}
	}
}

// Joining is limited by invitation, and a session without the feature takes
// nobody in.
func TestJoinLimits(t *testing.T) {
	w := newWorld(t, func(c *api.Config) { c.Limits.Ticket = api.Limit{PerMinute: 1, Burst: 2} })
	secret, _ := w.invitation(t, w.a, "guest-1")
	other, _ := w.invitation(t, w.a, "guest-2")
	for _, want := range []int{200, 200, 429} {
		wantStatus(t, w.tryJoin(secret), want)
	}
	w.setFeatures(t, reelvault.Features{Phone: true})
	wantStatus(t, w.tryJoin(other), 403)
}

func activityPath(session string) string {
	return fmt.Sprintf("/api/v1/sessions/%s/activities", session)
}

// An operator ends the call for everybody; a guest can't.
func TestEndCall(t *testing.T) {
	w := newWorld(t)
	_, guest := w.invited(t, `{"role":"guest","participant":"guest-1"}`)
	_, operator := w.invited(t, `{"role":"operator","participant":"op-1"}`)
	end := call{method: "POST", path: "/api/v1/sessions/" + w.a.Session + "/end", bearer: w.join(t, guest).Ticket.Secret}
	wantStatus(t, w.do(end), 403)
	end.bearer = w.join(t, operator).Ticket.Secret
	got := w.do(end)
	wantStatus(t, got, 200)
	if s := decode[sessionJSON](t, got); s.Live || s.TerminationReason != "OperatorLeft" {
		t.Errorf("got %s", got.Body)
	}
	wantStatus(t, w.tryJoin(guest), 409)
}
