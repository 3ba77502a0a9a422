package recorder_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

// After a stall of the network, pictures and sound come in one burst, the
// pictures first; and before it, the last picture may have come ahead of its
// sound. Sound that is only late is not written over with silence.
func TestStall(t *testing.T) {
	const from, to = 5 * time.Second, 7 * time.Second
	all, path := bubble(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 10 * time.Second})
		p.until(from)
		var ahead, pictures, sound, later []testmedia.Sent
		for _, s := range p.pending {
			switch {
			case s.At >= to:
				later = append(later, s)
			case s.Stream == testmedia.AudioStream:
				sound = append(sound, s)
			case s.At < from+60*time.Millisecond:
				ahead = append(ahead, s)
			default:
				pictures = append(pictures, s)
			}
		}
		p.send(ahead)
		p.pending = nil
		p.until(to)
		p.send(pictures)
		<-time.After(100 * time.Millisecond)
		synctest.Wait()
		p.send(sound)
		p.pending = later
		p.until(10 * time.Second)
		if s := r.Stats(); s.SilenceFrames > 0 {
			t.Errorf("%d frames of silence stand where there was sound", s.SilenceFrames)
		}
		p.capture.Close(nil)
	})
	wantPlayable(t, all[0], path)
	for _, track := range all[0].Tracks {
		if len(track.Gaps) > 0 {
			t.Errorf("%s: gaps %+v, want none", track.Media, track.Gaps)
		}
	}
}

// A last word that comes when silence stands in its place is lost. The mute
// behind it is none the less a mute.
func TestStragglerBeforeMute(t *testing.T) {
	const mute, end = 5 * time.Second, 15 * time.Second
	all, path := bubble(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 20 * time.Second, MuteFrom: mute, MuteTo: end})
		last := -1
		for i, s := range p.pending {
			if s.Stream == testmedia.AudioStream && s.Report == nil && s.At < mute {
				last = i
			}
		}
		straggler := p.pending[last]
		p.pending = slices.Delete(p.pending, last, last+1)
		p.until(mute + 1500*time.Millisecond)
		p.send([]testmedia.Sent{straggler})
		p.until(20 * time.Second)
		p.capture.Close(nil)
	})
	wantPlayable(t, all[0], path)
	var missing [2]time.Duration
	for _, track := range all[0].Tracks {
		for _, g := range track.Gaps {
			switch {
			case track.Media == reelvault.Audio && g.Cause == reelvault.GapLoss:
				missing[0] += g.End - g.Start
			case track.Media == reelvault.Audio && g.Cause == reelvault.GapMute:
				missing[1] += g.End - g.Start
			default:
				t.Errorf("%s: got an unexpected gap %+v", track.Media, g)
			}
		}
	}
	if missing[0] != 20*time.Millisecond || missing[1] < end-mute-40*time.Millisecond {
		t.Errorf("got %v lost and %v muted, want one packet and the rest", missing[0], missing[1])
	}
}
