package api_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
	"github.com/reelvault/reelvault/storage"
)

func (w *world) head(path, bearer string) *httptest.ResponseRecorder {
	return w.do(tus("HEAD", path, bearer, ""))
}

// wantHeaders compares the headers that are named in want.
func wantHeaders(t *testing.T, what string, got *httptest.ResponseRecorder, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if h := got.Header().Get(name); h != value {
			t.Errorf("%s: got %s %q, want %q", what, name, h, value)
		}
	}
}

// A file is announced, sent in pieces, and whole: then it is told, and in the
// list of recordings.
func TestUpload(t *testing.T) {
	w := newWorld(t)
	files := "/api/v1/sessions/" + w.a.Session + "/files"
	got := w.do(tus("POST", files+"?participant=guest-1", w.a.Token, "", "Upload-Length", "11", "Upload-Metadata", filename("../č.csv")+",filetype"))
	wantStatus(t, got, 201)
	path := got.Header().Get("Location")
	expires := w.clock.Now().Add(24 * time.Hour).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	wantHeaders(t, "POST", got, map[string]string{
		"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Upload-Expires": expires, "Access-Control-Allow-Origin": "*", "Cache-Control": "no-store",
	})
	if !strings.HasPrefix(path, files+"/") || !strings.Contains(got.Header().Get("Access-Control-Expose-Headers"), "Upload-Offset") {
		t.Errorf("got headers %v", got.Header())
	}

	got = w.do(tus("PATCH", path, w.a.Token, "hello ", "Upload-Offset", "0"))
	wantStatus(t, got, 204)
	wantHeaders(t, "PATCH", got, map[string]string{"Tus-Resumable": "1.0.0", "Upload-Offset": "6", "Upload-Expires": expires})
	got = w.head(path, w.a.Token)
	wantStatus(t, got, 200)
	wantHeaders(t, "HEAD", got, map[string]string{
		"Tus-Resumable": "1.0.0", "Upload-Offset": "6", "Upload-Length": "11", "Upload-Expires": expires, "Cache-Control": "no-store",
	})
	w.clock.advance(time.Minute)
	got = w.do(tus("PATCH", path, w.a.Token, "world", "Upload-Offset", "6"))
	wantStatus(t, got, 204)
	wantHeaders(t, "the last PATCH", got, map[string]string{"Upload-Offset": "11", "Upload-Expires": ""})

	// Its sender may not have heard.
	for _, c := range []call{tus("PATCH", path, w.a.Token, "", "Upload-Offset", "11"), tus("HEAD", path, w.a.Token, "")} {
		got = w.do(c)
		wantHeaders(t, "once more", got, map[string]string{"Upload-Offset": "11", "Upload-Expires": ""})
	}
	wantStatus(t, w.do(tus("DELETE", path, w.a.Token, "")), 409)
	w.wantShared(t, path[len(files)+1:])
}

// wantShared looks at what is told and shown of the file of TestUpload.
func (w *world) wantShared(t *testing.T, file string) {
	t.Helper()
	as, err := w.catalog.Activities(t.Context(), storage.ActivityFilter{TenantID: w.a.ID, Limit: 9})
	must(t, err)
	if len(as) != 1 || as[0].Type != reelvault.ActivitySharedFile || as[0].FileID != file || as[0].ParticipantID != "guest-1" {
		t.Fatalf("got activities %+v", as)
	}
	var data map[string]any
	must(t, json.Unmarshal([]byte(as[0].Data), &data))
	rec, err := w.catalog.RecordingOfFile(t.Context(), file)
	must(t, err)
	want := map[string]any{
		"name": "č.csv", "type": "text/csv", "bytes": 11., "recordingId": rec.ID,
		"sha256": "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
	}
	if !maps.Equal(data, want) {
		t.Errorf("got data %v, want %v", data, want)
	}
	got := decode[shownRecording](t, w.do(call{method: "GET", path: "/api/v1/recordings/" + rec.ID, bearer: w.a.Token}))
	if got.Kind != "file" || got.State != "ready" || got.DurationMs != 0 || got.EndedAt == "" || len(got.Files) != 1 {
		t.Fatalf("got recording %+v", got)
	}
	if f := got.Files[0]; f.ID != file || f.Container != "bin" || f.Name != "č.csv" || f.Type != "text/csv" || f.Bytes != 11 ||
		f.PlaybackURL != "" || f.DownloadURL == "" {
		t.Errorf("got file %+v", f)
	}
}

