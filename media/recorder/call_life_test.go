package recorder_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

// talk is what two parties say who go on for so long.
func talk(length time.Duration) []testmedia.Sent {
	return together(voice{stream: caller, to: length}.packets(), voice{stream: callee, to: length, first: 7}.packets())
}

// A call that ends with a goodbye is ready at once; one that broke off waits
// for a minute, and who comes back goes on in it.
func TestCallEnds(t *testing.T) {
	bubble(t, func(r *rig) {
		p := r.dial(reelvault.PCMU, talk(5*time.Second))
		p.until(5 * time.Second)
		p.capture.Close(nil)
		<-time.After(time.Second)
		if got := r.only().State; got != reelvault.RecordingReady {
			r.t.Errorf("after the goodbye: got %s, want ready", got)
		}
	})
	all, path := bubble(t, func(r *rig) {
		p := r.dial(reelvault.PCMU, talk(5*time.Second))
		p.until(5 * time.Second)
		p.capture.Close(errGone)
		<-time.After(55 * time.Second)
		if got := r.only().State; got != reelvault.RecordingRunning {
			r.t.Errorf("after the break: got %s, want it to wait", got)
		}
		p = r.dial(reelvault.PCMU, talk(5*time.Second))
		p.until(5 * time.Second)
		p.capture.Close(nil)
	})
	if len(all) != 1 || len(all[0].Files) != 2 {
		t.Fatalf("got %+v, want one recording of two files", all)
	}
	wantPlayable(t, all[0], path)
	if got := all[0].Files[1].Offset; !near(got, time.Minute, 10*time.Millisecond) {
		t.Errorf("second file at %v, want a minute", got)
	}
}

// A call that broke off waits for nobody when its session has ended: it is
// ready as soon as that is known, and not before.
func TestCallBreaksAndEnds(t *testing.T) {
	all, path := bubble(t, func(r *rig) {
		state := func() reelvault.RecordingState {
			r.t.Helper()
			<-time.After(2 * time.Second)
			synctest.Wait()
			return r.only().State
		}
		p := r.dial(reelvault.PCMU, talk(5*time.Second))
		p.until(5 * time.Second)
		p.capture.Close(errGone)
		if got := state(); got != reelvault.RecordingRunning {
			r.t.Errorf("after the break: got %s, want it to wait", got)
		}
		r.ledger.setStatus(reelvault.StatusClosed)
		if got := state(); got != reelvault.RecordingReady {
			r.t.Errorf("after the session's end: got %s, want ready", got)
		}
		if got := r.Stats().Recordings; got != 0 {
			r.t.Errorf("%d recordings still take publishers", got)
		}
	})
	wantPlayable(t, all[0], path)
	if got := all[0].EndedAt.Sub(all[0].StartedAt); got != 5*time.Second {
		t.Errorf("recording of %v, want what was said", got)
	}
}

// A ledger that takes its time when a call begins costs none of its words.
func TestCallSlowLedger(t *testing.T) {
	all, path := bubble(t, func(r *rig) {
		r.ledger.onCreate = func() { <-time.After(3 * time.Second) }
		p := r.dial(reelvault.PCMU, talk(10*time.Second))
		p.until(10 * time.Second)
		p.capture.Close(nil)
	})
	wantPlayable(t, all[0], path)
	for i, side := range sides(t, path, all[0].Files[0]) {
		wantSpoken(t, side, 0, voice{stream: testmedia.Stream(i), to: 10 * time.Second}.packets(), nil)
	}
}

// Nothing said during a pause is kept, in either lane, and the clock goes on.
func TestCallPause(t *testing.T) {
	all, path := bubble(t, func(r *rig) {
		p := r.dial(reelvault.PCMU, talk(30*time.Second))
		p.until(10 * time.Second)
		rec, err := r.Pause(r.t.Context(), "t", r.only().ID, "Jana", "card number")
		if err != nil {
			r.t.Fatal(err)
		}
		size := r.Stats().Bytes
		if forwarded := p.until(20 * time.Second); forwarded != 0 {
			r.t.Errorf("forwarded during the pause: %d packets", forwarded)
		}
		if more := r.Stats().Bytes - size; more != 0 {
			r.t.Errorf("spooled during the pause: %d bytes", more)
		}
		if _, err = r.Resume(r.t.Context(), "t", rec.ID); err != nil {
			r.t.Fatal(err)
		}
		p.until(30 * time.Second)
		p.capture.Close(nil)
	})
	wantPlayable(t, all[0], path)
	wantPause(t, all[0], 10*time.Second, 20*time.Second)
	for i, side := range sides(t, path, all[0].Files[0]) {
		if len(side.samples) != 30*8000 || !side.silent(10*8000, 20*8000) {
			t.Errorf("side %d lasts %d samples, want 30 s with silence for the pause", i, len(side.samples))
		}
		missing := func(n int) bool { return n >= 10*50 && n < 20*50 }
		wantSpoken(t, side, 0, voice{stream: testmedia.Stream(i), to: 30 * time.Second}.packets(), missing)
	}
}

