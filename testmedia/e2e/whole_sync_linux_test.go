package e2e_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

const (
	apartLimit = 150 * time.Millisecond // p95 of how far apart participants are
	minMarks   = 60                     // that are compared
	lostLimit  = 50 * time.Millisecond  // of sound, by which a browser may be late: quiet runs have few ms, starved ones hundreds
	markReach  = 400 * time.Millisecond // what is farther off is another mark
)

// mark is a beep and a flash of a second, on the wall clock. Where there is no
// flash it is zero.
type mark struct{ beep, flash time.Time }

// delays is how much later the beep and the flash of a mark are in the recording
// than they were made.
type delays struct {
	at          time.Time
	beep, flash time.Duration
}

// checkSync compares beeps with flashes, and the delays of both participants.
func checkSync(t *testing.T, w whole, rec node.Recording) {
	t.Helper()
	guest, operator := findMarks(t, w, rec, "guest"), findMarks(t, w, rec, "operator")
	for who, marks := range map[string][]delays{"guest": guest, "operator": operator} {
		var offsets, reported []time.Duration
		for _, d := range marks {
			offset := d.flash - d.beep
			offsets, reported = append(offsets, offset), append(reported, offset-milliseconds(w.facts.SoundDelay))
		}
		t.Logf("flashes after beeps of the %s as the browser dates its sound: p50 %v, p95 %v",
			who, testmedia.Percentile(reported, 50), testmedia.Percentile(reported, 95))
		checkOffsetsOf(t, "flashes after beeps of the "+who, offsets, syncLimit)
	}
	var beeps, flashes []time.Duration
	for _, g := range guest {
		for _, o := range operator {
			if g.at.Sub(o.at).Abs() <= testmedia.EventEvery/2 {
				beeps, flashes = append(beeps, g.beep-o.beep), append(flashes, g.flash-o.flash)
			}
		}
	}
	checkOffsetsOf(t, "beeps of the guest after the operator's", beeps, apartLimit)
	checkOffsetsOf(t, "flashes of the guest after the operator's", flashes, apartLimit)
}

func checkOffsetsOf(t *testing.T, what string, offsets []time.Duration, limit time.Duration) {
	t.Helper()
	p95 := testmedia.Percentile(offsets, 95)
	t.Logf("%s: %d, p50 %v, p95 %v, max %v", what, len(offsets), testmedia.Percentile(offsets, 50), p95, testmedia.Percentile(offsets, 100))
	if len(offsets) < minMarks {
		t.Errorf("%s: compared %d, want at least %d", what, len(offsets), minMarks)
	}
	if p95 > limit {
		t.Errorf("%s: p95 is %v, want at most %v", what, p95, limit)
	}
}

// lost gives by how much beeps came late in all, each against the one before.
func lost(marks []mark) time.Duration {
	var all time.Duration
	for i := range marks[:max(len(marks)-1, 0)] {
		apart := marks[i+1].beep.Sub(marks[i].beep)
		if apart < 5*testmedia.EventEvery/2 { // else there was a break
			all += apart - apart.Round(testmedia.EventEvery)
		}
	}
	return all
}

// findMarks finds what a participant made in a recording. What is there and was
// not made is an error: a recording that is a second off has such marks.
func findMarks(t *testing.T, w whole, rec node.Recording, who string) []delays {
	t.Helper()
	beeps, flashes := places(t, w, rec, who)
	var all []delays
	var made []time.Time
	for _, m := range w.marks(who) {
		made = append(made, m.beep)
		if w.broken(who, m.beep) {
			continue
		}
		beep, heard := nearest(beeps, m.beep)
		flash, seen := nearest(flashes, m.flash)
		if heard && seen {
			all = append(all, delays{m.beep, beep.Sub(m.beep), flash.Sub(m.flash)})
		}
	}
	for _, at := range append(beeps, flashes...) {
		if _, ok := nearest(made, at); !ok && !w.broken(who, at) && at.Before(time.UnixMilli(w.facts.Over)) {
			t.Errorf("a mark of the %s is at %v, where none was made", who, at)
		}
	}
	return all
}

// nearest gives the time within reach that is nearest to another.
func nearest(times []time.Time, to time.Time) (at time.Time, ok bool) {
	for _, other := range times {
		if d := other.Sub(to).Abs(); d <= markReach && (!ok || d < at.Sub(to).Abs()) {
			at, ok = other, true
		}
	}
	return at, ok
}

// places measures every file of a participant, and gives when its marks are on
// the wall clock, by the start of the recording and the offsets of the tracks.
func places(t *testing.T, w whole, rec node.Recording, who string) (beeps, flashes []time.Time) {
	t.Helper()
	for _, track := range rec.Tracks {
		if track.ParticipantID != who {
			continue
		}
		path := w.path(t, rec, track.FileID)
		events, err := testmedia.Measure(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		zero := rec.StartedAt.Add(milliseconds(track.OffsetMs) - streamStart(t, path, track.Media))
		if track.Media == "audio" {
			beeps = append(beeps, shifted(zero, events.Beeps)...)
		} else {
			flashes = append(flashes, shifted(zero, events.Flashes)...)
		}
	}
	return beeps, flashes
}

func shifted(zero time.Time, list []time.Duration) []time.Time {
	times := make([]time.Time, len(list))
	for i, d := range list {
		times[i] = zero.Add(d)
	}
	return times
}

// streamStart gives when the first frame of a medium is in a file.
func streamStart(t *testing.T, path, media string) time.Duration {
	t.Helper()
	text := probe(t, "-select_streams", media[:1]+":0", "-show_entries", "stream=start_time", path)
	seconds, err := strconv.ParseFloat(strings.Trim(text, ",\n"), 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(seconds * float64(time.Second))
}
