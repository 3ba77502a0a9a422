package upload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/upload"
)

// What one session has announced keeps no room from another: the bytes that
// come find it, or wait for it.
func TestRoomOfOthers(t *testing.T) {
	r := newRig(t)
	r.spool.set(roomOf(100), nil)
	greedy := r.begin(t, "x", 100)
	_, err := r.Begin(t.Context(), r.who, media.Announced{Size: 1})
	wantKind(t, "more of the same session", err, reelvault.StorageFull)
	session := r.who.SessionID
	r.who.SessionID = newID()
	row := r.begin(t, "y", 60)
	b := random(60)
	r.send(t, row.FileID, 0, b)
	wantWhole(t, r, row, b)
	r.who.SessionID = session
	if got := r.find(t, greedy.FileID); got.Received != 0 {
		t.Errorf("got %+v", got)
	}
}

// A disk without room is noticed with each piece, not only after megabytes of
// each of many files, and the file goes on once there is room.
func TestRoomOfEachPiece(t *testing.T) {
	r := newRig(t)
	b := random(1 << 20)
	row := r.begin(t, "x", int64(len(b)))
	r.spool.set(roomOf(-1), nil)
	got, err := r.Append(t.Context(), row.FileID, 0, bodyOf(b))
	wantKind(t, "a full disk", err, reelvault.StorageFull)
	if got.Received == 0 || got.Received > 64<<10 {
		t.Errorf("%d bytes were taken, want one piece", got.Received)
	}
	r.spool.set(nil, nil)
	r.send(t, row.FileID, got.Received, b[got.Received:])
	wantWhole(t, r, row, b)
}

// What a session may hold follows the size of one file.
func TestHeld(t *testing.T) {
	for size, want := range map[int64]int64{0: 1 << 30, 1 << 20: 1 << 30, 100 << 20: 1 << 30, 1 << 30: 10 << 30, 1 << 62: 10 * 10_000 * (8 << 20)} {
		if got := upload.Held(size); got != want {
			t.Errorf("with files of %d bytes a session holds %d, want %d", size, got, want)
		}
	}
}

// A session holds so many bytes and no more, whole and on their way together;
// what was given up or deleted does not count, nor what other sessions hold.
func TestSessionIsFull(t *testing.T) {
	r := newRig(t)
	full := func(what string, size int64) {
		t.Helper()
		_, err := r.Begin(t.Context(), r.who, media.Announced{Size: size})
		wantKind(t, what, err, reelvault.TooLarge)
		var e *reelvault.Error
		if !errors.As(err, &e) || e.Hint == "" {
			t.Errorf("%s: got %v, want a hint", what, err)
		}
	}
	r.ledger.hold(r.who, reelvault.RecordingReady, upload.Held(limit)-3*limit)
	r.ledger.hold(r.who, reelvault.RecordingDeleted, limit)
	r.ledger.hold(r.who, reelvault.RecordingFailed, limit)
	other := r.who
	other.SessionID = newID()
	r.ledger.hold(other, reelvault.RecordingReady, limit)

	first := r.begin(t, "x", limit)
	r.send(t, first.FileID, 0, random(5))
	whole := r.begin(t, "y", 5)
	r.send(t, whole.FileID, 0, random(5))
	r.begin(t, "z", limit)
	full("5 bytes too many", limit)
	r.start(t)
	full("after a start", limit)
	last := r.begin(t, "z", limit-5)
	full("1 byte too many", 1)
	r.begin(t, "an empty one", 0)
	must(t, r.Cancel(t.Context(), first.FileID))
	r.begin(t, "z", limit)
	full("1 byte too many again", 1)
	r.who.SessionID = other.SessionID
	r.begin(t, "x", limit)
	r.who.SessionID = last.SessionID
	full("still", 1)
}

// Files that hold nothing are bounded by their number.
func TestSessionOfManyFiles(t *testing.T) {
	r := newRig(t)
	for range 999 {
		r.ledger.hold(r.who, reelvault.RecordingReady, 0)
	}
	r.begin(t, "x", 0)
	_, err := r.Begin(t.Context(), r.who, media.Announced{})
	wantKind(t, "one too many", err, reelvault.TooLarge)
}

