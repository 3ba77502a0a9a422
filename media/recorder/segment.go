package recorder

import (
	"context"
	"fmt"
	"math"
	"path"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

const (
	// trackSpread is how far apart the tracks of one publisher leave the jitter
	// buffer: a file's zero lies that much before the frame that begins it, if
	// another track is not there yet.
	trackSpread = 2 * jitterWait

	maxTime = time.Duration(math.MaxInt64)
)

// segment is one file of a reel while it is written: its row, its muxer, and
// the output behind it.
type segment struct {
	reel    *reel
	row     reelvault.File
	base    time.Duration // the file's zero on the capture's clock
	written time.Duration // up to here, likewise, nothing can be written any more
	began   time.Time
	out     *output
	writer  muxer
	lanes   []*lane
	dirty   bool // a row has changed since the last note
}

// lane is one track's place in one file.
type lane struct {
	segment *segment
	index   int // in the timeline
	row     reelvault.Track
	pausing bool // the last gap is a pause that still holds
}

func (r *reel) newSegment(at time.Duration, now time.Time) (*segment, error) {
	c, base := r.capture, at
	container := containerOf(r.codec)
	for _, t := range r.tracks() {
		t.lane = nil
		if t.started {
			base = min(base, max(t.end, at-trackSpread))
		}
		if containerOf(t.format.Codec) == reelvault.Matroska {
			container = reelvault.Matroska
		}
	}
	if c.first {
		base = 0
	}
	id, scope := uuid.Must(uuid.NewV7()).String(), c.recording.scope
	row := reelvault.File{
		ID: id, RecordingID: c.recording.id, Container: container, Offset: c.origin() + base,
		Durability: reelvault.Spooled,
		Key:        path.Join(scope.tenantID, scope.sessionID, c.recording.id, id+"."+string(container)),
	}
	file, err := c.recorder.config.Spool.Create(id)
	if err != nil {
		return nil, fmt.Errorf("create spool file: %w", err)
	}
	s := &segment{reel: r, row: row, base: base, began: now, out: newOutput(c.recorder, file, id)}
	if err := s.begin(); err != nil {
		s.out.abandon()
		return nil, err
	}
	c.first = false
	return s, nil
}

// begin makes the file's muxer and row.
func (s *segment) begin() error {
	c := s.reel.capture
	if s.row.Container == reelvault.WAV {
		w, err := newWave(s.out, s.reel.codec, s.reel.channels)
		if err != nil {
			return fmt.Errorf("begin WAVE file: %w", err)
		}
		s.writer = w
	} else {
		s.writer = newMatroska(s.out, s.row.Container, c.recording.zero().Add(s.row.Offset), c.publisher.ParticipantID)
	}
	ctx, cancel := c.opening()
	defer cancel()
	if err := c.recorder.config.Ledger.SaveFile(ctx, s.row); err != nil {
		return fmt.Errorf("save file: %w", err)
	}
	return nil
}

// admit gives t a lane in the file, and tells the muxer what a keyframe says.
func (s *segment) admit(t *track, f *media.Frame, at time.Duration) error {
	if t.lane != nil {
		return s.writer.update(t, f)
	}
	number, err := s.writer.add(t, f)
	if err != nil {
		return err
	}
	t.lane = &lane{segment: s, index: t.index, row: s.trackRow(t, number, at)}
	s.lanes = append(s.lanes, t.lane)
	s.dirty = true
	return nil
}

func (s *segment) trackRow(t *track, number int, at time.Duration) reelvault.Track {
	c := s.reel.capture
	participantID, role := t.owner()
	kind := reelvault.TrackOther
	switch {
	case c.publisher.Kind == reelvault.RecordingScreen:
		kind = reelvault.TrackScreenSharing
	case t.format.Party.Channel == media.Mixed:
		kind = reelvault.TrackAllParticipants
	case role == reelvault.RoleGuest:
		kind = reelvault.TrackGuest
	case role == reelvault.RoleOperator:
		kind = reelvault.TrackOperator
	}
	return reelvault.Track{
		ID: uuid.Must(uuid.NewV7()).String(), RecordingID: s.row.RecordingID, FileID: s.row.ID, Lane: number,
		ParticipantID: participantID, Role: role, Type: kind, Media: t.format.Media, Codec: t.format.Codec,
		Offset: c.origin() + at,
	}
}

func (s *segment) write(l *lane, at time.Duration, f *media.Frame) error {
	return s.writer.write(l.row.Lane, at-s.base, f)
}

// flush writes what lies before upTo, and gives the time before which nothing
// can be written any more. Both are on the capture's clock.
func (s *segment) flush(upTo time.Duration) (time.Duration, error) {
	if err := s.out.err(); err != nil {
		return s.base, err
	}
	if upTo != maxTime {
		upTo -= s.base
	}
	written, err := s.writer.flush(upTo)
	s.written = s.base + written
	return s.written, err
}

// rows gives copies of the file's tracks as they stand.
func (s *segment) rows() []reelvault.Track {
	rows := make([]reelvault.Track, len(s.lanes))
	for i, l := range s.lanes {
		rows[i] = l.row
		rows[i].Gaps = slices.Clone(l.row.Gaps)
	}
	return rows
}

func (s *segment) seal() error {
	duration, err := s.writer.close()
	if err != nil {
		s.out.abandon()
		return fmt.Errorf("close muxer: %w", err)
	}
	size, err := s.out.seal()
	if err != nil {
		return fmt.Errorf("seal spool file: %w", err)
	}
	s.row.Duration, s.row.Bytes, s.row.Sealed = duration, size, true
	s.reel.capture.forgetNoted(s.row.ID)
	ctx, cancel := context.WithTimeout(context.Background(), sealTime)
	defer cancel()
	if err := s.reel.capture.recorder.config.Ledger.SaveTracks(ctx, s.rows()); err != nil {
		return fmt.Errorf("save tracks: %w", err)
	}
	if err := s.reel.capture.recorder.config.Ledger.SaveFile(ctx, s.row); err != nil {
		return fmt.Errorf("save file: %w", err)
	}
	s.reel.capture.recorder.saveTiming(s.row.ID, s.timing())
	return nil
}
