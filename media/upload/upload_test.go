package upload_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/upload"
)

// wantWhole fails unless a file is in the spool, sealed, and told once.
func wantWhole(t *testing.T, r *rig, row reelvault.Transfer, b []byte) {
	t.Helper()
	rec := r.ledger.recording(row.FileID)
	if rec.Kind != reelvault.RecordingFile || rec.State != reelvault.RecordingReady || rec.EndedAt.IsZero() || len(rec.Files) != 1 {
		t.Fatalf("got recording %+v, want a ready one of one file", rec)
	}
	if f := rec.Files[0]; !f.Sealed || f.Bytes != int64(len(b)) || f.Container != reelvault.Plain || f.Key == "" {
		t.Errorf("got file %+v, want it sealed with %d bytes", f, len(b))
	}
	if !bytes.Equal(r.content(t, row.FileID), b) {
		t.Error("the spool has other bytes than were sent")
	}
	told := r.ledger.told()
	if len(told) != 1 {
		t.Fatalf("got activities %+v, want one", told)
	}
	var data upload.Shared
	must(t, json.Unmarshal([]byte(told[0].Data), &data))
	sum := sha256.Sum256(b)
	want := upload.Shared{
		Name: rec.Files[0].Name, Type: rec.Files[0].Type, Bytes: int64(len(b)), SHA256: hex.EncodeToString(sum[:]), RecordingID: rec.ID,
	}
	if a := told[0]; a.Type != reelvault.ActivitySharedFile || a.FileID != row.FileID || a.ParticipantID != "guest-1" ||
		a.Actor != reelvault.ActorGuest || a.SessionID != row.SessionID || a.Validate() != nil || data != want {
		t.Errorf("got activity %+v with %+v, want one with %+v", a, data, want)
	}
	if got := r.find(t, row.FileID); !got.Whole() || got.Size != int64(len(b)) {
		t.Errorf("it is found as %+v", got)
	}
}

// A file that comes in pieces is whole with its last byte, whatever the sizes.
func TestPieces(t *testing.T) {
	for _, sizes := range [][]int{{0}, {1}, {1, 1, 1}, {3, 0, 70_000, 5}, {9 << 20, 1, 4 << 20}} {
		r := newRig(t)
		var all []byte
		for _, n := range sizes {
			all = append(all, random(n)...)
		}
		row := r.begin(t, "notes.txt", int64(len(all)))
		if row.ExpiresAt != r.now().Add(upload.Life) || row.Received != 0 {
			t.Errorf("got %+v", row)
		}
		var at int64
		for _, n := range sizes {
			got := r.send(t, row.FileID, at, all[at:at+int64(n)])
			at += int64(n)
			if got.Received != at {
				t.Errorf("%v: %d bytes are here, want %d", sizes, got.Received, at)
			}
		}
		wantWhole(t, r, row, all)
		if r.stored[row.FileID] == 0 {
			t.Errorf("%v: nobody was told of the file", sizes)
		}
		// The answer may have been lost: the same again is no error, and no
		// second activity.
		if got := r.send(t, row.FileID, int64(len(all)), nil); got.Received != int64(len(all)) {
			t.Errorf("%v: once more gives %+v", sizes, got)
		}
		wantWhole(t, r, row, all)
	}
}

// More bytes than the file lacks are not read.
func TestTooManyBytes(t *testing.T) {
	r := newRig(t)
	row := r.begin(t, "x", 10)
	b := random(30)
	r.send(t, row.FileID, 0, b)
	wantWhole(t, r, row, b[:10])
	_, err := r.Append(t.Context(), row.FileID, 11, bodyOf(b))
	wantKind(t, "behind the end", err, reelvault.Conflict)
}

// Only what comes next is taken.
func TestOffsets(t *testing.T) {
	r := newRig(t)
	b := random(100)
	row := r.begin(t, "x", 100)
	r.send(t, row.FileID, 0, b[:40])
	for _, offset := range []int64{0, 39, 41, 100, 101, -1, 1 << 62} {
		got, err := r.Append(t.Context(), row.FileID, offset, bodyOf(b))
		wantKind(t, "another offset", err, reelvault.Conflict)
		if got.Received != 40 {
			t.Errorf("offset %d: %d bytes are here, want 40", offset, got.Received)
		}
	}
	r.send(t, row.FileID, 40, b[40:])
	wantWhole(t, r, row, b)
}

