// Package e2e_test tests the product as its users have it: the program as it
// is built, on its defaults, over HTTP, WebRTC and the pages in real browsers.
//
// What is recorded is downloaded and decoded, so that a test fails if the
// media are wrong, whatever the program says of them. TestBrowsers and
// TestCodecs run alone, because browsers want the whole machine; the others
// share it.
package e2e_test

import (
	"context"
	"errors"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// programKey is the environment variable in which TestMain leaves the path of
// the program for all tests.
const programKey = "E2E_PROGRAM"

// insideKey is an environment variable that is set in a process of these tests
// which has a network of its own.
const insideKey = "E2E_INSIDE"

func TestMain(m *testing.M) {
	if os.Getenv(insideKey) != "" { // the process outside has built the program
		m.Run()
		return
	}
	dir, err := os.MkdirTemp("", "e2e")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	program, err := node.Build(context.Background(), dir)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.Setenv(programKey, program); err != nil {
		log.Fatal(err)
	}
	m.Run()
}

// complaint is what no log may hold: a panic, or an answer of 500.
var complaint = regexp.MustCompile(`(?m)^.*(panic|request failed).*$`)

// start runs a node on its defaults, but for some flags, for as long as t. When
// it ends it must do so in order, without having panicked.
func start(t *testing.T, flags ...string) *node.Node {
	t.Helper()
	return startAt(t, "", flags...)
}

// startAt is start for a node that listens on another address than loopback.
func startAt(t *testing.T, host string, flags ...string) *node.Node {
	t.Helper()
	n, err := node.Start(t.Context(), node.Spec{Program: os.Getenv(programKey), Dir: t.TempDir(), Host: host, Args: flags})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
		defer cancel()
		if err := errors.Join(n.Terminate(), n.Wait(ctx)); err != nil {
			t.Errorf("end of the node: %v", errors.Join(err, n.Abort()))
		}
		if words := complaint.FindString(n.Log()); words != "" {
			t.Errorf("the log says: %s", words)
		}
		if t.Failed() {
			t.Log(n.Log())
		}
	})
	return n
}

// within bounds how long something that t waits for may take.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// camera is encoded once for all tests.
var camera = sync.OnceValues(func() (*testmedia.Clip, error) {
	return testmedia.Encode(context.Background(), testmedia.ClipSpec{
		Video: reelvault.VP8, Width: 160, Height: 120, FPS: frameRate, KeyEvery: 2 * time.Second, BitRate: 150_000, Duration: 20 * time.Second,
	})
})

const (
	frameRate = 30
	frame     = time.Second / frameRate
)

func newClip(t *testing.T) *testmedia.Clip {
	t.Helper()
	clip, err := camera()
	if err != nil {
		t.Fatal(err)
	}
	return clip
}

func newSession(t *testing.T, n *node.Node) string {
	t.Helper()
	s, err := n.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.ID
}

// publish connects a peer, which is closed with t if the test has not done it.
func publish(t *testing.T, target testmedia.Target, clip *testmedia.Clip) *testmedia.Peer {
	t.Helper()
	peer, err := testmedia.Publish(within(t, 20*time.Second), target, clip)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Vanish() }) //nolint:errcheck // a second close has no effect
	return peer
}

// finished waits until all recordings of a session have ended, and gives the
// only one, which must be ready and of one file.
func finished(t *testing.T, n *node.Node, session string, patience time.Duration) node.Recording {
	t.Helper()
	all, err := n.Await(within(t, patience), session, node.Finished)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].State != "ready" || len(all[0].Files) != 1 {
		t.Fatalf("recordings: got %+v, want one that is ready, of one file", all)
	}
	return all[0]
}

// download gives the path of a copy of a file, after it was decoded without a
// word from the decoders.
func download(t *testing.T, n *node.Node, f node.File) string {
	t.Helper()
	data, err := n.Download(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), f.ID+"."+f.Container)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := testmedia.Decode(t.Context(), path); err != nil {
		t.Errorf("decode: %v", err)
	}
	return path
}

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
