package recorder_test

import (
	"slices"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/testmedia"
)

// Two parties share one stereo file, bit by bit, the caller on the left; who
// joins late or leaves early is silent before and after. It ends with the last
// packet, and at once.
func TestCall(t *testing.T) {
	for _, codec := range []reelvault.Codec{reelvault.PCMU, reelvault.PCMA} {
		a := voice{stream: caller, from: 0, to: 8 * time.Second, first: 1<<32 - 4000, sequence: 65500}.packets()
		b := voice{stream: callee, from: 2 * time.Second, to: 4 * time.Second, first: 99}.packets()
		rec, path := call(t, codec, a, b)
		wantPlayable(t, rec, path)
		if len(rec.Files) != 1 || rec.Kind != reelvault.RecordingPhone {
			t.Fatalf("%s: got %+v, want a phone recording of one file", codec, rec)
		}
		lanes := sides(t, path, rec.Files[0])
		if len(lanes) != 2 {
			t.Fatalf("%s: %d channels, want 2", codec, len(lanes))
		}
		wantSpoken(t, lanes[0], 0, a, nil)
		wantSpoken(t, lanes[1], 2*time.Second, b, nil)
		for i, want := range []struct {
			participant string
			lane        int
			kind        reelvault.TrackType
			role        reelvault.Role
			from, long  time.Duration
		}{
			{"caller", 1, reelvault.TrackGuest, reelvault.RoleGuest, 0, 8 * time.Second},
			{"callee", 2, reelvault.TrackOperator, reelvault.RoleOperator, 2 * time.Second, 2 * time.Second},
		} {
			got := rec.Tracks[i]
			if got.ParticipantID != want.participant || got.Lane != want.lane || got.Type != want.kind || got.Role != want.role || got.Codec != codec ||
				!near(got.Offset, want.from, time.Millisecond) || !near(got.Duration, want.long, time.Millisecond) || len(got.Gaps) != 0 {
				t.Errorf("%s: track %+v, want %+v without gaps", codec, got, want)
			}
		}
		if got := rec.EndedAt.Sub(rec.StartedAt); got != 8*time.Second || rec.Files[0].Duration != got {
			t.Errorf("%s: recording of %v, file of %v, want 8 s", codec, got, rec.Files[0].Duration)
		}
	}
}

// What a hole is called depends on how it came about.
func TestCallGaps(t *testing.T) {
	const length = 60 * time.Second
	whole := func() []testmedia.Sent { return voice{stream: callee, to: length}.packets() }
	cut := func(all []testmedia.Sent, from, to time.Duration) []testmedia.Sent {
		return slices.DeleteFunc(all, func(s testmedia.Sent) bool { return s.At >= from && s.At < to })
	}
	// silent leaves out what lies between, without a number missing.
	silent := func(from, to time.Duration) []testmedia.Sent {
		all := cut(whole(), from, to)
		for i := range all {
			all[i].Packet.SequenceNumber = uint16(i)
		}
		return all
	}
	for name, test := range map[string]struct {
		sent     []testmedia.Sent
		from, to time.Duration
		want     reelvault.GapCause
		held     bool
	}{
		"a packet is lost":            {cut(whole(), 20*time.Second, 20020*time.Millisecond), 20 * time.Second, 20020 * time.Millisecond, reelvault.GapLoss, false},
		"the network is gone":         {cut(whole(), 20*time.Second, 31*time.Second), 20 * time.Second, 31 * time.Second, reelvault.GapLoss, false},
		"silence suppression":         {silent(20*time.Second, 23*time.Second), 20 * time.Second, 23 * time.Second, reelvault.GapDTX, false},
		"nothing is sent":             {silent(20*time.Second, 40*time.Second), 20 * time.Second, 40 * time.Second, reelvault.GapMute, false},
		"a hold":                      {silent(20*time.Second, 40*time.Second), 20 * time.Second, 40 * time.Second, reelvault.GapHold, true},
		"a hold that loses something": {cut(whole(), 20*time.Second, 40*time.Second), 20 * time.Second, 40 * time.Second, reelvault.GapHold, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			speaker := voice{stream: caller, to: length}.packets()
			all, path := bubble(t, func(r *rig) {
				p := r.dial(reelvault.PCMU, together(speaker, test.sent))
				p.until(test.from)
				hold, ok := p.track(callee).(media.Holder)
				if !ok {
					r.t.Fatal("a party of a call can't be put on hold")
				}
				hold.Hold(test.held)
				p.until(test.to)
				hold.Hold(false)
				p.until(length)
				p.capture.Close(nil)
			})
			wantPlayable(t, all[0], path)
			lanes := sides(t, path, all[0].Files[0])
			wantSpoken(t, lanes[0], 0, speaker, nil)
			wantSpoken(t, lanes[1], 0, test.sent, nil)
			track := tracksOf(all[0], "callee")[0]
			if len(track.Gaps) != 1 || track.Gaps[0].Cause != test.want || !near(track.Gaps[0].Start, test.from, time.Millisecond) || !near(track.Gaps[0].End, test.to, time.Millisecond) {
				t.Errorf("gaps: got %+v, want one of cause %s from %v to %v", track.Gaps, test.want, test.from, test.to)
			}
			if other := tracksOf(all[0], "caller")[0]; len(other.Gaps) != 0 {
				t.Errorf("the other side: gaps %+v, want none", other.Gaps)
			}
		})
	}
}

