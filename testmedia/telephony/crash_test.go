package telephony_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// crashLoss is what a crash may cost at the end of a recording.
const crashLoss = time.Second

// A crash meets calls at all points of their course: right after the 200, in
// front of the first packet, in the middle, in a BYE, and while the file is
// sealed. Their sessions are over after it, what was said is kept but for a
// second at most, and new calls come in on the same port, and that again after
// a crash in the midst of all this.
func TestKillAnywhere(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	talkers := []string{"talking", "leaving", "ended"}
	calls := map[string]*testmedia.PhoneCall{}
	for _, name := range talkers {
		calls[name] = p.call(t, testmedia.CallSpec{Session: name})
	}
	const before = 3 * time.Second
	hush := p.chatter(t, before, calls["talking"], calls["leaving"], calls["ended"])
	if _, err := calls["ended"].Request(t.Context(), "BYE", "", ""); err != nil { // and it still sends
		t.Fatal(err)
	}
	p.call(t, testmedia.CallSpec{Session: "acknowledged"})
	p.call(t, testmedia.CallSpec{Session: "answered", NoACK: true})
	if err := calls["leaving"].Depart(); err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	hush()
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := p.call(t, testmedia.CallSpec{Session: "talking"}) // as a client does that was cut off
	for _, name := range []string{"answered", "acknowledged"} {
		s := p.closed(t, name)
		if all, err := p.Recordings(t.Context(), s.ID); err != nil || len(all) > 0 {
			t.Errorf("%s: got recordings %+v, %v, want none", name, all, err)
		}
	}
	first := map[string]node.Recording{}
	for _, name := range talkers {
		_, recordings := p.ended(t, name)
		first[name] = only(t, recordings)
		p.cut(t, first[name], before)
	}
	if len(gapsOf(t, first["talking"], "caller")) != 1 {
		t.Errorf("got tracks %+v, want a gap for the crash", first["talking"].Tracks)
	}

	hush = p.chatter(t, before, again)
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	hush()
	for _, within := range []time.Duration{20, 50, 80, 110} { // in the midst of recovery, too
		ctx, cancel := context.WithTimeout(t.Context(), within*time.Millisecond)
		err := p.Restart(ctx)
		cancel()
		if err == nil {
			err = p.Kill()
		} else if errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := p.call(t, testmedia.CallSpec{Session: "last"})
	talk(t, last, testmedia.Talk{For: time.Second})
	bye(t, last)
	_, recordings := p.ended(t, "last")
	p.whole(t, only(t, recordings), reelvault.PCMU, time.Second)
	_, recordings = p.ended(t, again.CallID)
	p.cut(t, only(t, recordings), before)
	for name, was := range first {
		_, recordings := p.ended(t, name)
		if now := only(t, recordings); now.Files[0].SHA256 != was.Files[0].SHA256 && was.Files[0].SHA256 != "" || now.DurationMs != was.DurationMs {
			t.Errorf("%s: the next crash made\n%+v of\n%+v", name, now, was)
		}
	}
}

// chatter lets calls talk until all of this is in their files, and goes on
// until hush is called.
func (p *phone) chatter(tb testing.TB, until time.Duration, calls ...*testmedia.PhoneCall) (hush func()) {
	tb.Helper()
	written, err := p.Metric(tb.Context(), "reelvault_recorder_bytes_total")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(tb.Context())
	var talking sync.WaitGroup
	talking.Go(func() {
		if _, err := testmedia.Say(ctx, calls, testmedia.Talk{For: patience}); !errors.Is(err, context.Canceled) {
			tb.Error(err)
		}
	})
	p.spooled(tb, int(written)+len(calls)*2*at(until))
	return func() {
		cancel()
		talking.Wait()
	}
}

// cut fails unless a recording has the beginning of what was said by both,
// up to a crash at most crashLoss after this, and says so.
func (p *phone) cut(tb testing.TB, r node.Recording, sent time.Duration) {
	tb.Helper()
	lanes(tb, r)
	w := p.wave(tb, r.Files[0].PlaybackURL)
	for channel, voice := range tones(reelvault.PCMU) {
		begin, end := w.bounds(channel)
		if kept := w.sound(channel); kept < sent-crashLoss {
			tb.Errorf("channel %d has %v of %v", channel, kept, sent)
		}
		if all := said(voice.Sound, patience); !bytes.Equal(w.codes(channel)[begin:end], all[:end-begin]) {
			tb.Errorf("channel %d has something else than what was said", channel)
		}
	}
	for _, track := range r.Tracks {
		for _, g := range track.Gaps {
			if g.Cause != "crash" || g.EndMs-g.StartMs > crashLoss.Milliseconds() {
				tb.Errorf("%s: got gap %+v", track.ParticipantID, g)
			}
		}
	}
}

// closed waits until a session is over.
func (p *phone) closed(tb testing.TB, id string) session {
	tb.Helper()
	for deadline := time.Now().Add(patience); ; <-time.After(50 * time.Millisecond) {
		for _, s := range p.sessions(tb) {
			if s.ExternalID == id && s.Status == "CLOSED" && !s.Live {
				return s
			}
		}
		if time.Now().After(deadline) {
			tb.Fatalf("%s is not over: %+v", id, p.sessions(tb))
		}
	}
}

// gapsOf gives the gaps of a participant.
func gapsOf(tb testing.TB, r node.Recording, participant string) []node.Gap {
	tb.Helper()
	for _, track := range r.Tracks {
		if track.ParticipantID == participant {
			return track.Gaps
		}
	}
	tb.Errorf("no track of %s in %+v", participant, r.Tracks)
	return nil
}
