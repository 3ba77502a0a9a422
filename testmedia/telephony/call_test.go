package telephony_test

import (
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

// A call over the wire becomes a session of its own with both people in it, and
// a file with the caller on the left and the callee on the right.
func TestCall(t *testing.T) {
	for _, law := range []reelvault.Codec{reelvault.PCMU, reelvault.PCMA} {
		t.Run(string(law), func(t *testing.T) {
			p := newPhone(t)
			call, err := testmedia.Call(t.Context(), testmedia.CallSpec{Target: p.target(), Voices: tones(law), Session: "s1"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := call.Talk(t.Context(), testmedia.Talk{For: 4 * time.Second, Reports: true}); err != nil {
				t.Fatal(err)
			}
			if err := call.Bye(t.Context()); err != nil {
				t.Fatal(err)
			}
			s, recordings := p.ended(t, "s1")
			if s.Channel != "Phone" || s.Source != "IncomingCall" || s.Status != "CLOSED" || s.TerminationReason != "GuestLeft" || s.Name != "Alice – Bob" {
				t.Errorf("got session %+v", s)
			}
			t.Logf("%+v", s)
			t.Logf("%+v", recordings)
			w := p.wave(t, recordings[0].Files[0].PlaybackURL)
			t.Log(w.law, w.channels, w.duration(), w.sound(0), w.sound(1))
			for channel, hertz := range []float64{500, 1200} {
				samples := w.samples(channel)
				db, amp := snr(samples[4000:len(samples)-4000], hertz)
				t.Log(channel, db, amp)
			}
		})
	}
}
