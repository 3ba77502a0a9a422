package timeline_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/timeline"
)

// counter is a log handler that counts lines.
type counter struct {
	slog.Handler
	lines *int
}

func (c counter) Handle(context.Context, slog.Record) error {
	*c.lines++
	return nil
}

func countLines(lines *int) *slog.Logger {
	return slog.New(counter{slog.NewTextHandler(nil, nil), lines})
}

// verdicts gives what became of the last reports, latest last.
func (h hand) verdicts(n int) []timeline.Verdict {
	var out []timeline.Verdict
	r := h.Reports()
	for _, e := range r[len(r)-n:] {
		out = append(out, e.Verdict)
	}
	return out
}

func (h hand) want(verdicts ...timeline.Verdict) {
	h.t.Helper()
	got := h.verdicts(len(verdicts))
	for i, v := range verdicts {
		if got[i] != v {
			h.t.Errorf("verdicts %v, want %v", got, verdicts)
			return
		}
	}
}

// pair lets time pass to at, and reports picture and sound, the picture's
// clock being ahead by the given amount.
func (h hand) pair(at, ahead time.Duration) {
	h.t.Helper()
	h.arrive(0, uint32(at/time.Second)*48_000, at)
	h.arrive(1, uint32(at/time.Second)*90_000, at)
	h.report(0, at, uint32(at/time.Second)*48_000, at)
	h.report(1, at+ahead, uint32(at/time.Second)*90_000, at)
}

func twoTracks(t *testing.T) hand {
	t.Helper()
	h := byHand(t)
	h.AddTrack(48_000, true)
	h.AddTrack(90_000, false)
	return h
}

// Reports that can't be used are told apart, kept and counted.
func TestVerdicts(t *testing.T) {
	h := twoTracks(t)
	h.report(1, 0, 0, 0)
	h.want(timeline.Early)
	h.arrive(0, 0, 0)
	h.arrive(1, 0, 0)
	h.place(0, 0, 0)
	h.Report(1, media.Report{RTP: 5, Arrival: origin.Add(mil)})
	h.want(timeline.Unset)
	h.report(1, 0, 90_000*11, mil)
	h.want(timeline.Foreign)
	h.report(0, 0, 0, mil)
	h.want(timeline.Kept)
	h.report(1, 0, 0, 2*mil)
	h.want(timeline.Used)
	h.report(1, 5*sec, 90_000*5, 5*sec) // the sound's was used already
	h.want(timeline.Kept)
	h.report(0, 16*sec, 48_000*16, 16*sec) // too far apart
	h.want(timeline.Kept)
	h.pair(20*sec, 1001*mil)
	h.want(timeline.Implausible)
	h.pair(25*sec, 999*mil)
	h.want(timeline.Used)
	if s := h.Stats(); s.Reports != 11 || s.Rejected != 4 {
		t.Errorf("stats %+v, want 11 reports, 4 of them rejected", s)
	}
	r := h.Reports()
	if last := r[len(r)-1]; last.Track != 1 || last.At != 25*sec || last.Report.RTP != 90_000*25 || (last.Residual-999*mil).Abs() > mil {
		t.Errorf("last entry %+v", last)
	}
}

// One or two wild pairs move nothing; three that agree are a clock that has
// stepped. Three that disagree with each other are noise.
func TestOutliersAndSteps(t *testing.T) {
	tests := []struct {
		name string
		wild []time.Duration // after ten good pairs
		want []timeline.Verdict
		end  time.Duration // how far the picture is moved in the end
	}{
		{"one", []time.Duration{100 * mil, 0}, []timeline.Verdict{timeline.Outlier, timeline.Used}, 0},
		{"two", []time.Duration{100 * mil, 100 * mil, 0}, []timeline.Verdict{timeline.Outlier, timeline.Outlier, timeline.Used}, 0},
		{"a step", []time.Duration{100 * mil, 100 * mil, 100 * mil}, []timeline.Verdict{timeline.Outlier, timeline.Outlier, timeline.Rebuilt}, 100 * mil},
		{"noise", []time.Duration{100 * mil, -100 * mil, 100 * mil}, []timeline.Verdict{timeline.Outlier, timeline.Outlier, timeline.Outlier}, 0},
		{"a step after noise", []time.Duration{-100 * mil, 100 * mil, 100 * mil, 100 * mil}, []timeline.Verdict{timeline.Outlier, timeline.Outlier, timeline.Outlier, timeline.Rebuilt}, 100 * mil},
		{"within the scatter", []time.Duration{29 * mil, -29 * mil}, []timeline.Verdict{timeline.Used, timeline.Used}, 0},
		{"twice two", []time.Duration{100 * mil, 100 * mil, 0, 100 * mil, 100 * mil}, []timeline.Verdict{timeline.Outlier, timeline.Outlier, timeline.Used, timeline.Outlier, timeline.Outlier}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := twoTracks(t)
			at := time.Duration(0)
			for range 10 {
				h.pair(at, 0)
				at += 5 * sec
			}
			h.place(0, 0, 0)
			h.place(1, 0, 0)
			var got []timeline.Verdict
			for _, w := range tt.wild {
				h.pair(at, w)
				got = append(got, h.verdicts(1)...)
				at += 5 * sec
			}
			for i := range tt.want {
				if got[i] != tt.want[i] {
					t.Fatalf("verdicts %v, want %v", got, tt.want)
				}
			}
			for i := range time.Duration(60) {
				h.arrive(1, uint32((at+i*sec)/sec)*90_000, at+i*sec)
				h.Place(1, uint32((at+i*sec)/sec)*90_000)
			}
			last := at + 59*sec
			if at, _ := h.Place(1, uint32(last/sec)*90_000); (at - last - tt.end).Abs() > 10*mil {
				t.Errorf("the picture is moved by %v, want %v", at-last, tt.end)
			}
		})
	}
}

