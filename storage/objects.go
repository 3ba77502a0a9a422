package storage

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"strings"

	"github.com/reelvault/reelvault"
)

const (
	// maxKey is what S3 allows a key to have, in bytes, the store's prefix included.
	maxKey = 1024

	// maxSegment is what a file system allows one name to have, in bytes.
	maxSegment = 255

	// MaxParts is how many parts S3 allows an upload to have.
	MaxParts = 10_000
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CheckKey gives an error of kind Invalid unless key is one of ours: relative,
// of [A-Za-z0-9._/-], and no part of it empty or beginning with a dot. Every
// store checks its keys with it, so that none means another thing elsewhere.
func CheckKey(key string) error {
	if key == "" || len(key) > maxKey {
		return reelvault.Errorf(reelvault.Invalid, "an object key has 1 to %d bytes, this one has %d", maxKey, len(key))
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || len(segment) > maxSegment || segment[0] == '.' || strings.ContainsFunc(segment, notInKeys) {
			return reelvault.Errorf(reelvault.Invalid, "%.80q is no object key", key)
		}
	}
	return nil
}

func notInKeys(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
		return false
	}
	return true
}

// CheckPart gives an error of kind Invalid unless an upload may have a part
// of this number and size.
func CheckPart(number int, size int64) error {
	if number < 1 || number > MaxParts {
		return reelvault.Errorf(reelvault.Invalid, "parts are numbered 1 to %d, this one is %d", MaxParts, number)
	}
	if size < 1 || size > PartSize {
		return reelvault.Errorf(reelvault.Invalid, "a part has 1 to %d bytes, part %d has %d", PartSize, number, size)
	}
	return nil
}

// CheckParts gives the size of the object that parts make, or an error of kind
// Invalid unless they are numbered 1, 2, 3 and so on and all but the last have
// PartSize bytes.
func CheckParts(parts []Part) (int64, error) {
	if len(parts) == 0 {
		return 0, reelvault.Errorf(reelvault.Invalid, "an upload has at least one part")
	}
	var size int64
	for i, p := range parts {
		if err := CheckPart(p.Number, p.Size); err != nil {
			return 0, err
		}
		if p.Number != i+1 {
			return 0, reelvault.Errorf(reelvault.Invalid, "part %d stands where part %d belongs", p.Number, i+1)
		}
		if i < len(parts)-1 && p.Size != PartSize {
			return 0, reelvault.Errorf(reelvault.Invalid, "part %d has %d bytes, only the last may have other than %d", p.Number, p.Size, PartSize)
		}
		size += p.Size
	}
	return size, nil
}

// CheckRange gives how many bytes a read of o from off wants, n < 0 meaning
// all that follow, or an error of kind Invalid if o has fewer.
func CheckRange(o Object, off, n int64) (int64, error) {
	if n < 0 {
		n = o.Size - off
	}
	if off < 0 || n < 0 || off > o.Size-n {
		return 0, reelvault.Errorf(reelvault.Invalid, "the range of %d bytes from %d is outside the object's %d", n, off, o.Size)
	}
	return n, nil
}

// CRC32C gives the Castagnoli checksum of the first size bytes of r. Fewer
// bytes than that are an error of kind Invalid.
func CRC32C(ctx context.Context, r io.ReaderAt, size int64) (uint32, error) {
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, NewReader(ctx, r, size)); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, &reelvault.Error{Kind: reelvault.Invalid, Message: "there are fewer bytes to store than were announced", Cause: err}
		}
		return 0, err
	}
	return sum.Sum32(), nil
}

// NewReader reads the first size bytes of r in order, until ctx ends. Fewer
// bytes than that end in io.ErrUnexpectedEOF.
func NewReader(ctx context.Context, r io.ReaderAt, size int64) io.Reader {
	section := io.NewSectionReader(r, 0, size)
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := section.Read(p)
		if err == nil || !errors.Is(err, io.EOF) {
			return n, err
		}
		if at, _ := section.Seek(0, io.SeekCurrent); at < size {
			return n, io.ErrUnexpectedEOF
		}
		return n, io.EOF
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// ExactReader reads n bytes of r and closes r. Where r ends sooner, it fails
// with io.ErrUnexpectedEOF.
func ExactReader(r io.ReadCloser, n int64) io.ReadCloser {
	return &exactReader{r: r, left: n}
}

type exactReader struct {
	r    io.ReadCloser
	left int64
}

func (e *exactReader) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = nil
		if e.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

func (e *exactReader) Close() error { return e.r.Close() }
