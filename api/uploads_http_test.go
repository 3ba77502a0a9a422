package api_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// served serves w on a real port, and gives its address.
func (w *world) served(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// dial opens a connection and sends text.
func dial(t *testing.T, address, text string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, text)
	must(t, err)
	return conn
}

func patchText(path, bearer string, length int, body string) string {
	return fmt.Sprintf("PATCH %s HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\n"+
		"Authorization: Bearer %s\r\nUpload-Offset: 0\r\nContent-Length: %d\r\n\r\n%s", path, bearer, length, body)
}

// awaitOffset asks until so much of an upload is here.
func (w *world) awaitOffset(t *testing.T, path, want string) {
	t.Helper()
	w.await(t, want+" bytes", func() bool {
		got := w.head(path, w.a.Token)
		wantStatus(t, got, 200)
		return got.Header().Get("Upload-Offset") == want
	})
}

// A connection that breaks in the middle of a body costs nothing of what had
// come, and a file larger than any other request goes through.
func TestUploadBreaksOff(t *testing.T) {
	w := newWorld(t)
	address := w.served(t)
	content := strings.Repeat("0123456789", 200_000)
	path := w.announce(t, w.a.Token, w.a.Session, "a", len(content))
	conn := dial(t, address, patchText(path, w.a.Token, len(content), content[:1_500_000]))
	must(t, conn.Close())
	w.awaitOffset(t, path, "1500000")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, "http://"+address+path, strings.NewReader(content[1_500_000:]))
	must(t, err)
	for name, value := range tus("PATCH", "", "", "", "Upload-Offset", "1500000", "Authorization", "Bearer "+w.a.Token).header {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	must(t, err)
	defer answer.Body.Close() //nolint:errcheck // it is empty
	if answer.StatusCode != 204 || answer.Header.Get("Upload-Offset") != "2000000" {
		t.Errorf("got %s at %s", answer.Status, answer.Header.Get("Upload-Offset"))
	}
}

// A request that sends nothing any more gives way to the next; until then a
// second one is refused.
func TestUploadStalls(t *testing.T) {
	w := newWorld(t)
	address := w.served(t)
	path := w.announce(t, w.a.Token, w.a.Session, "a", 10)
	conn := dial(t, address, patchText(path, w.a.Token, 10, "0123"))
	second := tus("PATCH", path, w.a.Token, "0123456789", "Upload-Offset", "0")
	w.awaitBusy(t, path)
	wantStatus(t, w.do(second), 409)
	// Its bytes are heard before or after this; once they are, it is silent.
	w.await(t, "its bytes", func() bool {
		w.clock.advance(2 * time.Second)
		return w.head(path, w.a.Token).Header().Get("Upload-Offset") == "4"
	})
	answer, err := io.ReadAll(conn)
	must(t, err)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 409 ") || !strings.Contains(string(answer), "another request goes on") {
		t.Errorf("the silent request got %q", answer)
	}
	wantStatus(t, w.do(tus("PATCH", path, w.a.Token, "456789", "Upload-Offset", "4")), 204)
}

// stalling is a connection on which nothing more comes: a read waits for its
// deadline, which passes at once unless the test is patient.
type stalling struct {
	*httptest.ResponseRecorder
	given     string
	patient   bool
	deadlines chan time.Time
	waits     chan struct{} // closed by the first read that waits
}

func newStalling(given string) *stalling {
	return &stalling{httptest.NewRecorder(), given, false, make(chan time.Time, 1), make(chan struct{})}
}

// SetReadDeadline is what http.ResponseController looks for.
func (s *stalling) SetReadDeadline(t time.Time) error {
	select {
	case <-s.deadlines:
	default:
	}
	s.deadlines <- t
	return nil
}

func (s *stalling) Read(p []byte) (int, error) {
	if s.given != "" {
		n := copy(p, s.given)
		s.given = s.given[n:]
		return n, nil
	}
	wait := time.Until(<-s.deadlines)
	if wait < 20*time.Second || wait > 40*time.Second {
		return 0, io.ErrNoProgress
	}
	close(s.waits)
	if s.patient && time.Until(<-s.deadlines) > 0 {
		return 0, io.ErrNoProgress
	}
	return 0, os.ErrDeadlineExceeded
}

// patch sends the first bytes of an upload over s.
func (w *world) patch(s *stalling, path string) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPatch, "http://reelvault.test"+path, io.NopCloser(s))
	for name, value := range tus("PATCH", "", "", "", "Upload-Offset", "0", "Authorization", "Bearer "+w.a.Token).header {
		r.Header.Set(name, value)
	}
	w.ServeHTTP(s, r)
}

// A request on which nothing comes for half a minute is over, and what had
// come is kept.
func TestUploadTimesOut(t *testing.T) {
	w := newWorld(t)
	path := w.announce(t, w.a.Token, w.a.Session, "a", 10)
	s := newStalling("0123")
	w.patch(s, path)
	if s.Code != http.StatusRequestTimeout || !strings.Contains(s.Body.String(), `"request-timeout"`) {
		t.Errorf("got %d %s", s.Code, s.Body)
	}
	wantHeaders(t, "afterwards", w.head(path, w.a.Token), map[string]string{"Upload-Offset": "4"})
}

// One that has to give way does so at once, and not when its time is over.
func TestUploadGivesWay(t *testing.T) {
	w := newWorld(t)
	path := w.announce(t, w.a.Token, w.a.Session, "a", 10)
	s := newStalling("0123")
	s.patient = true
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.patch(s, path)
	}()
	<-s.waits
	w.clock.advance(2 * time.Second)
	wantHeaders(t, "afterwards", w.head(path, w.a.Token), map[string]string{"Upload-Offset": "4"})
	<-ended
	if s.Code != http.StatusConflict {
		t.Errorf("got %d %s", s.Code, s.Body)
	}
}