// What arrived during a pause is not kept, though the receiver hands it on when
// the pause is over.
func TestCallPauseHandedOnLate(t *testing.T) {
	all, path := bubble(t, func(r *rig) {
		p := r.dial(reelvault.PCMU, talk(5*time.Second))
		p.until(5 * time.Second)
		rec, err := r.Pause(r.t.Context(), "t", r.only().ID, "Jana", "card number")
		if err != nil {
			r.t.Fatal(err)
		}
		<-time.After(time.Second)
		if _, err = r.Resume(r.t.Context(), "t", rec.ID); err != nil {
			r.t.Fatal(err)
		}
		for i, s := range talk(6 * time.Second)[500:] {
			packet := s.Packet
			packet.Arrival = p.start.Add(s.At)
			if i < 98 {
				p.track(s.Stream).WritePacket(&packet)
			}
		}
		p.pending = talk(8 * time.Second)[600:]
		p.until(8 * time.Second)
		p.capture.Close(nil)
	})
	wantPlayable(t, all[0], path)
	for i, side := range sides(t, path, all[0].Files[0]) {
		missing := func(n int) bool { return n >= 5*50 && n < 6*50 }
		wantSpoken(t, side, 0, voice{stream: testmedia.Stream(i), to: 8 * time.Second}.packets(), missing)
	}
}

// A pause that finds one side silent says so of what was before it.
func TestCallPauseInMute(t *testing.T) {
	sent := together(voice{stream: caller, to: 30 * time.Second}.packets(),
		voice{stream: callee, to: 3 * time.Second}.packets(),
		voice{stream: callee, from: 21 * time.Second, to: 30 * time.Second, first: 21 * 8000, sequence: 150}.packets())
	all, path := bubble(t, func(r *rig) {
		p := r.dial(reelvault.PCMU, sent)
		p.until(10 * time.Second)
		rec, err := r.Pause(r.t.Context(), "t", r.only().ID, "Jana", "card number")
		if err != nil {
			r.t.Fatal(err)
		}
		p.until(20 * time.Second)
		if _, err = r.Resume(r.t.Context(), "t", rec.ID); err != nil {
			r.t.Fatal(err)
		}
		p.until(30 * time.Second)
		p.capture.Close(nil)
	})
	wantPlayable(t, all[0], path)
	wantPause(t, all[0], 10*time.Second, 20*time.Second)
	got := tracksOf(all[0], "callee")[0].Gaps
	if len(got) != 2 || got[0].Cause != reelvault.GapMute || got[0].Start != 3*time.Second || !near(got[0].End, 10*time.Second, 50*time.Millisecond) || got[1].End != 21*time.Second {
		t.Errorf("callee: gaps %+v, want a mute from 3 s to the pause, and that to 21 s", got)
	}
}

