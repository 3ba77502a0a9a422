package storage_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/storagetest"
)

// An object that lies under a file's key and is not the file is replaced, and
// counted; one that is the file is taken as it is.
func TestArchiveTakenKey(t *testing.T) {
	_, err := emptyCatalog()
	must(t, err)
	for name, size := range map[string]int{"small": 5000, "parts": crashSize} {
		for _, ours := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t)
					b, dir := openDisk(t)
					want := sealedBytes()[:size]
					there := want
					if !ours {
						there = storagetest.Bytes(9, 100)
					}
					f := r.file(t, want, true)
					putObject(t, b, f.Key, there)
					a := r.archive(b)
					run(t, a)
					r.awaitRemoved(t, a, 1)
					r.expectDurable(t, b, f, want)
					expectOnlyObjects(t, dir, f.Key)
					mismatches := uint64(1)
					if ours {
						mismatches = 0
					}
					if s := a.Stats(); s.Mismatches != mismatches {
						t.Errorf("%+v, want %d mismatches", s, mismatches)
					}
				})
			})
		}
	}
}

// putObject stores p under key, in parts if it is large.
func putObject(t *testing.T, b storage.Blobs, key string, p []byte) {
	t.Helper()
	if len(p) <= storage.PartSize {
		_, err := b.Put(t.Context(), key, bytes.NewReader(p), int64(len(p)))
		must(t, err)
		return
	}
	u, err := b.Begin(t.Context(), key)
	must(t, err)
	var parts []storage.Part
	for off := 0; off < len(p); off += storage.PartSize {
		piece := p[off:min(off+storage.PartSize, len(p))]
		part, partErr := b.PutPart(t.Context(), u, len(parts)+1, bytes.NewReader(piece), int64(len(piece)))
		must(t, partErr)
		parts = append(parts, part)
	}
	_, err = b.Complete(t.Context(), u, parts)
	must(t, err)
}

// A server that has dropped an upload, as servers do with old ones, gets the
// file again from its beginning.
func TestArchiveDroppedUpload(t *testing.T) {
	_, err := emptyCatalog()
	must(t, err)
	for name, before := range map[string]bool{"before a part": false, "before Complete": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				b, dir := openDisk(t)
				f := r.file(t, growingBytes(), false)
				reaper := &reaping{Blobs: b, atComplete: before}
				a := r.archive(reaper)
				run(t, a)
				awaitStats(t, a, "a part stored", func(s storage.ArchiveStats) bool { return s.Parts == 1 })
				if !before {
					id, err := r.catalog.Upload(t.Context(), f.ID)
					must(t, err)
					must(t, b.Abort(t.Context(), storage.Upload{Key: f.Key, ID: id}))
				}
				r.save(t, f, sealedBytes(), true)
				a.Ring(f.ID)
				r.awaitRemoved(t, a, 1)
				r.expectDurable(t, b, f, sealedBytes())
				expectOnlyObjects(t, dir, f.Key)
				if s := a.Stats(); s.Retries != 1 || s.Mismatches != 0 {
					t.Errorf("%+v, want one try in vain", s)
				}
			})
		})
	}
}

// reaping drops the first upload that is to be completed.
type reaping struct {
	storage.Blobs
	atComplete bool
}

func (r *reaping) Complete(ctx context.Context, u storage.Upload, parts []storage.Part) (storage.Object, error) {
	if r.atComplete {
		r.atComplete = false
		if err := r.Abort(ctx, u); err != nil {
			return storage.Object{}, reelvault.Errorf(reelvault.Internal, "abort: %v", err)
		}
	}
	return r.Blobs.Complete(ctx, u, parts)
}
