package telephony_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

func (p *phone) call(tb testing.TB, spec testmedia.CallSpec) *testmedia.PhoneCall {
	tb.Helper()
	spec.Target = p.target()
	if spec.Voices == nil {
		spec.Voices = tones(reelvault.PCMU)
	}
	c, err := testmedia.Call(tb.Context(), spec)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Drop() })
	return c
}

func talk(tb testing.TB, c *testmedia.PhoneCall, t testmedia.Talk) {
	tb.Helper()
	if _, err := c.Talk(tb.Context(), t); err != nil {
		tb.Fatal(err)
	}
}

func bye(tb testing.TB, c *testmedia.PhoneCall) {
	tb.Helper()
	if err := c.Bye(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// A call becomes a session of its own with both people in it, and a file with
// the caller on the left and the callee on the right, in either law and over
// UDP and TCP.
func TestCall(t *testing.T) {
	t.Parallel()
	for law, network := range map[reelvault.Codec]string{reelvault.PCMU: "udp", reelvault.PCMA: "tcp"} {
		t.Run(string(law), func(t *testing.T) {
			t.Parallel()
			p := newPhone(t)
			c := p.call(t, testmedia.CallSpec{Session: "s1", Network: network, Voices: tones(law)})
			talk(t, c, testmedia.Talk{For: 4 * time.Second, Reports: true})
			bye(t, c)
			s, recordings := p.ended(t, "s1")
			if s.Channel != "Phone" || s.Source != "IncomingCall" || s.Status != "CLOSED" || s.TerminationReason != "GuestLeft" || s.Name != "Alice – Bob" {
				t.Errorf("got session %+v", s)
			}
			if len(s.Participants) != 2 || s.Participants[0].Address != "sip:alice@example.org" || s.Participants[1].Role != "operator" {
				t.Errorf("got participants %+v", s.Participants)
			}
			if len(recordings) != 1 || recordings[0].Kind != "phone" || len(recordings[0].Files) != 1 || len(recordings[0].Tracks) != 2 {
				t.Fatalf("got recordings %+v", recordings)
			}
			w := p.wave(t, recordings[0].Files[0].PlaybackURL)
			if w.law != law || w.channels != 2 {
				t.Errorf("got %s in %d channels", w.law, w.channels)
			}
			for channel, tone := range hertz {
				if got := w.sound(channel); (got - 4*time.Second).Abs() > 20*time.Millisecond {
					t.Errorf("channel %d lasts %v, want 4 s", channel, got)
				}
				samples := w.samples(channel)
				if decibel, amplitude := snr(samples[4000:28000], tone); decibel < 30 || amplitude < 16000 {
					t.Errorf("channel %d: the tone has %.1f dB and amplitude %.0f", channel, decibel, amplitude)
				}
			}
		})
	}
}

// at gives the sample at a time.
func at(d time.Duration) int { return int(d * 8000 / time.Second) }

// A lost packet is a hole where it was; another source goes on in the same
// place; a client's own pause and a hold are gaps with their causes. Nothing
// else is missing. Where a gap lies in what was sent is exact, however busy the
// machine is; only what the client sent late may move what comes behind it.
func TestGaps(t *testing.T) {
	const ms, lost, held = time.Millisecond, 200 * time.Millisecond, 2 * time.Second
	p := newPhone(t)
	c := p.call(t, testmedia.CallSpec{Session: "gaps"})
	late := time.Duration(0)
	say := func(what testmedia.Talk) {
		t.Helper()
		report, err := c.Talk(t.Context(), what)
		if err != nil {
			t.Fatal(err)
		}
		late = max(late, report.Late)
	}
	hold := func(on bool) (answered time.Duration) {
		t.Helper()
		before := time.Now()
		if _, err := c.Hold(t.Context(), on); err != nil {
			t.Fatal(err)
		}
		return time.Since(before)
	}
	say(testmedia.Talk{For: 3 * time.Second, Lose: func(line, n int) bool { return line == 0 && n >= 50 && n < 60 }, SSRC: 100})
	asked := hold(true)
	say(testmedia.Talk{For: held}) // nothing of this is kept
	asked += hold(false)
	say(testmedia.Talk{For: 2 * time.Second})
	bye(t, c)
	_, recordings := p.ended(t, "gaps")
	w := p.wave(t, recordings[0].Files[0].PlaybackURL)

	moved := 20*ms + late   // at most, where the other source was put
	unseen := 100*ms + late // what had not been taken out of the socket when the hold began or ended
	for _, track := range recordings[0].Tracks {
		begin := time.Duration(track.OffsetMs) * ms
		var losses, holds []span
		for _, g := range track.Gaps {
			gap := span{time.Duration(g.StartMs)*ms - begin, time.Duration(g.EndMs)*ms - begin}
			switch {
			case g.Cause == "hold":
				holds = append(holds, gap)
			case g.Cause == "loss" && gap.from >= 2*time.Second-moved && gap.to <= 2*time.Second+moved:
			case g.Cause == "loss":
				losses = append(losses, gap)
			default:
				t.Errorf("%s: nobody made gap %+v", track.ParticipantID, g)
			}
		}
		if len(holds) != 1 || !holds[0].within(3*time.Second-unseen, 3*time.Second+moved, 3*time.Second+held-unseen, 3*time.Second+held+moved+asked) {
			t.Errorf("%s: got holds %v, want one from 3 s to 5 s", track.ParticipantID, holds)
		}
		if track.ParticipantID != "caller" {
			if len(losses) != 0 {
				t.Errorf("%s: got losses %v", track.ParticipantID, losses)
			}
		} else if len(losses) != 1 || !losses[0].within(time.Second, time.Second, time.Second+lost, time.Second+lost+late) {
			t.Errorf("caller: got losses %v, want one from 1 s to 1.2 s", losses)
		}
		w.wantExplained(t, recordings[0].Files[0], track)
	}
}

// span is a stretch of a track.
type span struct{ from, to time.Duration }

// within says whether s begins and ends between these bounds.
func (s span) within(fromLeast, fromMost, toLeast, toMost time.Duration) bool {
	return s.from >= fromLeast && s.from <= fromMost && s.to >= toLeast && s.to <= toMost
}

// wantExplained fails unless a track is silent in its gaps, and nowhere else:
// where two samples of the tones in a row are silence, something is missing.
func (w wave) wantExplained(tb testing.TB, f node.File, track node.Track) {
	tb.Helper()
	const perMs = 8
	codes := w.codes(track.Lane - 1)
	in := func(ms int64) (from, to bool) { // gaps are told to the millisecond
		for _, g := range track.Gaps {
			from = from || ms >= g.StartMs-1 && ms <= g.EndMs+1
			to = to || ms > g.StartMs+1 && ms < g.EndMs-1 && g.EndMs-g.StartMs > packet/perMs
		}
		return from, to
	}
	first, end := track.OffsetMs-f.OffsetMs+1, track.OffsetMs-f.OffsetMs+track.DurationMs-1
	for i := int(first * perMs); i+1 < min(int(end*perMs), len(codes)); i++ {
		near, deep := in(f.OffsetMs + int64(i/perMs))
		switch silent := codes[i] == 0xff && codes[i+1] == 0xff; {
		case silent && !near:
			tb.Fatalf("%s: nothing is there at sample %d, and no gap says so: %+v", track.ParticipantID, i, track.Gaps)
		case !silent && deep:
			tb.Fatalf("%s: something is there at sample %d, in a gap: %+v", track.ParticipantID, i, track.Gaps)
		}
	}
}

// A call whose client is cut off by a crash of the recorder is kept up to
// there, and its session over; a call that comes after is a new one.
func TestKill(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	c := p.call(t, testmedia.CallSpec{Session: "killed"})
	report, err := c.Talk(t.Context(), testmedia.Talk{For: 4 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	// The last second may still be on its way, and is what a crash may cost.
	const kept = 3 * time.Second
	p.spooled(t, 2*8000*int(kept/time.Second)+20*packet) // with what goes in front of the sound
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, recordings := p.ended(t, "killed")
	if s.TerminationReason != "ExternalSessionExpired" {
		t.Errorf("got session %+v", s)
	}
	w := p.wave(t, recordings[0].Files[0].PlaybackURL)
	if got := w.sound(0); got < kept || got > 4100*time.Millisecond+report.Late {
		t.Errorf("%v was kept of 4 s", got)
	}
	again := p.call(t, testmedia.CallSpec{Session: "killed"})
	talk(t, again, testmedia.Talk{For: time.Second})
	bye(t, again)
	p.ended(t, again.CallID)
}

// A server that is asked to end says BYE and keeps what was said.
func TestTerminate(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	c := p.call(t, testmedia.CallSpec{Session: "ended"})
	talk(t, c, testmedia.Talk{For: 2 * time.Second})
	if err := p.Terminate(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.Ended():
	case <-time.After(patience):
		t.Fatal("no BYE came")
	}
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, recordings := p.ended(t, "ended")
	w := p.wave(t, recordings[0].Files[0].PlaybackURL)
	if got := w.sound(0); (got - 2*time.Second).Abs() > 20*time.Millisecond {
		t.Errorf("%v was kept of 2 s", got)
	}
}

// Ending a session by the API hangs up its call.
func TestEndByAPI(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	c := p.call(t, testmedia.CallSpec{Session: "api"})
	talk(t, c, testmedia.Talk{For: time.Second})
	if err := p.EndSession(t.Context(), p.sessions(t)[0].ID); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.Ended():
	case <-time.After(patience):
		t.Fatal("no BYE came")
	}
	if s, _ := p.ended(t, "api"); s.TerminationReason != "SessionApiCall" {
		t.Errorf("got session %+v", s)
	}
}

// A platform that has made the session keeps it: the call is recorded in it,
// and it goes on when the call is over.
func TestSessionOfPlatform(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	var made session
	body := map[string]string{"externalId": "crm-7", "channel": "Phone", "source": "IncomingCall", "name": "Claim 7"}
	if err := p.JSON(t.Context(), http.MethodPost, "/api/v1/sessions", body, &made); err != nil {
		t.Fatal(err)
	}
	c := p.call(t, testmedia.CallSpec{Session: "crm-7"})
	talk(t, c, testmedia.Talk{For: time.Second})
	bye(t, c)
	for deadline := time.Now().Add(patience); ; {
		var all struct {
			Items []struct {
				Type, ParticipantID string
			}
		}
		p.get(t, "/api/v1/sessions/"+made.ID+"/activities", &all)
		var types []string
		for _, a := range all.Items {
			types = append(types, a.Type)
		}
		if said := strings.Join(types, " "); strings.Count(said, "Joined") == 2 && strings.Count(said, "Left") == 2 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("got activities %s", said)
		}
		<-time.After(50 * time.Millisecond)
	}
	all := p.sessions(t)
	if len(all) != 1 || !all[0].Live || all[0].Name != "Claim 7" || all[0].Status != "ACTIVE" {
		t.Errorf("got sessions %+v", all)
	}
}

// With telephony switched off for the tenant a call gets 403 and leaves no
// session.
func TestFeatureOff(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	var me struct{ Tenant struct{ ID string } }
	p.get(t, "/api/v1/me", &me)
	off := map[string]any{"features": map[string]bool{"phone": false, "av": true}}
	if err := p.JSON(t.Context(), http.MethodPatch, "/api/v1/tenants/"+me.Tenant.ID, off, &me); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := testmedia.Call(ctx, testmedia.CallSpec{Target: p.target(), Voices: tones(reelvault.PCMU)})
	var refused *testmedia.RefusedError
	if !errors.As(err, &refused) || refused.Answer.Status() != 403 {
		t.Errorf("got %v, want 403", err)
	}
	if all := p.sessions(t); len(all) != 0 {
		t.Errorf("got sessions %+v", all)
	}
}
