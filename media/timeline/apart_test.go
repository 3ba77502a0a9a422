package timeline_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/timeline"
)

const voiceFrame = 20 * time.Millisecond

// party is one sender of a simulated call. Times are true ones.
type party struct {
	ppm    float64       // how much faster its clock runs
	path   time.Duration // to us
	first  uint32        // RTP timestamp at time 0
	stands span          // it sends nothing, and its clock stands still
	jumps  time.Duration // its timestamps, after 15 s
	cname  string
	wrong  time.Duration // added to what its reports say
}

func (p party) rtp(at time.Duration) uint32 {
	if at >= p.stands.from {
		at = max(p.stands.from, at-(p.stands.to-p.stands.from))
	}
	if at >= 15*time.Second {
		at += p.jumps
	}
	return p.first + uint32(int64(at.Seconds()*8000*(1+p.ppm*1e-6)))
}

// call sends length of both parties over a path with 30 ms of jitter, and
// calls placed for every frame with its true time and its place.
func call(tl *timeline.Timeline, parties []party, length time.Duration, placed func(track int, at, place time.Duration)) {
	random := rand.New(rand.NewPCG(1, 2))
	for range parties {
		tl.AddTrack(8000, true)
	}
	place := func(at time.Duration) {
		for i, p := range parties {
			if at < 0 || p.stands.has(at) {
				continue
			}
			if got, ok := tl.Place(i, p.rtp(at)); ok {
				placed(i, at, got)
			}
		}
	}
	const wait = 400 * time.Millisecond
	for at := time.Duration(0); at < length; at += voiceFrame {
		for i, p := range parties {
			if p.stands.has(at) {
				continue
			}
			arrival := origin.Add(at + p.path + time.Duration(random.Int64N(int64(30*time.Millisecond))))
			tl.Arrive(i, p.rtp(at), arrival)
			if at%(5*time.Second) == 0 {
				tl.Report(i, media.Report{NTP: ntp(at + p.wrong), RTP: p.rtp(at), CNAME: p.cname, Arrival: arrival})
			}
		}
		place(at - wait)
	}
	for at := length - wait; at < length; at += voiceFrame {
		place(at)
	}
}

// Two clocks that are 200 ppm apart stay beside each other for hours, if
// whoever asks for the drift moves them.
func TestApart(t *testing.T) {
	const bound = 20 * time.Millisecond
	for name, moves := range map[string]bool{"moved": true, "left alone": false} {
		t.Run(name, func(t *testing.T) {
			tl := timeline.New(timeline.Config{Apart: true})
			parties := []party{{ppm: 100, path: 20 * mil, first: 1<<32 - 8000}, {ppm: -100, path: 20 * mil, first: 77}}
			var worst time.Duration
			shifts := 0
			call(tl, parties, 2*time.Hour, func(track int, at, place time.Duration) {
				worst = max(worst, (place - at).Abs())
				if drift, ok := tl.Drift(track); moves && ok && drift.Abs() > bound {
					tl.Shift(track, drift)
					shifts++
				}
			})
			if moves && worst > bound+5*mil {
				t.Errorf("a frame is %v from when it was sent, want at most %v", worst, bound)
			}
			if !moves && worst < 600*mil {
				t.Errorf("a frame is at most %v from when it was sent: nothing drifts", worst)
			}
			if got := len(tl.Corrections()); got != shifts || moves && (shifts < 60 || shifts > 80) {
				t.Errorf("%d shifts and %d corrections, want 70 of each", shifts, got)
			}
		})
	}
}

// A party that stops its clock for a hold goes on after it where it is heard.
func TestApartHold(t *testing.T) {
	tl := timeline.New(timeline.Config{Apart: true})
	hold := span{10 * time.Second, 17 * time.Second}
	parties := []party{{stands: hold}, {stands: hold, first: 1 << 31}}
	call(tl, parties, 30*time.Second, func(track int, at, place time.Duration) {
		if d := (place - at).Abs(); d > 40*mil {
			t.Fatalf("party %d: the frame of %v is at %v", track, at, place)
		}
	})
}

// A party whose timestamps jump goes on where it is heard, and nobody is moved
// for it.
func TestApartJump(t *testing.T) {
	for _, jump := range []time.Duration{time.Second, 3 * time.Second, -3 * time.Second, time.Hour, -time.Hour} {
		tl := timeline.New(timeline.Config{Apart: true})
		call(tl, []party{{}, {jumps: jump, first: 1 << 31}}, 45*time.Second, func(track int, at, place time.Duration) {
			if drift, ok := tl.Drift(track); ok && drift.Abs() > 40*mil || (place-at).Abs() > 40*mil {
				t.Fatalf("jump by %v: the frame of party %d at %v is at %v, with a drift of %v", jump, track, at, place, drift)
			}
		})
	}
}

// Reports say where a party belongs only if both have one sender, and only if
// what they say is possible.
func TestApartReports(t *testing.T) {
	for name, test := range map[string]struct {
		cnames  [2]string
		wrong   time.Duration
		want    time.Duration
		verdict timeline.Verdict
	}{
		"of one sender":           {[2]string{"sbc", "sbc"}, 0, -60 * mil, timeline.Used},
		"of two":                  {[2]string{"caller", "callee"}, 0, 0, timeline.Kept},
		"of nobody":               {[2]string{"", ""}, 0, 0, timeline.Kept},
		"of one, but nonsensical": {[2]string{"sbc", "sbc"}, 300 * mil, 0, timeline.Implausible},
	} {
		t.Run(name, func(t *testing.T) {
			tl := timeline.New(timeline.Config{Apart: true})
			parties := []party{{cname: test.cnames[0]}, {cname: test.cnames[1], path: 60 * mil, wrong: test.wrong, first: 5}}
			call(tl, parties, 30*time.Second, func(int, time.Duration, time.Duration) {})
			drift, ok := tl.Drift(1)
			if !ok || (drift-test.want).Abs() > 5*mil {
				t.Errorf("drift: got %v, %t, want %v", drift, ok, test.want)
			}
			reports := tl.Reports()
			if got := reports[len(reports)-1].Verdict; got != test.verdict {
				t.Errorf("last report: got %s, want %s", got, test.verdict)
			}
		})
	}
}

// What one sender's tracks do is not to be asked for, and file time is the
// time of arrival from the start on.
func TestApartOnly(t *testing.T) {
	tl := timeline.New(timeline.Config{})
	tl.AddTrack(8000, true)
	tl.Arrive(0, 0, origin)
	tl.Place(0, 0)
	if _, ok := tl.Drift(0); ok {
		t.Error("a sender's own track drifts")
	}
	tl = timeline.New(timeline.Config{Apart: true})
	tl.AddTrack(8000, true)
	tl.Arrive(0, 0, origin.Add(50*mil))
	tl.Arrive(0, 160, origin.Add(60*mil))
	tl.Place(0, 0)
	if got := tl.Start(); !got.Equal(origin.Add(40 * mil)) {
		t.Errorf("start: got %v after the epoch, want 40 ms", got.Sub(origin))
	}
	tl.Arrive(0, 320, origin.Add(60*mil))
	if got := tl.Now(origin.Add(time.Second)); got != 960*mil {
		t.Errorf("now: got %v, want 960 ms", got)
	}
}
