package telephony_test

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// A law that is agreed on in the middle of a call begins files of its own,
// right behind those of the law before, and nothing is lost on the way.
func TestLawChanges(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	c := p.call(t, testmedia.CallSpec{Session: "law changes"})
	talk(t, c, testmedia.Talk{For: 2 * time.Second})
	for line, voice := range tones(reelvault.PCMA) {
		c.Speak(line, voice)
	}
	if a, err := c.Hold(t.Context(), false); err != nil || a.Status() != 200 {
		t.Fatalf("the other offer got %s, %v", a.Start, err)
	}
	talk(t, c, testmedia.Talk{For: 3 * time.Second})
	bye(t, c)
	_, recordings := p.ended(t, "law changes")
	if len(recordings) != 1 || len(recordings[0].Tracks) != 4 {
		t.Fatalf("got recordings %+v, want one with two tracks of each side", recordings)
	}
	for side, who := range []string{"caller", "callee"} {
		before, after := p.piece(t, recordings[0], who, reelvault.PCMU), p.piece(t, recordings[0], who, reelvault.PCMA)
		for _, part := range []struct {
			piece
			length time.Duration
		}{{before, 2 * time.Second}, {after, 3 * time.Second}} {
			part.carries(t, part.channel, said(tones(part.law)[side].Sound, part.length))
			part.clean(t, part.channel, hertz[side])
		}
		// Behind the first comes the time that the offer took.
		if after.begin < before.end-exact {
			t.Errorf("%s: the second law begins at %v, and the first ends at %v", who, after.begin, before.end)
		}
	}
}

// A client that sends another law than was agreed, of those that it offered, is
// recorded as soon as that is noticed, and its voice stays where it was.
func TestOtherLaw(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	w := p.wire(t, "udp")
	a := ask(t, w, invite(w, "udp", "other law", "application/sdp", strings.Replace(someOffer, "RTP/AVP 0", "RTP/AVP 0 8", 1)))
	_, line, _ := strings.Cut(a.Body, "\r\nm=audio ")
	text, _, _ := strings.Cut(line, " ")
	port, err := strconv.ParseUint(text, 10, 16)
	if a.Status() != 200 || err != nil {
		t.Fatalf("got %s with\n%s", a.Start, a.Body)
	}
	if err = w.Write(within(a, w, "udp", "ACK", 1)); err != nil {
		t.Fatal(err)
	}
	c, err := testmedia.Aimed(t.Context(), tones(reelvault.PCMU)[:1], []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Drop() //nolint:errcheck // nothing hangs on it
	began := time.Now()
	talk(t, c, testmedia.Talk{For: 2 * time.Second})
	c.Speak(0, tones(reelvault.PCMA)[0])
	talk(t, c, testmedia.Talk{For: 3 * time.Second})
	took := time.Since(began)
	ask(t, w, within(a, w, "udp", "BYE", 2))
	_, recordings := p.ended(t, "other law")
	if len(recordings) != 1 || len(recordings[0].Tracks) != 2 {
		t.Fatalf("got recordings %+v, want one with two tracks", recordings)
	}
	before, after := p.piece(t, recordings[0], "caller", reelvault.PCMU), p.piece(t, recordings[0], "caller", reelvault.PCMA)
	before.carries(t, before.channel, said(tones(reelvault.PCMU)[0].Sound, 2*time.Second))
	sent := said(tones(reelvault.PCMA)[0].Sound, 3*time.Second)
	kept := after.codes(after.channel)[at(after.begin-after.offset):at(after.end-after.offset)]
	if len(kept) < at(time.Second) || !bytes.HasSuffix(sent, kept) {
		t.Errorf("%v of the other law is kept, or it is not the end of %v", length(kept), length(sent))
	}
	if whole := after.end - before.begin; whole < 5*time.Second-2*exact || whole > took+2*exact {
		t.Errorf("from the first law to the end of the other are %v, want 5 s to %v", whole, took)
	}
	after.clean(t, after.channel, hertz[0])
}

// piece is what somebody says in one law.
type piece struct {
	wave

	channel            int
	offset, begin, end time.Duration // of the file and of what is said, on the clock of the recording
	told               time.Duration // where the track is said to begin
}

func (p *phone) piece(tb testing.TB, r node.Recording, who string, law reelvault.Codec) piece {
	tb.Helper()
	for _, track := range r.Tracks {
		for _, file := range r.Files {
			if track.ParticipantID != who || track.Codec != string(law) || track.FileID != file.ID {
				continue
			}
			found := piece{
				wave: p.wave(tb, file.PlaybackURL), channel: track.Lane - 1,
				offset: time.Duration(file.OffsetMs) * time.Millisecond, told: time.Duration(track.OffsetMs) * time.Millisecond,
			}
			begin, end := found.bounds(found.channel)
			found.begin = found.offset + time.Duration(begin)*time.Second/8000
			found.end = found.offset + time.Duration(end)*time.Second/8000
			return found
		}
	}
	tb.Fatalf("no %s of %s in %+v", law, who, r)
	return piece{}
}
