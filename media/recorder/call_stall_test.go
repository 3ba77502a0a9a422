package recorder_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/testmedia"
)

// stall is a time in which something stands still. What would have happened in
// it happens at its end.
type stall struct{ from, to time.Duration }

func (s stall) after(at time.Duration) time.Duration {
	if at >= s.from && at < s.to {
		return s.to
	}
	return at
}

// looked is when a receiver that looks into its sockets every 40 ms sees what
// has arrived.
func looked(at time.Duration) time.Duration {
	const every = 40 * time.Millisecond
	return (at + every - 1) / every * every
}

// arrival is a packet with the time at which it arrived; At is when the
// receiver hands it on.
type arrival struct {
	testmedia.Sent

	arrived time.Duration
}

// received says when packets arrive that a sender sends which stands still for
// a while, and when a receiver that does so as well hands them on.
func received(sent []testmedia.Sent, sender, receiver stall) []arrival {
	all := make([]arrival, len(sent))
	for i, s := range sent {
		at := sender.after(s.At)
		s.At = looked(receiver.after(at))
		all[i] = arrival{s, at}
	}
	return all
}

// take hands on what was received.
func (p *publisher) take(all ...[]arrival) {
	sorted := slices.Concat(all...)
	slices.SortStableFunc(sorted, func(a, b arrival) int { return cmp.Compare(a.At, b.At) })
	for _, a := range sorted {
		<-time.After(time.Until(p.start.Add(a.At)))
		packet := a.Packet
		packet.Arrival = p.start.Add(a.arrived)
		p.track(a.Stream).WritePacket(&packet)
	}
}

// wantGapsSilent fails unless a party's gaps, all of one cause, are where it is
// silent, to the sample, between its first word and its last.
func wantGapsSilent(t *testing.T, s side, track reelvault.Track, cause reelvault.GapCause) {
	t.Helper()
	silent := make([]bool, len(s.samples))
	place := func(d time.Duration) int { return min(int(d.Round(time.Second/8000)/(time.Second/8000)), len(silent)) }
	for _, g := range track.Gaps {
		if g.Cause != cause || g.End <= g.Start {
			t.Errorf("%s: got gap %+v, want one of cause %s", track.ParticipantID, g, cause)
		}
		for i := place(g.Start); i < place(g.End); i++ {
			silent[i] = true
		}
	}
	for i := place(track.Offset); i < place(track.Offset+track.Duration); i++ {
		if was := s.samples[i] == s.silence; was != silent[i] {
			t.Errorf("%s: at %v silence is %t, the gaps %+v say %t", track.ParticipantID, time.Duration(i)*time.Second/8000, was, track.Gaps, silent[i])
			return
		}
	}
}

// anew makes another source of what a party sends from a packet on.
func anew(sent []testmedia.Sent, from int) {
	for i := range sent[from:] {
		p := &sent[from+i].Packet
		p.SSRC, p.SequenceNumber, p.Timestamp = p.SSRC+1000, p.SequenceNumber+30000, p.Timestamp+1<<30
	}
}

