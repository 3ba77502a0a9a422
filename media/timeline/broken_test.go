package timeline_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/reelvault/reelvault/media/timeline"
)

// A stopped clock and a slow path look alike at first. The path may hold
// packets up for seconds without a track being re-anchored; a clock that
// stood is caught up with.
func TestStoodOrHeldUp(t *testing.T) {
	tests := []struct {
		name   string
		change func(sc *scenario)
		resets uint64
	}{
		{"both held up for 10 s by 2 s", func(sc *scenario) { sc.net.queue, sc.net.queued = span{20 * sec, 30 * sec}, 2*sec }, 0},
		{"both held up, no reports", func(sc *scenario) {
			sc.net.queue, sc.net.queued = span{20 * sec, 30 * sec}, 2*sec
			sc.audio.reports, sc.video.reports = 0, 0
		}, 0},
		{"picture held up at its sender, sound not", func(sc *scenario) {
			sc.video.pace, sc.video.paced = span{20 * sec, 40 * sec}, 1500*mil
		}, 0},
		{"sound alone, held up, reports say so", func(sc *scenario) {
			sc.video = nil
			sc.net.queue, sc.net.queued = span{20 * sec, 50 * sec}, 2*sec
		}, 0},
		{"sound alone, mute of 4 s, reports say so", func(sc *scenario) {
			sc.video, sc.audio.muted, sc.audio.stands = nil, span{20 * sec, 24 * sec}, true
		}, 1},
		{"sound alone, mute of 4 s, a report comes at once", func(sc *scenario) {
			sc.video, sc.audio.muted, sc.audio.stands = nil, span{20800 * mil, 24800 * mil}, true
		}, 1},
		{"sound alone, mute of 4 s, no reports", func(sc *scenario) {
			sc.video, sc.audio.muted, sc.audio.stands, sc.audio.reports = nil, span{20 * sec, 24 * sec}, true, 0
		}, 1},
		{"sound alone, mute of 4 s, reports have ended", func(sc *scenario) {
			sc.video, sc.audio.muted, sc.audio.stands, sc.audio.reportsUntil = nil, span{20 * sec, 24 * sec}, true, 15*sec
		}, 1},
		{"sound alone, mute of 10 s, no reports", func(sc *scenario) {
			sc.video, sc.audio.muted, sc.audio.stands, sc.audio.reports = nil, span{20 * sec, 30 * sec}, true, 0
		}, 1},
		{"sound alone, mute of 35 s, no reports", func(sc *scenario) {
			sc.video, sc.audio.muted, sc.audio.stands, sc.audio.reports = nil, span{10 * sec, 45 * sec}, true, 0
		}, 1},
		{"both muted for 10 s", func(sc *scenario) {
			sc.audio.muted, sc.audio.stands = span{20 * sec, 30 * sec}, true
			sc.video.muted, sc.video.stands = span{20 * sec, 30 * sec}, true
		}, 2},
		{"a stall of 8 s that loses everything", func(sc *scenario) {
			sc.audio.muted, sc.video.muted = span{20 * sec, 28 * sec}, span{20 * sec, 28 * sec}
		}, 0},
		{"sound comes through a stall first", func(sc *scenario) {
			sc.net.stalls, sc.video.muted = []span{{20 * sec, 26 * sec}}, span{20*sec + 500*mil, 25 * sec}
			sc.video.late = 200 * mil
		}, 0},
		{"wall clock set during a stall", func(sc *scenario) {
			sc.video.fps, sc.net.jitter = 5, 0
			sc.net.stalls = []span{{20 * sec, 21*sec + 21*mil}}
			sc.net.ntpStep, sc.net.stepAt = sec, 20*sec
		}, 0},
		{"wall clock set by less while held up", func(sc *scenario) {
			sc.net.queue, sc.net.queued = span{20 * sec, 30 * sec}, 2*sec
			sc.net.ntpStep, sc.net.stepAt = 1200*mil, 23*sec
			sc.audio.reports = sec
		}, 0},
		{"wall clock set while held up", func(sc *scenario) {
			sc.video = nil
			sc.net.queue, sc.net.queued = span{20 * sec, 50 * sec}, 2*sec
			sc.net.ntpStep, sc.net.stepAt = time.Hour, 19*sec
		}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range uint64(3) {
				sc := scenario{seed: seed, length: 60 * sec, audio: audioStream(), video: videoStream()}
				sc.net.jitter = 30 * mil
				tt.change(&sc)
				res := run(t, sc)
				if got := res.tl.Stats().Resets; got != tt.resets {
					t.Fatalf("seed %d: re-anchored %d times, want %d: %+v", seed, got, tt.resets, res.tl.Corrections())
				}
				// In the end the file's clock is where the capture was, whatever happened.
				for _, frames := range [][]placed{res.audio, res.video} {
					if len(frames) == 0 {
						continue
					}
					if end := frames[len(frames)-1]; (end.at - end.capture).Abs() > 100*mil {
						t.Errorf("seed %d: what was captured at %v is at %v", seed, end.capture, end.at)
					}
				}
			}
		})
	}
}

