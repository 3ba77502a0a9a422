package storage

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/reelvault/reelvault"
)

const (
	// firstWindow is what is asked of the store after a seek: players look into
	// many places of a file before they play, and read little there.
	firstWindow = 256 << 10

	// maxWindow is what is asked for once a reader reads on and on.
	maxWindow = 8 << 20
)

// Open gives a reader of a file's bytes, and how many there are: from the
// spool while it has them, else from the store, in the version that was
// committed. A file that still grows reads as long as it was at Open. Bytes
// that are gone are an error of kind NotFound, a store that can't be reached
// is Unavailable. The reader belongs to one goroutine, and to ctx; the caller
// closes it.
func (a *Archive) Open(ctx context.Context, f reelvault.File) (io.ReadSeekCloser, int64, error) {
	r, size, err := a.openSpool(f)
	if err == nil || reelvault.KindOf(err) != reelvault.NotFound {
		return r, size, err
	}
	if f.Durability == reelvault.Spooled {
		// The caller's row may be from before the commit.
		if f, err = a.row(ctx, f.ID); err != nil {
			return nil, 0, fmt.Errorf("find file: %w", err)
		}
	}
	if f.Durability == reelvault.Spooled {
		return nil, 0, reelvault.Errorf(reelvault.NotFound, "the bytes of the file are gone")
	}
	o, err := a.blobs.Stat(ctx, f.Key, f.Version)
	if err != nil {
		return nil, 0, fmt.Errorf("find object: %w", err)
	}
	if o.Size != f.Bytes {
		return nil, 0, reelvault.Errorf(reelvault.Internal, "the object has %d bytes, the file %d", o.Size, f.Bytes)
	}
	return newContent(ctx, a.blobs, o), o.Size, nil
}

// spooled reads a spool file up to the size it had when it was opened.
type spooled struct {
	*io.SectionReader
	io.Closer
}

func (a *Archive) openSpool(f reelvault.File) (io.ReadSeekCloser, int64, error) {
	r, err := a.spool.Open(f.ID)
	if err != nil {
		return nil, 0, fmt.Errorf("open spool file: %w", err)
	}
	size, err := r.Size()
	if err == nil && f.Sealed && size != f.Bytes {
		err = reelvault.Errorf(reelvault.NotFound, "the spool file has %d bytes, the file %d", size, f.Bytes)
	}
	if err != nil {
		_ = r.Close()
		return nil, 0, err
	}
	return spooled{io.NewSectionReader(r, 0, size), r}, size, nil
}

// content reads an object through windows: ranges that are asked for when
// somebody reads, each twice as large as the one before until a seek. So a
// reader that jumps about wastes little, and one that reads on asks seldom.
type content struct {
	open func(off, n int64) (io.ReadCloser, error)
	size int64

	at     int64         // where the next Read reads
	window io.ReadCloser // holds the bytes from at; nil: none is open
	left   int64         // how many of them
	next   int64         // size of the next window
}

func newContent(ctx context.Context, b Blobs, o Object) *content {
	open := func(off, n int64) (io.ReadCloser, error) { return b.Open(ctx, o, off, n) }
	return &content{open: open, size: o.Size, next: firstWindow}
}

// Read implements io.Reader.
func (c *content) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.at >= c.size {
		return 0, io.EOF
	}
	if c.window == nil {
		if err := c.slide(); err != nil {
			return 0, err
		}
	}
	n, err := c.window.Read(p[:min(int64(len(p)), c.left)])
	c.at += int64(n)
	c.left -= int64(n)
	if c.left == 0 {
		return n, c.Close()
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// slide opens the next window.
func (c *content) slide() error {
	n := min(c.next, c.size-c.at)
	window, err := c.open(c.at, n)
	if err != nil {
		return fmt.Errorf("read object: %w", err)
	}
	c.window, c.left, c.next = window, n, min(2*c.next, maxWindow)
	return nil
}

// Seek implements io.Seeker.
func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.at
	case io.SeekEnd:
		offset += c.size
	}
	if offset < 0 {
		return 0, reelvault.Errorf(reelvault.Invalid, "seek to %d, before the start", offset)
	}
	if offset == c.at {
		return offset, nil
	}
	c.at, c.next = offset, firstWindow
	return offset, c.Close()
}

// Close implements io.Closer. A Read after it opens the window again.
func (c *content) Close() error {
	if c.window == nil {
		return nil
	}
	err := c.window.Close()
	c.window = nil
	return err
}
