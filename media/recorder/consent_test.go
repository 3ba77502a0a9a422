package recorder_test

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/spool"
	"github.com/reelvault/reelvault/testmedia"
)

// Before the release everything passes and nothing is kept; afterwards the
// recording begins, with a keyframe and at its zero.
func TestWithheld(t *testing.T) {
	all, path := bubble(t, func(r *rig) {
		r.ledger.withheld = true
		p := r.camera(guest, testmedia.SendSpec{Length: 30 * time.Second})
		sent := len(p.pending)
		forwarded := p.until(10 * time.Second)
		if reports := sent - len(p.pending) - forwarded; forwarded < 500 || reports > 25 {
			r.t.Errorf("forwarded %d packets of %d", forwarded, sent-len(p.pending))
		}
		left, err := os.ReadDir(r.path)
		if err != nil || len(left) != 0 {
			r.t.Errorf("spool: got %v, %v, want it empty", left, err)
		}
		if s := r.Stats(); s.Packets != 0 || s.Frames != 0 || s.Bytes != 0 || p.asked != 0 || len(r.ledger.all()) != 0 {
			r.t.Errorf("got %+v, %d keyframes asked for and %d recordings, want none of anything", s, p.asked, len(r.ledger.all()))
		}
		if err := r.Release(r.t.Context(), "t", "s"); err != nil {
			r.t.Fatal(err)
		}
		synctest.Wait()
		if p.asked != 1 {
			r.t.Errorf("the release asked for %d keyframes, want 1", p.asked)
		}
		p.until(30 * time.Second)
		p.capture.Close(nil)
	})
	if len(all) != 1 || len(all[0].Files) != 1 {
		t.Fatalf("got %+v, want one recording of one file", all)
	}
	wantPlayable(t, all[0], path)
	if got := all[0].EndedAt.Sub(all[0].StartedAt); !near(got, 20*time.Second, 100*time.Millisecond) {
		t.Errorf("recording of %v, want the 20 s after the release", got)
	}
	for _, track := range all[0].Tracks {
		if track.Offset > 2100*time.Millisecond { // to the next keyframe of a sender that can't be asked
			t.Errorf("%s begins at %v, want it at the release", track.Media, track.Offset)
		}
	}
}

// A release reaches those it is for: also who comes while it is given, and
// nobody of another session.
func TestRelease(t *testing.T) {
	all, _ := bubble(t, func(r *rig) {
		r.ledger.withheld = true
		elsewhere := guest
		elsewhere.SessionID = "another"
		other := r.camera(elsewhere, testmedia.SendSpec{Length: 5 * time.Second})
		r.ledger.onWithheld = func() { // the answer is out of date when it comes
			if err := r.Release(r.t.Context(), "t", "s"); err != nil {
				r.t.Error(err)
			}
		}
		p := r.camera(guest, testmedia.SendSpec{Length: 5 * time.Second})
		r.ledger.onWithheld = nil
		if err := r.Release(r.t.Context(), "another", "another"); err != nil {
			r.t.Errorf("a session without recordings: %v", err)
		}
		go other.send(other.pending)
		p.until(5 * time.Second)
		for _, each := range []*publisher{p, other} {
			each.capture.Close(nil)
		}
	})
	if len(all) != 1 || all[0].SessionID != "s" {
		t.Errorf("recordings: got %+v, want one, of the session that was released", all)
	}
}

// A release is for those who have agreed themselves. A guest who is asked and
// doesn't count, having left, is released when they agree; operators and calls
// of those who are not asked are with the first.
func TestReleaseOnlyThoseWhoAgreed(t *testing.T) {
	all, _ := bubble(t, func(r *rig) {
		given := reelvault.Participant{ID: guest.ParticipantID, Role: guest.Role, Consent: reelvault.Consent{Answer: reelvault.ConsentGiven}}
		late, operator := guest, guest
		late.ParticipantID = "late"
		operator.ParticipantID, operator.Role = "operator", reelvault.RoleOperator
		r.ledger.asks, r.ledger.withheld = true, true
		open := func(who media.Publisher) *publisher {
			p := r.publish(who, encode(r.t, camera).Formats())
			p.track(testmedia.AudioStream)
			p.track(testmedia.VideoStream)
			return p
		}
		wantAsked := func(when string, ps []*publisher, want ...int) {
			r.t.Helper()
			synctest.Wait()
			for i, p := range ps {
				if p.asked != want[i] {
					r.t.Errorf("%s: publisher %d was asked for %d keyframes, want %d", when, i, p.asked, want[i])
				}
			}
		}
		release := func() {
			r.t.Helper()
			if err := r.Release(r.t.Context(), "t", "s"); err != nil {
				r.t.Fatal(err)
			}
		}
		ps := []*publisher{open(guest), open(operator), open(late)}
		r.ledger.answered = []reelvault.Participant{given, {ID: "late", Role: late.Role, LeftAt: time.Now()}}
		r.ledger.withheld = false
		release()
		wantAsked("the first agrees", ps, 1, 1, 0)
		ps = append(ps, open(late)) // once more, while nothing else is withheld
		given.ID = "late"
		r.ledger.answered = append(r.ledger.answered[:1:1], given)
		release()
		wantAsked("both agree", ps, 1, 1, 1, 1)
		for _, p := range ps {
			p.capture.Close(nil)
		}
	})
	if len(all) != 0 {
		t.Errorf("recordings: got %+v, want none without media", all)
	}
}

