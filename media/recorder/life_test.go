package recorder_test

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/testmedia"
)

var (
	errGone  = errors.New("gone without a word")
	operator = media.Publisher{TenantID: "t", SessionID: "s", ParticipantID: "operator", Role: reelvault.RoleOperator, Kind: reelvault.RecordingAV}
	screen   = media.Publisher{TenantID: "t", SessionID: "s", ParticipantID: "guest", Role: reelvault.RoleGuest, Kind: reelvault.RecordingScreen}
)

const saveEvery = time.Second // of what is noted while a file is written

const frameTime = 34 * time.Millisecond // of the camera, rounded up

// Whoever comes back within a minute goes on in the same recording, in a file
// that lies where it belongs.
func TestRejoin(t *testing.T) {
	all, path := bubble(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 10 * time.Second})
		p.until(10 * time.Second)
		p.capture.Close(errGone)
		<-time.After(55 * time.Second)
		p = r.camera(guest, testmedia.SendSpec{Length: 5 * time.Second})
		p.until(5 * time.Second)
		p.capture.Close(nil)
		<-time.After(59 * time.Second)
		if got := r.only().State; got != reelvault.RecordingRunning {
			r.t.Errorf("59 s after the last publisher: got %s, want it to wait", got)
		}
		<-time.After(2 * time.Second)
		if got := r.only().State; got != reelvault.RecordingReady {
			r.t.Errorf("61 s after the last publisher: got %s, want ready", got)
		}
		p = r.camera(guest, testmedia.SendSpec{Length: 2 * time.Second})
		p.until(2 * time.Second)
		p.capture.Close(nil)
	})
	if len(all) != 2 || len(all[0].Files) != 2 || len(all[1].Files) != 1 {
		t.Fatalf("got %d recordings, want one of two files and one of a single file: %+v", len(all), all)
	}
	for _, rec := range all {
		wantPlayable(t, rec, path)
	}
	if got, want := all[0].Files[1].Offset, 65*time.Second; !near(got, want, frameTime) {
		t.Errorf("second file: begins at %v, want %v", got, want)
	}
	if got, want := all[0].EndedAt.Sub(all[0].StartedAt), 70*time.Second; !near(got, want, frameTime) {
		t.Errorf("recording lasts %v, want %v", got, want)
	}
}

// All cameras of a session share a recording; a screen has one of its own,
// which ends with a goodbye but waits for one who vanished.
func TestWhoSharesARecording(t *testing.T) {
	all, path := bubble(t, func(r *rig) {
		first := r.camera(guest, testmedia.SendSpec{Length: 6 * time.Second})
		first.until(2 * time.Second)
		second := r.camera(operator, testmedia.SendSpec{Length: 4 * time.Second})
		share := r.camera(screen, testmedia.SendSpec{Length: 4 * time.Second})
		done := make(chan struct{})
		go func() {
			defer close(done)
			second.send(second.pending)
		}()
		share.send(share.pending)
		<-done
		share.capture.Close(nil)
		<-time.After(time.Second)
		if running := r.Stats().Recordings; running != 1 {
			r.t.Errorf("after the screen's goodbye: %d recordings run, want 1", running)
		}
		vanishing := r.camera(screen, testmedia.SendSpec{Length: time.Second})
		vanishing.until(time.Second)
		vanishing.capture.Close(errGone)
		<-time.After(time.Second)
		if running := r.Stats().Recordings; running != 2 {
			r.t.Errorf("after the screen vanished: %d recordings run, want 2", running)
		}
		first.send(first.pending)
		first.capture.Close(nil)
		second.capture.Close(nil)
	})
	if len(all) != 3 {
		t.Fatalf("recordings: got %d, want 3", len(all))
	}
	types := map[reelvault.RecordingKind]map[reelvault.TrackType]reelvault.Media{}
	for _, rec := range all {
		wantPlayable(t, rec, path)
		types[rec.Kind] = map[reelvault.TrackType]reelvault.Media{}
		for _, track := range rec.Tracks {
			if track.Media != reelvault.Audio {
				types[rec.Kind][track.Type] = track.Media
			}
		}
	}
	if av := types[reelvault.RecordingAV]; len(av) != 2 || av[reelvault.TrackGuest] != reelvault.Video || av[reelvault.TrackOperator] != reelvault.Video {
		t.Errorf("av recording: got %v, want a guest's and an operator's video", av)
	}
	if s := types[reelvault.RecordingScreen]; len(s) != 1 || s[reelvault.TrackScreenSharing] != reelvault.Screen {
		t.Errorf("screen recording: got %v, want a screen", s)
	}
	if got, want := all[0].Tracks[len(all[0].Tracks)-1].Offset, 2*time.Second; !near(got, want, frameTime) {
		t.Errorf("operator's track begins at %v, want %v", got, want)
	}
}

