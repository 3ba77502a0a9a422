package storage_test

import (
	"context"
	"io"
	"sync"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

// steps counts every call that an archive makes of its store, catalog and
// spool, and hits one of them: before it is made, or after, so that its reply
// is lost.
type steps struct {
	at    int // the call that is hit, from 1; 0: none
	after bool
	hit   func() error // what that call gives

	mu    sync.Mutex
	names []string // of the calls made
}

func (s *steps) do(name string, call func() error) error {
	s.mu.Lock()
	s.names = append(s.names, name)
	hit := len(s.names) == s.at
	s.mu.Unlock()
	if hit && !s.after {
		return s.hit()
	}
	err := call()
	if hit {
		return s.hit()
	}
	return err
}

// reached says whether the hit call was made.
func (s *steps) reached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.names) >= s.at
}

// steppedBlobs, steppedCatalog and steppedSpool pass calls through steps.
type steppedBlobs struct {
	b     storage.Blobs
	steps *steps
}

func (s steppedBlobs) Put(ctx context.Context, key string, r io.ReaderAt, size int64) (o storage.Object, err error) {
	err = s.steps.do("Put", func() (err error) { o, err = s.b.Put(ctx, key, r, size); return err })
	return o, err
}

func (s steppedBlobs) Begin(ctx context.Context, key string) (u storage.Upload, err error) {
	err = s.steps.do("Begin", func() (err error) { u, err = s.b.Begin(ctx, key); return err })
	return u, err
}

func (s steppedBlobs) PutPart(ctx context.Context, u storage.Upload, n int, r io.ReaderAt, size int64) (p storage.Part, err error) {
	err = s.steps.do("PutPart", func() (err error) { p, err = s.b.PutPart(ctx, u, n, r, size); return err })
	return p, err
}

func (s steppedBlobs) Complete(ctx context.Context, u storage.Upload, parts []storage.Part) (o storage.Object, err error) {
	err = s.steps.do("Complete", func() (err error) { o, err = s.b.Complete(ctx, u, parts); return err })
	return o, err
}

func (s steppedBlobs) Abort(ctx context.Context, u storage.Upload) error {
	return s.steps.do("Abort", func() error { return s.b.Abort(ctx, u) })
}

func (s steppedBlobs) Open(ctx context.Context, o storage.Object, off, n int64) (r io.ReadCloser, err error) {
	err = s.steps.do("Open", func() (err error) { r, err = s.b.Open(ctx, o, off, n); return err })
	return r, err
}

func (s steppedBlobs) Stat(ctx context.Context, key, version string) (o storage.Object, err error) {
	err = s.steps.do("Stat", func() (err error) { o, err = s.b.Stat(ctx, key, version); return err })
	return o, err
}

func (s steppedBlobs) Remove(ctx context.Context, o storage.Object) error {
	return s.steps.do("Remove", func() error { return s.b.Remove(ctx, o) })
}

func (s steppedBlobs) Check(ctx context.Context) error {
	return s.steps.do("Check", func() error { return s.b.Check(ctx) })
}

type steppedCatalog struct {
	storage.Recordings
	steps *steps
}

func (s steppedCatalog) Unstored(ctx context.Context) (f []reelvault.File, err error) {
	err = s.steps.do("Unstored", func() (err error) { f, err = s.Recordings.Unstored(ctx); return err })
	return f, err
}

func (s steppedCatalog) Erasable(ctx context.Context) (f []reelvault.File, err error) {
	err = s.steps.do("Erasable", func() (err error) { f, err = s.Recordings.Erasable(ctx); return err })
	return f, err
}

func (s steppedCatalog) CommitFile(ctx context.Context, id string, d reelvault.Durability, o storage.Object, sha256 string) error {
	return s.steps.do("CommitFile "+string(d), func() error { return s.Recordings.CommitFile(ctx, id, d, o, sha256) })
}

func (s steppedCatalog) Upload(ctx context.Context, id string) (u string, err error) {
	err = s.steps.do("Upload", func() (err error) { u, err = s.Recordings.Upload(ctx, id); return err })
	return u, err
}

func (s steppedCatalog) SetUpload(ctx context.Context, id, u string) error {
	return s.steps.do("SetUpload", func() error { return s.Recordings.SetUpload(ctx, id, u) })
}

func (s steppedCatalog) ForgetFile(ctx context.Context, id string) error {
	return s.steps.do("ForgetFile", func() error { return s.Recordings.ForgetFile(ctx, id) })
}

type steppedSpool struct {
	storage.Spool
	steps *steps
}

func (s steppedSpool) Open(id string) (r storage.SpoolReader, err error) {
	err = s.steps.do("open spool file", func() (err error) { r, err = s.Spool.Open(id); return err })
	return r, err
}

func (s steppedSpool) Remove(id string) error {
	return s.steps.do("remove spool file", func() error { return s.Spool.Remove(id) })
}

// stepped makes an archive whose every call passes through s.
func (r *rig) stepped(b storage.Blobs, s *steps) *storage.Archive {
	return storage.NewArchive(storage.ArchiveConfig{
		Catalog: steppedCatalog{r.catalog, s}, Blobs: steppedBlobs{b, s}, Spool: steppedSpool{r.spool, s},
	})
}
