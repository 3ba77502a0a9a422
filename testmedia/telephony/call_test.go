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
	for law, network := range map[reelvault.Codec]string{reelvault.PCMU: "udp", reelvault.PCMA: "tcp"} {
		t.Run(string(law), func(t *testing.T) {
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

// span is when something was asked for and when that was answered, on the
// clock of a call.
type span struct{ before, after time.Duration }

func hold(tb testing.TB, c *testmedia.PhoneCall, on bool, start time.Time) span {
	tb.Helper()
	before := time.Since(start)
	if _, err := c.Hold(tb.Context(), on); err != nil {
		tb.Fatal(err)
	}
	return span{before, time.Since(start)}
}

// at gives the sample at a time.
func at(d time.Duration) int { return int(d * 8000 / time.Second) }

// A lost packet is a hole where it was; another source goes on in the same
// place; a client's own pause and a hold are gaps with their causes.
func TestGaps(t *testing.T) {
	p := newPhone(t)
	c := p.call(t, testmedia.CallSpec{Session: "gaps"})
	slack := 100 * time.Millisecond // grows by how late the packets were sent
	say := func(what testmedia.Talk) {
		t.Helper()
		report, err := c.Talk(t.Context(), what)
		if err != nil {
			t.Fatal(err)
		}
		slack += report.Late
	}
	start := time.Now()
	say(testmedia.Talk{For: 3 * time.Second, Lose: func(line, n int) bool { return line == 0 && n >= 50 && n < 60 }, SSRC: 100})
	began := hold(t, c, true, start)
	say(testmedia.Talk{For: 2 * time.Second}) // nothing of this is kept
	ended := hold(t, c, false, start)
	say(testmedia.Talk{For: 2 * time.Second})
	bye(t, c)
	whole := time.Since(start)
	_, recordings := p.ended(t, "gaps")
	w := p.wave(t, recordings[0].Files[0].PlaybackURL)
	if got := w.sound(1); got < 7*time.Second-slack || got > whole+slack {
		t.Errorf("the call lasts %v, want 7 s to %v", got, whole)
	}
	samples := w.samples(0)
	for i := at(began.after + slack); i < min(at(ended.before-slack), len(samples)); i++ {
		if samples[i] != 0 {
			t.Fatalf("something of the hold, which began at %v, was kept at %v", began.after, time.Duration(i)*time.Second/8000)
		}
	}
	for _, track := range recordings[0].Tracks {
		holds, loss := 0, 0
		for _, g := range track.Gaps {
			switch length := g.EndMs - g.StartMs; {
			case g.Cause == "hold":
				holds++
				from, to := time.Duration(g.StartMs)*time.Millisecond, time.Duration(g.EndMs)*time.Millisecond
				if from < began.before-slack || from > began.after+slack || to < ended.before-slack || to > ended.after+slack {
					t.Errorf("%s: got the hold as %+v, want it from %v to %v", track.ParticipantID, g, began, ended)
				}
			case g.Cause == "loss" && length > 20: // less is where the other source was put
				loss++
				if length != 200 || holds > 0 {
					t.Errorf("%s: got gap %+v, with packets late by up to %v", track.ParticipantID, g, slack)
				}
			}
		}
		if holds != 1 || (loss == 1) != (track.ParticipantID == "caller") {
			t.Errorf("%s: got gaps %+v", track.ParticipantID, track.Gaps)
		}
	}
}

// A call whose client is cut off by a crash of the recorder is kept up to
// there, and its session over; a call that comes after is a new one.
func TestKill(t *testing.T) {
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
