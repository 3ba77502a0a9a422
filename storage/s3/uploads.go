package s3

import (
	"context"
	"crypto/md5" //nolint:gosec // S3 makes its tags with it
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

// maxUploads is how many uploads of a key are dropped in one go. There is
// hardly ever more than one.
const maxUploads = 100

// Begin implements storage.Blobs.
func (b *Blobs) Begin(parent context.Context, key string) (storage.Upload, error) {
	if err := storage.CheckKey(b.prefix + key); err != nil {
		return storage.Upload{}, err
	}
	if err := b.dropUploads(parent, key); err != nil {
		return storage.Upload{}, err
	}
	ctx, cancel := b.call(parent)
	defer cancel()
	// A server that isn't told here that parts have checksums may refuse them.
	opts := minio.PutObjectOptions{UserMetadata: map[string]string{algorithmHeader: "CRC32C"}}
	id, err := b.core.NewMultipartUpload(ctx, b.bucket, b.prefix+key, opts)
	if err != nil {
		return storage.Upload{}, b.translate(parent, "begin upload of "+key, err)
	}
	return storage.Upload{Key: key, ID: id}, nil
}

// dropUploads aborts every upload of key.
func (b *Blobs) dropUploads(parent context.Context, key string) error {
	ctx, cancel := b.call(parent)
	defer cancel()
	list, err := b.core.ListMultipartUploads(ctx, b.bucket, b.prefix+key, "", "", "", maxUploads)
	if err != nil {
		return b.translate(parent, "list uploads of "+key, err)
	}
	for _, u := range list.Uploads {
		if u.Key != b.prefix+key {
			continue
		}
		if err := b.Abort(parent, storage.Upload{Key: key, ID: u.UploadID}); err != nil {
			return err
		}
	}
	return nil
}

// PutPart implements storage.Blobs.
func (b *Blobs) PutPart(parent context.Context, u storage.Upload, number int, r io.ReaderAt, size int64) (storage.Part, error) {
	if err := checkUpload(b.prefix, u); err != nil {
		return storage.Part{}, err
	}
	if err := storage.CheckPart(number, size); err != nil {
		return storage.Part{}, err
	}
	sum, err := storage.CRC32C(parent, r, size)
	if err != nil {
		return storage.Part{}, fmt.Errorf("checksum part %d of %s: %w", number, u.Key, err)
	}
	ctx, cancel := b.transfer(parent)
	defer cancel()
	opts := minio.PutObjectPartOptions{CustomHeader: http.Header{checksumHeader: {encode(sum)}}}
	part, err := b.core.PutObjectPart(ctx, b.bucket, b.prefix+u.Key, u.ID, number, io.NewSectionReader(r, 0, size), size, opts)
	if err != nil {
		return storage.Part{}, b.translate(parent, fmt.Sprintf("store part %d of %s", number, u.Key), err)
	}
	return storage.Part{Number: number, ETag: part.ETag, Size: size, CRC32C: sum}, nil
}

// checkUpload gives NotFound unless u can be one that Begin gave: a server that
// keeps uploads in folders may take a name like ".." for one.
func checkUpload(prefix string, u storage.Upload) error {
	if err := storage.CheckKey(prefix + u.Key); err != nil {
		return err
	}
	if u.ID == "" || strings.Contains(u.ID, "/") || strings.Contains(u.ID, "..") {
		return reelvault.Errorf(reelvault.NotFound, "there is no such upload of %s", u.Key)
	}
	return nil
}

// Complete implements storage.Blobs.
func (b *Blobs) Complete(parent context.Context, u storage.Upload, parts []storage.Part) (storage.Object, error) {
	if err := checkUpload(b.prefix, u); err != nil {
		return storage.Object{}, err
	}
	size, err := storage.CheckParts(parts)
	if err != nil {
		return storage.Object{}, err
	}
	complete := make([]minio.CompletePart, len(parts))
	for i, p := range parts {
		complete[i] = minio.CompletePart{PartNumber: p.Number, ETag: p.ETag, ChecksumCRC32C: encode(p.CRC32C)}
	}
	ctx, cancel := b.transfer(parent)
	defer cancel()
	info, err := b.core.CompleteMultipartUpload(ctx, b.bucket, b.prefix+u.Key, u.ID, complete, onlyIfNew())
	if err == nil && info.VersionID != "" {
		return storage.Object{Key: u.Key, Version: info.VersionID, Size: size}, nil
	}
	// A server may answer a repeated Complete without the version it made.
	return b.adopt(parent, "complete "+u.Key, err, wanted{
		key: u.Key, size: size,
		same: func(found minio.ObjectInfo) bool { return madeOf(found, parts) },
	})
}

// madeOf says whether an object's checksum or, on a server that has none, its
// tag is that of parts.
func madeOf(found minio.ObjectInfo, parts []storage.Part) bool {
	if found.ChecksumCRC32C != "" {
		var sums []byte
		for _, p := range parts {
			sums = binary.BigEndian.AppendUint32(sums, p.CRC32C)
		}
		sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum(sums, crc32.MakeTable(crc32.Castagnoli)))
		return found.ChecksumCRC32C == composite(sum, len(parts), base64.StdEncoding.EncodeToString)
	}
	tags := md5.New() //nolint:gosec // S3 makes its tags with it
	for _, p := range parts {
		tag, err := hex.DecodeString(p.ETag)
		if err != nil {
			return false
		}
		tags.Write(tag)
	}
	return found.ETag == composite(tags.Sum(nil), len(parts), hex.EncodeToString)
}

// Abort implements storage.Blobs.
func (b *Blobs) Abort(parent context.Context, u storage.Upload) error {
	if err := checkUpload(b.prefix, u); err != nil {
		if reelvault.KindOf(err) == reelvault.NotFound {
			return nil
		}
		return err
	}
	ctx, cancel := b.call(parent)
	defer cancel()
	err := b.core.AbortMultipartUpload(ctx, b.bucket, b.prefix+u.Key, u.ID)
	err = b.translate(parent, "abort upload of "+u.Key, err)
	if reelvault.KindOf(err) == reelvault.NotFound {
		return nil
	}
	return err
}
