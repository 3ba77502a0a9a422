package api_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

// fileLinks is what a recording's answer says of its files.
type fileLinks struct {
	Files []struct {
		ID, PlaybackURL, DownloadURL, LinksExpireAt string
	}
	Tracks []struct{ FileID, PlaybackURL string }
}

func (w *world) links(tb testing.TB, c call, recording string) fileLinks {
	tb.Helper()
	c.method, c.path = "GET", "/api/v1/recordings/"+recording
	got := w.do(c)
	wantStatus(tb, got, 200)
	return decode[fileLinks](tb, got)
}

// A file is served whole and in ranges, with what players and proxies need.
func TestMediaRanges(t *testing.T) {
	w := newWorld(t)
	url := w.links(t, call{bearer: w.a.Token}, w.a.Recording).Files[0].PlaybackURL
	whole := w.do(call{method: "GET", path: url})
	tag := whole.Header().Get("ETag")
	for name, want := range map[string]string{
		"Content-Type": "video/webm", "Accept-Ranges": "bytes", "Content-Length": "1000",
		"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
		"Cache-Control": "private, no-transform", "ETag": `"` + w.a.File + `-1000"`, "Content-Disposition": "",
	} {
		if got := whole.Header().Get(name); got != want {
			t.Errorf("got %s %q, want %q", name, got, want)
		}
	}
	for _, tt := range []struct {
		name, method  string
		header        map[string]string
		status        int
		body, inRange string
	}{
		{"whole", "GET", nil, 200, string(content), ""},
		{"HEAD", "HEAD", nil, 200, "", ""},
		{"first two, as Safari asks", "GET", map[string]string{"Range": "bytes=0-1"}, 206, "01", "bytes 0-1/1000"},
		{"middle", "GET", map[string]string{"Range": "bytes=13-15"}, 206, "345", "bytes 13-15/1000"},
		{"open end", "GET", map[string]string{"Range": "bytes=998-"}, 206, "89", "bytes 998-999/1000"},
		{"suffix", "GET", map[string]string{"Range": "bytes=-3"}, 206, "789", "bytes 997-999/1000"},
		{"beyond the end", "GET", map[string]string{"Range": "bytes=1000-"}, 416, "invalid range: failed to overlap\n", "bytes */1000"},
		{"nonsense", "GET", map[string]string{"Range": "bytes=x-y"}, 416, "invalid range\n", ""},
		{"unchanged", "GET", map[string]string{"If-None-Match": tag}, 304, "", ""},
		{"range of the same file", "GET", map[string]string{"Range": "bytes=0-0", "If-Range": tag}, 206, "0", "bytes 0-0/1000"},
		{"range of another file", "GET", map[string]string{"Range": "bytes=0-0", "If-Range": `"x"`}, 200, string(content), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := w.do(call{method: tt.method, path: url, header: tt.header})
			if got.Code != tt.status || got.Body.String() != tt.body || got.Header().Get("Content-Range") != tt.inRange {
				t.Errorf("got %d %q %q, want %d %q %q", got.Code, got.Body, got.Header().Get("Content-Range"),
					tt.status, tt.body, tt.inRange)
			}
		})
	}
	if w.files.opened != w.files.closed {
		t.Errorf("got %d files opened and %d closed", w.files.opened, w.files.closed)
	}
}

// URLs are there for what the caller may do, and for sealed files only.
func TestMediaLinksNeedTheirScope(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name           string
		scopes         []reelvault.Scope
		play, download bool
	}{
		{"neither", nil, false, false},
		{"play", []reelvault.Scope{reelvault.ScopeRecordingsPlay}, true, false},
		{"download", []reelvault.Scope{reelvault.ScopeRecordingsDownload}, false, true},
		{"both", []reelvault.Scope{reelvault.ScopeRecordingsPlay, reelvault.ScopeRecordingsDownload}, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token, _ := w.token(t, w.a, append(tt.scopes, reelvault.ScopeSessionsRead)...)
			l := w.links(t, call{bearer: token}, w.a.Recording)
			f := l.Files[0]
			if (f.PlaybackURL != "") != tt.play || (f.DownloadURL != "") != tt.download {
				t.Errorf("got playback %q and download %q", f.PlaybackURL, f.DownloadURL)
			}
			if (f.LinksExpireAt != "") != (tt.play || tt.download) {
				t.Errorf("got linksExpireAt %q", f.LinksExpireAt)
			}
			if l.Tracks[0].PlaybackURL != f.PlaybackURL {
				t.Errorf("got track URL %q, want that of its file, %q", l.Tracks[0].PlaybackURL, f.PlaybackURL)
			}
		})
	}
	running, file := w.recording(t, w.a, w.a.Session, reelvault.RecordingRunning)
	if f := w.links(t, call{bearer: w.a.Token}, running).Files[0]; f.PlaybackURL != "" || f.DownloadURL != "" {
		t.Errorf("got URLs %q and %q for a file that still grows", f.PlaybackURL, f.DownloadURL)
	}
	w.a.File = file
	wantStatus(t, w.do(call{method: "GET", path: w.mediaTicket(t, w.a)}), 404)
}

