package storagetest

import (
	"testing"
	"time"

	"github.com/reelvault/reelvault"
)

var recordingTests = []catalogTest{
	{"a recording comes back as it was created", recordingComesBack},
	{"a recording moves as the table of states allows", recordingMoves},
	{"a move changes what it is given and nothing else", recordingChange},
	{"a recording is its tenant's alone", recordingTenancy},
	{"a session's recordings are listed oldest first without the deleted", recordingsListed},
	{"what is unfinished is found, whosever it is", unfinishedFound},
	{"a recording is as safe as its least safe file", leastSafeFile},
}

func recordingComesBack(t *testing.T, w *world) {
	t.Helper()
	s := w.session(t, w.ours, reelvault.Session{})
	r := reelvault.Recording{
		ID: newID(), TenantID: w.ours.ID, SessionID: s.ID, Kind: reelvault.RecordingScreen,
		State: reelvault.RecordingFailed, Reason: "nothing came", StartedAt: w.now.Add(999 * time.Microsecond),
		EndedAt: w.now.Add(time.Minute), SyncError: 41*time.Millisecond + 7*time.Microsecond + 999,
	}
	ok(t, w.CreateRecording(t.Context(), r))
	want := r
	want.StartedAt, want.SyncError = w.now, 41*time.Millisecond+7*time.Microsecond
	want.Durability, want.Files, want.Tracks = reelvault.Spooled, []reelvault.File{}, []reelvault.Track{}
	got, err := w.Recording(t.Context(), w.ours.ID, r.ID)
	ok(t, err)
	same(t, "kept", got, want)

	wantRefusal(t, w.CreateRecording(t.Context(), r), reelvault.Conflict)
	r.ID, r.SessionID = newID(), newID()
	wantRefusal(t, w.CreateRecording(t.Context(), r), reelvault.NotFound)
}

func recordingMoves(t *testing.T, w *world) {
	t.Helper()
	events := append([]reelvault.RecordingEvent{"", "Pause"}, reelvault.RecordingEvents...)
	for _, from := range reelvault.RecordingStates {
		for _, e := range events {
			want := w.recording(t, w.ours, from)
			got, err := w.MoveRecording(t.Context(), want.ID, e, reelvault.Recording{})
			if next, legal := from.Next(e); legal {
				ok(t, err)
				want.State = next
				same(t, string(from)+" "+string(e), got, want)
			} else {
				wantRefusal(t, err, reelvault.Conflict, string(from))
			}
			got, err = w.Recording(t.Context(), w.ours.ID, want.ID)
			ok(t, err)
			same(t, string(from)+" "+string(e), got, want)
		}
	}
	_, err := w.MoveRecording(t.Context(), newID(), reelvault.EventSeal, reelvault.Recording{})
	wantRefusal(t, err, reelvault.NotFound)
}

func recordingChange(t *testing.T, w *world) {
	t.Helper()
	want := w.recording(t, w.ours, reelvault.RecordingRunning)
	change := reelvault.Recording{
		ID: newID(), TenantID: w.theirs.ID, SessionID: newID(), Kind: reelvault.RecordingPhone,
		State: reelvault.RecordingDeleted, StartedAt: w.now.Add(time.Hour),
		EndedAt: w.now.Add(time.Minute), Reason: "why", SyncError: 50 * time.Millisecond,
	}
	got, err := w.MoveRecording(t.Context(), want.ID, reelvault.EventSeal, change)
	ok(t, err)
	want.State, want.EndedAt, want.Reason, want.SyncError = reelvault.RecordingProcessing, change.EndedAt, "why", change.SyncError
	same(t, "with values", got, want)

	got, err = w.MoveRecording(t.Context(), want.ID, reelvault.EventFail, reelvault.Recording{})
	ok(t, err)
	want.State = reelvault.RecordingFailed
	same(t, "with zero values", got, want)

	change.EndedAt = w.now.Add(2 * time.Minute)
	_, err = w.MoveRecording(t.Context(), want.ID, reelvault.EventSeal, change)
	wantRefusal(t, err, reelvault.Conflict)
	got, err = w.Recording(t.Context(), w.ours.ID, want.ID)
	ok(t, err)
	same(t, "after an illegal move", got, want)
}

