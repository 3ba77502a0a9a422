package webm

import (
	"fmt"
	"slices"
	"time"

	"github.com/reelvault/reelvault"
)

// Writer writes one file. It belongs to one goroutine. After the Output has
// failed once, every call gives that error.
type Writer struct {
	out       Output
	container reelvault.Container
	start     time.Time
	specs     []TrackSpec
	lanes     []*lane
	head      *head
	open      cluster
	floor     int64 // timestamp of the cluster written last
	cues      index
	size      int64
	closed    bool
	err       error
}

// NewWriter makes a Writer of a file whose time zero is start. Nothing is
// written before the first track.
func NewWriter(out Output, container reelvault.Container, start time.Time) *Writer {
	return &Writer{out: out, container: container, start: start}
}

// AddTrack adds a track, at any time, and gives its lane: its track number,
// from 1. It rewrites the head. A codec that the container does not take, or
// a track for which the head has no room, is an error of kind Invalid and
// changes nothing.
func (w *Writer) AddTrack(s TrackSpec) (int, error) {
	if err := w.usable(); err != nil {
		return 0, err
	}
	if err := s.check(w.container); err != nil {
		return 0, err
	}
	if len(w.specs) >= maxLanes {
		return 0, reelvault.Errorf(reelvault.Invalid, "a file has at most %d tracks", maxLanes)
	}
	if err := w.writeTracks(append(slices.Clone(w.specs), s.clean())); err != nil {
		return 0, err
	}
	w.lanes = append(w.lanes, &lane{audio: s.audio(), opus: s.Codec == reelvault.Opus})
	return len(w.lanes), nil
}

// UpdateTrack replaces what is known of a track whose codec and media stay:
// when its private bytes or picture size become known, or the size grows. It
// rewrites the head. What does not fit is an error of kind Invalid and
// changes nothing.
func (w *Writer) UpdateTrack(lane int, s TrackSpec) error {
	if err := w.usable(); err != nil {
		return err
	}
	if err := w.checkLane(lane); err != nil {
		return err
	}
	if err := s.check(w.container); err != nil {
		return err
	}
	was := w.specs[lane-1]
	if s.Codec != was.Codec || s.audio() != was.audio() {
		return reelvault.Errorf(reelvault.Invalid, "track %d holds %s and can't become %s", lane, was.Codec, s.Codec)
	}
	specs := slices.Clone(w.specs)
	specs[lane-1] = s.clean()
	return w.writeTracks(specs)
}

func (w *Writer) writeTracks(specs []TrackSpec) error {
	h, err := newHead(w.container, w.start, specs)
	if err != nil {
		return err
	}
	if err := w.out.WriteHead(slices.Clone(h.b)); err != nil {
		return w.fail("write head", err)
	}
	w.head, w.specs = h, specs
	w.size = max(w.size, HeadSize)
	return nil
}

// WriteFrame adds a frame at time at of the file's clock. duration is how
// long it plays, zero if that is not known. A frame before the file's zero is
// put at zero, one that does not come after its lane's last 1 ms after it.
// data is kept until its cluster is written: it must not be written to any
// more.
func (w *Writer) WriteFrame(lane int, at, duration time.Duration, key bool, data []byte) error {
	if err := w.usable(); err != nil {
		return err
	}
	if err := w.checkLane(lane); err != nil {
		return err
	}
	if len(data) == 0 || len(data) > MaxFrame {
		return reelvault.Errorf(reelvault.Invalid, "frame of %d bytes on track %d, want 1 to %d", len(data), lane, MaxFrame)
	}
	l := w.lanes[lane-1]
	f := frame{lane: lane, audio: l.audio, t: l.place(at), key: key, data: data}
	if end, ok := w.open.cut(f); ok {
		if err := w.writeCluster(end); err != nil {
			return err
		}
	}
	l.add(f.t, duration, key, data)
	w.open.add(f, w.floor)
	return nil
}

// Flush writes the open cluster if it began 500 ms or more before upTo on the
// file's clock. Called at every tick, it keeps clusters from growing older
// when no frame comes.
func (w *Writer) Flush(upTo time.Duration) error {
	if err := w.usable(); err != nil {
		return err
	}
	if !w.open.old(upTo) {
		return nil
	}
	return w.writeCluster(forever)
}

// Close writes what is left, the cues and the final head, and gives how long
// the file plays: to the end of its last frame. A second Close changes
// nothing. A file without tracks stays empty.
func (w *Writer) Close() (time.Duration, error) {
	if w.closed || w.err != nil {
		return w.Duration(), w.err
	}
	w.closed = true
	if w.head == nil {
		return 0, nil
	}
	if !w.open.empty() {
		if err := w.writeCluster(forever); err != nil {
			return w.Duration(), err
		}
	}
	at := int64(0)
	if cues := w.cues.encode(w.head.data()); cues != nil {
		at = w.size
		if err := w.append(cues); err != nil {
			return w.Duration(), w.fail("append cues", err)
		}
	}
	w.head.finish(w.size, at, w.Duration())
	if err := w.out.WriteHead(slices.Clone(w.head.b)); err != nil {
		return w.Duration(), w.fail("write head", err)
	}
	return w.Duration(), nil
}

// Size gives how many bytes have been written.
func (w *Writer) Size() int64 { return w.size }

// Duration gives how long the frames so far play, from the file's zero to the
// end of the last.
func (w *Writer) Duration() time.Duration { return duration(w.lanes) }

func duration(lanes []*lane) time.Duration {
	var end time.Duration
	for _, l := range lanes {
		end = max(end, l.end)
	}
	return end
}

func (w *Writer) writeCluster(end int64) error {
	frames := w.open.take(end, w.floor)
	w.floor = stamp(frames, w.floor)
	if err := w.append(encode(frames, w.floor, w.size, w.cues.add)); err != nil {
		return w.fail("append cluster", err)
	}
	return nil
}

func (w *Writer) append(b []byte) error {
	if err := w.out.Append(b); err != nil {
		return err
	}
	w.size += int64(len(b))
	return nil
}

func (w *Writer) usable() error {
	if w.err == nil && w.closed {
		return reelvault.Errorf(reelvault.Conflict, "the file is closed")
	}
	return w.err
}

func (w *Writer) checkLane(lane int) error {
	if lane < 1 || lane > len(w.lanes) {
		return reelvault.Errorf(reelvault.Invalid, "track %d of %d", lane, len(w.lanes))
	}
	return nil
}

func (w *Writer) fail(what string, err error) error {
	w.err = fmt.Errorf("%s: %w", what, err)
	return w.err
}
