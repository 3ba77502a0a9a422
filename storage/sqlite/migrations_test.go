package sqlite_test

import (
	"bytes"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/sqlite"
)

// newestSchema is the version of the newest migration.
const newestSchema = "v4"

var update = flag.Bool("update", false, "write the fixture of the newest schema")

// The fixture of each release stays as that release wrote it: -update writes
// that of the newest schema only, which is done once, before its release.
func TestWriteFixture(t *testing.T) {
	path := filepath.Join("testdata", newestSchema+".db")
	if !*update {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%v; write it with -update", err)
		}
		return
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	c := open(t, path)
	if err := fill(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// fixtures gives a copy of the database of every release.
func fixtures(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/v*.db")
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no fixtures: %v", err)
	}
	var copies []string
	for _, path := range paths {
		copies = append(copies, copyFile(t, path, filepath.Join(t.TempDir(), filepath.Base(path))))
	}
	return copies
}

func copyFile(t *testing.T, from, to string) string {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

// What any release wrote is read by this one.
func TestFixtures(t *testing.T) {
	for _, path := range fixtures(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			c := open(t, path)
			readBack(t, c)
			release := strings.TrimSuffix(filepath.Base(path), ".db")
			if release != newestSchema {
				wantCopy(t, path)
			}
			if release != "v1" { // which knew no timings
				timing, err := c.Timing(t.Context(), fixtureFile.ID)
				wantSame(t, "timing", timing, err, fixtureTiming)
			}
			// What an older release knows nothing of can be written after it.
			if release < "v3" {
				must(t, fillCalls(t.Context(), c))
			}
			readCalls(t, c)
			if release < "v4" {
				must(t, fillFiles(t.Context(), c))
			}
			readFiles(t, c)
		})
	}
}

// readCalls fails unless c holds what fillCalls wrote.
func readCalls(t *testing.T, c *sqlite.Catalog) {
	t.Helper()
	ctx := t.Context()
	tenant, err := c.TenantNamed(ctx, fixtureCalls.Name)
	wantSame(t, "tenant with calls", tenant, err, fixtureCalls)
	call, err := c.Session(ctx, tenant.ID, fixtureCall.ID)
	call.Recordings = 0 // whatever a later release put into it
	wantSame(t, "call", call, err, fixtureCall)
	activities, err := c.Activities(ctx, storage.ActivityFilter{TenantID: tenant.ID, Limit: 9})
	wantSame(t, "activities", activities, err, fixtureActivities)
	invitation, err := c.Credential(ctx, fixtureInvitation.Kind, fixtureInvitation.Hash, fixtureTime)
	wantSame(t, "invitation", invitation, err, fixtureInvitation)
	_, err = c.UpdateTenant(ctx, tenant.ID, func(x *reelvault.Tenant) error {
		x.Consent.Text = "another text"
		return nil
	})
	if reelvault.KindOf(err) != reelvault.Conflict {
		t.Errorf("another text under a version that was used: got %v, want a conflict", err)
	}
}

// readFiles fails unless c holds what fillFiles wrote.
func readFiles(t *testing.T, c *sqlite.Catalog) {
	t.Helper()
	shared, err := c.Recording(t.Context(), fixtureCalls.ID, fixtureShared.ID)
	wantSame(t, "shared file", shared, err, fixtureShared)
	transfers, err := c.Transfers(t.Context())
	wantSame(t, "transfers", transfers, err, []reelvault.Transfer{fixtureTransfer})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantSame(t *testing.T, what string, got any, err error, want any) {
	t.Helper()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v, %v\nwant %+v", what, got, err, want)
	}
}

// wantCopy fails unless a copy was made before the migration.
func wantCopy(t *testing.T, path string) {
	t.Helper()
	if copies, err := filepath.Glob(path + ".before-*"); err != nil || len(copies) != 1 {
		t.Errorf("copies made before the migration: %v, %v; want one", copies, err)
	}
}

