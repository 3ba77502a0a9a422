package storagetest

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

// tail is the size of the last part of the suite's uploads.
const tail = 1000

// Bytes gives n bytes that follow from seed and from nothing else, and don't
// compress.
func Bytes(seed byte, n int) []byte {
	p := make([]byte, n)
	source := rand.NewChaCha8([32]byte{seed})
	_, _ = source.Read(p) // documented never to fail
	return p
}

// Blobs runs the suite over an object store. open gives a store without
// objects; the suite doesn't close it.
func Blobs(t *testing.T, open func(t *testing.T) storage.Blobs) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, storage.Blobs){
		"put and read":                 putAndRead,
		"put is repeatable":            putRepeatable,
		"put of too few bytes":         putShort,
		"put by many at once":          putRace,
		"hostile keys":                 hostileKeys,
		"missing things":               missing,
		"upload in parts":              uploadParts,
		"part replaced":                partReplaced,
		"complete is repeatable":       completeRepeatable,
		"complete with wrong parts":    completeWrong,
		"complete over another object": completeTaken,
		"begin again":                  beginAgain,
		"abort":                        abort,
		"remove":                       remove,
		"ranges":                       ranges,
		"sizes that are not so":        wrongSizes,
		"canceled":                     canceled,
		"check":                        check,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// What was put is found under its key and read back, an empty object, too.
func putAndRead(t *testing.T, b storage.Blobs) {
	t.Helper()
	for name, want := range map[string][]byte{
		"a":               Bytes(1, 1),
		"folder/b.webm":   Bytes(2, 70_000),
		"folder/empty":    {},
		"x/y/z/A-b_c.0.d": Bytes(3, 4096),
	} {
		o := put(t, b, name, want)
		if o.Key != name || o.Size != int64(len(want)) {
			t.Errorf("Put(%q) = %+v, want size %d", name, o, len(want))
		}
		expect(t, b, o, want)
	}
}

// The same bytes again are the same object; others are refused and change
// nothing.
func putRepeatable(t *testing.T, b storage.Blobs) {
	t.Helper()
	want := Bytes(1, 5000)
	o := put(t, b, "k", want)
	if again := put(t, b, "k", want); again != o {
		t.Errorf("second Put = %+v, want %+v", again, o)
	}
	for name, other := range map[string][]byte{"same size": Bytes(2, 5000), "shorter": want[:4999], "empty": {}} {
		_, err := b.Put(t.Context(), "k", bytes.NewReader(other), int64(len(other)))
		expectRefusal(t, "Put "+name, err, reelvault.Conflict)
	}
	expect(t, b, o, want)
}

// A source with fewer bytes than announced stores nothing.
func putShort(t *testing.T, b storage.Blobs) {
	t.Helper()
	_, err := b.Put(t.Context(), "k", bytes.NewReader(Bytes(1, 10)), 11)
	expectRefusal(t, "Put", err, reelvault.Invalid)
	_, err = b.Put(t.Context(), "k", bytes.NewReader(nil), storage.PartSize+1)
	expectRefusal(t, "Put above PartSize", err, reelvault.Invalid)
	_, err = b.Stat(t.Context(), "k", "")
	expectRefusal(t, "Stat", err, reelvault.NotFound)
}

// Of many that put other bytes under one key, one wins; who has the winner's
// bytes succeeds with it.
func putRace(t *testing.T, b storage.Blobs) {
	t.Helper()
	const writers = 8
	objects, errs := make([]storage.Object, writers), make([]error, writers)
	contents := [][]byte{Bytes(0, 20_000), Bytes(1, 20_000)}
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			objects[i], errs[i] = b.Put(t.Context(), "k", bytes.NewReader(contents[i%2]), 20_000)
		})
	}
	wg.Wait()
	won := -1
	for i, err := range errs {
		if err != nil {
			// A store may be too busy with the other writers to say who won.
			if kind := reelvault.KindOf(err); kind != reelvault.Conflict && kind != reelvault.Unavailable {
				t.Errorf("Put by %d: %v", i, err)
			}
			continue
		}
		if won < 0 {
			won = i
		}
		if i%2 != won%2 || objects[i] != objects[won] {
			t.Errorf("Put by %d = %+v, Put by %d = %+v, want one object", i, objects[i], won, objects[won])
		}
	}
	if won < 0 {
		t.Fatalf("nobody won: %v", errors.Join(errs...))
	}
	expect(t, b, objects[won], contents[won%2])
}

