package storage_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/disk"
	"github.com/reelvault/reelvault/storage/sqlite"
	"github.com/reelvault/reelvault/storage/storagetest"
)

// patience is for a loaded machine; nothing here takes a second otherwise.
const patience = 2 * time.Minute

// folder is a spool: a directory of files. It tells of each file it removes.
type folder struct {
	dir     string
	removed chan string
}

func newFolder(t *testing.T) *folder {
	t.Helper()
	return &folder{dir: t.TempDir(), removed: make(chan string, 100)}
}

type folderReader struct{ *os.File }

func (r folderReader) Size() (int64, error) {
	info, err := r.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (s *folder) path(id string) string { return filepath.Join(s.dir, id) }

func (s *folder) Open(id string) (storage.SpoolReader, error) {
	f, err := os.Open(s.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &reelvault.Error{Kind: reelvault.NotFound, Message: "no spool file", Cause: err}
	}
	return folderReader{f}, err
}

func (s *folder) Remove(id string) error {
	if err := os.Remove(s.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	select {
	case s.removed <- id:
	default: // nobody is waiting
	}
	return nil
}

func (s *folder) Left() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.Name())
	}
	return ids, err
}

func (s *folder) write(t *testing.T, id string, p []byte) {
	t.Helper()
	if err := os.WriteFile(s.path(id), p, 0o600); err != nil {
		t.Fatal(err)
	}
}

// rig is what an archive works on: a catalog with one recording, and a spool.
type rig struct {
	catalog   storage.Catalog
	spool     *folder
	tenant    string
	recording string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	path := filepath.Join(t.TempDir(), "catalog.db")
	empty, err := emptyCatalog()
	must(t, err)
	must(t, os.WriteFile(path, empty, 0o600))
	catalog, err := sqlite.Open(t.Context(), path, time.Now, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { must(t, catalog.Close()) })
	r := &rig{catalog: catalog, spool: newFolder(t), tenant: newID(), recording: newID()}
	session := newID()
	now := time.Now()
	must(t, catalog.CreateTenant(t.Context(), reelvault.Tenant{ID: r.tenant, Name: "one", CreatedAt: now}))
	_, _, err = catalog.CreateSession(t.Context(), reelvault.Session{
		ID: session, TenantID: r.tenant, Channel: reelvault.ChannelAV, Source: reelvault.SourceDefault,
		Status: reelvault.StatusActive, CreatedAt: now,
	})
	must(t, err)
	must(t, catalog.CreateRecording(t.Context(), reelvault.Recording{
		ID: r.recording, TenantID: r.tenant, SessionID: session, Kind: reelvault.RecordingAV,
		State: reelvault.RecordingReady, Durability: reelvault.Spooled, StartedAt: now,
	}))
	return r
}

// emptyCatalog gives the database file of a catalog without rows: hundreds of
// rigs need not migrate their own.
var emptyCatalog = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "catalog")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	path := filepath.Join(dir, "catalog.db")
	catalog, err := sqlite.Open(context.Background(), path, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	if err := catalog.Close(); err != nil { // which leaves no write-ahead log
		return nil, err
	}
	return os.ReadFile(path)
})

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// file puts p into the spool as a new file of the recording.
func (r *rig) file(t *testing.T, p []byte, sealed bool) reelvault.File {
	t.Helper()
	f := reelvault.File{ID: newID(), RecordingID: r.recording, Container: reelvault.WebM, Durability: reelvault.Spooled}
	f.Key = r.recording + "/" + f.ID + ".webm"
	return r.save(t, f, p, sealed)
}

// save replaces what the spool and the catalog have of f.
func (r *rig) save(t *testing.T, f reelvault.File, p []byte, sealed bool) reelvault.File {
	t.Helper()
	r.spool.write(t, f.ID, p)
	if sealed {
		f.Sealed, f.Bytes = true, int64(len(p))
	}
	must(t, r.catalog.SaveFile(t.Context(), f))
	return f
}

// row gives what the catalog has of f now.
func (r *rig) row(t *testing.T, f reelvault.File) reelvault.File {
	t.Helper()
	rec, err := r.catalog.RecordingOfFile(t.Context(), f.ID)
	must(t, err)
	for _, row := range rec.Files {
		if row.ID == f.ID {
			return row
		}
	}
	t.Fatalf("no row of file %s", f.ID)
	return reelvault.File{}
}

