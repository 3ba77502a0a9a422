package storage_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/storagetest"
)

// A file reads the same while it is in the spool only, and once it is in the
// store only; also for who looked it up before.
func TestArchiveOpen(t *testing.T) {
	r := newRig(t)
	b, _ := openDisk(t)
	want := storagetest.Bytes(1, 3*storage.PartSize/2)
	before := r.file(t, want, true)
	a := r.archive(b)
	expectContent(t, a, before, want)
	run(t, a)
	r.awaitRemoved(t, a, 1)
	expectContent(t, a, before, want)
	expectContent(t, a, r.row(t, before), want)
}

// expectContent reads f as players do: all of it, and then here and there.
func expectContent(t *testing.T, a *storage.Archive, f reelvault.File, want []byte) {
	t.Helper()
	rc, size, err := a.Open(t.Context(), f)
	must(t, err)
	if size != int64(len(want)) {
		t.Fatalf("%d bytes, want %d", size, len(want))
	}
	got, err := io.ReadAll(rc)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("read %d bytes, %v, want the %d of the file", len(got), err, len(want))
	}
	source := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, 1000)
	for range 100 {
		at := source.Int64N(size)
		whence := []int{io.SeekStart, io.SeekCurrent, io.SeekEnd}[source.IntN(3)]
		from := map[int]int64{io.SeekEnd: size}
		if whence == io.SeekCurrent {
			from[whence], err = rc.Seek(0, io.SeekCurrent)
			must(t, err)
		}
		found, err := rc.Seek(at-from[whence], whence)
		if err != nil || found != at {
			t.Fatalf("Seek gives %d, %v, want %d", found, err, at)
		}
		n, err := io.ReadFull(rc, p[:min(1000, size-at)])
		if err != nil || !bytes.Equal(p[:n], want[at:at+int64(n)]) {
			t.Fatalf("at %d: %d bytes, %v, that are not the file's", at, n, err)
		}
	}
	if _, err := rc.Seek(-1, io.SeekStart); err == nil {
		t.Error("Seek before the start succeeds")
	}
	must(t, rc.Close())
}

// A growing file reads as long as it was when it was opened; bytes that are
// gone are not found; a store that is down is unavailable; an object of
// another size is never played.
func TestArchiveOpenRefuses(t *testing.T) {
	r := newRig(t)
	b, dir := openDisk(t)
	want := storagetest.Bytes(1, 5000)

	growing := r.file(t, want[:4000], false)
	a := r.archive(b)
	rc, size, err := a.Open(t.Context(), growing)
	must(t, err)
	r.spool.write(t, growing.ID, want)
	if got, err := io.ReadAll(rc); err != nil || size != 4000 || !bytes.Equal(got, want[:4000]) {
		t.Errorf("%d of %d bytes, %v, want 4000", len(got), size, err)
	}
	must(t, rc.Close())

	gone := r.file(t, want, true)
	must(t, r.spool.Remove(gone.ID))
	<-r.spool.removed
	if _, _, err := a.Open(t.Context(), gone); reelvault.KindOf(err) != reelvault.NotFound {
		t.Errorf("Open of a file without bytes: %v, want not-found", err)
	}

	stored := r.file(t, want, true)
	stop := run(t, a)
	r.awaitRemoved(t, a, 1)
	stop()
	offline := r.archive(offlineBlobs{b})
	if _, _, err := offline.Open(t.Context(), stored); reelvault.KindOf(err) != reelvault.Unavailable {
		t.Errorf("Open with the store down: %v, want unavailable", err)
	}
	row := r.row(t, stored)
	cutObject(t, dir, row.Key, 4999)
	if _, _, err := a.Open(t.Context(), row); err == nil {
		t.Error("an object that is too short is played")
	}
}

// offlineBlobs can't be reached.
type offlineBlobs struct{ storage.Blobs }

func (offlineBlobs) Stat(context.Context, string, string) (storage.Object, error) {
	return storage.Object{}, reelvault.Errorf(reelvault.Unavailable, "offline")
}
