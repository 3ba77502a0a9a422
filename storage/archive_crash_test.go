package storage_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/s3"
	"github.com/reelvault/reelvault/storage/storagetest"
)

// errPower is what a call gives that the crash comes in.
var errPower = errors.New("the power is gone")

// scenario is a file on its road, and what the road ends in.
type scenario struct {
	name string
	make func(t *testing.T, r *rig, b storage.Blobs) (reelvault.File, []byte)
	end  func(t *testing.T, r *rig, b storage.Blobs, f reelvault.File, want []byte)
}

func sealedFile(size int) func(*testing.T, *rig, storage.Blobs) (reelvault.File, []byte) {
	return func(t *testing.T, r *rig, _ storage.Blobs) (reelvault.File, []byte) {
		t.Helper()
		want := sealedBytes()[:size]
		return r.file(t, want, true), want
	}
}

// leftGrowing is a sealed file of which an earlier process sent a part while
// it grew.
func leftGrowing(t *testing.T, r *rig, b storage.Blobs) (reelvault.File, []byte) {
	t.Helper()
	f := r.file(t, growingBytes(), false)
	a := r.archive(b)
	stop := run(t, a)
	awaitStats(t, a, "a part stored", func(s storage.ArchiveStats) bool { return s.Parts == 1 })
	stop()
	return r.save(t, f, sealedBytes(), true), sealedBytes()
}

// deletedFile is a file that was stored and then deleted.
func deletedFile(t *testing.T, r *rig, b storage.Blobs) (reelvault.File, []byte) {
	t.Helper()
	want := sealedBytes()[:5000]
	f := r.file(t, want, true)
	a := r.archive(b)
	stop := run(t, a)
	r.awaitRemoved(t, a, 1)
	stop()
	_, err := r.catalog.MoveRecording(t.Context(), r.recording, reelvault.EventDelete, reelvault.Recording{})
	must(t, err)
	return f, want
}

func endsDurable(t *testing.T, r *rig, b storage.Blobs, f reelvault.File, want []byte) {
	t.Helper()
	await(t, "verified and out of the spool", func() bool {
		left, err := r.spool.Left()
		return err == nil && len(left) == 0 && r.row(t, f).Durability == reelvault.Verified
	})
	r.expectDurable(t, b, f, want)
}

func endsErased(t *testing.T, r *rig, b storage.Blobs, f reelvault.File, _ []byte) {
	t.Helper()
	await(t, "erased", func() bool {
		erasable, err := r.catalog.Erasable(t.Context())
		return err == nil && len(erasable) == 0
	})
	if o, err := b.Stat(t.Context(), f.Key, ""); reelvault.KindOf(err) != reelvault.NotFound {
		t.Errorf("the store still has %+v, %v", o, err)
	}
}

var (
	small   = scenario{"small", sealedFile(5000), endsDurable}
	parts   = scenario{"parts", sealedFile(crashSize), endsDurable}
	grown   = scenario{"grown", leftGrowing, endsDurable}
	deleted = scenario{"deleted", deletedFile, endsErased}
)

// The process dies in any call, after it did all and before it says so:
// nothing that was promised is missing, and the next process finishes. Dying
// before a call did anything leaves what dying after the call before it does.
func TestArchiveCrash(t *testing.T) {
	eachStep(t, []scenario{small, parts, deleted}, []bool{true}, func(t *testing.T, sc scenario, s *steps) {
		t.Helper()
		b, dir := openDisk(t)
		crashAt(t, newRig(t), b, sc, s)
		if sc.name != deleted.name {
			expectOneFile(t, dir)
		}
	})
}

// The same over a real server, whose bucket keeps versions: never two of
// them, and no upload stays behind.
func TestArchiveCrashS3(t *testing.T) {
	server := storagetest.StartMinIO(t)
	var runs atomic.Int64
	eachStep(t, []scenario{grown, deleted}, []bool{true}, func(t *testing.T, sc scenario, s *steps) {
		t.Helper()
		bucket := fmt.Sprintf("run-%d", runs.Add(1))
		server.MakeBucket(bucket)
		crashAt(t, newRig(t), openS3(t, server, server.Endpoint, bucket), sc, s)
		want := 1
		if sc.name == deleted.name {
			want = 0
		}
		if versions := server.Objects(bucket); len(versions) != want {
			t.Errorf("the bucket has %q, want %d versions", versions, want)
		}
		if uploads := server.Uploads(bucket); len(uploads) > 0 {
			t.Errorf("uploads of %q stay behind", uploads)
		}
	})
}

