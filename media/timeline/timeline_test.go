package timeline_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/timeline"
)

// hand drives a timeline by hand: frames arrive and are placed at once.
type hand struct {
	*timeline.Timeline
	t *testing.T
}

func byHand(t *testing.T) hand {
	t.Helper()
	return hand{timeline.New(timeline.Config{}), t}
}

func (h hand) arrive(track int, rtp uint32, at time.Duration) {
	h.Arrive(track, rtp, origin.Add(at))
}

// place wants a frame at a time of the file; -1 wants it dropped.
func (h hand) place(track int, rtp uint32, want time.Duration) {
	h.t.Helper()
	got, ok := h.Place(track, rtp)
	if !ok {
		got = -1
	}
	if got != want {
		h.t.Errorf("track %d, RTP %d: placed at %v, want %v", track, rtp, got, want)
	}
}

// play sends 20 ms of sound every 20 ms, and gives the RTP timestamp after it.
func (h hand) play(track int, rtp uint32, from, to time.Duration) uint32 {
	for at := from; at < to; at += 20 * mil {
		h.arrive(track, rtp, at)
		if got, ok := h.Place(track, rtp); !ok {
			h.t.Fatalf("RTP %d was dropped: %v", rtp, got)
		}
		rtp += 960
	}
	return rtp
}

func (h hand) report(track int, ntpAt time.Duration, rtp uint32, at time.Duration) {
	h.Report(track, media.Report{NTP: ntp(ntpAt), RTP: rtp, Arrival: origin.Add(at)})
}

// Sound is placed by its RTP clock alone: whatever the picture needs, no
// frame of sound moves by a nanosecond. The picture moves by no more than 5 ms
// a second.
func TestWhoMoves(t *testing.T) {
	sc := scenario{length: 90 * sec, audio: audioStream(), video: videoStream()}
	sc.video.skew, sc.audio.ppm, sc.net.jitter = 100*mil, 200, 50*mil
	sc.audio.reportsFrom, sc.video.reportsFrom = 20*sec, 20*sec
	res := run(t, sc)
	for i, a := range res.audio {
		nominal := time.Duration(float64(a.capture) * (1 + 200e-6))
		if d := a.at - res.audio[0].at - nominal; d.Abs() > 25*time.Microsecond {
			t.Fatalf("sound %d is %v off its RTP time", i, d)
		}
	}
	moved := false
	for i, v := range res.video[1:] {
		u := res.video[i]
		d := (v.at - u.at) - (v.capture - u.capture)
		if d.Abs() > (v.capture-u.capture)/200+25*time.Microsecond {
			t.Fatalf("picture %d moved by %v in %v", i, d, v.capture-u.capture)
		}
		if moved = moved || d.Abs() > 100*time.Microsecond; moved && v.capture < 19*sec {
			t.Fatalf("picture moved at %v, before any report", v.capture)
		}
	}
	if !moved {
		t.Error("picture never moved")
	}
}

// A correction makes two lines in the log, however long it takes, and leaves
// an entry; so does a re-anchoring with one line.
func TestLog(t *testing.T) {
	var log bytes.Buffer
	sc := scenario{length: 90 * sec, audio: audioStream(), video: videoStream()}
	sc.log.Log = slog.New(slog.NewTextHandler(&log, nil))
	sc.video.skew = 100 * mil
	sc.audio.reportsFrom, sc.video.reportsFrom = 20*sec, 20*sec
	sc.audio.jumpAt, sc.audio.jump = 60*sec, 1<<30
	var worst time.Duration
	sc.perTick = func(_ time.Duration, tl *timeline.Timeline) { worst = max(worst, tl.SyncError()) }
	res := run(t, sc)
	for _, want := range []string{"correction begins", "correction ends", "re-anchored"} {
		if got := strings.Count(log.String(), want); got != 1 {
			t.Errorf("%q stands %d times in the log, want 1:\n%s", want, got, &log)
		}
	}
	got := res.tl.Corrections()
	if len(got) != 2 || got[0].Reset || !got[1].Reset {
		t.Fatalf("corrections %+v, want a slew and a reset", got)
	}
	if s := got[0]; s.Track != 1 || (s.Amount+100*mil).Abs() > mil || s.From < 19*sec || s.From > 26*sec ||
		(s.To-s.From-19*sec).Abs() > sec {
		t.Errorf("slew %+v, want -100ms on track 1, for 19 s from the first pair on", s)
	}
	if r := got[1]; r.Track != 0 || (r.From-60*sec).Abs() > 100*mil || (r.To-r.From-20*mil).Abs() > mil {
		t.Errorf("reset %+v, want one of track 0 at 60 s by one frame", r)
	}
	if s := res.tl.Stats(); s.Slews != 1 || s.Resets != 1 || (s.Worst-100*mil).Abs() > mil || (worst-100*mil).Abs() > mil {
		t.Errorf("stats %+v, worst sync error %v; want 1 slew, 1 reset, 100ms", s, worst)
	}
	if got := res.tl.SyncError(); got > 6*mil {
		t.Errorf("sync error %v at the end, want at most 6ms", got)
	}
}