func recordingTenancy(t *testing.T, w *world) {
	t.Helper()
	r := w.recording(t, w.ours, reelvault.RecordingReady)
	_, err := w.Recording(t.Context(), w.theirs.ID, r.ID)
	wantRefusal(t, err, reelvault.NotFound)
	_, err = w.Recording(t.Context(), w.ours.ID, newID())
	wantRefusal(t, err, reelvault.NotFound)
	list, err := w.RecordingsOf(t.Context(), w.theirs.ID, r.SessionID)
	ok(t, err)
	if list == nil || len(list) != 0 {
		t.Errorf("the other tenant sees %#v", list)
	}
}

func recordingsListed(t *testing.T, w *world) {
	t.Helper()
	s := w.session(t, w.ours, reelvault.Session{})
	var want []string
	for i, state := range reelvault.RecordingStates {
		r := reelvault.Recording{
			ID: newID(), TenantID: w.ours.ID, SessionID: s.ID, Kind: reelvault.RecordingAV, State: state,
			StartedAt: w.now.Add(-time.Duration(i) * time.Second),
		}
		ok(t, w.CreateRecording(t.Context(), r))
		f := w.file(t, r.ID)
		ok(t, w.SaveTracks(t.Context(), []reelvault.Track{{ID: newID(), RecordingID: r.ID, FileID: f.ID, Lane: 1}}))
		if state != reelvault.RecordingDeleted {
			want = append([]string{r.ID}, want...)
		}
	}
	w.recording(t, w.ours, reelvault.RecordingReady)
	list, err := w.RecordingsOf(t.Context(), w.ours.ID, s.ID)
	ok(t, err)
	var got []string
	for _, r := range list {
		got = append(got, r.ID)
		if len(r.Files) != 1 || len(r.Tracks) != 1 || r.Files[0].RecordingID != r.ID || r.Tracks[0].RecordingID != r.ID {
			t.Errorf("recording %s has files %+v and tracks %+v", r.ID, r.Files, r.Tracks)
		}
	}
	same(t, "ids", got, want)
}

func unfinishedFound(t *testing.T, w *world) {
	t.Helper()
	none, err := w.Unfinished(t.Context())
	ok(t, err)
	if none == nil {
		t.Error("an empty list is nil")
	}
	var want []string
	for _, tenant := range []reelvault.Tenant{w.ours, w.theirs} {
		for _, state := range reelvault.RecordingStates {
			r := w.recording(t, tenant, state)
			if state.Capturing() || state == reelvault.RecordingProcessing {
				want = append(want, r.ID)
			}
		}
	}
	list, err := w.Unfinished(t.Context())
	ok(t, err)
	var got []string
	for _, r := range list {
		got = append(got, r.ID)
	}
	same(t, "ids", got, want)
}

func leastSafeFile(t *testing.T, w *world) {
	t.Helper()
	r := w.recording(t, w.ours, reelvault.RecordingReady)
	first, second := w.file(t, r.ID), w.file(t, r.ID)
	for _, step := range []struct {
		file reelvault.File
		to   reelvault.Durability
		want reelvault.Durability
	}{
		{first, reelvault.Stored, reelvault.Spooled},
		{second, reelvault.Verified, reelvault.Stored},
		{first, reelvault.Verified, reelvault.Verified},
	} {
		ok(t, w.CommitFile(t.Context(), step.file.ID, step.to, objectOf(step.file), "ab"))
		got, err := w.Recording(t.Context(), w.ours.ID, r.ID)
		ok(t, err)
		if got.Durability != step.want {
			t.Errorf("with files %+v the recording is %s, want %s", got.Files, got.Durability, step.want)
		}
	}
}
