package recorder_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/spool"
	"github.com/reelvault/reelvault/testmedia"
)

// photograph gives what a crash at this instant would leave: the rows and the
// spool's files as they are now.
func (r *rig) photograph() (rows *ledger, path string) {
	r.t.Helper()
	path = filepath.Join(filepath.Dir(r.path), "photograph")
	if err := os.CopyFS(path, os.DirFS(r.path)); err != nil {
		r.t.Fatal(err)
	}
	return r.ledger.copied(), path
}

// crash runs f with a rig, takes the picture of a crash at its end, and then
// runs after with a rig on that picture, once it has recovered.
func crash(t *testing.T, f, after func(r *rig), fs ...spool.FS) ([]reelvault.Recording, string) {
	t.Helper()
	l, path := newLedger(), filepath.Join(t.TempDir(), "spool")
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, path, l, fs...)
		f(r)
		l, path = r.photograph()
		for _, p := range r.published {
			p.capture.Close(nil)
		}
		r.stop()
		r = newRig(t, path, l)
		if err := r.Recover(t.Context()); err != nil {
			t.Fatalf("recover: %v", err)
		}
		after(r)
		r.stop()
	})
	return l.all(), path
}

// A crash costs at most the last second, and is a gap that says so.
func TestCrash(t *testing.T) {
	const at = 20*time.Second + 700*time.Millisecond
	all, path := crash(t, func(r *rig) {
		r.camera(guest, testmedia.SendSpec{Length: time.Minute}).until(at)
	}, func(*rig) {})
	wantPlayable(t, all[0], path)
	if got := all[0].Files[0]; got.Duration < at-time.Second || !got.Sealed {
		t.Errorf("file: got %+v, want it sealed and at least %v long", got, at-time.Second)
	}
	for _, track := range all[0].Tracks {
		crashes := gaps(track, reelvault.GapCrash)
		if len(crashes) != 1 || crashes[0].Start < at-time.Second || crashes[0].End < at {
			t.Errorf("%s: gaps %+v, want one of cause crash from %v on", track.Media, track.Gaps, at-time.Second)
		}
	}
	if got := all[0].EndedAt.Sub(all[0].StartedAt); got < at {
		t.Errorf("recording lasts %v, want the crash at %v within it", got, at)
	}
}

// A crash while paused leaves the recording paused: nobody's restart may undo
// what somebody asked for.
func TestCrashWhilePaused(t *testing.T) {
	pausing := func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 20 * time.Second})
		p.until(10 * time.Second)
		if _, err := r.Pause(r.t.Context(), "t", r.only().ID, "Jana", "card number"); err != nil {
			r.t.Fatal(err)
		}
		p.until(15 * time.Second)
	}
	paused := func(r *rig) {
		r.t.Helper()
		if got := r.only().State; got != reelvault.RecordingPaused {
			r.t.Errorf("after the crash: got %s, want paused", got)
		}
	}
	t.Run("resumed", func(t *testing.T) {
		all, path := crash(t, pausing, func(r *rig) {
			paused(r)
			p := r.camera(guest, testmedia.SendSpec{Length: 20 * time.Second})
			if forwarded := p.until(5 * time.Second); forwarded != 0 {
				r.t.Errorf("forwarded after the crash: %d packets", forwarded)
			}
			if _, err := r.Resume(r.t.Context(), "t", r.only().ID); err != nil {
				r.t.Fatal(err)
			}
			p.until(20 * time.Second)
			p.capture.Close(nil)
		})
		wantPlayable(t, all[0], path)
		if len(all[0].Files) != 2 {
			t.Fatalf("files: got %d, want 2", len(all[0].Files))
		}
		first := all[0]
		first.Tracks = first.Tracks[:2]
		wantPause(t, first, 10*time.Second, 20*time.Second)
	})
	t.Run("left alone", func(t *testing.T) {
		all, path := crash(t, pausing, func(r *rig) {
			paused(r)
			<-time.After(61 * time.Second)
		})
		wantPlayable(t, all[0], path)
		wantPause(t, all[0], 10*time.Second, 75*time.Second)
	})
}

