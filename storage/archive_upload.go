package storage

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/reelvault/reelvault"
)

// upload is an upload in parts that this process has begun.
type upload struct {
	Upload
	parts []Part // stored ones, by number without a hole
}

// work does one job. It runs in a goroutine of its own.
func (a *Archive) work(ctx context.Context, j job) result {
	w := worker{Archive: a, job: j}
	r := result{kind: j.kind, id: j.file.ID}
	switch j.kind {
	case checkStore:
		r.err = a.blobs.Check(ctx)
	case storeFile:
		r.done, r.err = w.store(ctx)
	case eraseFile:
		r.done, r.err = true, w.erase(ctx)
	case removeSpool:
		r.done, r.err = true, w.dropSpool()
	}
	r.stored = w.stored
	return r
}

// worker is one run of one job.
type worker struct {
	*Archive
	job
	stored bool // the store took or gave bytes
}

// store does what can be done for a file now, as its row is now: the queue's is
// of the last scan, and a commit whose reply was lost may have come since. It
// gives true when nothing is left to do.
func (w *worker) store(ctx context.Context) (bool, error) {
	f, err := w.row(ctx, w.file.ID)
	if reelvault.KindOf(err) == reelvault.NotFound {
		return true, nil // deleted: the next scan finds what to erase
	}
	if err != nil {
		return false, fmt.Errorf("look up file: %w", err)
	}
	w.file = f
	if f.Durability == reelvault.Verified {
		return true, w.dropSpool()
	}
	spool, err := w.spool.Open(w.file.ID)
	if err != nil && !w.file.Sealed && reelvault.KindOf(err) == reelvault.NotFound {
		return false, nil // announced, and not written yet
	}
	if err != nil {
		return false, fmt.Errorf("open spool file: %w", err)
	}
	defer spool.Close() //nolint:errcheck // it was only read
	size, err := spool.Size()
	if err != nil {
		return false, fmt.Errorf("measure spool file: %w", err)
	}
	if !w.file.Sealed {
		return false, w.grow(ctx, spool, size)
	}
	if size != w.file.Bytes {
		return false, reelvault.Errorf(reelvault.Internal, "the spool file has %d bytes, the sealed file %d", size, w.file.Bytes)
	}
	return true, w.finish(ctx, spool)
}

// dropSpool removes the spool file of a verified file.
func (w *worker) dropSpool() error {
	if err := w.spool.Remove(w.file.ID); err != nil {
		return fmt.Errorf("remove spool file: %w", err)
	}
	return nil
}

// grow sends the parts that are whole by now.
func (w *worker) grow(ctx context.Context, spool SpoolReader, size int64) error {
	for {
		n := 1
		if w.upload != nil {
			n = len(w.upload.parts) + 1
		}
		if int64(n)*PartSize > size || n > MaxParts {
			return nil
		}
		var section io.ReaderAt = io.NewSectionReader(spool, int64(n-1)*PartSize, PartSize)
		if n == 1 {
			head, err := w.frozenHead(spool)
			if err != nil {
				return err
			}
			section = head
		}
		if err := w.putPart(ctx, n, section, PartSize); err != nil {
			return err
		}
	}
}

// headed reads a copy of a head, and what follows it from the file.
type headed struct {
	head []byte
	rest io.ReaderAt
}

// frozenHead keeps the head of a growing file as it is now: it may be
// rewritten between the checksum of part 1 and its sending.
func (w *worker) frozenHead(spool SpoolReader) (headed, error) {
	head := make([]byte, w.headSize)
	if _, err := spool.ReadAt(head, 0); err != nil {
		return headed{}, fmt.Errorf("read head: %w", err)
	}
	return headed{head: head, rest: spool}, nil
}

// ReadAt implements io.ReaderAt.
func (h headed) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(h.head)) {
		return h.rest.ReadAt(p, off)
	}
	n := copy(p, h.head[off:])
	if n == len(p) {
		return n, nil
	}
	more, err := h.rest.ReadAt(p[n:], int64(len(h.head)))
	return n + more, err
}

// putPart sends part n, as a new one or in place of the one there is. It
// begins an upload if there is none.
func (w *worker) putPart(ctx context.Context, n int, section io.ReaderAt, size int64) error {
	if w.upload == nil {
		if err := w.begin(ctx); err != nil {
			return err
		}
	}
	part, err := w.blobs.PutPart(ctx, w.upload.Upload, n, section, size)
	if reelvault.KindOf(err) == reelvault.NotFound {
		// Servers drop uploads that are open for too long. The spool has it all.
		return errors.Join(fmt.Errorf("store part %d: %w", n, err), w.forget(ctx, w.upload.ID))
	}
	if err != nil {
		return fmt.Errorf("store part %d: %w", n, err)
	}
	w.stored = true
	w.countPart()
	if n <= len(w.upload.parts) {
		w.upload.parts[n-1] = part
		return nil
	}
	w.upload.parts = append(w.upload.parts, part)
	return nil
}

