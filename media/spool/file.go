package spool

import (
	"context"
	"io"
	"sync"

	"github.com/reelvault/reelvault"
)

// File is a file being written or mended. One goroutine writes; the other
// methods may be called from any. A write or sync that fails breaks the file:
// every later write gives the same error.
type File struct {
	id string
	h  FSFile

	writing sync.Mutex    // held by a write, and by Seal and Close
	syncing chan struct{} // holds one token: two syncs at once would share out one error between them

	mu      sync.Mutex // guards what follows, and is never held over I/O
	size    int64
	synced  int64
	writes  uint64 // finished ones
	flushed uint64 // writes when the last sync began
	sealed  bool
	closed  bool
	err     error
}

func newFile(id string, h FSFile, size int64) *File {
	f := &File{id: id, h: h, size: size, syncing: make(chan struct{}, 1)}
	if size > 0 {
		f.writes = 1 // nobody knows whether it was ever synced
	}
	return f
}

// ID gives the file's id.
func (f *File) ID() string { return f.id }

// Append writes b at the end. It never waits for a sync. If it fails, a part
// of b may be in the file, behind Size.
func (f *File) Append(b []byte) error {
	f.writing.Lock()
	defer f.writing.Unlock()
	_, err := f.write(b, f.Size())
	return err
}

// WriteHead writes b over the first bytes.
func (f *File) WriteHead(b []byte) error {
	f.writing.Lock()
	defer f.writing.Unlock()
	_, err := f.write(b, 0)
	return err
}

// WriteAt writes b at off, as io.WriterAt has it. It is for mending: what it
// changes below Synced is not safe before the next sync.
func (f *File) WriteAt(b []byte, off int64) (int, error) {
	f.writing.Lock()
	defer f.writing.Unlock()
	if off < 0 || off > f.Size() {
		return 0, reelvault.Errorf(reelvault.Invalid, "write at %d of a file of %d bytes", off, f.Size())
	}
	return f.write(b, off)
}

// Truncate cuts the file to size bytes. It is for mending, and waits for a
// sync of this file that is under way: what is cut must not be counted.
func (f *File) Truncate(size int64) error {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.syncing <- struct{}{}
	defer func() { <-f.syncing }()
	if err := f.usable(); err != nil {
		return err
	}
	if size < 0 || size > f.Size() {
		return reelvault.Errorf(reelvault.Invalid, "cut a file of %d bytes to %d", f.Size(), size)
	}
	if err := f.h.Truncate(size); err != nil {
		return f.breaks(failure("cut spool file", err))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.size, f.synced = size, min(f.synced, size)
	f.writes++
	return nil
}

// ReadAt reads what has been written, synced or not, as io.ReaderAt has it.
func (f *File) ReadAt(b []byte, off int64) (int, error) { return f.h.ReadAt(b, off) }

// Size gives how many bytes have been written.
func (f *File) Size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size
}

// Synced gives how many bytes survive a power cut.
func (f *File) Synced() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.synced
}

// Err gives what broke the file, nil if nothing did. A sync that failed in
// Run shows here.
func (f *File) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Sync returns when all that was written before the call survives a power
// cut. ctx bounds the wait for a sync of this file that is under way; the
// sync itself can't be broken off.
func (f *File) Sync(ctx context.Context) error {
	select {
	case f.syncing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-f.syncing }()
	return f.sync()
}

// Seal syncs the file for the last time and makes it immutable. A second Seal
// does nothing. The file is still to be closed.
func (f *File) Seal() error {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.syncing <- struct{}{}
	defer func() { <-f.syncing }()
	if f.isSealed() {
		return nil
	}
	if f.isClosed() {
		return errClosed()
	}
	if err := f.sync(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sealed = true
	return nil
}

// Close lets go of the file. Without Seal it leaves what a crash would leave.
// A second Close does nothing.
func (f *File) Close() error {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.syncing <- struct{}{}
	defer func() { <-f.syncing }()
	if f.isClosed() {
		return nil
	}
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	if err := f.h.Close(); err != nil {
		return failure("close spool file", err)
	}
	return nil
}

// write writes all of b at off. f.writing is held.
func (f *File) write(b []byte, off int64) (int, error) {
	if err := f.usable(); err != nil {
		return 0, err
	}
	done := 0
	for done < len(b) {
		n, err := f.h.WriteAt(b[done:], off+int64(done))
		done += max(n, 0)
		if err == nil && n <= 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return done, f.breaks(failure("write spool file", err))
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.size = max(f.size, off+int64(done))
	f.writes++
	return done, nil
}

// sync forces to the disk what has been written. f.syncing is held.
func (f *File) sync() error {
	f.mu.Lock()
	size, writes := f.size, f.writes
	idle, closed, err := f.writes == f.flushed, f.closed, f.err
	f.mu.Unlock()
	switch {
	case err != nil || idle:
		return err
	case closed:
		return errClosed()
	}
	if err := f.h.Sync(); err != nil {
		return f.breaks(failure("sync spool file", err))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.synced, f.flushed = size, writes
	return nil
}

// breaks keeps the first error that broke the file.
func (f *File) breaks(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	return f.err
}

func (f *File) usable() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.err != nil:
		return f.err
	case f.closed:
		return errClosed()
	case f.sealed:
		return reelvault.Errorf(reelvault.Conflict, "the spool file is sealed")
	}
	return nil
}

func errClosed() error { return reelvault.Errorf(reelvault.Conflict, "the spool file is closed") }

func (f *File) isClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

func (f *File) isSealed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sealed
}

// live says whether the file may still change.
func (f *File) live() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.closed && !f.sealed
}

// dirty says whether there is something to sync.
func (f *File) dirty() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err == nil && !f.closed && f.writes != f.flushed
}

// Reader reads one file while it may still grow.
type Reader struct {
	h    FSFile
	file *File // nil if this process has not written it
}

// ReadAt reads as io.ReaderAt has it. Bytes from Size on may be there and
// may yet go away.
func (r *Reader) ReadAt(b []byte, off int64) (int, error) { return r.h.ReadAt(b, off) }

// Size gives how many bytes survive a power cut. Those before it do not change
// any more, but for the head until the file is sealed. A file that nobody
// writes is as large as it is on the disk.
func (r *Reader) Size() (int64, error) {
	if r.file != nil {
		return r.file.Synced(), nil
	}
	info, err := r.h.Stat()
	if err != nil {
		return 0, failure("measure spool file", err)
	}
	return info.Size(), nil
}

// Close lets go of the file.
func (r *Reader) Close() error {
	if err := r.h.Close(); err != nil {
		return failure("close spool file", err)
	}
	return nil
}