// Stop gives a recording that can be played; who goes on sending may be
// watched, and is not recorded until it connects anew.
func TestStop(t *testing.T) {
	all, path := bubble(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 30 * time.Second})
		p.until(5 * time.Second)
		rec, err := r.Stop(r.t.Context(), "t", r.only().ID)
		if err != nil || rec.State != reelvault.RecordingReady || !rec.Files[0].Sealed {
			r.t.Errorf("stop: got %+v, %v, want it ready and sealed", rec, err)
		}
		rest, taken := len(p.pending), r.Stats().Packets
		if forwarded := p.until(30 * time.Second); forwarded < rest*9/10 {
			r.t.Errorf("after the stop: %d of %d packets forwarded", forwarded, rest)
		}
		if got := r.Stats().Packets; got != taken {
			r.t.Errorf("after the stop: %d packets were taken", got-taken)
		}
		p.capture.Close(nil)
		if _, err := r.Stop(r.t.Context(), "t", rec.ID); reelvault.KindOf(err) != reelvault.Conflict {
			r.t.Errorf("second stop: got %v, want a conflict", err)
		}
	})
	if len(all) != 1 {
		t.Fatalf("recordings: got %d, want 1", len(all))
	}
	wantPlayable(t, all[0], path)
	if got, want := all[0].Files[0].Duration, 5*time.Second; !near(got, want, frameTime) {
		t.Errorf("file lasts %v, want %v", got, want)
	}
}

func TestStopSession(t *testing.T) {
	all, path := bubble(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 3 * time.Second})
		s := r.camera(screen, testmedia.SendSpec{Length: 3 * time.Second})
		elsewhere := guest
		elsewhere.SessionID = "another"
		other := r.camera(elsewhere, testmedia.SendSpec{Length: 3 * time.Second})
		for _, each := range []*publisher{p, s, other} {
			each.send(each.pending[:20])
		}
		<-time.After(time.Second)
		if err := r.StopSession(r.t.Context(), "t", "s"); err != nil {
			r.t.Error(err)
		}
		if running := r.Stats().Recordings; running != 1 {
			r.t.Errorf("recordings that still run: got %d, want the other session's", running)
		}
		if err := r.StopSession(r.t.Context(), "t", "never"); err != nil {
			r.t.Errorf("a session without recordings: %v", err)
		}
		for _, each := range []*publisher{p, s, other} {
			each.capture.Close(nil)
		}
	})
	if len(all) != 3 {
		t.Fatalf("recordings: got %d, want 3", len(all))
	}
	for _, rec := range all {
		wantPlayable(t, rec, path)
	}
}

// A publisher that never sends a whole frame leaves nothing behind.
func TestNothingSent(t *testing.T) {
	all, _ := bubble(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: time.Second, MuteTo: time.Second})
		p.send(p.pending[1:2])
		p.capture.Close(errGone)
		<-time.After(time.Second)
		if running := r.Stats().Recordings; running != 0 {
			r.t.Errorf("recordings that run: got %d, want none", running)
		}
	})
	if len(all) != 0 {
		t.Errorf("recordings: got %+v, want none", all)
	}
}

// A source that gives more than the inbox takes never waits, and what was
// dropped is a gap of cause overload: here, what came right behind a flood of
// duplicates.
func TestOverload(t *testing.T) {
	all, path := bubble(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 20 * time.Second})
		p.until(10 * time.Second)
		flood := make([]testmedia.Sent, 5000)
		for i := range flood {
			flood[i] = p.pending[0]
		}
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
			t.Errorf("%s: gaps %+v, want one of cause overload", track.Media, track.Gaps)
		}
	}
}

