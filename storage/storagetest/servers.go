package storagetest

import (
	"context"
	"errors"
	"go/build"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	accessKey = "storagetest"
	secretKey = "storagetest-secret"

	// startTimeout is for a server on a loaded machine; it is ready in a second
	// otherwise.
	startTimeout = time.Minute

	// stopTimeout is how long a server may take to end when asked to.
	stopTimeout = 20 * time.Second

	pollInterval = 20 * time.Millisecond
)

// Server is an S3 server of its own for one test, on a free port of the
// loopback, with its data in a folder that goes with the test. Its methods
// belong to the test's goroutine.
type Server struct {
	Endpoint  string // URL
	AccessKey string
	SecretKey string
	DataDir   string // holds buckets as folders

	tb      testing.TB
	program string
	args    []string
	env     []string
	health  string // URL that answers 200 once the server is ready
	log     string // file
	process *process
}

// process is one run of a server.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// StartMinIO starts a MinIO server. It ends with the test.
func StartMinIO(tb testing.TB) *Server {
	tb.Helper()
	dir, addr := tb.TempDir(), freeAddress(tb)
	data := filepath.Join(dir, "data")
	s := newServer(tb, addr, data, "minio", "go install github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c")
	s.args = []string{"server", data, "--quiet", "--address", addr, "--console-address", freeAddress(tb)}
	s.env = []string{
		"HOME=" + dir, "MINIO_ROOT_USER=" + accessKey, "MINIO_ROOT_PASSWORD=" + secretKey,
		"MINIO_BROWSER=off", "MINIO_UPDATE=off", "MINIO_CALLHOME_ENABLE=off",
	}
	s.health = s.Endpoint + "/minio/health/ready"
	s.Start()
	return s
}

// StartVersityGW starts a versitygw server over a folder. It ends with the
// test.
func StartVersityGW(tb testing.TB) *Server {
	tb.Helper()
	dir, addr := tb.TempDir(), freeAddress(tb)
	data, versions := filepath.Join(dir, "data"), filepath.Join(dir, "versions")
	if err := os.Mkdir(versions, 0o700); err != nil {
		tb.Fatal(err)
	}
	s := newServer(tb, addr, data, "versitygw", "go install github.com/versity/versitygw/cmd/versitygw@v1.8.0")
	s.args = []string{"--quiet", "--port", addr, "--health", "/health", "posix", "--versioning-dir", versions, data}
	s.env = []string{"HOME=" + dir, "ROOT_ACCESS_KEY_ID=" + accessKey, "ROOT_SECRET_ACCESS_KEY=" + secretKey}
	s.health = s.Endpoint + "/health"
	s.Start()
	return s
}

func newServer(tb testing.TB, addr, data, program, install string) *Server {
	tb.Helper()
	if err := os.Mkdir(data, 0o700); err != nil {
		tb.Fatal(err)
	}
	s := &Server{
		Endpoint: "http://" + addr, AccessKey: accessKey, SecretKey: secretKey, DataDir: data,
		tb: tb, program: findProgram(tb, program, install), log: filepath.Join(filepath.Dir(data), "log"),
	}
	tb.Cleanup(s.Stop)
	return s
}

// findProgram looks where a shell looks, and where go install puts things.
func findProgram(tb testing.TB, name, install string) string {
	tb.Helper()
	if found, err := exec.LookPath(name); err == nil {
		return found
	}
	for _, dir := range []string{os.Getenv("GOBIN"), filepath.Join(build.Default.GOPATH, "bin")} {
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return found
		}
	}
	tb.Fatalf("%s is not installed; install it with: %s", name, install)
	return ""
}

func freeAddress(tb testing.TB) string {
	tb.Helper()
	var config net.ListenConfig
	l, err := config.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nobody was served
	return l.Addr().String()
}