// When the second pair contradicts the first, nobody knows which one lies:
// the picture stays until a third has told.
func TestFirstPairWrong(t *testing.T) {
	h := twoTracks(t)
	h.arrive(0, 0, 0)
	h.arrive(1, 0, 0)
	h.place(0, 0, 0)
	h.place(1, 0, 0)
	moved := func(at time.Duration) time.Duration {
		got, _ := h.Place(1, uint32(at/sec)*90_000)
		return got - at
	}
	h.pair(sec, 100*mil) // a lie
	moved(sec)
	h.arrive(1, 90_000*5, 5*sec)
	was := moved(5 * sec)
	if was < 15*mil || was > 25*mil {
		t.Errorf("moved by %v after 4 s, want 20ms", was)
	}
	h.pair(6*sec, 0)
	h.arrive(1, 90_000*9, 9*sec)
	if got := moved(9 * sec); (got - was).Abs() > 6*mil {
		t.Errorf("moved by %v while the pairs disagree, want %v still", got, was)
	}
	h.pair(11*sec, 0)
	for i := range time.Duration(10) {
		h.arrive(1, uint32(12+i)*90_000, (12+i)*sec)
		was = moved((12 + i) * sec)
	}
	if was.Abs() > 6*mil {
		t.Errorf("moved by %v in the end, want none", was)
	}
}

// Reports lead from the first pair on; while there is none, arrival leads
// only once it has been heard for long enough, and not after a re-anchoring.
func TestArrivalLeads(t *testing.T) {
	for _, reports := range []bool{true, false} {
		h := twoTracks(t)
		h.arrive(0, 0, 0)
		h.arrive(1, 0, 200*mil) // held up, as it turns out
		h.place(0, 0, 0)
		h.place(1, 0, 200*mil)
		if reports {
			h.report(0, 0, 0, 250*mil)
			h.report(1, 0, 0, 250*mil)
		}
		step := func(i uint32) time.Duration {
			at := time.Duration(i) * 100 * mil
			h.arrive(0, i*4800, at)
			h.arrive(1, i*9000, at)
			if reports {
				h.Place(1, i*9000+1<<31) // a stray: what reports said is forgotten
			}
			got, _ := h.Place(1, i*9000)
			return got - at
		}
		var early, late time.Duration
		for i := uint32(1); i < 800; i++ {
			if d := step(i); i == 85 {
				early = d
			} else {
				late = d
			}
		}
		if !reports && (early != 200*mil || late > 21*mil) {
			t.Errorf("no reports: %v late after 8.5 s, want 200ms; %v in the end, want 20ms", early, late)
		}
		if reports && late < 150*mil {
			t.Errorf("after a re-anchoring: moved to %v late, want what reports said to hold", late)
		}
	}
}

// Arrival leads only while both tracks are heard enough.
func TestArrivalNeedsBoth(t *testing.T) {
	for quiet := range 2 {
		h := twoTracks(t)
		rates := []uint32{4800, 9000}
		for i := uint32(0); i < 800; i++ {
			at := time.Duration(i) * 100 * mil
			for track, rate := range rates {
				late := time.Duration(0)
				if track == quiet {
					if i > 150 && i < 750 {
						continue
					}
					if i >= 750 {
						late = 200 * mil // another path for the track that comes back
					}
				}
				h.arrive(track, i*rate, at+late)
				h.place(track, i*rate, at)
			}
		}
	}
}

// What reports said of a clock that broke does not judge those after it, on
// either side.
func TestForgotten(t *testing.T) {
	for broken := range 2 {
		h := twoTracks(t)
		for i := range time.Duration(6) {
			h.pair(i*5*sec, 0)
		}
		h.place(0, 0, 0)
		h.place(1, 0, 0)
		rtp := uint32(1<<31 + 5)
		h.arrive(broken, rtp, 26*sec)
		h.Place(broken, rtp)
		h.arrive(1-broken, []uint32{48_000, 90_000}[1-broken]*26, 26*sec)
		for track, rate := range []uint32{48_000, 90_000} {
			at, r := 26*sec+time.Duration(track)*50*mil, rate*26
			if track == broken {
				r = rtp
			}
			h.report(track, at, r, 26*sec)
		}
		h.want(timeline.Used)
	}
}

// A report of the sound that completes a pair with one picture is used, even
// if another picture has nothing to compare it with.
func TestTwoFollowers(t *testing.T) {
	h := twoTracks(t)
	h.AddTrack(90_000, false)
	for track := range 3 {
		h.arrive(track, 0, 0)
	}
	h.report(1, 0, 0, 0)
	h.report(0, 0, 0, 0)
	h.want(timeline.Kept, timeline.Used)
}
