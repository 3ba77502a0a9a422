package durable_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/reelvault/reelvault/storage/storagetest"
	"github.com/reelvault/reelvault/testmedia/node"
)

// shared is a file that somebody shares, by the upload protocol.
type shared struct {
	node    *node.Node
	content []byte
	url     string
}

// request makes one request of the protocol. headers are names and values in
// turn.
func (s *shared) request(ctx context.Context, method, url string, body io.Reader, headers ...string) (answered, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return answered{}, err
	}
	r.Header.Set("Authorization", "Bearer "+node.Token)
	r.Header.Set("Tus-Resumable", "1.0.0")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return answered{}, err
	}
	_, _ = io.Copy(io.Discard, answer.Body) // a problem at most
	return answered{answer.StatusCode, answer.Header}, answer.Body.Close()
}

// answered is what matters of an answer.
type answered struct {
	status int
	http.Header
}

// offset gives what it says is here, or 0.
func (a answered) offset() int {
	at, err := strconv.Atoi(a.Get("Upload-Offset"))
	if err != nil {
		return 0
	}
	return at
}

func (s *shared) announce(t *testing.T, session string) {
	t.Helper()
	answer, err := s.request(t.Context(), http.MethodPost, s.node.Base+"/api/v1/sessions/"+session+"/files?participant=anna", nil,
		"Upload-Length", strconv.Itoa(len(s.content)), "Upload-Metadata", "filename YS5iaW4=")
	must(t, err)
	if answer.status != http.StatusCreated {
		t.Fatalf("announce a file: %d", answer.status)
	}
	s.url = s.node.Base + answer.Get("Location")
}

// offset asks how much is here.
func (s *shared) offset(t *testing.T) int {
	t.Helper()
	answer, err := s.request(t.Context(), http.MethodHead, s.url, nil)
	must(t, err)
	if answer.status != http.StatusOK {
		t.Fatalf("how much is here: %d", answer.status)
	}
	return answer.offset()
}

// send sends what lies between two offsets, at about 20 MB/s: a file takes
// about a second. It gives what was acknowledged, 0 if no answer came.
func (s *shared) send(ctx context.Context, from, to int) int {
	slow := &slowly{ctx: ctx, content: s.content[from:to]}
	answer, err := s.request(ctx, http.MethodPatch, s.url, slow,
		"Content-Type", "application/offset+octet-stream", "Upload-Offset", strconv.Itoa(from))
	if err != nil || answer.status != http.StatusNoContent {
		return 0
	}
	return answer.offset()
}

// slowly gives its content a piece at a time.
type slowly struct {
	ctx     context.Context //nolint:containedctx // of the request whose body it is
	content []byte
}

func (s *slowly) Read(p []byte) (int, error) {
	if len(s.content) == 0 {
		return 0, io.EOF
	}
	if err := wait(s.ctx, 5*time.Millisecond); err != nil {
		return 0, err
	}
	n := copy(p[:min(len(p), 100_000)], s.content)
	s.content = s.content[n:]
	return n, nil
}

// The program is killed while files are shared, again and again: what was
// acknowledged is there after each start, the file goes on from it, and what
// is stored in the end is what was sent, once. A file that is given up leaves
// nothing.
func TestKillSharedFile(t *testing.T) {
	rounds, seed := 2, uint64(time.Now().UnixNano())
	if soak {
		rounds = 50
	}
	if text := os.Getenv("SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	t.Logf("SEED=%d", seed)
	server := storagetest.StartMinIO(t)
	for i := range rounds {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		bucket := bucketName("shared-", i)
		server.MakeBucket(bucket)
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			n := start(t, storeAt(server, server.Endpoint, bucket))
			session, err := n.NewSession(t.Context())
			must(t, err)
			lost := &shared{node: n, content: noise(random, 20<<20)}
			lost.announce(t, session.ID)
			lost.send(t.Context(), 0, 17<<20)

			empty := &shared{node: n} // whole before the first kill, and perhaps not stored
			empty.announce(t, session.ID)
			s := &shared{node: n, content: noise(random, 20<<20+random.IntN(4096))}
			s.announce(t, session.ID)
			s.sendThroughKills(t, random)
			if answer, err := s.request(t.Context(), http.MethodDelete, lost.url, nil); err != nil || answer.status != http.StatusNoContent {
				t.Errorf("give up a file: %+v, %v", answer, err)
			}
			files := []node.File{empty.expectStored(t, session.ID), s.expectStored(t, session.ID)}
			expectStore(t, n, server, bucket, files)
		})
	}
}

// The program is killed around the end of a file: when every byte is safe and
// its sum is being made, while it is being finished, and when it has been told.
// Each is whole after the start, once in the list of recordings, and told once.
func TestKillFinishingFile(t *testing.T) {
	rounds := 2
	if soak {
		rounds = 50
	}
	server := storagetest.StartMinIO(t)
	server.MakeBucket("finishing")
	n := start(t, storeAt(server, server.Endpoint, "finishing"))
	session, err := n.NewSession(t.Context())
	must(t, err)
	random := rand.New(rand.NewPCG(7, 0))
	var files []node.File
	for range rounds {
		for name, reached := range map[string]func(*shared) bool{
			"every byte safe": func(s *shared) bool { return s.offset(t) == len(s.content) },
			"being finished": func(s *shared) bool {
				return s.offset(t) == len(s.content) && wait(t.Context(), time.Duration(random.Int64N(int64(50*time.Millisecond)))) == nil
			},
			"told": func(s *shared) bool { return s.told(t, session.ID) > 0 },
		} {
			s := &shared{node: n, content: noise(random, 20<<20)}
			s.announce(t, session.ID)
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				_, _ = s.request(t.Context(), http.MethodPatch, s.url, bytes.NewReader(s.content),
					"Content-Type", "application/offset+octet-stream", "Upload-Offset", "0") // with an answer or without one
			}()
			await(t, name, func() bool { return reached(s) })
			must(t, n.Kill())
			<-sent
			must(t, n.Restart(t.Context()))
			if at := s.offset(t); at != len(s.content) {
				t.Errorf("%s: %d bytes are here after the kill, want %d", name, at, len(s.content))
			}
			files = append(files, s.expectStored(t, session.ID))
		}
	}
	expectStore(t, n, server, "finishing", files)
}