// Where reports say nothing, nothing is known.
func TestSyncErrorUnknown(t *testing.T) {
	sc := scenario{length: 8 * sec, audio: audioStream(), video: videoStream()}
	sc.audio.reports, sc.video.skew = 0, 100*mil
	if got := run(t, sc).tl.SyncError(); got != 0 {
		t.Errorf("sync error %v, want none that is known", got)
	}
}

// File time zero is the first of what the buffers held on any track, even if
// another track is placed first, and Start is the arrival it would have had.
func TestZero(t *testing.T) {
	h := byHand(t)
	a, v := h.AddTrack(48_000, true), h.AddTrack(90_000, false)
	if got := h.Now(origin); got != 0 {
		t.Errorf("now is %v before anything is placed, want 0", got)
	}
	h.arrive(v, 9000, 0)        // backlog of a second, all at once
	h.arrive(v, 9000+90_000, 0) //
	h.arrive(a, 0, 100*mil)
	h.place(a, 0, 1100*mil)
	h.place(v, 9000, 0)
	h.place(v, 99_000, sec)
	if got := h.Start().Sub(origin); got != -sec {
		t.Errorf("start is %v after the first arrival, want -1s", got)
	}
	if got := h.Now(origin.Add(5 * sec)); got != 6*sec {
		t.Errorf("5 s after the first arrival is %v in the file, want 6s", got)
	}
}

// A Timeline without anything in it answers all the same.
func TestEmpty(t *testing.T) {
	h := byHand(t)
	if h.Now(origin) != 0 || h.SyncError() != 0 || !h.Start().IsZero() {
		t.Errorf("now %v, sync error %v, start %v; want nothing", h.Now(origin), h.SyncError(), h.Start())
	}
}

// What a late track had before file time zero is dropped.
func TestBeforeZero(t *testing.T) {
	h := byHand(t)
	a, v := h.AddTrack(48_000, true), h.AddTrack(90_000, false)
	h.play(a, 0, 0, sec)
	for i := range uint32(31) {
		h.arrive(v, 3000*i*2, sec) // two seconds of pictures in one instant
	}
	h.place(v, 0, -1)
	h.place(v, 84_000, -1)
	h.place(v, 90_000, 0)
	h.place(v, 180_000, sec)
}

// What is learnt while a track is being dropped still moves its begin.
func TestSettlesBeforeZero(t *testing.T) {
	h := byHand(t)
	a, v := h.AddTrack(48_000, true), h.AddTrack(90_000, false)
	h.arrive(v, 0, 0)
	h.place(v, 0, 0)
	h.arrive(a, 0, sec)
	h.arrive(a, 48_000*3, sec)
	h.place(a, 0, -1)
	h.arrive(a, 48_000*4, sec)
	h.place(a, 48_000*2, -1)
	h.place(a, 48_000*4, sec)
}

// A backlog longer than a path can hold does not put zero into the far past.
func TestLead(t *testing.T) {
	h := byHand(t)
	a, v := h.AddTrack(48_000, true), h.AddTrack(90_000, false)
	for i := range uint32(30) {
		h.arrive(v, 90_000*i, time.Duration(i)*mil)
	}
	h.arrive(a, 0, 30*mil)
	if at, ok := h.Place(a, 0); !ok || at > 10*sec {
		t.Errorf("sound at %v, %v; want at most 10s", at, ok)
	}
}

// A smaller delay soon after the start says that the file began earlier.
func TestStartSettles(t *testing.T) {
	h := byHand(t)
	a := h.AddTrack(48_000, true)
	h.arrive(a, 0, 500*mil)
	h.place(a, 0, 0)
	was := h.Start()
	h.arrive(a, 960, 500*mil) // the queue drains
	h.arrive(a, 1920, 500*mil)
	h.play(a, 2880, 520*mil, 30*sec)
	if got := h.Start().Sub(was); got != -40*mil {
		t.Errorf("start moved by %v, want -40ms", got)
	}
	if got := h.Now(h.Start()); got != 0 {
		t.Errorf("start is %v in the file, want 0", got)
	}
	for i := range uint32(100) { // long after, it is drift
		h.arrive(a, 48_000*40+i*970, 40*sec+time.Duration(i)*20*mil)
	}
	if got := h.Start().Sub(was); got != -40*mil {
		t.Errorf("start moved by %v in the end, want -40ms", got)
	}
}

