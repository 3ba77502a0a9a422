package timeline

import (
	"log/slog"
	"time"
)

const (
	// slewRate is how much a picture's clock may gain or lose a second while
	// it is led back to the sound: a two-hundredth, which nobody sees.
	slewRate = 5 * time.Millisecond

	// calmReports is what is left uncorrected when reports tell the error,
	// below what reports and frames scatter by.
	calmReports = 5 * time.Millisecond

	// calmArrival is the same when only arrival tells it.
	calmArrival = 20 * time.Millisecond

	// loudError is from where on a correction is worth a line in the log.
	loudError = 20 * time.Millisecond

	// settleTime is how long after a track's first frame its smallest delay
	// may still say that the file began earlier than was thought.
	settleTime = 20 * time.Second
)

// Config is what a Timeline needs from outside.
type Config struct {
	// Apart says that each track has a sender of its own, as in a telephone
	// call. See the package's comment.
	Apart bool

	// Log gets a line when a correction begins, when it ends, and when a
	// track is re-anchored. Nil is silence.
	Log *slog.Logger
}

// Timeline places the frames of one file. Use New.
type Timeline struct {
	log    *slog.Logger
	apart  bool
	epoch  time.Time // the first arrival; every time in here counts from it
	tracks []*track
	master int // whom the others follow: the first audio track, else the first track

	started bool
	zero    time.Duration // of the file

	ntp0    uint64 // the first report's, to keep the numbers small
	journal journal
}

// track is one medium of the file. Its media time plus off, minus the
// timeline's zero, is file time.
type track struct {
	number   int
	audio    bool
	clock    clock
	delay    delays        // of arrival against media time
	early    time.Duration // the smallest one until shortly after the first frame
	base     time.Duration // the smallest one, but falling no faster than quartz clocks drift
	recent   arrivals
	hearing  hearing
	restart  bool // the next frame may be on another clock
	report   senderTime
	lips     lips // against the master
	stepping bool // a correction is under way

	placed   bool // off means something
	placedAt time.Duration
	shown    bool // a frame was given a place in the file
	off      time.Duration
	mu       time.Duration // the highest that was placed
	last     time.Duration // its file time
}

// New makes a Timeline without tracks.
func New(c Config) *Timeline {
	log := c.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Timeline{log: log, apart: c.Apart}
}

// AddTrack announces a track with clockRate RTP units a second, and gives the
// number by which the other methods know it. A clockRate of zero is taken for
// the usual one of the medium. The first audio track becomes the one that
// video follows.
func (t *Timeline) AddTrack(clockRate uint32, audio bool) int {
	if clockRate == 0 {
		clockRate = videoRate
		if audio {
			clockRate = opusRate
		}
	}
	n := len(t.tracks)
	t.tracks = append(t.tracks, &track{number: n, audio: audio, clock: clock{rate: clockRate}})
	if audio && !t.tracks[t.master].audio {
		t.master = n
		for _, o := range t.tracks {
			o.lips = lips{}
		}
	}
	return n
}

// Restart says that the next frame begins a new stream, as the jitter buffer
// found: its timestamp may have nothing to do with the last one.
func (t *Timeline) Restart(track int) { t.tracks[track].restart = true }

// Place gives the file time of a frame. It is called in decoding order, after
// the packets of the frame have gone through Arrive and the jitter buffer.
// Times never fall within a track. It is not ok if the frame lies before the
// file's zero: the frame is to be dropped.
func (t *Timeline) Place(track int, rtp uint32) (at time.Duration, ok bool) {
	k := t.tracks[track]
	mu := t.media(k, rtp)
	if k.shown {
		t.slew(k, mu)
	} else {
		k.mu = mu
		k.off = t.offset(k)
		if !k.placed {
			k.placed, k.placedAt = true, k.hearing.at
		}
	}
	if !t.started {
		t.begin(k, mu)
	}
	k.mu = max(k.mu, mu)
	at = mu + k.off - t.zero
	if at < 0 {
		return 0, false
	}
	k.last = max(at, k.last)
	k.shown = true
	return k.last, true
}

