package api_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/reelvault/reelvault"
)

const offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\n"

func (w *world) offer(name, session, bearer, query string) *httptest.ResponseRecorder {
	return w.do(call{
		method: "POST", path: "/api/v1/sessions/" + session + "/" + name + query, bearer: bearer, body: offer,
		header: map[string]string{"Content-Type": "application/sdp"},
	})
}

// An offer is answered as RFC 9725, section 4.2, says.
func TestPublish(t *testing.T) {
	w := newWorld(t)
	got := w.offer("whip", w.a.Session, w.a.Token, "?participant=op.1&role=operator&source=screen")
	wantStatus(t, got, 201)
	location := got.Header().Get("Location")
	if !strings.HasPrefix(location, "/api/v1/sessions/"+w.a.Session+"/whip/") {
		t.Errorf("got Location %q", location)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/sdp", "ETag": etag, "Accept-Patch": "application/trickle-ice-sdpfrag",
		"Access-Control-Allow-Origin": "*",
	} {
		if h := got.Header().Get(name); h != want {
			t.Errorf("got %s %q, want %q", name, h, want)
		}
	}
	if links := got.Header().Values("Link"); len(links) != 2 || !strings.Contains(links[0], `rel="ice-server"`) {
		t.Errorf("got Link %q", links)
	}
	for _, header := range []string{"Location", "ETag", "Link"} {
		if !strings.Contains(got.Header().Get("Access-Control-Expose-Headers"), header) {
			t.Errorf("%s is not exposed to pages of other origins", header)
		}
	}
	p := w.gateway.publishers[0]
	if p.TenantID != w.a.ID || p.SessionID != w.a.Session || p.ParticipantID != "op.1" || p.Role != reelvault.RoleOperator || p.Kind != reelvault.RecordingScreen {
		t.Errorf("got publisher %+v", p)
	}
	s, err := w.catalog.Session(t.Context(), w.a.ID, w.a.Session)
	must(t, err)
	if s.Status != reelvault.StatusActive || len(s.Participants) != 1 || s.Participants[0].ID != "op.1" {
		t.Errorf("got session %s with %+v, want it active with its publisher", s.Status, s.Participants)
	}
	gone := w.do(call{method: "DELETE", path: location, bearer: w.a.Token, header: map[string]string{"If-Match": `"stale"`}})
	wantStatus(t, gone, 200)
	wantStatus(t, w.do(call{method: "DELETE", path: location, bearer: w.a.Token}), 404)
}

