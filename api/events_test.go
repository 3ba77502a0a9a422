package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
	"github.com/reelvault/reelvault/media"
)

// stream is an open GET /events.
type stream struct {
	*http.Response
	lines *bufio.Scanner
}

// listen serves w on loopback.
func (w *world) listen(tb testing.TB) string {
	tb.Helper()
	server := httptest.NewServer(w)
	tb.Cleanup(server.Close)
	return server.URL
}

// open opens a stream; header is a name and a value, or empty.
func open(tb testing.TB, url, bearer string, header ...string) *stream {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	tb.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	must(tb, err)
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	if len(header) > 0 {
		r.Header.Set(header[0], header[1])
	}
	answer, err := http.DefaultClient.Do(r)
	must(tb, err)
	tb.Cleanup(func() { _ = answer.Body.Close() })
	s := &stream{answer, bufio.NewScanner(answer.Body)}
	s.lines.Buffer(nil, 1<<20)
	return s
}

// next gives the next event that has data, or false at the end.
func (s *stream) next(tb testing.TB) (activity, bool) {
	tb.Helper()
	id := ""
	for s.lines.Scan() {
		if text, ok := strings.CutPrefix(s.lines.Text(), "id: "); ok {
			id = text
		}
		text, ok := strings.CutPrefix(s.lines.Text(), "data: ")
		if !ok {
			continue
		}
		var a activity
		must(tb, json.Unmarshal([]byte(text), &a))
		if id != fmt.Sprint(a.Seq) {
			tb.Errorf("got id %s for seq %d", id, a.Seq)
		}
		return a, true
	}
	return activity{}, false
}

// texts gives the texts of the next n events.
func (s *stream) texts(tb testing.TB, n int) []string {
	tb.Helper()
	var list []string
	for range n {
		a, ok := s.next(tb)
		if !ok {
			tb.Fatalf("the stream ended after %q", list)
		}
		list = append(list, a.Text)
	}
	return list
}

func (w *world) message(tb testing.TB, session, text string) {
	tb.Helper()
	got := w.do(call{
		method: "POST", path: activityPath(session), bearer: w.a.Token,
		body: fmt.Sprintf(`{"type":"ChatMessage","text":%q}`, text),
	})
	wantStatus(tb, got, 201)
}

// messages appends n of them at once.
func (w *world) messages(tb testing.TB, n int, text func(i int) string) {
	tb.Helper()
	as := make([]reelvault.Activity, n)
	for i := range as {
		as[i] = reelvault.Activity{
			ID: newID(), TenantID: w.a.ID, SessionID: w.a.Session, At: w.clock.Now(), Type: reelvault.ActivityChatMessage, Text: text(i),
		}
	}
	_, err := w.catalog.AppendActivities(tb.Context(), as)
	must(tb, err)
}

// A stream tells what happens from now on, from a number on, or from where an
// earlier one broke off, and leaves nothing out.
func TestEventsResume(t *testing.T) {
	w := newWorld(t)
	url := w.listen(t) + "/api/v1/events"
	w.messages(t, 150, func(i int) string { return fmt.Sprint(i + 1) })
	for _, tt := range []struct {
		query, last, first string
	}{
		{"", "", "new"},
		{"?after=0", "", "1"},
		{"?after=149", "", "150"},
		{"?after=999", "", "new"},
		{"", "100", "101"},
		{"?after=0", "150", "new"},
		{"", "4711", "new"},
		{"?session=" + w.a.Session, "149", "150"},
	} {
		s := open(t, url+tt.query, w.a.Token, "Last-Event-ID", tt.last)
		if s.StatusCode != 200 || s.Header.Get("Content-Type") != "text/event-stream" || s.Header.Get("X-Accel-Buffering") != "no" {
			t.Fatalf("got %d %v", s.StatusCode, s.Header)
		}
		s.lines.Scan() // what an EventSource is told first; after it nothing that happens is missed
		s.lines.Scan()
		if !strings.HasPrefix(s.lines.Text(), "id: ") {
			t.Errorf("got %q, want an id to resume from", s.lines.Text())
		}
		if tt.first == "new" {
			w.message(t, w.a.Session, "new")
		}
		if got := s.texts(t, 1)[0]; got != tt.first {
			t.Errorf("%s after %q: got %q first, want %q", tt.query, tt.last, got, tt.first)
		}
		must(t, s.Body.Close())
	}
	s := open(t, url+"?after=0", w.a.Token)
	got := s.texts(t, 150)
	for i := range got {
		if got[i] != fmt.Sprint(i+1) {
			t.Fatalf("got %q as number %d", got[i], i+1)
		}
	}
}