// readBack fails unless c holds what fill wrote.
func readBack(t *testing.T, c *sqlite.Catalog) {
	t.Helper()
	ctx := t.Context()
	tenant, err := c.TenantNamed(ctx, fixtureTenant.Name)
	wantSame(t, "tenant", tenant, err, fixtureTenant)
	sessions, _, err := c.Sessions(ctx, storage.SessionFilter{TenantID: tenant.ID}, storage.Page{Limit: 9})
	wantSame(t, "sessions", sessions, err, []reelvault.Session{fixtureSession})
	recordings, err := c.RecordingsOf(ctx, tenant.ID, fixtureSession.ID)
	wantSame(t, "recordings", recordings, err, []reelvault.Recording{fixtureRecording})
	upload, err := c.Upload(ctx, fixtureFile.ID)
	wantSame(t, "upload", upload, err, "upload-1")
	people, err := c.People(ctx, tenant.ID)
	wantSame(t, "people", people, err, []reelvault.Person{fixturePerson})
	token, err := c.Credential(ctx, fixtureToken.Kind, fixtureToken.Hash, fixtureTime)
	wantSame(t, "token", token, err, fixtureToken)
	ticket, err := c.Credential(ctx, fixtureTicket.Kind, fixtureTicket.Hash, fixtureTime)
	wantSame(t, "ticket", ticket, err, fixtureTicket)
	events, _, err := c.Audit(ctx, tenant.ID, storage.Page{Limit: 9})
	wantSame(t, "audit", events, err, []reelvault.AuditEvent{fixtureEvent})
}

// openErr opens a catalog that must be refused, and gives the refusal.
func openErr(t *testing.T, path string) *reelvault.Error {
	t.Helper()
	c, err := sqlite.Open(t.Context(), path, time.Now, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("it was opened", c.Close())
	}
	if !strings.Contains(err.Error(), path) {
		t.Errorf("the error %q does not name %s", err, path)
	}
	return asError(t, err)
}

// doctor changes a database behind the catalog's back.
func doctor(t *testing.T, path string, statements ...string) {
	t.Helper()
	db := raw(t, path)
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A database of a newer release is refused, says what to do, and is not
// touched.
func TestNewerSchema(t *testing.T) {
	for _, path := range fixtures(t) {
		doctor(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`)
		before := contents(t, path)
		err := openErr(t, path)
		if err.Kind != reelvault.Conflict || !strings.Contains(err.Message, "999") || err.Hint == "" {
			t.Errorf("got %s %q with hint %q, want a conflict that names version 999 and a hint", err.Kind, err.Message, err.Hint)
		}
		if !bytes.Equal(contents(t, path), before) {
			t.Error("the file was changed")
		}
		if files, _ := filepath.Glob(path + ".before*"); len(files) != 0 {
			t.Errorf("it was copied to %v", files)
		}
	}
}

// older makes a database as a release before the first migration would have
// left it, with a table of its own.
func older(t *testing.T) string {
	t.Helper()
	path := dbPath(t)
	doctor(t, path,
		`CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL,
			is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))`,
		`INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1)`,
		`CREATE TABLE keepsake (word TEXT)`,
		`INSERT INTO keepsake VALUES ('here')`)
	return path
}

func keepsake(t *testing.T, path string) string {
	t.Helper()
	db := raw(t, path)
	defer db.Close() //nolint:errcheck // only read from
	var word string
	if err := db.QueryRowContext(t.Context(), `SELECT word FROM keepsake`).Scan(&word); err != nil {
		t.Fatal(err)
	}
	return word
}

// Before a migration the file is copied; the copy is whole and of the state
// before. What an earlier attempt left half done is no hindrance.
func TestMigrationCopiesFirst(t *testing.T) {
	path := older(t)
	if err := os.WriteFile(path+".before-1.part", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, path)
	if err := fill(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	readBack(t, c)
	if got := keepsake(t, path+".before-1"); got != "here" {
		t.Errorf("the copy holds %q, want here", got)
	}
	if _, err := sqlite.Attach(t.Context(), path+".before-1", time.Now, slog.New(slog.DiscardHandler)); reelvault.KindOf(err) != reelvault.Conflict {
		t.Errorf("attaching to the older copy gives %v, want a conflict", err)
	}
	if files, _ := filepath.Glob(path + ".before*"); len(files) != 1 {
		t.Errorf("there are copies %v, want one", files)
	}
}

// A catalog that is new or up to date is not copied.
func TestNoCopyWithoutMigration(t *testing.T) {
	path := dbPath(t)
	for range 2 {
		if err := open(t, path).Close(); err != nil {
			t.Fatal(err)
		}
	}
	if files, _ := filepath.Glob(path + "?*"); len(files) != 0 {
		t.Errorf("beside the catalog there is %v", files)
	}
}

// A migration that fails leaves the catalog as it was, and the copy beside it.
func TestMigrationFails(t *testing.T) {
	path := older(t)
	doctor(t, path, `CREATE TABLE recordings (id TEXT)`)
	err := openErr(t, path)
	if err.Kind != reelvault.Internal || err.Hint == "" {
		t.Errorf("got %s %q with hint %q, want a hint", err.Kind, err.Message, err.Hint)
	}
	for _, file := range []string{path, path + ".before-1"} {
		if got := keepsake(t, file); got != "here" {
			t.Errorf("%s holds %q, want here", filepath.Base(file), got)
		}
	}
	db := raw(t, path)
	var tables int
	if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM sqlite_master WHERE name = 'tenants'`).Scan(&tables); err != nil || tables != 0 {
		t.Errorf("%d tables of the failed migration are left, %v", tables, err)
	}
}