// No method takes a key that could mean something outside the store, or
// something else in another store.
func hostileKeys(t *testing.T, b storage.Blobs) {
	t.Helper()
	for _, key := range []string{
		"", "/", "/etc/passwd", "..", "../x", "a/../b", "a/..", ".", "./a", "a/./b", "a//b", "a/", "a\\b", "C:\\x",
		"a\x00b", "a\nb", "a b", "a%2e%2e", "a?versionId=1", "é", "\u202egpj", "a/.hidden", strings.Repeat("a", 256), strings.Repeat("a/", 512) + "b",
	} {
		u := storage.Upload{Key: key, ID: "id"}
		part := storage.Part{Number: 1, Size: 1, ETag: "x"}
		_, err := b.Put(t.Context(), key, bytes.NewReader([]byte("x")), 1)
		expectRefusal(t, "Put "+key, err, reelvault.Invalid)
		_, err = b.Begin(t.Context(), key)
		expectRefusal(t, "Begin "+key, err, reelvault.Invalid)
		_, err = b.PutPart(t.Context(), u, 1, bytes.NewReader([]byte("x")), 1)
		expectRefusal(t, "PutPart "+key, err, reelvault.Invalid)
		_, err = b.Complete(t.Context(), u, []storage.Part{part})
		expectRefusal(t, "Complete "+key, err, reelvault.Invalid)
		expectRefusal(t, "Abort "+key, b.Abort(t.Context(), u), reelvault.Invalid)
		_, err = b.Open(t.Context(), storage.Object{Key: key, Size: 1}, 0, 1)
		expectRefusal(t, "Open "+key, err, reelvault.Invalid)
		_, err = b.Stat(t.Context(), key, "")
		expectRefusal(t, "Stat "+key, err, reelvault.Invalid)
		expectRefusal(t, "Remove "+key, b.Remove(t.Context(), storage.Object{Key: key}), reelvault.Invalid)
	}
}

// What isn't there is NotFound to who wants it, and no error to who wants it
// gone.
func missing(t *testing.T, b storage.Blobs) {
	t.Helper()
	o := storage.Object{Key: "folder/none", Size: 1}
	_, err := b.Stat(t.Context(), o.Key, "")
	expectRefusal(t, "Stat", err, reelvault.NotFound)
	_, err = b.Open(t.Context(), o, 0, -1)
	expectRefusal(t, "Open", err, reelvault.NotFound)
	expectDone(t, "Remove", b.Remove(t.Context(), o))
	u, err := b.Begin(t.Context(), o.Key)
	expectDone(t, "Begin", err)
	expectDone(t, "Abort", b.Abort(t.Context(), u))
	// An id that the store gave and forgot, and ids that it never gave.
	for _, id := range []string{u.ID, "", "..", "../../objects", "none", "a/b"} {
		gone := storage.Upload{Key: o.Key, ID: id}
		_, err = b.PutPart(t.Context(), gone, 1, bytes.NewReader([]byte("x")), 1)
		expectRefusal(t, "PutPart "+id, err, reelvault.NotFound)
		_, err = b.Complete(t.Context(), gone, []storage.Part{{Number: 1, Size: 1, ETag: "x"}})
		if kind := reelvault.KindOf(err); err == nil || kind != reelvault.NotFound && kind != reelvault.Conflict {
			t.Errorf("Complete %q: %v, want not-found or conflict", id, err)
		}
		expectDone(t, "Abort "+id, b.Abort(t.Context(), gone))
	}
}

