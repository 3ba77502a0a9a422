package spool_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/spool"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func wantKind(tb testing.TB, err error, k reelvault.Kind) {
	tb.Helper()
	if err == nil || reelvault.KindOf(err) != k {
		tb.Fatalf("got error %v, want one of kind %s", err, k)
	}
}

func newID(tb testing.TB) string {
	tb.Helper()
	id, err := uuid.NewV7()
	must(tb, err)
	return id.String()
}

func open(tb testing.TB, path string, c spool.Config) *spool.Dir {
	tb.Helper()
	d, err := spool.Open(path, c)
	must(tb, err)
	return d
}

func create(tb testing.TB, d *spool.Dir) *spool.File {
	tb.Helper()
	f, err := d.Create(newID(tb))
	must(tb, err)
	return f
}

func wantSizes(tb testing.TB, f *spool.File, size, synced int64) {
	tb.Helper()
	if f.Size() != size || f.Synced() != synced {
		tb.Errorf("size %d, synced %d; want %d and %d", f.Size(), f.Synced(), size, synced)
	}
}

func wantSize(tb testing.TB, r *spool.Reader, want int64) {
	tb.Helper()
	if got, err := r.Size(); err != nil || got != want {
		tb.Errorf("the reader sees %d bytes, %v; want %d", got, err, want)
	}
}

// On the real file system a file goes through its whole life, and only its
// owner may read it.
func TestLife(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "spool")
	must(t, os.MkdirAll(path, 0o755))
	d := open(t, path, spool.Config{})
	f := create(t, d)
	must(t, f.WriteHead([]byte("head....")))
	must(t, f.Append([]byte("one ")))
	must(t, f.Append([]byte("two ")))
	must(t, f.WriteHead([]byte("HEAD")))
	wantSizes(t, f, 16, 0)

	r, err := d.Open(f.ID())
	must(t, err)
	wantSize(t, r, 0)
	must(t, f.Sync(t.Context()))
	wantSizes(t, f, 16, 16)
	wantSize(t, r, 16)
	must(t, f.Append([]byte("three")))
	wantSize(t, r, 16)
	must(t, f.Seal())
	must(t, f.Seal())
	wantSize(t, r, 21)
	for name, err := range map[string]error{
		"append": f.Append([]byte("x")), "head": f.WriteHead([]byte("x")), "truncate": f.Truncate(0),
	} {
		if reelvault.KindOf(err) != reelvault.Conflict {
			t.Errorf("%s after Seal: %v", name, err)
		}
	}
	must(t, f.Close())
	must(t, f.Close())

	got := make([]byte, 21)
	_, err = r.ReadAt(got, 0)
	must(t, err)
	if want := "HEAD....one two three"; string(got) != want {
		t.Errorf("the file holds %q, want %q", got, want)
	}
	for name, want := range map[string]fs.FileMode{path: 0o700, filepath.Join(path, f.ID()): 0o600} {
		info, statErr := os.Stat(name)
		must(t, statErr)
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), want)
		}
	}
	wantLeft(t, d, f.ID())
	_, err = d.Create(f.ID())
	wantKind(t, err, reelvault.Conflict)
	must(t, d.Remove(f.ID()))
	must(t, d.Remove(f.ID()))
	wantLeft(t, d)
	if _, err = r.ReadAt(got, 0); err != nil {
		t.Errorf("an open reader after Remove: %v", err)
	}
	must(t, r.Close())
	_, err = d.Open(f.ID())
	wantKind(t, err, reelvault.NotFound)
	_, err = d.Reopen(f.ID())
	wantKind(t, err, reelvault.NotFound)
}

func wantLeft(tb testing.TB, d *spool.Dir, want ...string) {
	tb.Helper()
	got, err := d.Left()
	must(tb, err)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		tb.Errorf("left are %v, want %v", got, want)
	}
}