// archive makes an archive over b and the rig, or over what stands in for
// parts of it.
func (r *rig) archive(b storage.Blobs) *storage.Archive {
	return storage.NewArchive(storage.ArchiveConfig{Catalog: r.catalog, Blobs: b, Spool: r.spool})
}

// run runs a until the test ends or stop is called, which waits.
func run(t *testing.T, a *storage.Archive) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// awaitRemoved waits until the spool has let go of n files.
func (r *rig) awaitRemoved(t *testing.T, a *storage.Archive, n int) {
	t.Helper()
	timeout := time.After(patience)
	for i := range n {
		select {
		case <-r.spool.removed:
		case <-timeout:
			t.Fatalf("%d of %d files are done after %v; stats %+v", i, n, patience, a.Stats())
		}
	}
}

// awaitStats waits until the archive's figures are such.
func awaitStats(t *testing.T, a *storage.Archive, what string, such func(storage.ArchiveStats) bool) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("stats %+v", a.Stats())
		}
	}()
	await(t, what, func() bool { return such(a.Stats()) })
}

// await waits until such.
func await(t *testing.T, what string, such func() bool) {
	t.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	timeout := time.After(patience)
	for !such() {
		select {
		case <-poll.C:
		case <-timeout:
			t.Fatalf("not %s after %v", what, patience)
		}
	}
}

// expectDurable finds f verified, as want, in the store and nowhere else.
func (r *rig) expectDurable(t *testing.T, b storage.Blobs, f reelvault.File, want []byte) {
	t.Helper()
	row := r.row(t, f)
	sum := sha256.Sum256(want)
	if row.Durability != reelvault.Verified || row.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("file is %s with SHA-256 %s, want verified with %x", row.Durability, row.SHA256, sum)
	}
	if err := compareObject(b, row, want); err != nil {
		t.Errorf("the object is not the file: %v", err)
	}
	if left, _ := r.spool.Left(); len(left) > 0 {
		t.Errorf("the spool still has %v", left)
	}
	if id, err := r.catalog.Upload(t.Context(), f.ID); id != "" || err != nil {
		t.Errorf("the catalog still has upload %q, %v", id, err)
	}
}

// compareObject says in what the object of a file is not want. It reads in
// small pieces: the race detector makes large buffers dear.
func compareObject(b storage.Blobs, f reelvault.File, want []byte) error {
	if f.Bytes != int64(len(want)) {
		return fmt.Errorf("the file has %d bytes, want %d", f.Bytes, len(want))
	}
	rc, err := b.Open(context.Background(), storage.Object{Key: f.Key, Version: f.Version, Size: f.Bytes}, 0, -1)
	if err != nil {
		return err
	}
	piece := make([]byte, 32<<10)
	for len(want) > 0 && err == nil {
		var n int
		n, err = io.ReadFull(rc, piece[:min(len(piece), len(want))])
		if !bytes.Equal(piece[:n], want[:n]) {
			err = errors.New("other bytes")
		}
		want = want[n:]
	}
	return errors.Join(err, rc.Close())
}

// openDisk gives a store in a new directory, and the directory.
func openDisk(t *testing.T) (*disk.Blobs, string) {
	t.Helper()
	dir := t.TempDir()
	b, err := disk.Open(dir)
	must(t, err)
	t.Cleanup(func() { must(t, b.Close()) })
	return b, dir
}

// expectOnlyObjects finds the objects of these keys in a disk store, and
// nothing else: no upload, nothing half written.
func expectOnlyObjects(t *testing.T, dir string, keys ...string) {
	t.Helper()
	var want []string
	for _, k := range keys {
		want = append(want, "objects/"+k)
	}
	slices.Sort(want)
	if found := filesIn(t, dir); !slices.Equal(found, want) {
		t.Errorf("the store has %q, want %q", found, want)
	}
}

// filesIn lists the files in a directory and below, sorted.
func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	must(t, fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, path)
		}
		return err
	}))
	return found
}

// crashSize is the size of a crash test's large file: two parts.
const crashSize = storage.PartSize + 1000

// growingBytes and sealedBytes are a crash test's large file before its head
// is written for the last time, and after. Hundreds of runs share them, so
// nobody may write to them.
var (
	growingBytes = sync.OnceValue(func() []byte { return storagetest.Bytes(7, crashSize) })
	sealedBytes  = sync.OnceValue(func() []byte {
		p := bytes.Clone(growingBytes())
		p[0]++
		return p
	})
)