// A crash before the release leaves nothing to recover.
func TestCrashWhileWithheld(t *testing.T) {
	all, path := crash(t, func(r *rig) {
		r.ledger.withheld = true
		r.camera(guest, testmedia.SendSpec{Length: 10 * time.Second}).until(10 * time.Second)
	}, func(*rig) {})
	left, err := os.ReadDir(path)
	if err != nil || len(left) != 0 || len(all) != 0 {
		t.Errorf("got %d recordings and %d files, %v, want nothing", len(all), len(left), err)
	}
}

// Nor does the next start write anything before the release, of a call or of a
// browser: what follows it is kept, and nothing that arrived before.
func TestCrashWhileWithheldAndAgain(t *testing.T) {
	t.Run("a browser", func(t *testing.T) {
		begin := func(r *rig) *publisher {
			r.ledger.withheld = true
			return r.camera(guest, testmedia.SendSpec{Length: 10 * time.Second})
		}
		wantNothingBefore(t, begin)
	})
	t.Run("a call", func(t *testing.T) {
		begin := func(r *rig) *publisher {
			r.ledger.withheld = true
			return r.dial(reelvault.PCMU, talk(10*time.Second))
		}
		all, path := wantNothingBefore(t, begin)
		for i, s := range sides(t, path, all[0].Files[0]) {
			sent := voice{stream: testmedia.Stream(i), to: 10 * time.Second}.packets()
			wantSpoken(t, s, 0, sent[250:], nil)
		}
	})
}

// wantNothingBefore withholds what begin begins from a recorder that crashes,
// and from the next one for 5 s; then it lets it be recorded for 5 s more.
func wantNothingBefore(t *testing.T, begin func(*rig) *publisher) ([]reelvault.Recording, string) {
	t.Helper()
	empty := func(r *rig, p *publisher) {
		r.t.Helper()
		left, err := os.ReadDir(r.path)
		if s := r.Stats(); err != nil || len(left) != 0 || s.Packets != 0 || s.Bytes != 0 || len(r.ledger.all()) != 0 || p.asked != 0 {
			r.t.Errorf("got %+v, files %v, %v and %d recordings, want none of anything", s, left, err, len(r.ledger.all()))
		}
	}
	all, path := crash(t, func(r *rig) {
		p := begin(r)
		p.until(5 * time.Second)
		empty(r, p)
	}, func(r *rig) {
		p := begin(r)
		p.until(5 * time.Second)
		empty(r, p)
		early := p.pending[0].Packet // it came before the release, and is handed on after
		early.Arrival = time.Now().Add(-time.Millisecond)
		r.ledger.withheld = false
		if err := r.Release(r.t.Context(), "t", "s"); err != nil {
			r.t.Fatal(err)
		}
		p.track(p.pending[0].Stream).WritePacket(&early)
		<-time.After(500 * time.Millisecond)
		synctest.Wait()
		if s := r.Stats(); s.Packets != 0 {
			r.t.Errorf("got %+v, want nothing that arrived before the release", s)
		}
		p.start = p.start.Add(500 * time.Millisecond)
		p.until(10 * time.Second)
		p.capture.Close(nil)
	})
	if len(all) != 1 || len(all[0].Files) != 1 {
		t.Fatalf("got %+v, want one recording of one file", all)
	}
	wantPlayable(t, all[0], path)
	if got := all[0].EndedAt.Sub(all[0].StartedAt); !near(got, 5*time.Second, 100*time.Millisecond) {
		t.Errorf("recording of %v, want the 5 s after the release", got)
	}
	return all, path
}

// A session of which nobody can say whether it is withheld is not recorded.
func TestWithheldUnknown(t *testing.T) {
	bubble(t, func(r *rig) {
		r.ledger.withheldErr = reelvault.Errorf(reelvault.Unavailable, "the catalog is away")
		if _, err := r.Open(r.t.Context(), guest); reelvault.KindOf(err) != reelvault.Unavailable {
			r.t.Errorf("open: got %v, want it unavailable", err)
		}
	})
}

