// Package durable_test proves that recordings survive what happens to the
// machine: the program is run as its users run it, recorded into by real
// publishers, and killed, stopped, cut off from its object store, or left
// without disk. What it has afterwards is compared frame by frame with what
// was sent, and when.
package durable_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage/storagetest"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// patience is for a loaded machine; nothing here takes it otherwise.
const patience = 2 * time.Minute

// soak asks for the long versions.
var soak = os.Getenv("SOAK") != ""

// program builds the program once for all tests.
var program = sync.OnceValues(func() (string, error) {
	return node.Build(context.Background(), buildDir)
})

// buildDir is set before any test runs.
var buildDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "durable")
	if err != nil {
		panic(err)
	}
	buildDir = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(code) //nolint:forbidigo // what m.Run gives is for this
}

// start starts a node that ends with the test, and says what it wrote if the
// test fails.
func start(t *testing.T, spec node.Spec) *node.Node {
	t.Helper()
	path, err := program()
	must(t, err)
	spec.Program = path
	if spec.Dir == "" {
		spec.Dir = t.TempDir()
	}
	n, err := node.Start(t.Context(), spec)
	must(t, err)
	t.Cleanup(func() {
		if err := n.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the program wrote:\n%s", n.Log())
		}
	})
	return n
}

// storeAt says how a node is run on an S3 server.
func storeAt(server *storagetest.Server, endpoint, bucket string) node.Spec {
	return node.Spec{
		Args: []string{"--s3-endpoint", endpoint, "--s3-bucket", bucket},
		Env:  []string{"REELVAULT_S3_ACCESS_KEY=" + server.AccessKey, "REELVAULT_S3_SECRET_KEY=" + server.SecretKey},
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wait lets media run for d.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// await asks until such, and fails after patience.
func await(t *testing.T, what string, such func() bool) {
	t.Helper()
	timeout := time.After(patience)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for !such() {
		select {
		case <-poll.C:
		case <-timeout:
			t.Fatalf("not %s after %v", what, patience)
		}
	}
}

// clipKind is what a publisher sends.
type clipKind struct {
	codec   reelvault.Codec
	bitRate int
}

// clips are encoded once each.
var clips = struct {
	sync.Mutex
	made map[clipKind]*testmedia.Clip
}{made: map[clipKind]*testmedia.Clip{}}

func clip(t *testing.T, kind clipKind) *testmedia.Clip {
	t.Helper()
	clips.Lock()
	defer clips.Unlock()
	if c := clips.made[kind]; c != nil {
		return c
	}
	spec := testmedia.ClipSpec{
		Video: kind.codec, Width: 320, Height: 180, FPS: 15, KeyEvery: time.Second, BitRate: kind.bitRate, Duration: 4 * time.Second, Hiss: true,
	}
	if kind.bitRate > 2_000_000 {
		spec.Width, spec.Height, spec.FPS = 640, 360, 30
	}
	c, err := testmedia.Encode(t.Context(), spec)
	must(t, err)
	clips.made[kind] = c
	return c
}

var (
	vp8  = clipKind{reelvault.VP8, 300_000}
	vp9  = clipKind{reelvault.VP9, 300_000}
	h264 = clipKind{reelvault.H264, 300_000}

	// thick fills a part of the object store's within ten seconds.
	thick = clipKind{reelvault.VP8, 8_000_000}
)

// spooled lists the spool files of a node.
func spooled(n *node.Node) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(n.Data, "spool"))
	var names []string
	for _, e := range entries {
		if e.Name() != ".probe" { // what a kill leaves of a look for room; the next look removes it
			names = append(names, e.Name())
		}
	}
	return names, err
}

// awaitVerified waits until all recordings of a session that can be played are
// verified, and gives them.
func awaitVerified(t *testing.T, n *node.Node, session string) []node.Recording {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	all, err := n.Await(ctx, session, func(all []node.Recording) bool {
		return node.Finished(all) && !slices.ContainsFunc(all, func(r node.Recording) bool { return r.Durability != "verified" })
	})
	must(t, err)
	return all
}

// expectStore finds exactly the objects of these files in a bucket, once each,
// no open upload, and nothing in the spool.
func expectStore(t *testing.T, n *node.Node, server *storagetest.Server, bucket string, files []node.File) {
	t.Helper()
	await(t, "out of the spool", func() bool {
		left, err := spooled(n)
		return err == nil && len(left) == 0
	})
	objects := server.Objects(bucket)
	if len(objects) != len(files) {
		t.Errorf("the bucket has %q, want the %d files", objects, len(files))
	}
	if uploads := server.Uploads(bucket); len(uploads) > 0 {
		t.Errorf("uploads of %q stay behind", uploads)
	}
}

// filesOf gives the files of recordings.
func filesOf(all []node.Recording) []node.File {
	var files []node.File
	for _, r := range all {
		files = append(files, r.Files...)
	}
	return files
}

// bucketName makes a bucket's name of a few words.
func bucketName(words ...any) string { return fmt.Sprint(words...) }