// Remove takes what it names, by version or altogether, and nothing beside it.
// The key is free then.
func remove(t *testing.T, b storage.Blobs) {
	t.Helper()
	want := Bytes(1, tail)
	beside := []storage.Object{put(t, b, "folder/k2", want), put(t, b, "folder/kk", want)}
	for _, version := range []string{"its own", ""} {
		o := put(t, b, "folder/k", want)
		named := o
		if version == "" {
			named.Version = ""
		}
		expectDone(t, "Remove", b.Remove(t.Context(), named))
		expectDone(t, "second Remove", b.Remove(t.Context(), named))
		_, err := b.Stat(t.Context(), o.Key, "")
		expectRefusal(t, "Stat", err, reelvault.NotFound)
		_, err = b.Open(t.Context(), o, 0, -1)
		expectRefusal(t, "Open", err, reelvault.NotFound)
	}
	expect(t, b, put(t, b, "folder/k", Bytes(2, tail)), Bytes(2, tail))
	for _, o := range beside {
		expect(t, b, o, want)
	}
	u := begin(t, b, "folder/u")
	putPart(t, b, u, 1, want)
	expectDone(t, "Remove with an upload", b.Remove(t.Context(), storage.Object{Key: u.Key}))
	_, err := b.PutPart(t.Context(), u, 1, bytes.NewReader(want), tail)
	expectRefusal(t, "PutPart", err, reelvault.NotFound)
}

// A range is exactly what was asked for.
func ranges(t *testing.T, b storage.Blobs) {
	t.Helper()
	const size = 100_000
	want := Bytes(1, size)
	o := put(t, b, "k", want)
	for _, r := range [][2]int64{{0, size}, {0, 1}, {0, -1}, {1, -1}, {size - 1, 1}, {size - 1, -1}, {size, 0}, {size, -1}, {50_000, 0}, {33_333, 44_444}} {
		got, err := read(t.Context(), b, o, r[0], r[1])
		end := r[0] + r[1]
		if r[1] < 0 {
			end = size
		}
		if err != nil || !bytes.Equal(got, want[r[0]:end]) {
			t.Errorf("range %v: %d bytes and %v, want %d", r, len(got), err, end-r[0])
		}
	}
	for _, r := range [][2]int64{{-1, 1}, {0, size + 1}, {size + 1, 0}, {size + 1, -1}, {size, 1}, {1 << 62, 1 << 62}} {
		_, err := b.Open(t.Context(), o, r[0], r[1])
		expectRefusal(t, "Open outside", err, reelvault.Invalid)
	}
}

// An object that has another size than was stored never reads as if it were
// whole.
func wrongSizes(t *testing.T, b storage.Blobs) {
	t.Helper()
	want := Bytes(1, tail)
	for _, size := range []int64{tail - 1, tail + 1, 2 * tail} {
		o := put(t, b, "k", want)
		o.Size = size
		if got, err := read(t.Context(), b, o, 0, -1); err == nil {
			t.Errorf("%d bytes read where %d were stored and %d were asked for, without an error", len(got), tail, size)
		}
	}
}

// Who gives up is told so, and nothing is stored.
func canceled(t *testing.T, b storage.Blobs) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Put(ctx, "k", bytes.NewReader(Bytes(1, tail)), tail)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Put: %v, want %v", err, context.Canceled)
	}
	u := begin(t, b, "k")
	_, err = b.PutPart(ctx, u, 1, bytes.NewReader(Bytes(1, tail)), tail)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("PutPart: %v, want %v", err, context.Canceled)
	}
	_, err = b.Stat(t.Context(), "k", "")
	expectRefusal(t, "Stat", err, reelvault.NotFound)
}

// A store that works says so, again and again.
func check(t *testing.T, b storage.Blobs) {
	t.Helper()
	for range 2 {
		expectDone(t, "Check", b.Check(t.Context()))
	}
}