// What comes too late, when silence stands in its place, belongs to the gap.
func TestCallLate(t *testing.T) {
	const length = 20 * time.Second
	b := voice{stream: callee, to: length}.packets()
	late := slices.DeleteFunc(slices.Clone(b), func(s testmedia.Sent) bool { return s.At >= 5*time.Second && s.At < 8*time.Second })
	for i := range late { // the network keeps what is said after that for a while
		if s := &late[i]; s.At >= 8*time.Second {
			s.At = max(s.At, 9500*time.Millisecond)
		}
	}
	rec, path := call(t, reelvault.PCMU, voice{stream: caller, to: length}.packets(), late)
	wantPlayable(t, rec, path)
	gap := tracksOf(rec, "callee")[0].Gaps
	if len(gap) != 1 || gap[0].Start != 5*time.Second || gap[0].End < 8500*time.Millisecond || gap[0].End > 9500*time.Millisecond {
		t.Fatalf("gaps: got %+v, want one from 5 s to what is heard again", gap)
	}
	side, silent := sides(t, path, rec.Files[0])[1], int(gap[0].End/(time.Second/8000))
	if !side.silent(5*8000, silent) || side.samples[silent] == side.silence {
		t.Errorf("the gap ends at %v, where the silence does not", gap[0].End)
	}
}

// A path that swaps, doubles and delays packets changes no bit.
func TestCallReordered(t *testing.T) {
	a, b := voice{stream: caller, to: 10 * time.Second}.packets(), voice{stream: callee, to: 10 * time.Second}.packets()
	late := slices.Clone(a)
	for i := range late {
		late[i].At += time.Duration(i*7%11) * 15 * time.Millisecond
	}
	late = append(late, late[10:60]...)
	rec, path := call(t, reelvault.PCMA, late, b)
	wantPlayable(t, rec, path)
	lanes := sides(t, path, rec.Files[0])
	wantSpoken(t, lanes[0], 0, a, nil)
	wantSpoken(t, lanes[1], 0, b, nil)
	for _, track := range rec.Tracks {
		if len(track.Gaps) != 0 {
			t.Errorf("%s: gaps %+v, want none", track.ParticipantID, track.Gaps)
		}
	}
}

// A sender that begins anew, with another SSRC and other numbers, goes on
// where it is heard.
func TestCallRestart(t *testing.T) {
	before := voice{stream: callee, to: 10 * time.Second}.packets()
	after := voice{stream: callee, from: 12 * time.Second, to: 20 * time.Second, first: 1 << 31, sequence: 40000}.packets()
	for i := range after {
		after[i].Packet.SSRC = 4711
	}
	speaker := voice{stream: caller, to: 20 * time.Second}.packets()
	rec, path := call(t, reelvault.PCMU, speaker, before, after)
	wantPlayable(t, rec, path)
	lanes := sides(t, path, rec.Files[0])
	wantSpoken(t, lanes[0], 0, speaker, nil)
	wantSpoken(t, lanes[1].cut(0, 10*8000), 0, before, nil)
	wantSpoken(t, lanes[1].cut(10*8000, 20*8000), 2*time.Second, after, nil)
}