// A sender whose picture stands still may repeat old packets as padding: they
// bear old timestamps, and say nothing about the clock.
func TestRepeatedAsPadding(t *testing.T) {
	h := byHand(t)
	a, v := h.AddTrack(0, true), h.AddTrack(0, false)
	h.arrive(v, 9000, 0)
	h.place(v, 9000, 0)
	h.play(a, 0, 0, 60*sec)
	for i := range time.Duration(100) {
		h.arrive(v, 9000, 20*sec+i*100*mil)
		h.arrive(v, 4500, 20*sec+i*100*mil)
	}
	h.arrive(v, 9000+90_000*60, 60*sec)
	h.place(v, 9000+90_000*60, 60*sec)
	if got := h.Stats().Resets; got != 0 {
		t.Errorf("%d resets, want none", got)
	}
}

// A clock that runs at no rate we know, fast or slow, can neither run away
// with the file nor fall behind it.
func TestWrongRate(t *testing.T) {
	for _, rate := range []uint32{1000, 45_000, 180_000, 400_000, 90_000_000} {
		for _, audio := range []bool{true, false} {
			sc := scenario{length: 3 * time.Minute, audio: audioStream(), video: videoStream()}
			if audio {
				sc.audio.rate = rate
			} else {
				sc.video.rate = rate
			}
			res := run(t, sc)
			for _, frames := range [][]placed{res.audio, res.video} {
				for _, f := range frames {
					if d := f.at - f.capture; d > 12*sec || d < -15*sec {
						t.Fatalf("rate %d, audio %v: captured at %v, placed at %v", rate, audio, f.capture, f.at)
					}
				}
			}
		}
	}
}

// A backlog of pictures that were made six times a second, and drains as fast
// as a microsecond clock would run, is a backlog.
func TestBacklogIsNoMicroseconds(t *testing.T) {
	h := byHand(t)
	v := h.AddTrack(90_000, false)
	for i := range uint32(20) { // 30 a second in 90 kHz, eleven times too fast
		h.arrive(v, 3000*i, time.Duration(i)*3*mil)
	}
	for i := range uint32(60) {
		h.arrive(v, 60_000+3000*i, 60*mil+time.Duration(i)*33*mil)
	}
	h.place(v, 0, 0)
	if got, _ := h.Place(v, 57_000); (got - 633*mil).Abs() > mil {
		t.Errorf("frame 19 is at %v, want 633ms", got)
	}
}

// Sound is never taken to count microseconds, and neither is a picture whose
// clock goes fast only later.
func TestMicrosecondsOnlyAtTheStartOfPictures(t *testing.T) {
	for _, audio := range []bool{true, false} {
		h := byHand(t)
		k := h.AddTrack(90_000, audio)
		rtp, at := uint32(0), time.Duration(0)
		if !audio {
			for ; at < 6*sec; at += 40 * mil {
				h.arrive(k, rtp, at)
				h.Place(k, rtp)
				rtp += 3600
			}
		}
		first, firstRTP := at, rtp
		for ; at < first+400*mil; at += 40 * mil {
			h.arrive(k, rtp, at)
			rtp += 40_000
		}
		from, _ := h.Place(k, firstRTP)
		if to, _ := h.Place(k, rtp-40_000); (to - from - 4*sec).Abs() > mil {
			t.Errorf("audio %v: %v from the first to the last, want 4s: in units of 90 kHz", audio, to-from)
		}
	}
}

