package disk_test

import (
	"testing"

	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/disk"
	"github.com/reelvault/reelvault/storage/storagetest"
)

// A directory is an object store like any other.
func TestBlobs(t *testing.T) {
	storagetest.Blobs(t, func(t *testing.T) storage.Blobs {
		t.Helper()
		return open(t, t.TempDir())
	})
}

func open(t *testing.T, dir string) *disk.Blobs {
	t.Helper()
	b, err := disk.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}