// crashAt runs the scenario until the hit call, and then anew to its end.
func crashAt(t *testing.T, r *rig, b storage.Blobs, sc scenario, s *steps) {
	t.Helper()
	f, want := sc.make(t, r, b)
	ctx, crash := context.WithCancel(t.Context())
	defer crash()
	crashed := make(chan struct{})
	s.hit = func() error {
		crash()
		close(crashed)
		return errPower
	}
	done := make(chan error, 1)
	go func() { done <- r.stepped(b, s).Run(ctx) }()
	select {
	case <-crashed:
	case <-ended(ctx, r):
		select {
		case <-crashed: // in the very last call
		default:
			crash()
		}
	}
	crash()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if sc.name != deleted.name {
		expectNothingLost(t, r, b, f, want)
	}
	stop := run(t, r.archive(b))
	sc.end(t, r, b, f, want)
	stop()
}

// ended closes its channel when nothing is left to do, or ctx ends.
func ended(ctx context.Context, r *rig) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		poll := time.NewTicker(5 * time.Millisecond)
		defer poll.Stop()
		for ctx.Err() == nil {
			if r.idle(ctx) {
				return
			}
			select {
			case <-poll.C:
			case <-ctx.Done():
			}
		}
	}()
	return done
}

// idle says that nothing is left to do.
func (r *rig) idle(ctx context.Context) bool {
	left, err := r.spool.Left()
	if err != nil || len(left) > 0 {
		return false // without asking the catalog, which is dear
	}
	erasable, erasableErr := r.catalog.Erasable(ctx)
	unstored, unstoredErr := r.catalog.Unstored(ctx)
	return erasableErr == nil && unstoredErr == nil && len(erasable)+len(unstored) == 0
}

// expectNothingLost finds the bytes of f somewhere, at any moment, and what
// the catalog says of them true.
func expectNothingLost(t *testing.T, r *rig, b storage.Blobs, f reelvault.File, want []byte) {
	t.Helper()
	row := r.row(t, f)
	left, leftErr := r.spool.Left()
	must(t, leftErr)
	if len(left) == 0 && row.Durability != reelvault.Verified {
		t.Errorf("the spool file is gone, and the file only %s", row.Durability)
	}
	if row.Durability != reelvault.Spooled {
		if err := compareObject(b, row, want); err != nil {
			t.Errorf("the file is %s, and its object is not the file: %v", row.Durability, err)
		}
	}
	rc, size, err := r.archive(b).Open(t.Context(), row)
	if err != nil {
		t.Errorf("the file can't be opened: %v", err)
		return
	}
	if size != int64(len(want)) {
		t.Errorf("the file opens with %d bytes, want %d", size, len(want))
	}
	must(t, rc.Close())
}

// A call fails once, before it did anything or after it did all, and the
// process goes on: it finishes without help.
func TestArchiveFailure(t *testing.T) {
	_, err := emptyCatalog()
	must(t, err)
	eachStep(t, []scenario{small, grown, deleted}, []bool{false, true}, func(t *testing.T, sc scenario, s *steps) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) { failAt(t, sc, s) })
	})
}

// failAt runs the scenario to its end with the hit call failing.
func failAt(t *testing.T, sc scenario, s *steps) {
	t.Helper()
	kind := reelvault.Unavailable
	if s.at%2 == 0 {
		kind = reelvault.Conflict
	}
	s.hit = func() error { return reelvault.Errorf(kind, "hit") }
	b, dir := openDisk(t)
	r := newRig(t)
	f, want := sc.make(t, r, b)
	stop := run(t, r.stepped(b, s))
	sc.end(t, r, b, f, want)
	stop()
	if sc.name != deleted.name {
		expectOneFile(t, dir)
	}
}

// eachStep runs a test once undisturbed, and then once for each call that was
// made and side of it that is hit: before, or after.
func eachStep(t *testing.T, scenarios []scenario, sides []bool, test func(*testing.T, scenario, *steps)) {
	t.Helper()
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			calm := &steps{}
			test(t, sc, calm)
			if len(calm.names) < 6 {
				t.Fatalf("only %q are called", calm.names)
			}
			for i, name := range calm.names {
				for _, after := range sides {
					t.Run(fmt.Sprintf("%d %s after=%t", i+1, name, after), func(t *testing.T) {
						t.Parallel()
						s := &steps{at: i + 1, after: after}
						test(t, sc, s)
						if !s.reached() {
							t.Errorf("call %d was not reached", i+1)
						}
					})
				}
			}
		})
	}
}

// expectOneFile finds one object in a disk store, and nothing else.
func expectOneFile(t *testing.T, dir string) {
	t.Helper()
	if found := filesIn(t, dir); len(found) != 1 || !strings.HasPrefix(found[0], "objects/") {
		t.Errorf("the store has %q, want one object", found)
	}
}

func openS3(t *testing.T, server *storagetest.Server, endpoint, bucket string) *s3.Blobs {
	t.Helper()
	b, err := s3.Open(t.Context(), s3.Config{
		Endpoint: endpoint, Bucket: bucket, AccessKey: server.AccessKey, SecretKey: reelvault.Secret(server.SecretKey),
	})
	must(t, err)
	return b
}
