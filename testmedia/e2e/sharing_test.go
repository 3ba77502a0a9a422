package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
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
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault/testmedia/node"
)

// cutAfter is how much of a shared file comes through before its connection is
// cut: more than the node makes safe at once, and no multiple of that.
const cutAfter = 9<<20 + 4711

// A foreign client of the upload protocol shares 20 MiB from a page of another
// origin, in real browsers, with the ticket of an invited guest. In the middle
// the connection breaks, and the program is killed and started again: what is
// there in the end is what was sent, to the bit, and everybody in the call
// finds and gets it.
func TestSharing(t *testing.T) {
	for _, browser := range []string{"chromium", "firefox"} {
		t.Run(browser, func(t *testing.T) {
			const size = 20 << 20
			n := start(t)
			session := newSession(t, n)
			ticket := callTicket(t, n, session)
			page := serve(t, n, map[string]string{"/tus.js": scripts + "/node_modules/tus-js-client/dist/tus.js"})
			endpoint := interrupted(t, n) + "/api/v1/sessions/" + session + "/files"
			got := shareBy(t, browser, "foreign", page, endpoint, ticket, strconv.Itoa(size))
			if !slices.ContainsFunc(got.Requests, func(r []any) bool { return r[0] == "HEAD" }) {
				t.Errorf("requests %v: none asks where to go on", got.Requests)
			}
			f := shared{n, session, path.Base(got.URL), got.SHA256}
			f.check(t, size)
			f.checkDownload(t, ticket)
		})
	}
}

// shares is what a browser did.
type shares struct {
	SHA256, URL, Error string
	Requests           [][]any
}

// shareBy has a browser share a file.
func shareBy(t *testing.T, browser string, args ...string) shares {
	t.Helper()
	var got shares
	runNode(t, &got, []string{"BROWSER=" + browser}, append([]string{"sharing.mjs"}, args...)...)
	if got.Error != "" {
		t.Fatalf("the upload failed: %s; requests %v", got.Error, got.Requests)
	}
	return got
}

// A page that is reloaded while it shares a file is given the file once more,
// and goes on where it was: the foreign client, and the call page.
func TestSharingAfterReload(t *testing.T) {
	for _, browser := range []string{"chromium", "firefox"} {
		for _, client := range []string{"foreign", "own"} {
			t.Run(browser+" "+client, func(t *testing.T) {
				const size = 40 << 20
				n := start(t)
				session := newSession(t, n)
				ticket := callTicket(t, n, session)
				page := n.Base + "/call/"
				if client == "foreign" {
					page = serve(t, n, map[string]string{"/tus.js": scripts + "/node_modules/tus-js-client/dist/tus.js"})
				}
				endpoint := n.Base + "/api/v1/sessions/" + session + "/files"
				got := shareBy(t, browser, client, page, endpoint, ticket, strconv.Itoa(size), "reload")
				if slices.ContainsFunc(got.Requests, func(r []any) bool { return r[0] == "POST" }) {
					t.Errorf("requests %v after the reload: the file was begun again", got.Requests)
				}
				shared{n, session, path.Base(got.URL), got.SHA256}.check(t, size)
			})
		}
	}
}

// callTicket invites a guest and joins as that guest.
func callTicket(t *testing.T, n *node.Node, session string) string {
	t.Helper()
	var invitation struct{ URL string }
	path := "/api/v1/sessions/" + session + "/invitations"
	if err := n.JSON(t.Context(), http.MethodPost, path, map[string]string{"participant": "guest-1"}, &invitation); err != nil {
		t.Fatal(err)
	}
	_, secret, _ := strings.Cut(invitation.URL, "#")
	var joined struct{ Ticket struct{ Secret string } }
	answer := post(t, n.Base+"/api/v1/call/join", secret)
	if err := json.Unmarshal(answer, &joined); err != nil || joined.Ticket.Secret == "" {
		t.Fatalf("join: %s, %v", answer, err)
	}
	return joined.Ticket.Secret
}

// post sends nothing with a bearer secret, and gives the answer.
func post(t *testing.T, address, secret string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= http.StatusBadRequest {
		t.Fatalf("POST %s: %s, %v", address, body, err)
	}
	return body
}