// A codec that the running file's container can't hold begins another file.
func TestLateCodec(t *testing.T) {
	clip := encode(t, withCodec(reelvault.H264))
	all, path := bubble(t, func(r *rig) {
		sent, err := testmedia.Send(clip, testmedia.SendSpec{Length: 10 * time.Second, VideoStart: 4 * time.Second})
		if err != nil {
			r.t.Fatal(err)
		}
		p := r.publish(guest, clip.Formats())
		p.pending = sent
		p.until(10 * time.Second)
		p.capture.Close(nil)
	})
	wantPlayable(t, all[0], path)
	if len(all[0].Files) != 2 || all[0].Files[0].Container != reelvault.WebM || all[0].Files[1].Container != reelvault.Matroska {
		t.Fatalf("files: got %+v, want WebM and then Matroska", all[0].Files)
	}
	before, after := all[0].Tracks[0], all[0].Tracks[1]
	if after.Media != reelvault.Audio {
		after = all[0].Tracks[2]
	}
	if end := before.Offset + before.Duration; after.Offset != end {
		t.Errorf("sound: goes on at %v in the second file, want %v", after.Offset, end)
	}
}

func TestTooManyTracks(t *testing.T) {
	bubble(t, func(r *rig) {
		p := r.publish(guest, nil)
		format := media.Format{Media: reelvault.Audio, Codec: reelvault.Opus, ClockRate: 48000, Channels: 2}
		for range 8 {
			if _, err := p.capture.AddTrack(format, nil); err != nil {
				r.t.Fatal(err)
			}
		}
		if _, err := p.capture.AddTrack(format, nil); reelvault.KindOf(err) != reelvault.Invalid {
			r.t.Errorf("ninth track: got %v, want it invalid", err)
		}
		p.capture.Close(nil)
		if _, err := p.capture.AddTrack(format, nil); reelvault.KindOf(err) != reelvault.Unavailable {
			r.t.Errorf("after the end: got %v, want it unavailable", err)
		}
	})
}

// Sound that comes so late that silence stands in its place is dropped, and
// shifts nothing that comes after it.
func TestHeldSound(t *testing.T) {
	all, path := bubble(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 30 * time.Second})
		const held = 12 * time.Second
		for i := range p.pending {
			if s := &p.pending[i]; s.Stream == testmedia.AudioStream && s.At > 10*time.Second && s.At < held {
				s.At = held
			}
		}
		slices.SortStableFunc(p.pending, func(a, b testmedia.Sent) int { return cmp.Compare(a.At, b.At) })
		p.until(11900 * time.Millisecond)
		if got := r.Stats().SilenceFrames; got < 50 {
			r.t.Errorf("while no sound comes: %d frames of silence, want those of a second", got)
		}
		p.until(30 * time.Second)
		p.capture.Close(nil)
	})
	wantPlayable(t, all[0], path)
	events, err := testmedia.Measure(t.Context(), spoolPath(t, path, all[0].Files[0].ID))
	if err != nil {
		t.Fatal(err)
	}
	offsets, _ := events.Pairs()
	if max := testmedia.Percentile(offsets, 100); len(offsets) < 27 || max > syncLimit {
		t.Errorf("offsets: got %d pairs with at most %v between them", len(offsets), max)
	}
}

// What was noted while a file was written does not replace what is saved when
// it is sealed, however slow the ledger.
func TestSealedRowsStay(t *testing.T) {
	all, _ := bubble(t, func(r *rig) {
		r.ledger.onSeal = func() { <-time.After(2 * saveEvery) }
		p := r.camera(guest, testmedia.SendSpec{Length: 900 * time.Millisecond})
		p.until(900 * time.Millisecond) // the rows are noted, and not saved yet
		p.capture.Close(nil)
	})
	for _, track := range all[0].Tracks {
		if track.Duration == 0 {
			t.Errorf("%s: got no duration", track.Media)
		}
	}
}

// While the ledger is asked for one recording's row, others can join.
func TestOpenWaitsAlone(t *testing.T) {
	all, _ := bubble(t, func(r *rig) {
		var second media.Capture
		r.ledger.onCreate = func() {
			c, err := r.Open(r.t.Context(), operator)
			if err != nil {
				r.t.Error(err)
			}
			second = c
		}
		p := r.camera(guest, testmedia.SendSpec{Length: 2 * time.Second})
		p.until(2 * time.Second)
		p.capture.Close(nil)
		second.Close(nil)
	})
	if len(all) != 1 {
		t.Errorf("recordings: got %d, want 1", len(all))
	}
}
