package storagetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

func put(t *testing.T, b storage.Blobs, key string, p []byte) storage.Object {
	t.Helper()
	o, err := b.Put(t.Context(), key, bytes.NewReader(p), int64(len(p)))
	if err != nil {
		t.Fatalf("Put(%q): %v", key, err)
	}
	return o
}

func begin(t *testing.T, b storage.Blobs, key string) storage.Upload {
	t.Helper()
	u, err := b.Begin(t.Context(), key)
	if err != nil {
		t.Fatalf("Begin(%q): %v", key, err)
	}
	return u
}

func putPart(t *testing.T, b storage.Blobs, u storage.Upload, number int, p []byte) storage.Part {
	t.Helper()
	part, err := b.PutPart(t.Context(), u, number, bytes.NewReader(p), int64(len(p)))
	if err != nil {
		t.Fatalf("PutPart(%d): %v", number, err)
	}
	return part
}

func complete(t *testing.T, b storage.Blobs, u storage.Upload, parts []storage.Part) storage.Object {
	t.Helper()
	o, err := b.Complete(t.Context(), u, parts)
	if err != nil {
		t.Fatalf("Complete: %v", err)
	}
	return o
}

// part gives the bytes of part number of p.
func part(p []byte, number int) []byte {
	return slices.Collect(slices.Chunk(p, storage.PartSize))[number-1]
}

func read(ctx context.Context, b storage.Blobs, o storage.Object, off, n int64) ([]byte, error) {
	r, err := b.Open(ctx, o, off, n)
	if err != nil {
		return nil, err
	}
	p, err := io.ReadAll(r)
	return p, errors.Join(err, r.Close())
}

// expect reads o back, finds it by its version, and finds it to be want.
func expect(t *testing.T, b storage.Blobs, o storage.Object, want []byte) {
	t.Helper()
	got, err := read(t.Context(), b, o, 0, -1)
	if err != nil {
		t.Errorf("read %q: %v", o.Key, err)
	} else if !bytes.Equal(got, want) {
		t.Errorf("read %q: %d bytes that are not the %d stored", o.Key, len(got), len(want))
	}
	found, err := b.Stat(t.Context(), o.Key, o.Version)
	if err != nil || found != o {
		t.Errorf("Stat(%q) = %+v, %v, want %+v", o.Key, found, err, o)
	}
}

func expectDone(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func expectRefusal(t *testing.T, what string, err error, want reelvault.Kind) {
	t.Helper()
	if err == nil || reelvault.KindOf(err) != want {
		t.Errorf("%.60q: %v (kind %v), want kind %v", what, err, reelvault.KindOf(err), want)
	}
}