// What came before a body broke off is kept.
func TestBrokenBody(t *testing.T) {
	r := newRig(t)
	b := random(5 << 20)
	row := r.begin(t, "x", int64(len(b)))
	const came = 4<<20 + 12345
	ctx, hangUp := context.WithCancel(t.Context())
	broken := newBody(io.MultiReader(bytes.NewReader(b[:came]), readerFunc(func([]byte) (int, error) {
		hangUp()
		return 0, io.ErrUnexpectedEOF
	})))
	got, err := r.Append(ctx, row.FileID, 0, broken)
	wantKind(t, "a broken body", err, reelvault.Invalid)
	if got.Received != came || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %d bytes and %v, want %d and the cause", got.Received, err, came)
	}
	r.send(t, row.FileID, came, b[came:])
	wantWhole(t, r, row, b)
}

// A file that nobody has heard of, of another session or tenant, is not found.
func TestForeign(t *testing.T) {
	r := newRig(t)
	row := r.begin(t, "x", 10)
	whole := r.begin(t, "y", 0)
	for _, id := range []string{row.FileID, whole.FileID} {
		for _, of := range [][2]string{{newID(), r.who.SessionID}, {r.who.TenantID, newID()}} {
			_, err := r.Find(t.Context(), of[0], of[1], id)
			wantKind(t, "somebody else's", err, reelvault.NotFound)
		}
	}
	_, err := r.Find(t.Context(), r.who.TenantID, r.who.SessionID, newID())
	wantKind(t, "an unknown one", err, reelvault.NotFound)
	_, err = r.Append(t.Context(), newID(), 0, bodyOf(nil))
	wantKind(t, "an unknown one", err, reelvault.NotFound)
	wantKind(t, "an unknown one", r.Cancel(t.Context(), newID()), reelvault.NotFound)
}

// What must not come is refused, and leaves nothing behind.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		size   int64
		change func(*rig)
		want   reelvault.Kind
	}{
		"negative":        {-1, func(*rig) {}, reelvault.Invalid},
		"too large":       {limit + 1, func(*rig) {}, reelvault.TooLarge},
		"much too large":  {1 << 62, func(r *rig) { r.ledger.tenant.MaxFileBytes = 1 << 62 }, reelvault.TooLarge},
		"no files at all": {0, func(r *rig) { r.ledger.tenant.MaxFileBytes = 0 }, reelvault.Forbidden},
		"feature off":     {1, func(r *rig) { r.ledger.tenant.Features.AV = false }, reelvault.Forbidden},
		"session over":    {1, func(r *rig) { r.ledger.end(r.now()) }, reelvault.Conflict},
		"other tenant":    {1, func(r *rig) { r.who.TenantID = newID() }, reelvault.NotFound},
		"no room":         {1, func(r *rig) { r.spool.set(roomOf(0), nil) }, reelvault.StorageFull},
		"ledger fails":    {1, func(r *rig) { r.ledger.fail("BeginTransfer", errors.New("locked")) }, reelvault.Internal},
		"draining":        {1, func(r *rig) { must(t, r.Drain(t.Context())) }, reelvault.Unavailable},
	} {
		r := newRig(t)
		c.change(r)
		_, err := r.Begin(t.Context(), r.who, media.Announced{Name: name, Size: c.size})
		wantKind(t, name, err, c.want)
		if left, err := r.spool.dir.Left(); err != nil || len(left) > 0 {
			t.Errorf("%s: the spool has %v, %v", name, left, err)
		}
	}
}

func roomOf(bytes int64) func(int64) error {
	return func(n int64) error {
		if n > bytes {
			return reelvault.Errorf(reelvault.StorageFull, "full")
		}
		return nil
	}
}

// Room is counted for what was announced before and has not come yet.
func TestRoom(t *testing.T) {
	r := newRig(t)
	r.spool.set(roomOf(100), nil)
	first := r.begin(t, "x", 60)
	_, err := r.Begin(t.Context(), r.who, media.Announced{Size: 41})
	wantKind(t, "more than the rest", err, reelvault.StorageFull)
	r.begin(t, "y", 40)
	must(t, r.Cancel(t.Context(), first.FileID))
	r.begin(t, "z", 60)
}

// A disk that fills up while a file comes stops that file, and keeps what came.
func TestDiskFillsUp(t *testing.T) {
	r := newRig(t)
	b := random(10 << 20)
	row := r.begin(t, "x", int64(len(b)))
	r.spool.set(roomOf(-1), nil)
	got, err := r.Append(t.Context(), row.FileID, 0, bodyOf(b))
	wantKind(t, "a full disk", err, reelvault.StorageFull)
	if got.Received == 0 || got.Received == got.Size {
		t.Errorf("%d bytes are here", got.Received)
	}
	r.spool.set(nil, nil)
	r.send(t, row.FileID, got.Received, b[got.Received:])
	wantWhole(t, r, row, b)
}

