package sip_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/sip"
	"github.com/reelvault/reelvault/testmedia"
)

const second = time.Second

// all says that every track has its packets.
func (r *rig) all(counts ...int) func() bool {
	return func() bool { return slices.Equal(r.sink.counts(), counts) }
}

func talk(t *testing.T, c *testmedia.PhoneCall, how testmedia.Talk) testmedia.TalkReport {
	t.Helper()
	report, err := c.Talk(t.Context(), how)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// A call of two voices is recorded over UDP and TCP, with the caller on the
// left, every packet of it, the last ones included, and its session ends with
// it.
func TestCall(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			r := newRig(t, nil)
			c := r.call(testmedia.CallSpec{Network: network, Session: "abc=", Voices: voices(reelvault.PCMU, reelvault.PCMA)})
			talk(t, c, testmedia.Talk{For: second, Reports: true})
			if err := c.Bye(t.Context()); err != nil {
				t.Error(err)
			}
			if cause := r.book.over(); cause != sip.CauseBye {
				t.Errorf("ended by %s, want bye", cause)
			}
			if err := r.sink.closed(); err != nil {
				t.Errorf("capture closed with %v", err)
			}
			if got := r.sink.counts(); !slices.Equal(got, []int{50, 50}) {
				t.Errorf("got %v packets, want 50 of each", got)
			}
			if got, want := r.sink.parties(), "caller guest 0 pcmu, callee operator 1 pcma"; got != want {
				t.Errorf("got tracks %s, want %s", got, want)
			}
			if got, want := r.book.people(), "caller guest Alice sip:100@example.org, callee operator Bob sip:101@example.org"; got != want {
				t.Errorf("got parties %s, want %s", got, want)
			}
			b := r.book.begun[0]
			if !slices.Equal(b.IDs, []string{"abc=", c.CallID}) || b.Name != "Alice – Bob" || len(b.Metadata) == 0 || len(b.Notes) != 0 {
				t.Errorf("got call %+v", b)
			}
			p := r.sink.captures[0].publisher
			if p.TenantID != "tenant" || p.SessionID != "session1" || p.Kind != reelvault.RecordingPhone {
				t.Errorf("got publisher %+v", p)
			}
			r.await("the end", func() bool { return r.Stats().Calls == 0 })
			if s := r.Stats(); s.Begun != 1 || s.Broken != 0 || s.Refused != 0 {
				t.Errorf("got %+v", s)
			}
		})
	}
}

// Packets that a BYE has overtaken are recorded, and the client that said it
// hears no BYE of ours.
func TestLastPackets(t *testing.T) {
	r := newRig(t, func(c *sip.Config) { c.Timers.Linger = 5 * second })
	c := r.call(testmedia.CallSpec{})
	request(t, c, "BYE", content{}, 200)
	talk(t, c, testmedia.Talk{For: second / 5})
	r.await("packets behind the BYE", r.all(10, 10))
	r.book.over()
	select {
	case <-c.Ended():
		t.Error("the client was sent a BYE")
	default:
	}
}

