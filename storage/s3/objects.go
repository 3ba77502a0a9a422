package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

const (
	checksumHeader  = "X-Amz-Checksum-Crc32c"
	algorithmHeader = "X-Amz-Checksum-Algorithm"

	// checksumMeta keeps an object's CRC-32C where every server gives it back,
	// whether it knows checksums or not.
	checksumMeta = "Reelvault-Crc32c"
)

// encode gives a checksum as S3 writes it.
func encode(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// onlyIfNew are the options of a write that must find no object.
func onlyIfNew() minio.PutObjectOptions {
	var opts minio.PutObjectOptions
	opts.SetMatchETagExcept("*")
	return opts
}

// Put implements storage.Blobs.
func (b *Blobs) Put(ctx context.Context, key string, r io.ReaderAt, size int64) (storage.Object, error) {
	if err := storage.CheckKey(b.prefix + key); err != nil {
		return storage.Object{}, err
	}
	if size < 0 || size > storage.PartSize {
		return storage.Object{}, reelvault.Errorf(reelvault.Invalid, "an object stored in one request has 0 to %d bytes, this one has %d", storage.PartSize, size)
	}
	sum, err := storage.CRC32C(ctx, r, size)
	if err != nil {
		return storage.Object{}, fmt.Errorf("checksum object %s: %w", key, err)
	}
	opts := onlyIfNew()
	opts.UserMetadata = map[string]string{checksumHeader: encode(sum), checksumMeta: encode(sum)}

	sendCtx, cancel := b.transfer(ctx)
	defer cancel()
	info, err := b.core.PutObject(sendCtx, b.bucket, b.prefix+key, io.NewSectionReader(r, 0, size), size, "", "", opts)
	if err == nil {
		return storage.Object{Key: key, Version: info.VersionID, Size: size}, nil
	}
	return b.adopt(ctx, "store object "+key, err, wanted{
		key: key, size: size,
		same: func(found minio.ObjectInfo) bool { return found.UserMetadata[checksumMeta] == encode(sum) },
	})
}

// wanted is what a write would have made.
type wanted struct {
	key  string
	size int64
	same func(minio.ObjectInfo) bool // whether the checksums match
}

// adopt finds out what a write that ended in err, nil included, has made: the
// object that is there is given if it is the wanted one. Another one is a
// Conflict if the write was refused for it; in all other cases err stands.
func (b *Blobs) adopt(ctx context.Context, what string, err error, w wanted) (storage.Object, error) {
	if ctx.Err() != nil {
		return storage.Object{}, b.translate(ctx, what, ctx.Err())
	}
	found, headErr := b.head(ctx, w.key, "")
	if headErr == nil && found.Size == w.size && w.same(found) {
		return storage.Object{Key: w.key, Version: found.VersionID, Size: found.Size}, nil
	}
	if err == nil && headErr != nil {
		return storage.Object{}, b.translate(ctx, what, headErr)
	}
	err = b.translate(ctx, what, err)
	kind := reelvault.KindOf(err)
	if headErr == nil && (err == nil || kind == reelvault.Conflict || kind == reelvault.NotFound) {
		return storage.Object{}, &reelvault.Error{Kind: reelvault.Conflict, Message: what + ": other bytes are there already", Cause: err}
	}
	return storage.Object{}, err
}

func (b *Blobs) head(ctx context.Context, key, version string) (minio.ObjectInfo, error) {
	ctx, cancel := b.call(ctx)
	defer cancel()
	return b.core.StatObject(ctx, b.bucket, b.prefix+key, minio.StatObjectOptions{VersionID: version, Checksum: true})
}

// Stat implements storage.Blobs.
func (b *Blobs) Stat(ctx context.Context, key, version string) (storage.Object, error) {
	if err := storage.CheckKey(b.prefix + key); err != nil {
		return storage.Object{}, err
	}
	found, err := b.head(ctx, key, version)
	if err != nil {
		return storage.Object{}, b.translate(ctx, "find object "+key, err)
	}
	return storage.Object{Key: key, Version: found.VersionID, Size: found.Size}, nil
}

// errSilent is why a body is given up.
var errSilent = errors.New("the object store has stopped sending")

// Open implements storage.Blobs. A body may take as long as it likes, but may
// not pause for longer than the call timeout while somebody reads.
func (b *Blobs) Open(parent context.Context, o storage.Object, off, n int64) (io.ReadCloser, error) {
	if err := storage.CheckKey(b.prefix + o.Key); err != nil {
		return nil, err
	}
	n, err := storage.CheckRange(o, off, n)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return io.NopCloser(strings.NewReader("")), nil
	}
	opts := minio.GetObjectOptions{VersionID: o.Version}
	if err = opts.SetRange(off, off+n-1); err != nil {
		return nil, fmt.Errorf("set range: %w", err)
	}
	ctx, cancel := context.WithCancelCause(parent)
	what := "read object " + o.Key
	fail := func(err error) error {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return b.translate(parent, what, err)
	}
	watch := time.AfterFunc(b.callTimeout, func() { cancel(errSilent) })
	rc, _, header, err := b.core.GetObject(ctx, b.bucket, b.prefix+o.Key, opts)
	watch.Stop()
	if err != nil {
		err = fail(err)
		cancel(nil)
		return nil, err
	}
	body := &body{rc: rc, cancel: cancel, timeout: b.callTimeout, fail: fail}
	if got, want := header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", off, off+n-1, o.Size); got != want {
		_ = body.Close()
		return nil, reelvault.Errorf(reelvault.Internal, "%s: the store sends %q where %q was asked for", what, got, want)
	}
	return storage.ExactReader(body, n), nil
}