// A crash costs at most a second of a call, also of one in which only one side
// speaks, and the file is whole.
func TestCallCrash(t *testing.T) {
	const at = 20*time.Second + 790*time.Millisecond
	straggling := slices.DeleteFunc(voice{stream: callee, to: time.Minute}.packets(), func(s testmedia.Sent) bool { return s.Packet.SequenceNumber%5 == 0 })
	for i := range straggling {
		if s := &straggling[i]; s.At > 10*time.Second {
			s.At += 700 * time.Millisecond
		}
	}
	for name, pending := range map[string][]testmedia.Sent{
		"both speak": talk(time.Minute),
		"one speaks": voice{stream: caller, to: time.Minute}.packets(),
		"one has stopped": together(voice{stream: caller, to: time.Minute}.packets(),
			voice{stream: callee, to: 5 * time.Second}.packets()),
		"one is late, and always waited for": together(voice{stream: caller, to: time.Minute}.packets(), straggling),
	} {
		t.Run(name, func(t *testing.T) {
			all, path := crash(t, func(r *rig) {
				r.dial(reelvault.PCMA, pending).until(at)
			}, func(*rig) {})
			wantPlayable(t, all[0], path)
			f := all[0].Files[0]
			if f.Duration < at-time.Second || !f.Sealed {
				t.Errorf("file: got %+v, want it sealed and at least %v long", f, at-time.Second)
			}
			side := sides(t, path, f)[0]
			for n, sample := range side.samples {
				if want := (voice{stream: caller}).spoken(n); sample != want {
					t.Fatalf("sample %d: got %#x, want %#x", n, sample, want)
				}
			}
			for _, track := range all[0].Tracks {
				if crashes := gaps(track, reelvault.GapCrash); len(crashes) != 1 || crashes[0].Start != f.Duration || track.Offset+track.Duration != f.Duration {
					t.Errorf("track %+v, want a gap of cause crash from %v on", track, f.Duration)
				}
			}
			if name != "one has stopped" {
				return
			}
			stopped := tracksOf(all[0], "callee")[0]
			if mutes := gaps(stopped, reelvault.GapMute); stopped.Offset != 0 || len(mutes) != 1 || mutes[0].Start != 5*time.Second || mutes[0].End != f.Duration {
				t.Errorf("who has stopped: got %+v, want a mute from 5 s to %v", stopped, f.Duration)
			}
		})
	}
}

// Whoever joined late is told to have done so after a crash, too.
func TestCallCrashAfterJoining(t *testing.T) {
	all, _ := crash(t, func(r *rig) {
		late := voice{stream: callee, from: 5 * time.Second, to: time.Minute}.packets()
		r.dial(reelvault.PCMU, together(voice{stream: caller, to: time.Minute}.packets(), late)).until(10 * time.Second)
	}, func(*rig) {})
	if got := tracksOf(all[0], "callee")[0]; !near(got.Offset, 5*time.Second, time.Millisecond) || got.Duration < 4*time.Second {
		t.Errorf("callee: %v from %v, want it from 5 s on", got.Duration, got.Offset)
	}
}

// A disk that fails costs the time it fails, and a call goes on in a new file.
func TestCallDiskFails(t *testing.T) {
	d := &disk{}
	all, path := bubble(t, func(r *rig) {
		p := r.dial(reelvault.PCMU, talk(40*time.Second))
		p.until(15 * time.Second)
		d.setFail(failing("write"))
		p.until(20 * time.Second)
		d.setFail(nil)
		p.until(40 * time.Second)
		p.capture.Close(nil)
	}, d)
	wantPlayable(t, all[0], path)
	files := all[0].Files
	if last := files[len(files)-1]; len(files) < 2 || last.Offset > 24*time.Second || !near(last.Offset+last.Duration, 40*time.Second, time.Millisecond) {
		t.Errorf("files: got %+v, want another soon after the fault, to the end", files)
	}
	if first := files[0]; first.Duration < 14*time.Second {
		t.Errorf("first file: %v long, want at least what came a second before the fault", first.Duration)
	}
	for _, track := range all[0].Tracks {
		if causes := gaps(track, reelvault.GapDisk); len(causes) == 0 || len(causes) != len(track.Gaps) {
			t.Errorf("%s: gaps %+v, want them all of cause disk", track.ParticipantID, track.Gaps)
		}
	}
}

// A disk that hangs holds up nobody, and what it did not take is a gap.
func TestCallDiskHangs(t *testing.T) {
	d := &disk{}
	all, path := bubble(t, func(r *rig) {
		release := make(chan struct{})
		p := r.dial(reelvault.PCMU, talk(60*time.Second))
		p.until(10 * time.Second)
		d.setFail(func(op string) error {
			if op == "write" {
				<-release
			}
			return nil
		})
		p.until(40 * time.Second)
		d.setFail(nil)
		close(release)
		p.until(60 * time.Second)
		p.capture.Close(nil)
		if got := r.Stats().Overloads; got != 0 {
			r.t.Errorf("%d packets found a full inbox", got)
		}
	}, d)
	wantPlayable(t, all[0], path)
	for _, track := range all[0].Tracks {
		if len(gaps(track, reelvault.GapDisk)) == 0 {
			t.Errorf("%s: gaps %+v, want one of cause disk", track.ParticipantID, track.Gaps)
		}
	}
}