// The ways in which an offer is refused.
func TestOfferRefusals(t *testing.T) {
	shared := newWorld(t)
	full := reelvault.Errorf(reelvault.StorageFull, "the disk is nearly full")
	full.Hint = "free some space"
	for _, tt := range []struct {
		name    string
		gateway error
		prepare func(*world)
		change  func(*call)
		want    int
	}{
		{name: "malformed SDP", gateway: reelvault.Errorf(reelvault.Invalid, "malformed SDP"), want: 422},
		{name: "no codec of ours", gateway: reelvault.Errorf(reelvault.Unsupported, "no codec"), want: 422},
		{name: "codec the watcher lacks", gateway: reelvault.Errorf(reelvault.NotAcceptable, "vp8"), want: 406},
		{name: "nobody publishes", gateway: reelvault.Errorf(reelvault.NotFound, "nobody"), want: 404},
		{name: "shutting down", gateway: reelvault.Errorf(reelvault.Unavailable, "shutting down"), want: 503},
		{name: "fault", gateway: errors.New("secret of the machine"), want: 500},
		{name: "JSON", change: func(c *call) { c.header["Content-Type"] = "application/json" }, want: 415},
		{name: "no type", change: func(c *call) { c.header["Content-Type"] = "" }, want: 415},
		{name: "no body", change: func(c *call) { c.body = "" }, want: 400},
		{name: "body of 64 KiB", change: func(c *call) { c.body = strings.Repeat("x", 64<<10) }, want: 201},
		{name: "longer body", change: func(c *call) { c.body = strings.Repeat("x", 64<<10+1) }, want: 413},
		{name: "huge body", change: func(c *call) { c.body = strings.Repeat("x", 3<<20) }, want: 413},
		{name: "unknown query", change: func(c *call) { c.path += "&rec=no" }, want: 422},
		{name: "unknown source", change: func(c *call) { c.path += "&source=tv" }, want: 422},
		{name: "bad participant", change: func(c *call) { c.path = strings.Replace(c.path, "guest-1", "a%20b", 1) }, want: 422},
		{name: "type with parameters", change: func(c *call) { c.header["Content-Type"] = "application/sdp; charset=utf-8" }, want: 201},
		{name: "feature off", want: 403, prepare: func(w *world) {
			w.setFeatures(t, reelvault.Features{Phone: true})
		}},
		{name: "session ended", want: 409, prepare: func(w *world) {
			_, err := w.catalog.MoveSession(t.Context(), w.a.ID, w.a.Session, reelvault.StatusClosed, "", w.clock.Now())
			must(t, err)
		}},
		{name: "session ends while the offer is answered", want: 409, prepare: func(w *world) {
			w.gateway.before = func() {
				_, err := w.catalog.MoveSession(t.Context(), w.a.ID, w.a.Session, reelvault.StatusClosed, "", w.clock.Now())
				must(t, err)
			}
		}},
	} {
		for _, name := range []string{"whip", "whep"} {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				w := shared
				if tt.prepare != nil {
					w = newWorld(t)
					tt.prepare(w)
				}
				w.gateway.err = tt.gateway
				w.gateway.connections = map[string]string{}
				c := call{
					method: "POST", path: "/api/v1/sessions/" + w.a.Session + "/" + name + "?participant=guest-1",
					bearer: w.a.Token, body: offer, header: map[string]string{"Content-Type": "application/sdp"},
				}
				if tt.change != nil {
					tt.change(&c)
				}
				got := w.do(c)
				wantStatus(t, got, tt.want)
				if strings.Contains(got.Body.String(), "secret of the machine") {
					t.Errorf("got the cause in the answer: %s", got.Body)
				}
				if tt.want >= 400 && len(w.gateway.connections) != 0 {
					t.Errorf("got %d connections left behind", len(w.gateway.connections))
				}
			})
		}
	}
	w := newWorld(t)
	w.sink.err = full
	got := w.offer("whip", w.a.Session, w.a.Token, "?participant=guest-1")
	wantStatus(t, got, 507)
	if !strings.Contains(got.Body.String(), "free some space") || len(w.gateway.publishers) != 0 {
		t.Errorf("got %s and %d publishers", got.Body, len(w.gateway.publishers))
	}
	wantStatus(t, w.offer("whep", w.a.Session, w.a.Token, ""), 201)
}

// PATCH keeps the rules of RFC 9725, section 4.3, in both directions.
func TestPatch(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name              string
		contentType, body string
		ifMatch           string
		connection        string
		want              int
		wantETag, wantSDP string
	}{
		{name: "trickle", ifMatch: etag, want: 204},
		{name: "restart", ifMatch: "*", want: 200, wantETag: `"ice-2"`, wantSDP: "a=ice-ufrag:new\r\n"},
		{name: "no If-Match", want: 428},
		{name: "stale", ifMatch: `"ice-0"`, want: 412},
		{name: "malformed", ifMatch: etag, body: "{}", want: 422},
		{name: "SDP", ifMatch: etag, contentType: "application/sdp", want: 415},
		{name: "unknown connection", ifMatch: etag, connection: "nobody", want: 404},
		{name: "too large", ifMatch: etag, body: "a=" + strings.Repeat("x", 64<<10), want: 413},
	} {
		for _, name := range []string{"whip", "whep"} {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				c := call{method: "PATCH", bearer: w.a.Token, body: "a=candidate:1\r\n", header: map[string]string{
					"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": tt.ifMatch,
				}}
				if tt.body != "" {
					c.body = tt.body
				}
				if tt.contentType != "" {
					c.header["Content-Type"] = tt.contentType
				}
				connection := tt.connection
				if connection == "" {
					connection = w.gateway.connect(w.a.Session)
				}
				c.path = "/api/v1/sessions/" + w.a.Session + "/" + name + "/" + connection
				got := w.do(c)
				wantStatus(t, got, tt.want)
				if got.Header().Get("ETag") != tt.wantETag {
					t.Errorf("got ETag %q, want %q", got.Header().Get("ETag"), tt.wantETag)
				}
				if tt.want < 300 && got.Body.String() != tt.wantSDP {
					t.Errorf("got body %q, want %q", got.Body, tt.wantSDP)
				}
				if tt.want == 200 && got.Header().Get("Content-Type") != "application/trickle-ice-sdpfrag" {
					t.Errorf("got Content-Type %q", got.Header().Get("Content-Type"))
				}
			})
		}
	}
}

