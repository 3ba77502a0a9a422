package recorder_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

// tone makes a voice a tone, which goes on whatever the numbers do.
func tone(law reelvault.Codec, v voice, hertz float64) []testmedia.Sent {
	sent := v.packets()
	sound := testmedia.Tone(law, hertz, v.to-v.from)
	for i := range sent {
		copy(sent[i].Packet.Payload, sound[i*160:])
	}
	return sent
}

// ratio gives how much louder a tone is than all else, in dB.
func ratio(law reelvault.Codec, codes []byte, hertz float64) float64 {
	var sin, cos, power float64
	for i, code := range codes {
		sample, phase := float64(testmedia.DecodeG711(law, code)), 2*math.Pi*hertz*float64(i)/8000
		sin, cos, power = sin+sample*math.Sin(phase), cos+sample*math.Cos(phase), power+sample*sample
	}
	signal := 2 * (sin*sin + cos*cos) / float64(len(codes))
	return 10 * math.Log10(signal/max(power-signal, 1e-9))
}

// Whatever happens to a call on its way, each side is where it was, as long as
// it was, and clean on both sides of what happened: the caller left, the callee
// right.
func TestCallTone(t *testing.T) {
	const length, middle, second = 12 * time.Second, 300, time.Second
	jump := func(units uint32) func([]testmedia.Sent) []testmedia.Sent {
		return func(sent []testmedia.Sent) []testmedia.Sent {
			for i := range sent[middle:] {
				sent[middle+i].Packet.Timestamp += units
			}
			return sent
		}
	}
	for name, test := range map[string]struct {
		happens func([]testmedia.Sent) []testmedia.Sent
		late    time.Duration // the callee begins
		missing time.Duration // at most, to the millisecond
	}{
		"nothing": {happens: func(s []testmedia.Sent) []testmedia.Sent { return s }},
		"packets are lost": {happens: func(s []testmedia.Sent) []testmedia.Sent {
			return slices.DeleteFunc(s, func(s testmedia.Sent) bool { n := s.At / voiceFrame; return n > 250 && n < 350 && n%7 == 0 })
		}, missing: 14 * voiceFrame},
		"packets are swapped": {happens: func(s []testmedia.Sent) []testmedia.Sent {
			for i := 1; i < len(s)-2; i += 3 {
				s[i].At += 50 * time.Millisecond
			}
			return s
		}},
		"the source changes": {happens: func(s []testmedia.Sent) []testmedia.Sent { anew(s, middle); return s }},
		"a hold": {happens: func(s []testmedia.Sent) []testmedia.Sent {
			return slices.DeleteFunc(s, func(s testmedia.Sent) bool { return s.At >= 5*second && s.At < 7*second })
		}, missing: 2 * second},
		"a side begins late":          {happens: func(s []testmedia.Sent) []testmedia.Sent { return s }, late: 3 * second},
		"numbers and time wrap":       {happens: func(s []testmedia.Sent) []testmedia.Sent { return s }},
		"time jumps by an hour":       {happens: jump(3600 * 8000)},
		"time jumps back by an hour":  {happens: jump(1<<32 - 3600*8000)},
		"time jumps by a day":         {happens: jump(86400 * 8000)},
		"time jumps by seconds":       {happens: jump(3 * 8000)},
		"time jumps back by seconds":  {happens: jump(1<<32 - 3*8000)},
		"time and numbers begin anew": {happens: func(s []testmedia.Sent) []testmedia.Sent { anew(s, middle); return jump(1 << 29)(s) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hertz := []float64{440, 1000}
			law := reelvault.PCMA
			voices := [][]testmedia.Sent{
				test.happens(tone(law, voice{stream: caller, to: length, first: 1<<32 - 40000, sequence: 65400}, hertz[0])),
				test.happens(tone(law, voice{stream: callee, from: test.late, to: length + test.late, first: 1<<32 - 48000, sequence: 65300}, hertz[1])),
			}
			rec, path := call(t, law, voices...)
			wantPlayable(t, rec, path)
			if len(rec.Files) != 1 || len(rec.Tracks) != 2 {
				t.Fatalf("got %+v, want one file of two tracks", rec)
			}
			for i, s := range sides(t, path, rec.Files[0]) {
				track := tracksOf(rec, []string{"caller", "callee"}[i])[0]
				var missing time.Duration
				for _, g := range track.Gaps {
					missing += g.End - g.Start
				}
				if !near(track.Duration, length, 20*time.Millisecond) || !near(missing, test.missing, time.Millisecond) || !near(track.Offset, time.Duration(i)*test.late, 20*time.Millisecond) {
					t.Errorf("side %d: %v from %v with gaps %+v, want %v with %v missing", i, track.Duration, track.Offset, track.Gaps, length, test.missing)
				}
				for _, from := range []time.Duration{0, 4 * second, 7 * second, 11 * second} {
					at := int((track.Offset + from) / (time.Second / 8000))
					if got := ratio(law, s.samples[at:min(at+8000, len(s.samples))], hertz[i]); got < 30 {
						t.Errorf("side %d: from %v on the tone has %.1f dB, want 30", i, from, got)
					}
				}
			}
		})
	}
}