// The answer is plain SDP with our own origin and what a client has to know.
func TestAnswer(t *testing.T) {
	r := newRig(t, nil)
	c := r.call(testmedia.CallSpec{Headers: "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\nRecord-Route: <sip:127.0.0.1:9;lr>\r\n"})
	for name, want := range map[string]string{
		"content-type": "application/sdp", "allow": "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE", "session-expires": "1800;refresher=uac",
		"require": "timer", "supported": "siprec, timer", "contact": "<sip:record@" + r.target() + ">;+sip.srs", "record-route": "<sip:127.0.0.1:9;lr>",
	} {
		if got := c.Answer.Header(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for _, want := range []string{"o=reelvault ", "s=-\r\n", "a=label:1\r\na=recvonly\r\n", "a=label:2\r\na=recvonly\r\n"} {
		if !strings.Contains(c.Answer.Body, want) {
			t.Errorf("the answer lacks %q:\n%s", want, c.Answer.Body)
		}
	}
}

// A call without metadata is recorded with what its From says.
func TestPlainCall(t *testing.T) {
	r := newRig(t, nil)
	c := r.call(testmedia.CallSpec{Plain: true})
	talk(t, c, testmedia.Talk{For: second / 5})
	r.await("packets", r.all(10, 10))
	if got, want := r.sink.parties(), "caller guest 0 pcmu, callee operator 1 pcmu"; got != want {
		t.Errorf("got tracks %s, want %s", got, want)
	}
	if got := r.book.people(); !strings.HasPrefix(got, "caller guest sip:client@127.0.0.1") || !strings.HasSuffix(got, ", callee operator") {
		t.Errorf("got parties %s", got)
	}
	if got := r.book.begun[0]; got.Metadata != nil || !slices.Equal(got.IDs, []string{c.CallID}) {
		t.Errorf("got call %+v", got)
	}
}

// Packets that come before the ACK, from another source in the middle, or with
// holes are all handed on.
func TestMediaOfCall(t *testing.T) {
	r := newRig(t, nil)
	c := r.call(testmedia.CallSpec{NoACK: true})
	report := talk(t, c, testmedia.Talk{For: second / 2, SSRC: 12, Lose: func(_, n int) bool { return n == 7 }})
	r.await("packets", r.all(24, 24))
	if report.Packets != 48 {
		t.Errorf("sent %d packets, want 48", report.Packets)
	}
	if err := c.Acknowledge(); err != nil {
		t.Error(err)
	}
	if err := c.Bye(t.Context()); err != nil {
		t.Error(err)
	}
	r.book.over()
	sources := map[uint32]bool{}
	for _, p := range r.sink.captures[0].tracks[0].packets {
		sources[p.SSRC] = true
	}
	if len(sources) != 2 {
		t.Errorf("got packets of %d sources, want 2", len(sources))
	}
}

// A client that never acknowledges gets the answer again and again. Without
// media its call is ended by a BYE; with media it is recorded on.
func TestMissingACK(t *testing.T) {
	t.Run("silent", func(t *testing.T) {
		r := newRig(t, func(c *sip.Config) { c.Timers.T1 = 2 * time.Millisecond })
		c := r.call(testmedia.CallSpec{NoACK: true})
		select {
		case <-c.Ended():
		case <-time.After(patience):
			t.Fatal("no BYE came")
		}
		if cause := r.book.over(); cause != sip.CauseUnheard {
			t.Errorf("ended by %s, want unheard", cause)
		}
		if err := r.sink.closed(); err == nil {
			t.Error("the capture was closed as if the client had said goodbye")
		}
	})
	t.Run("sending", func(t *testing.T) {
		r := newRig(t, func(c *sip.Config) { c.Timers.T1 = 20 * time.Millisecond })
		c := r.call(testmedia.CallSpec{NoACK: true})
		talk(t, c, testmedia.Talk{For: 2 * second}) // 64 T1 are 1.28 s
		if n := r.Stats().Calls; n != 1 {
			t.Fatalf("%d calls, want 1", n)
		}
		if err := c.Bye(t.Context()); err != nil {
			t.Error(err)
		}
		if cause := r.book.over(); cause != sip.CauseBye {
			t.Errorf("ended by %s, want bye", cause)
		}
	})
}

// A client that is gone without a BYE is noticed by its silence, sooner where
// RTCP has said goodbye; one on hold is not.
func TestMissingBYE(t *testing.T) {
	r := newRig(t, func(c *sip.Config) { c.Timers.Silence = second })
	before := time.Now()
	c := r.call(testmedia.CallSpec{})
	talk(t, c, testmedia.Talk{For: second / 5})
	if cause := r.book.over(); cause != sip.CauseSilence {
		t.Errorf("ended by %s, want silence", cause)
	}
	if lasted := time.Since(before); lasted < second {
		t.Errorf("ended after %v, which is less than the silence waited for", lasted)
	}
	if err := r.sink.closed(); err == nil {
		t.Error("the capture was closed as if the client had said goodbye")
	}
	if n := r.Stats().Broken; n != 1 {
		t.Errorf("counted %d broken calls, want 1", n)
	}
}

// A session timer that nobody refreshes ends a call on hold, and a call that
// still sends goes on. A shorter one than the least is believed as the least.
func TestSessionTimer(t *testing.T) {
	r := newRig(t, nil)
	for headers, want := range map[string]string{
		"Session-Expires: 100;refresher=uas\r\n":                      "",
		"Session-Expires: 100\r\n":                                    "100;refresher=uac",
		"x: 1800;refresher=uac\r\nSupported: 100rel,  timer\r\n":      "1800;refresher=uac",
		"Session-Expires: never\r\n":                                  "",
		"Session-Expires: 99999999999999999999;refresher=uac\r\n":     "",
		"Session-Expires: -5\r\nMin-SE: 90\r\nRequire: 100rel\r\n":    "",
		"Session-Expires: 1800 ; refresher=UAC\r\nRequire: timer\r\n": "1800;refresher=uac",
	} {
		c := r.call(testmedia.CallSpec{Headers: headers})
		if got := c.Answer.Header("session-expires"); got != want {
			t.Errorf("%q: got %q, want %q", headers, got, want)
		}
	}
}

// A session timer that nobody refreshes ends a call on hold, and not one that
// sends or is refreshed.
func TestExpiredTimer(t *testing.T) {
	r := newRig(t, func(c *sip.Config) { c.Timers.Refresh = second / 2 })
	c := r.call(testmedia.CallSpec{Headers: "Session-Expires: 1;refresher=uac\r\n"})
	talk(t, c, testmedia.Talk{For: 2 * second})
	if n := r.Stats().Calls; n != 1 {
		t.Fatalf("%d calls, want 1: it still sent", n)
	}
	r = newRig(t, func(c *sip.Config) { c.Timers.Refresh, c.Timers.Left = second/2, second/2 })
	c = r.call(testmedia.CallSpec{Headers: "Session-Expires: 1;refresher=uac\r\n"})
	if _, err := c.Hold(t.Context(), true); err != nil { // without the header: no timer any more
		t.Fatal(err)
	}
	silent := r.call(testmedia.CallSpec{Headers: "Session-Expires: 1;refresher=uac\r\n"})
	select {
	case <-silent.Ended():
	case <-time.After(patience):
		t.Fatal("no BYE came")
	}
	r.await("the end of one", func() bool { return r.Stats().Calls == 1 })
	r.book.mu.Lock()
	defer r.book.mu.Unlock()
	if !slices.Equal(r.book.ended, []sip.Cause{sip.CauseExpired}) {
		t.Errorf("ended by %v, want expired", r.book.ended)
	}
}

// On hold nothing is taken, and the recorder is told; after it all is as
// before, on the same ports.
func TestHold(t *testing.T) {
	r := newRig(t, nil)
	c := r.call(testmedia.CallSpec{})
	talk(t, c, testmedia.Talk{For: second / 5})
	r.await("packets before the hold", r.all(10, 10))
	held, err := c.Hold(t.Context(), true)
	if err != nil || held.Status() != 200 || strings.Count(held.Body, "a=inactive\r\n") != 2 || strings.Count(held.Body, "m=audio ") != 2 {
		t.Fatalf("hold: got %v %s\n%s", err, held.Start, held.Body)
	}
	talk(t, c, testmedia.Talk{For: second / 5})
	r.await("packets on hold to be counted", func() bool { return r.Stats().RTP.Unwanted == 20 })
	resumed, err := c.Hold(t.Context(), false)
	if err != nil || resumed.Status() != 200 || strings.Count(resumed.Body, "a=recvonly\r\n") != 2 {
		t.Fatalf("resume: got %v %s\n%s", err, resumed.Start, resumed.Body)
	}
	talk(t, c, testmedia.Talk{For: second / 5})
	r.await("packets after the hold", r.all(20, 20))
	for _, tr := range r.sink.captures[0].tracks {
		if !slices.Equal(tr.holds[len(tr.holds)-2:], []bool{true, false}) {
			t.Errorf("told of holds %v", tr.holds)
		}
	}
	version := func(m testmedia.SIPMessage) string { return strings.Fields(m.Body)[3] }
	if version(c.Answer) != "1" || version(held) != "2" || version(resumed) != "3" {
		t.Errorf("got versions %s, %s, %s", version(c.Answer), version(held), version(resumed))
	}
	if mlines(c.Answer) != mlines(resumed) {
		t.Errorf("the ports changed from %s to %s", mlines(c.Answer), mlines(resumed))
	}
}

func mlines(m testmedia.SIPMessage) string {
	var all []string
	for line := range strings.Lines(m.Body) {
		if strings.HasPrefix(line, "m=") {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return strings.Join(all, ", ")
}

// Everything that is not answered with 200 is answered with what says why, and
// leaves no session behind.
func TestRefused(t *testing.T) {
	sorry := func(k reelvault.Kind) error { return reelvault.Errorf(k, "so \"it\" is") }
	tests := []struct {
		name   string
		call   error // of the session
		sink   error
		status string
		retry  bool
	}{
		{"telephony is off", sorry(reelvault.Forbidden), nil, "SIP/2.0 403 Forbidden", false},
		{"disk full", sorry(reelvault.StorageFull), nil, "SIP/2.0 503 Service Unavailable", true},
		{"no recorder", nil, sorry(reelvault.Unavailable), "SIP/2.0 503 Service Unavailable", true},
		{"session has ended", nil, sorry(reelvault.Conflict), "SIP/2.0 503 Service Unavailable", true},
		{"a fault of ours", nil, errors.New("secret"), "SIP/2.0 500 Server Internal Error", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.refuse(tt.call, tt.sink)
			_, err := r.try(testmedia.CallSpec{})
			var refused *testmedia.RefusedError
			if !errors.As(err, &refused) || refused.Answer.Start != tt.status {
				t.Fatalf("got %v, want %s", err, tt.status)
			}
			if (refused.Answer.Header("retry-after") != "") != tt.retry {
				t.Errorf("got Retry-After %q", refused.Answer.Header("retry-after"))
			}
			if reason := refused.Answer.Header("reason"); strings.Contains(reason, "secret") || tt.call != nil && !strings.Contains(reason, `text="so  it  is"`) {
				t.Errorf("got Reason %q", reason)
			}
			r.await("the end", func() bool { return r.Stats().Calls == 0 })
			r.book.over()
			if s := r.Stats(); s.Refused != 1 || s.Begun != 0 {
				t.Errorf("got %+v", s)
			}
		})
	}
}

// With all ports in use a further call is told when to come again, and the
// running one goes on.
func TestNoPorts(t *testing.T) {
	r := newRig(t, func(c *sip.Config) { c.LastRTP = c.FirstRTP + 5 })
	c := r.call(testmedia.CallSpec{})
	_, err := r.try(testmedia.CallSpec{})
	var refused *testmedia.RefusedError
	if !errors.As(err, &refused) || refused.Answer.Status() != 503 || refused.Answer.Header("retry-after") != "10" {
		t.Fatalf("got %v, want 503", err)
	}
	talk(t, c, testmedia.Talk{For: second / 5})
	r.await("the end of the refused one", func() bool { return r.Stats().Calls == 1 })
	r.sink.mu.Lock()
	got := len(r.sink.captures[0].tracks[0].packets)
	r.sink.mu.Unlock()
	if got == 0 {
		t.Error("the running call lost its packets")
	}
	if n := r.book.calls(); n != 1 {
		t.Errorf("%d sessions were made, want 1: the refused call may come again", n)
	}
}

// Of two calls that race for the last ports one is refused before it has a
// session, however long the other takes to get its own.
func TestLastPorts(t *testing.T) {
	r := newRig(t, func(c *sip.Config) { c.LastRTP = c.FirstRTP + 3 })
	block := make(chan struct{})
	r.book.hold(block)
	var first error
	var calling sync.WaitGroup
	calling.Go(func() { first = r.attempt(testmedia.CallSpec{}) })
	r.await("the first call", func() bool { return r.book.asked() == 1 })
	second := make(chan error, 1)
	go func() { second <- r.attempt(testmedia.CallSpec{}) }()
	r.await("the second call's end or session", func() bool { return len(second) == 1 || r.book.asked() == 2 })
	close(block)
	calling.Wait()
	var refused *testmedia.RefusedError
	if err := <-second; !errors.As(err, &refused) || refused.Answer.Status() != 503 {
		t.Errorf("the second call got %v, want 503", err)
	}
	if n := r.book.calls(); n != 1 || first != nil {
		t.Errorf("%d sessions were made, want 1; the first call got %v", n, first)
	}
}

// A session may be hung up at any moment, while other calls begin, too.
func TestHangupWhileCallsBegin(t *testing.T) {
	r := newRig(t, nil)
	done := make(chan struct{})
	var hanging sync.WaitGroup
	hanging.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				r.HangupSession(t.Context(), "tenant", "another")
			}
		}
	})
	for range 5 {
		r.call(testmedia.CallSpec{})
	}
	close(done)
	hanging.Wait()
	if n := r.Stats().Calls; n != 5 {
		t.Errorf("%d calls go on, want 5", n)
	}
}

// A server that ends says BYE in its calls, refuses new ones, and closes the
// captures as after a goodbye.
func TestShutdown(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			r := newRig(t, nil)
			c := r.call(testmedia.CallSpec{Network: network})
			talk(t, c, testmedia.Talk{For: second / 5})
			r.await("packets", r.all(10, 10))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			r.HangupSession(ctx, "tenant", "another")
			if r.Stats().Calls != 1 {
				t.Fatal("the call of another session was hung up")
			}
			r.HangupSession(ctx, "tenant", "session1")
			select {
			case <-c.Ended():
			case <-time.After(patience):
				t.Fatal("no BYE came")
			}
			if cause := r.book.over(); cause != sip.CauseHangup {
				t.Errorf("ended by %s, want hangup", cause)
			}
			if err := r.sink.closed(); err != nil {
				t.Errorf("capture closed with %v", err)
			}
			if got := r.sink.counts(); !slices.Equal(got, []int{10, 10}) {
				t.Errorf("got %v packets, want 10 of each", got)
			}
		})
	}
}