// Two people in a call come first: where recording is off or refused they go
// on without, and where their session is over they don't.
func TestUnrecorded(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*ledger)
		disk   spool.FS
		want   reelvault.Kind
	}{
		"recording is off":   {change: func(l *ledger) { l.features.AV = false }},
		"disk nearly full":   {disk: full{}},
		"session has ended":  {change: func(l *ledger) { l.status = reelvault.StatusClosed }, want: reelvault.Conflict},
		"both off and ended": {change: func(l *ledger) { l.status, l.features.AV = reelvault.StatusClosed, false }, want: reelvault.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			all, _ := bubble(t, func(r *rig) {
				if test.change != nil {
					test.change(r.ledger)
				}
				who := guest
				who.Unrecorded = true
				if err := r.Admit(r.t.Context(), who); reelvault.KindOf(err) != test.want {
					r.t.Errorf("admit: got %v, want kind %q", err, test.want)
				}
				_, err := r.Open(r.t.Context(), who)
				if reelvault.KindOf(err) != test.want {
					r.t.Errorf("open: got %v, want kind %q", err, test.want)
				}
				if err != nil {
					return
				}
				p := r.camera(who, testmedia.SendSpec{Length: 2 * time.Second, NoReports: true})
				sent := len(p.pending)
				if forwarded := p.until(2 * time.Second); forwarded != sent {
					r.t.Errorf("forwarded %d packets of %d", forwarded, sent)
				}
				p.track(testmedia.AudioStream).WriteReport(media.Report{})
				p.track(testmedia.AudioStream).Close()
				p.capture.Close(nil)
				if s := r.Stats(); s.Packets != 0 || s.Recordings != 0 {
					r.t.Errorf("got %+v, want nothing of it", s)
				}
			}, test.disk)
			if len(all) != 0 {
				t.Errorf("recordings: got %+v, want none", all)
			}
		})
	}
}

// Where recording is on, who would go on without is recorded like all others.
func TestUnrecordedIsRecorded(t *testing.T) {
	who := guest
	who.Unrecorded = true
	all, path := bubble(t, func(r *rig) {
		p := r.camera(who, testmedia.SendSpec{Length: 2 * time.Second})
		p.until(2 * time.Second)
		p.capture.Close(nil)
	})
	wantPlayable(t, all[0], path)
}

// A call asks for telephony, everybody else for audio and video.
func TestFeatures(t *testing.T) {
	for _, test := range []struct {
		who      media.Publisher
		features reelvault.Features
		want     reelvault.Kind
	}{
		{phone, reelvault.Features{Phone: true}, reelvault.Internal},
		{phone, reelvault.Features{AV: true}, reelvault.Forbidden},
		{guest, reelvault.Features{AV: true}, reelvault.Internal},
		{screen, reelvault.Features{Phone: true}, reelvault.Forbidden},
	} {
		bubble(t, func(r *rig) {
			r.ledger.features = test.features
			err := r.Admit(r.t.Context(), test.who)
			if reelvault.KindOf(err) != test.want || (err == nil) != (test.want == reelvault.Internal) {
				r.t.Errorf("%s with %+v: got %v", test.who.Kind, test.features, err)
			}
		})
	}
}

// Whoever wants to know hears of each state a recording comes to.
func TestChanged(t *testing.T) {
	bubble(t, func(r *rig) {
		want := func(states ...reelvault.RecordingState) {
			r.t.Helper()
			got := r.heard()
			if len(got) != len(states) {
				r.t.Errorf("heard of %v, want %v", got, states)
				return
			}
			for i := range states {
				if got[i].State != states[i] || got[i].ID != r.only().ID || got[i].SessionID != "s" || got[i].TenantID != "t" {
					r.t.Errorf("heard of %+v, want it %s", got[i], states[i])
				}
			}
		}
		p := r.camera(guest, testmedia.SendSpec{Length: 10 * time.Second})
		want()
		p.until(2 * time.Second)
		want(reelvault.RecordingRunning)
		id := r.only().ID
		if _, err := r.Pause(r.t.Context(), "t", id, "Jana", ""); err != nil {
			r.t.Fatal(err)
		}
		want(reelvault.RecordingPaused)
		if _, err := r.Resume(r.t.Context(), "t", id); err != nil {
			r.t.Fatal(err)
		}
		want(reelvault.RecordingRunning)
		p.until(10 * time.Second)
		if _, err := r.Stop(r.t.Context(), "t", id); err != nil {
			r.t.Fatal(err)
		}
		want(reelvault.RecordingProcessing, reelvault.RecordingReady)
		p.capture.Close(nil)
		want()
	})
}
