package storagetest

import (
	"bytes"
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

// Parts come in any order and make one object, which nobody sees before.
func uploadParts(t *testing.T, b storage.Blobs) {
	t.Helper()
	want := Bytes(1, 2*storage.PartSize+tail)
	u := begin(t, b, "folder/k")
	parts := make([]storage.Part, 3)
	for _, n := range []int{2, 3, 1} {
		parts[n-1] = putPart(t, b, u, n, part(want, n))
	}
	_, err := b.Stat(t.Context(), u.Key, "")
	expectRefusal(t, "Stat before Complete", err, reelvault.NotFound)
	o := complete(t, b, u, parts)
	if o.Key != u.Key || o.Size != int64(len(want)) {
		t.Errorf("Complete = %+v, want size %d", o, len(want))
	}
	expect(t, b, o, want)
}

// The same number again replaces the part: the last one counts, in the middle
// and at the end, where it may be shorter.
func partReplaced(t *testing.T, b storage.Blobs) {
	t.Helper()
	want := Bytes(1, storage.PartSize+tail)
	u := begin(t, b, "k")
	putPart(t, b, u, 1, Bytes(2, storage.PartSize))
	putPart(t, b, u, 2, Bytes(3, 3*tail))
	parts := []storage.Part{putPart(t, b, u, 1, part(want, 1)), putPart(t, b, u, 2, part(want, 2))}
	expect(t, b, complete(t, b, u, parts), want)
}

// A Complete whose reply was lost may be asked for again: same object, no
// second version.
func completeRepeatable(t *testing.T, b storage.Blobs) {
	t.Helper()
	want := Bytes(1, storage.PartSize+tail)
	u := begin(t, b, "k")
	parts := []storage.Part{putPart(t, b, u, 1, part(want, 1)), putPart(t, b, u, 2, part(want, 2))}
	o := complete(t, b, u, parts)
	if again := complete(t, b, u, parts); again != o {
		t.Errorf("second Complete = %+v, want %+v", again, o)
	}
	expect(t, b, o, want)
}

// Parts that can't make the object are refused, and the right ones still can.
func completeWrong(t *testing.T, b storage.Blobs) {
	t.Helper()
	want := Bytes(1, storage.PartSize+tail)
	u := begin(t, b, "k")
	_, err := b.PutPart(t.Context(), u, 0, bytes.NewReader(want), 1)
	expectRefusal(t, "PutPart 0", err, reelvault.Invalid)
	_, err = b.PutPart(t.Context(), u, 1, bytes.NewReader(want), 0)
	expectRefusal(t, "PutPart of no bytes", err, reelvault.Invalid)
	_, err = b.PutPart(t.Context(), u, 1, bytes.NewReader(want), storage.PartSize+1)
	expectRefusal(t, "PutPart above PartSize", err, reelvault.Invalid)
	_, err = b.PutPart(t.Context(), u, 1, bytes.NewReader(want[:10]), 11)
	expectRefusal(t, "PutPart of too few bytes", err, reelvault.Invalid)

	old := putPart(t, b, u, 1, Bytes(2, storage.PartSize))
	one, two := putPart(t, b, u, 1, part(want, 1)), putPart(t, b, u, 2, part(want, 2))
	small := one
	small.Size = tail
	for _, c := range []struct {
		name  string
		parts []storage.Part
		want  reelvault.Kind
	}{
		{"none", nil, reelvault.Invalid},
		{"wrong order", []storage.Part{two, one}, reelvault.Invalid},
		{"without the first", []storage.Part{two}, reelvault.Invalid},
		{"twice", []storage.Part{one, one}, reelvault.Invalid},
		{"small one in front", []storage.Part{small, two}, reelvault.Invalid},
		{"replaced one", []storage.Part{old, two}, reelvault.Conflict},
		{"one too many", []storage.Part{one, {Number: 2, Size: storage.PartSize, ETag: two.ETag, CRC32C: two.CRC32C + 1}, {Number: 3, Size: 1, ETag: two.ETag}}, reelvault.Conflict},
	} {
		_, err = b.Complete(t.Context(), u, c.parts)
		expectRefusal(t, "Complete with "+c.name, err, c.want)
	}
	_, err = b.Stat(t.Context(), u.Key, "")
	expectRefusal(t, "Stat", err, reelvault.NotFound)
	expect(t, b, complete(t, b, u, []storage.Part{one, two}), want)
}

// Complete does not overwrite an object with other bytes.
func completeTaken(t *testing.T, b storage.Blobs) {
	t.Helper()
	want := Bytes(1, tail)
	u := begin(t, b, "k")
	parts := []storage.Part{putPart(t, b, u, 1, Bytes(2, tail))}
	o := put(t, b, "k", want)
	_, err := b.Complete(t.Context(), u, parts)
	expectRefusal(t, "Complete", err, reelvault.Conflict)
	expect(t, b, o, want)
	newest, err := b.Stat(t.Context(), "k", "")
	expectDone(t, "Stat", err)
	if newest != o {
		t.Errorf("newest = %+v, want %+v", newest, o)
	}
}

// A second upload of a key drops the first.
func beginAgain(t *testing.T, b storage.Blobs) {
	t.Helper()
	want := Bytes(1, tail)
	first := begin(t, b, "k")
	putPart(t, b, first, 1, Bytes(2, tail))
	other := begin(t, b, "kk")
	second := begin(t, b, "k")
	_, err := b.PutPart(t.Context(), first, 1, bytes.NewReader(want), tail)
	expectRefusal(t, "PutPart to the first", err, reelvault.NotFound)
	for _, u := range []storage.Upload{second, other} {
		expect(t, b, complete(t, b, u, []storage.Part{putPart(t, b, u, 1, want)}), want)
	}
}

// What is aborted leaves nothing.
func abort(t *testing.T, b storage.Blobs) {
	t.Helper()
	u := begin(t, b, "k")
	p := putPart(t, b, u, 1, Bytes(1, tail))
	expectDone(t, "Abort", b.Abort(t.Context(), u))
	expectDone(t, "second Abort", b.Abort(t.Context(), u))
	_, err := b.Complete(t.Context(), u, []storage.Part{p})
	if err == nil {
		t.Error("Complete made an object of an aborted upload")
	}
	_, err = b.Stat(t.Context(), u.Key, "")
	expectRefusal(t, "Stat", err, reelvault.NotFound)
}
