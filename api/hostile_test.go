package api_test

import (
	"fmt"
	"strings"
	"testing"
)

// What is sent in malice, or by mistake, gets the answer that is documented,
// and what is taken comes back as it was sent.
func TestHostileInput(t *testing.T) {
	w := newWorld(t)
	w.messages(t, 3, func(i int) string { return fmt.Sprint(i) })
	secret, _ := w.invitation(t, w.a, "guest-1")
	ticket := w.callTicket(t, "guest-1")
	post := func(path, bearer, body string) call {
		return call{method: "POST", path: path, bearer: bearer, body: body}
	}
	of := "/api/v1/sessions/" + w.a.Session
	say := func(body string) call { return post(of+"/activities", ticket, body) }
	huge := strings.Repeat("x", 10<<20)
	for _, tt := range []struct {
		what string
		c    call
		want int
	}{
		{"joining, with a huge body", post("/api/v1/call/join", secret, huge), 200}, // it is not read
		{"joining, with another secret", post("/api/v1/call/join", "rvi_"+strings.Repeat("\x01", 9999), ""), 401},
		{"a huge message", say(`{"type":"ChatMessage","text":"` + huge + `"}`), 413},
		{"a huge answer", post(of+"/consent", ticket, huge), 413},
		{"a huge goodbye", post(of+"/leave", ticket, huge), 413},
		{"a huge invitation", post(of+"/invitations", w.a.Token, `{"name":"`+huge+`"}`), 413},
		{"a message that is not UTF-8", say("{\"type\":\"ChatMessage\",\"text\":\"a\xffb\"}"), 400},
		{"data that are not UTF-8", say("{\"type\":\"ChatMessage\",\"text\":\"a\",\"data\":{\"\xc3\x28\":1}}"), 400},
		{"a name that is not UTF-8", post(of+"/invitations", w.a.Token, "{\"name\":\"\xf0\x28\x8c\x28\"}"), 400},
		{"UTF-16", say("{\x00\"\x00"), 400},
		{"a byte order mark", say("\ufeff{\"type\":\"ChatMessage\",\"text\":\"a\"}"), 400},
		{"deep nesting", say(`{"type":"ChatMessage","text":"a","data":{"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}}`), 400},
		{"a number without end", say(`{"type":"ChatMessage","text":"a","data":{"a":1e999}}`), 400},
		{"two documents", say(`{"type":"ChatMessage","text":"a"}{}`), 400},
		{"no document", say(" "), 400},
		{"a list", say("[]"), 422},
		{"a type with control characters", say(`{"type":"Chat\u0007Message","text":"a"}`), 422},
		{"data with a NUL", say(`{"type":"ChatMessage","text":"a","data":{"a":"\u0000"}}`), 422},
		{"an id with a NUL", say(`{"type":"ChatMessage","text":"a","clientId":"\u0000"}`), 422},
		{"a name with a NUL", post(of+"/invitations", w.a.Token, `{"name":"a\u0000"}`), 422},
		{"a name of two lines", post(of+"/invitations", w.a.Token, `{"name":"a\r\nb"}`), 422},
		{"a name with C1 controls", post(of+"/invitations", w.a.Token, `{"name":"a\u0085b"}`), 422},
		{"an answer with a NUL", post(of+"/consent", ticket, `{"answer":"given\u0000","version":"1"}`), 422},
		{"a participant that is a path", post(of+"/leave", w.a.Token, `{"participant":"../x"}`), 422},
	} {
		got := w.do(tt.c)
		if got.Code != tt.want {
			t.Errorf("%s: got %d %.300s, want %d", tt.what, got.Code, got.Body, tt.want)
		}
		if tt.want >= 400 && got.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: got %s", tt.what, got.Header().Get("Content-Type"))
		}
	}
	text := "<script>alert(1)</script>\x01\x1b[31m\u202e\u2028\u0085é\r\n"
	code, kept := w.say(t, ticket, `{"type":"ChatMessage","text":"<script>alert(1)</script>\u0001\u001b[31m\u202e\u2028\u0085é\r\n"}`)
	if code != 201 || kept.Text != text {
		t.Errorf("got %d %q, want %q as it was sent", code, kept.Text, text)
	}
	s := open(t, w.listen(t)+"/api/v1/events?after=3", ticket)
	if got := s.texts(t, 1)[0]; got != text {
		t.Errorf("live: got %q, want %q in one event", got, text)
	}
}

// A number that no event has, and a list's place that no list has, are refused;
// one that is too high waits for what comes.
func TestHostileCursors(t *testing.T) {
	w := newWorld(t)
	w.messages(t, 3, func(i int) string { return fmt.Sprint(i) })
	for id, want := range map[string]int{
		"x": 422, "-1": 422, "-0": 422, "+2": 422, " 2": 422, "2 ": 422, "0x2": 422, "1e1": 422, "\xff": 422, "\u0663": 422, "1;--": 422,
		"9223372036854775808": 422, strings.Repeat("9", 20): 422, strings.Repeat("9", 100_000): 422,
		"9223372036854775807": 200, "2": 200, "00000000000000000001": 200,
	} {
		got := w.do(call{method: "GET", path: "/api/v1/events", bearer: w.a.Token, once: true, header: map[string]string{"Last-Event-ID": id}})
		if got.Code != want || want == 422 && !strings.Contains(got.Body.String(), "header.Last-Event-ID") {
			t.Errorf("Last-Event-ID %.30q: got %d %.300s, want %d", id, got.Code, got.Body, want)
		}
	}
	for path, want := range map[string]int{
		"/events?after=9223372036854775808": 422, "/events?after=%00": 422, "/events?after=1&after=2": 422, "/events?after=1.5": 422,
		"/events?types=%00": 422, "/events?types=joined": 422, "/events?types=" + strings.Repeat("Left,", 401): 422,
		"/events?session=%FF": 404, "/events?session=" + strings.Repeat("a", 37): 422, "/events?%zz": 422, "/events?a=1;b=2": 422,
		"/sessions/" + w.a.Session + "/activities?after=99999999999999999999": 422,
		"/sessions/" + w.a.Session + "/activities?after=9223372036854775807":  200,
		"/sessions/" + w.a.Session + "/activities?cursor=x":                   422,
		"/sessions?cursor=x":                           422,
		"/sessions?cursor=%00":                         422,
		"/sessions?cursor=%FF":                         422,
		"/audit?cursor=czE3OjE":                        422, // another list's
		"/sessions?cursor=" + strings.Repeat("A", 513): 422,
	} {
		if got := w.do(call{method: "GET", path: "/api/v1" + path, bearer: w.a.Token, once: true}); got.Code != want {
			t.Errorf("%.60s: got %d %.300s, want %d", path, got.Code, got.Body, want)
		}
	}
}