// A timestamp that stands alone costs its own frame a good place, and no
// other frame anything; any number of them is as harmless.
func TestStrayTimestamps(t *testing.T) {
	h := byHand(t)
	a := h.AddTrack(0, true)
	rtp := h.play(a, 0, 0, sec)
	for i := range uint32(100) {
		at := sec + time.Duration(i)*20*mil
		stray := 1<<31 + i*i*10_000_019
		h.arrive(a, stray, at)
		if got, ok := h.Place(a, stray); !ok || (got-at).Abs() > sec+100*mil {
			t.Fatalf("stray %d is at %v, %v; want about %v", i, got, ok, at)
		}
		h.arrive(a, rtp, at)
		if got, ok := h.Place(a, rtp); !ok || (got-at).Abs() > sec+100*mil {
			t.Fatalf("frame %d is at %v, %v; want about %v", i, got, ok, at)
		}
		rtp += 960
	}
	h.play(a, rtp, 3*sec, 5*sec)
	h.place(a, rtp+48_000*2-960, 5*sec-20*mil)
}

// However many strays come between two frames, the clock in use is kept.
func TestManyStraysAtOnce(t *testing.T) {
	h := byHand(t)
	a := h.AddTrack(0, true)
	rtp := h.play(a, 0, 0, sec)
	for i := range uint32(10) {
		h.arrive(a, 1<<30+i*100_000_007, sec)
	}
	rtp = h.play(a, rtp, sec, 2*sec)
	h.place(a, rtp-960, 2*sec-20*mil)
	if got := h.Stats().Resets; got != 0 {
		t.Errorf("%d resets, want none", got)
	}
}

// A picture that counts microseconds, and so slowly that this shows only
// after its first frames were placed, is put right once the time that those
// took too much is over, with sound beside it or without.
func TestMicrosecondsShowLate(t *testing.T) {
	for _, audio := range []bool{true, false} {
		sc := scenario{length: 20 * sec, video: videoStream()}
		if audio {
			sc.audio = audioStream()
		}
		sc.video.rate, sc.video.fps = 1_000_000, 3
		res := run(t, sc)
		for _, v := range res.video {
			if zero := origin.Add(v.capture + basePath).Sub(res.tl.Start()); v.capture > 8*sec && (v.at-zero).Abs() > 10*mil {
				t.Errorf("audio %v: captured at %v, placed at %v, want %v", audio, v.capture, v.at, zero)
			}
		}
	}
}

// A clock that goes back by less than what is a jump, as that of a film in a
// loop does, goes on where it was.
func TestLoop(t *testing.T) {
	h := byHand(t)
	a := h.AddTrack(0, true)
	for i := range time.Duration(20) {
		h.play(a, 5000, i*10*sec, (i+1)*10*sec)
		h.place(a, 5000+48_000*10-960, (i+1)*10*sec-20*mil)
	}
	if got := h.Stats().Resets; got != 19 {
		t.Errorf("%d resets, want 19", got)
	}
}

// If there was a hole before the clock went back, there is one in the file.
func TestLoopAfterHole(t *testing.T) {
	h := byHand(t)
	a := h.AddTrack(0, true)
	h.arrive(a, 5000-960, 10*mil) // 30 ms later than those after it
	h.play(a, 5000, 0, 10*sec)
	h.arrive(a, 5000, 12*sec)
	h.place(a, 5000, 12*sec)
	h.arrive(a, 5960, 12*sec+20*mil)
	h.place(a, 5960, 12*sec+20*mil)
}

