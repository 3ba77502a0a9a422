package wav

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/reelvault/reelvault"
)

// maxHeld bounds how much a Writer holds back, in samples of one channel: 4 s.
// What is written so far ahead pushes out what was held before it.
const maxHeld = 4 * Rate

// usuallyHeld is how many bytes room is made for after a flush, if so many
// were held: half a second of two channels.
const usuallyHeld = Rate

// Output takes the bytes of a file. The slices it is given are its own from
// then on.
type Output interface {
	// Append writes b at the end.
	Append(b []byte) error

	// Repeat writes n times value at the end. It takes no memory to speak of,
	// and does not wait until they are written: a hold may last for hours.
	Repeat(value byte, n int64) error

	// WriteHead rewrites the first HeadSize bytes in place. It comes first.
	WriteHead(b []byte) error
}

// Writer writes one file. It belongs to one goroutine. After the Output has
// failed once, every call gives that error. Places are counted in samples of
// one channel from the file's zero.
type Writer struct {
	out      Output
	law      law
	channels int
	ends     [2]int64 // of what came for each channel
	flushed  int64
	held     []byte // interleaved, from flushed on: what came, and silence between
	begun    bool   // the head is written
	closed   bool
	err      error
}

// NewWriter makes a Writer of a file with 1 or 2 channels of the codec, PCMU
// or PCMA. Nothing is written before the first Write.
func NewWriter(out Output, codec reelvault.Codec, channels int) (*Writer, error) {
	i := slices.IndexFunc(laws[:], func(l law) bool { return l.codec == codec })
	if i < 0 {
		return nil, reelvault.Errorf(reelvault.Invalid, "codec %q is not G.711", codec)
	}
	if channels < 1 || channels > 2 {
		return nil, reelvault.Errorf(reelvault.Invalid, "%d channels, want 1 or 2", channels)
	}
	return &Writer{out: out, law: laws[i], channels: channels}, nil
}

// Write puts samples into a channel, from 1, at time at of the file's clock,
// to the nearest sample. Those whose place is taken or flushed already are
// left out. data is copied. What would lie beyond MaxSize is an error of kind
// Invalid and changes nothing.
func (w *Writer) Write(lane int, at time.Duration, data []byte) error {
	if err := w.usable(); err != nil {
		return err
	}
	if lane < 1 || lane > w.channels {
		return reelvault.Errorf(reelvault.Invalid, "channel %d of %d", lane, w.channels)
	}
	start := int64(at.Round(sampleTime) / sampleTime)
	end := start + int64(len(data))
	if end > (MaxSize-HeadSize)/int64(w.channels) {
		return reelvault.Errorf(reelvault.Invalid, "samples up to %v, want at most %d bytes of them", at, int64(MaxSize))
	}
	if late := max(w.ends[lane-1], w.flushed) - start; late > 0 {
		data = data[min(late, int64(len(data))):]
		start += late
	}
	if len(data) == 0 {
		return nil
	}
	if err := w.makeRoom(end - maxHeld); err != nil {
		return err
	}
	w.hold(lane-1, start, data)
	w.ends[lane-1] = end
	return nil
}

// hold puts data into its channel of what is held.
func (w *Writer) hold(channel int, start int64, data []byte) {
	i := int(start-w.flushed) * w.channels
	if n := i + len(data)*w.channels - len(w.held); n > 0 {
		old := len(w.held)
		w.held = slices.Grow(w.held, n)[:old+n]
		for j := range w.held[old:] {
			w.held[old+j] = w.law.silence
		}
	}
	if w.channels == 1 {
		copy(w.held[i:], data)
		return
	}
	for _, sample := range data {
		w.held[i+channel] = sample
		i += w.channels
	}
}

// Flush writes everything before upTo: what comes for it later is left out.
// It never goes further than the last sample that came.
func (w *Writer) Flush(upTo time.Duration) error {
	if err := w.usable(); err != nil {
		return err
	}
	return w.advance(int64(upTo / sampleTime))
}

// Flushed gives the place on the file's clock before which all is written.
func (w *Writer) Flushed() time.Duration { return duration(w.flushed) }

// makeRoom writes everything before the place to, and silence if nothing came.
func (w *Writer) makeRoom(to int64) error {
	if err := w.advance(to); err != nil || to <= w.flushed {
		return err
	}
	if err := w.begin(); err != nil {
		return err
	}
	if err := w.out.Repeat(w.law.silence, (to-w.flushed)*int64(w.channels)); err != nil {
		return w.fail("append silence", err)
	}
	w.flushed = to
	return nil
}

// advance writes everything before the place to, as far as anything came.
func (w *Writer) advance(to int64) error {
	n := min(to-w.flushed, int64(len(w.held)/w.channels))
	if n <= 0 {
		return nil
	}
	size := int(n) * w.channels
	ready, rest := w.held[:size], w.held[size:]
	w.held = append(make([]byte, 0, max(len(rest), min(len(w.held), usuallyHeld))), rest...)
	w.flushed += n
	return w.append(ready)
}

// Close writes what is held and the final head, and gives how long the file
// plays: to the end of its last sample. One channel with an odd number of
// samples gets one of silence, since a chunk is even. A second Close changes
// nothing. A file into which nothing was written stays empty.
func (w *Writer) Close() (time.Duration, error) {
	if w.closed || w.err != nil {
		return w.Duration(), w.err
	}
	w.closed = true
	if err := w.advance(math.MaxInt64); err != nil || !w.begun {
		return w.Duration(), err
	}
	if w.Size()%2 != 0 {
		if err := w.append([]byte{w.law.silence}); err != nil {
			return w.Duration(), err
		}
		w.flushed++
	}
	if err := w.out.WriteHead(w.law.whole(w.channels, w.Size())); err != nil {
		return w.Duration(), w.fail("write head", err)
	}
	return w.Duration(), nil
}

// Size gives how many bytes have been written.
func (w *Writer) Size() int64 {
	if !w.begun {
		return 0
	}
	return HeadSize + w.flushed*int64(w.channels)
}

// Duration gives how long the samples so far play, from the file's zero to
// the end of the last.
func (w *Writer) Duration() time.Duration { return duration(max(w.ends[0], w.ends[1], w.flushed)) }

// begin writes the head, once.
func (w *Writer) begin() error {
	if w.begun {
		return nil
	}
	if err := w.out.WriteHead(w.law.open(w.channels)); err != nil {
		return w.fail("write head", err)
	}
	w.begun = true
	return nil
}

func (w *Writer) append(b []byte) error {
	if err := w.begin(); err != nil {
		return err
	}
	if err := w.out.Append(b); err != nil {
		return w.fail("append samples", err)
	}
	return nil
}

func (w *Writer) usable() error {
	if w.err == nil && w.closed {
		return reelvault.Errorf(reelvault.Conflict, "the file is closed")
	}
	return w.err
}

func (w *Writer) fail(what string, err error) error {
	w.err = fmt.Errorf("%s: %w", what, err)
	return w.err
}
