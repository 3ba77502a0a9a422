package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"

	"github.com/reelvault/reelvault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// pending is what has to be done to a database before it can be used.
type pending struct {
	current int64 // its schema version; 0 for an empty file
	first   int64 // the first migration to run; 0 if it is up to date
	rows    bool  // it isn't empty, so it is copied first
}

// provider makes goose's view of db.
func provider(db *sql.DB) (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, dir, goose.WithDisableGlobalRegistry(true))
}

// inspect looks at the file at path without changing it, and refuses what
// isn't a catalog or is of a newer release.
func inspect(ctx context.Context, path string) (pending, error) {
	db, err := open(path, url.Values{"mode": {"ro"}})
	if err != nil {
		return pending{}, translate("open catalog "+path, err)
	}
	p, err := inspectDB(ctx, db, path)
	return p, errors.Join(translate("open catalog "+path, err), db.Close())
}

func inspectDB(ctx context.Context, db *sql.DB, path string) (pending, error) {
	var tables, versioned, pages int
	err := db.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE name = ?),
		(SELECT page_count FROM pragma_page_count) FROM sqlite_master`,
		goose.DefaultTablename).Scan(&tables, &versioned, &pages)
	if err != nil {
		return pending{}, err
	}
	if err = refuseFragment(path, pages); err != nil {
		return pending{}, err
	}
	if tables > 0 && versioned == 0 {
		return pending{}, &reelvault.Error{
			Kind: reelvault.Conflict, Message: path + " is a database of another program",
			Hint: "name another data directory with --data",
		}
	}
	p := pending{rows: tables > 0}
	if p.rows {
		err = db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM `+goose.DefaultTablename+
			` WHERE is_applied`).Scan(&p.current)
		if err != nil {
			return pending{}, err
		}
	}
	g, err := provider(db)
	if err != nil {
		return pending{}, err
	}
	var newest int64
	for _, s := range g.ListSources() {
		newest = s.Version
		if s.Version > p.current && p.first == 0 {
			p.first = s.Version
		}
	}
	if p.current > newest {
		return pending{}, &reelvault.Error{
			Kind: reelvault.Conflict,
			Message: fmt.Sprintf("the catalog at %s has schema version %d, and this release knows versions up to %d",
				path, p.current, newest),
			Hint: "run the release that last used it, or restore the copy it made before its migration",
		}
	}
	return p, nil
}

// refuseFragment refuses a file that SQLite takes for an empty database, and
// would write over, although something is in it.
func refuseFragment(path string, pages int) error {
	info, err := os.Stat(path)
	if err != nil || pages > 0 || info.Size() == 0 {
		return err
	}
	return &reelvault.Error{
		Kind: reelvault.Internal, Message: "the file is no SQLite database",
		Hint: "restore the catalog from a backup, or name another data directory",
	}
}

// migrate copies the catalog if there is anything in it, and brings it up to
// date. Each migration is one transaction.
func (c *Catalog) migrate(ctx context.Context, path string, p pending) error {
	if p.rows {
		backup := fmt.Sprintf("%s.before-%d", path, p.first)
		if err := copyTo(ctx, c.writer, backup); err != nil {
			return translate("copy catalog to "+backup, err)
		}
		c.log.InfoContext(ctx, "copied the catalog before its migration", "copy", backup)
	}
	g, err := provider(c.writer)
	if err != nil {
		return err
	}
	results, err := g.Up(ctx)
	if err != nil {
		return translate("migrate catalog "+path, &reelvault.Error{
			Kind: reelvault.Internal, Message: "a migration failed and changed nothing",
			Hint: "run the release that last used the catalog, and report this", Cause: err,
		})
	}
	c.log.InfoContext(ctx, "migrated the catalog", "from", p.current, "migrations", len(results))
	return nil
}

// copyTo writes a consistent copy of db to path. SQLite doesn't sync what
// VACUUM INTO writes, and a copy under its final name has to be a whole one.
func copyTo(ctx context.Context, db *sql.DB, path string) error {
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, part); err != nil {
		return err
	}
	if err := syncFile(part); err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return syncFile(filepath.Dir(path))
}

// syncFile makes a file or folder durable.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