// A download is an attachment whose name says what it is.
func TestMediaDownload(t *testing.T) {
	w := newWorld(t)
	url := w.links(t, call{bearer: w.a.Token}, w.a.Recording).Files[0].DownloadURL
	got := w.do(call{method: "GET", path: url})
	wantStatus(t, got, 200)
	stamp := w.clock.Now().Format("20060102-150405")
	want := `attachment; filename="reelvault Sale _nine_ av ` + stamp + `.webm"`
	if d := got.Header().Get("Content-Disposition"); d != want {
		t.Errorf("got %s, want %s", d, want)
	}
	if e := w.lastEvent(t, w.a.ID); e.Action != "download" || e.Target != "file/"+w.a.File || e.Outcome != "ok" {
		t.Errorf("got event %s %s %s", e.Action, e.Target, e.Outcome)
	}
}

// Whatever is wrong with a ticket, the answer is the same to the byte.
func TestMediaRefusals(t *testing.T) {
	w := newWorld(t)
	same := map[string]string{"Request-Id": "same"}
	get := func(url string) *httptest.ResponseRecorder {
		return w.do(call{method: "GET", path: url, header: same})
	}
	want := get("/media/rvk_unknown/" + w.a.File + ".webm")
	wantStatus(t, want, 404)

	good := w.mediaTicket(t, w.a)
	deleted, deletedFile := w.recording(t, w.a, w.a.Session, reelvault.RecordingReady)
	d := w.a
	d.File = deletedFile
	ofDeleted := w.mediaTicket(t, d)
	wantStatus(t, w.do(call{method: "DELETE", path: "/api/v1/recordings/" + deleted, bearer: w.a.Token}), 204)
	gone, goneFile := w.recording(t, w.a, w.a.Session, reelvault.RecordingReady)
	_ = gone
	g := w.a
	g.File = goneFile
	ofGone := w.mediaTicket(t, g)
	delete(w.files.content, goneFile)
	short, _ := w.credential(t, reelvault.Credential{
		Kind: reelvault.CredentialTicket, TenantID: w.a.ID, Purpose: reelvault.PurposePlay, FileID: w.a.File,
		ExpiresAt: w.clock.Now().Add(-time.Second),
	})
	session := w.ticket(t, w.a.Token, w.a.Session, "watch")
	personal := w.links(t, call{cookie: w.a.Cookie}, w.a.Recording).Files[0].PlaybackURL

	for name, url := range map[string]string{
		"expired":                "/media/" + short + "/" + w.a.File + ".webm",
		"for a session":          "/media/" + session + "/" + w.a.File + ".webm",
		"a token":                "/media/" + w.a.Token + "/" + w.a.File + ".webm",
		"another name":           strings.Replace(good, w.a.File, w.b.File, 1),
		"another extension":      strings.Replace(good, ".webm", ".mp4", 1),
		"deleted recording":      ofDeleted,
		"bytes that are no more": ofGone,
		"somebody else's":        personal,
		"a NUL":                  "/media/%00/%00",
		"long":                   "/media/" + strings.Repeat("x", 4000) + "/a.webm",
	} {
		got := get(url)
		if got.Code != 404 || got.Body.String() != want.Body.String() {
			t.Errorf("%s: got %d %s, want %s", name, got.Code, got.Body, want.Body)
		}
	}
	wantStatus(t, get(good), 200)
}

// A ticket that a person got works in that person's browser only.
func TestMediaTicketBelongsToItsPerson(t *testing.T) {
	w := newWorld(t)
	url := w.links(t, call{cookie: w.a.Cookie}, w.a.Recording).Files[0].PlaybackURL
	wantStatus(t, w.do(call{method: "GET", path: url, cookie: w.a.Cookie}), 200)
	if e := w.lastEvent(t, w.a.ID); e.Action != "play" || e.PrincipalID != w.a.PersonID || e.Principal != "Ada" {
		t.Errorf("got event %s by %s %s, want play by the person", e.Action, e.PrincipalID, e.Principal)
	}
	wantStatus(t, w.do(call{method: "GET", path: url, cookie: w.b.Cookie}), 404)
	wantStatus(t, w.do(call{method: "GET", path: url}), 404)

	out := w.do(call{method: "POST", path: "/api/v1/signout", cookie: w.a.Cookie, header: map[string]string{"X-CSRF-Token": w.csrf(t, w.a.Cookie)}})
	wantStatus(t, out, 204)
	wantStatus(t, w.do(call{method: "GET", path: url, cookie: w.a.Cookie}), 404)
}

