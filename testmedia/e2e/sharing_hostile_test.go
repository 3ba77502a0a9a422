package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/reelvault/reelvault/testmedia/node"
)

// sharer shares files by the upload protocol, as a client of its own making.
type sharer struct {
	node    *node.Node
	session string
	secret  string
}

// try makes one request, as in "GET /path". headers are names and values in turn.
func (s *sharer) try(ctx context.Context, what, body string, headers ...string) (answer, error) {
	method, path, _ := strings.Cut(what, " ")
	r, err := http.NewRequestWithContext(ctx, method, s.node.Base+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Authorization", "Bearer "+s.secret)
	r.Header.Set("Tus-Resumable", "1.0.0")
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/offset+octet-stream")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer got.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(got.Body)
	return answer{got.StatusCode, got.Header, string(text)}, err
}

// want fails unless a request is answered by a status.
func (s *sharer) want(t *testing.T, status int, what, body string, headers ...string) answer {
	t.Helper()
	got, err := s.try(t.Context(), what, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	if got.status != status {
		t.Errorf("%s %v: got %d %s, want %d", what, headers, got.status, got.body, status)
	}
	return got
}

// announce begins a file and gives the path of its upload.
func (s *sharer) announce(t *testing.T, name string, size int) string {
	t.Helper()
	metadata := "filename " + base64.StdEncoding.EncodeToString([]byte(name)) + ",filetype " + base64.StdEncoding.EncodeToString([]byte("text/html"))
	got := s.want(t, http.StatusCreated, "POST /api/v1/sessions/"+s.session+"/files", "",
		"Upload-Length", strconv.Itoa(size), "Upload-Metadata", metadata)
	return got.header.Get("Location")
}

// share shares a file and gives the path of its upload.
func (s *sharer) share(t *testing.T, name, content string) string {
	t.Helper()
	place := s.announce(t, name, len(content))
	s.want(t, http.StatusNoContent, "PATCH "+place, content, "Upload-Offset", "0")
	return place
}

// link gives the address of a file's bytes.
func (s *sharer) link(t *testing.T, place string) string {
	t.Helper()
	got := s.want(t, http.StatusCreated, "POST "+place+"/download", "")
	var link struct{ URL string }
	if err := json.Unmarshal([]byte(got.body), &link); err != nil {
		t.Fatal(err)
	}
	return link.URL
}

// called gives what the list of recordings calls a file.
func (s *sharer) called(t *testing.T, place string) string {
	t.Helper()
	var list struct {
		Items []struct{ Files []struct{ ID, Name string } }
	}
	if err := s.node.JSON(t.Context(), http.MethodGet, "/api/v1/sessions/"+s.session+"/recordings", nil, &list); err != nil {
		t.Fatal(err)
	}
	for _, r := range list.Items {
		if len(r.Files) == 1 && r.Files[0].ID == path.Base(place) {
			return r.Files[0].Name
		}
	}
	t.Errorf("%s is not in the list", place)
	return ""
}

func newSharer(t *testing.T, n *node.Node) *sharer {
	t.Helper()
	session := newSession(t, n)
	return &sharer{n, session, callTicket(t, n, session)}
}

// ranScript tells the page that opened it, or that it was put into, that it ran.
const ranScript = "(window.opener||window.parent).ran=true;window.ran=true;"

// hostile are files that try to be something else: what each is called by its
// sender, what it is called then, and its content.
var hostile = []struct{ name, called, content string }{
	{"../../etc/passwd", "passwd", "root"},
	{`..\..\C:\boot.ini`, "boot.ini", "boot"},
	{"nul\x00byte.txt", "nulbyte.txt", "nul"},
	{"invoice\u202efdp.exe", "invoicefdp.exe", "MZ"},
	{"CON", "CON", "device"},
	{"a\r\nSet-Cookie: x=1", "a Set-Cookie: x=1", "header"},
	{strings.Repeat("a", 10_000) + ".pdf", strings.Repeat("a", 251) + ".pdf", "%PDF-1.7"},
	{"empty", "empty", ""},
	{"page.html", "page.html", "<!doctype html><script>" + ranScript + "</script>"},
	{"photo.jpg", "photo.jpg", "<html><script>" + ranScript + "</script>"},
	{"image.svg", "image.svg", `<svg xmlns="http://www.w3.org/2000/svg"><script>` + ranScript + `</script></svg>`},
	{"page.xhtml", "page.xhtml", `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script>` + ranScript + `</script></html>`},
	{"code.js", "code.js", ranScript},
	{"picture.gif", "picture.gif", "GIF89a=1;" + ranScript}, // a picture and a program
	{"paper.pdf", "paper.pdf", "%PDF-1.7\n<html><script>" + ranScript + "</script>"},
}

// Whatever a file is called and whatever it is, it is taken under a name that
// names no place, and given back as an attachment that nothing opens: not by
// its address, not in a frame, not as a script.
func TestHostileFiles(t *testing.T) {
	n := start(t)
	s := newSharer(t, n)
	var links []string
	for _, f := range hostile {
		place := s.share(t, f.name, f.content)
		if f.content == "" {
			s.want(t, http.StatusOK, "HEAD "+place, "")
		}
		if got := s.called(t, place); got != f.called {
			t.Errorf("%.40q is called %q, want %q", f.name, got, f.called)
		}
		link := s.link(t, place)
		got := s.want(t, http.StatusOK, "GET "+link, "")
		if got.body != f.content {
			t.Errorf("%.40q: got %q", f.name, got.body)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
			"Set-Cookie": "", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if h := got.header.Get(name); h != want {
				t.Errorf("%.40q: %s is %q, want %q", f.name, name, h, want)
			}
		}
		if kind, as := got.header.Get("Content-Type"), got.header.Get("Content-Disposition"); !strings.HasPrefix(as, "attachment; ") ||
			strings.Contains(kind, "html") || strings.Contains(kind, "xml") || strings.Contains(kind, "script") {
			t.Errorf("%.40q is served as %s, %s", f.name, kind, as)
		}
		if strings.Contains(f.content, "ran") {
			links = append(links, link)
		}
	}
	for _, browser := range []string{"chromium", "firefox"} {
		t.Run(browser, func(t *testing.T) {
			if ran := opened(t, browser, before(t, n, nil), "saved", links); len(ran) > 0 {
				t.Errorf("these ran: %v of %v", ran, links)
			}
			// Without what guards them they do run, so that the above says something.
			bare := before(t, n, func(h http.Header) {
				for name := range h {
					if name != "Content-Length" {
						h.Del(name)
					}
				}
				h.Set("Content-Type", "text/html")
			})
			if ran := opened(t, browser, bare, "shown", links); len(ran) == 0 {
				t.Error("nothing ran where nothing guards")
			}
		})
	}
}

// opened has a browser open links in all ways, and gives those that ran. Links
// that are followed have to be saved, if that is wanted.
func opened(t *testing.T, browser, page, wanted string, links []string) []string {
	t.Helper()
	var ran []string
	runNode(t, &ran, []string{"BROWSER=" + browser}, append([]string{"sharing-open.mjs", page, wanted}, links...)...)
	return ran
}

// before puts a page without a policy in front of a node's files, of the same
// origin; change changes the headers of the files.
func before(t *testing.T, n *node.Node, change func(http.Header)) string {
	t.Helper()
	base, err := url.Parse(n.Base)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(base)
	proxy.ModifyResponse = func(r *http.Response) error {
		if change != nil {
			change(r.Header)
		}
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("/media/", proxy)
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>Opening</title>")
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// What the protocol says of requests that don't fit is answered over a real
// connection, and a file is what one sender sent.
func TestHostileUploads(t *testing.T) {
	n := start(t)
	s := newSharer(t, n)
	place := s.announce(t, "a", 10)
	s.want(t, http.StatusConflict, "PATCH "+place, "x", "Upload-Offset", "1")
	// Checksums are not offered, and so not looked at.
	s.want(t, http.StatusNoContent, "PATCH "+place, "0123", "Upload-Offset", "0", "Upload-Checksum", "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	if got := s.want(t, http.StatusNoContent, "OPTIONS "+place, ""); strings.Contains(got.header.Get("Tus-Extension"), "checksum") {
		t.Errorf("checksums are offered: %v", got.header)
	}
	s.want(t, http.StatusConflict, "PATCH "+place, "0123", "Upload-Offset", "0")
	s.want(t, http.StatusRequestEntityTooLarge, "PATCH "+place, "4567890", "Upload-Offset", "4")
	s.want(t, http.StatusNoContent, "PATCH "+place, "456789", "Upload-Offset", "4")
	s.want(t, http.StatusNoContent, "PATCH "+place, "", "Upload-Offset", "10")
	s.want(t, http.StatusConflict, "PATCH "+place, "0123456789", "Upload-Offset", "0")
	s.want(t, http.StatusRequestEntityTooLarge, "PATCH "+place, "x", "Upload-Offset", "10")
	s.want(t, http.StatusConflict, "DELETE "+place, "")
	if got := s.want(t, http.StatusOK, "HEAD "+place, ""); got.header.Get("Upload-Offset") != "10" || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("HEAD of a whole file: %v", got.header)
	}
	s.want(t, http.StatusOK, "POST "+place, "", "X-HTTP-Method-Override", "HEAD")

	// Several send the same file at once: one at a time is heard.
	const size = 1 << 20
	place = s.announce(t, "b", size)
	answers := make(chan int, 4)
	for i := range cap(answers) {
		go func() {
			got, err := s.try(t.Context(), "PATCH "+place, strings.Repeat(strconv.Itoa(i), size), "Upload-Offset", "0")
			if err != nil { // the connection is closed on who sends on after a refusal
				got.status = http.StatusConflict
			}
			answers <- got.status
		}()
	}
	var statuses []int
	for range cap(answers) {
		statuses = append(statuses, <-answers)
	}
	if slices.Sort(statuses); !slices.Equal(statuses, []int{204, 409, 409, 409}) {
		t.Errorf("senders at once got %v, want one 204", statuses)
	}
	content := s.want(t, http.StatusOK, "GET "+s.link(t, place), "").body
	if len(content) != size || strings.Count(content, content[:1]) != size {
		t.Errorf("the file has %d bytes of more than one sender", len(content))
	}
}

// An administrator says how large a file may be, and so it is: for who asks,
// for who joins a call, and to the byte for who shares.
func TestFileLimit(t *testing.T) {
	const limit = 1 << 20
	n := start(t)
	var me struct{ Tenant struct{ ID string } }
	if err := n.JSON(t.Context(), http.MethodGet, "/api/v1/me", nil, &me); err != nil {
		t.Fatal(err)
	}
	var tenant struct{ MaxFileBytes int64 }
	if err := n.JSON(t.Context(), http.MethodPatch, "/api/v1/tenants/"+me.Tenant.ID, map[string]int{"maxFileBytes": limit}, &tenant); err != nil {
		t.Fatal(err)
	}
	if tenant.MaxFileBytes != limit {
		t.Errorf("the tenant takes %d bytes, want %d", tenant.MaxFileBytes, limit)
	}
	s := newSharer(t, n)
	files := "/api/v1/sessions/" + s.session + "/files"
	if got := s.want(t, http.StatusNoContent, "OPTIONS "+files, ""); got.header.Get("Tus-Max-Size") != fmt.Sprint(limit) {
		t.Errorf("OPTIONS: %v", got.header)
	}
	got := s.want(t, http.StatusRequestEntityTooLarge, "POST "+files, "", "Upload-Length", fmt.Sprint(limit+1))
	if !strings.Contains(got.body, fmt.Sprint(limit)) || !strings.Contains(got.body, fmt.Sprint(limit+1)) {
		t.Errorf("one byte too many: %s", got.body)
	}
	content := string(bytes.Repeat([]byte("0123456789abcdef"), limit/16))
	if got := s.want(t, http.StatusOK, "GET "+s.link(t, s.share(t, "exactly", content)), ""); got.body != content {
		t.Errorf("a file of the limit has %d bytes", len(got.body))
	}
	for _, browser := range []string{"chromium", "firefox"} {
		t.Run(browser, func(t *testing.T) {
			var told struct{ Limit, Refused string }
			runNode(t, &told, []string{"BROWSER=" + browser}, "sharing-limit.mjs", invite(t, n, s.session, "guest", "anna").URL, strconv.Itoa(limit+1))
			if !strings.Contains(told.Limit, "1.0 MiB") || !strings.Contains(told.Refused, "1.0 MiB") {
				t.Errorf("the page says %q of the limit, and %q of a file of a byte more", told.Limit, told.Refused)
			}
		})
	}
}
