package recorder

import (
	"bytes"
	"fmt"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/mux/wav"
	"github.com/reelvault/reelvault/media/mux/webm"
	"github.com/reelvault/reelvault/media/spool"
)

// maxPrivate is what one track may take of a file's head with its codec's
// private bytes. Real ones take some hundreds at most, and a peer that sends
// more must leave room for its other tracks. Players find the same in band.
const maxPrivate = webm.HeadSize / 4

// muxer writes one file. Times are on the file's clock.
type muxer interface {
	// add gives t a lane, from 1, before its first frame f.
	add(t *track, f *media.Frame) (int, error)

	// update hears of each frame after it.
	update(t *track, f *media.Frame) error

	write(lane int, at time.Duration, f *media.Frame) error

	// flush writes what lies before upTo, as far as it has to. It gives the
	// time before which nothing can be written any more, zero if that is
	// never so.
	flush(upTo time.Duration) (time.Duration, error)

	close() (time.Duration, error)
	size() int64
}

// containerOf says which container takes a codec.
func containerOf(c reelvault.Codec) reelvault.Container {
	switch c {
	case reelvault.H264, reelvault.H265:
		return reelvault.Matroska
	case reelvault.PCMU, reelvault.PCMA:
		return reelvault.WAV
	default:
		return reelvault.WebM
	}
}

// matroska writes WebM and Matroska.
type matroska struct {
	*webm.Writer

	name  string // of every track
	specs map[int]webm.TrackSpec
}

func newMatroska(out webm.Output, c reelvault.Container, start time.Time, name string) *matroska {
	return &matroska{webm.NewWriter(out, c, start), name, map[int]webm.TrackSpec{}}
}

func (m *matroska) spec(t *track, f *media.Frame) webm.TrackSpec {
	s := webm.TrackSpec{
		Codec: t.format.Codec, Media: t.format.Media, Channels: t.format.Channels,
		Width: f.Width, Height: f.Height, Private: f.Private, Name: m.name,
	}
	if len(s.Private) > maxPrivate {
		s.Private = nil
	}
	return s
}

func (m *matroska) add(t *track, f *media.Frame) (int, error) {
	spec := m.spec(t, f)
	number, err := m.AddTrack(spec)
	if err != nil {
		return 0, fmt.Errorf("add %s track: %w", spec.Codec, err)
	}
	m.specs[number] = spec
	return number, nil
}

func (m *matroska) update(t *track, f *media.Frame) error {
	if !f.Key || f.Width == 0 {
		return nil
	}
	old, spec := m.specs[t.lane.row.Lane], m.spec(t, f)
	if spec.Width == old.Width && spec.Height == old.Height && bytes.Equal(spec.Private, old.Private) {
		return nil
	}
	m.specs[t.lane.row.Lane] = spec
	return m.UpdateTrack(t.lane.row.Lane, spec)
}

func (m *matroska) write(lane int, at time.Duration, f *media.Frame) error {
	return m.WriteFrame(lane, at, f.Duration, f.Key, f.Data)
}

func (m *matroska) flush(upTo time.Duration) (time.Duration, error) { return 0, m.Flush(upTo) }

func (m *matroska) close() (time.Duration, error) { return m.Close() }

func (m *matroska) size() int64 { return m.Size() }

// wave writes WAVE files of a call.
type wave struct {
	*wav.Writer

	channels int
}

func newWave(out wav.Output, c reelvault.Codec, channels int) (*wave, error) {
	w, err := wav.NewWriter(out, c, channels)
	if err != nil {
		return nil, err
	}
	return &wave{w, channels}, nil
}

// add gives each party its channel. In a file of its own that is the only one.
func (w *wave) add(t *track, _ *media.Frame) (int, error) {
	if w.channels == 1 {
		return 1, nil
	}
	return t.format.Party.Channel + 1, nil
}

func (w *wave) update(*track, *media.Frame) error { return nil }

func (w *wave) write(lane int, at time.Duration, f *media.Frame) error {
	return w.Write(lane, at, f.Data)
}

func (w *wave) flush(upTo time.Duration) (time.Duration, error) {
	err := w.Flush(upTo)
	return w.Flushed(), err
}

func (w *wave) close() (time.Duration, error) { return w.Close() }

func (w *wave) size() int64 { return w.Size() }

// remains is what Recover found in a file.
type remains struct {
	duration time.Duration
	whole    bool
	lanes    []stretch // by lane, from 1
}

// stretch is what is in one lane, on the file's clock.
type stretch struct {
	first time.Duration
	end   time.Duration
	bare  bool // samples alone, from the file's zero on: only the track's row knows where it began
}

// recoverFile makes a whole file of what is left of one.
func recoverFile(c reelvault.Container, f *spool.File) (remains, error) {
	if c == reelvault.WAV {
		s, err := wav.Recover(f)
		r := remains{duration: s.Duration, whole: s.Whole}
		for range s.Channels {
			r.lanes = append(r.lanes, stretch{end: s.Duration, bare: true})
		}
		return r, err
	}
	s, err := webm.Recover(f)
	r := remains{duration: s.Duration, whole: s.Whole}
	for _, l := range s.Lanes {
		r.lanes = append(r.lanes, stretch{first: l.First, end: l.End, bare: l.Frames == 0})
	}
	return r, err
}
