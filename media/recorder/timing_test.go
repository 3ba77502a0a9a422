package recorder_test

import (
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

// Sender reports are kept with the file, all of them at its end and within a
// minute before.
func TestTiming(t *testing.T) {
	reports := func(r *rig) (n int) {
		timing := r.ledger.timings[r.only().Files[0].ID]
		known := map[string]bool{}
		for _, track := range r.only().Tracks {
			known[track.ID] = true
		}
		for _, report := range timing.Reports {
			if !known[report.TrackID] {
				r.t.Errorf("report %+v is of none of the file's tracks", report)
			}
			if report.Verdict == "used" {
				n++
			}
		}
		return n
	}
	bubble(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 90 * time.Second})
		p.until(70 * time.Second)
		if got := reports(r); got < 50 {
			r.t.Errorf("after 70 s: %d reports are kept, want at least 50", got)
		}
		p.until(90 * time.Second)
		p.capture.Close(nil)
		if got := reports(r); got < 80 {
			r.t.Errorf("after 90 s: %d reports are kept, want at least 80", got)
		}
	})
}

// Pictures that wait for a keyframe to the end are missing to the end.
func TestGapAtTheEnd(t *testing.T) {
	spec := camera
	spec.KeyEvery = spec.Duration
	clip := encode(t, spec)
	sent, err := testmedia.Send(clip, testmedia.SendSpec{Length: 15 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	all, path := bubble(t, func(r *rig) {
		p := r.publish(guest, clip.Formats())
		for i, s := range sent {
			if s.Stream == testmedia.VideoStream && s.At > 5*time.Second {
				p.pending = append(p.pending, sent[:i]...)
				p.pending = append(p.pending, sent[i+1:]...)
				break
			}
		}
		p.until(15 * time.Second)
		p.capture.Close(nil)
		if p.asked < 2 {
			r.t.Errorf("keyframes asked for: %d, want it again and again", p.asked)
		}
	})
	wantPlayable(t, all[0], path)
	for _, track := range all[0].Tracks {
		lost := gaps(track, reelvault.GapLoss)
		switch {
		case track.Media == reelvault.Audio:
			if len(lost) != 0 {
				t.Errorf("sound: gaps %+v, want none", lost)
			}
		case len(lost) != 1 || !near(lost[0].Start, 5*time.Second, 2*frameTime) || !near(lost[0].End, 15*time.Second, frameTime):
			t.Errorf("pictures: gaps %+v, want one from 5 s to the end", lost)
		}
	}
}