// What was not synced is not acknowledged, and does not come back.
func TestSyncFails(t *testing.T) {
	r := newRig(t)
	b := random(100)
	row := r.begin(t, "x", 100)
	r.send(t, row.FileID, 0, b[:10])
	r.spool.set(nil, errors.New("I/O error"))
	got, err := r.Append(t.Context(), row.FileID, 10, bodyOf(random(90)))
	if err == nil || got.Received != 10 || r.find(t, row.FileID).Received != 10 {
		t.Errorf("got %+v, %v; want 10 bytes and an error", got, err)
	}
	r.spool.set(nil, nil)
	r.send(t, row.FileID, 10, b[10:])
	wantWhole(t, r, row, b)
}

// After a crash the file goes on where it was acknowledged; what lies behind
// that in the spool is cut off.
func TestCrash(t *testing.T) {
	for _, behind := range []int{0, 1, 70_000} {
		r := newRig(t)
		b := random(100_000)
		row := r.begin(t, "x", int64(len(b)))
		r.send(t, row.FileID, 0, b[:20_000])
		h, err := os.OpenFile(filepath.Join(r.dir, row.FileID), os.O_WRONLY|os.O_APPEND, 0)
		must(t, err)
		_, err = h.Write(make([]byte, behind))
		must(t, errors.Join(err, h.Close()))
		r.start(t)
		if got := r.find(t, row.FileID); got.Received != 20_000 || got.ExpiresAt != row.ExpiresAt {
			t.Errorf("%d bytes behind: found %+v", behind, got)
		}
		r.send(t, row.FileID, 20_000, b[20_000:])
		wantWhole(t, r, row, b)
		if f := r.ledger.recording(row.FileID).Files[0]; f.Name != "x" || f.Key == "" {
			t.Errorf("got file %+v", f)
		}
	}
}

// A file whose last byte had come is finished after a crash, and so is one
// that the ledger did not take at first.
func TestFinishLater(t *testing.T) {
	for name, again := range map[string]func(*testing.T, *rig){
		"crash": func(t *testing.T, r *rig) {
			t.Helper()
			r.start(t)
		},
		"ledger": func(*testing.T, *rig) {},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			b := random(1000)
			row := r.begin(t, "x", 1000)
			r.ledger.fail("FinishTransfer", errors.New("locked"))
			if got, err := r.Append(t.Context(), row.FileID, 0, bodyOf(b)); err == nil || got.Received != 1000 {
				t.Fatalf("got %+v, %v", got, err)
			}
			r.ledger.fail("FinishTransfer", nil)
			again(t, r)
			r.Tend(t.Context())
			wantWhole(t, r, row, b)
		})
	}
}

// Bytes that were acknowledged and are gone are told, and not made up.
func TestSpoolLostBytes(t *testing.T) {
	r := newRig(t)
	row := r.begin(t, "x", 100)
	r.send(t, row.FileID, 0, random(50))
	must(t, os.Truncate(filepath.Join(r.dir, row.FileID), 49))
	r.start(t)
	_, err := r.Append(t.Context(), row.FileID, 50, bodyOf(random(50)))
	wantKind(t, "a spool file that is too short", err, reelvault.Internal)
	must(t, r.Cancel(t.Context(), row.FileID))
}

// A crash before the first byte may cost the spool file, and nothing else.
func TestNoSpoolFileYet(t *testing.T) {
	r := newRig(t)
	b := random(10)
	row := r.begin(t, "x", 10)
	must(t, os.Remove(filepath.Join(r.dir, row.FileID)))
	r.start(t)
	r.send(t, row.FileID, 0, b)
	wantWhole(t, r, row, b)
}

// wantLost fails unless a file was given up, and that was told.
func wantLost(t *testing.T, r *rig, row reelvault.Transfer) {
	t.Helper()
	if rec := r.ledger.recording(row.FileID); rec.State != reelvault.RecordingFailed || rec.Reason == "" {
		t.Errorf("got recording %+v, want it failed with a reason", rec)
	}
	_, err := r.Find(t.Context(), r.who.TenantID, r.who.SessionID, row.FileID)
	wantKind(t, "a file that was given up", err, reelvault.NotFound)
	_, err = r.Append(t.Context(), row.FileID, row.Received, bodyOf(nil))
	wantKind(t, "a file that was given up", err, reelvault.NotFound)
	told := r.ledger.told()
	if n := len(told); n != 1 || told[0].Type != reelvault.ActivityFileUploadFailed || told[0].FileID != "" || told[0].Validate() != nil {
		t.Errorf("got activities %+v, want one of the failure", told)
	}
}