// What a reader may not see is not told, live as little as later.
func TestEventsOfReaders(t *testing.T) {
	w := newWorld(t)
	url := w.listen(t) + "/api/v1/events"
	other := w.session(t, w.a)
	silent, _ := w.token(t, w.a, reelvault.ScopeSessionsRead)
	taking := open(t, url, w.callTicket(t, "guest-1"))
	w.await(t, "the guest", func() bool { return len(w.what(t)) == 1 })
	streams := map[string]*stream{
		"call":      taking,
		"all":       open(t, url, w.a.Token),
		"session":   open(t, url+"?session="+w.a.Session, w.a.Token),
		"types":     open(t, url+"?types=NotifyOperator,SessionEnded", w.a.Token),
		"call type": open(t, url+"?types=NotifyOperator,ChatMessage", w.callTicket(t, "guest-1")),
		"cookie":    open(t, url, "", "Cookie", "reelvault="+w.a.Cookie),
		"foreign":   open(t, url+"?after=0", w.b.Token),
		"silent":    open(t, url+"?types=ChatMessage", silent),
	}
	w.message(t, other, "elsewhere")
	w.message(t, w.a.Session, "here")
	code, _ := w.say(t, w.a.Token, `{"type":"NotifyOperator","text":"internal"}`)
	if code != 201 {
		t.Fatal(code)
	}
	got := w.do(call{method: "POST", path: activityPath(w.b.Session), bearer: w.b.Token, body: `{"type":"ChatMessage","text":"theirs"}`})
	wantStatus(t, got, 201)
	w.message(t, w.a.Session, "last")
	for name, want := range map[string][]string{
		"call": {"", "here", "last"}, // first that they joined
		"all":  {"elsewhere", "here", "internal", "last"}, "session": {"here", "internal", "last"}, "types": {"internal"},
		"call type": {"here", "last"}, "cookie": {"elsewhere", "here", "internal", "last"},
		"foreign": {"theirs"}, "silent": {"", "", ""},
	} {
		wantList(t, name, streams[name].texts(t, len(want)), want)
	}
}

