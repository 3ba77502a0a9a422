package disk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

// Put implements storage.Blobs.
func (b *Blobs) Put(ctx context.Context, key string, r io.ReaderAt, size int64) (storage.Object, error) {
	if err := checkPut(key, size); err != nil {
		return storage.Object{}, err
	}
	sum, err := storage.CRC32C(ctx, r, size)
	if err != nil {
		return storage.Object{}, fmt.Errorf("checksum object %s: %w", key, err)
	}
	defer b.lock(key)()

	want := storage.Part{Number: 1, Size: size, CRC32C: sum}
	o, err := b.adopt(ctx, key, []storage.Part{want})
	if !errors.Is(err, fs.ErrNotExist) {
		return o, translate("store object "+key, err)
	}
	if err := b.write(ctx, objectName(key), r, size); err != nil {
		return storage.Object{}, translate("store object "+key, err)
	}
	return storage.Object{Key: key, Size: size}, nil
}

func checkPut(key string, size int64) error {
	if err := storage.CheckKey(key); err != nil {
		return err
	}
	if size < 0 || size > storage.PartSize {
		return reelvault.Errorf(reelvault.Invalid, "an object stored in one request has 0 to %d bytes, this one has %d", storage.PartSize, size)
	}
	return nil
}

func objectName(key string) string { return objectsDir + "/" + key }

// write makes the object at name out of r. The caller holds the key's lock.
func (b *Blobs) write(ctx context.Context, name string, r io.ReaderAt, size int64) error {
	temp := path.Join(tempDir, rand.Text())
	f, err := b.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, storage.NewReader(ctx, r, size))
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = b.place(temp, name)
	}
	if err != nil {
		_ = b.root.Remove(temp) // it is gone if only the last sync failed
	}
	return err
}

// adopt gives the object under key if it has the bytes of parts, and syncs it,
// because whoever wrote it may have died before that. Other bytes are a
// Conflict, no object is fs.ErrNotExist. The caller holds the key's lock.
func (b *Blobs) adopt(ctx context.Context, key string, parts []storage.Part) (storage.Object, error) {
	name := objectName(key)
	info, err := b.stat(name)
	if err != nil {
		return storage.Object{}, err
	}
	f, err := b.root.Open(name)
	if err != nil {
		return storage.Object{}, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	var at int64
	for _, p := range parts {
		sum, err := storage.CRC32C(ctx, io.NewSectionReader(f, at, p.Size), p.Size)
		if err != nil && reelvault.KindOf(err) != reelvault.Invalid {
			return storage.Object{}, err
		}
		at += p.Size
		if err != nil || sum != p.CRC32C || at > info.Size() {
			return storage.Object{}, taken(key)
		}
	}
	if at != info.Size() {
		return storage.Object{}, taken(key)
	}
	if err := f.Sync(); err != nil {
		return storage.Object{}, err
	}
	return storage.Object{Key: key, Size: at}, b.syncDirs(path.Dir(name))
}

func taken(key string) error {
	return reelvault.Errorf(reelvault.Conflict, "object %s has other bytes already", key)
}

// Open implements storage.Blobs.
func (b *Blobs) Open(_ context.Context, o storage.Object, off, n int64) (io.ReadCloser, error) {
	n, err := storage.CheckRange(o, off, n)
	if err != nil {
		return nil, err
	}
	found, err := b.find(o.Key, o.Version)
	if err != nil {
		return nil, err
	}
	if found.Size > o.Size {
		return nil, reelvault.Errorf(reelvault.Internal, "object %s has %d bytes where %d were stored", o.Key, found.Size, o.Size)
	}
	f, err := b.root.Open(objectName(o.Key))
	if err != nil {
		return nil, translate("open object "+o.Key, err)
	}
	if _, err := f.Seek(off, io.SeekStart); err != nil {
		_ = f.Close()
		return nil, translate("open object "+o.Key, err)
	}
	return storage.ExactReader(f, n), nil
}

// Stat implements storage.Blobs. The store has no versions: one that is asked
// for is not found.
func (b *Blobs) Stat(_ context.Context, key, version string) (storage.Object, error) {
	return b.find(key, version)
}

func (b *Blobs) find(key, version string) (storage.Object, error) {
	if err := storage.CheckKey(key); err != nil {
		return storage.Object{}, err
	}
	if version != "" {
		return storage.Object{}, reelvault.Errorf(reelvault.NotFound, "object %s has no versions", key)
	}
	info, err := b.stat(objectName(key))
	if err != nil {
		return storage.Object{}, translate("find object "+key, err)
	}
	return storage.Object{Key: key, Size: info.Size()}, nil
}

// Remove implements storage.Blobs. Folders that become empty go, too.
func (b *Blobs) Remove(_ context.Context, o storage.Object) error {
	if err := storage.CheckKey(o.Key); err != nil {
		return err
	}
	if o.Version != "" {
		return nil
	}
	defer b.lock(o.Key)()
	name := objectName(o.Key)
	_, err := b.stat(name)
	if err == nil {
		err = b.root.Remove(name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return translate("remove object "+o.Key, err)
	}
	if err := b.prune(path.Dir(name)); err != nil {
		return translate("remove object "+o.Key, err)
	}
	if err := b.dropUploads(o.Key); err != nil {
		return translate("remove uploads of "+o.Key, err)
	}
	return nil
}

// prune removes the empty folders from dir upwards and syncs what remains.
func (b *Blobs) prune(dir string) error {
	b.tree.Lock()
	defer b.tree.Unlock()
	for dir != objectsDir {
		if err := b.root.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			break // not empty
		}
		dir = path.Dir(dir)
	}
	return b.syncDirs(dir)
}
