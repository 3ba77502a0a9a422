package recorder_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/testmedia"
)

// Of two publishers that begin together, the one whose turn comes first opens
// the recording. The other, whose first packet came a moment before, loses
// nothing.
func TestBeginTogether(t *testing.T) {
	const length = 2 * time.Second
	all, path := bubble(t, func(r *rig) {
		operator := guest
		operator.ParticipantID = "operator"
		var both sync.WaitGroup
		for _, who := range []struct {
			publisher media.Publisher
			begins    time.Duration // after its capture, whose turns are every 40 ms
		}{{guest, 75 * time.Millisecond}, {operator, 41 * time.Millisecond}} {
			p := r.camera(who.publisher, testmedia.SendSpec{Length: length})
			arrivals := slices.Clone(p.pending)
			for i := range arrivals {
				arrivals[i].At += who.begins
			}
			both.Go(func() { p.send(arrivals) })
			<-time.After(30 * time.Millisecond)
		}
		both.Wait()
		<-time.After(time.Second)
		for _, p := range r.published {
			p.capture.Close(nil)
		}
	})
	if len(all) != 1 || len(all[0].Tracks) != 4 {
		t.Fatalf("got %+v, want one recording of four tracks", all)
	}
	wantPlayable(t, all[0], path)
	for _, track := range all[0].Tracks {
		if !near(track.Duration, length, 50*time.Millisecond) || track.Offset < 0 || !near(track.Offset, 0, 50*time.Millisecond) {
			t.Errorf("%s of %s: %v from %v, want %v from the start", track.Media, track.ParticipantID, track.Duration, track.Offset, length)
		}
	}
	for _, f := range all[0].Files {
		if f.Duration < length-time.Millisecond {
			t.Errorf("file of %v, want %v", f.Duration, length)
		}
	}
}