type shownRecording struct {
	Kind, State, EndedAt, Reason string
	DurationMs                   int64
	Files                        []struct {
		ID, Container, Name, Type, PlaybackURL, DownloadURL string
		Bytes                                               int64
	}
}

// The first bytes may come with the announcement, all of them too; an empty
// file is whole at once.
func TestUploadWithCreation(t *testing.T) {
	w := newWorld(t)
	for body, size := range map[string]string{"hello": "5", "hel": "5", "hello world": "5", "": "0"} {
		c := tus("POST", "/api/v1/sessions/"+w.a.Session+"/files?participant=guest-1", w.a.Token, body, "Upload-Length", size)
		c.header["Content-Type"] = "application/offset+octet-stream"
		got := w.do(c)
		wantStatus(t, got, 201)
		want := min(len(body), len(size)*5)
		if size == "0" {
			want = 0
		}
		wantHeaders(t, body, got, map[string]string{"Upload-Offset": fmt.Sprint(want)})
		wantHeaders(t, body, w.head(got.Header().Get("Location"), w.a.Token), map[string]string{"Upload-Offset": fmt.Sprint(want), "Upload-Length": size})
	}
}

// What is wrong with a request is said, as the protocol has it, and nothing
// comes of it.
func TestUploadRefusals(t *testing.T) {
	w := newWorld(t)
	files := "/api/v1/sessions/" + w.a.Session + "/files?participant=guest-1"
	path := w.announce(t, w.a.Token, w.a.Session, "a", 10)
	wantStatus(t, w.do(tus("PATCH", path, w.a.Token, "0123", "Upload-Offset", "0")), 204)
	post := func(headers ...string) call { return tus("POST", files, w.a.Token, "", headers...) }
	patch := func(body string, headers ...string) call { return tus("PATCH", path, w.a.Token, body, headers...) }
	for name, tt := range map[string]struct {
		call
		want int
		code string
	}{
		"no version":           {post("Tus-Resumable", "", "Upload-Length", "1"), 412, "tus-version"},
		"another version":      {patch("x", "Tus-Resumable", "0.2.2", "Upload-Offset", "4"), 412, "tus-version"},
		"a version before all": {patch("x", "Tus-Resumable", "2.0.0"), 412, "tus-version"},
		"no length":            {post(), 422, "invalid"},
		"deferred length":      {post("Upload-Defer-Length", "1"), 422, "invalid"},
		"length -1":            {post("Upload-Length", "-1"), 422, "invalid"},
		"length +1":            {post("Upload-Length", "+1"), 422, "invalid"},
		"length 1e3":           {post("Upload-Length", "1e3"), 422, "invalid"},
		"length beyond int64":  {post("Upload-Length", "9223372036854775808"), 422, "invalid"},
		"too large":            {post("Upload-Length", "104857601"), 413, "too-large"},
		"much too large":       {post("Upload-Length", "9223372036854775807"), 413, "too-large"},
		"metadata not Base64":  {post("Upload-Length", "1", "Upload-Metadata", "filename !!!"), 422, "invalid"},
		"metadata twice":       {post("Upload-Length", "1", "Upload-Metadata", "a,a"), 422, "invalid"},
		"metadata too long":    {post("Upload-Length", "1", "Upload-Metadata", "a "+strings.Repeat("A", 70_000)), 422, "invalid"},
		"no participant":       {tus("POST", strings.Split(files, "?")[0], w.a.Token, "", "Upload-Length", "1"), 422, "invalid"},
		"no offset":            {patch("x"), 422, "invalid"},
		"offset -1":            {patch("x", "Upload-Offset", "-1"), 422, "invalid"},
		"offset behind":        {patch("x", "Upload-Offset", "3"), 409, "conflict"},
		"offset ahead":         {patch("x", "Upload-Offset", "5"), 409, "conflict"},
		"offset at the end":    {patch("", "Upload-Offset", "10"), 409, "conflict"},
		"offset far ahead":     {patch("x", "Upload-Offset", "9223372036854775807"), 409, "conflict"},
		"another type":         {patch("x", "Upload-Offset", "4", "Content-Type", "application/octet-stream"), 415, "unsupported"},
		"no type":              {patch("x", "Upload-Offset", "4", "Content-Type", ""), 415, "unsupported"},
		"too many bytes":       {patch("0123456", "Upload-Offset", "4"), 413, "too-large"},
		"unknown query":        {tus("HEAD", path+"?x=1", w.a.Token, ""), 422, "invalid"},
		"another method":       {tus("PUT", path, w.a.Token, ""), 405, "method-not-allowed"},
		"GET":                  {tus("GET", path, w.a.Token, ""), 405, "method-not-allowed"},
	} {
		got := w.do(tt.call)
		var p struct{ Code string }
		_ = json.Unmarshal(got.Body.Bytes(), &p)
		if got.Code != tt.want || p.Code != tt.code {
			t.Errorf("%s: got %d %s, want %d %s", name, got.Code, got.Body, tt.want, tt.code)
		}
		wantHeaders(t, name, got, map[string]string{"Tus-Resumable": "1.0.0", "Tus-Version": "1.0.0", "Access-Control-Allow-Origin": "*"})
	}
	wantHeaders(t, "after all that", w.head(path, w.a.Token), map[string]string{"Upload-Offset": "4"})
	if open, err := w.catalog.Transfers(t.Context()); err != nil || len(open) != 1 {
		t.Errorf("%d uploads are open, %v; want 1", len(open), err)
	}
}

