package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
)

type activity struct {
	Seq                                                                 int64
	ID, SessionID, At, Type, Actor, Participant, Text, FileID, ClientID string
	Data                                                                map[string]any
}

// say sends an activity and gives status and what came of it.
func (w *world) say(tb testing.TB, bearer, body string) (int, activity) {
	tb.Helper()
	got := w.do(call{method: "POST", path: activityPath(w.a.Session), bearer: bearer, body: body})
	if got.Code >= 400 {
		return got.Code, activity{Text: got.Body.String()}
	}
	return got.Code, decode[activity](tb, got)
}

type activities struct {
	Items []activity
	Next  string
}

func (w *world) read(tb testing.TB, bearer, query string) activities {
	tb.Helper()
	got := w.do(call{method: "GET", path: activityPath(w.a.Session) + query, bearer: bearer})
	wantStatus(tb, got, 200)
	return decode[activities](tb, got)
}

// callTicket gives a ticket of a guest who takes part.
func (w *world) callTicket(tb testing.TB, participant string) string {
	tb.Helper()
	secret, _ := w.invitation(tb, w.a, participant)
	return w.join(tb, secret).Ticket.Secret
}

// What a participant says is theirs, is of now, and is kept as it was sent.
func TestMessageOfParticipant(t *testing.T) {
	w := newWorld(t)
	ticket := w.callTicket(t, "guest-1")
	text := "Dobrý den <script>alert(1)</script>\u202e👩‍👧\n"
	code, got := w.say(t, ticket, fmt.Sprintf(`{"type":"ChatMessage","text":%q,"data":{"a":1},"clientId":"c1"}`, text))
	if code != 201 || got.Text != text || got.Participant != "guest-1" || got.Actor != "Guest" || got.ClientID != "c1" ||
		got.Seq != 1 || got.SessionID != w.a.Session || !parseTime(t, got.At).Equal(w.clock.Now()) || got.Data["a"] != 1.0 {
		t.Errorf("got %d %+v", code, got)
	}
	w.clock.advance(time.Hour)
	ticket = w.callTicket(t, "guest-1") // after a reload
	code, again := w.say(t, ticket, fmt.Sprintf(`{"type":"ChatMessage","text":%q,"data":{"a":1},"clientId":"c1"}`, text))
	if code != 200 || again.ID != got.ID || again.At != got.At {
		t.Errorf("again: got %d %+v", code, again)
	}
	if code, _ = w.say(t, ticket, `{"type":"ChatMessage","text":"other","clientId":"c1"}`); code != 422 {
		t.Errorf("another text under the id: got %d, want 422", code)
	}
	if code, _ = w.say(t, w.callTicket(t, "guest-2"), `{"type":"ChatMessage","text":"other","clientId":"c1"}`); code != 201 {
		t.Errorf("the id of another participant: got %d, want 201", code)
	}
	if n := len(w.read(t, w.a.Token, "").Items); n != 2 {
		t.Errorf("got %d activities, want 2", n)
	}
}