// A file that was whole, and whose rows alone are missing, has lost nothing.
func TestCrashAfterTheFile(t *testing.T) {
	all, path := crash(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 10 * time.Second})
		p.until(10 * time.Second)
		r.ledger.setFailure(reelvault.Errorf(reelvault.Unavailable, "the catalog is away"))
		id := r.only().ID
		if _, err := r.Stop(r.t.Context(), "t", id); reelvault.KindOf(err) != reelvault.Internal {
			r.t.Errorf("stop, with the catalog away: got %v, want an internal error", err)
		}
	}, func(*rig) {})
	wantPlayable(t, all[0], path)
	for _, track := range all[0].Tracks {
		if len(track.Gaps) != 0 || !near(track.Offset+track.Duration, 10*time.Second, frameTime) {
			t.Errorf("%s: to %v with gaps %+v, want it to 10 s without", track.Media, track.Offset+track.Duration, track.Gaps)
		}
	}
}

// What was never written can't be played, and the recording says so.
func TestCrashBeforeTheFirstCluster(t *testing.T) {
	all, _ := crash(t, func(r *rig) {
		r.camera(guest, testmedia.SendSpec{Length: time.Minute}).until(500 * time.Millisecond)
	}, func(*rig) {})
	if got := all[0]; got.State != reelvault.RecordingFailed || got.Reason == "" {
		t.Errorf("got %s %q, want failed with a reason", got.State, got.Reason)
	}
}

// A file that is gone fails its recording, and no other.
func TestRecoverWithoutFile(t *testing.T) {
	var broken string
	all, path := crash(t, func(r *rig) {
		elsewhere := guest
		elsewhere.SessionID = "another"
		p, other := r.camera(guest, testmedia.SendSpec{Length: time.Minute}), r.camera(elsewhere, testmedia.SendSpec{Length: time.Minute})
		go p.send(p.pending[:400])
		other.until(10 * time.Second)
		first := r.ledger.all()[0]
		broken = first.ID
		if err := os.Remove(spoolPath(r.t, r.path, first.Files[0].ID)); err != nil {
			r.t.Fatal(err)
		}
	}, func(*rig) {})
	for _, rec := range all {
		if rec.ID != broken {
			wantPlayable(t, rec, path)
		} else if rec.State != reelvault.RecordingFailed || rec.Reason == "" || len(rec.Files) != 0 {
			t.Errorf("broken recording: got %+v, want it failed with a reason", rec)
		}
	}
}

// A share of a screen that was paused waits like any other: a crash is no
// goodbye.
func TestCrashWhileScreenPaused(t *testing.T) {
	crash(t, func(r *rig) {
		r.camera(screen, testmedia.SendSpec{Length: 10 * time.Second}).until(10 * time.Second)
		if _, err := r.Pause(r.t.Context(), "t", r.only().ID, "Jana", ""); err != nil {
			r.t.Fatal(err)
		}
	}, func(r *rig) {
		<-time.After(59 * time.Second)
		if got := r.only().State; got != reelvault.RecordingPaused {
			r.t.Errorf("59 s after the crash: got %s, want paused", got)
		}
		<-time.After(2 * time.Second)
		if got := r.only().State; got != reelvault.RecordingReady {
			r.t.Errorf("61 s after the crash: got %s, want ready", got)
		}
	})
}

// What a track's gaps tell of may be more than the disk holds: the crash comes
// after it, and the recording lasts that long.
func TestCrashAfterResume(t *testing.T) {
	all, _ := crash(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 20 * time.Second})
		p.until(10 * time.Second)
		rec, err := r.Pause(r.t.Context(), "t", r.only().ID, "Jana", "")
		if err != nil {
			r.t.Fatal(err)
		}
		p.until(15 * time.Second)
		if _, err := r.Resume(r.t.Context(), "t", rec.ID); err != nil {
			r.t.Fatal(err)
		}
	}, func(*rig) {})
	for _, track := range all[0].Tracks {
		if len(track.Gaps) != 2 {
			t.Errorf("%s: gaps %+v, want the pause and the crash", track.Media, track.Gaps)
			continue
		}
		pause, broken := track.Gaps[0], track.Gaps[1]
		if pause.End != 15*time.Second || broken.Cause != reelvault.GapCrash || broken.Start < pause.End {
			t.Errorf("%s: gaps %+v, want the pause to 15 s, and the crash after it", track.Media, track.Gaps)
		}
	}
	if got := all[0].EndedAt.Sub(all[0].StartedAt); got < 15*time.Second {
		t.Errorf("recording lasts %v, want the crash at 15 s within it", got)
	}
}
