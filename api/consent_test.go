package api_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
)

// asks makes the first tenant ask for consent.
func (w *world) asks(tb testing.TB) {
	tb.Helper()
	_, err := w.catalog.UpdateTenant(tb.Context(), w.a.ID, func(t *reelvault.Tenant) error {
		t.Consent.Required = true
		return nil
	})
	must(tb, err)
}

func (w *world) consent(bearer, body string) *httptest.ResponseRecorder {
	return w.do(call{method: "POST", path: "/api/v1/sessions/" + w.a.Session + "/consent", bearer: bearer, body: body})
}

const (
	yes = `{"answer":"given","version":"1"}`
	no  = `{"answer":"refused","version":"1"}`
)

// A guest is asked, answers, and the session is released when all have agreed.
func TestConsentGiven(t *testing.T) {
	w := newWorld(t)
	w.asks(t)
	first, _ := w.invitation(t, w.a, "guest-1")
	second, _ := w.invitation(t, w.a, "guest-2")
	one, two := w.join(t, first), w.join(t, second)
	want := answered{Required: true, Text: "May we record this?", Version: "1", Language: "en", Answer: "none"}
	if one.Consent != want || one.Recording != "withheld" {
		t.Errorf("got %+v and recording %s, want %+v withheld", one.Consent, one.Recording, want)
	}
	for _, j := range []joined{one, two} {
		wantStatus(t, w.offer("whip", w.a.Session, j.Ticket.Secret, ""), 201) // the call goes on without recording
	}
	w.clock.advance(time.Second)
	at := w.clock.Now()
	got := w.consent(one.Ticket.Secret, yes)
	wantStatus(t, got, 200)
	if a := decode[answered](t, got); a.Answer != "given" || !parseTime(t, a.At).Equal(at) {
		t.Errorf("got %+v", a)
	}
	if released, _ := w.control.done(); released != 0 {
		t.Error("released before the second guest has answered")
	}
	wantStatus(t, w.consent(two.Ticket.Secret, yes), 200)
	w.clock.advance(time.Minute)
	wantStatus(t, w.consent(two.Ticket.Secret, yes), 200)
	if released, stopped := w.control.done(); released != 2 || stopped != 0 {
		t.Errorf("released %d and stopped %d times, want 2 and 0", released, stopped)
	}
	again := w.join(t, first)
	if again.Consent.Answer != "given" || !parseTime(t, again.Consent.At).Equal(at) || again.Recording != "off" {
		t.Errorf("after a reload: got %+v and recording %s", again.Consent, again.Recording)
	}
	wantList(t, "activities", w.what(t), []string{"Joined guest-1", "Joined guest-2", "consent.given guest-1", "consent.given guest-2"})
	s := w.do(call{method: "GET", path: "/api/v1/sessions/" + w.a.Session, bearer: w.a.Token}).Body.String()
	if want := `"consent":{"answer":"given","version":"1","at":"`; strings.Count(s, want) != 2 {
		t.Errorf("got session %s, want %s twice", s, want)
	}
}

// A refusal is final, stops what is recorded, and the call goes on.
func TestConsentRefused(t *testing.T) {
	w := newWorld(t)
	w.asks(t)
	invitation, _ := w.invitation(t, w.a, "guest-1")
	ticket := w.join(t, invitation).Ticket.Secret
	wantStatus(t, w.consent(ticket, yes), 200)
	wantStatus(t, w.consent(ticket, no), 200)
	wantStatus(t, w.consent(ticket, yes), 409)
	if released, stopped := w.control.done(); released != 1 || stopped != 1 {
		t.Errorf("released %d and stopped %d times, want 1 and 1", released, stopped)
	}
	again := w.join(t, invitation)
	if again.Consent.Answer != "refused" || again.Recording != "withheld" {
		t.Errorf("got %+v and recording %s", again.Consent, again.Recording)
	}
	wantStatus(t, w.offer("whip", w.a.Session, again.Ticket.Secret, ""), 201)
	wantList(t, "activities", w.what(t), []string{"consent.given guest-1", "consent.refused guest-1", "Joined guest-1"})
}

