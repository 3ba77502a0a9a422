package api_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
)

type sessionJSON struct {
	ID, ExternalID, Name, Status, TerminationReason, EndedAt string
	Live                                                     bool
	DurationMs                                               int64
}

type pageJSON struct {
	Items []sessionJSON
	Next  string
}

func (w *world) create(body string) *httptest.ResponseRecorder {
	return w.do(call{method: "POST", path: "/api/v1/sessions", bearer: w.a.Token, body: body})
}

// The same externalId gives the same session, in its tenant.
func TestCreateSession(t *testing.T) {
	w := newWorld(t)
	first := w.create(`{"externalId":"chat-7","name":"Seven"}`)
	wantStatus(t, first, 201)
	made := decode[sessionJSON](t, first)
	if first.Header().Get("Location") != "/api/v1/sessions/"+made.ID || made.Status != "CREATED" || !made.Live {
		t.Errorf("got %s at %q", first.Body, first.Header().Get("Location"))
	}
	again := w.create(`{"externalId":"chat-7","name":"Other"}`)
	wantStatus(t, again, 200)
	if got := decode[sessionJSON](t, again); got.ID != made.ID || got.Name != "Seven" {
		t.Errorf("got %s, want the first one as it is", again.Body)
	}
	elsewhere := w.do(call{method: "POST", path: "/api/v1/sessions", bearer: w.b.Token, body: `{"externalId":"chat-7"}`})
	wantStatus(t, elsewhere, 201)
}

// What is wrong with a body is told with its place, and never repeated.
func TestCreateSessionRefusals(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name, body string
		status     int
		location   string
	}{
		{"unknown field", `{"tenantId":"x"}`, 422, "body.tenantId"},
		{"wrong type", `{"name":7}`, 422, "body.name"},
		{"wrong channel", `{"channel":"av"}`, 422, "body.channel"},
		{"long name", fmt.Sprintf(`{"name":%q}`, strings.Repeat("x", 201)), 422, "body.name"},
		{"null", `null`, 422, "body"},
		{"list", `[]`, 422, "body"},
		{"no JSON", `{`, 400, "body"},
		{"nothing", ``, 400, ""},
		{"deep", strings.Repeat("[", 20000), 400, "body"},
		{"large", `{"name":"` + strings.Repeat("x", 70_000) + `"}`, 413, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := w.create(tt.body)
			wantStatus(t, got, tt.status)
			p := decode[struct {
				Type, Code, Title string
				Status            int
				Errors            []struct{ Location string }
			}](t, got)
			if p.Type != "urn:reelvault:problem:"+p.Code || p.Status != tt.status || p.Title == "" {
				t.Errorf("got problem %s", got.Body)
			}
			if tt.location != "" && (len(p.Errors) == 0 || p.Errors[0].Location != tt.location) {
				t.Errorf("got %s, want the location %s", got.Body, tt.location)
			}
			if got.Header().Get("Content-Type") != "application/problem+json" || got.Body.Len() > 2000 {
				t.Errorf("got %d bytes of %s", got.Body.Len(), got.Header().Get("Content-Type"))
			}
		})
	}
}

