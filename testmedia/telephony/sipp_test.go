package telephony_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

// packet is 20 ms of G.711.
const packet = 160

// sippTones are the tones of the caller and the callee behind their words.
var sippTones = []float64{440, 1000}

// sippSides are speech and a tone of each side, in its law.
func sippSides(tb testing.TB, laws [2]reelvault.Codec) [2][]byte {
	tb.Helper()
	var sides [2][]byte
	for side, name := range []string{"caller.wav", "callee.wav"} {
		sound := append(speech(tb, name, 3*time.Second), testmedia.Tone(reelvault.PCMU, sippTones[side], 2*time.Second)...)
		for _, code := range sound {
			if laws[side] != reelvault.PCMU {
				code = testmedia.EncodeG711(laws[side], testmedia.DecodeG711(reelvault.PCMU, code))
			}
			sides[side] = append(sides[side], code)
		}
	}
	return sides
}

// Calls of sipp, with speech and a tone from each side, are recorded with the
// caller left and the callee right, as long as they were, and with every word
// and a clean tone: in either law, over UDP and TCP, with a late ACK or none,
// and from where the client did not say.
func TestSIPp(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	mu, a := [2]reelvault.Codec{reelvault.PCMU, reelvault.PCMU}, [2]reelvault.Codec{reelvault.PCMA, reelvault.PCMA}
	for _, c := range []sippCall{
		{session: "udp", transport: "u1", laws: mu},
		{session: "tcp", transport: "t1", laws: mu},
		{session: "a-law", transport: "u1", laws: a},
		{session: "a-law over TCP", transport: "t1", laws: a},
		{session: "no ACK", transport: "u1", laws: mu, acks: sippPlay},
		{session: "late ACK", transport: "u1", laws: mu, acks: sippPlay + `<pause milliseconds="1500"/>` + sippACK},
		{session: "told elsewhere", transport: "u1", laws: mu, told: "192.0.2.77"},
	} {
		t.Run(c.session, func(t *testing.T) {
			t.Parallel()
			c.sides = sippSides(t, c.laws)
			c.call(t, p)
			s, recordings := p.ended(t, c.session)
			if s.Channel != "Phone" || len(s.Participants) != 2 || s.Participants[0].Address != "sip:7301@192.0.2.1" || s.Participants[1].Name != "Desk" {
				t.Errorf("got session %+v", s)
			}
			r := only(t, recordings)
			lanes(t, r)
			for channel := range c.sides {
				w := p.wave(t, r.Files[0].PlaybackURL)
				if w.law != c.laws[channel] || w.channels != 2 {
					t.Fatalf("got %s in %d channels", w.law, w.channels)
				}
				w.speaks(t, channel, c.sides[channel], sippTones[channel])
			}
			for _, track := range r.Tracks {
				if len(track.Gaps) > 0 {
					t.Errorf("got gaps %+v", track.Gaps)
				}
			}
		})
	}
}

// When the sides of a call speak different laws each has a file of its own,
// with an offset of its own on the clock of the call.
func TestLawsOfSides(t *testing.T) {
	t.Parallel()
	p := newPhone(t)
	laws := [2]reelvault.Codec{reelvault.PCMU, reelvault.PCMA}
	c := sippCall{session: "laws", transport: "u1", laws: laws, sides: sippSides(t, laws), behind: time.Second}
	c.call(t, p)
	_, recordings := p.ended(t, c.session)
	if len(recordings) != 1 || len(recordings[0].Files) != 2 || len(recordings[0].Tracks) != 2 {
		t.Fatalf("got recordings %+v, want one with two files", recordings)
	}
	var sides []piece
	for channel, who := range []string{"caller", "callee"} {
		side := p.piece(t, recordings[0], who, laws[channel])
		side.speaks(t, side.channel, c.sides[channel], sippTones[channel])
		if (side.told - side.begin).Abs() > 2*exact {
			t.Errorf("%s: the track is said to begin at %v, and begins at %v", who, side.told, side.begin)
		}
		sides = append(sides, side)
	}
	// sipp's own clock is not exact.
	if behind := sides[1].begin - sides[0].begin; (behind - c.behind).Abs() > 5*exact {
		t.Errorf("the callee begins %v after the caller, want %v", behind, c.behind)
	}
}

// speaks fails unless a channel holds all packets of speech, about where they
// belong, for as long, and behind them a second of a clean tone.
func (w wave) speaks(tb testing.TB, channel int, sent []byte, tone float64) {
	tb.Helper()
	if got, want := w.sound(channel), length(sent); (got - want).Abs() > exact {
		tb.Errorf("channel %d lasts %v, want %v", channel, got, want)
	}
	begin, end := w.bounds(channel)
	if lost := missing(w.codes(channel)[begin:], sent); lost > 0 {
		tb.Errorf("channel %d lacks %d of %d packets", channel, lost, len(sent)/packet)
	}
	from := end - at(1500*time.Millisecond) // within the tone
	if from < 0 {
		tb.Fatalf("channel %d ends at sample %d", channel, end)
	}
	if decibel, amplitude := snr(w.samples(channel)[from:from+at(time.Second)], tone); decibel < 30 || amplitude < 16000 {
		tb.Errorf("channel %d: the tone has %.1f dB and amplitude %.0f", channel, decibel, amplitude)
	}
}

// speech gives the beginning of one of the demo's voices, as G.711 mu-law,
// without the silence in front of it.
func speech(tb testing.TB, name string, most time.Duration) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("..", "demo", "media", name))
	if err != nil {
		tb.Fatal(err)
	}
	w, err := readWave(b)
	if err != nil || w.channels != 1 || w.law != reelvault.PCMU {
		tb.Fatalf("%s: %v, %+v", name, err, w.law)
	}
	begin := 0
	for ; w.data[begin] > 0xf0 || w.data[begin]&0x7f > 0x70; begin++ {
	}
	return w.data[begin : begin+int(most.Seconds()*8000)]
}

func length(codes []byte) time.Duration { return time.Duration(len(codes)) * time.Second / 8000 }

// missing counts the packets that are not within 60 ms of where they belong.
func missing(codes, sent []byte) int {
	start := max(len(codes)-len(sent), 0)
	lost := 0
	for at := 0; at+packet <= len(sent); at += packet {
		want := sent[at : at+packet]
		near := codes[min(max(at-3*packet, 0), len(codes)):min(start+at+4*packet, len(codes))]
		if !bytes.Contains(near, want) && len(bytes.Trim(want, "\xff\xd5")) > 0 {
			lost++
		}
	}
	return lost
}
