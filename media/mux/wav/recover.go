package wav

import (
	"fmt"
	"io"
	"time"

	"github.com/reelvault/reelvault"
)

// File is a file that Recover mends.
type File interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Size() int64
}

// Summary says what a file holds.
type Summary struct {
	Duration time.Duration // from the file's zero to the end of its last sample
	Bytes    int64
	Channels int
	Whole    bool // the file was finished already
}

// Recover finishes a file that a crash left: it cuts what is no sample of
// every channel, and enters the sizes in the head. It may be broken off and
// repeated at any point. A file that is finished stays as it is, byte for
// byte.
//
// A file whose head can't be read is an error of kind Invalid, and is left
// alone like one that can't be read at all.
func Recover(f File) (Summary, error) {
	size := f.Size()
	if size < HeadSize {
		return Summary{}, reelvault.Errorf(reelvault.Invalid, "the file has %d bytes, fewer than its head", size)
	}
	was := make([]byte, HeadSize)
	if n, err := f.ReadAt(was, 0); n < HeadSize {
		return Summary{}, fmt.Errorf("read head: %w", err)
	}
	l, channels, err := parse(was)
	if err != nil {
		return Summary{}, err
	}
	end := min(size, MaxSize)
	end -= (end - HeadSize) % int64(channels)
	if end < size {
		if err := f.Truncate(end); err != nil {
			return Summary{}, fmt.Errorf("cut after last whole sample: %w", err)
		}
	}
	if end%2 != 0 {
		if _, err := f.WriteAt([]byte{l.silence}, end); err != nil {
			return Summary{}, fmt.Errorf("write last sample: %w", err)
		}
		end++
	}
	head := l.whole(channels, end)
	s := Summary{Duration: duration((end - HeadSize) / int64(channels)), Bytes: end, Channels: channels, Whole: string(head) == string(was)}
	if s.Whole {
		return s, nil
	}
	if _, err := f.WriteAt(head, 0); err != nil {
		return Summary{}, fmt.Errorf("write head: %w", err)
	}
	return s, nil
}