// A file that does not come in time is given up.
func TestExpiry(t *testing.T) {
	r := newRig(t)
	row := r.begin(t, "x", 10)
	row = r.send(t, row.FileID, 0, random(5))
	r.advance(upload.Life - 1)
	r.Tend(t.Context())
	r.find(t, row.FileID)
	r.advance(1)
	_, err := r.Find(t.Context(), r.who.TenantID, r.who.SessionID, row.FileID)
	wantKind(t, "an expired one", err, reelvault.NotFound)
	_, err = r.Append(t.Context(), row.FileID, 5, bodyOf(random(5)))
	wantKind(t, "an expired one", err, reelvault.NotFound)
	r.Tend(t.Context())
	wantLost(t, r, row)
}

// After the end of a session a file that is on its way may still come, but not
// for long.
func TestSessionEnds(t *testing.T) {
	r := newRig(t)
	row := r.begin(t, "x", 10)
	r.ledger.end(r.now())
	r.advance(15*time.Minute - 1)
	r.Tend(t.Context())
	row = r.send(t, row.FileID, 0, random(5))
	r.advance(1)
	r.Tend(t.Context())
	wantLost(t, r, row)
}

// A file that is cancelled is given up, also while it comes; one that is whole
// stays.
func TestCancel(t *testing.T) {
	r := newRig(t)
	row := r.begin(t, "x", 10)
	b := stalled(random(5))
	ended := make(chan error)
	go func() {
		_, err := r.Append(context.Background(), row.FileID, 0, b)
		ended <- err
	}()
	<-b.waits
	must(t, r.Cancel(t.Context(), row.FileID))
	wantKind(t, "the request that sent it", <-ended, reelvault.Conflict)
	wantLost(t, r, row)
	whole := r.begin(t, "y", 0)
	wantKind(t, "a whole file", r.Cancel(t.Context(), whole.FileID), reelvault.Conflict)
	unfinished := r.begin(t, "z", 1)
	r.ledger.fail("FinishTransfer", errors.New("locked"))
	if _, err := r.Append(t.Context(), unfinished.FileID, 0, bodyOf([]byte("z"))); err == nil {
		t.Error("the ledger took a file while it was locked")
	}
	wantKind(t, "one that is about to be whole", r.Cancel(t.Context(), unfinished.FileID), reelvault.Conflict)
	r.ledger.fail("FinishTransfer", nil)
	r.Tend(t.Context())
	if rec := r.ledger.recording(unfinished.FileID); rec.State != reelvault.RecordingReady {
		t.Errorf("got recording %+v, want it ready", rec)
	}
}

// What the catalog says of a cancellation is told, also that it is in conflict.
func TestCancelIsRefused(t *testing.T) {
	r := newRig(t)
	row := r.begin(t, "x", 10)
	r.ledger.fail("AbortTransfer", reelvault.Errorf(reelvault.Conflict, "the recording is held"))
	wantKind(t, "what the catalog refuses", r.Cancel(t.Context(), row.FileID), reelvault.Conflict)
	r.ledger.fail("AbortTransfer", nil)
	must(t, r.Cancel(t.Context(), row.FileID))
	wantLost(t, r, row)
}

// A file of which every byte came is finished rather than cancelled, but can be
// cancelled if the spool has lost it since.
func TestCancelWhole(t *testing.T) {
	tests := map[string]struct {
		spoil func(path string) error
		lost  bool
	}{
		"there":   {func(string) error { return nil }, false},
		"short":   {func(path string) error { return os.Truncate(path, 9) }, true},
		"no more": {os.Remove, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			row := r.begin(t, "x", 10)
			b := random(10)
			r.ledger.fail("FinishTransfer", errors.New("locked"))
			if _, err := r.Append(t.Context(), row.FileID, 0, bodyOf(b)); err == nil {
				t.Error("the ledger took a file while it was locked")
			}
			r.ledger.fail("FinishTransfer", nil)
			must(t, tt.spoil(filepath.Join(r.dir, row.FileID)))
			err := r.Cancel(t.Context(), row.FileID)
			if tt.lost {
				must(t, err)
				wantLost(t, r, row)
				return
			}
			wantKind(t, "a whole file", err, reelvault.Conflict)
			wantWhole(t, r, row, b)
		})
	}
}