// Lists go from the newest back in pages that neither miss nor repeat, and
// tell live from ended.
func TestListSessions(t *testing.T) {
	w := newWorld(t)
	want := []string{w.a.Session}
	for range 6 {
		w.clock.advance(time.Second)
		want = append(want, w.session(t, w.a))
	}
	slices.Reverse(want)
	list := func(query string) pageJSON {
		got := w.do(call{method: "GET", path: "/api/v1/sessions" + query, bearer: w.a.Token})
		wantStatus(t, got, 200)
		return decode[pageJSON](t, got)
	}
	var got []string
	for next := ""; ; {
		page := list("?limit=3&cursor=" + next)
		for _, s := range page.Items {
			got = append(got, s.ID)
		}
		if next = page.Next; next == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	wantStatus(t, w.do(call{method: "POST", path: "/api/v1/sessions/" + want[0] + "/end", bearer: w.a.Token}), 200)
	if ended := list("?live=false"); len(ended.Items) != 1 || ended.Items[0].ID != want[0] {
		t.Errorf("got ended %v", ended)
	}
	if live := list("?live=true"); len(live.Items) != len(want)-1 {
		t.Errorf("got %d live ones, want %d", len(live.Items), len(want)-1)
	}
	for _, query := range []string{"?limit=0", "?limit=501", "?limit=x", "?live=maybe", "?cursor=garbage", "?liv=true", "?cursor=" + strings.Repeat("x", 600)} {
		got := w.do(call{method: "GET", path: "/api/v1/sessions" + query, bearer: w.a.Token})
		wantStatus(t, got, 422)
		if name, _, _ := strings.Cut(query[1:], "="); !strings.Contains(got.Body.String(), `"query.`+name+`"`) {
			t.Errorf("%s: got %s, want the parameter named", query, got.Body)
		}
	}
	empty := w.do(call{method: "GET", path: "/api/v1/sessions?live=false", bearer: w.b.Token})
	if got := strings.TrimSpace(empty.Body.String()); got != `{"items":[],"next":""}` {
		t.Errorf("got %s for an empty list", got)
	}
}

// The end closes the session, hangs up and seals, in this order; once more is
// no error, but a blacklisted session stays what it is.
func TestEndSession(t *testing.T) {
	w := newWorld(t)
	w.clock.advance(90 * time.Second)
	end := call{method: "POST", path: "/api/v1/sessions/" + w.a.Session + "/end", bearer: w.a.Token}
	got := w.do(end)
	wantStatus(t, got, 200)
	s := decode[sessionJSON](t, got)
	if s.Status != "CLOSED" || s.Live || s.TerminationReason != "SessionApiCall" || s.DurationMs != 90_000 || s.EndedAt == "" {
		t.Errorf("got %s", got.Body)
	}
	if e := w.lastEvent(t, w.a.ID); e.Action != "endSession" || e.Target != "session/"+w.a.Session {
		t.Errorf("got event %s %s", e.Action, e.Target)
	}
	wantStatus(t, w.do(end), 200)
	if want := []string{w.a.Session, w.a.Session}; !slices.Equal(w.control.stopped, want) || !slices.Equal(w.gateway.hungUp, want) {
		t.Errorf("got stopped %v and hung up %v, want the session in both, twice", w.control.stopped, w.gateway.hungUp)
	}
	banned := w.session(t, w.a)
	_, err := w.catalog.MoveSession(context.Background(), w.a.ID, banned, reelvault.StatusBlacklisted, "", w.clock.Now())
	must(t, err)
	end.path = "/api/v1/sessions/" + banned + "/end"
	wantStatus(t, w.do(end), 409)
}

// Of two ends at a time both are told that it has ended, and one is noted.
func TestEndTwiceAtATime(t *testing.T) {
	w := newWorld(t)
	w.catalog.ends = func() {
		_, err := w.catalog.MoveSession(t.Context(), w.a.ID, w.a.Session, reelvault.StatusClosed, reelvault.ReasonGuestLeft, w.clock.Now())
		must(t, err)
	}
	before := w.lastEvent(t, w.a.ID)
	got := w.do(call{method: "POST", path: "/api/v1/sessions/" + w.a.Session + "/end", bearer: w.a.Token})
	wantStatus(t, got, 200)
	if v := decode[struct{ Status, TerminationReason string }](t, got); v.Status != "CLOSED" || v.TerminationReason != "GuestLeft" {
		t.Errorf("got %+v", v)
	}
	if e := w.lastEvent(t, w.a.ID); e.Action != before.Action || e.Target != before.Target {
		t.Errorf("got audit event %+v of an end that was another's", e)
	}
}