// Where a new stream begins is measured by the earliest of its packets, as far
// as they are heard before the first is placed; a few late ones are worth less
// than that the next frame was due.
func TestNewStreamSettles(t *testing.T) {
	tests := []struct {
		name    string
		packets int
		begin   time.Duration // of the stream, by its capture; the one before ends at 1 s
		late    time.Duration // all packets, except
		early   int           // this one
		want    time.Duration // of the first frame
	}{
		{"after a hole, one in time", 3, 2 * sec, 40 * mil, 1, 2 * sec},
		{"after a hole, all late", 3, 2 * sec, 40 * mil, -1, 2*sec + 40*mil},
		{"without a hole, few, all late", 3, sec, 40 * mil, -1, sec},
		{"after a small hole, many", 6, sec + 40*mil, 0, -1, sec + 40*mil},
		{"after a small hole, many, one in time", 6, sec + 40*mil, 30 * mil, 4, sec + 40*mil},
		{"overlapping the one before", 6, sec - 500*mil, 30 * mil, 4, sec - 20*mil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := byHand(t)
			a := h.AddTrack(0, true)
			h.play(a, 0, 0, sec)
			for i := range tt.packets {
				at := tt.begin + time.Duration(i)*20*mil + tt.late
				if i == tt.early {
					at -= tt.late
				}
				h.arrive(a, 1<<31+uint32(i)*960, at)
			}
			h.Restart(a)
			h.place(a, 1<<31, tt.want)
		})
	}
}

// A stream of which nothing could be placed for long, as for want of a
// keyframe, was heard all the same: a late packet of it is late.
func TestHeardButNotPlaced(t *testing.T) {
	h := byHand(t)
	v := h.AddTrack(0, false)
	h.arrive(v, 0, 0)
	h.place(v, 0, 0)
	rtp := uint32(1 << 31)
	for i := range time.Duration(400) {
		h.arrive(v, rtp, sec+i*100*mil)
		rtp += 9000
	}
	h.arrive(v, rtp, 42*sec+500*mil) // 1.5 s late
	h.place(v, rtp, 41*sec)
}

// A stream that began with a backlog keeps what was learnt from it when its
// clock jumps.
func TestJumpAfterBacklog(t *testing.T) {
	h := byHand(t)
	a := h.AddTrack(0, true)
	h.arrive(a, 0, 0)
	h.place(a, 0, 0)
	h.play(a, 48_000*3, 0, 5*sec) // 3 s of backlog had held up the first
	h.arrive(a, 1<<31, 7*sec)
	h.place(a, 1<<31, 10*sec)
}

// A flood of strays takes no memory.
func TestStraysTakeNoMemory(t *testing.T) {
	h := byHand(t)
	a := h.AddTrack(8000, true) // so slow that many jumps fit into 32 bits
	h.play(a, 0, 0, sec)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range uint32(30_000) {
		h.arrive(a, i*700_000_001, sec)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc+1<<20 {
		t.Errorf("%d bytes more are in use", after.HeapAlloc-before.HeapAlloc)
	}
	h.arrive(a, 48_000, 6*sec)
	h.place(a, 48_000, 6*sec)
}

// One file adds no more to the program's log than its budget, and its own logs
// span it with a bounded number of entries.
func TestJournalIsBounded(t *testing.T) {
	lines := 0
	h := hand{timeline.New(timeline.Config{Log: countLines(&lines)}), t}
	a := h.AddTrack(0, true)
	h.play(a, 0, 0, sec)
	for i := range uint32(5000) {
		at := sec + time.Duration(i)*20*mil
		rtp := i * 700_000_001
		h.arrive(a, rtp, at)
		h.Place(a, rtp)
		h.report(a, at, rtp, at)
	}
	if lines == 0 || lines > 50 {
		t.Errorf("%d lines in the log, want 1 to 50", lines)
	}
	c, r, s := h.Corrections(), h.Reports(), h.Stats()
	if len(c) < 128 || len(c) > 256 || len(r) < 512 || len(r) > 1024 {
		t.Errorf("%d corrections and %d reports kept", len(c), len(r))
	}
	if s.Resets < 4000 || s.Reports != 5000 {
		t.Errorf("stats %+v, want all counted", s)
	}
	if first := r[0].At; first > 2*sec {
		t.Errorf("the first report kept came at %v, want the file's begin spanned", first)
	}
}
