package reelvault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
)

// Kinds are named in problems and logs; the zero kind is a fault of ours.
func TestKindNames(t *testing.T) {
	want := []string{
		"internal", "invalid", "unauthenticated", "forbidden", "not-found", "conflict", "stale", "too-large",
		"unsupported", "not-acceptable", "limited", "unavailable", "storage-full",
	}
	for i, name := range want {
		if got := reelvault.Kind(i).String(); got != name {
			t.Errorf("kind %d: got %s, want %s", i, got, name)
		}
	}
	if got := reelvault.StorageFull; int(got) != len(want)-1 {
		t.Errorf("got %d as the last kind, want %d: give the new one its name here", got, len(want)-1)
	}
	for _, unknown := range []reelvault.Kind{reelvault.Kind(len(want)), 255} {
		if got, w := unknown.String(), fmt.Sprintf("kind(%d)", uint8(unknown)); got != w {
			t.Errorf("got %s, want %s", got, w)
		}
	}
}

// The kind is that of the outermost Error, however deep it is wrapped; what
// nobody classified is internal.
func TestKindOf(t *testing.T) {
	full := reelvault.Errorf(reelvault.StorageFull, "no room")
	retold := &reelvault.Error{Kind: reelvault.Unavailable, Message: "not now", Cause: full}
	for _, tt := range []struct {
		name string
		err  error
		want reelvault.Kind
	}{
		{"nil", nil, reelvault.Internal},
		{"a stranger", io.EOF, reelvault.Internal},
		{"a context", context.Canceled, reelvault.Internal},
		{"itself", full, reelvault.StorageFull},
		{"wrapped", fmt.Errorf("write head: %w", full), reelvault.StorageFull},
		{"wrapped twice", fmt.Errorf("seal: %w", fmt.Errorf("write head: %w", full)), reelvault.StorageFull},
		{"joined", errors.Join(io.EOF, full), reelvault.StorageFull},
		{"told anew", retold, reelvault.Unavailable},
		{"told anew and wrapped", fmt.Errorf("archive: %w", retold), reelvault.Unavailable},
		{"zero", &reelvault.Error{}, reelvault.Internal},
	} {
		if got := reelvault.KindOf(tt.err); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// An error keeps its parts for their readers through any wrapping, and prints
// the message and the cause, each once.
func TestErrorParts(t *testing.T) {
	cause := fmt.Errorf("pwrite: %w", io.ErrShortWrite)
	made := &reelvault.Error{
		Kind: reelvault.Limited, Message: "too many offers", Hint: "raise the limit", Location: "query.limit",
		RetryAfter: time.Second, Cause: cause,
	}
	err := fmt.Errorf("answer offer: %w", made)
	var got *reelvault.Error
	if !errors.As(err, &got) || got != made {
		t.Fatalf("got %v out of the chain, want the error itself", got)
	}
	if !errors.Is(err, io.ErrShortWrite) {
		t.Error("the cause is not in the chain")
	}
	if want := "answer offer: too many offers: pwrite: short write"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	made.Cause = nil
	if want := "too many offers"; made.Error() != want {
		t.Errorf("without a cause: got %q, want %q", made, want)
	}
	if errors.Is(err, io.ErrShortWrite) || errors.Unwrap(made) != nil {
		t.Error("without a cause: got one")
	}
}

// Errorf formats its message; a %w puts the cause into the chain, too, and
// tells it once.
func TestErrorf(t *testing.T) {
	plain := reelvault.Errorf(reelvault.Conflict, "the recording is %s", reelvault.RecordingReady)
	if plain.Kind != reelvault.Conflict || plain.Message != "the recording is ready" || plain.Cause != nil || plain.Error() != plain.Message {
		t.Errorf("got %+v", plain)
	}
	wrapping := reelvault.Errorf(reelvault.Invalid, "read %q: %w", "body", io.ErrUnexpectedEOF)
	if want := `read "body": unexpected EOF`; wrapping.Message != want || wrapping.Error() != want {
		t.Errorf("got message %q and text %q, want %q for both", wrapping.Message, wrapping, want)
	}
	if !errors.Is(wrapping, io.ErrUnexpectedEOF) {
		t.Error("the cause is not in the chain")
	}
	inner := reelvault.Errorf(reelvault.NotFound, "no such file")
	outer := reelvault.Errorf(reelvault.Unavailable, "open: %w", inner)
	if got := reelvault.KindOf(outer); got != reelvault.Unavailable {
		t.Errorf("got kind %s of the outer one, want %s", got, reelvault.Unavailable)
	}
	if got := reelvault.KindOf(errors.Unwrap(outer)); got != reelvault.NotFound {
		t.Errorf("got kind %s of the cause, want %s", got, reelvault.NotFound)
	}
}
