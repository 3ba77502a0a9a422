package storage_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/reelvault/reelvault/storage"
)

// liar is a store that does not keep what it was given, once.
type liar struct {
	storage.Blobs
	once  sync.Once
	after func(o *storage.Object) // done to the first object that was made
	read  func(io.ReadCloser) io.ReadCloser
}

func (l *liar) Complete(ctx context.Context, u storage.Upload, parts []storage.Part) (storage.Object, error) {
	o, err := l.Blobs.Complete(ctx, u, parts)
	if err == nil && l.after != nil {
		l.once.Do(func() { l.after(&o) })
	}
	return o, err
}

func (l *liar) Open(ctx context.Context, o storage.Object, off, n int64) (io.ReadCloser, error) {
	r, err := l.Blobs.Open(ctx, o, off, n)
	if err == nil && l.read != nil && n == storage.PartSize {
		r = l.read(r)
	}
	return r, err
}

// flipped turns over one bit of what is read first.
type flipped struct {
	io.ReadCloser
	done bool
}

func (f *flipped) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if n > 0 && !f.done {
		p[0] ^= 1
		f.done = true
	}
	return n, err
}

// broken breaks off.
type broken struct{ io.ReadCloser }

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// An object that does not read back as the file is never called verified: it
// is replaced from the spool, which still has all, and counted.
func TestArchiveDamage(t *testing.T) {
	_, err := emptyCatalog()
	must(t, err)
	for name, lie := range map[string]func(t *testing.T, l *liar, dir string){
		"a bit turns over in the store": func(t *testing.T, l *liar, dir string) {
			t.Helper()
			l.after = func(o *storage.Object) {
				f, err := os.OpenFile(filepath.Join(dir, "objects", o.Key), os.O_RDWR, 0)
				must(t, err)
				_, err = f.WriteAt([]byte{^sealedBytes()[storage.PartSize]}, storage.PartSize)
				must(t, err)
				must(t, f.Close())
			}
		},
		"the object is cut": func(t *testing.T, l *liar, dir string) {
			t.Helper()
			l.after = func(o *storage.Object) { cutObject(t, dir, o.Key, storage.PartSize) }
		},
		"the object is gone": func(t *testing.T, l *liar, dir string) {
			t.Helper()
			l.after = func(o *storage.Object) { must(t, os.Remove(filepath.Join(dir, "objects", o.Key))) }
		},
		"the object is said to be shorter": func(t *testing.T, l *liar, _ string) {
			t.Helper()
			l.after = func(o *storage.Object) { o.Size-- }
		},
		"a bit turns over on the way back": func(t *testing.T, l *liar, _ string) {
			t.Helper()
			l.read = func(r io.ReadCloser) io.ReadCloser {
				l.once.Do(func() { r = &flipped{ReadCloser: r} })
				return r
			}
		},
		// A server that can't read its own disk breaks off, and does so again
		// every time.
		"the object breaks off until it is written again": func(t *testing.T, l *liar, _ string) {
			t.Helper()
			var bad atomic.Bool
			l.after = func(*storage.Object) { bad.Store(true) }
			removes := l.Blobs
			l.Blobs = removing{removes, func() { bad.Store(false) }}
			l.read = func(r io.ReadCloser) io.ReadCloser {
				if bad.Load() {
					return broken{r}
				}
				return r
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				b, dir := openDisk(t)
				l := &liar{Blobs: b}
				lie(t, l, dir)
				f := r.file(t, sealedBytes(), true)
				a := r.archive(l)
				run(t, a)
				r.awaitRemoved(t, a, 1)
				r.expectDurable(t, b, f, sealedBytes())
				expectOnlyObjects(t, dir, f.Key)
				if s := a.Stats(); s.Mismatches != 1 || s.Verified != 1 {
					t.Errorf("%+v, want one mismatch and one verified file", s)
				}
			})
		})
	}
}

// removing tells of each Remove.
type removing struct {
	storage.Blobs
	tell func()
}

func (r removing) Remove(ctx context.Context, o storage.Object) error {
	r.tell()
	return r.Blobs.Remove(ctx, o)
}

// cutObject makes an object of a disk store shorter.
func cutObject(t *testing.T, dir, key string, size int64) {
	t.Helper()
	must(t, os.Truncate(filepath.Join(dir, "objects", key), size))
}