// What nobody, or no participant, can send.
func TestMessageRefusals(t *testing.T) {
	w := newWorld(t)
	ticket := w.callTicket(t, "guest-1")
	message := func(text string) string { return fmt.Sprintf(`{"type":"ChatMessage","text":%q}`, text) }
	for _, tt := range []struct {
		name, bearer, body string
		want               int
	}{
		{"the largest text", ticket, message(strings.Repeat("x", 16<<10)), 201},
		{"a larger text", ticket, message(strings.Repeat("x", 16<<10+1)), 413},
		{"a huge text", ticket, message(strings.Repeat("x", 10<<20)), 413},
		{"no text", ticket, message(""), 422},
		{"a NUL", ticket, `{"type":"ChatMessage","text":"a\u0000b"}`, 422},
		{"an unknown type", ticket, `{"type":"Shout","text":"a"}`, 422},
		{"a type of ours", ticket, `{"type":"recording.stopped"}`, 422},
		{"a type of ours by a token", w.a.Token, `{"type":"consent.given","participant":"guest-1"}`, 422},
		{"an id of ours", ticket, `{"type":"ChatMessage","text":"a","clientId":"reelvault:consent.1"}`, 422},
		{"another's name", ticket, `{"type":"ChatMessage","text":"a","participant":"op"}`, 403},
		{"another's side", ticket, `{"type":"ChatMessage","text":"a","actor":"User"}`, 403},
		{"another time", ticket, `{"type":"ChatMessage","text":"a","at":"2020-01-01T00:00:00Z"}`, 403},
		{"the end of the session", ticket, `{"type":"SessionEnded"}`, 422},
		{"the end of the session by a token", w.a.Token, `{"type":"SessionEnded"}`, 422},
		{"a file by a token", w.a.Token, `{"type":"SharedFile"}`, 422},
		{"what belongs to no call", ticket, `{"type":"Handoff"}`, 403},
		{"the future", w.a.Token, fmt.Sprintf(`{"type":"Joined","at":%q}`, w.clock.Now().Add(time.Hour).Format(time.RFC3339)), 422},
		{"data that is a list", w.a.Token, `{"type":"Joined","data":[1]}`, 422},
		{"large data", w.a.Token, `{"type":"Joined","data":{"a":"` + strings.Repeat("x", 4096) + `"}}`, 413},
		{"a long client id", w.a.Token, `{"type":"Joined","clientId":"` + strings.Repeat("x", 65) + `"}`, 413},
		{"a field of nobody", w.a.Token, `{"type":"Joined","seq":1}`, 422},
		{"a watcher's ticket", w.ticket(t, w.a.Token, w.a.Session, "watch"), message("a"), 403},
	} {
		if code, got := w.say(t, tt.bearer, tt.body); code != tt.want {
			t.Errorf("%s: got %d %.300s, want %d", tt.name, code, got.Text, tt.want)
		}
	}
	_, err := w.catalog.MoveSession(t.Context(), w.a.ID, w.a.Session, reelvault.StatusClosed, "", w.clock.Now())
	must(t, err)
	if code, _ := w.say(t, ticket, message("too late")); code != 409 {
		t.Errorf("after the end: got %d, want 409", code)
	}
}

// Another system tells what happened there, when, and by whom, also after the end.
func TestActivityOfPlatform(t *testing.T) {
	w := newWorld(t)
	w.guest(t, w.a, "guest-1")
	_, err := w.catalog.MoveSession(t.Context(), w.a.ID, w.a.Session, reelvault.StatusClosed, "", w.clock.Now())
	must(t, err)
	at := w.clock.Now().Add(-time.Hour)
	code, got := w.say(t, w.a.Token, fmt.Sprintf(`{"type":"ChatMessage","text":"hi","participant":"guest-1","at":%q}`, at.Format(time.RFC3339Nano)))
	if code != 201 || got.Actor != "Guest" || !parseTime(t, got.At).Equal(at) {
		t.Errorf("got %d %+v", code, got)
	}
	if code, got = w.say(t, w.a.Token, `{"type":"ChatbotMessage","text":"hi","participant":"bot","actor":"Chatbot"}`); code != 201 || got.Actor != "Chatbot" {
		t.Errorf("got %d %+v", code, got)
	}
}

// Who takes part in a call tells of nothing but their own doing; another system
// may tell who comes and goes there, and the call page is not shown it: it
// shows who is in the call.
func TestComingAndGoingIsNotForged(t *testing.T) {
	w := newWorld(t)
	_, secret := w.invited(t, `{"role":"operator","participant":"op-1"}`)
	tickets := []string{w.callTicket(t, "guest-1"), w.join(t, secret).Ticket.Secret}
	may := []reelvault.ActivityType{
		"ChatMessage", "AvRequest", "AvResponse", "AvGetMediaResult", "AvTerminated", "ScreenSharingFailedByGuest", "FileUploadFailed",
	}
	for _, kind := range reelvault.ActivityTypes {
		for _, ticket := range tickets {
			want := 403
			switch {
			case slices.Contains(may, kind):
				want = 201
			case kind.Own(), kind == reelvault.ActivitySessionEnded, kind == reelvault.ActivitySharedFile:
				want = 422
			}
			if code, got := w.say(t, ticket, fmt.Sprintf(`{"type":%q,"text":"x"}`, kind)); code != want {
				t.Errorf("%s by a participant: got %d %+v, want %d", kind, code, got, want)
			}
		}
	}
	before := len(w.read(t, w.a.Token, "").Items)
	w.offer("whip", w.a.Session, tickets[0], "")
	for _, kind := range []string{"Left", "Joined"} {
		code, got := w.say(t, w.a.Token, fmt.Sprintf(`{"type":%q,"participant":"guest-1","clientId":%q}`, kind, kind))
		if code != 201 || got.ClientID != kind {
			t.Errorf("%s by another system: got %d %+v", kind, code, got)
		}
	}
	coming := func(bearer string) (list []string) {
		for _, a := range w.read(t, bearer, fmt.Sprintf("?after=%d", before)).Items {
			list = append(list, a.Type+" "+a.ClientID)
		}
		return list
	}
	wantList(t, "another system", coming(w.a.Token), []string{"Joined ", "Left Left", "Joined Joined"})
	wantList(t, "the call", coming(tickets[1]), []string{"Joined "})

	if code, _ := w.say(t, w.a.Token, `{"type":"Joined","participant":"guest-1","data":{"said":"x"}}`); code != 201 {
		t.Fatal(code)
	}
	scoped, _ := w.token(t, w.a, reelvault.ScopeSessionsRead)
	stream := open(t, w.listen(t)+"/api/v1/events?after=0&types=Joined", scoped)
	for range 3 {
		if a, ok := stream.next(t); !ok || a.Data["said"] != nil {
			t.Errorf("without content:read: got %+v", a)
		}
	}
}