// Start gives the instant of arrival that file time zero stands for. It means
// something after the first Place. For settleTime it may become earlier: a
// smaller delay then shows that the first frames had been held up.
func (t *Timeline) Start() time.Time {
	if t.apart {
		return t.epoch.Add(t.zero)
	}
	k := t.leader()
	if k == nil {
		return t.epoch
	}
	return t.epoch.Add(t.zero + k.early - k.off)
}

// Now gives the file time that media would have if they arrived at now
// without having met a queue. Before the first Place it is zero.
func (t *Timeline) Now(now time.Time) time.Duration {
	if t.apart && t.started {
		return now.Sub(t.epoch) - t.zero
	}
	k := t.leader()
	if k == nil {
		return 0
	}
	return now.Sub(t.epoch) - k.delay.min + k.off - t.zero
}

// SyncError is how far the worst track is from where it should be beside the
// master, as far as that is known.
func (t *Timeline) SyncError() time.Duration {
	var worst time.Duration
	for _, k := range t.tracks {
		if err, _, ok := t.error(k, k.mu); ok {
			worst = max(worst, err.Abs())
		}
	}
	return worst
}

// leader is the track that ties the file to arrival, nil before any is placed.
func (t *Timeline) leader() *track {
	if len(t.tracks) == 0 {
		return nil
	}
	if m := t.tracks[t.master]; m.placed {
		return m
	}
	for _, k := range t.tracks {
		if k.placed {
			return k
		}
	}
	return nil
}

// begin makes file time zero the first frame, or what came before it on
// another track.
func (t *Timeline) begin(k *track, mu time.Duration) {
	t.started, t.zero = true, mu+k.off
	earliest := t.zero - maxAhead
	for _, o := range t.tracks {
		if o == k {
			continue
		}
		for _, e := range o.clock.eras {
			t.zero = min(t.zero, max(earliest, e.media(e.first)+t.offset(o)))
		}
	}
}

// offset gives the offset of a track of which nothing is in the file yet:
// beside the track that is, or by its own smallest delay.
func (t *Timeline) offset(k *track) time.Duration {
	if t.apart {
		return k.delay.min
	}
	m := t.tracks[t.master]
	ref := m
	if k == m || !m.placed {
		ref = nil
		for _, o := range t.tracks {
			if o != k && o.placed {
				ref = o
				break
			}
		}
	}
	if ref == nil {
		return k.delay.min
	}
	byArrival := k.delay.min - ref.delay.min
	if ref == m {
		if y, ok := k.lips.at(k.mu, byArrival); ok {
			return ref.off + y
		}
	}
	if k == m {
		if y, ok := ref.lips.at(ref.mu, -byArrival); ok {
			return ref.off - y
		}
	}
	return ref.off + byArrival
}

// error gives how far k, at media time mu, is too early beside the master,
// and how much of that is not worth correcting.
func (t *Timeline) error(k *track, mu time.Duration) (err, calm time.Duration, known bool) {
	m := t.tracks[t.master]
	if k == m || k.audio || !m.placed || !k.placed {
		return 0, 0, false
	}
	is := k.off - m.off
	if y, ok := k.lips.at(mu, is); ok {
		return y - is, calmReports, true
	}
	if k.lips.known || !k.delay.ready() || !m.delay.ready() {
		return 0, 0, false
	}
	return k.delay.min - m.delay.min - is, calmArrival, true
}

// slew leads a follower towards its place, no faster than slewRate.
func (t *Timeline) slew(k *track, mu time.Duration) {
	err, calm, known := t.error(k, mu)
	if !known || err.Abs() <= calm {
		if k.stepping {
			t.endCorrection(k)
		}
		return
	}
	t.journal.stats.Worst = max(t.journal.stats.Worst, err.Abs())
	if !k.stepping && err.Abs() > loudError {
		t.beginCorrection(k, err)
	}
	most := max(0, mu-k.mu) / (time.Second / slewRate)
	k.off += min(max(err, -most), most)
}
