package recorder

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"path"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/mux/webm"
)

const (
	// A file is closed and the next one begun, at a keyframe, at either bound.
	longestFile = 4 * time.Hour
	largestFile = 4 << 30

	// retryFile is how long a failing disk is left alone before a new file. It
	// doubles up to retryMost while files fail young, so that an hour without
	// a disk leaves hundreds of empty files and not thousands.
	retryFile = time.Second
	retryMost = 8 * time.Second

	// trackSpread is how far apart the tracks of one publisher leave the jitter
	// buffer: a file's zero lies that much before the frame that begins it, if
	// another track is not there yet.
	trackSpread = 2 * jitterWait

	// maxPrivate is what one track may take of a file's head with its codec's
	// private bytes. Real ones take some hundreds at most, and a peer that sends
	// more must leave room for its other tracks. Players find the same in band.
	maxPrivate = webm.HeadSize / 4

	// keyframeWithin is how long a file waits at a bound for a picture that the
	// next one may begin with: one is asked for every seekEvery. Without any,
	// as when a camera is off, sound begins it.
	keyframeWithin = 2 * seekEvery

	maxTime = time.Duration(math.MaxInt64)
)

// segment is one file of a capture while it is written: its row, its muxer,
// and the output behind it.
type segment struct {
	capture *capture
	row     reelvault.File
	base    time.Duration // the file's zero on the capture's clock
	began   time.Time
	out     *output
	writer  *webm.Writer
	lanes   []*lane
}

// lane is one track's place in one file.
type lane struct {
	index    int // in the timeline
	row      reelvault.Track
	spec     webm.TrackSpec
	fillFrom time.Duration // where the silence of a running mute began
	pausing  bool          // the last gap is a pause that still holds
}

// containerOf says which container takes a codec.
func containerOf(c reelvault.Codec) reelvault.Container {
	if c == reelvault.H264 || c == reelvault.H265 {
		return reelvault.Matroska
	}
	return reelvault.WebM
}

// ready makes sure that t has a lane in a file that takes f. It says false
// if there is none to be had now.
func (c *capture) ready(t *track, f *media.Frame, at time.Duration, now time.Time) bool {
	if c.segment != nil && (c.due(t, f, at) || c.unfit(t)) {
		c.closeSegment()
	}
	if c.segment == nil && !c.openSegment(at, now) {
		t.missed(reelvault.GapDisk)
		return false
	}
	if c.segment.out.busy() {
		t.missed(reelvault.GapDisk)
		return false
	}
	if at < c.segment.base {
		return false
	}
	err := c.segment.admit(t, f, at)
	if reelvault.KindOf(err) == reelvault.Invalid {
		// The file is whole; only this track has no place in it.
		t.missed(reelvault.GapLoss)
		return false
	}
	c.check(err, now)
	return err == nil
}

// due says whether the file has reached a bound and f may begin the next.
func (c *capture) due(t *track, f *media.Frame, at time.Duration) bool {
	s := c.segment
	if at-s.base < longestFile && s.writer.Size() < largestFile {
		return false
	}
	if t.format.Media != reelvault.Audio {
		return f.Key
	}
	return !slices.ContainsFunc(c.tracks, func(o *track) bool {
		return o.format.Media != reelvault.Audio && o.lane != nil && o.end > at-keyframeWithin
	})
}

// unfit says whether a codec has turned up that the file's container can't hold.
func (c *capture) unfit(t *track) bool {
	return containerOf(t.format.Codec) == reelvault.Matroska && c.segment.row.Container == reelvault.WebM
}

// openSegment begins a file. Its zero is the end of the file before, or at.
func (c *capture) openSegment(at time.Duration, now time.Time) bool {
	if now.Before(c.retryAt) {
		return false
	}
	s, err := c.newSegment(at, now)
	if err != nil {
		c.backOff(now, time.Time{})
		c.recorder.config.Log.Error("begin file", "recording", c.recording.id, "err", err)
		return false
	}
	c.segment = s
	return true
}

func (c *capture) newSegment(at time.Duration, now time.Time) (*segment, error) {
	base, container := at, reelvault.WebM
	earliest := at - trackSpread
	for _, t := range c.tracks {
		t.lane = nil
		if t.started {
			base = min(base, max(t.end, earliest))
		}
		if containerOf(t.format.Codec) == reelvault.Matroska {
			container = reelvault.Matroska
		}
	}
	if c.first {
		base = 0
	}
	id := uuid.Must(uuid.NewV7()).String()
	scope := c.recording.scope
	row := reelvault.File{
		ID: id, RecordingID: c.recording.id, Container: container, Offset: c.origin() + base,
		Durability: reelvault.Spooled,
		Key:        path.Join(scope.tenantID, scope.sessionID, c.recording.id, id+"."+string(container)),
	}
	file, err := c.recorder.config.Spool.Create(id)
	if err != nil {
		return nil, fmt.Errorf("create spool file: %w", err)
	}
	s := &segment{capture: c, row: row, base: base, began: now, out: newOutput(c.recorder, file, id)}
	ctx, cancel := context.WithTimeout(context.Background(), saveEvery)
	defer cancel()
	if err := c.recorder.config.Ledger.SaveFile(ctx, row); err != nil {
		s.out.abandon()
		return nil, fmt.Errorf("save file: %w", err)
	}
	s.writer = webm.NewWriter(s.out, container, c.recording.zero().Add(row.Offset))
	c.first = false
	return s, nil
}

