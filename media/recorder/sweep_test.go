package recorder_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

// Spool files without a byte are what a crash leaves between the making of a
// file and its first write: they go, with or without a row. Any other file
// stays, known or not.
func TestRecoverSweeps(t *testing.T) {
	var emptied, stranger string
	all, path := crash(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: time.Minute})
		p.until(5 * time.Second)
		emptied = r.only().Files[0].ID
		if err := os.Truncate(spoolPath(r.t, r.path, emptied), 0); err != nil {
			r.t.Fatal(err)
		}
		stranger = uuid.NewString()
		for name, text := range map[string]string{uuid.NewString(): "", stranger: "somebody's"} {
			if err := os.WriteFile(filepath.Join(r.path, name), []byte(text), 0o600); err != nil {
				r.t.Fatal(err)
			}
		}
	}, func(*rig) {})
	if got := all[0]; got.State != reelvault.RecordingFailed || len(got.Files) != 0 {
		t.Errorf("got %s with the files %+v, want it failed without", got.State, got.Files)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == stranger }) {
		t.Errorf("the spool has %v, want %s alone", entries, stranger)
	}
}

// A shared file is its sender's to go on with, and may be empty and whole:
// neither its recording nor its spool file is touched.
func TestRecoverLeavesSharedFiles(t *testing.T) {
	all, path := crash(t, func(r *rig) {
		for _, state := range []reelvault.RecordingState{reelvault.RecordingRunning, reelvault.RecordingReady} {
			f := reelvault.File{ID: uuid.NewString(), Container: reelvault.Plain, Sealed: state == reelvault.RecordingReady}
			row := reelvault.Recording{ID: uuid.NewString(), Kind: reelvault.RecordingFile, State: state, Files: []reelvault.File{f}}
			if err := r.ledger.CreateRecording(r.t.Context(), row); err != nil {
				r.t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(r.path, f.ID), nil, 0o600); err != nil {
				r.t.Fatal(err)
			}
		}
	}, func(*rig) {})
	states := map[reelvault.RecordingState]bool{}
	for _, got := range all {
		states[got.State] = true
		if _, err := os.Stat(filepath.Join(path, got.Files[0].ID)); err != nil {
			t.Errorf("the spool file of a shared file that is %s: %v", got.State, err)
		}
	}
	if !states[reelvault.RecordingRunning] || !states[reelvault.RecordingReady] {
		t.Errorf("the recordings became %v", states)
	}
}
