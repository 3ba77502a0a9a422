package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"log/slog"

	"github.com/reelvault/reelvault"
)

// maxUnreadable is how many read-backs in a row may break off in the same part
// before the object counts as damaged: a server that can't read its own disk says so
// only in the middle of a body, and says it again every time.
const maxUnreadable = 8

// digest is what the bytes of a file come to.
type digest struct {
	size   int64
	parts  []uint32 // CRC-32C of each part
	sha256 string   // of all, lower-case hex
}

// damage is why an object is no good. It is never an object's store that is
// down.
type damage struct{ text string }

func (d *damage) Error() string { return d.text }

// digester makes a digest of parts that are written one after the other.
type digester struct {
	digest
	all hash.Hash
}

func newDigester() *digester { return &digester{all: sha256.New()} }

// part adds the part that r holds.
func (d *digester) part(r io.Reader) error {
	sum := crc32.New(castagnoli)
	n, err := io.Copy(io.MultiWriter(sum, d.all), r)
	d.size += n
	d.parts = append(d.parts, sum.Sum32())
	return err
}

func (d *digester) sum() digest {
	d.sha256 = hex.EncodeToString(d.all.Sum(nil))
	return d.digest
}

// digestSpool reads a sealed spool file of this size.
func digestSpool(ctx context.Context, spool io.ReaderAt, size int64) (digest, error) {
	d := newDigester()
	for d.size < size {
		n := min(PartSize, size-d.size)
		if err := d.part(NewReader(ctx, io.NewSectionReader(spool, d.size, n), n)); err != nil {
			return digest{}, fmt.Errorf("read spool file: %w", err)
		}
	}
	return d.sum(), nil
}

// finish takes a sealed file to the end of its road.
func (w *worker) finish(ctx context.Context, spool SpoolReader) error {
	if w.digest == nil {
		d, err := digestSpool(ctx, spool, w.file.Bytes)
		if err != nil {
			return err
		}
		w.digest = &d
	}
	o, err := w.object(ctx, spool)
	if err != nil {
		return err
	}
	if err := w.readBack(ctx, o); err != nil {
		return w.unproven(ctx, o, err)
	}
	w.stored = true
	if err := w.dropUpload(ctx); err != nil {
		return err
	}
	if err := w.catalog.CommitFile(ctx, w.file.ID, reelvault.Verified, o, w.digest.sha256); err != nil {
		return fmt.Errorf("commit verified file: %w", err)
	}
	w.countVerified()
	return w.dropSpool()
}

// object gives the file's object, committed as stored: the one that the
// catalog names, one that an earlier process left without committing it, or
// a new one.
func (w *worker) object(ctx context.Context, spool SpoolReader) (Object, error) {
	if w.file.Durability == reelvault.Stored && !w.lost {
		return Object{Key: w.file.Key, Version: w.file.Version, Size: w.file.Bytes}, nil
	}
	o, err := w.left(ctx)
	if reelvault.KindOf(err) == reelvault.NotFound {
		o, err = w.send(ctx, spool)
	}
	if err != nil {
		return Object{}, err
	}
	if o.Size != w.digest.size {
		err := &damage{fmt.Sprintf("the object has %d bytes, the file %d", o.Size, w.digest.size)}
		return Object{}, w.unproven(ctx, o, err)
	}
	if err := w.catalog.CommitFile(ctx, w.file.ID, reelvault.Stored, o, ""); err != nil {
		return Object{}, fmt.Errorf("commit stored file: %w", err)
	}
	w.lost = false
	return o, nil
}

// left gives the object that an earlier process completed and did not commit,
// or NotFound. It asks only if an upload was noted: one without needs no
// looking for, since writing it again finds it.
func (w *worker) left(ctx context.Context) (Object, error) {
	none := reelvault.Errorf(reelvault.NotFound, "nothing was left behind")
	if w.upload != nil {
		return Object{}, none
	}
	id, err := w.catalog.Upload(ctx, w.file.ID)
	if err != nil {
		// A row that is gone must not be taken for an object that is.
		return Object{}, &reelvault.Error{Kind: reelvault.Internal, Message: "the file's upload is unknown", Cause: err}
	}
	if id == "" {
		return Object{}, none
	}
	return w.blobs.Stat(ctx, w.file.Key, "")
}

// readBack reads o from the store and compares it with the spool, part by
// part and as a whole. An object that is not the file is a damage.
func (w *worker) readBack(ctx context.Context, o Object) error {
	d := newDigester()
	for i, want := range w.digest.parts {
		n := min(PartSize, o.Size-d.size)
		if err := w.readPart(ctx, o, d, n); err != nil {
			if w.broken != i+1 {
				w.broken, w.unreadable = i+1, 0
			}
			return fmt.Errorf("read back part %d: %w", i+1, err)
		}
		if got := d.parts[i]; got != want {
			return &damage{fmt.Sprintf("part %d reads back as %08x, the spool file has %08x", i+1, got, want)}
		}
	}
	if got := d.sum(); got.size != w.digest.size || got.sha256 != w.digest.sha256 {
		return &damage{fmt.Sprintf("the object reads back as %s, the spool file is %s", got.sha256, w.digest.sha256)}
	}
	return nil
}

func (w *worker) readPart(ctx context.Context, o Object, d *digester, n int64) error {
	r, err := w.blobs.Open(ctx, o, d.size, n)
	if err != nil {
		return err
	}
	err = d.part(r)
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	return err
}

// unproven decides what to do about an object that did not read back as the
// file: nothing while the store may only be down, otherwise it goes, that very
// version, and the file is stored again from the spool, which still has it.
func (w *worker) unproven(ctx context.Context, o Object, err error) error {
	var bad *damage
	switch kind := reelvault.KindOf(err); {
	case errors.As(err, &bad), kind == reelvault.NotFound:
	case ctx.Err() != nil:
		return err
	default:
		w.unreadable++
		if w.unreadable < maxUnreadable {
			return err
		}
	}
	w.countMismatch()
	w.log.ErrorContext(ctx, "archive: object is not what was stored; storing it again",
		slog.String("file", w.file.ID), slog.String("key", o.Key), slog.String("version", o.Version), slog.Any("error", err))
	if removeErr := w.blobs.Remove(ctx, o); removeErr != nil {
		return fmt.Errorf("remove damaged object: %w", removeErr)
	}
	w.lost, w.broken, w.unreadable, w.digest = true, 0, 0, nil
	return fmt.Errorf("verify object: %w", err)
}

// dropUpload ends the upload that was noted for the file, if it is still
// open.
func (w *worker) dropUpload(ctx context.Context) error {
	id, err := w.catalog.Upload(ctx, w.file.ID)
	if err != nil {
		return fmt.Errorf("look up upload: %w", err)
	}
	if id == "" {
		return nil
	}
	return w.forget(ctx, id)
}

// erase removes every trace of a deleted recording's file. The row goes last:
// it is what leads here again after a crash.
func (w *worker) erase(ctx context.Context) error {
	if err := w.blobs.Remove(ctx, Object{Key: w.file.Key}); err != nil {
		return fmt.Errorf("remove object: %w", err)
	}
	w.stored = true
	if err := w.spool.Remove(w.file.ID); err != nil {
		return fmt.Errorf("remove spool file: %w", err)
	}
	if err := w.catalog.ForgetFile(ctx, w.file.ID); err != nil {
		return fmt.Errorf("forget file: %w", err)
	}
	w.countErased()
	return nil
}