// Four hours fill a file; nothing is lost where the next one begins.
func TestCallRollover(t *testing.T) {
	t.Parallel()
	const length = 4*time.Hour + 10*time.Second
	a := voice{stream: caller, to: length, frame: 200 * time.Millisecond}.packets()
	b := voice{stream: callee, to: length, frame: 200 * time.Millisecond, first: 1 << 30}.packets()
	for i := range b {
		b[i].At += 130 * time.Millisecond // the sides are not in step
	}
	rec, path := call(t, reelvault.PCMU, a, b)
	if len(rec.Files) != 2 || len(rec.Tracks) != 4 {
		t.Fatalf("got %d files and %d tracks, want 2 and 4", len(rec.Files), len(rec.Tracks))
	}
	wantPlayable(t, rec, path)
	for _, participant := range []string{"caller", "callee"} {
		first, second := tracksOf(rec, participant)[0], tracksOf(rec, participant)[1]
		if len(first.Gaps)+len(second.Gaps) != 0 || second.Offset != first.Offset+first.Duration {
			t.Errorf("%s: %+v and then %+v, want no gap", participant, first, second)
		}
	}
	if got := rec.Files[1].Offset; !near(got, 4*time.Hour, time.Second) {
		t.Errorf("second file begins at %v, want 4 h", got)
	}
	zero := rec.Files[1].Offset
	for i, sent := range [][]testmedia.Sent{a, b} {
		n := slices.IndexFunc(sent, func(s testmedia.Sent) bool { return s.At >= zero })
		wantSpoken(t, sides(t, path, rec.Files[1])[i], sent[n].At-zero, sent[n:], nil)
	}
}

// After a hold of an hour on both sides the file goes on where the call does.
func TestCallLongHold(t *testing.T) {
	t.Parallel()
	const hold = time.Hour
	first, second := talk(5*time.Second), talk(5*time.Second)
	for i := range second { // numbers and clocks stand still meanwhile
		second[i].At += 5*time.Second + hold
		second[i].Packet.SequenceNumber += 250
		second[i].Packet.Timestamp += 5 * 8000
	}
	rec, path := call(t, reelvault.PCMA, first, second)
	wantPlayable(t, rec, path)
	if len(rec.Files) != 1 || rec.Files[0].Duration != hold+10*time.Second {
		t.Fatalf("files: got %+v, want one of the hold and 10 s", rec.Files)
	}
	for i, side := range sides(t, path, rec.Files[0]) {
		sent := voice{stream: testmedia.Stream(i), to: 5 * time.Second}.packets()
		wantSpoken(t, side.cut(0, 5*8000), 0, sent, nil)
		again := slices.DeleteFunc(slices.Clone(second), func(s testmedia.Sent) bool { return s.Stream != testmedia.Stream(i) })
		wantSpoken(t, side.cut(5*8000, len(side.samples)), hold, again, nil)
	}
}

// A flood costs the call nothing but what the flood pushed out.
func TestCallOverload(t *testing.T) {
	all, path := bubble(t, func(r *rig) {
		p := r.dial(reelvault.PCMU, talk(20*time.Second))
		p.until(10 * time.Second)
		flood := slices.Repeat(p.pending[:1], 2000)
		p.send(flood)
		p.until(20 * time.Second)
		p.capture.Close(nil)
		if r.Stats().Overloads == 0 {
			r.t.Error("the flood was taken whole; it proves nothing")
		}
	})
	wantPlayable(t, all[0], path)
	for _, track := range all[0].Tracks {
		if len(gaps(track, reelvault.GapOverload)) == 0 {
			t.Errorf("%s: gaps %+v, want one of cause overload", track.ParticipantID, track.Gaps)
		}
	}
}

// A ledger that is dead is asked again now and then, not for each frame, and a
// recording opens once it is back.
func TestLedgerIsDead(t *testing.T) {
	sent := voice{stream: caller, to: 10 * time.Second}.packets()
	all, _ := bubble(t, func(r *rig) {
		asked := 0
		r.ledger.onCreate = func() { asked++ }
		r.ledger.setFailure(errors.New("locked"))
		p := r.dial(reelvault.PCMU, sent)
		p.until(5 * time.Second)
		if asked < 2 || asked > 6 {
			t.Errorf("the ledger was asked %d times in 5 s, want once a second", asked)
		}
		r.ledger.setFailure(nil)
		p.until(10 * time.Second)
		p.capture.Close(nil)
	})
	if len(all) != 1 || len(all[0].Files) != 1 {
		t.Fatalf("got %+v, want one recording with a file", all)
	}
}
