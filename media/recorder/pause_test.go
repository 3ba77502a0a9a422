package recorder_test

import (
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

// Nothing that arrives during a pause is spooled or forwarded; the clock goes
// on as a gap that says who and why.
func TestPause(t *testing.T) {
	all, path := bubble(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 60 * time.Second})
		p.until(20 * time.Second)
		rec, err := r.Pause(r.t.Context(), "t", r.only().ID, "Jana", "card number")
		if err != nil || rec.State != reelvault.RecordingPaused {
			r.t.Fatalf("pause: got %s, %v", rec.State, err)
		}
		size := r.Stats().Bytes
		if forwarded := p.until(40 * time.Second); forwarded != 0 {
			r.t.Errorf("forwarded during the pause: %d packets", forwarded)
		}
		if more := r.Stats().Bytes - size; more != 0 {
			r.t.Errorf("spooled during the pause: %d bytes", more)
		}
		asked := p.asked
		if rec, err = r.Resume(r.t.Context(), "t", rec.ID); err != nil || rec.State != reelvault.RecordingRunning {
			r.t.Fatalf("resume: got %s, %v", rec.State, err)
		}
		if p.asked == asked {
			r.t.Error("resume asked for no keyframe")
		}
		p.until(60 * time.Second)
		p.capture.Close(nil)
	})
	wantPlayable(t, all[0], path)
	wantPause(t, all[0], 20*time.Second, 40*time.Second)
	events, err := testmedia.Measure(t.Context(), spoolPath(t, path, all[0].Files[0].ID))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range append(events.Beeps, events.Flashes...) {
		if at > 20*time.Second && at < 40*time.Second {
			t.Errorf("there is an event at %v, in the pause", at)
		}
	}
	offsets, _ := events.Pairs()
	if p95 := testmedia.Percentile(offsets, 95); len(offsets) < 36 || p95 > syncLimit {
		t.Errorf("after the pause: %d pairs with a p95 of %v", len(offsets), p95)
	}
}

// wantPause fails unless every track has one pause, from and to these times,
// that says who and why.
func wantPause(t *testing.T, rec reelvault.Recording, from, to time.Duration) {
	t.Helper()
	const slack = 2100 * time.Millisecond // to the next keyframe of a sender that can't be asked
	for _, track := range rec.Tracks {
		pauses := gaps(track, reelvault.GapPause)
		if len(pauses) != 1 {
			t.Errorf("%s: pauses %+v, want one", track.Media, pauses)
			continue
		}
		g := pauses[0]
		if !near(g.Start, from, 50*time.Millisecond) || g.End < to || g.End > to+slack || g.By != "Jana" || g.Reason != "card number" {
			t.Errorf("%s: pause %+v, want %v to %v by Jana for a card number", track.Media, g, from, to)
		}
	}
}

// What sat in buffers when the pause began is gone: behind a missing packet
// the jitter buffer holds the others back.
func TestPauseDropsBuffers(t *testing.T) {
	for _, hole := range []bool{false, true} {
		all, _ := bubble(t, func(r *rig) {
			p := r.camera(guest, testmedia.SendSpec{Length: 20 * time.Second})
			p.until(10 * time.Second)
			if hole {
				p.pending = append(p.pending[:0:0], p.pending[20:]...)
			}
			p.until(10*time.Second + 390*time.Millisecond)
			if _, err := r.Pause(r.t.Context(), "t", r.only().ID, "Jana", "card number"); err != nil {
				r.t.Fatal(err)
			}
			p.until(20 * time.Second)
			p.capture.Close(nil)
		})
		end := all[0].Tracks[0].Offset + all[0].Tracks[0].Duration
		if held := end < 10*time.Second+100*time.Millisecond; held != hole {
			t.Errorf("with a hole %v: the sound ends at %v", hole, end)
		}
	}
}

