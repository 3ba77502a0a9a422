package storage_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/storagetest"
)

// A sealed file of any size ends up verified in the store, once, and not in
// the spool.
func TestArchiveSealed(t *testing.T) {
	r := newRig(t)
	b, dir := openDisk(t)
	files := map[*reelvault.File][]byte{}
	var keys []string
	for i, size := range []int{0, 1, storage.PartSize - 1, storage.PartSize, storage.PartSize + 1, 3*storage.PartSize + 1000} {
		want := storagetest.Bytes(byte(i), size)
		f := r.file(t, want, true)
		files[&f] = want
		keys = append(keys, f.Key)
	}
	a := r.archive(b)
	run(t, a)
	r.awaitRemoved(t, a, len(files))
	for f, want := range files {
		r.expectDurable(t, b, *f, want)
	}
	expectOnlyObjects(t, dir, keys...)
	rec, err := r.catalog.Recording(t.Context(), r.tenant, r.recording)
	if err != nil || rec.Durability != reelvault.Verified {
		t.Errorf("the recording is %s, %v, want verified", rec.Durability, err)
	}
	awaitStats(t, a, "idle", func(s storage.ArchiveStats) bool {
		return s.BacklogFiles == 0 && s.BacklogBytes == 0 && s.OldestAge == 0 && s.Verified == uint64(len(files))
	})
	if err := a.Healthy(); err != nil {
		t.Errorf("Healthy: %v", err)
	}
}

// A growing file goes up in whole parts; once sealed, part 1 goes up again
// with the final head, and what follows it once.
func TestArchiveGrowing(t *testing.T) {
	r := newRig(t)
	b, dir := openDisk(t)
	want := storagetest.Bytes(1, 2*storage.PartSize+1000)
	f := r.file(t, want[:storage.PartSize-1], false)
	a := r.archive(b)
	run(t, a)
	awaitStats(t, a, "growing", func(s storage.ArchiveStats) bool { return s.Growing == 1 })

	parts := func(n uint64) func(storage.ArchiveStats) bool {
		return func(s storage.ArchiveStats) bool { return s.Parts == n }
	}
	r.spool.write(t, f.ID, want[:storage.PartSize+1])
	a.Ring(f.ID)
	awaitStats(t, a, "one part stored", parts(1))
	r.spool.write(t, f.ID, want[:2*storage.PartSize])
	a.Ring(f.ID)
	awaitStats(t, a, "two parts stored", parts(2))

	copy(want, "the head with the duration")
	r.save(t, f, want, true)
	a.Ring(f.ID)
	r.awaitRemoved(t, a, 1)
	r.expectDurable(t, b, f, want)
	expectOnlyObjects(t, dir, f.Key)
	if s := a.Stats(); s.Parts != 4 || s.Retries != 0 || s.Mismatches != 0 {
		t.Errorf("%+v, want 4 parts: two growing, the first again, and the rest", s)
	}
}

// A file that broke and was cut below what has gone up already is stored as
// it is now.
func TestArchiveCut(t *testing.T) {
	for _, size := range []int{0, 100, storage.PartSize, storage.PartSize + 100} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r := newRig(t)
			b, dir := openDisk(t)
			long := storagetest.Bytes(1, 2*storage.PartSize)
			f := r.file(t, long, false)
			a := r.archive(b)
			run(t, a)
			awaitStats(t, a, "two parts stored", func(s storage.ArchiveStats) bool { return s.Parts == 2 })
			want := bytes.Clone(long[:size])
			copy(want[size/2:], "mended")
			r.save(t, f, want, true)
			a.Ring(f.ID)
			r.awaitRemoved(t, a, 1)
			r.expectDurable(t, b, f, want)
			expectOnlyObjects(t, dir, f.Key)
			if s := a.Stats(); s.Mismatches != 0 || s.Retries != 0 {
				t.Errorf("%+v, want no second try", s)
			}
		})
	}
}

