package sqlite_test

import (
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/sqlite"
	"github.com/reelvault/reelvault/storage/storagetest"
)

// open opens the catalog at path and closes it with the test.
func open(tb testing.TB, path string) *sqlite.Catalog {
	tb.Helper()
	c, err := sqlite.Open(tb.Context(), path, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// dbPath gives a path for a catalog in a folder of its own.
func dbPath(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "catalog.db")
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func asError(t *testing.T, err error) *reelvault.Error {
	t.Helper()
	var e *reelvault.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an error with a kind", err)
	}
	return e
}

// SQLite keeps every promise of the contract.
func TestCatalog(t *testing.T) {
	storagetest.Catalog(t, func(t *testing.T) storage.Catalog {
		t.Helper()
		return open(t, dbPath(t))
	})
}

// The catalog holds names and hashes, so nobody but its owner may read it,
// whatever the umask.
func TestPermissions(t *testing.T) {
	path := dbPath(t)
	open(t, path)
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 2 {
		t.Fatalf("got files %v, %v; want the database and its WAL", files, err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("%s has mode %o, want 600", filepath.Base(file), got)
		}
	}
}

// A path may hold whatever a file name may hold.
func TestPathOfAnyKind(t *testing.T) {
	for _, name := range []string{"a b?mode=ro#x", "100%.db", "file:x", "ž\"'"} {
		path := filepath.Join(t.TempDir(), name)
		open(t, path)
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// The audit log can't be changed through any connection.
func TestAuditAppendOnly(t *testing.T) {
	path := dbPath(t)
	c := open(t, path)
	e := reelvault.AuditEvent{ID: newID(), At: time.UnixMilli(1), Outcome: "denied"}
	if err := c.Append(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	db := raw(t, path)
	for _, statement := range []string{
		`UPDATE audit SET outcome = 'ok'`,
		`DELETE FROM audit`,
		`REPLACE INTO audit SELECT id, '', 1, '', '', '', '', 'ok', '', '' FROM audit`,
		`INSERT INTO audit SELECT * FROM audit WHERE true ON CONFLICT DO UPDATE SET outcome = 'ok'`,
	} {
		_, err := db.ExecContext(t.Context(), statement)
		if err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s gives %v, want it refused as append-only", statement, err)
		}
	}
	got, _, err := c.Audit(t.Context(), "", storage.Page{Limit: 2})
	if err != nil || len(got) != 1 || got[0].Outcome != "denied" {
		t.Errorf("the log holds %+v, %v; want the one event", got, err)
	}
}

// The activity log can't be changed through any connection, and no number can
// be left out. Neither can what guests were asked to agree to.
func TestActivitiesAppendOnly(t *testing.T) {
	path := dbPath(t)
	c := open(t, path)
	if err := fillCalls(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	db := raw(t, path)
	const columns = `seq, id, tenant_id, session_id, at, type, actor, participant_id, text, data, file_id, client_id`
	rest := strings.TrimPrefix(columns, "seq, id, ")
	for statement, want := range map[string]string{
		`UPDATE activities SET text = ''`:                  "append-only",
		`DELETE FROM activities`:                           "append-only",
		`REPLACE INTO activities SELECT * FROM activities`: "append-only",
		`INSERT INTO activities SELECT * FROM activities WHERE true ON CONFLICT DO UPDATE SET text = ''`:              "append-only",
		`REPLACE INTO activities (` + columns + `) SELECT 3, id, ` + rest + ` FROM activities`:                        "append-only",
		`REPLACE INTO activities (` + columns + `) SELECT 3, 'new', ` + rest + ` FROM activities LIMIT 1`:             "append-only",
		`INSERT INTO activities (` + columns + `) SELECT 9, 'new', ` + rest + ` FROM activities WHERE client_id = ''`: "append-only",
		`UPDATE consent_texts SET text = ''`: "agreed",
		`DELETE FROM consent_texts`:          "agreed",
		`REPLACE INTO consent_texts SELECT tenant_id, version, '', '' FROM consent_texts`: "agreed",
	} {
		_, err := db.ExecContext(t.Context(), statement)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want it refused as %q", statement, err, want)
		}
	}
	readCalls(t, c)
}

// raw opens the database beside the catalog.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Another program on the same file, such as the admin command, writes and
// reads beside the server.
func TestTwoPrograms(t *testing.T) {
	path := dbPath(t)
	server := open(t, path)
	admin, err := sqlite.Attach(t.Context(), path, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	const each = 50
	var wg sync.WaitGroup
	for _, c := range []*sqlite.Catalog{server, admin} {
		wg.Go(func() {
			for range each {
				tenant := reelvault.Tenant{ID: newID(), Name: newID()}
				if failed := c.CreateTenant(t.Context(), tenant); failed != nil {
					t.Error(failed)
				}
			}
		})
	}
	wg.Wait()
	if err = admin.Close(); err != nil {
		t.Error(err)
	}
	got, _, err := server.Tenants(t.Context(), storage.Page{Limit: 3 * each})
	if err != nil || len(got) != 2*each {
		t.Errorf("got %d tenants, %v; want %d", len(got), err, 2*each)
	}
}

// While another program holds the write lock for longer than we wait, writes
// are told that it is in use, reads go on, and afterwards all is as before.
func TestBusy(t *testing.T) {
	path := dbPath(t)
	c := open(t, path)
	db := raw(t, path)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // closed with its handle
	if _, err := conn.ExecContext(t.Context(), `BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(t.Context()); reelvault.KindOf(err) != reelvault.Unavailable {
		t.Errorf("a write gives %v, want %s", err, reelvault.Unavailable)
	}
	if _, _, err := c.Tenants(t.Context(), storage.Page{Limit: 1}); err != nil {
		t.Errorf("a read gives %v", err)
	}
	if _, err := conn.ExecContext(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(t.Context()); err != nil {
		t.Errorf("after the lock is gone a write gives %v", err)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16, 128} {
		b.Run(strconv.Itoa(writers), func(b *testing.B) {
			c := open(b, dbPath(b))
			var wg sync.WaitGroup
			n := b.N
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for range n / writers {
						if err := c.Append(b.Context(), reelvault.AuditEvent{ID: newID(), At: time.UnixMilli(1)}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func BenchmarkSession(b *testing.B) {
	c := open(b, dbPath(b))
	tenant := reelvault.Tenant{ID: newID(), Name: "bench"}
	if err := c.CreateTenant(b.Context(), tenant); err != nil {
		b.Fatal(err)
	}
	s := reelvault.Session{ID: newID(), TenantID: tenant.ID}
	if _, _, err := c.CreateSession(b.Context(), s); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.Session(b.Context(), tenant.ID, s.ID); err != nil {
			b.Fatal(err)
		}
	}
}