// On a disk that is nearly full shared files are refused, and one that is on
// its way stops, while recordings still begin: they have a reserve more. The
// file goes on once there is room.
func TestSharedFilesYield(t *testing.T) {
	dir := t.TempDir()
	disk := mountDisk(t, filepath.Join(dir, "data"), 400)
	n := start(t, node.Spec{Dir: dir})
	session, err := n.NewSession(t.Context())
	must(t, err)
	s := &shared{node: n, content: noise(rand.New(rand.NewPCG(8, 0)), 10<<20)}
	s.announce(t, session.ID)
	half := len(s.content) / 2
	if got := s.send(t.Context(), 0, half); got != half {
		t.Fatalf("%d bytes were taken, want %d", got, half)
	}
	disk.fill(t, 35*mebibyte) // 20 are reserved, and twice as much of files
	answer, err := s.request(t.Context(), http.MethodPatch, s.url, bytes.NewReader(s.content[half:]),
		"Content-Type", "application/offset+octet-stream", "Upload-Offset", strconv.Itoa(half))
	must(t, err)
	if answer.status != http.StatusInsufficientStorage {
		t.Errorf("more of the file: %d, want 507", answer.status)
	}
	answer, err = s.request(t.Context(), http.MethodPost, n.Base+"/api/v1/sessions/"+session.ID+"/files?participant=ben", nil, "Upload-Length", "1")
	must(t, err)
	if answer.status != http.StatusInsufficientStorage {
		t.Errorf("another file: %d, want 507", answer.status)
	}
	expectAccepted(t, n)
	disk.empty(t)
	at := s.offset(t)
	if at < half {
		t.Errorf("%d bytes are here, and %d were acknowledged", at, half)
	}
	s.send(t.Context(), at, len(s.content))
	s.expectStored(t, session.ID)
}

func noise(random *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// sendThroughKills sends a file while the program is killed at random
// instants, and once right after its last byte has left.
func (s *shared) sendThroughKills(t *testing.T, random *rand.Rand) {
	t.Helper()
	acknowledged, kills := 0, 0
	for {
		at := s.offset(t)
		if at < acknowledged {
			t.Fatalf("%d bytes are here after %d kills, and %d were acknowledged", at, kills, acknowledged)
		}
		if at == len(s.content) {
			break
		}
		to := min(len(s.content), at+1+random.IntN(12<<20))
		sent := make(chan int, 1)
		go func() { sent <- s.send(t.Context(), at, to) }()
		if kills < 4 {
			select {
			case got := <-sent:
				acknowledged = max(acknowledged, got)
			case <-time.After(time.Duration(random.Int64N(int64(time.Second)))):
				must(t, s.node.Kill())
				acknowledged = max(acknowledged, <-sent)
				must(t, s.node.Restart(t.Context()))
				kills++
			}
			continue
		}
		acknowledged = max(acknowledged, <-sent)
	}
	must(t, s.node.Kill())
	must(t, s.node.Restart(t.Context()))
	if at := s.offset(t); at != len(s.content) {
		t.Errorf("the whole file has %d bytes after a kill", at)
	}
}

// told gives how often the file was told.
func (s *shared) told(t *testing.T, session string) int {
	t.Helper()
	var list struct {
		Items []struct{ Type, FileID string }
	}
	must(t, s.node.JSON(t.Context(), http.MethodGet, "/api/v1/sessions/"+session+"/activities?limit=500", nil, &list))
	n := 0
	for _, a := range list.Items {
		if a.Type == "SharedFile" && a.FileID == path.Base(s.url) {
			n++
		}
	}
	return n
}

// expectStored finds the file in the list of recordings, once, stored, and told
// once, and its bytes by its link.
func (s *shared) expectStored(t *testing.T, session string) node.File {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var r node.Recording
	all, err := s.node.Await(ctx, session, func(all []node.Recording) bool {
		at := slices.IndexFunc(all, func(r node.Recording) bool {
			return len(r.Files) == 1 && r.Files[0].ID == path.Base(s.url) && r.Durability == "verified"
		})
		if at >= 0 {
			r = all[at]
		}
		return at >= 0
	})
	must(t, err)
	rows := 0
	for _, f := range filesOf(all) {
		if f.ID == path.Base(s.url) {
			rows++
		}
	}
	if told := s.told(t, session); rows != 1 || told != 1 {
		t.Errorf("the file is in the list %d times and was told %d times, want once", rows, told)
	}
	f, sum := r.Files[0], sha256.Sum256(s.content)
	if r.Kind != "file" || r.State != "ready" || f.SHA256 != hex.EncodeToString(sum[:]) || f.Bytes != int64(len(s.content)) {
		t.Errorf("stored is %+v, want %d bytes of %x", r, len(s.content), sum)
	}
	got, err := s.node.Download(t.Context(), f)
	must(t, err)
	if !bytes.Equal(got, s.content) {
		t.Error("the link gives other bytes than were sent")
	}
	return f
}