// An upload is its participant's; a ticket shares as whom it names, and a file
// of another session or tenant does not exist.
func TestUploadBelongsToItsParticipant(t *testing.T) {
	w := newWorld(t)
	ticket := func(participant string) string {
		secret, _ := w.invitation(t, w.a, participant)
		return w.join(t, secret).Ticket.Secret
	}
	mine, theirs := ticket("guest-1"), ticket("guest-2")
	files := "/api/v1/sessions/" + w.a.Session + "/files"
	wantStatus(t, w.do(tus("POST", files+"?participant=guest-2", mine, "", "Upload-Length", "5")), 403)
	got := w.do(tus("POST", files, mine, "", "Upload-Length", "5", "Upload-Metadata", filename("a.txt")))
	wantStatus(t, got, 201)
	path := got.Header().Get("Location")
	elsewhere := strings.Replace(path, w.a.Session, w.session(t, w.a), 1)
	abroad := strings.Replace(path, w.a.Session, w.b.Session, 1)
	for _, tt := range []struct{ path, bearer string }{{path, theirs}, {elsewhere, w.a.Token}, {abroad, w.b.Token}, {path, w.b.Token}} {
		for _, c := range []call{
			tus("HEAD", tt.path, tt.bearer, ""), tus("PATCH", tt.path, tt.bearer, "hello", "Upload-Offset", "0"), tus("DELETE", tt.path, tt.bearer, ""),
		} {
			wantStatus(t, w.do(c), 404)
		}
	}
	again := ticket("guest-1") // after a reload
	wantStatus(t, w.do(tus("PATCH", path, again, "hel", "Upload-Offset", "0")), 204)
	wantStatus(t, w.do(tus("PATCH", path, w.a.Token, "lo", "Upload-Offset", "3")), 204)
	wantStatus(t, w.head(path, theirs), 200)

	cancelled := w.do(tus("POST", files, mine, "", "Upload-Length", "5")).Header().Get("Location")
	got = w.do(tus("DELETE", cancelled, mine, ""))
	wantStatus(t, got, 204)
	if e := w.lastEvent(t, w.a.ID); e.Action != "deleteUpload" || e.Outcome != "ok" {
		t.Errorf("got audit event %+v", e)
	}
	wantStatus(t, w.head(cancelled, mine), 404)
	wantStatus(t, w.do(tus("DELETE", cancelled, mine, "")), 404)
}