// admit gives t a lane in the file, and tells the muxer what a keyframe says.
func (s *segment) admit(t *track, f *media.Frame, at time.Duration) error {
	spec := webm.TrackSpec{
		Codec: t.format.Codec, Media: t.format.Media, Channels: t.format.Channels,
		Width: f.Width, Height: f.Height, Private: f.Private, Name: s.capture.publisher.ParticipantID,
	}
	if len(spec.Private) > maxPrivate {
		spec.Private = nil
	}
	if t.lane == nil {
		number, err := s.writer.AddTrack(spec)
		if err != nil {
			return fmt.Errorf("add %s track: %w", spec.Codec, err)
		}
		t.lane = &lane{index: t.index, spec: spec, row: s.trackRow(t, number, at)}
		s.lanes = append(s.lanes, t.lane)
		s.capture.dirty = true
		return nil
	}
	old := t.lane.spec
	if !f.Key || f.Width == 0 || spec.Width == old.Width && spec.Height == old.Height && bytes.Equal(spec.Private, old.Private) {
		return nil
	}
	t.lane.spec = spec
	return s.writer.UpdateTrack(t.lane.row.Lane, spec)
}

func (s *segment) trackRow(t *track, number int, at time.Duration) reelvault.Track {
	p := s.capture.publisher
	kind := reelvault.TrackOther
	switch {
	case p.Kind == reelvault.RecordingScreen:
		kind = reelvault.TrackScreenSharing
	case p.Role == reelvault.RoleGuest:
		kind = reelvault.TrackGuest
	case p.Role == reelvault.RoleOperator:
		kind = reelvault.TrackOperator
	}
	return reelvault.Track{
		ID: uuid.Must(uuid.NewV7()).String(), RecordingID: s.row.RecordingID, FileID: s.row.ID, Lane: number,
		ParticipantID: p.ParticipantID, Role: p.Role, Type: kind, Media: t.format.Media, Codec: t.format.Codec,
		Offset: s.capture.origin() + at,
	}
}

func (s *segment) write(l *lane, at time.Duration, f *media.Frame) error {
	return s.writer.WriteFrame(l.row.Lane, at-s.base, f.Duration, f.Key, f.Data)
}

func (s *segment) flush(upTo time.Duration) error {
	if err := s.out.err(); err != nil {
		return err
	}
	if upTo != maxTime {
		upTo -= s.base
	}
	return s.writer.Flush(upTo)
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

// check abandons the file if err says that it is broken.
func (c *capture) check(err error, now time.Time) {
	if err == nil || c.segment == nil {
		return
	}
	c.recorder.config.Log.Error("file abandoned", "recording", c.recording.id, "file", c.segment.row.ID, "err", err)
	c.recorder.stats.abandoned.Add(1)
	c.backOff(now, c.segment.began)
	c.segment.out.abandon()
	c.recording.leaveBehind(c.segment)
	c.segment = nil
	for _, t := range c.tracks {
		t.lane = nil
		t.gated = t.requestKeyframe != nil
		t.missed(reelvault.GapDisk)
	}
}

// backOff says when the next file may begin after one that began then failed.
func (c *capture) backOff(now, began time.Time) {
	c.retryWait = min(2*max(c.retryWait, retryFile/2), retryMost)
	if !began.IsZero() && now.Sub(began) > retryMost {
		c.retryWait = retryFile
	}
	c.retryAt = now.Add(c.retryWait)
}

// closeSegment seals the file: last cluster, index, head, sync, rows.
func (c *capture) closeSegment() {
	s := c.segment
	if s == nil {
		return
	}
	c.segment = nil
	for _, t := range c.tracks {
		if t.lane != nil {
			t.lane.row.Duration = max(t.end+c.origin()-t.lane.row.Offset, 0)
			t.lane, t.gated = nil, t.requestKeyframe != nil
		}
	}
	if err := s.seal(); err != nil {
		c.recorder.config.Log.Error("seal file", "recording", c.recording.id, "file", s.row.ID, "err", err)
		c.recording.leaveBehind(s)
		return
	}
	c.recording.keep(s.row, c.timeline.SyncError())
	c.recorder.config.Stored(s.row.ID)
}

func (s *segment) seal() error {
	duration, err := s.writer.Close()
	if err != nil {
		s.out.abandon()
		return fmt.Errorf("close muxer: %w", err)
	}
	size, err := s.out.seal()
	if err != nil {
		return fmt.Errorf("seal spool file: %w", err)
	}
	s.row.Duration, s.row.Bytes, s.row.Sealed = duration, size, true
	s.capture.forgetNoted()
	ctx, cancel := context.WithTimeout(context.Background(), sealTime)
	defer cancel()
	if err := s.capture.recorder.config.Ledger.SaveTracks(ctx, s.rows()); err != nil {
		return fmt.Errorf("save tracks: %w", err)
	}
	if err := s.capture.recorder.config.Ledger.SaveFile(ctx, s.row); err != nil {
		return fmt.Errorf("save file: %w", err)
	}
	s.capture.recorder.saveTiming(s.row.ID, s.timing())
	return nil
}
