package recorder_test

import (
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

// Two clocks that are 200 ppm apart are 720 ms apart after an hour. The parties
// stay beside each other all the same: while one says nothing, its packets are
// put off or left out; who never stops is moved when there is no more waiting.
func TestCallDrift(t *testing.T) {
	t.Parallel()
	const length, spurt, mark = time.Hour, 10 * time.Second, 0x80
	pauses := func(at time.Duration) bool { return at%spurt > spurt/2 }
	for name, test := range map[string]struct {
		quiet func(time.Duration) bool
		bound time.Duration
	}{
		"with pauses":    {pauses, 35 * time.Millisecond},
		"without a stop": {nil, 215 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			marked := map[testmedia.Stream][]time.Duration{} // when each mark is said
			var all [][]testmedia.Sent
			for _, v := range []voice{
				{stream: caller, to: length, ppm: 100, quiet: test.quiet, first: 5},
				{stream: callee, to: length, ppm: -100, quiet: test.quiet, first: 1 << 31},
			} {
				sent := v.packets()
				for i := 100; i < len(sent); i += 1500 {
					for i < len(sent) && test.quiet != nil && test.quiet(sent[i].At) {
						i++
					}
					if i < len(sent) {
						sent[i].Packet.Payload[80] = mark - 1
						marked[v.stream] = append(marked[v.stream], sent[i].At+voiceFrame/2)
					}
				}
				all = append(all, sent)
			}
			rec, path := record(t, parties(reelvault.PCMU), together(all...), phone)
			if rec.State != reelvault.RecordingReady || len(rec.Files) != 1 {
				t.Fatalf("got %s with %d files, want one ready", rec.State, len(rec.Files))
			}
			for i, s := range sides(t, path, rec.Files[0]) {
				var found []time.Duration
				for n, sample := range s.samples {
					if sample == mark-1 {
						found = append(found, time.Duration(n)*time.Second/8000)
					}
				}
				want := marked[testmedia.Stream(i)]
				if test.quiet != nil && len(found) != len(want) {
					t.Fatalf("side %d: %d of %d marks are there", i, len(found), len(want))
				}
				var worst time.Duration
				for _, at := range found {
					nearest := length
					for _, w := range want {
						nearest = min(nearest, (at - w).Abs())
					}
					worst = max(worst, nearest)
				}
				if len(found) < 100 || worst > test.bound || worst < test.bound/4 {
					t.Errorf("side %d: of %d marks one is %v from when it was said, want at most %v", i, len(found), worst, test.bound)
				}
			}
		})
	}
}