func TestPauseRefused(t *testing.T) {
	bubble(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 10 * time.Second})
		p.until(time.Second)
		id := r.only().ID
		want := func(what string, err error, kind reelvault.Kind) {
			r.t.Helper()
			if reelvault.KindOf(err) != kind {
				r.t.Errorf("%s: got %v, want %s", what, err, kind)
			}
		}
		_, err := r.Resume(r.t.Context(), "t", id)
		want("resume without a pause", err, reelvault.Conflict)
		_, err = r.Pause(r.t.Context(), "another", id, "", "")
		want("another tenant's", err, reelvault.NotFound)
		_, err = r.Pause(r.t.Context(), "t", "nobody's", "", "")
		want("unknown", err, reelvault.NotFound)
		r.ledger.setFailure(reelvault.Errorf(reelvault.Unavailable, "the catalog is away"))
		_, err = r.Pause(r.t.Context(), "t", id, "Jana", "")
		want("catalog away", err, reelvault.Unavailable)
		r.ledger.setFailure(nil)
		if forwarded := p.until(2 * time.Second); forwarded == 0 {
			r.t.Error("a pause that failed holds all the same")
		}
		if _, err = r.Pause(r.t.Context(), "t", id, "Jana", ""); err != nil {
			r.t.Error(err)
		}
		_, err = r.Pause(r.t.Context(), "t", id, "Petr", "")
		want("pause in a pause", err, reelvault.Conflict)
		if forwarded := p.until(3 * time.Second); forwarded != 0 {
			r.t.Error("the second pause ended the first")
		}
		p.capture.Close(nil)
	})
}

// A pause lasts whoever comes and goes meanwhile, and however it ends.
func TestPauseWithoutPublishers(t *testing.T) {
	for name, test := range map[string]struct {
		leaveFirst, comeBack bool
		end                  time.Duration
	}{
		"the publisher leaves, and comes back":    {comeBack: true, end: 40 * time.Second},
		"the publisher leaves for good":           {end: 85 * time.Second},
		"nobody is here":                          {leaveFirst: true, end: 70 * time.Second},
		"nobody is here, and somebody comes back": {leaveFirst: true, comeBack: true, end: 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			all, path := bubble(t, func(r *rig) {
				p := r.camera(guest, testmedia.SendSpec{Length: 10 * time.Second})
				p.until(10 * time.Second)
				if test.leaveFirst {
					p.capture.Close(errGone)
				}
				id := r.only().ID
				if _, err := r.Pause(r.t.Context(), "t", id, "Jana", "card number"); err != nil {
					r.t.Fatal(err)
				}
				<-time.After(15 * time.Second)
				p.capture.Close(errGone)
				if !test.comeBack {
					<-time.After(61 * time.Second)
					return
				}
				<-time.After(5 * time.Second)
				p = r.camera(guest, testmedia.SendSpec{Length: 15 * time.Second})
				if forwarded := p.until(10 * time.Second); forwarded != 0 {
					r.t.Errorf("forwarded during the pause: %d packets", forwarded)
				}
				if _, err := r.Resume(r.t.Context(), "t", id); err != nil {
					r.t.Fatal(err)
				}
				p.until(15 * time.Second)
				p.capture.Close(nil)
			})
			wantPlayable(t, all[0], path)
			first := all[0]
			first.Tracks = first.Tracks[:2]
			wantPause(t, first, 10*time.Second, test.end)
			files := 1
			if test.comeBack {
				files = 2
			}
			if len(all[0].Files) != files {
				t.Fatalf("files: got %d, want %d", len(all[0].Files), files)
			}
			if got := all[0].Files[files-1].Offset; test.comeBack && !near(got, 40*time.Second, 2100*time.Millisecond) {
				t.Errorf("second file begins at %v, want it after the pause", got)
			}
		})
	}
}

// Who leaves while the resume is under way keeps the rows that were saved then.
func TestLeaveDuringResume(t *testing.T) {
	all, path := bubble(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 10 * time.Second})
		p.until(10 * time.Second)
		rec, err := r.Pause(r.t.Context(), "t", r.only().ID, "Jana", "card number")
		if err != nil {
			r.t.Fatal(err)
		}
		<-time.After(5 * time.Second)
		r.ledger.onMove = func(e reelvault.RecordingEvent) {
			if e == reelvault.EventResume {
				p.capture.Close(errGone)
			}
		}
		if _, err := r.Resume(r.t.Context(), "t", rec.ID); err != nil {
			r.t.Fatal(err)
		}
	})
	wantPlayable(t, all[0], path)
	wantPause(t, all[0], 10*time.Second, 15*time.Second)
	for _, track := range all[0].Tracks {
		if track.Duration == 0 {
			t.Errorf("%s: got no duration", track.Media)
		}
	}
}
