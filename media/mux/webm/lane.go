package webm

import (
	"math"
	"time"
)

// maxFrameInterval separates the rhythm of a video track from its holes: what
// is longer says nothing of how long the last frame lasts.
const maxFrameInterval = time.Second

// lane counts what a track holds. Times are in milliseconds, as blocks have
// them.
type lane struct {
	audio    bool
	opus     bool
	frames   int
	keys     int
	first    int64
	last     int64
	interval int64         // last one between two frames that was no hole
	end      time.Duration // of the last frame
}

// place gives the block time for a frame at at: to the nearest millisecond,
// never before zero, and after the frame before it. Two frames of one track at
// one time would be one too many for every player.
func (l *lane) place(at time.Duration) int64 {
	t := max(at.Round(time.Millisecond).Milliseconds(), 0)
	if l.frames > 0 {
		t = max(t, l.last+1)
	}
	return t
}

// add counts a frame at t. How long it lasts is taken from duration, or from
// the Opus packet, or from the frames before.
func (l *lane) add(t int64, duration time.Duration, key bool, data []byte) {
	if l.frames == 0 {
		l.first = t
	} else if step := t - l.last; step <= maxFrameInterval.Milliseconds() {
		l.interval = step
	}
	if duration <= 0 && l.opus {
		duration = opusDuration(data)
	}
	if duration <= 0 {
		duration = time.Duration(l.interval) * time.Millisecond
	}
	l.last = t
	l.end = max(l.end, endOf(t, duration))
	l.frames++
	if key {
		l.keys++
	}
}

func endOf(t int64, duration time.Duration) time.Duration {
	const most = math.MaxInt64 / int64(time.Millisecond)
	start := time.Duration(min(t, most)) * time.Millisecond
	return start + min(duration, math.MaxInt64-start)
}

// opusDuration is how long an Opus packet plays (RFC 6716, section 3.1 and
// 3.2), at most 120 ms; zero if it makes no sense.
func opusDuration(packet []byte) time.Duration {
	if len(packet) == 0 {
		return 0
	}
	config := packet[0] >> 3
	var frame time.Duration
	switch {
	case config < 12: // SILK
		frame = []time.Duration{10, 20, 40, 60}[config%4] * time.Millisecond
	case config < 16: // hybrid
		frame = []time.Duration{10, 20}[config%2] * time.Millisecond
	default: // CELT
		frame = 2500 * time.Microsecond << (config % 4)
	}
	frames := 2
	switch packet[0] & 3 {
	case 0:
		frames = 1
	case 3:
		if len(packet) < 2 {
			return 0
		}
		frames = int(packet[1] & 0x3f)
	}
	if d := time.Duration(frames) * frame; d <= 120*time.Millisecond {
		return d
	}
	return 0
}