// Without sound, the picture keeps its own clock, reports or not; with two
// pictures, the second follows the first.
func TestVideoOnly(t *testing.T) {
	sc := scenario{length: 60 * sec, video: videoStream()}
	sc.video.ppm, sc.net.jitter, sc.net.loss = 200, 50*mil, 0.05
	for i, v := range run(t, sc).video {
		if d := v.at - time.Duration(float64(v.capture)*(1+200e-6)); d.Abs() > 25*time.Microsecond {
			t.Fatalf("picture %d is %v off its RTP time", i, d)
		}
	}

	h := byHand(t)
	v, w := h.AddTrack(0, false), h.AddTrack(0, false)
	h.arrive(v, 0, 0)
	h.arrive(w, 0, 0)
	h.report(w, 0, 0, 10*mil)
	h.report(v, 62500*time.Microsecond, 0, 20*mil)
	h.place(w, 0, 0) // what v shows was captured 62.5 ms later
	h.place(v, 0, 62500*time.Microsecond)
	h.arrive(w, 90_000, sec)
	h.place(w, 90_000, sec)
}

// A pair of reports that is known before a track's first frame applies at
// once, whichever track comes first.
func TestKnownBefore(t *testing.T) {
	for _, audioFirst := range []bool{true, false} {
		h := byHand(t)
		v, a := h.AddTrack(0, false), h.AddTrack(0, true)
		h.arrive(a, 0, 0)
		h.arrive(v, 0, 120*mil) // the picture of the same instant
		h.report(a, 0, 0, 130*mil)
		h.report(v, 0, 0, 130*mil)
		if audioFirst {
			h.place(a, 0, 0)
			h.place(v, 0, 0)
		} else {
			h.place(v, 0, 0)
			h.place(a, 0, 0)
		}
	}
}

// What two pictures knew of each other is nothing to the sound that joins.
func TestNewMaster(t *testing.T) {
	h := byHand(t)
	v, w := h.AddTrack(0, false), h.AddTrack(0, false)
	h.arrive(v, 0, 0)
	h.arrive(w, 0, 0)
	h.report(v, 0, 0, 0)
	h.report(w, 62500*time.Microsecond, 0, 0)
	h.place(v, 0, 0)
	h.place(w, 0, 62500*time.Microsecond)
	a := h.AddTrack(0, true)
	h.arrive(a, 0, 30*mil)
	h.place(a, 0, 30*mil)
	for i := uint32(1); i < 9; i++ {
		h.arrive(w, 90_000*i, time.Duration(i)*sec)
		h.place(w, 90_000*i, time.Duration(i)*sec+62500*time.Microsecond)
	}
	if got := h.SyncError(); got != 0 {
		t.Errorf("sync error %v, want none that is known", got)
	}
}

// A delay that was measured before a silence is forgotten after it.
func TestDelayIsForgotten(t *testing.T) {
	h := byHand(t)
	a := h.AddTrack(0, true)
	h.play(a, 0, 0, 2*sec)
	rtp := h.play(a, 48_000*60, 60*sec+200*mil, 61*sec+200*mil) // another path
	if got := h.Now(origin.Add(62 * sec)); got != 62*sec-200*mil {
		t.Errorf("62 s after the first arrival is %v in the file, want 61.8s", got)
	}
	h.arrive(a, rtp, 61*sec+100*mil)
	if got := h.Now(origin.Add(62 * sec)); got != 62*sec-100*mil {
		t.Errorf("62 s after the first arrival is %v in the file, want 61.9s", got)
	}
}

// When sound is announced after the picture began, the picture follows it
// from then on.
func TestAudioAnnouncedLate(t *testing.T) {
	h := byHand(t)
	v := h.AddTrack(0, false)
	h.arrive(v, 0, 0)
	h.place(v, 0, 0)
	a := h.AddTrack(0, true)
	h.arrive(a, 0, sec)
	h.place(a, 0, sec)
	h.report(a, sec, 0, sec)
	h.report(v, 1050*mil, 90_000, sec)
	for i := uint32(1); i < 20; i++ {
		h.arrive(v, 90_000*i, time.Duration(i)*sec)
		h.Place(v, 90_000*i)
		h.arrive(a, 48_000*i, time.Duration(i+1)*sec)
	}
	h.arrive(v, 90_000*20, 20*sec)
	h.place(v, 90_000*20, 20*sec+45*mil) // 50 ms are wanted, 5 ms are left alone
}

