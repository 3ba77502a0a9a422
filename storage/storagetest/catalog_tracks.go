package storagetest

import (
	"testing"
	"time"

	"github.com/reelvault/reelvault"
)

var trackTests = []catalogTest{
	{"tracks come back with their gaps, by offset", tracksSaved},
	{"tracks are saved all or none", tracksAllOrNone},
	{"what is known of a file's clocks is replaced as a whole", timingSaved},
}

func tracksSaved(t *testing.T, w *world) {
	t.Helper()
	r := w.recording(t, w.ours, reelvault.RecordingRunning)
	f := w.file(t, r.ID)
	audio := reelvault.Track{
		ID: newID(), RecordingID: r.ID, FileID: f.ID, Lane: 2, ParticipantID: "p", Role: reelvault.RoleOperator,
		Type: reelvault.TrackOperator, Media: reelvault.Audio, Codec: reelvault.Opus,
		Offset: 20*time.Millisecond + time.Microsecond, Duration: 3 * time.Hour, Gaps: []reelvault.Gap{
			{Start: time.Second + 125*time.Microsecond, End: 2 * time.Second, Cause: reelvault.GapLoss},
			{Start: time.Minute, End: time.Hour, Cause: reelvault.GapPause, By: "Jana \"J\" Nová", Reason: "card number\n<b>"},
		},
	}
	video := audio
	video.ID, video.Lane, video.Media, video.Codec, video.Offset = newID(), 1, reelvault.Video, reelvault.VP8, -time.Microsecond
	video.Gaps = nil
	ok(t, w.SaveTracks(t.Context(), nil))
	ok(t, w.SaveTracks(t.Context(), []reelvault.Track{audio, video}))
	want := []reelvault.Track{video, audio}
	want[0].Gaps = []reelvault.Gap{}
	kept := func() []reelvault.Track {
		got, err := w.Recording(t.Context(), w.ours.ID, r.ID)
		ok(t, err)
		return got.Tracks
	}
	same(t, "added", kept(), want)

	audio.Gaps, audio.Duration, audio.Codec, audio.Type = audio.Gaps[:1], time.Hour, reelvault.AV1, reelvault.TrackOther
	want[1] = audio
	ok(t, w.SaveTracks(t.Context(), []reelvault.Track{audio}))
	same(t, "replaced", kept(), want)
}

func tracksAllOrNone(t *testing.T, w *world) {
	t.Helper()
	r := w.recording(t, w.ours, reelvault.RecordingRunning)
	f, second := w.file(t, r.ID), w.file(t, r.ID)
	foreign := w.file(t, w.recording(t, w.theirs, reelvault.RecordingRunning).ID)
	good := func() reelvault.Track {
		return reelvault.Track{ID: newID(), RecordingID: r.ID, FileID: f.ID, Lane: 1, Gaps: []reelvault.Gap{}}
	}
	first := good()
	ok(t, w.SaveTracks(t.Context(), []reelvault.Track{first}))
	for name, test := range map[string]struct {
		change func(*reelvault.Track)
		kind   reelvault.Kind
	}{
		"no such file":              {func(t *reelvault.Track) { t.FileID = newID() }, reelvault.NotFound},
		"no such recording":         {func(t *reelvault.Track) { t.RecordingID = newID() }, reelvault.NotFound},
		"a file of another":         {func(t *reelvault.Track) { t.FileID = foreign.ID }, reelvault.NotFound},
		"a recording of another":    {func(t *reelvault.Track) { t.RecordingID = foreign.RecordingID }, reelvault.NotFound},
		"a track that is elsewhere": {func(t *reelvault.Track) { t.ID, t.FileID = first.ID, second.ID }, reelvault.Conflict},
	} {
		t.Log(name)
		bad := good()
		test.change(&bad)
		wantRefusal(t, w.SaveTracks(t.Context(), []reelvault.Track{good(), bad}), test.kind)
	}
	got, err := w.Recording(t.Context(), w.ours.ID, r.ID)
	ok(t, err)
	same(t, "tracks", got.Tracks, []reelvault.Track{first})
}

func timingSaved(t *testing.T, w *world) {
	t.Helper()
	f := w.file(t, w.recording(t, w.ours, reelvault.RecordingRunning).ID)
	_, err := w.Timing(t.Context(), f.ID)
	wantRefusal(t, err, reelvault.NotFound)
	wantRefusal(t, w.SaveTiming(t.Context(), newID(), reelvault.Timing{}), reelvault.NotFound)
	for _, want := range []reelvault.Timing{
		{
			Reports: []reelvault.TimingReport{{
				TrackID: newID(), SSRC: 1<<32 - 1, NTP: 1<<64 - 1, RTP: 1<<32 - 1, At: time.Hour + time.Nanosecond,
				Verdict: "used", Residual: -time.Microsecond,
			}},
			Corrections: []reelvault.TimingCorrection{{Reset: true, From: time.Second, To: time.Minute, Amount: -time.Millisecond}},
		},
		{},
	} {
		ok(t, w.SaveTiming(t.Context(), f.ID, want))
		got, err := w.Timing(t.Context(), f.ID)
		ok(t, err)
		same(t, "timing", got, want)
	}
}
