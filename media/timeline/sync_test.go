package timeline_test

import (
	"testing"
	"time"
)

const (
	sec = time.Second
	mil = time.Millisecond
)

// Picture and sound stay together, whatever the network and the clocks do.
// The limit is on the 95th percentile within the given stretch of capture
// time, which leaves out what comes before a correction can have converged.
func TestSync(t *testing.T) {
	tests := []struct {
		name   string
		change func(sc *scenario)
		within span
		limit  time.Duration
		resets uint64
	}{
		{"plain", func(*scenario) {}, span{0, 60 * sec}, 6 * mil, 0},
		{"jitter and reorder", func(sc *scenario) { sc.net.jitter = 50 * mil }, span{0, 60 * sec}, 25 * mil, 0},
		{"before any report", func(sc *scenario) { sc.net.jitter = 50 * mil }, span{0, 900 * mil}, 35 * mil, 0},
		{"1 % loss", func(sc *scenario) { sc.net.jitter, sc.net.loss = 50*mil, 0.01 }, span{0, 60 * sec}, 25 * mil, 0},
		{"5 % loss", func(sc *scenario) { sc.net.jitter, sc.net.loss = 50*mil, 0.05 }, span{0, 60 * sec}, 25 * mil, 0},
		{"hidden skew, reports in time", func(sc *scenario) { sc.video.skew = 100 * mil }, span{20 * sec, 60 * sec}, 6 * mil, 0},
		{"hidden skew, reports withheld for 20 s", func(sc *scenario) {
			sc.length = 3 * time.Minute
			sc.video.skew, sc.net.jitter = 100*mil, 50*mil
			sc.audio.reportsFrom, sc.video.reportsFrom = 20*sec, 20*sec
		}, span{45 * sec, 180 * sec}, 15 * mil, 0},
		{"video ahead, reports withheld for 20 s", func(sc *scenario) {
			sc.length = 3 * time.Minute
			sc.audio.skew = 100 * mil
			sc.audio.reportsFrom, sc.video.reportsFrom = 20*sec, 20*sec
		}, span{45 * sec, 180 * sec}, 6 * mil, 0},
		{"no reports", func(sc *scenario) {
			sc.net.jitter, sc.net.loss = 50*mil, 0.05
			sc.audio.reports, sc.video.reports = 0, 0
		}, span{0, 60 * sec}, 30 * mil, 0},
		{"no reports, clocks 200 ppm apart", func(sc *scenario) {
			sc.length = 20 * time.Minute
			sc.net.jitter = 50 * mil
			sc.audio.reports, sc.video.reports, sc.audio.ppm = 0, 0, 200
		}, span{0, 20 * time.Minute}, 40 * mil, 0},
		{"reports of audio only", func(sc *scenario) { sc.video.reports = 0 }, span{0, 60 * sec}, 10 * mil, 0},
		{"video 3 s late", func(sc *scenario) { sc.video.start, sc.net.jitter = 3*sec, 50*mil }, span{0, 60 * sec}, 30 * mil, 0},
		{"audio 3 s late", func(sc *scenario) { sc.audio.start, sc.net.jitter = 3*sec, 50*mil }, span{0, 60 * sec}, 30 * mil, 0},
		{"start burst of 2 s", func(sc *scenario) { sc.net.backlog, sc.net.jitter = 2*sec, 50*mil }, span{0, 60 * sec}, 30 * mil, 0},
		{"start burst of 2 s, no reports", func(sc *scenario) {
			sc.net.backlog, sc.audio.reports, sc.video.reports = 2*sec, 0, 0
		}, span{0, 60 * sec}, 20 * mil, 0},
		{"start backlog that drains slowly", func(sc *scenario) {
			sc.net.stalls, sc.net.drain = []span{{0, 2 * sec}}, 2
		}, span{0, 60 * sec}, 30 * mil, 0},
		{"5 s stall, then a burst", func(sc *scenario) { sc.net.stalls = []span{{20 * sec, 25 * sec}} }, span{0, 60 * sec}, 6 * mil, 0},
		{"5 s stall that drains slowly", func(sc *scenario) {
			sc.net.stalls, sc.net.drain, sc.net.jitter = []span{{20 * sec, 25 * sec}}, 1.5, 20*mil
		}, span{0, 60 * sec}, 25 * mil, 0},
		{"200 ppm for 2 h", func(sc *scenario) {
			sc.length, sc.audio.ppm, sc.net.jitter = 2*time.Hour, 200, 50*mil
		}, span{0, 2 * time.Hour}, 15 * mil, 0},
		{"200 ppm against each other and NTP for 2 h", func(sc *scenario) {
			sc.length, sc.audio.ppm, sc.video.ppm, sc.net.jitter = 2*time.Hour, -100, 100, 50*mil
		}, span{0, 2 * time.Hour}, 15 * mil, 0},
		{"both 200 ppm against NTP for 2 h", func(sc *scenario) {
			sc.length, sc.audio.ppm, sc.video.ppm = 2*time.Hour, 200, 200
		}, span{0, 2 * time.Hour}, 10 * mil, 0},
		{"60 s mute", func(sc *scenario) {
			sc.length, sc.audio.muted = 3*time.Minute, span{30 * sec, 90 * sec}
		}, span{0, 180 * sec}, 10 * mil, 0},
		{"60 s mute, RTP stands still", func(sc *scenario) {
			sc.length, sc.audio.muted, sc.audio.stands, sc.net.jitter = 3*time.Minute, span{30 * sec, 90 * sec}, true, 50*mil
		}, span{0, 180 * sec}, 40 * mil, 1},
		{"60 s camera off, RTP stands still", func(sc *scenario) {
			sc.length, sc.video.muted, sc.video.stands, sc.net.jitter = 3*time.Minute, span{30 * sec, 90 * sec}, true, 50*mil
		}, span{0, 180 * sec}, 40 * mil, 1},
		{"4 s mute, RTP stands still", func(sc *scenario) {
			sc.audio.muted, sc.audio.stands = span{30 * sec, 34 * sec}, true
		}, span{38 * sec, 60 * sec}, 10 * mil, 1},
		{"10 s mute, RTP stands still", func(sc *scenario) {
			sc.audio.muted, sc.audio.stands, sc.net.jitter = span{20 * sec, 30 * sec}, true, 20*mil
		}, span{0, 60 * sec}, 25 * mil, 1},
		{"10 s camera off, RTP stands still", func(sc *scenario) {
			sc.video.muted, sc.video.stands, sc.net.jitter = span{20 * sec, 30 * sec}, true, 20*mil
		}, span{0, 60 * sec}, 25 * mil, 1},
		{"RTP wraps", func(sc *scenario) {
			sc.audio.first, sc.video.first = 1<<32-48_000*20, 1<<32-90_000*30
		}, span{0, 60 * sec}, 6 * mil, 0},
		{"RTP jumps", func(sc *scenario) {
			sc.net.jitter = 50 * mil
			sc.video.jumpAt, sc.video.jump = 30*sec, 1<<31+12345
			sc.audio.jumpAt, sc.audio.jump = 40*sec, 1<<32-48_000*100
		}, span{0, 60 * sec}, 40 * mil, 2},
		{"SSRC changes", func(sc *scenario) {
			sc.net.jitter = 50 * mil
			sc.video.jumpAt, sc.video.jump, sc.video.newSSRC = 30*sec, 987_654_321, true
			sc.audio.jumpAt, sc.audio.jump, sc.audio.newSSRC = 40*sec, 3_987_654_321, true
		}, span{0, 60 * sec}, 40 * mil, 2},
		{"RTP goes back by 10 s", func(sc *scenario) {
			sc.video.jumpAt, sc.video.jump = 30*sec, 1<<32-90_000*10
		}, span{0, 60 * sec}, 40 * mil, 1},
		{"video in microseconds", func(sc *scenario) { sc.video.rate, sc.net.jitter = 1_000_000, 50*mil }, span{0, 60 * sec}, 40 * mil, 0},
		{"video in microseconds, 10 a second", func(sc *scenario) {
			sc.video.rate, sc.video.fps = 1_000_000, 10
		}, span{2 * sec, 60 * sec}, 40 * mil, 0},
		{"video in microseconds, 4 a second", func(sc *scenario) {
			sc.video.rate, sc.video.fps = 1_000_000, 4
		}, span{8 * sec, 60 * sec}, 10 * mil, 0},
		{"video in microseconds, 4 a second, behind the sound", func(sc *scenario) {
			sc.video.rate, sc.video.fps, sc.video.skew, sc.video.reports = 1_000_000, 4, 100*mil, 0
		}, span{8 * sec, 60 * sec}, 110 * mil, 0},
		{"video in microseconds, no jitter, no reports", func(sc *scenario) {
			sc.video.rate, sc.video.reports = 1_000_000, 0
		}, span{0, 60 * sec}, 40 * mil, 0},
		{"NTP steps an hour", func(sc *scenario) { sc.net.ntpStep, sc.net.stepAt = time.Hour, 22*sec }, span{0, 60 * sec}, 6 * mil, 0},
		{"NTP steps back by 200 ms", func(sc *scenario) { sc.net.ntpStep, sc.net.stepAt = -200*mil, 22*sec }, span{0, 60 * sec}, 6 * mil, 0},
		{"one report is wrong by 100 ms", func(sc *scenario) {
			sc.video.lie = lieOnce(7, 100*mil)
			sc.audio.lie = lieOnce(5, -100*mil)
		}, span{0, 60 * sec}, 6 * mil, 0},
		{"one report in four is wrong by 100 ms", func(sc *scenario) {
			sc.length = 5 * time.Minute
			sc.audio.lie = func(n int, _ time.Duration) time.Duration {
				if n%4 == 2 {
					return 100 * mil
				}
				return 0
			}
		}, span{0, 300 * sec}, 10 * mil, 0},
		{"reports scatter by 10 ms", func(sc *scenario) {
			sc.length, sc.audio.ppm = 10*time.Minute, 200
			sc.video.lie = func(n int, _ time.Duration) time.Duration { return time.Duration(n*7919%20-10) * mil }
			sc.audio.lie = func(n int, _ time.Duration) time.Duration { return time.Duration(n*104_729%20-10) * mil }
		}, span{0, 600 * sec}, 25 * mil, 0},
		{"the sender's two clocks differ by an hour", func(sc *scenario) {
			sc.video.lie = func(int, time.Duration) time.Duration { return time.Hour }
		}, span{0, 60 * sec}, 10 * mil, 0},
		{"reports end after a minute", func(sc *scenario) {
			sc.length, sc.video.skew, sc.net.jitter = 10*time.Minute, 100*mil, 50*mil
			sc.audio.reportsUntil, sc.video.reportsUntil = 60*sec, 60*sec
		}, span{30 * sec, 600 * sec}, 20 * mil, 0},
		{"1 frame a second", func(sc *scenario) { sc.video.fps, sc.net.jitter = 1, 50*mil }, span{12 * sec, 60 * sec}, 25 * mil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var worst time.Duration
			for seed := range uint64(3) {
				sc := scenario{seed: seed, length: 60 * sec, audio: audioStream(), video: videoStream()}
				tt.change(&sc)
				if sc.length > time.Hour {
					sc.video.fps, sc.video.packets = 10, 1
				}
				if sc.length > time.Hour && seed > 0 {
					break
				}
				res := run(t, sc)
				if got := res.tl.Stats().Resets; got != tt.resets {
					t.Errorf("seed %d: re-anchored %d times, want %d: %+v", seed, got, tt.resets, res.tl.Corrections())
				}
				off := res.offsets(tt.within)
				p95 := percentile95(off)
				worst = max(worst, p95)
				if p95 > tt.limit {
					t.Errorf("seed %d: p95 %v, want <= %v (largest %v of %d; stats %+v; sync error %v)",
						seed, p95, tt.limit, largest(off), len(off), res.tl.Stats(), res.tl.SyncError())
				}
			}
			t.Logf("p95 %v", worst)
		})
	}
}

// lieOnce makes one report wrong.
func lieOnce(which int, by time.Duration) func(int, time.Duration) time.Duration {
	return func(n int, _ time.Duration) time.Duration {
		if n == which {
			return by
		}
		return 0
	}
}