// A new process that finds an upload of a growing file begins again from the
// spool.
func TestArchiveRestart(t *testing.T) {
	r := newRig(t)
	b, dir := openDisk(t)
	want := storagetest.Bytes(1, 2*storage.PartSize+10)
	f := r.file(t, want[:2*storage.PartSize], false)
	first := r.archive(b)
	stop := run(t, first)
	awaitStats(t, first, "two parts stored", func(s storage.ArchiveStats) bool { return s.Parts == 2 })
	stop()
	if id, err := r.catalog.Upload(t.Context(), f.ID); id == "" || err != nil {
		t.Fatalf("the catalog has upload %q, %v, want one", id, err)
	}
	r.save(t, f, want, true)
	second := r.archive(b)
	run(t, second)
	r.awaitRemoved(t, second, 1)
	r.expectDurable(t, b, f, want)
	expectOnlyObjects(t, dir, f.Key)
}

// What a crash kept between commit and removal is removed by the next process;
// files that nobody knows are not touched.
func TestArchiveSweep(t *testing.T) {
	r := newRig(t)
	b, _ := openDisk(t)
	want := storagetest.Bytes(1, 5000)
	f := r.file(t, want, true)
	a := r.archive(b)
	stop := run(t, a)
	r.awaitRemoved(t, a, 1)
	stop()
	r.spool.write(t, f.ID, want)
	stranger := newID()
	r.spool.write(t, stranger, want)
	a = r.archive(b)
	run(t, a)
	r.awaitRemoved(t, a, 1)
	left, err := r.spool.Left()
	if err != nil || len(left) != 1 || left[0] != stranger {
		t.Errorf("the spool has %v, %v, want %s alone", left, err, stranger)
	}
}

// The files of a deleted recording vanish from store, spool and catalog,
// whatever had become of them.
func TestArchiveErase(t *testing.T) {
	r := newRig(t)
	b, dir := openDisk(t)
	files := []reelvault.File{
		r.file(t, storagetest.Bytes(1, 5000), true),
		r.file(t, storagetest.Bytes(2, storage.PartSize+5), true),
		r.file(t, storagetest.Bytes(3, storage.PartSize+5), false), // its upload stays open
	}
	a := r.archive(b)
	run(t, a)
	r.awaitRemoved(t, a, 2)
	awaitStats(t, a, "an open upload", func(s storage.ArchiveStats) bool { return s.Parts == 4 })
	_, err := r.catalog.MoveRecording(t.Context(), r.recording, reelvault.EventDelete, reelvault.Recording{})
	must(t, err)
	a.Ring(files[0].ID)
	awaitStats(t, a, "erased", func(s storage.ArchiveStats) bool { return s.Erased == 3 && s.Erasable == 0 })
	expectOnlyObjects(t, dir)
	erasable, err := r.catalog.Erasable(t.Context())
	if err != nil || len(erasable) > 0 {
		t.Errorf("the catalog still has %v, %v", erasable, err)
	}
	if left, _ := r.spool.Left(); len(left) > 0 {
		t.Errorf("the spool still has %v", left)
	}
}

// A sealed file whose spool file is not what was sealed is never stored as if
// it were, and keeps nobody else waiting.
func TestArchiveRefusesOtherBytes(t *testing.T) {
	r := newRig(t)
	b, dir := openDisk(t)
	short := r.file(t, storagetest.Bytes(1, 5000), true)
	r.spool.write(t, short.ID, storagetest.Bytes(1, 4999))
	long := r.file(t, storagetest.Bytes(1, 5000), true)
	r.spool.write(t, long.ID, storagetest.Bytes(1, 5001))
	gone := r.file(t, storagetest.Bytes(2, 5000), true)
	must(t, r.spool.Remove(gone.ID))
	<-r.spool.removed
	good := r.file(t, storagetest.Bytes(3, 5000), true)
	a := r.archive(b)
	run(t, a)
	r.awaitRemoved(t, a, 1)
	awaitStats(t, a, "tried", func(s storage.ArchiveStats) bool { return s.Retries >= 6 })
	expectOnlyObjects(t, dir, good.Key)
	for _, f := range []reelvault.File{short, long, gone} {
		if row := r.row(t, f); row.Durability != reelvault.Spooled {
			t.Errorf("file is %s, want spooled", row.Durability)
		}
	}
	if left, _ := r.spool.Left(); !slices.Equal(left, []string{short.ID, long.ID}) {
		t.Errorf("the spool has %v, want %s and %s", left, short.ID, long.ID)
	}
	if err := a.Healthy(); err != nil {
		t.Errorf("Healthy: %v, but the store is", err)
	}
}
