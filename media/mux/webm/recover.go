package webm

import (
	"bytes"
	"errors"
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
	Duration time.Duration // from the file's zero to the end of its last frame
	Bytes    int64
	Lanes    []LaneSummary // by lane, from 1
	Whole    bool          // the file was finished already
}

// LaneSummary says what one track holds. First and Last are the times of its
// first and last frame on the file's clock, End is when the last one ends.
type LaneSummary struct {
	First, Last, End  time.Duration
	Frames, Keyframes int
}

// Recover finishes a file that a crash left: it cuts what follows the last
// whole cluster, writes the cues behind it and enters cues, duration and size
// in the head. It may be broken off and repeated at any point. A file that is
// finished stays as it is, byte for byte.
//
// A file whose head can't be read is an error of kind Invalid, and is left
// alone like one that can't be read at all. Memory is bounded whatever the
// file holds.
func Recover(f File) (Summary, error) {
	size := f.Size()
	if size < HeadSize {
		return Summary{}, reelvault.Errorf(reelvault.Invalid, "the file has %d bytes, fewer than its head", size)
	}
	b := make([]byte, HeadSize)
	if n, err := f.ReadAt(b, 0); n < HeadSize {
		return Summary{}, fmt.Errorf("read head: %w", err)
	}
	h, lanes, err := parseHead(b)
	if err != nil {
		return Summary{}, err
	}
	var found index
	end, err := scan(&window{f: f, size: size}, HeadSize, lanes, &found)
	if err != nil {
		return Summary{}, fmt.Errorf("scan clusters: %w", err)
	}
	cues := found.encode(h.data())
	whole, err := finished(f, h, end, cues)
	if err != nil {
		return Summary{}, err
	}
	if whole {
		s := summarize(lanes, h.length(), size)
		s.Whole = true
		return s, nil
	}
	total := end + int64(len(cues))
	if err := finish(f, h, end, cues, duration(lanes)); err != nil {
		return Summary{}, err
	}
	return summarize(lanes, duration(lanes), total), nil
}

// finished says whether f is already what finish would make of it, its
// duration aside: the writer may have known better how long the last frame
// plays.
func finished(f File, h *head, end int64, cues []byte) (bool, error) {
	size, at, ok := h.finished()
	if !ok || size != f.Size() || size != end+int64(len(cues)) || (at != end && len(cues) > 0) {
		return false, nil
	}
	if len(cues) == 0 {
		return at == 0, nil
	}
	got := make([]byte, len(cues))
	if n, err := f.ReadAt(got, end); n < len(got) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return false, fmt.Errorf("read cues: %w", err)
	}
	return bytes.Equal(got, cues), nil
}

// finish writes the end of the file first and the head that points to it
// last.
func finish(f File, h *head, end int64, cues []byte, length time.Duration) error {
	if err := f.Truncate(end); err != nil {
		return fmt.Errorf("cut after last whole cluster: %w", err)
	}
	at := int64(0)
	if len(cues) > 0 {
		at = end
		if _, err := f.WriteAt(cues, end); err != nil {
			return fmt.Errorf("write cues: %w", err)
		}
	}
	h.finish(end+int64(len(cues)), at, length)
	if _, err := f.WriteAt(h.b, 0); err != nil {
		return fmt.Errorf("write head: %w", err)
	}
	return nil
}

func summarize(lanes []*lane, length time.Duration, size int64) Summary {
	s := Summary{Duration: length, Bytes: size}
	for _, l := range lanes {
		s.Lanes = append(s.Lanes, LaneSummary{
			First:  time.Duration(l.first) * time.Millisecond,
			Last:   time.Duration(l.last) * time.Millisecond,
			End:    l.end,
			Frames: l.frames, Keyframes: l.keys,
		})
	}
	return s
}