// begin starts an upload and notes its id before the first part goes into it.
// If noting fails, the next Begin drops it.
func (w *worker) begin(ctx context.Context) error {
	u, err := w.blobs.Begin(ctx, w.file.Key)
	if err != nil {
		return fmt.Errorf("begin upload: %w", err)
	}
	if err := w.catalog.SetUpload(ctx, w.file.ID, u.ID); err != nil {
		return fmt.Errorf("note upload: %w", err)
	}
	w.upload = &upload{Upload: u}
	return nil
}

// forget drops an upload from the store, if it is still there, and from the
// catalog.
func (w *worker) forget(ctx context.Context, id string) error {
	if err := w.blobs.Abort(ctx, Upload{Key: w.file.Key, ID: id}); err != nil {
		return fmt.Errorf("drop upload: %w", err)
	}
	if err := w.catalog.SetUpload(ctx, w.file.ID, ""); err != nil {
		return fmt.Errorf("forget upload: %w", err)
	}
	w.upload = nil
	return nil
}

// send stores a sealed file that the store doesn't have.
func (w *worker) send(ctx context.Context, spool SpoolReader) (Object, error) {
	if w.digest.size < PartSize {
		return w.sendWhole(ctx, spool)
	}
	if err := w.sendParts(ctx, spool); err != nil {
		return Object{}, err
	}
	o, err := w.blobs.Complete(ctx, w.upload.Upload, w.upload.parts)
	if kind := reelvault.KindOf(err); kind == reelvault.Conflict || kind == reelvault.NotFound {
		if dropErr := w.forget(ctx, w.upload.ID); dropErr != nil {
			return Object{}, dropErr
		}
		return w.found(ctx, err)
	}
	if err != nil {
		return Object{}, fmt.Errorf("complete upload: %w", err)
	}
	w.upload = nil
	return o, nil
}

// sendWhole stores a small file in one request.
func (w *worker) sendWhole(ctx context.Context, spool SpoolReader) (Object, error) {
	if w.upload != nil { // it was larger before it broke and was cut
		if err := w.forget(ctx, w.upload.ID); err != nil {
			return Object{}, err
		}
	}
	o, err := w.blobs.Put(ctx, w.file.Key, io.NewSectionReader(spool, 0, w.digest.size), w.digest.size)
	if reelvault.KindOf(err) == reelvault.Conflict {
		return w.found(ctx, err)
	}
	if err != nil {
		return Object{}, fmt.Errorf("store file: %w", err)
	}
	w.countPart()
	return o, nil
}

// sendParts sends what of a sealed file is not in the upload yet, or not as
// the spool has it: the head of part 1 was rewritten since, and a file that
// broke may have been cut.
func (w *worker) sendParts(ctx context.Context, spool SpoolReader) error {
	want := w.digest.parts
	for i, sum := range want {
		off := int64(i) * PartSize
		size := min(PartSize, w.digest.size-off)
		if w.upload != nil && i < len(w.upload.parts) {
			if have := w.upload.parts[i]; have.Size == size && have.CRC32C == sum {
				continue
			}
		}
		if err := w.putPart(ctx, i+1, io.NewSectionReader(spool, off, size), size); err != nil {
			return err
		}
		if got := w.upload.parts[i].CRC32C; got != sum {
			w.digest = nil
			return reelvault.Errorf(reelvault.Internal, "part %d of the sealed spool file reads as %08x and then as %08x", i+1, sum, got)
		}
	}
	w.upload.parts = w.upload.parts[:len(want)]
	return nil
}

// found gives the object that a write was refused for; reading it back will
// tell whether it is ours. If there is none, err stands.
func (w *worker) found(ctx context.Context, err error) (Object, error) {
	o, statErr := w.blobs.Stat(ctx, w.file.Key, "")
	if statErr != nil && reelvault.KindOf(statErr) != reelvault.NotFound {
		return Object{}, fmt.Errorf("find object: %w", statErr)
	}
	if statErr != nil {
		return Object{}, fmt.Errorf("store file: %w", err)
	}
	return o, nil
}
