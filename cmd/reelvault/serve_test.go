package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reelvault/reelvault/storage/storagetest"
)

// buffer is written by the server and read by the test.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
	on   func(string) // sees each write
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.on != nil {
		b.on(string(p))
	}
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// server is a run of serve inside of the test.
type server struct {
	url  string
	logs *buffer
	stop context.CancelFunc
	done chan error
}

// start starts a server on free ports, and waits until it listens.
func start(t *testing.T, env []string, args ...string) *server {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	listening := make(chan string, 1)
	stdout := &buffer{on: func(s string) {
		if address, ok := strings.CutPrefix(s, "Reelvault is at "); ok {
			listening <- strings.TrimSpace(address)
		}
	}}
	s := &server{logs: &buffer{}, stop: stop, done: make(chan error, 1)}
	data := filepath.Join(t.TempDir(), "data")
	args = append([]string{"serve", "--data", data, "--http", "127.0.0.1:0", "--webrtc-port", "0"}, args...)
	go func() { s.done <- run(ctx, args, env, output{stdout, s.logs}) }()
	select {
	case s.url = <-listening:
	case err := <-s.done:
		stop()
		t.Fatalf("serve ended: %v; log %s", err, s.logs)
	}
	t.Cleanup(stop)
	return s
}

// end asks the server to end, and gives what it says.
func (s *server) end() error {
	s.stop()
	return <-s.done
}

// until waits for something.
func until(t *testing.T, seen func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !seen() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("it did not come")
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // only read from
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// countdown is a context that ends when it is asked for the nth time whether
// it has ended.
type countdown struct {
	context.Context //nolint:containedctx // it is one itself
	end             context.CancelFunc
	left            atomic.Int64
}

func (c *countdown) tick() {
	if c.left.Add(-1) == 0 {
		c.end()
	}
}

func (c *countdown) Done() <-chan struct{} {
	c.tick()
	return c.Context.Done()
}

func (c *countdown) Err() error {
	c.tick()
	return c.Context.Err()
}

// A server that is asked to end while it starts ends well, wherever it is, and
// the next one starts from what it left.
func TestEndWhileStarting(t *testing.T) {
	early, data := 0, filepath.Join(t.TempDir(), "data")
	for i := range 20 {
		n := 4 * i * i
		inner, end := context.WithCancel(t.Context())
		ctx := &countdown{Context: inner, end: end}
		ctx.left.Store(int64(n))
		if n == 0 {
			end()
		}
		var logs buffer
		stdout := &buffer{on: func(string) { end() }} // at the latest
		dir := data
		if i%2 == 1 {
			dir = filepath.Join(t.TempDir(), "data") // a first start
		}
		done := make(chan error, 1)
		go func() {
			done <- run(ctx, []string{"serve", "--data", dir, "--http", "127.0.0.1:0", "--webrtc-port", "0"}, nil, output{stdout, &logs})
		}()
		if i%2 == 0 && i > 0 {
			// A later start prints nothing: its lock says when it listens.
			go awaitListening(inner, filepath.Join(dir, "lock"), end)
		}
		if err := <-done; err != nil {
			t.Errorf("asked after %d steps: got %v", n, err)
		}
		end()
		if strings.Contains(logs.String(), "asked to end before it had started") {
			early++
		}
		if strings.Contains(logs.String(), "context canceled") || strings.Contains(logs.String(), "ERROR") {
			t.Errorf("asked after %d steps: got log %s", n, &logs)
		}
	}
	if early < 5 {
		t.Errorf("got %d starts that were ended early", early)
	}
}

// awaitListening calls f when the lock at path says where the server listens.
func awaitListening(ctx context.Context, path string, f func()) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if text, err := os.ReadFile(path); err == nil && strings.HasPrefix(string(text), fmt.Sprintf("%d\nhttp", os.Getpid())) {
				f()
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// A verb that is interrupted says so, and ends as shells expect.
func TestInterrupted(t *testing.T) {
	s := start(t, nil)
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := run(ctx, []string{"admin", "reset", "--data", filepath.Join(t.TempDir(), "none")}, nil, output{io.Discard, io.Discard})
	var stderr bytes.Buffer
	if status := report(&stderr, err); status != 1 || !strings.Contains(stderr.String(), "no catalog") {
		t.Errorf("without a catalog: got status %d and %q", status, &stderr)
	}
	stderr.Reset()
	if status := report(&stderr, interrupted(ctx, fmt.Errorf("open catalog: %w", ctx.Err()))); status != 130 {
		t.Errorf("got status %d", status)
	}
	if want := "reelvault: interrupted before it was done\n"; stderr.String() != want {
		t.Errorf("got %q, want %q", &stderr, want)
	}
	if err := interrupted(t.Context(), context.Canceled); err == nil || err.Error() != "context canceled" {
		t.Errorf("got %v for what nobody interrupted", err)
	}
}

// A client that holds its connection open doesn't keep the server from ending,
// nor make that a failure.
func TestEndWithOpenConnections(t *testing.T) {
	s := start(t, nil)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the server has cut it
	const body = "POST /api/v1/signin HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
	if _, err := io.WriteString(conn, body); err != nil {
		t.Fatal(err)
	}
	// The server says so when it waits for the body, which never comes.
	const goOn = "HTTP/1.1 100 Continue"
	got := make([]byte, len(goOn))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != goOn {
		t.Fatalf("got %q, %v", got, err)
	}
	if err := s.end(); err != nil {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(s.logs.String(), "cut connections that were still open") {
		t.Errorf("got log %s", s.logs)
	}
}

// The store is spoken to over TLS with the certificates of --s3-ca; without
// them recording would go on, and /readyz says what is wrong.
func TestS3CA(t *testing.T) {
	minio := storagetest.StartMinIO(t)
	minio.MakeBucket("recordings")
	target, err := url.Parse(minio.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := newCertificate()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	// Requests are signed with the host's name: the proxy keeps it.
	var served atomic.Int64
	front := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode < 300 && strings.HasPrefix(r.Request.URL.Path, "/recordings/p/") {
				served.Add(1)
			}
			return nil
		},
	})
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	front.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	front.StartTLS()
	t.Cleanup(front.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"REELVAULT_S3_ACCESS_KEY=" + minio.AccessKey, "REELVAULT_S3_SECRET_KEY=" + minio.SecretKey}
	var base string
	for _, tt := range []struct {
		name string
		args []string
		seen func() bool // that the store was tried
		want string      // of /readyz then
	}{
		{"without it", nil, func() bool {
			body := get(t, base+"/readyz")
			return strings.Contains(body, "degraded")
		}, `{"name":"store","status":"degraded","error":"the object store has failed since `},
		{"with it", []string{"--s3-ca", ca}, func() bool { return served.Load() > 0 }, `{"name":"store","status":"ok"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, env, append([]string{"--s3-endpoint", front.URL, "--s3-bucket", "recordings", "--s3-prefix", "p"}, tt.args...)...)
			base = s.url
			until(t, tt.seen)
			body := get(t, s.url+"/readyz")
			if !strings.Contains(body, tt.want) {
				t.Errorf("got %s, want %s", body, tt.want)
			}
			if err := s.end(); err != nil {
				t.Error(err)
			}
		})
	}
}