// When the copy can't be made, the migration doesn't begin.
func TestCopyFails(t *testing.T) {
	path := older(t)
	// A folder under the copy's name can't be replaced by a file.
	if err := os.MkdirAll(filepath.Join(path+".before-1", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := openErr(t, path); err.Kind == reelvault.NotFound {
		t.Errorf("got %v", err)
	}
	db := raw(t, path)
	var version int
	if err := db.QueryRowContext(t.Context(), `SELECT max(version_id) FROM goose_db_version`).Scan(&version); err != nil || version != 0 {
		t.Errorf("the schema has version %d, %v; want 0", version, err)
	}
}

// What is no catalog is refused with an error that names it, and not touched.
func TestNotACatalog(t *testing.T) {
	fixture := contents(t, fixtures(t)[0])
	for name, content := range map[string][]byte{
		"text":        []byte("this is no database, but it is long enough to look at\n" + strings.Repeat("x", 8192)),
		"short":       []byte("x"),
		"cut":         fixture[:len(fixture)/2],
		"overwritten": append(append([]byte{}, fixture[:100]...), bytes.Repeat([]byte{0xa5}, len(fixture)-100)...),
	} {
		t.Run(name, func(t *testing.T) {
			path := dbPath(t)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			err := openErr(t, path)
			if err.Hint == "" {
				t.Errorf("got %q without a hint", err)
			}
			if !bytes.Equal(contents(t, path), content) {
				t.Error("the file was changed")
			}
		})
	}
	t.Run("another program's", func(t *testing.T) {
		path := dbPath(t)
		doctor(t, path, `CREATE TABLE bookmarks (url TEXT)`)
		if err := openErr(t, path); err.Kind != reelvault.Conflict {
			t.Errorf("got %v, want a conflict", err)
		}
	})
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none", "catalog.db")} {
		if err := openErr(t, path); err.Kind != reelvault.Unavailable && err.Kind != reelvault.Internal {
			t.Errorf("got %v, want it unavailable or internal", err)
		}
	}
}

// Attaching makes nothing.
func TestAttachToNothing(t *testing.T) {
	path := dbPath(t)
	for range 2 {
		_, err := sqlite.Attach(t.Context(), path, time.Now, slog.New(slog.DiscardHandler))
		if reelvault.KindOf(err) != reelvault.NotFound || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v, want a not-found that names the path", err)
		}
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("there is a file: %v", err)
	}
}