// In a session that is over nothing is begun; where the feature is off neither.
func TestUploadNeedsALiveSession(t *testing.T) {
	w := newWorld(t)
	session := w.session(t, w.a)
	path := w.announce(t, w.a.Token, session, "a", 5)
	_, err := w.catalog.MoveSession(t.Context(), w.a.ID, session, reelvault.StatusClosed, reelvault.ReasonGuestLeft, w.clock.Now())
	must(t, err)
	files := "/api/v1/sessions/" + session + "/files?participant=guest-1"
	wantStatus(t, w.do(tus("POST", files, w.a.Token, "", "Upload-Length", "5")), 409)
	// What had begun may come to its end.
	wantStatus(t, w.do(tus("PATCH", path, w.a.Token, "hello", "Upload-Offset", "0")), 204)

	_, err = w.catalog.UpdateTenant(t.Context(), w.a.ID, func(x *reelvault.Tenant) error {
		x.Features.AV = false
		return nil
	})
	must(t, err)
	files = "/api/v1/sessions/" + w.a.Session + "/files?participant=guest-1"
	wantStatus(t, w.do(tus("POST", files, w.a.Token, "", "Upload-Length", "5")), 403)
}

// Expired uploads are gone.
func TestUploadExpires(t *testing.T) {
	w := newWorld(t)
	path := w.announce(t, w.a.Token, w.a.Session, "a", 5)
	w.clock.advance(24 * time.Hour)
	for _, c := range []call{tus("HEAD", path, w.a.Token, ""), tus("PATCH", path, w.a.Token, "hello", "Upload-Offset", "0")} {
		wantStatus(t, w.do(c), 404)
	}
}

// OPTIONS says what is spoken, to pages of any origin; the limit is told to who
// has one.
func TestUploadOptions(t *testing.T) {
	w := newWorld(t)
	files := "/api/v1/sessions/" + w.a.Session + "/files"
	for path, methods := range map[string]string{files: "OPTIONS, POST", files + "/" + newID(): "DELETE, HEAD, OPTIONS, PATCH"} {
		got := w.do(call{method: "OPTIONS", path: path, header: map[string]string{"Origin": "https://example.org"}})
		wantStatus(t, got, 204)
		wantHeaders(t, path, got, map[string]string{
			"Tus-Version": "1.0.0", "Tus-Resumable": "", "Tus-Extension": "creation,creation-with-upload,expiration,termination",
			"Tus-Max-Size": "", "Allow": methods, "Access-Control-Allow-Methods": methods, "Access-Control-Allow-Origin": "*",
			"Access-Control-Allow-Credentials": "",
		})
		for _, name := range []string{"Tus-Resumable", "Upload-Length", "Upload-Metadata", "Upload-Offset", "Authorization", "Content-Type", "X-HTTP-Method-Override"} {
			if !strings.Contains(got.Header().Get("Access-Control-Allow-Headers"), name) {
				t.Errorf("%s: %s may not be sent", path, name)
			}
		}
		got = w.do(call{method: "OPTIONS", path: path, bearer: w.a.Token})
		wantHeaders(t, "with a token", got, map[string]string{"Tus-Max-Size": "104857600"})
		wantStatus(t, w.do(call{method: "OPTIONS", path: path, bearer: "rvt_wrong"}), 204)
	}
}