// What can't be followed is refused before the stream begins.
func TestEventsRefusals(t *testing.T) {
	w := newWorld(t)
	url := w.listen(t) + "/api/v1/events"
	ticket := w.callTicket(t, "guest-1")
	for _, tt := range []struct {
		query, bearer, last string
		want                int
	}{
		{"?session=" + w.b.Session, w.a.Token, "", 404},
		{"?session=x", w.a.Token, "", 404},
		{"?session=" + w.session(t, w.a), ticket, "", 404},
		{"?types=Shout", w.a.Token, "", 422},
		{"?types=Joined,", w.a.Token, "", 422},
		{"?after=-1", w.a.Token, "", 422},
		{"?after=x", w.a.Token, "", 422},
		{"", w.a.Token, "x", 422},
		{"", w.a.Token, "-1", 422},
		{"?since=1", w.a.Token, "", 422},
		{"", "", "", 401},
		{"", w.ticket(t, w.a.Token, w.a.Session, "publish"), "", 403},
	} {
		s := open(t, url+tt.query, tt.bearer, "Last-Event-ID", tt.last)
		if s.StatusCode != tt.want {
			t.Errorf("%s: got %d, want %d", tt.query, s.StatusCode, tt.want)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, url, nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+w.a.Token)
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	must(t, answer.Body.Close())
	if answer.StatusCode != 200 {
		t.Errorf("HEAD: got %d", answer.StatusCode)
	}
}

// A credential has so many streams, and gets another when one is closed.
func TestEventsAtOnce(t *testing.T) {
	w := newWorld(t)
	url := w.listen(t) + "/api/v1/events"
	var all []*stream
	for range 16 {
		s := open(t, url, w.a.Token)
		s.lines.Scan()
		all = append(all, s)
	}
	full := open(t, url, w.a.Token)
	if full.StatusCode != 429 || full.Header.Get("Retry-After") == "" {
		t.Errorf("got %d %v", full.StatusCode, full.Header)
	}
	if s := open(t, url, "", "Cookie", "reelvault="+w.a.Cookie); s.StatusCode != 200 {
		t.Errorf("another credential: got %d", s.StatusCode)
	}
	for range 15 {
		open(t, url, "", "Cookie", "reelvault="+w.cookieOf(t)).lines.Scan()
	}
	if s := open(t, url, "", "Cookie", "reelvault="+w.cookieOf(t)); s.StatusCode != 429 {
		t.Errorf("one person with many sign-ins: got %d, want 429", s.StatusCode)
	}
	must(t, all[0].Body.Close())
	w.await(t, "a free place", func() bool { return open(t, url, w.a.Token).StatusCode == 200 })
}

// No tenant takes the places of another, and each place is free again.
func TestStreamsOfTenants(t *testing.T) {
	s := api.NewStreams()
	var taken []func()
	for n := range 1000 {
		done, err := s.Take("ours", fmt.Sprint("ticket ", n))
		must(t, err)
		taken = append(taken, done)
	}
	if _, err := s.Take("ours", "one more"); reelvault.KindOf(err) != reelvault.Limited {
		t.Errorf("got %v, want Limited", err)
	}
	_, err := s.Take("theirs", "a ticket")
	must(t, err)
	for _, done := range taken {
		done()
		done()
	}
	for n := range 1000 {
		if _, err := s.Take("ours", fmt.Sprint("ticket ", n)); err != nil {
			t.Fatal(err)
		}
	}
}

// watcher is the other end of a stream, as it is written.
type watcher struct {
	http.ResponseWriter
	wrote func(text string)
}

// Write implements http.ResponseWriter.
func (w watcher) Write(b []byte) (int, error) {
	w.wrote(string(b))
	return len(b), nil
}

// Flush implements http.Flusher.
func (watcher) Flush() {}

// follow serves a stream from the first event on until ctx ends.
func (w *world) follow(ctx context.Context, bearer string, wrote func(text string)) {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://reelvault.test/api/v1/events?after=0", nil)
	r.Header.Set("Authorization", "Bearer "+bearer)
	w.ServeHTTP(watcher{httptest.NewRecorder(), wrote}, r)
}

// A credential that ends in the middle of all that was missed ends the stream
// there.
func TestEventsEndInBacklog(t *testing.T) {
	w := newWorld(t)
	w.messages(t, 500, func(i int) string { return fmt.Sprint(i + 1) })
	for name, bearer := range map[string]func() (secret, id string){
		"token": func() (string, string) { return w.token(t, w.a, everything...) },
		"ticket": func() (string, string) {
			secret, id := w.invitation(t, w.a, "guest-1")
			return w.join(t, secret).Ticket.Secret, id
		},
	} {
		secret, id := bearer()
		events := 0
		w.follow(t.Context(), secret, func(text string) {
			if events == 0 {
				must(t, w.catalog.Revoke(t.Context(), w.a.ID, id))
			}
			events += strings.Count(text, "data: ")
		})
		if events == 0 || events > 64 {
			t.Errorf("%s: got %d events, want those of the batch that was on its way", name, events)
		}
	}
}

// A stream that waits keeps nothing of what it has told.
func TestEventsKeepNothing(t *testing.T) {
	w := newWorld(t)
	text := strings.Repeat("x", reelvault.MaxActivityText)
	w.messages(t, 64, func(int) string { return text })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const n = 48
	var work, told sync.WaitGroup
	told.Add(n)
	before := heap()
	for range n {
		secret, _ := w.token(t, w.a, everything...)
		last := sync.OnceFunc(told.Done)
		work.Go(func() {
			w.follow(ctx, secret, func(text string) {
				if strings.Contains(text, "id: 64\n") {
					last()
				}
			})
		})
	}
	told.Wait() // each has its batch, and may hold it a little longer
	w.await(t, "a heap that has less than a quarter of a batch for each stream", func() bool { return (heap()-before)/n <= 256<<10 })
	cancel()
	work.Wait()
}

// heap gives the bytes that are in use.
func heap() int64 {
	var m runtime.MemStats
	for range 2 { // what a pool holds goes with the second
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A stream ends with its credential: when its invitation is revoked, and when
// it has expired.
func TestEventsEndWithCredential(t *testing.T) {
	w := newWorld(t)
	url := w.listen(t) + "/api/v1/events"
	made, secret := w.invited(t, `{"participant":"guest-1"}`)
	s, other := open(t, url, w.join(t, secret).Ticket.Secret), open(t, url, w.callTicket(t, "guest-2"))
	s.lines.Scan()
	other.lines.Scan()
	wantStatus(t, w.do(call{method: "DELETE", path: "/api/v1/sessions/" + w.a.Session + "/invitations/" + made.ID, bearer: w.a.Token}), 204)
	if _, err := io.Copy(io.Discard, s.Body); err != nil {
		t.Errorf("the stream ended with %v, want it whole", err)
	}
	w.clock.advance(11 * time.Minute)
	w.message(t, w.a.Session, "after the ticket's end")
	var last activity
	for {
		a, ok := other.next(t)
		if !ok {
			break
		}
		last = a
	}
	if last.Text != "" {
		t.Errorf("got %q with a ticket that has expired", last.Text)
	}
}

// When the server ends, streams end, and what was told before is written.
func TestEventsEndWithServer(t *testing.T) {
	w := newWorld(t)
	s := open(t, w.listen(t)+"/api/v1/events?after=0", w.a.Token)
	s.lines.Scan()
	const n = 12
	for range n {
		w.feed.Recording(reelvault.Recording{ID: newID(), TenantID: w.a.ID, SessionID: w.a.Session, State: reelvault.RecordingReady})
	}
	w.feed.Close()
	w.feed.Close()
	w.feed.Publisher(media.Published{}, true) // too late, and no harm
	if got := len(w.what(t)); got != n {
		t.Errorf("%d activities are written, want %d", got, n)
	}
	if _, err := io.Copy(io.Discard, s.Body); err != nil {
		t.Errorf("the stream ended with %v, want it whole", err)
	}
}

// A client that takes nothing holds up nobody, and memory does not grow with
// what it misses: it is told later, from the log.
func TestEventsSlowReader(t *testing.T) {
	w := newWorld(t)
	url := w.listen(t) + "/api/v1/events?after=0"
	slow, quick := open(t, url, w.a.Token), open(t, url, w.a.Token)
	const n = 400 // 6.4 MiB, more than the sockets between them hold
	text := strings.Repeat("x", 16<<10)
	w.messages(t, n-1, func(int) string { return text })
	w.message(t, w.a.Session, text)
	for _, s := range []*stream{quick, slow} {
		for i, got := range s.texts(t, n) {
			if got != text {
				t.Fatalf("got %d bytes as number %d", len(got), i+1)
			}
		}
	}
}