// A machine that stands still for a while costs nothing that arrives in the
// end: neither where the sender stands, nor where this one does, nor beside a
// packet that is lost or a source that changes. Where it stands for longer than
// anybody waits, what came too late is lost, and exactly that.
func TestCallStalls(t *testing.T) {
	const ms, length = time.Millisecond, 5 * time.Second
	type still struct{ sender, caller, callee stall }
	both := func(s stall) still { return still{caller: s, callee: s} }
	for name, test := range map[string]struct {
		still
		late bool // more is missing than was never sent
	}{
		"nothing stands still":                 {},
		"the sender, in the middle of words":   {still{sender: stall{3000 * ms, 5000 * ms}}, false},
		"the sender, beside a loss":            {still{sender: stall{1150 * ms, 1600 * ms}}, false},
		"the sender, before a loss":            {still{sender: stall{800 * ms, 1240 * ms}}, false},
		"the sender, beside another source":    {still{sender: stall{1990 * ms, 2430 * ms}}, false},
		"the receiver, in the middle of words": {both(stall{3000 * ms, 4700 * ms}), false},
		"the receiver, beside a loss":          {both(stall{1150 * ms, 1580 * ms}), false},
		"the receiver, beside another source":  {both(stall{1990 * ms, 2400 * ms}), false},
		"half the receiver":                    {still{caller: stall{3000 * ms, 3390 * ms}}, false},
		"half the receiver, beside a loss":     {still{caller: stall{1150 * ms, 1500 * ms}}, false},
		"half the receiver, for long":          {still{caller: stall{3000 * ms, 4010 * ms}}, true},
		"half the receiver, then a loss":       {still{caller: stall{490 * ms, 1500 * ms}}, true},
		"half the receiver, when it begins":    {still{callee: stall{0, 1230 * ms}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := voice{stream: caller, to: length}.packets(), voice{stream: callee, to: length, first: 7}.packets()
			for i := range b {
				b[i].At += 10 * ms
			}
			anew(a, 100)
			anew(b, 100)
			a = slices.Delete(a, 50, 60)
			all, path := bubble(t, func(r *rig) {
				p := r.dial(reelvault.PCMU, nil)
				p.take(received(a, test.sender, test.caller), received(b, test.sender, test.callee))
				p.capture.Close(nil)
			})
			wantPlayable(t, all[0], path)
			missing := time.Duration(0)
			for i, s := range sides(t, path, all[0].Files[0]) {
				track := tracksOf(all[0], []string{"caller", "callee"}[i])[0]
				wantGapsSilent(t, s, track, reelvault.GapLoss)
				for _, g := range track.Gaps {
					missing += g.End - g.Start
				}
				if i == 0 && (len(track.Gaps) == 0 || !slices.ContainsFunc(track.Gaps, func(g reelvault.Gap) bool { return g.Start <= time.Second && g.End >= 1200*ms })) {
					t.Errorf("gaps %+v, want what was lost among them", track.Gaps)
				}
			}
			if late := missing != 200*ms; late != test.late || missing > time.Second {
				t.Errorf("%v are missing of what 200 ms were never sent of", missing)
			}
		})
	}
}

// Voice that comes when silence stands in its place is lost, whatever the
// silence before it was: that keeps its own cause.
func TestCallLateBehind(t *testing.T) {
	const ms, length = time.Millisecond, 20 * time.Second
	for name, test := range map[string]struct {
		silence time.Duration // from 5 s on, of the sender's own
		held    bool
		want    []reelvault.GapCause
	}{
		"words":               {0, false, []reelvault.GapCause{reelvault.GapLoss}},
		"silence suppression": {3 * time.Second, false, []reelvault.GapCause{reelvault.GapDTX, reelvault.GapLoss}},
		"a mute":              {7 * time.Second, false, []reelvault.GapCause{reelvault.GapMute, reelvault.GapLoss}},
		"a hold":              {7 * time.Second, true, []reelvault.GapCause{reelvault.GapHold, reelvault.GapLoss}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			again := 5*time.Second + test.silence
			b := slices.DeleteFunc(voice{stream: callee, to: length}.packets(), func(s testmedia.Sent) bool { return s.At >= 5*time.Second && s.At < again })
			for i := range b {
				b[i].Packet.SequenceNumber = uint16(i)
			}
			all, path := bubble(t, func(r *rig) {
				p := r.dial(reelvault.PCMU, nil)
				h, ok := p.track(callee).(media.Holder)
				if !ok {
					r.t.Fatal("a party of a call can't be put on hold")
				}
				go func() {
					<-time.After(5100 * ms)
					h.Hold(test.held)
					<-time.After(again - 5200*ms)
					h.Hold(false)
				}()
				a := voice{stream: caller, to: length}.packets()
				p.take(received(a, stall{}, stall{}), received(b, stall{}, stall{again, again + 1500*ms}))
				p.capture.Close(nil)
			})
			wantPlayable(t, all[0], path)
			track := tracksOf(all[0], "callee")[0]
			if len(track.Gaps) != len(test.want) {
				t.Fatalf("gaps: got %+v, want causes %v", track.Gaps, test.want)
			}
			for i, want := range test.want {
				if track.Gaps[i].Cause != want {
					t.Errorf("gaps: got %+v, want causes %v", track.Gaps, test.want)
				}
			}
			last := track.Gaps[len(track.Gaps)-1]
			if last.Start != again || last.End < again+500*ms || last.End > again+1500*ms || track.Gaps[0].Start != 5*time.Second {
				t.Errorf("gaps: got %+v, want the last from %v to what is heard again", track.Gaps, again)
			}
			one := track
			one.Gaps = []reelvault.Gap{{Start: track.Gaps[0].Start, End: last.End, Cause: reelvault.GapLoss}}
			wantGapsSilent(t, sides(t, path, all[0].Files[0])[1], one, reelvault.GapLoss)
		})
	}
}