// A file that a crash left is mended and sealed; what it holds counts as
// synced only then. A file that is being written is neither mended nor
// removed.
func TestReopen(t *testing.T) {
	path := t.TempDir()
	crashed := create(t, open(t, path, spool.Config{}))
	must(t, crashed.Append([]byte("whole, torn")))
	must(t, crashed.Close())

	d := open(t, path, spool.Config{})
	wantLeft(t, d, crashed.ID())
	f, err := d.Reopen(crashed.ID())
	must(t, err)
	wantSizes(t, f, 11, 0)
	_, err = d.Reopen(f.ID())
	wantKind(t, err, reelvault.Conflict)
	wantKind(t, d.Remove(f.ID()), reelvault.Conflict)
	_, err = d.Create(f.ID())
	wantKind(t, err, reelvault.Conflict)

	b := make([]byte, 5)
	_, err = f.ReadAt(b, 0)
	must(t, err)
	if string(b) != "whole" {
		t.Errorf("read %q", b)
	}
	must(t, f.Truncate(5))
	wantKind(t, f.Truncate(6), reelvault.Invalid)
	wantKind(t, f.Truncate(-1), reelvault.Invalid)
	_, err = f.WriteAt([]byte(" cues"), 5)
	must(t, err)
	_, err = f.WriteAt([]byte("x"), 11)
	wantKind(t, err, reelvault.Invalid)
	must(t, f.Seal())
	wantSizes(t, f, 10, 10)
	must(t, f.Close())
	onDisk, err := os.ReadFile(filepath.Join(path, f.ID()))
	must(t, err)
	if string(onDisk) != "whole cues" {
		t.Errorf("the file holds %q", onDisk)
	}
	r, err := d.Open(f.ID())
	must(t, err)
	wantSize(t, r, 10)
	must(t, r.Close())
}

// A sealed file may be removed before its owner has let go of it.
func TestRemoveSealed(t *testing.T) {
	d := open(t, "/spool", spool.Config{FS: newDisk()})
	f := create(t, d)
	wantKind(t, d.Remove(f.ID()), reelvault.Conflict)
	must(t, f.Seal())
	must(t, d.Remove(f.ID()))
	must(t, f.Close())
	wantLeft(t, d)
}

// A file that was closed without Seal is left as it is: readers see what was
// synced of it, and it may be mended.
func TestAbandoned(t *testing.T) {
	d := open(t, "/spool", spool.Config{FS: newDisk()})
	f := create(t, d)
	must(t, f.Append([]byte("synced")))
	must(t, f.Sync(t.Context()))
	must(t, f.Append([]byte(", not synced")))
	must(t, f.Close())
	wantKind(t, f.Append([]byte("x")), reelvault.Conflict)
	wantKind(t, f.Sync(t.Context()), reelvault.Conflict)
	wantKind(t, f.Seal(), reelvault.Conflict)
	r, err := d.Open(f.ID())
	must(t, err)
	wantSize(t, r, 6)
	again, err := d.Reopen(f.ID())
	must(t, err)
	must(t, again.Seal())
	must(t, again.Close())
	r, err = d.Open(f.ID())
	must(t, err)
	wantSize(t, r, 18)
}

// Nothing but a UUID in its canonical form names a file, and nothing leads
// out of the folder.
func TestHostileIDs(t *testing.T) {
	fake := newDisk()
	d := open(t, "/spool", spool.Config{FS: fake})
	good := newID(t)
	for _, id := range []string{
		"", ".", "..", "/", "../" + good, "/etc/passwd", good + "/", good + "\x00", good + ".webm", "./" + good,
		strings.ToUpper(good), "{" + good + "}", "urn:uuid:" + good, strings.ReplaceAll(good, "-", ""),
		strings.Repeat("a", 36), strings.Repeat(good, 1000), " " + good, ".probe",
	} {
		_, err := d.Create(id)
		wantKind(t, err, reelvault.Invalid)
		_, err = d.Open(id)
		wantKind(t, err, reelvault.Invalid)
		_, err = d.Reopen(id)
		wantKind(t, err, reelvault.Invalid)
		wantKind(t, d.Remove(id), reelvault.Invalid)
	}
	if fake.count("open")+fake.count("remove") != 0 {
		t.Error("the file system was asked for such a name")
	}
}

// Listing and counting leave out what is not a spool file.
func TestUsage(t *testing.T) {
	path := t.TempDir()
	d := open(t, path, spool.Config{})
	a, b := create(t, d), create(t, d)
	must(t, a.Append(make([]byte, 1000)))
	must(t, b.Append(make([]byte, 24)))
	must(t, os.WriteFile(filepath.Join(path, "notes.txt"), make([]byte, 99), 0o600))
	must(t, os.Mkdir(filepath.Join(path, newID(t)), 0o700))
	wantLeft(t, d, a.ID(), b.ID())
	u, err := d.Usage()
	must(t, err)
	if u.Files != 2 || u.Bytes != 1024 || u.Free <= 0 {
		t.Errorf("usage is %+v", u)
	}
}

