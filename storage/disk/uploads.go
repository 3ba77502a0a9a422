package disk

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

const dataFile = "data"

// Begin implements storage.Blobs.
func (b *Blobs) Begin(_ context.Context, key string) (storage.Upload, error) {
	if err := storage.CheckKey(key); err != nil {
		return storage.Upload{}, err
	}
	defer b.lock(key)()
	if err := b.dropUploads(key); err != nil {
		return storage.Upload{}, translate("drop earlier uploads of "+key, err)
	}
	u := storage.Upload{Key: key, ID: rand.Text()}
	if err := b.makeUpload(uploadName(u)); err != nil {
		return storage.Upload{}, translate("begin upload of "+key, err)
	}
	return u, nil
}

func (b *Blobs) makeUpload(dir string) error {
	b.tree.Lock()
	defer b.tree.Unlock()
	if err := b.root.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	f, err := b.root.OpenFile(path.Join(dir, dataFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	return f.Close()
}

// uploadsName is the folder of all uploads of a key. The key is hashed so that
// one name holds it.
func uploadsName(key string) string {
	sum := sha256.Sum256([]byte(key))
	return path.Join(uploadsDir, hex.EncodeToString(sum[:]))
}

func uploadName(u storage.Upload) string { return path.Join(uploadsName(u.Key), u.ID) }

// checkUpload gives NotFound unless u can be one that Begin gave.
func checkUpload(u storage.Upload) error {
	if err := storage.CheckKey(u.Key); err != nil {
		return err
	}
	if strings.Contains(u.ID, "/") || storage.CheckKey(u.ID) != nil {
		return noUpload(u.Key)
	}
	return nil
}

func noUpload(key string) error {
	return reelvault.Errorf(reelvault.NotFound, "there is no such upload of %s", key)
}

// PutPart implements storage.Blobs. Parts of one object are written one at a
// time.
func (b *Blobs) PutPart(ctx context.Context, u storage.Upload, number int, r io.ReaderAt, size int64) (storage.Part, error) {
	if err := checkUpload(u); err != nil {
		return storage.Part{}, err
	}
	if err := storage.CheckPart(number, size); err != nil {
		return storage.Part{}, err
	}
	sum, err := storage.CRC32C(ctx, r, size)
	if err != nil {
		return storage.Part{}, fmt.Errorf("checksum part %d of %s: %w", number, u.Key, err)
	}
	p := storage.Part{Number: number, Size: size, CRC32C: sum, ETag: fmt.Sprintf("%08x-%d", sum, size)}
	defer b.lock(u.Key)()
	err = b.writePart(ctx, uploadName(u), p, r)
	if errors.Is(err, fs.ErrNotExist) {
		return storage.Part{}, noUpload(u.Key)
	}
	if err != nil {
		return storage.Part{}, translate(fmt.Sprintf("store part %d of %s", number, u.Key), err)
	}
	return p, nil
}

// writePart writes the bytes at their place in the data file. The part's note
// is gone while they change, so a part that was broken off doesn't count.
func (b *Blobs) writePart(ctx context.Context, dir string, p storage.Part, r io.ReaderAt) error {
	note := path.Join(dir, strconv.Itoa(p.Number))
	if err := b.root.Remove(note); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := b.root.OpenFile(path.Join(dir, dataFile), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	at := int64(p.Number-1) * storage.PartSize
	_, err = io.Copy(io.NewOffsetWriter(f, at), storage.NewReader(ctx, r, p.Size))
	if err == nil {
		err = b.syncPart(f, dir)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return b.root.WriteFile(note, []byte(p.ETag), fileMode)
}

// syncPart syncs the data file. A file whose sync failed may have lost bytes
// that a second sync would not miss, so its upload is dropped.
func (b *Blobs) syncPart(f *os.File, dir string) error {
	err := f.Sync()
	if err != nil {
		_ = b.root.RemoveAll(dir)
	}
	return err
}

// Complete implements storage.Blobs.
func (b *Blobs) Complete(ctx context.Context, u storage.Upload, parts []storage.Part) (storage.Object, error) {
	if err := checkUpload(u); err != nil {
		return storage.Object{}, err
	}
	size, err := storage.CheckParts(parts)
	if err != nil {
		return storage.Object{}, err
	}
	defer b.lock(u.Key)()
	o, err := b.adopt(ctx, u.Key, parts)
	if errors.Is(err, fs.ErrNotExist) {
		o, err = storage.Object{Key: u.Key, Size: size}, b.assemble(u, parts, size)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return storage.Object{}, noUpload(u.Key)
	}
	if err != nil {
		return storage.Object{}, translate("complete "+u.Key, err)
	}
	if err := b.dropUploads(u.Key); err != nil {
		return storage.Object{}, translate("drop upload of "+u.Key, err)
	}
	return o, nil
}

// assemble makes the upload's data file the object: its parts lie in it end to
// end already. The caller holds the key's lock and has found the key free.
func (b *Blobs) assemble(u storage.Upload, parts []storage.Part, size int64) error {
	dir := uploadName(u)
	if _, err := b.root.Lstat(dir); err != nil {
		return err
	}
	for _, p := range parts {
		note, err := b.root.ReadFile(path.Join(dir, strconv.Itoa(p.Number)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if p.ETag == "" || string(note) != p.ETag {
			return reelvault.Errorf(reelvault.Conflict, "part %d of %s is not the one that was stored", p.Number, u.Key)
		}
	}
	data := path.Join(dir, dataFile)
	if err := b.cut(data, dir, size); err != nil {
		return err
	}
	return b.place(data, objectName(u.Key))
}

// cut ends the data file behind the last part.
func (b *Blobs) cut(data, dir string, size int64) error {
	f, err := b.root.OpenFile(data, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = f.Truncate(size)
	if err == nil {
		err = b.syncPart(f, dir)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Abort implements storage.Blobs.
func (b *Blobs) Abort(_ context.Context, u storage.Upload) error {
	if err := checkUpload(u); err != nil {
		if reelvault.KindOf(err) == reelvault.NotFound {
			return nil
		}
		return err
	}
	defer b.lock(u.Key)()
	if err := b.root.RemoveAll(uploadName(u)); err != nil {
		return translate("abort upload of "+u.Key, err)
	}
	b.tree.Lock()
	defer b.tree.Unlock()
	_ = b.root.Remove(uploadsName(u.Key)) // fails while another upload of the key is in it
	return nil
}

// dropUploads removes every upload of key. The caller holds the key's lock.
func (b *Blobs) dropUploads(key string) error {
	b.tree.Lock()
	defer b.tree.Unlock()
	return b.root.RemoveAll(uploadsName(key))
}