// Who doesn't fit into the call's stereo file begins one of their own, where
// they belong.
func TestCallOwnFiles(t *testing.T) {
	const length = 10 * time.Second
	joins := 4 * time.Second
	for name, test := range map[string]struct {
		joins  media.Format
		kind   reelvault.TrackType
		leaves bool // the callee, who spoke before
	}{
		"a third party":              {voiceFormat(third, reelvault.PCMU), reelvault.TrackOperator, false},
		"another law":                {voiceFormat(callee, reelvault.PCMA), reelvault.TrackOperator, true},
		"another person on the side": {media.Format{Media: reelvault.Audio, Codec: reelvault.PCMU, ClockRate: 8000, Party: media.Party{ParticipantID: "Petr", Role: reelvault.RoleOperator, Channel: 1}}, reelvault.TrackOperator, true},
		"all parties mixed":          {media.Format{Media: reelvault.Audio, Codec: reelvault.PCMU, ClockRate: 8000, Party: media.Party{Channel: media.Mixed}}, reelvault.TrackAllParticipants, false},
	} {
		t.Run(name, func(t *testing.T) {
			formats := parties(reelvault.PCMU)
			formats[third] = test.joins
			a := voice{stream: caller, to: length}.packets()
			b := voice{stream: callee, to: joins}.packets()
			c := voice{stream: third, from: joins, to: length, first: 12345}.packets()
			rec, path := record(t, formats, together(a, b, c), phone)
			wantPlayable(t, rec, path)
			if len(rec.Files) != 2 {
				t.Fatalf("files: got %+v, want the call's and another", rec.Files)
			}
			pair, own := sides(t, path, rec.Files[0]), sides(t, path, rec.Files[1])
			if len(pair) != 2 || len(own) != 1 {
				t.Fatalf("channels: got %d and %d, want 2 and 1", len(pair), len(own))
			}
			wantSpoken(t, pair[0], 0, a, nil)
			wantSpoken(t, pair[1], 0, b, nil)
			wantSpoken(t, own[0], 0, c, nil)
			last := rec.Tracks[len(rec.Tracks)-1]
			if got := rec.Files[1].Offset; !near(got, joins, time.Millisecond) || last.Offset != got || last.Lane != 1 || last.Type != test.kind {
				t.Errorf("file at %v with %+v, want a %s at %v", got, last, test.kind, joins)
			}
			if rec.EndedAt.Sub(rec.StartedAt) != length {
				t.Errorf("recording of %v, want %v", rec.EndedAt.Sub(rec.StartedAt), length)
			}
		})
	}
}

// A call whose sides speak different laws from the start has two files.
func TestCallOfTwoLaws(t *testing.T) {
	formats := parties(reelvault.PCMU)
	formats[callee] = voiceFormat(callee, reelvault.PCMA)
	a, b := voice{stream: caller, to: 5 * time.Second}.packets(), voice{stream: callee, to: 5 * time.Second}.packets()
	rec, path := record(t, formats, together(a, b), phone)
	wantPlayable(t, rec, path)
	if len(rec.Files) != 2 || len(rec.Tracks) != 2 {
		t.Fatalf("got %d files and %d tracks, want 2 and 2", len(rec.Files), len(rec.Tracks))
	}
	for _, f := range rec.Files {
		lanes := sides(t, path, f)
		if len(lanes) == 2 {
			wantSpoken(t, lanes[0], 0, a, nil)
		} else {
			wantSpoken(t, lanes[0], 0, b, nil)
		}
	}
}

// A party that is announced again, as after a re-INVITE, goes on in its lane,
// whether the track was closed in between or not.
func TestCallPartyComesAgain(t *testing.T) {
	const length = 20 * time.Second
	for _, closes := range []bool{false, true} {
		a, b := voice{stream: caller, to: length}.packets(), voice{stream: callee, to: length}.packets()
		late := slices.Clone(b)
		for i := range late[:len(late)-1] { // by more than one packet: it is to be waited for
			late[i].At += time.Duration(i%2) * 30 * time.Millisecond
		}
		all, path := bubble(t, func(r *rig) {
			p := r.dial(reelvault.PCMU, together(a, late))
			for i := 1; i <= 40; i++ {
				p.until(time.Duration(i) * length / 40)
				if closes {
					p.track(callee).Close()
				}
				again, err := p.capture.AddTrack(p.formats[callee], nil)
				if err != nil {
					r.t.Fatal(err)
				}
				p.tracks[callee] = again
			}
			p.capture.Close(nil)
		})
		wantPlayable(t, all[0], path)
		if len(all[0].Files) != 1 || len(all[0].Tracks) != 2 || len(tracksOf(all[0], "callee")[0].Gaps) != 0 {
			t.Fatalf("closed %t: got %+v, want two tracks without gaps", closes, all[0].Tracks)
		}
		lanes := sides(t, path, all[0].Files[0])
		wantSpoken(t, lanes[0], 0, a, nil)
		wantSpoken(t, lanes[1], 0, b, nil)
	}
}

// A call takes what telephones send, and no more parties than are ever in one.
func TestCallRefuses(t *testing.T) {
	bubble(t, func(r *rig) {
		p := r.dial(reelvault.PCMU, nil)
		for _, c := range []reelvault.Codec{reelvault.Opus, reelvault.VP8, "g729"} {
			f := voiceFormat(caller, c)
			if _, err := p.capture.AddTrack(f, nil); reelvault.KindOf(err) != reelvault.Unsupported {
				r.t.Errorf("%s: got %v, want it unsupported", c, err)
			}
		}
		f := voiceFormat(caller, reelvault.PCMU)
		for i := range 64 {
			f.Party.Channel = i
			if _, err := p.capture.AddTrack(f, nil); err != nil {
				r.t.Fatal(err)
			}
		}
		f.Party.Channel = 64
		if _, err := p.capture.AddTrack(f, nil); reelvault.KindOf(err) != reelvault.Invalid {
			r.t.Errorf("65th party: got %v, want it invalid", err)
		}
		p.capture.Close(nil)
	})
}