// OPTIONS answers pages of other origins (RFC 9725, section 4.2), every other
// method is 405.
func TestSignallingMethods(t *testing.T) {
	w := newWorld(t)
	endpoint := "/api/v1/sessions/" + w.a.Session + "/whip"
	for path, want := range map[string]map[string]string{
		endpoint:           {"Accept-Post": "application/sdp", "Access-Control-Allow-Methods": "OPTIONS, POST"},
		endpoint + "/conn": {"Accept-Patch": "application/trickle-ice-sdpfrag", "Access-Control-Allow-Methods": "DELETE, OPTIONS, PATCH"},
	} {
		got := w.do(call{method: "OPTIONS", path: path, header: map[string]string{
			"Origin": "https://example.org", "Access-Control-Request-Method": "POST",
		}})
		wantStatus(t, got, 200)
		want["Access-Control-Allow-Origin"] = "*"
		want["Access-Control-Allow-Headers"] = "Authorization, Content-Type, If-Match, Request-Id"
		want["Access-Control-Allow-Credentials"] = ""
		for name, value := range want {
			if h := got.Header().Get(name); h != value {
				t.Errorf("%s: got %s %q, want %q", path, name, h, value)
			}
		}
		for _, method := range []string{"GET", "HEAD", "PUT"} {
			got := w.do(call{method: method, path: path, bearer: w.a.Token})
			wantStatus(t, got, 405)
			if got.Header().Get("Allow") != want["Access-Control-Allow-Methods"] {
				t.Errorf("%s %s: got Allow %q", method, path, got.Header().Get("Allow"))
			}
		}
	}
}

// A ticket publishes as whom it names; nobody changes sides.
func TestPublishAsWhom(t *testing.T) {
	w := newWorld(t)
	ticket := w.ticket(t, w.a.Token, w.a.Session, "publish") // for the guest guest-1
	for _, tt := range []struct {
		name, bearer, query string
		want                int
		as                  string
	}{
		{"ticket alone", ticket, "", 201, "guest-1 guest"},
		{"ticket and the same", ticket, "?participant=guest-1&role=guest", 201, "guest-1 guest"},
		{"ticket as another", ticket, "?participant=op-1", 403, ""},
		{"ticket in another role", ticket, "?role=operator", 403, ""},
		{"token without a name", w.a.Token, "", 422, ""},
		{"token with a name", w.a.Token, "?participant=op-1&role=operator", 201, "op-1 operator"},
		{"who is known needs no role", w.a.Token, "?participant=op-1", 201, "op-1 operator"},
		{"who is known keeps the role", w.a.Token, "?participant=op-1&role=guest", 409, ""},
		{"nobody known is a guest", w.a.Token, "?participant=new", 201, "new guest"},
	} {
		w.gateway.publishers = nil
		got := w.offer("whip", w.a.Session, tt.bearer, tt.query)
		if got.Code != tt.want {
			t.Errorf("%s: got status %d, want %d; body %s", tt.name, got.Code, tt.want, got.Body)
			continue
		}
		as := ""
		if len(w.gateway.publishers) > 0 {
			as = w.gateway.publishers[0].ParticipantID + " " + string(w.gateway.publishers[0].Role)
		}
		if as != tt.as {
			t.Errorf("%s: got %q publishing, want %q", tt.name, as, tt.as)
		}
	}
}

// A live watch is in the audit log before the first packet.
func TestWatchAudit(t *testing.T) {
	w := newWorld(t)
	w.catalog.breakAudit(errors.New("disk full"))
	wantStatus(t, w.offer("whep", w.a.Session, w.a.Token, "?participant=guest-1"), 503)
	if len(w.gateway.watched) != 0 {
		t.Error("got a watch that the audit log does not know")
	}
	w.catalog.breakAudit(nil)
	wantStatus(t, w.offer("whep", w.a.Session, w.a.Token, "?participant=guest-1&source=screen"), 201)
	if e := w.lastEvent(t, w.a.ID); e.Action != "watch" || e.Target != "session/"+w.a.Session || !strings.Contains(e.Detail, "guest-1") {
		t.Errorf("got event %+v", e)
	}
	if p := w.gateway.watched[0]; p.ParticipantID != "guest-1" || p.Kind != reelvault.RecordingScreen || p.TenantID != w.a.ID {
		t.Errorf("got watched %+v", p)
	}
}
