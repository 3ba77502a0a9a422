package storagetest

import (
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

var fileTests = []catalogTest{
	{"a file changes while it is captured, and no more once it is sealed", fileSaved},
	{"a file's recording is found, whosever it is", recordingOfFile},
	{"a file takes the steps of durability, never back", fileCommitted},
	{"a step is repeated with the same values only", commitRepeated},
	{"an object that is not the file is refused", commitMismatch},
	{"what is not verified is found until its recording is deleted", unstoredFound},
	{"an upload's id is kept and forgotten", uploadKept},
	{"what a deleted recording leaves is found until it is forgotten", erasableFound},
	{"bytes that still count are not forgotten", forgetRefused},
}

// files gives the files of a recording.
func (w *world) files(t *testing.T, r reelvault.Recording) []reelvault.File {
	t.Helper()
	got, err := w.Recording(t.Context(), r.TenantID, r.ID)
	ok(t, err)
	return got.Files
}

func fileSaved(t *testing.T, w *world) {
	t.Helper()
	r := w.recording(t, w.ours, reelvault.RecordingRunning)
	f := reelvault.File{
		ID: newID(), RecordingID: r.ID, Container: reelvault.WebM, Durability: reelvault.Spooled, Key: "k/1.webm",
		Offset: 3*time.Second + 141*time.Microsecond,
	}
	early := reelvault.File{
		ID: newID(), RecordingID: r.ID, Container: reelvault.WAV, Offset: -5 * time.Microsecond,
		Durability: reelvault.Spooled, Key: "k/2.wav",
	}
	for _, x := range []reelvault.File{f, early} {
		untrue := x
		untrue.Durability, untrue.SHA256, untrue.Version = reelvault.Verified, "ab", "v9"
		ok(t, w.SaveFile(t.Context(), untrue))
	}
	same(t, "files by offset", w.files(t, r), []reelvault.File{early, f})

	f.Offset, f.Duration, f.Bytes = 4*time.Second, time.Hour+time.Microsecond, 1<<40
	moved := f
	moved.Container, moved.Key = reelvault.Matroska, "k/other"
	ok(t, w.SaveFile(t.Context(), moved))
	same(t, "while captured", w.files(t, r), []reelvault.File{early, f})

	f.Sealed = true
	for range 2 {
		ok(t, w.SaveFile(t.Context(), f))
	}
	for name, change := range map[string]func(*reelvault.File){
		"offset":   func(f *reelvault.File) { f.Offset += time.Microsecond },
		"duration": func(f *reelvault.File) { f.Duration = 0 },
		"bytes":    func(f *reelvault.File) { f.Bytes++ },
		"sealed":   func(f *reelvault.File) { f.Sealed = false },
	} {
		late := f
		change(&late)
		t.Log(name)
		wantRefusal(t, w.SaveFile(t.Context(), late), reelvault.Conflict, "sealed")
	}
	same(t, "sealed", w.files(t, r), []reelvault.File{early, f})

	other := w.recording(t, w.theirs, reelvault.RecordingRunning)
	early.RecordingID = other.ID
	wantRefusal(t, w.SaveFile(t.Context(), early), reelvault.Conflict)
	early.RecordingID = newID()
	wantRefusal(t, w.SaveFile(t.Context(), early), reelvault.NotFound)
	early.ID, early.RecordingID = newID(), other.ID // and the key that is taken
	wantRefusal(t, w.SaveFile(t.Context(), early), reelvault.Conflict)
}

func recordingOfFile(t *testing.T, w *world) {
	t.Helper()
	for _, tenant := range []reelvault.Tenant{w.ours, w.theirs} {
		r := w.recording(t, tenant, reelvault.RecordingReady)
		f := w.file(t, r.ID)
		r.Files = []reelvault.File{f}
		got, err := w.RecordingOfFile(t.Context(), f.ID)
		ok(t, err)
		same(t, "recording", got, r)
	}
	_, err := w.RecordingOfFile(t.Context(), newID())
	wantRefusal(t, err, reelvault.NotFound)
}

func fileCommitted(t *testing.T, w *world) {
	t.Helper()
	steps := []reelvault.Durability{reelvault.Spooled, reelvault.Stored, reelvault.Verified}
	for from, first := range steps {
		for to, second := range steps {
			r := w.recording(t, w.ours, reelvault.RecordingReady)
			want := w.file(t, r.ID)
			for i, d := range []reelvault.Durability{first, second} {
				err := w.CommitFile(t.Context(), want.ID, d, objectOf(want), "ab")
				if i == 1 && to < from {
					wantRefusal(t, err, reelvault.Conflict, string(first))
					continue
				}
				ok(t, err)
				want.Durability = d
				if d != reelvault.Spooled {
					want.Version = "v1"
				}
				if d == reelvault.Verified {
					want.SHA256 = "ab"
				}
			}
			same(t, string(first+" then "+second), w.files(t, r), []reelvault.File{want})
		}
	}
	wantRefusal(t, w.CommitFile(t.Context(), newID(), reelvault.Stored, storage.Object{}, ""), reelvault.NotFound)
}

func commitRepeated(t *testing.T, w *world) {
	t.Helper()
	r := w.recording(t, w.ours, reelvault.RecordingReady)
	f := w.file(t, r.ID)
	object, other := objectOf(f), objectOf(f)
	other.Version = "v2"
	// What is stored may be stored again as another version, since it may not
	// have read back; what is verified is final, and verified as what is stored.
	for _, o := range []storage.Object{other, object, object, object} {
		ok(t, w.CommitFile(t.Context(), f.ID, reelvault.Stored, o, ""))
	}
	wantRefusal(t, w.CommitFile(t.Context(), f.ID, reelvault.Verified, other, "ab"), reelvault.Conflict)
	for range 3 {
		ok(t, w.CommitFile(t.Context(), f.ID, reelvault.Verified, object, "ab"))
	}
	wantRefusal(t, w.CommitFile(t.Context(), f.ID, reelvault.Stored, object, ""), reelvault.Conflict)
	wantRefusal(t, w.CommitFile(t.Context(), f.ID, reelvault.Verified, other, "ab"), reelvault.Conflict)
	wantRefusal(t, w.CommitFile(t.Context(), f.ID, reelvault.Verified, object, "cd"), reelvault.Conflict)
	f.Durability, f.Version, f.SHA256 = reelvault.Verified, "v1", "ab"
	same(t, "file", w.files(t, r), []reelvault.File{f})
}

func commitMismatch(t *testing.T, w *world) {
	t.Helper()
	r := w.recording(t, w.ours, reelvault.RecordingReady)
	f := w.file(t, r.ID)
	growing := f
	growing.ID, growing.Key, growing.Sealed, growing.Offset = newID(), "k/growing", false, time.Second
	ok(t, w.SaveFile(t.Context(), growing))
	for _, d := range []reelvault.Durability{reelvault.Stored, reelvault.Verified} {
		key, size := objectOf(f), objectOf(f)
		key.Key += "x"
		size.Size--
		wantRefusal(t, w.CommitFile(t.Context(), f.ID, d, key, "ab"), reelvault.Conflict)
		wantRefusal(t, w.CommitFile(t.Context(), f.ID, d, size, "ab"), reelvault.Conflict)
		wantRefusal(t, w.CommitFile(t.Context(), growing.ID, d, objectOf(growing), "ab"), reelvault.Conflict)
	}
	wantRefusal(t, w.CommitFile(t.Context(), f.ID, reelvault.Verified, objectOf(f), ""), reelvault.Invalid)
	wantRefusal(t, w.CommitFile(t.Context(), f.ID, "safe", objectOf(f), "ab"), reelvault.Invalid)
	same(t, "files", w.files(t, r), []reelvault.File{f, growing})
}

// fileIDs gives the ids of what a sweep finds.
func fileIDs(t *testing.T, files []reelvault.File, err error) []string {
	t.Helper()
	ok(t, err)
	if files == nil {
		t.Error("the list is nil")
	}
	var ids []string
	for _, f := range files {
		ids = append(ids, f.ID)
	}
	return ids
}

func unstoredFound(t *testing.T, w *world) {
	t.Helper()
	first := w.file(t, w.recording(t, w.ours, reelvault.RecordingRunning).ID)
	second := w.file(t, w.recording(t, w.theirs, reelvault.RecordingReady).ID)
	third := w.file(t, w.recording(t, w.ours, reelvault.RecordingFailed).ID)
	unstored := func() []string {
		files, err := w.Unstored(t.Context())
		return fileIDs(t, files, err)
	}
	same(t, "spooled", unstored(), []string{first.ID, second.ID, third.ID})
	ok(t, w.CommitFile(t.Context(), first.ID, reelvault.Stored, objectOf(first), ""))
	same(t, "one stored", unstored(), []string{first.ID, second.ID, third.ID})
	ok(t, w.CommitFile(t.Context(), first.ID, reelvault.Verified, objectOf(first), "ab"))
	same(t, "one verified", unstored(), []string{second.ID, third.ID})
	_, err := w.MoveRecording(t.Context(), second.RecordingID, reelvault.EventDelete, reelvault.Recording{})
	ok(t, err)
	same(t, "one deleted", unstored(), []string{third.ID})
	ok(t, w.ForgetFile(t.Context(), third.ID))
	same(t, "none", unstored(), []string(nil))
}

func uploadKept(t *testing.T, w *world) {
	t.Helper()
	f := w.file(t, w.recording(t, w.ours, reelvault.RecordingReady).ID)
	for _, want := range []string{"", "u1", "u2", ""} {
		ok(t, w.SetUpload(t.Context(), f.ID, want))
		ok(t, w.SaveFile(t.Context(), f))
		got, err := w.Upload(t.Context(), f.ID)
		ok(t, err)
		if got != want {
			t.Errorf("the upload is %q, want %q", got, want)
		}
	}
	wantRefusal(t, w.SetUpload(t.Context(), newID(), "u"), reelvault.NotFound)
	_, err := w.Upload(t.Context(), newID())
	wantRefusal(t, err, reelvault.NotFound)
}

func erasableFound(t *testing.T, w *world) {
	t.Helper()
	r := w.recording(t, w.ours, reelvault.RecordingReady)
	first, second := w.file(t, r.ID), w.file(t, r.ID)
	kept := w.file(t, w.recording(t, w.ours, reelvault.RecordingReady).ID)
	ok(t, w.CommitFile(t.Context(), first.ID, reelvault.Verified, objectOf(first), "ab"))
	ok(t, w.SaveTracks(t.Context(), []reelvault.Track{{ID: newID(), RecordingID: r.ID, FileID: first.ID, Lane: 1}}))
	ticket := w.credential(reelvault.CredentialTicket)
	ticket.FileID = first.ID
	ok(t, w.CreateCredentials(t.Context(), []reelvault.Credential{ticket}))
	erasable := func() []string {
		files, err := w.Erasable(t.Context())
		return fileIDs(t, files, err)
	}
	same(t, "before", erasable(), []string(nil))
	_, err := w.MoveRecording(t.Context(), r.ID, reelvault.EventDelete, reelvault.Recording{})
	ok(t, err)
	same(t, "deleted", erasable(), []string{first.ID, second.ID})
	late := w.file(t, r.ID)
	same(t, "with a late one", erasable(), []string{first.ID, second.ID, late.ID})
	for _, f := range []reelvault.File{first, second, late} {
		for range 2 {
			ok(t, w.ForgetFile(t.Context(), f.ID))
		}
	}
	same(t, "forgotten", erasable(), []string(nil))

	got, err := w.Recording(t.Context(), w.ours.ID, r.ID)
	ok(t, err)
	r.State = reelvault.RecordingDeleted
	same(t, "what is left", got, r)
	_, err = w.Credential(t.Context(), ticket.Kind, ticket.Hash, w.now)
	wantRefusal(t, err, reelvault.NotFound)
	_, err = w.RecordingOfFile(t.Context(), kept.ID)
	ok(t, err)
}

func forgetRefused(t *testing.T, w *world) {
	t.Helper()
	r := w.recording(t, w.ours, reelvault.RecordingReady)
	f := w.file(t, r.ID)
	for _, d := range []reelvault.Durability{reelvault.Stored, reelvault.Verified} {
		ok(t, w.CommitFile(t.Context(), f.ID, d, objectOf(f), "ab"))
		wantRefusal(t, w.ForgetFile(t.Context(), f.ID), reelvault.Conflict, string(d))
	}
	if n := len(w.files(t, r)); n != 1 {
		t.Errorf("the recording has %d files, want 1", n)
	}
}