// body is the body of a reply. It belongs to its reader.
type body struct {
	rc      io.ReadCloser
	cancel  context.CancelCauseFunc
	timeout time.Duration
	fail    func(error) error
}

func (b *body) Read(p []byte) (int, error) {
	watch := time.AfterFunc(b.timeout, func() { b.cancel(errSilent) })
	n, err := b.rc.Read(p)
	watch.Stop()
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	return n, b.fail(err)
}

func (b *body) Close() error {
	err := b.rc.Close()
	b.cancel(nil)
	return err
}

func (b *Blobs) readFull(ctx context.Context, o storage.Object, p []byte) error {
	r, err := b.Open(ctx, o, 0, -1)
	if err != nil {
		return err
	}
	_, err = io.ReadFull(r, p)
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Remove implements storage.Blobs.
func (b *Blobs) Remove(ctx context.Context, o storage.Object) error {
	if err := storage.CheckKey(b.prefix + o.Key); err != nil {
		return err
	}
	if o.Version != "" {
		return b.removeVersion(ctx, o.Key, o.Version)
	}
	if err := b.removeVersions(ctx, o.Key); err != nil {
		return err
	}
	return b.dropUploads(ctx, o.Key)
}

func (b *Blobs) removeVersion(parent context.Context, key, version string) error {
	ctx, cancel := b.call(parent)
	defer cancel()
	err := b.core.RemoveObject(ctx, b.bucket, b.prefix+key, minio.RemoveObjectOptions{VersionID: version})
	if err == nil {
		return nil
	}
	kept := statusOf(err)
	err = b.translate(parent, "remove object "+key, err)
	switch {
	case reelvault.KindOf(err) == reelvault.NotFound:
		return nil
	case kept == 400 || kept == 403:
		return &reelvault.Error{
			Kind: reelvault.Conflict, Message: "remove object " + key + ": the object store refuses to",
			Hint: "the object may be locked or on hold, or the key may not delete", Cause: err,
		}
	}
	return err
}

// removeVersions removes all versions of key and its delete markers, or the
// one object where the bucket keeps no versions.
func (b *Blobs) removeVersions(parent context.Context, key string) error {
	ctx, cancel := b.call(parent)
	defer cancel()
	opts := minio.ListObjectsOptions{Prefix: b.prefix + key, Recursive: true, WithVersions: true}
	for found := range b.core.ListObjectsIter(ctx, b.bucket, opts) {
		if found.Err != nil {
			return b.translate(parent, "list versions of "+key, found.Err)
		}
		if found.Key != b.prefix+key {
			continue
		}
		if err := b.removeVersion(parent, key, found.VersionID); err != nil {
			return err
		}
	}
	return nil
}

// composite gives what S3 calls the checksum of checksums of an upload: over
// the sums of its parts in binary, with their number behind it.
func composite(sum []byte, parts int, encode func([]byte) string) string {
	return encode(sum) + "-" + strconv.Itoa(parts)
}
