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
	const length, spurt, mark = time.Hour, 10 * time.Second, 0x7f
	pauses := func(at time.Duration) bool { return at%spurt < voiceFrame } // a single packet
	for name, test := range map[string]struct {
		quiet func(time.Duration) bool
		frame time.Duration
		bound time.Duration
	}{
		"with pauses":    {pauses, voiceFrame, 35 * time.Millisecond},
		"without a stop": {nil, 5 * voiceFrame, 260 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			marked := map[testmedia.Stream][]time.Duration{} // when each mark is said
			var all [][]testmedia.Sent
			var said [2]int // samples that are not quiet
			for _, v := range []voice{
				{stream: caller, to: length, frame: test.frame, ppm: 100, quiet: test.quiet, first: 5},
				{stream: callee, to: length, frame: test.frame, ppm: -100, quiet: test.quiet, first: 1 << 31},
			} {
				sent := v.packets()
				for _, s := range sent {
					if test.quiet == nil || !test.quiet(s.At) {
						said[v.stream] += len(s.Packet.Payload)
					}
				}
				for i := 100; i < len(sent); i += int(30 * time.Second / test.frame) {
					for i < len(sent) && test.quiet != nil && test.quiet(sent[i].At) {
						i++
					}
					if i < len(sent) {
						sent[i].Packet.Payload[80] = mark
						marked[v.stream] = append(marked[v.stream], sent[i].At+10*time.Millisecond)
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
				spoken := 0
				for n, sample := range s.samples {
					if sample != s.silence && sample != quietSample {
						spoken++
					}
					if sample == mark {
						found = append(found, time.Duration(n)*time.Second/8000)
					}
				}
				want := marked[testmedia.Stream(i)]
				if test.quiet != nil && (len(found) != len(want) || spoken != said[i]) {
					t.Fatalf("side %d: %d of %d marks are there, and %d of %d samples", i, len(found), len(want), spoken, said[i])
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

// Who never stops is moved in the middle of a word, and that shows: where a slow
// clock left nothing, as a mute, and where a fast one brought more than there
// is time for, as what was left out.
func TestCallDriftShows(t *testing.T) {
	t.Parallel()
	const length = 5 * time.Minute
	for name, test := range map[string]struct {
		ppm  float64
		want reelvault.GapCause
	}{"a slow clock": {-900, reelvault.GapMute}, "a fast clock": {900, reelvault.GapLoss}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := voice{stream: callee, to: length, ppm: test.ppm}.packets()
			rec, path := call(t, reelvault.PCMU, voice{stream: caller, to: length}.packets(), sent)
			wantPlayable(t, rec, path)
			track := tracksOf(rec, "callee")[0]
			if len(track.Gaps) == 0 || len(tracksOf(rec, "caller")[0].Gaps) != 0 {
				t.Fatalf("gaps: got %+v, want some, and none of the other side", track.Gaps)
			}
			var shown time.Duration
			for _, g := range track.Gaps {
				shown += g.End - g.Start
				if g.Cause != test.want || g.End-g.Start < 200*time.Millisecond {
					t.Errorf("gaps: got %+v, want each a %s of what was moved", track.Gaps, test.want)
				}
			}
			s := sides(t, path, rec.Files[0])[1]
			spoken := 0
			for _, sample := range s.samples {
				if sample != s.silence {
					spoken++
				}
			}
			left := time.Duration(len(sent)*160-spoken) * time.Second / 8000
			if test.want == reelvault.GapMute {
				wantGapsSilent(t, s, track, reelvault.GapMute)
				shown = 0 // and nothing was left out
			}
			if !near(left, shown, time.Millisecond) {
				t.Errorf("%v were left out, the gaps %+v show %v", left, track.Gaps, shown)
			}
		})
	}
}

// A fast clock is led back where nothing is said, in either law: of what is
// said nothing is left out, and nothing is missing.
func TestCallDriftQuiet(t *testing.T) {
	t.Parallel()
	const length = 3 * time.Minute
	for codec, hush := range map[reelvault.Codec]byte{reelvault.PCMU: quietSample, reelvault.PCMA: 0xd6} {
		t.Run(string(codec), func(t *testing.T) {
			t.Parallel()
			sent := voice{stream: callee, to: length, ppm: 900, quiet: func(at time.Duration) bool { return at%(4*time.Second) < 3*voiceFrame }}.packets()
			want := 0
			for _, s := range sent {
				for i, code := range s.Packet.Payload {
					if code == quietSample {
						s.Packet.Payload[i] = hush
					} else {
						want++
					}
				}
			}
			rec, path := call(t, codec, voice{stream: caller, to: length}.packets(), sent)
			wantPlayable(t, rec, path)
			got, left := 0, 0
			for _, code := range sides(t, path, rec.Files[0])[1].samples {
				switch code {
				case hush:
					left++
				case map[reelvault.Codec]byte{reelvault.PCMU: 0xff, reelvault.PCMA: 0xd5}[codec]:
				default:
					got++
				}
			}
			if track := tracksOf(rec, "callee")[0]; got != want || len(track.Gaps) != 0 {
				t.Errorf("%d samples of %d are there, with gaps %+v", got, want, track.Gaps)
			}
			if all := len(sent)*160 - want; left >= all {
				t.Errorf("%d quiet samples of %d are there: nothing was led back", left, all)
			}
		})
	}
}
