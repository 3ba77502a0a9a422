package telephony_test

import (
	"bytes"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/sip/rtp"
	"github.com/reelvault/reelvault/testmedia"
)

// Whatever is missing or early in the course of a call, all that was said is
// in its file.
func TestCourse(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	const lasting = 3 * time.Second
	tests := map[string]struct {
		spec testmedia.CallSpec
		talk func(t *testing.T, c *testmedia.PhoneCall)
	}{
		"no ACK": {testmedia.CallSpec{NoACK: true}, func(t *testing.T, c *testmedia.PhoneCall) {
			t.Helper()
			talk(t, c, testmedia.Talk{For: lasting})
		}},
		"no ACK over TCP": {testmedia.CallSpec{NoACK: true, Network: "tcp"}, func(t *testing.T, c *testmedia.PhoneCall) {
			t.Helper()
			talk(t, c, testmedia.Talk{For: lasting})
		}},
		"A-law": {testmedia.CallSpec{Voices: tones(reelvault.PCMA)}, func(t *testing.T, c *testmedia.PhoneCall) {
			t.Helper()
			talk(t, c, testmedia.Talk{For: lasting, Reports: true})
		}},
		"early packets": {testmedia.CallSpec{NoACK: true}, func(t *testing.T, c *testmedia.PhoneCall) {
			t.Helper()
			acknowledged := false
			talk(t, c, testmedia.Talk{For: lasting, Lose: func(_, n int) bool {
				if n == 75 && !acknowledged {
					acknowledged = true
					if err := c.Acknowledge(); err != nil {
						t.Error(err)
					}
				}
				return false
			}})
		}},
		"another port of the client": {testmedia.CallSpec{Elsewhere: netip.MustParseAddr("127.0.0.1")}, func(t *testing.T, c *testmedia.PhoneCall) {
			t.Helper()
			talk(t, c, testmedia.Talk{For: lasting, Reports: true})
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.spec.Session = name
			law := reelvault.PCMU
			if len(tt.spec.Voices) > 0 {
				law = tt.spec.Voices[0].Law
			}
			c := p.call(t, tt.spec)
			tt.talk(t, c)
			bye(t, c)
			s, recordings := p.ended(t, name)
			if s.TerminationReason != "GuestLeft" || s.Status != "CLOSED" {
				t.Errorf("got session %+v", s)
			}
			p.whole(t, only(t, recordings), law, lasting)
		})
	}
}

// Packets that a BYE has overtaken are recorded with the others.
func TestByeOvertakes(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	c := p.call(t, testmedia.CallSpec{Session: "overtaken"})
	talk(t, c, testmedia.Talk{For: 2 * time.Second})
	if err := c.Depart(); err != nil {
		t.Fatal(err)
	}
	talk(t, c, testmedia.Talk{For: 100 * time.Millisecond, AtOnce: true})
	_, recordings := p.ended(t, "overtaken")
	p.whole(t, only(t, recordings), reelvault.PCMU, 2100*time.Millisecond)
}

// A call that is never acknowledged is recorded for as long as its client
// sends, and ended by a BYE where it does not, when the 200 has been repeated
// for 32 s (RFC 3261, section 13.3.1.4).
func TestMissingACK(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	silent := p.call(t, testmedia.CallSpec{Session: "silent", NoACK: true})
	sending := p.call(t, testmedia.CallSpec{Session: "sending", NoACK: true})
	const lasting = 35 * time.Second
	talk(t, sending, testmedia.Talk{For: lasting})
	select {
	case <-silent.Ended():
	case <-time.After(patience):
		t.Error("the silent client was sent no BYE")
	}
	if s := p.closed(t, "silent"); s.TerminationReason != "ExternalSessionExpired" {
		t.Errorf("got session %+v", s)
	}
	select {
	case <-sending.Ended():
		t.Error("the client that sends was sent a BYE")
	default:
	}
	bye(t, sending)
	s, recordings := p.ended(t, "sending")
	if s.TerminationReason != "GuestLeft" {
		t.Errorf("got session %+v", s)
	}
	p.whole(t, only(t, recordings), reelvault.PCMU, lasting)
}