// Start starts the server if it doesn't run, at the same address and over the
// same data as before, and returns when it is ready.
func (s *Server) Start() {
	s.tb.Helper()
	if s.process != nil {
		return
	}
	log, err := os.OpenFile(s.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the server has its own descriptor
	// The server outlives the context of any one call; Stop ends it.
	cmd := exec.CommandContext(context.Background(), s.program, s.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.env, log, log
	// A test that is killed takes the server with it. Linux goes by the
	// thread that started the server, which so has to stay as long.
	cmd.SysProcAttr = noOrphan()
	p, started := &process{cmd: cmd, done: make(chan struct{})}, make(chan error, 1)
	go func() {
		defer close(p.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		s.tb.Fatalf("start %s: %v", s.program, err)
	}
	s.process = p
	s.awaitReady()
}

func (s *Server) awaitReady() {
	s.tb.Helper()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	timeout := time.After(startTimeout)
	for !s.ready() {
		select {
		case <-poll.C:
		case <-s.process.done:
			s.tb.Fatalf("%s ended at once:\n%s", s.program, s.tail())
		case <-timeout:
			s.tb.Fatalf("%s is not ready after %v:\n%s", s.program, startTimeout, s.tail())
		}
	}
}

func (s *Server) ready() bool {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.health, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (s *Server) tail() string {
	const most = 4 << 10
	log, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(log[max(len(log)-most, 0):])
}

// Stop asks the server to end and returns when it has. One that doesn't run is
// fine.
func (s *Server) Stop() {
	s.tb.Helper()
	s.end(syscall.SIGTERM)
}

// Kill ends the server as a crash does, and returns when it has ended.
func (s *Server) Kill() {
	s.tb.Helper()
	s.end(syscall.SIGKILL)
}

func (s *Server) end(signal syscall.Signal) {
	s.tb.Helper()
	p := s.process
	if p == nil {
		return
	}
	s.process = nil
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.tb.Errorf("signal %s: %v", s.program, err)
	}
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		s.tb.Errorf("%s does not end by %v", s.program, signal)
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// Client gives a client of the server, to look at what is in it.
func (s *Server) Client() *minio.Core {
	s.tb.Helper()
	core, err := minio.NewCore(strings.TrimPrefix(s.Endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: "us-east-1",
	})
	if err != nil {
		s.tb.Fatal(err)
	}
	return core
}

// MakeBucket makes a bucket that keeps versions.
func (s *Server) MakeBucket(name string) {
	s.tb.Helper()
	client, ctx := s.Client(), context.Background()
	if err := client.MakeBucket(ctx, name, minio.MakeBucketOptions{}); err != nil {
		s.tb.Fatalf("make bucket %s: %v", name, err)
	}
	if err := client.EnableVersioning(ctx, name); err != nil {
		s.tb.Fatalf("keep versions in bucket %s: %v", name, err)
	}
}

// Versions lists what a bucket holds, one string a version: key, version and
// what else tells them apart.
func (s *Server) Versions(bucket string) []string {
	s.tb.Helper()
	var versions []string
	opts := minio.ListObjectsOptions{Recursive: true, WithVersions: true}
	for o := range s.Client().ListObjectsIter(context.Background(), bucket, opts) {
		if o.Err != nil {
			s.tb.Fatalf("list versions of bucket %s: %v", bucket, o.Err)
		}
		version := o.Key + " " + o.VersionID
		if o.IsDeleteMarker {
			version += " delete marker"
		}
		versions = append(versions, version)
	}
	return versions
}

// Uploads lists the keys of a bucket's uploads that are not complete.
func (s *Server) Uploads(bucket string) []string {
	s.tb.Helper()
	const most = 1000
	list, err := s.Client().ListMultipartUploads(context.Background(), bucket, "", "", "", "", most)
	if err != nil {
		s.tb.Fatalf("list uploads of bucket %s: %v", bucket, err)
	}
	var keys []string
	for _, u := range list.Uploads {
		keys = append(keys, u.Key)
	}
	return keys
}

// Objects lists the versions in a bucket but for those that a store's Check
// made, as Versions does.
func (s *Server) Objects(bucket string) []string {
	s.tb.Helper()
	var objects []string
	for _, v := range s.Versions(bucket) {
		if !strings.HasPrefix(v, "check/") {
			objects = append(objects, v)
		}
	}
	return objects
}
