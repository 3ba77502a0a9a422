package sqlite_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/sqlite"
	"github.com/reelvault/reelvault/storage/storagetest"
)

// open opens the catalog at path and closes it with the test.
func open(t testing.TB, path string) *sqlite.Catalog {
	t.Helper()
	c, err := sqlite.Open(t.Context(), path, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// SQLite keeps every promise of the contract.
func TestCatalog(t *testing.T) {
	storagetest.Catalog(t, func(t *testing.T) storage.Catalog {
		return open(t, filepath.Join(t.TempDir(), "catalog.db"))
	})
}