// Who goes without a BYE is noticed by the silence: within a minute, and sooner
// where RTCP has said goodbye. What was said is whole, and the client is told
// by a BYE.
func TestMissingBYE(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	ways := map[string]func(*testmedia.PhoneCall) error{
		"goodbye": (*testmedia.PhoneCall).Goodbye,
		"gone":    (*testmedia.PhoneCall).Drop,
		"silent":  func(*testmedia.PhoneCall) error { return nil },
	}
	calls := map[string]*testmedia.PhoneCall{}
	var leaving sync.WaitGroup
	for way, leave := range ways {
		c := p.call(t, testmedia.CallSpec{Session: way})
		calls[way] = c
		leaving.Go(func() {
			if _, err := c.Talk(t.Context(), testmedia.Talk{For: 2 * time.Second}); err != nil {
				t.Error(err)
			}
			if err := leave(c); err != nil {
				t.Error(err)
			}
		})
	}
	leaving.Wait()
	for _, way := range []string{"goodbye", "gone", "silent"} {
		s, recordings := p.endedWithin(t, way, 2*patience)
		if s.TerminationReason != "ExternalSessionExpired" {
			t.Errorf("%s: got session %+v", way, s)
		}
		p.whole(t, only(t, recordings), reelvault.PCMU, 2*time.Second)
	}
	for _, way := range []string{"goodbye", "silent"} {
		select {
		case <-calls[way].Ended():
		case <-time.After(patience):
			t.Errorf("%s: no BYE came", way)
		}
	}
}

// Another source takes the place of the one before in the middle of a call: no
// packet of either is missing, and each side stays on its own.
func TestSourceChanges(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	c := p.call(t, testmedia.CallSpec{Session: "ssrc"})
	report, err := c.Talk(t.Context(), testmedia.Talk{For: 4 * time.Second, SSRC: 100, Reports: true})
	if err != nil {
		t.Fatal(err)
	}
	bye(t, c)
	_, recordings := p.ended(t, "ssrc")
	r := only(t, recordings)
	lanes(t, r)
	w := p.wave(t, r.Files[0].PlaybackURL)
	for channel, voice := range tones(reelvault.PCMU) {
		sent := said(voice.Sound, 4*time.Second)
		if got := w.sound(channel); (got - length(sent)).Abs() > exact+report.Late {
			t.Errorf("channel %d lasts %v, want %v", channel, got, length(sent))
		}
		codes := w.codes(channel)
		for source, part := range [][]byte{sent[:100*packet], sent[100*packet:]} {
			if !bytes.Contains(codes, part) {
				t.Errorf("channel %d lacks %d packets of source %d", channel, missing(codes, part), source)
			}
		}
	}
}

// From a host that is neither the one that was told nor the one that signals a
// call is recorded as soon as it is clear that nobody likelier sends.
func TestStrangerAlone(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	c := p.call(t, testmedia.CallSpec{Session: "elsewhere", Elsewhere: netip.MustParseAddr("127.0.0.7")})
	const lasting = 5 * time.Second
	talk(t, c, testmedia.Talk{For: lasting, Reports: true})
	bye(t, c)
	_, recordings := p.ended(t, "elsewhere")
	r := only(t, recordings)
	lanes(t, r)
	w := p.wave(t, r.Files[0].PlaybackURL)
	for channel, voice := range tones(reelvault.PCMU) {
		least := said(voice.Sound, lasting)[at(rtp.DefaultSourceWait+voiceTime):]
		if !bytes.Contains(w.codes(channel), least) {
			t.Errorf("channel %d, which lasts %v, lacks something of the last %v", channel, w.sound(channel), length(least))
		}
		w.clean(t, channel, hertz[channel])
	}
}

// A stranger who may send to this host, and sends to a call's port before its
// client does, is heard until the client begins, and then no more.
func TestStrangerFirst(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	c := p.call(t, testmedia.CallSpec{Session: "stranger"})
	stranger := thrower(t, "127.0.0.66")
	throw := func(n int) {
		for _, target := range c.Targets() {
			if _, err := stranger.WriteToUDPAddrPort(voicePacket(t, uint16(n), 66), target); err != nil {
				t.Error(err)
			}
		}
	}
	throw(1)
	throw(2)
	const lasting = 3 * time.Second
	talk(t, c, testmedia.Talk{For: lasting, Lose: func(line, n int) bool {
		if line == 0 {
			throw(n + 3)
		}
		return false
	}})
	bye(t, c)
	_, recordings := p.ended(t, "stranger")
	r := only(t, recordings)
	lanes(t, r)
	w := p.wave(t, r.Files[0].PlaybackURL)
	for channel, voice := range tones(reelvault.PCMU) {
		codes := w.codes(channel)
		first := bytes.Index(codes, said(voice.Sound, lasting))
		if first < 0 {
			t.Fatalf("channel %d lacks something of what the client sent", channel)
		}
		if i := bytes.IndexByte(codes[first:], poison); i >= 0 && bytes.Contains(codes[first:], bytes.Repeat([]byte{poison}, 8)) {
			t.Errorf("channel %d has the stranger after the client has begun", channel)
		}
	}
}