// Participants are shown what belongs to the call, and others what their
// scopes allow.
func TestReadActivities(t *testing.T) {
	w := newWorld(t)
	other := w.a
	other.Session = w.session(t, w.a)
	secret, _ := w.invitation(t, other, "guest-1")
	wantStatus(t, w.do(call{method: "POST", path: activityPath(other.Session), bearer: w.a.Token, body: `{"type":"ChatMessage","text":"elsewhere"}`}), 201)
	for i, kind := range []string{"ChatMessage", "NotifyOperator", "CallScript", "ChatMessage", "OperatorInvited", "Handoff", "SharedScreen"} {
		if code, got := w.say(t, w.a.Token, fmt.Sprintf(`{"type":%q,"text":"%d","data":{"n":%d}}`, kind, i, i)); code != 201 {
			t.Fatalf("got %d %+v", code, got)
		}
	}
	texts := func(bearer, query string) (list []string) {
		for _, a := range w.read(t, bearer, query).Items {
			list = append(list, a.Text)
		}
		return list
	}
	ticket := w.callTicket(t, "guest-1")
	wantList(t, "a token", texts(w.a.Token, ""), []string{"0", "1", "2", "3", "4", "5", "6"})
	wantList(t, "a participant", texts(ticket, ""), []string{"0", "3", "6"})
	tab := w.ticket(t, w.a.Token, w.a.Session, "tab")
	wantList(t, "a tab", texts(tab, ""), []string{"0", "1", "2", "3", "4", "5", "6"})
	wantStatus(t, w.do(call{method: "GET", path: activityPath(w.a.Session), bearer: w.join(t, secret).Ticket.Secret}), 404)

	// Page by page nothing is left out or seen twice, whatever is hidden.
	for _, bearer := range []string{w.a.Token, ticket} {
		for limit := 1; limit < 9; limit++ {
			var paged []string
			for after := "0"; after != ""; {
				page := w.read(t, bearer, fmt.Sprintf("?limit=%d&after=%s", limit, after))
				for _, a := range page.Items {
					paged = append(paged, a.Text)
				}
				after = page.Next
			}
			wantList(t, fmt.Sprint("pages of ", limit), paged, texts(bearer, ""))
		}
	}
	for _, query := range []string{"?after=-1", "?after=x", "?limit=0", "?limit=501", "?before=1"} {
		wantStatus(t, w.do(call{method: "GET", path: activityPath(w.a.Session) + query, bearer: w.a.Token}), 422)
	}
}

// Messages of one invitation are limited, whatever tickets it gets.
func TestMessageLimit(t *testing.T) {
	w := newWorld(t, func(c *api.Config) { c.Limits.Messages = api.Limit{PerMinute: 1, Burst: 2} })
	secret, _ := w.invitation(t, w.a, "guest-1")
	for i, want := range []int{201, 201, 429} {
		if code, _ := w.say(t, w.join(t, secret).Ticket.Secret, `{"type":"ChatMessage","text":"x"}`); code != want {
			t.Errorf("message %d: got %d, want %d", i, code, want)
		}
	}
	if code, _ := w.say(t, w.callTicket(t, "guest-2"), `{"type":"ChatMessage","text":"x"}`); code != 201 {
		t.Errorf("another participant: got %d", code)
	}
}
