package recorder_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/recorder"
	"github.com/reelvault/reelvault/media/spool"
	"github.com/reelvault/reelvault/testmedia"
)

// rig is a recorder over a real spool folder, on whatever clock the test has.
type rig struct {
	t      *testing.T
	path   string
	ledger *ledger
	*recorder.Recorder
	stop      func()
	published []*publisher

	mu      sync.Mutex
	changes []reelvault.Recording
}

// heard gives the recordings that have changed since the last call.
func (r *rig) heard() []reelvault.Recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.changes
	r.changes = nil
	return all
}

func newRig(t *testing.T, path string, l *ledger, fs ...spool.FS) *rig {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	c := spool.Config{Reserve: 1, SyncEvery: time.Second, Log: log}
	if len(fs) > 0 && fs[0] != nil {
		c.FS = fs[0]
	}
	dir, err := spool.Open(path, c)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, path: path, ledger: l}
	r.Recorder = recorder.New(recorder.Config{Ledger: l, Spool: dir, Log: log, Changed: func(rec reelvault.Recording) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.changes = append(r.changes, rec)
	}})
	ctx, cancel := context.WithCancel(t.Context())
	flushed := make(chan error, 1)
	go func() { flushed <- dir.Run(ctx) }()
	r.stop = func() {
		if err := r.Drain(t.Context()); err != nil {
			t.Errorf("drain: %v", err)
		}
		r.Close()
		cancel()
		if err := <-flushed; err != nil {
			t.Errorf("flusher: %v", err)
		}
	}
	return r
}

var guest = media.Publisher{TenantID: "t", SessionID: "s", ParticipantID: "guest", Role: reelvault.RoleGuest, Kind: reelvault.RecordingAV}

// publisher sends what a testmedia publisher sends into one capture.
type publisher struct {
	t       *testing.T
	capture media.Capture
	formats map[testmedia.Stream]media.Format
	tracks  map[testmedia.Stream]media.Track
	start   time.Time
	asked   int
	pending []testmedia.Sent // for until
}

func (r *rig) publish(p media.Publisher, formats map[testmedia.Stream]media.Format) *publisher {
	r.t.Helper()
	c, err := r.Open(r.t.Context(), p)
	if err != nil {
		r.t.Fatal(err)
	}
	now := &publisher{t: r.t, capture: c, formats: formats, tracks: map[testmedia.Stream]media.Track{}, start: time.Now()}
	r.published = append(r.published, now)
	return now
}

// send delivers arrivals at their times, counted from the publisher's start.
// It gives how many packets might have been forwarded to watchers.
func (p *publisher) send(arrivals []testmedia.Sent) int {
	forwarded := 0
	for _, s := range arrivals {
		if wait := time.Until(p.start.Add(s.At)); wait > 0 {
			<-time.After(wait)
		}
		track := p.track(s.Stream)
		if s.Report != nil {
			report := *s.Report
			report.Arrival = time.Now()
			track.WriteReport(report)
			continue
		}
		packet := s.Packet
		packet.Arrival = time.Now()
		if track.WritePacket(&packet) {
			forwarded++
		}
	}
	return forwarded
}

// until sends what is pending up to d after the publisher's start, and waits
// until everybody is done with it.
func (p *publisher) until(d time.Duration) (forwarded int) {
	n := 0
	for n < len(p.pending) && p.pending[n].At < d {
		n++
	}
	forwarded = p.send(p.pending[:n])
	p.pending = p.pending[n:]
	<-time.After(time.Until(p.start.Add(d)))
	synctest.Wait()
	return forwarded
}

func (p *publisher) track(s testmedia.Stream) media.Track {
	p.t.Helper()
	if p.tracks[s] == nil {
		var ask func()
		if p.formats[s].Media != reelvault.Audio {
			ask = func() { p.asked++ }
		}
		track, err := p.capture.AddTrack(p.formats[s], ask)
		if err != nil {
			p.t.Fatal(err)
		}
		p.tracks[s] = track
	}
	return p.tracks[s]
}

// record records one publisher from its first to its last packet, on a fake
// clock, and gives the recording and the folder of its files.
func record(t *testing.T, formats map[testmedia.Stream]media.Format, arrivals []testmedia.Sent, as ...media.Publisher) (reelvault.Recording, string) {
	t.Helper()
	who := guest
	if len(as) > 0 {
		who = as[0]
	}
	l, path := newLedger(), filepath.Join(t.TempDir(), "spool")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, path, l)
		p := r.publish(who, formats)
		p.send(arrivals)
		p.capture.Close(nil)
		r.stop()
	})
	all := l.all()
	if len(all) != 1 {
		t.Fatalf("recordings: got %d, want 1", len(all))
	}
	return all[0], path
}

// bubble runs f with a rig on a fake clock, and gives the recordings that are
// in the ledger after the rig's end.
func bubble(t *testing.T, f func(r *rig), fs ...spool.FS) ([]reelvault.Recording, string) {
	t.Helper()
	l, path := newLedger(), filepath.Join(t.TempDir(), "spool")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, path, l, fs...)
		f(r)
		r.stop()
	})
	return l.all(), path
}

// camera publishes what the camera clip has, ready to be sent by until.
func (r *rig) camera(p media.Publisher, s testmedia.SendSpec) *publisher {
	r.t.Helper()
	clip := encode(r.t, camera)
	sent, err := testmedia.Send(clip, s)
	if err != nil {
		r.t.Fatal(err)
	}
	publisher := r.publish(p, clip.Formats())
	publisher.pending = sent
	return publisher
}

// only gives the one recording there is.
func (r *rig) only() reelvault.Recording {
	r.t.Helper()
	all := r.ledger.all()
	if len(all) != 1 {
		r.t.Fatalf("recordings: got %d, want 1", len(all))
	}
	return all[0]
}

// wantPlayable decodes every file of a recording, and holds the lengths that
// its rows state against what ffprobe says.
func wantPlayable(t *testing.T, rec reelvault.Recording, path string) {
	t.Helper()
	if rec.State != reelvault.RecordingReady {
		t.Errorf("recording: got %s %q, want ready", rec.State, rec.Reason)
	}
	for _, f := range rec.Files {
		name := spoolPath(t, path, f.ID)
		if err := testmedia.Decode(t.Context(), name); err != nil {
			t.Errorf("decode: %v", err)
		}
		duration, err := testmedia.Duration(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if !near(duration, f.Duration, 2*time.Millisecond) {
			t.Errorf("duration: file says %v, row says %v", duration, f.Duration)
		}
	}
}

// near says whether two times are within some tolerance.
func near(got, want, tolerance time.Duration) bool { return (got - want).Abs() <= tolerance }

// gaps gives a track's gaps of one cause.
func gaps(track reelvault.Track, cause reelvault.GapCause) []reelvault.Gap {
	var found []reelvault.Gap
	for _, g := range track.Gaps {
		if g.Cause == cause {
			found = append(found, g)
		}
	}
	return found
}