// interrupted puts a proxy in front of a node that cuts the first long
// request once the node has some of it safe, and kills and restarts the node.
// It gives the proxy's address.
func interrupted(t *testing.T, n *node.Node) string {
	t.Helper()
	base, err := url.Parse(n.Base)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(base)
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			r.Body = &cutting{ReadCloser: r.Body, left: cutAfter, cut: func() (cut bool) {
				once.Do(func() {
					cut = true
					awaitAcknowledged(t, n.Base+r.URL.Path)
					if err := errors.Join(n.Kill(), n.Restart(t.Context())); err != nil {
						t.Error(err)
					}
				})
				return cut
			}}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// awaitAcknowledged waits until a node says that some of an upload is safe.
func awaitAcknowledged(t *testing.T, upload string) {
	t.Helper()
	for t.Context().Err() == nil {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, upload, nil)
		if err != nil {
			t.Error(err)
			return
		}
		r.Header.Set("Authorization", "Bearer "+node.Token)
		r.Header.Set("Tus-Resumable", "1.0.0")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return
		}
		answer.Body.Close() //nolint:errcheck // it is empty
		if at := answer.Header.Get("Upload-Offset"); at != "0" {
			return
		}
	}
}

// cutting is a body that breaks once, if cut says so.
type cutting struct {
	io.ReadCloser
	left int
	cut  func() bool
}

func (c *cutting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if c.left -= n; c.left < 0 && c.cut() {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// shared is a file that was shared.
type shared struct {
	node              *node.Node
	session, id, hash string
}

// check finds it in the list of recordings, stored and verified, and told.
func (s shared) check(t *testing.T, size int64) {
	t.Helper()
	all, err := s.node.Await(within(t, time.Minute), s.session, func(all []node.Recording) bool {
		return node.Finished(all) && all[0].Durability == "verified"
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || len(all[0].Files) != 1 {
		t.Fatalf("recordings: %+v", all)
	}
	if r, f := all[0], all[0].Files[0]; r.Kind != "file" || r.State != "ready" || f.ID != s.id || f.SHA256 != s.hash || f.Bytes != size ||
		f.Container != "bin" || f.PlaybackURL != "" {
		t.Errorf("recording: got %+v, want the file %s of %d bytes with %s", r, s.id, size, s.hash)
	}
	var list struct {
		Items []struct {
			Type, FileID, Participant string
			Data                      map[string]any
		}
	}
	if err := s.node.JSON(t.Context(), http.MethodGet, "/api/v1/sessions/"+s.session+"/activities", nil, &list); err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, a := range list.Items {
		if a.Type != "SharedFile" {
			continue
		}
		told++
		if a.FileID != s.id || a.Participant != "guest-1" || a.Data["sha256"] != s.hash || a.Data["name"] != "minutes č. 7.pdf" {
			t.Errorf("activity: got %+v", a)
		}
	}
	if told != 1 {
		t.Errorf("it was told %d times", told)
	}
}

// checkDownload gets it as somebody in the call does.
func (s shared) checkDownload(t *testing.T, ticket string) {
	t.Helper()
	var link struct{ URL string }
	body := post(t, fmt.Sprintf("%s/api/v1/sessions/%s/files/%s/download", s.node.Base, s.session, s.id), ticket)
	if err := json.Unmarshal(body, &link); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.node.Base+link.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	got := sha256.New()
	if _, err := io.Copy(got, answer.Body); err != nil || hex.EncodeToString(got.Sum(nil)) != s.hash {
		t.Errorf("the guest gets %x, %v, want %s", got.Sum(nil), err, s.hash)
	}
	for name, want := range map[string]string{
		"Content-Disposition":    "attachment; filename=\"minutes _. 7.pdf\"; filename*=UTF-8''minutes%20%C4%8D.%207.pdf",
		"Content-Type":           "application/octet-stream",
		"X-Content-Type-Options": "nosniff",
	} {
		if h := answer.Header.Get(name); h != want {
			t.Errorf("%s: got %q, want %q", name, h, want)
		}
	}
}
