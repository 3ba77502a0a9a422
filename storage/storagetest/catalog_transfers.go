package storagetest

import (
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

var transferTests = []catalogTest{
	{"a transfer comes back with its recording and file", transferBegun},
	{"a transfer is of the one file of its recording, in its session", transferRefused},
	{"what has come of a file never becomes less", transferNoted},
	{"a transfer that finishes makes its recording ready, and tells", transferFinished},
	{"a transfer that is aborted makes its recording failed, and leaves what is to be erased", transferAborted},
	{"a transfer ends all or not at all", transferAllOrNothing},
}

// transfer begins one of 100 bytes.
func (w *world) transfer(t *testing.T, tenant reelvault.Tenant) (reelvault.Recording, reelvault.Transfer) {
	t.Helper()
	r, x := w.announced(t, tenant)
	ok(t, w.BeginTransfer(t.Context(), r, x))
	return r, x
}

func (w *world) announced(t *testing.T, tenant reelvault.Tenant) (reelvault.Recording, reelvault.Transfer) {
	t.Helper()
	r := reelvault.Recording{
		ID: newID(), TenantID: tenant.ID, SessionID: w.session(t, tenant, reelvault.Session{}).ID, Kind: reelvault.RecordingFile,
		State: reelvault.RecordingRunning, Durability: reelvault.Spooled, StartedAt: w.now, Tracks: []reelvault.Track{},
	}
	id := newID()
	r.Files = []reelvault.File{{
		ID: id, RecordingID: r.ID, Container: reelvault.Plain, Durability: reelvault.Spooled, Key: "r/" + id + ".bin",
		Name: "Smlouva „A“ \u202e.pdf",
	}}
	return r, reelvault.Transfer{
		FileID: id, RecordingID: r.ID, TenantID: tenant.ID, SessionID: r.SessionID, ParticipantID: "guest",
		Role: reelvault.RoleGuest, Size: 100, ExpiresAt: w.now.Add(time.Hour),
	}
}

func (w *world) open(t *testing.T) []reelvault.Transfer {
	t.Helper()
	all, err := w.Transfers(t.Context())
	ok(t, err)
	return all
}

// about gives an activity of a transfer's session.
func (w *world) about(x reelvault.Transfer) reelvault.Activity {
	a := w.activity(reelvault.Session{ID: x.SessionID, TenantID: x.TenantID}, "")
	a.Type, a.FileID, a.At = reelvault.ActivitySharedFile, x.FileID, w.now.Add(time.Minute)
	return a
}

// told gives the activities of a transfer's session.
func (w *world) told(t *testing.T, x reelvault.Transfer) []reelvault.Activity {
	t.Helper()
	as, err := w.Activities(t.Context(), storage.ActivityFilter{TenantID: x.TenantID, SessionID: x.SessionID, Limit: 9})
	ok(t, err)
	return as
}

func transferBegun(t *testing.T, w *world) {
	t.Helper()
	r, x := w.transfer(t, w.ours)
	other, y := w.transfer(t, w.theirs)
	same(t, "transfers", w.open(t), []reelvault.Transfer{x, y})
	for _, want := range []reelvault.Recording{r, other} {
		got, err := w.Recording(t.Context(), want.TenantID, want.ID)
		ok(t, err)
		same(t, "recording", got, want)
	}
	unstored, err := w.Unstored(t.Context())
	ok(t, err)
	same(t, "files to be stored", unstored, []reelvault.File{r.Files[0], other.Files[0]})
}

func transferRefused(t *testing.T, w *world) {
	t.Helper()
	for name, change := range map[string]func(*reelvault.Recording, *reelvault.Transfer){
		"no file":           func(r *reelvault.Recording, _ *reelvault.Transfer) { r.Files = nil },
		"another file":      func(_ *reelvault.Recording, x *reelvault.Transfer) { x.FileID = newID() },
		"another recording": func(_ *reelvault.Recording, x *reelvault.Transfer) { x.RecordingID = newID() },
	} {
		r, x := w.announced(t, w.ours)
		change(&r, &x)
		t.Log(name)
		wantRefusal(t, w.BeginTransfer(t.Context(), r, x), reelvault.Invalid)
	}
	for name, change := range map[string]func(*reelvault.Recording, *reelvault.Transfer){
		"no session":       func(r *reelvault.Recording, x *reelvault.Transfer) { r.SessionID, x.SessionID = newID(), newID() },
		"of no tenant":     func(_ *reelvault.Recording, x *reelvault.Transfer) { x.TenantID = newID() },
		"session of other": func(_ *reelvault.Recording, x *reelvault.Transfer) { x.TenantID = w.theirs.ID },
	} {
		r, x := w.announced(t, w.ours)
		change(&r, &x)
		t.Log(name)
		wantRefusal(t, w.BeginTransfer(t.Context(), r, x), reelvault.NotFound)
		_, err := w.Recording(t.Context(), r.TenantID, r.ID)
		wantRefusal(t, err, reelvault.NotFound)
	}
	r, x := w.transfer(t, w.ours)
	wantRefusal(t, w.BeginTransfer(t.Context(), r, x), reelvault.Conflict)
	same(t, "transfers", w.open(t), []reelvault.Transfer{x})
}

func transferNoted(t *testing.T, w *world) {
	t.Helper()
	_, x := w.transfer(t, w.ours)
	for _, n := range []int64{0, 1, 1, 100} {
		ok(t, w.NoteTransfer(t.Context(), x.FileID, n))
		x.Received = n
		same(t, "transfers", w.open(t), []reelvault.Transfer{x})
	}
	for _, n := range []int64{-1, 99, 101} {
		wantRefusal(t, w.NoteTransfer(t.Context(), x.FileID, n), reelvault.Conflict)
	}
	same(t, "transfers", w.open(t), []reelvault.Transfer{x})
	wantRefusal(t, w.NoteTransfer(t.Context(), newID(), 0), reelvault.NotFound)
}

// whole gives the file of a transfer as it is when it has come.
func whole(r reelvault.Recording) reelvault.File {
	f := r.Files[0]
	f.Bytes, f.Sealed, f.Type = 100, true, "application/pdf"
	return f
}

func transferFinished(t *testing.T, w *world) {
	t.Helper()
	r, x := w.transfer(t, w.ours)
	_, other := w.transfer(t, w.ours)
	f, a := whole(r), w.about(x)
	ok(t, w.FinishTransfer(t.Context(), f, a))

	got, err := w.Recording(t.Context(), r.TenantID, r.ID)
	ok(t, err)
	r.State, r.EndedAt, r.Files = reelvault.RecordingReady, a.At, []reelvault.File{f}
	same(t, "recording", got, r)
	a.Seq = 1
	same(t, "activities", w.told(t, x), []reelvault.Activity{a})
	same(t, "transfers", w.open(t), []reelvault.Transfer{other})
	erasable, err := w.Erasable(t.Context())
	ok(t, err)
	same(t, "files to be erased", len(erasable), 0)
	for _, err := range []error{
		w.FinishTransfer(t.Context(), f, w.about(x)), w.AbortTransfer(t.Context(), f.ID, "late", w.about(x)),
		w.NoteTransfer(t.Context(), f.ID, 100),
	} {
		wantRefusal(t, err, reelvault.NotFound)
	}
	f.Type = "text/html"
	wantRefusal(t, w.SaveFile(t.Context(), f), reelvault.Conflict, "sealed")
	ok(t, w.CommitFile(t.Context(), f.ID, reelvault.Verified, objectOf(f), "ab"))
}

func transferAborted(t *testing.T, w *world) {
	t.Helper()
	r, x := w.transfer(t, w.ours)
	a := w.about(x)
	a.Type, a.FileID = reelvault.ActivityFileUploadFailed, ""
	ok(t, w.SetUpload(t.Context(), x.FileID, "parts"))
	ok(t, w.AbortTransfer(t.Context(), x.FileID, "nobody sent it", a))

	got, err := w.Recording(t.Context(), r.TenantID, r.ID)
	ok(t, err)
	r.State, r.EndedAt, r.Reason = reelvault.RecordingFailed, a.At, "nobody sent it"
	same(t, "recording", got, r)
	a.Seq = 1
	same(t, "activities", w.told(t, x), []reelvault.Activity{a})
	same(t, "transfers", len(w.open(t)), 0)
	erasable, err := w.Erasable(t.Context())
	ok(t, err)
	same(t, "files to be erased", erasable, r.Files)
	unstored, err := w.Unstored(t.Context())
	ok(t, err)
	same(t, "files to be stored", len(unstored), 0)
	ok(t, w.ForgetFile(t.Context(), x.FileID))
	wantRefusal(t, w.AbortTransfer(t.Context(), x.FileID, "again", a), reelvault.NotFound)
}

func transferAllOrNothing(t *testing.T, w *world) {
	t.Helper()
	r, x := w.transfer(t, w.ours)
	elsewhere := w.about(x)
	elsewhere.SessionID = newID()
	foreign := w.about(x)
	foreign.TenantID = w.theirs.ID
	unsealed, short := whole(r), whole(r)
	unsealed.Sealed = false
	short.Bytes = 99
	for _, err := range []error{
		w.FinishTransfer(t.Context(), whole(r), elsewhere), w.FinishTransfer(t.Context(), whole(r), foreign),
		w.AbortTransfer(t.Context(), x.FileID, "x", elsewhere), w.AbortTransfer(t.Context(), x.FileID, "x", foreign),
		w.FinishTransfer(t.Context(), unsealed, w.about(x)), w.FinishTransfer(t.Context(), short, w.about(x)),
	} {
		wantRefusal(t, err, reelvault.Conflict)
	}
	got, err := w.Recording(t.Context(), r.TenantID, r.ID)
	ok(t, err)
	same(t, "recording", got, r)
	same(t, "transfers", w.open(t), []reelvault.Transfer{x})
	same(t, "activities", len(w.told(t, x)), 0)
	unstored, err := w.Unstored(t.Context())
	ok(t, err)
	same(t, "files to be stored", unstored, r.Files)
}
