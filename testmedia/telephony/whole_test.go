package telephony_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia/node"
)

// exact is how close a recorded length is to what was sent.
const exact = 20 * time.Millisecond

// said gives what a voice has said by then.
func said(sound []byte, length time.Duration) []byte {
	return bytes.Repeat(sound, int(length/time.Second)+1)[:at(length)]
}

// only gives the one recording of a session, in one file.
func only(tb testing.TB, recordings []node.Recording) node.Recording {
	tb.Helper()
	if len(recordings) != 1 || recordings[0].Kind != "phone" || len(recordings[0].Files) != 1 {
		tb.Fatalf("got recordings %+v, want one with one file", recordings)
	}
	return recordings[0]
}

// carries fails unless a channel holds what was sent, in one piece and to the
// last sample, and nothing beside it.
func (w wave) carries(tb testing.TB, channel int, sent []byte) {
	tb.Helper()
	if got, want := w.sound(channel), length(sent); (got - want).Abs() > exact {
		tb.Errorf("channel %d lasts %v, want %v", channel, got, want)
	}
	if codes := w.codes(channel); !bytes.Contains(codes, sent) {
		tb.Errorf("channel %d lacks %d of %d packets, or has them apart", channel, missing(codes, sent), len(sent)/packet)
	}
}

// clean fails unless the middle half of what a channel says is this tone, as
// it was sent.
func (w wave) clean(tb testing.TB, channel int, tone float64) {
	tb.Helper()
	begin, end := w.bounds(channel)
	middle := w.samples(channel)[begin+(end-begin)/4 : end-(end-begin)/4]
	if decibel, amplitude := snr(middle, tone); decibel < 30 || amplitude < 16000 {
		tb.Errorf("channel %d: the tone of %g Hz has %.1f dB and amplitude %.0f", channel, tone, decibel, amplitude)
	}
}

// whole fails unless a file of two channels holds both tones of a call, all of
// them, with nothing lost.
func (p *phone) whole(tb testing.TB, r node.Recording, law reelvault.Codec, sent time.Duration) {
	tb.Helper()
	w := p.wave(tb, r.Files[0].PlaybackURL)
	if w.law != law || w.channels != 2 {
		tb.Fatalf("got %s in %d channels, want %s in 2", w.law, w.channels, law)
	}
	for channel, voice := range tones(law) {
		w.carries(tb, channel, said(voice.Sound, sent))
		w.clean(tb, channel, hertz[channel])
	}
	if got := time.Duration(r.Files[0].DurationMs) * time.Millisecond; (got - sent).Abs() > exact {
		tb.Errorf("the file is said to last %v, want %v", got, sent)
	}
	lanes(tb, r)
	for _, track := range r.Tracks {
		if len(track.Gaps) > 0 {
			tb.Errorf("%s: got gaps %+v", track.ParticipantID, track.Gaps)
		}
	}
}

// lanes fails unless the caller is on the left and the callee on the right.
func lanes(tb testing.TB, r node.Recording) {
	tb.Helper()
	var got []string
	for _, track := range r.Tracks {
		got = append(got, track.ParticipantID)
		if want := map[string]int{"caller": 1, "callee": 2}[track.ParticipantID]; track.Lane != want {
			tb.Errorf("%s is in lane %d, want %d", track.ParticipantID, track.Lane, want)
		}
	}
	if len(got) != 2 {
		tb.Errorf("got tracks of %v, want caller and callee", got)
	}
}