// Where the network lets no other methods through, a POST says which it stands
// for, with what that one asks for.
func TestUploadMethodOverride(t *testing.T) {
	w := newWorld(t)
	path := w.announce(t, w.a.Token, w.a.Session, "a", 10)
	as := func(method, bearer, body string, headers ...string) *httptest.ResponseRecorder {
		c := tus("PATCH", path, bearer, body, append(headers, "X-HTTP-Method-Override", method)...)
		c.method = "POST"
		return w.do(c)
	}
	wantStatus(t, as("PATCH", "", "01234", "Upload-Offset", "0"), 401)
	wantStatus(t, as("PATCH", w.b.Token, "01234", "Upload-Offset", "0"), 404)
	wantStatus(t, as("PATCH", w.a.Token, "01234", "Upload-Offset", "1"), 409)
	got := as("PATCH", w.a.Token, "01234", "Upload-Offset", "0")
	wantStatus(t, got, 204)
	wantHeaders(t, "PATCH", got, map[string]string{"Upload-Offset": "5", "Tus-Resumable": "1.0.0"})
	got = as("HEAD", w.a.Token, "")
	wantStatus(t, got, 200)
	wantHeaders(t, "HEAD", got, map[string]string{"Upload-Offset": "5", "Upload-Length": "10"})
	for _, method := range []string{"", "patch", "PUT", "POST", "OPTIONS", "GET"} {
		wantStatus(t, as(method, w.a.Token, "56789", "Upload-Offset", "5"), 405)
	}
	wantStatus(t, as("DELETE", w.a.Token, ""), 204)
	wantStatus(t, w.head(path, w.a.Token), 404)
	other := call{method: "POST", path: "/api/v1/sessions/" + w.a.Session, bearer: w.a.Token, header: map[string]string{"X-HTTP-Method-Override": "PATCH"}}
	wantStatus(t, w.do(other), 405)
}

// A recording that is a file is neither paused nor stopped by others.
func TestUploadIsNotControlled(t *testing.T) {
	w := newWorld(t)
	w.announce(t, w.a.Token, w.a.Session, "a", 5)
	open, err := w.catalog.Transfers(t.Context())
	must(t, err)
	for path, body := range map[string]string{"pause": `{"reason":"x"}`, "stop": ""} {
		got := w.do(call{method: "POST", path: "/api/v1/recordings/" + open[0].RecordingID + "/" + path, bearer: w.a.Token, body: body})
		wantStatus(t, got, 409)
	}
	wantStatus(t, w.do(call{method: "DELETE", path: "/api/v1/recordings/" + open[0].RecordingID, bearer: w.a.Token}), 409)
}

// Metadata are read as the protocol has them, and nothing makes them more than
// they are.
func FuzzUploadMetadata(f *testing.F) {
	for _, header := range []string{
		"", " ", "filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential", "filename,filetype dGV4dC9odG1s", "a ,b", "a  YQ== , b YQ==",
		"a,a", ",", "a,,b", "a b c", "a !", "filename Li4vLi4v4oCuZXZpbA0K", "a\tYQ==", "\x00 YQ==", strings.Repeat("a,", 40_000), "a YQ", "a YQ=",
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		all, err := api.ParseMetadata(header)
		if err != nil {
			if reelvault.KindOf(err) != reelvault.Invalid || strings.Contains(err.Error(), header) && len(header) > 20 {
				t.Fatalf("got %v", err)
			}
			return
		}
		// What was read is written, and read again.
		var pairs []string
		size := 0
		for key, value := range all {
			size += len(key) + len(value)
			pairs = append(pairs, key+" "+base64.StdEncoding.EncodeToString([]byte(value)))
		}
		again, err := api.ParseMetadata(strings.Join(pairs, ","))
		if err != nil || !maps.Equal(again, all) || size > len(header) {
			t.Fatalf("%q gives %q, and that %q, %v", header, all, again, err)
		}
	})
}