// A ledger that can't say what a session holds lets nothing in.
func TestSessionIsUnknown(t *testing.T) {
	r := newRig(t)
	r.ledger.fail("RecordingsOf", errors.New("locked"))
	_, err := r.Begin(t.Context(), r.who, media.Announced{Size: 1})
	wantKind(t, "a ledger that fails", err, reelvault.Internal)
}

// hold makes a shared file of n bytes that came before.
func (l *ledger) hold(p media.Publisher, state reelvault.RecordingState, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := newID()
	l.recordings[id] = reelvault.Recording{
		ID: newID(), TenantID: p.TenantID, SessionID: p.SessionID, Kind: reelvault.RecordingFile, State: state,
		Files: []reelvault.File{{ID: id, Bytes: n, Sealed: true}},
	}
}

// A request that still sends when its file expires takes in no more.
func TestExpiryWhileItComes(t *testing.T) {
	r := newRig(t)
	row := r.begin(t, "x", 1000)
	reads := 0
	got, err := r.Append(t.Context(), row.FileID, 0, newBody(readerFunc(func(p []byte) (int, error) {
		if reads++; reads == 2 {
			r.advance(upload.Life)
		}
		return copy(p, "0123456789"), nil
	})))
	wantKind(t, "a file that expires", err, reelvault.NotFound)
	if reads != 2 || got.Received != 20 {
		t.Errorf("%d bytes of %d reads are here, want 20 of 2", got.Received, reads)
	}
	r.Tend(t.Context())
	wantLost(t, r, row)
}

// A request that hangs on while its time passes, the file's or the one after
// the session's end, is broken off, and the file is given up.
func TestTimeIsOverWhileItComes(t *testing.T) {
	for name, pass := range map[string]func(*rig){
		"expired": func(r *rig) { r.advance(upload.Life) },
		"session": func(r *rig) {
			r.ledger.end(r.now())
			r.advance(15 * time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			row := r.begin(t, "x", 100)
			sending := stalled(random(30))
			ended := make(chan error, 1)
			go func() {
				_, err := r.Append(context.Background(), row.FileID, 0, sending)
				ended <- err
			}()
			<-sending.waits
			r.Tend(t.Context())
			select {
			case err := <-ended:
				t.Fatalf("it was broken off in time: %v", err)
			default:
			}
			pass(r)
			r.Tend(t.Context())
			if err := <-ended; err == nil {
				t.Error("the request was not broken off")
			}
			wantLost(t, r, row)
		})
	}
}

// Two sessions that fill the disk together both stop, keep what they have, and
// go on when there is room again.
func TestRoomIsShared(t *testing.T) {
	r := newRig(t)
	const each = 512 << 10
	room := int64(each + each/2)
	r.spool.set(roomOf(each), nil)
	type sent struct {
		who string
		row reelvault.Transfer
		b   []byte
	}
	var all []sent
	for i := range 2 {
		r.who.SessionID = newID()
		b := random(each)
		all = append(all, sent{r.who.SessionID, r.begin(t, fmt.Sprint(i), each), b})
	}
	taken := int64(0)
	r.spool.set(func(int64) error {
		if taken += 64 << 10; taken > room {
			return reelvault.Errorf(reelvault.StorageFull, "full")
		}
		return nil
	}, nil)
	r.send(t, all[0].row.FileID, 0, all[0].b)
	got, err := r.Append(t.Context(), all[1].row.FileID, 0, newBody(io.MultiReader(bytes.NewReader(all[1].b))))
	wantKind(t, "the second", err, reelvault.StorageFull)
	if got.Received == 0 || got.Received >= each {
		t.Errorf("%d bytes of the second are here", got.Received)
	}
	r.spool.set(nil, nil)
	r.who.SessionID = all[1].who
	if row := r.send(t, all[1].row.FileID, got.Received, all[1].b[got.Received:]); !row.Whole() {
		t.Errorf("got %+v, want it whole", row)
	}
}
