package upload_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// While one request sends a file, another is refused; one that has fallen
// silent gives way to it, and what it brought is kept.
func TestParallel(t *testing.T) {
	r := newRig(t)
	b := random(100)
	row := r.begin(t, "x", 100)
	sending := stalled(b[:30])
	ended := make(chan error, 1)
	go func() {
		_, err := r.Append(context.Background(), row.FileID, 0, sending)
		ended <- err
	}()
	<-sending.waits
	_, err := r.Append(t.Context(), row.FileID, 0, bodyOf(b))
	wantKind(t, "a second request", err, reelvault.Conflict)
	if got := r.find(t, row.FileID); got.Received != 0 {
		t.Errorf("%d bytes are acknowledged while the request goes on, want 0", got.Received)
	}
	r.advance(2 * time.Second)
	if got := r.find(t, row.FileID); got.Received != 30 {
		t.Errorf("%d bytes are here after the request fell silent, want 30", got.Received)
	}
	wantKind(t, "the first request", <-ended, reelvault.Conflict)
	r.send(t, row.FileID, 30, b[30:])
	wantWhole(t, r, row, b)
}

// At the end of the program requests are broken off, and what they brought is
// there after the next start.
func TestDrain(t *testing.T) {
	r := newRig(t)
	b := random(100)
	row := r.begin(t, "x", 100)
	ended := make(chan error)
	sending := stalled(b[:30])
	go func() {
		_, err := r.Append(context.Background(), row.FileID, 0, sending)
		ended <- err
	}()
	<-sending.waits
	drained := make(chan error)
	go func() { drained <- r.Drain(context.Background()) }()
	wantKind(t, "the running request", <-ended, reelvault.Unavailable)
	must(t, <-drained)
	_, err := r.Append(t.Context(), row.FileID, 30, bodyOf(b[30:]))
	wantKind(t, "a new request", err, reelvault.Unavailable)
	r.start(t)
	if got := r.find(t, row.FileID).Received; got != 30 {
		t.Errorf("%d bytes are here, want 30", got)
	}
	r.send(t, row.FileID, 30, b[30:])
	wantWhole(t, r, row, b)
}

// One participant, one session and one tenant have so many files on their way
// and no more; those that are done count no more.
func TestLimits(t *testing.T) {
	r := newRig(t)
	var rows []reelvault.Transfer
	full := func(what string) {
		t.Helper()
		_, err := r.Begin(t.Context(), r.who, media.Announced{Size: 1})
		wantKind(t, what, err, reelvault.Limited)
		var e *reelvault.Error
		if !errors.As(err, &e) || e.RetryAfter == 0 {
			t.Errorf("%s: got %v, want it to say when to come back", what, err)
		}
	}
	for _, who := range []string{"a", "b", "c", "d"} {
		r.who.ParticipantID = who
		for range 16 {
			rows = append(rows, r.begin(t, "x", 1))
		}
		full("participant")
	}
	r.who.ParticipantID = "e"
	full("session")
	r.send(t, rows[0].FileID, 0, random(1))
	must(t, r.Cancel(t.Context(), rows[1].FileID))
	r.begin(t, "x", 1)
	r.begin(t, "x", 1)
	full("session")
	r.who.SessionID = newID()
	r.begin(t, "x", 1)
	r.start(t)
	r.who.SessionID = rows[0].SessionID
	full("session, after a start")
}

// While a file comes, it is made safe again and again, and not with each read.
func TestSaves(t *testing.T) {
	r := newRig(t)
	b := random(20 << 20)
	row := r.begin(t, "x", int64(len(b)))
	r.send(t, row.FileID, 0, b)
	if n := r.ledger.notes; n < 5 || n > 6 {
		t.Errorf("20 MiB were noted %d times, want every 4 MiB", n)
	}
	slow := r.begin(t, "y", 10)
	before := r.ledger.notes
	left := 10
	_, err := r.Append(t.Context(), slow.FileID, 0, newBody(readerFunc(func(p []byte) (int, error) {
		r.advance(time.Second)
		left--
		return copy(p, "."), nil
	})))
	must(t, err)
	if n := r.ledger.notes - before; n < 4 || n > 6 {
		t.Errorf("a slow file was noted %d times in 10 s, want every 2 s", n)
	}
}

// A request that goes on at another place than the file does takes nothing, and
// refuses no good one.
func TestStrayRefusesNobody(t *testing.T) {
	r := newRig(t)
	row := r.begin(t, "x", 1)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			_, err := r.Append(ctx, row.FileID, 9, bodyOf(nil))
			wantKind(t, "a stray request", err, reelvault.Conflict)
		}
	}()
	for range 500 {
		if _, err := r.Append(ctx, row.FileID, 0, bodyOf(nil)); err != nil {
			t.Errorf("a good request: %v", err)
			break
		}
	}
	stop()
	<-ended
}