// Who may not answer, and what is no answer.
func TestConsentRefusals(t *testing.T) {
	w := newWorld(t)
	w.asks(t)
	w.guest(t, w.a, "guest-1")
	_, err := w.catalog.SetParticipant(t.Context(), w.a.ID, w.a.Session, reelvault.Participant{ID: "op", Role: reelvault.RoleOperator}, nil)
	must(t, err)
	secret, _ := w.invitation(t, w.a, "guest-1")
	ticket := w.join(t, secret).Ticket.Secret
	for _, tt := range []struct {
		bearer, body string
		want         int
	}{
		{ticket, `{"answer":"maybe","version":"1"}`, 422},
		{ticket, `{"answer":"given"}`, 422},
		{ticket, `{"answer":"given","version":""}`, 422},
		{ticket, `{"answer":"given","version":"0"}`, 412},
		{ticket, `{"answer":"given","version":"1","participant":"guest-2"}`, 403},
		{w.a.Token, yes, 422},
		{w.a.Token, `{"answer":"given","version":"1","participant":"op"}`, 409},
		{w.a.Token, `{"answer":"given","version":"1","participant":"nobody"}`, 404},
		{w.b.Token, `{"answer":"given","version":"1","participant":"guest-1"}`, 404},
		{w.a.Token, `{"answer":"given","version":"1","participant":"guest-1"}`, 200},
	} {
		if got := w.consent(tt.bearer, tt.body); got.Code != tt.want {
			t.Errorf("%s: got %d %s, want %d", tt.body, got.Code, got.Body, tt.want)
		}
	}
}

// Operators are not asked, and nobody where the tenant doesn't.
func TestConsentNotAsked(t *testing.T) {
	w := newWorld(t)
	guest, _ := w.invitation(t, w.a, "guest-1")
	if got := w.join(t, guest); got.Consent.Required || got.Recording != "off" {
		t.Errorf("got %+v where nobody is asked", got)
	}
	w.asks(t)
	_, operator := w.invited(t, `{"role":"operator"}`)
	if got := w.join(t, operator); got.Consent.Required || got.Recording != "withheld" {
		t.Errorf("got %+v for an operator", got)
	}
}

// Somebody new counts before the recorder asks: nobody's first packets are
// recorded on the word of those who were there before.
func TestNewGuestIsAskedFirst(t *testing.T) {
	w := newWorld(t)
	w.asks(t)
	first, _ := w.invitation(t, w.a, "guest-1")
	ticket := w.join(t, first).Ticket.Secret
	wantStatus(t, w.consent(ticket, yes), 200)
	for _, tt := range []struct {
		bearer, query string
		withheld      bool
	}{
		{ticket, "", false}, {w.a.Token, "?participant=guest-2", true},
	} {
		w.gateway.before = func() {
			got, err := w.catalog.Withheld(t.Context(), w.a.ID, w.a.Session)
			if err != nil || got != tt.withheld {
				t.Errorf("%q publishes: withheld %v, %v; want %v", tt.query, got, err, tt.withheld)
			}
		}
		wantStatus(t, w.offer("whip", w.a.Session, tt.bearer, tt.query), 201)
	}
}

// When a guest leaves who had not answered, the others are released.
func TestLeavingReleases(t *testing.T) {
	w := newWorldOf(t, time.Millisecond)
	w.asks(t)
	first, _ := w.invitation(t, w.a, "guest-1")
	second, _ := w.invitation(t, w.a, "guest-2")
	w.join(t, first)
	w.control.freeing = func() {
		if !w.feed.Shut(w.a.Session) {
			t.Error("somebody new can come during the release")
		}
	}
	wantStatus(t, w.consent(w.join(t, first).Ticket.Secret, yes), 200)
	wantStatus(t, w.offer("whip", w.a.Session, w.join(t, second).Ticket.Secret, ""), 201)
	w.await(t, "the release", func() bool { released, _ := w.control.done(); return released == 2 })
}