// Settings out of bounds are refused.
func TestConfig(t *testing.T) {
	for _, c := range []spool.Config{{SyncEvery: -1}, {SyncEvery: time.Second + 1}, {Reserve: -1}} {
		_, err := spool.Open("/spool", spool.Config{SyncEvery: c.SyncEvery, Reserve: c.Reserve, FS: newDisk()})
		wantKind(t, err, reelvault.Invalid)
	}
	fake := newDisk()
	fake.setFail(func(op, _ string) error {
		if op == "mkdir" {
			return syscall.EROFS
		}
		return nil
	})
	_, err := spool.Open("/spool", spool.Config{FS: fake})
	wantKind(t, err, reelvault.StorageFull)
}

// A disk that writes little at a time gets all the same everything.
func TestShortWrites(t *testing.T) {
	fake := newDisk()
	fake.short = 3
	d := open(t, "/spool", spool.Config{FS: fake})
	f := create(t, d)
	want := []byte("a sentence of some length")
	must(t, f.Append(want))
	wantSizes(t, f, int64(len(want)), 0)
	got := make([]byte, len(want))
	_, err := f.ReadAt(got, 0)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("the file holds %q", got)
	}
	fake.short = -1
	if err := f.Append(want); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a disk that takes nothing: %v", err)
	}
}

// A file whose name can't be forced to the disk is not created.
func TestCreateFails(t *testing.T) {
	fake := newDisk()
	d := open(t, "/spool", spool.Config{FS: fake})
	for _, op := range []string{"open", "syncdir"} {
		fake.setFail(func(got, _ string) error {
			if got == op {
				return syscall.ENOSPC
			}
			return nil
		})
		id := newID(t)
		_, err := d.Create(id)
		wantKind(t, err, reelvault.StorageFull)
		fake.setFail(nil)
		wantLeft(t, d)
		f, err := d.Create(id)
		must(t, err)
		must(t, f.Close())
		must(t, d.Remove(id))
	}
}

// A write that fails breaks the file for good, and its size counts none of
// it: after that every call gives the first error.
func TestWriteFails(t *testing.T) {
	tests := []struct {
		name string
		err  error
		kind reelvault.Kind
		op   string
		do   func(f *spool.File) error
	}{
		{"full", syscall.ENOSPC, reelvault.StorageFull, "write", func(f *spool.File) error { return f.Append([]byte("more")) }},
		{"quota", syscall.EDQUOT, reelvault.StorageFull, "write", func(f *spool.File) error { return f.Append([]byte("more")) }},
		{"broken", syscall.EIO, reelvault.Internal, "write", func(f *spool.File) error { return f.Append([]byte("more")) }},
		{"read-only head", syscall.EROFS, reelvault.StorageFull, "write", func(f *spool.File) error { return f.WriteHead([]byte("head")) }},
		{"cut", syscall.EIO, reelvault.Internal, "truncate", func(f *spool.File) error { return f.Truncate(2) }},
		{"sync", syscall.EIO, reelvault.Internal, "sync", func(f *spool.File) error { return f.Sync(context.Background()) }},
		{"seal", syscall.EIO, reelvault.Internal, "sync", func(f *spool.File) error { return f.Seal() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fake := newDisk()
			d := open(t, "/spool", spool.Config{FS: fake})
			f := create(t, d)
			must(t, f.Append([]byte("before")))
			must(t, f.Sync(t.Context()))
			must(t, f.Append([]byte("...")))
			fake.setFail(func(op, _ string) error {
				if op == tt.op {
					return tt.err
				}
				return nil
			})
			err := tt.do(f)
			wantKind(t, err, tt.kind)
			if !errors.Is(err, tt.err) || !errors.Is(f.Err(), tt.err) {
				t.Errorf("got %v, Err gives %v; want %v", err, f.Err(), tt.err)
			}
			wantSizes(t, f, 9, 6)
			fake.setFail(nil) // the disk is well again; the file is not
			syncs := fake.count("sync")
			for _, err := range []error{f.Append([]byte("x")), f.WriteHead([]byte("x")), f.Sync(t.Context()), f.Seal(), f.Truncate(0)} {
				if !errors.Is(err, tt.err) {
					t.Errorf("a later call gives %v", err)
				}
			}
			if fake.count("sync") != syncs {
				t.Error("a sync was tried again")
			}
			must(t, f.Close())
			wantSizes(t, f, 9, 6)
			must(t, create(t, d).Append([]byte("goes on in a new file")))
		})
	}
}