// A second track of sound is placed by what is known at its begin, and never
// moves.
func TestSecondAudio(t *testing.T) {
	h := byHand(t)
	a, b := h.AddTrack(0, true), h.AddTrack(0, true)
	h.arrive(a, 0, 0)
	h.arrive(b, 0, 0)
	h.place(a, 0, 0)
	h.place(b, 0, 0)
	h.report(a, 0, 0, sec)
	h.report(b, 100*mil, 0, sec)
	h.arrive(b, 48_000*30, 30*sec)
	h.place(b, 48_000*30, 30*sec)
	if got := h.SyncError(); got != 0 {
		t.Errorf("sync error %v of a track that does not follow, want 0", got)
	}
	v := h.AddTrack(0, false) // follows the first
	h.arrive(v, 0, 30*sec)
	h.report(v, 30*sec, 0, 30*sec)
	h.report(a, 30*sec-62500*time.Microsecond, 48_000*30, 30*sec)
	h.arrive(a, 48_000*30, 30*sec)
	h.place(v, 0, 30*sec+62500*time.Microsecond)
}

// Frames of picture may be reordered by a little; their times don't fall.
func TestReorderedPictures(t *testing.T) {
	h := byHand(t)
	v := h.AddTrack(0, false)
	for i := range uint32(4) {
		h.arrive(v, 9000*i, time.Duration(i)*100*mil)
	}
	h.place(v, 0, 0)
	h.place(v, 27_000, 300*mil)
	h.place(v, 9000, 300*mil)
	h.place(v, 18_000, 300*mil)
	if got := h.Stats().Resets; got != 0 {
		t.Errorf("%d resets, want none", got)
	}
}

// Pictures that are sent out of order don't count as time in which to move.
func TestSlewOfReorderedPictures(t *testing.T) {
	h := twoTracks(t)
	h.arrive(0, 0, 0)
	h.arrive(1, 0, 0)
	h.place(0, 0, 0)
	h.place(1, 0, 0)
	h.pair(sec, 200*mil)
	for i := uint32(10); i <= 100; i++ {
		h.arrive(1, i*9000, time.Duration(i)*100*mil)
		h.Place(1, i*9000)
		h.Place(1, i*9000-8000)
		h.Place(1, i*9000-4000)
	}
	if got, _ := h.Place(1, 900_000); (got - 10*sec - 50*mil).Abs() > 2*mil {
		t.Errorf("moved by %v in 10 s, want 50ms", got-10*sec)
	}
}

// A frame whose packets nobody told of is placed by what is nearest to it.
func TestNeverHeard(t *testing.T) {
	h := byHand(t)
	a := h.AddTrack(0, true)
	h.place(a, 5000, 0) // nothing was heard at all
	h.arrive(a, 5000, 0)
	h.place(a, 5960, 20*mil)
	h.place(a, 5960+48_000*25, 20*mil) // too far to believe: right behind
	h.place(a, 5960+48_000*25+960, 40*mil)
}

// Restart alone moves nothing: if the timestamps go on, so does the file.
func TestRestart(t *testing.T) {
	h := byHand(t)
	a := h.AddTrack(0, true)
	rtp := h.play(a, 0, 0, 2*sec)
	h.Restart(a)
	rtp = h.play(a, rtp+48_000*3, 5*sec, 6*sec) // 3 s were lost, and more than a jitter buffer can count
	if got := h.Stats().Resets; got != 0 {
		t.Errorf("%d resets, want none", got)
	}
	// The new stream's timestamps happen to lie close by.
	h.Restart(a)
	h.arrive(a, rtp+48_000*8, 6*sec)
	if got, _ := h.Place(a, rtp+48_000*8); (got - 6*sec).Abs() > mil {
		t.Errorf("placed at %v, want 6s", got)
	}
	if got := h.Stats().Resets; got != 1 {
		t.Errorf("%d resets, want 1", got)
	}
}

// After a pause, in which nothing is told, the clock has gone on.
func TestPause(t *testing.T) {
	h := byHand(t)
	a := h.AddTrack(0, true)
	h.play(a, 0, 0, sec)
	h.arrive(a, 48_000*3600*3, 3*time.Hour)
	h.place(a, 48_000*3600*3, 3*time.Hour)
	h.arrive(a, uint32(48_000*3600*30%(1<<32)), 30*time.Hour) // beyond half of 32 bits
	h.place(a, uint32(48_000*3600*30%(1<<32)), 30*time.Hour)
}