// Revoking a token ends its tickets, and the tickets that those got.
func TestMediaRevocation(t *testing.T) {
	w := newWorld(t)
	token, id := w.token(t, w.a, everything...)
	direct := w.links(t, call{bearer: token}, w.a.Recording).Files[0].PlaybackURL
	tab := w.ticket(t, token, w.a.Session, "tab")
	through := w.links(t, call{bearer: tab}, w.a.Recording).Files[0].PlaybackURL
	for _, url := range []string{direct, through} {
		wantStatus(t, w.do(call{method: "GET", path: url}), 200)
	}
	wantStatus(t, w.do(call{method: "DELETE", path: "/api/v1/tokens/" + id, bearer: w.a.Token}), 204)
	for _, url := range []string{direct, through} {
		wantStatus(t, w.do(call{method: "GET", path: url}), 404)
	}
}

// A link that was got by a ticket is revoked with the token behind it, also
// when that ticket has expired and been forgotten meanwhile.
func TestMediaRevocationReachesThroughExpiredTickets(t *testing.T) {
	w := newWorld(t)
	token, id := w.token(t, w.a, everything...)
	url := w.links(t, call{bearer: w.ticket(t, token, w.a.Session, "tab")}, w.a.Recording).Files[0].PlaybackURL
	w.clock.advance(14 * time.Minute)
	wantStatus(t, w.do(call{method: "GET", path: url}), 200)
	w.clock.advance(2 * time.Minute)
	must(t, w.catalog.RemoveExpired(t.Context(), w.clock.Now()))
	wantStatus(t, w.do(call{method: "GET", path: url}), 200)
	wantStatus(t, w.do(call{method: "DELETE", path: "/api/v1/tokens/" + id, bearer: w.a.Token}), 204)
	wantStatus(t, w.do(call{method: "GET", path: url}), 404)
}

// Use prolongs a ticket, but not for ever.
func TestMediaTicketLife(t *testing.T) {
	w := newWorld(t)
	idle := w.links(t, call{bearer: w.a.Token}, w.a.Recording).Files[0].PlaybackURL
	used := w.links(t, call{bearer: w.a.Token}, w.a.Recording).Files[0].PlaybackURL
	for range 70 { // 11 h 40 min
		w.clock.advance(10 * time.Minute)
		wantStatus(t, w.do(call{method: "GET", path: used}), 200)
	}
	wantStatus(t, w.do(call{method: "GET", path: idle}), 404)
	for range 3 {
		w.clock.advance(10 * time.Minute)
		_ = w.do(call{method: "GET", path: used})
	}
	wantStatus(t, w.do(call{method: "GET", path: used}), 404)
}

// One event is written before the first byte, however many ranges follow; if
// it can't be written there are no bytes.
func TestMediaAudit(t *testing.T) {
	w := newWorld(t)
	plays := func() int {
		events, _, err := w.catalog.Audit(t.Context(), w.a.ID, storage.Page{Limit: 100})
		must(t, err)
		n := 0
		for _, e := range events {
			if e.Action == "play" && e.Outcome == "ok" {
				n++
			}
		}
		return n
	}
	url := w.mediaTicket(t, w.a)
	w.catalog.breakAudit(errors.New("disk full"))
	got := w.do(call{method: "GET", path: url})
	wantStatus(t, got, 503)
	if strings.Contains(got.Body.String(), "0123456789") || strings.Contains(got.Body.String(), "disk full") {
		t.Errorf("got body %s", got.Body)
	}
	w.catalog.breakAudit(nil)
	wantStatus(t, w.do(call{method: "HEAD", path: url}), 200)
	if n := plays(); n != 0 {
		t.Errorf("got %d events without a byte served", n)
	}
	for i := range 5 {
		wantStatus(t, w.do(call{method: "GET", path: url, header: map[string]string{"Range": fmt.Sprintf("bytes=%d-", i)}}), 206)
	}
	if n := plays(); n != 1 {
		t.Errorf("got %d events for one ticket, want 1", n)
	}
	wantStatus(t, w.do(call{method: "GET", path: w.mediaTicket(t, w.a)}), 200)
	if n := plays(); n != 2 {
		t.Errorf("got %d events for two tickets, want 2", n)
	}
}

// Tickets and secrets are not in the log.
func TestLogsHoldNoSecrets(t *testing.T) {
	w := newWorld(t)
	url := w.links(t, call{bearer: w.a.Token}, w.a.Recording).Files[0].PlaybackURL
	wantStatus(t, w.do(call{method: "GET", path: url}), 200)
	wantStatus(t, w.do(call{method: "GET", path: "/" + url}), 307)
	wantStatus(t, w.do(call{method: "GET", path: "/." + url}), 307)
	wantStatus(t, w.do(call{method: "POST", path: "/api/v1/signin", body: `{"secret":"rvl_hidden"}`}), 401)
	for _, secret := range []string{strings.Split(url, "/")[2], w.a.Token, "rvl_hidden"} {
		if strings.Contains(w.logs.String(), secret) {
			t.Errorf("got the secret %s in the log", secret)
		}
	}
	if !strings.Contains(w.logs.String(), "/media/[redacted]/"+w.a.File) {
		t.Errorf("got no line of the request for bytes in the log: %s", w.logs)
	}
}