// Who answers after having left is released, too: they stayed withheld when
// the others were.
func TestAnswerAfterLeavingReleases(t *testing.T) {
	w := newWorld(t)
	w.asks(t)
	first, _ := w.invitation(t, w.a, "guest-1")
	second, _ := w.invitation(t, w.a, "guest-2")
	late := w.join(t, second).Ticket.Secret // known, and not there
	wantStatus(t, w.consent(w.join(t, first).Ticket.Secret, yes), 200)
	wantList(t, "released", w.control.freed(), []string{"guest-1"})
	wantStatus(t, w.consent(late, yes), 200)
	wantList(t, "released", w.control.freed(), []string{"guest-1", "guest-1", "guest-2"})
}

// A tenant's notice and limits are changed one by one, and a change that was
// made on something older is refused.
func TestTenantSettings(t *testing.T) {
	w := newWorld(t)
	path := "/api/v1/tenants/" + w.a.ID
	patch := func(body, ifMatch string) *httptest.ResponseRecorder {
		c := call{method: "PATCH", path: path, bearer: w.a.Token, body: body}
		if ifMatch != "" {
			c.header = map[string]string{"If-Match": ifMatch}
		}
		return w.do(c)
	}
	before := w.do(call{method: "GET", path: path, bearer: w.a.Token})
	tag := before.Header().Get("ETag")
	if tag == "" || !strings.Contains(before.Body.String(), `"consent":{"required":false,"text":"May we record this?","version":"1","language":"en"},"maxFileBytes":104857600`) {
		t.Errorf("got %s with ETag %q", before.Body, tag)
	}
	changed := patch(`{"consent":{"required":true,"text":"Smíme?","version":"2","language":"cs-CZ"}}`, tag)
	wantStatus(t, changed, 200)
	for _, want := range []string{`"av":true`, `"required":true,"text":"Smíme?","version":"2","language":"cs-CZ"`, `"maxFileBytes":104857600`} {
		if !strings.Contains(changed.Body.String(), want) {
			t.Errorf("got %s, want %s", changed.Body, want)
		}
	}
	if now := changed.Header().Get("ETag"); now == tag || now == "" {
		t.Errorf("got ETag %q after %q", now, tag)
	}
	for _, tt := range []struct {
		body, ifMatch string
		want          int
	}{
		{`{"maxFileBytes":1}`, tag, 412},
		{`{"maxFileBytes":0}`, "*", 200},
		{`{"maxFileBytes":-1}`, "", 422},
		{`{"maxFileBytes":68719476737}`, "", 422},
		{`{"consent":{"required":true,"text":"Other","version":"2"}}`, "", 409},
		{`{"consent":{"required":true,"text":"May we record this?","version":"1","language":"en"}}`, "", 200},
		{`{"consent":{"required":true,"text":"","version":"3"}}`, "", 422},
		{`{"consent":{"required":false,"text":"x","version":""}}`, "", 422},
		{`{"consent":{"required":false,"text":"x","version":"4","language":"<b>"}}`, "", 422},
		{`{"consent":{"required":false,"text":"` + strings.Repeat("x", 4001) + `","version":"5"}}`, "", 422},
		{`{"consent":{"required":false}}`, "", 200},
		{`{"features":{"av":false,"phone":true}}`, "", 200},
		{`{}`, "", 200},
	} {
		if got := patch(tt.body, tt.ifMatch); got.Code != tt.want {
			t.Errorf("%s: got %d %s, want %d", tt.body, got.Code, got.Body, tt.want)
		}
	}
	last, err := w.catalog.Tenant(t.Context(), w.a.ID)
	must(t, err)
	if got := fmt.Sprint(last.Features, last.Consent, last.MaxFileBytes); got != "{false true} {false   } 0" {
		t.Errorf("got %s", got)
	}
}
