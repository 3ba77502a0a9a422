// Package sqlite keeps the catalog in one SQLite file, with no other program
// to run.
//
// Reads go through a small pool of connections, each method on one snapshot.
// Writes go through one goroutine: those that arrive together share one
// commit, each in a savepoint of its own, so that one that fails takes no
// other with it. The file is in WAL mode with synchronous=FULL: what a method
// has acknowledged survives the loss of the process and of the machine.
//
// Every rule about states and tenants stands in the statement that writes, so
// two programs that share the file (a server and an admin command) can't break
// it together.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

const (
	// readers is the number of read connections: reads take well below a
	// millisecond, so a few serve many requests; each costs its page cache.
	readers = 4

	// busyTimeout is how long a write waits for another program that writes.
	// Such a program (admin reset) holds the lock for one commit.
	busyTimeout = "2000" // milliseconds

	// walLimit is what the WAL is cut back to after a checkpoint: a burst
	// shouldn't occupy the disk for ever.
	walLimit = "67108864" // bytes
)

// Catalog implements storage.Catalog.
type Catalog struct {
	now    storage.Clock
	reader *sql.DB
	writer *sql.DB
	log    *slog.Logger

	jobs    chan *job     // to the commit loop, which alone uses writer
	stopped chan struct{} // closed when the commit loop has ended

	mu     sync.RWMutex // held for reading by every running call
	closed bool         // guarded by mu
}

var _ storage.Catalog = (*Catalog)(nil)

// Open opens the catalog in the file at path, and makes or migrates it first
// if need be. Before it migrates a catalog that has rows it copies the file to
// path + ".before-N", N being the first migration to run. now is the clock by
// which credentials expire where a method has no such argument.
//
// A file that is no catalog, is damaged, or was written by a newer release is
// refused with an error that names it, and left as it is; the last is a
// Conflict. The caller closes the catalog.
func Open(ctx context.Context, path string, now storage.Clock, log *slog.Logger) (*Catalog, error) {
	if err := create(path); err != nil {
		return nil, translate("create catalog "+path, err)
	}
	todo, err := inspect(ctx, path)
	if err != nil {
		return nil, err
	}
	c, err := connect(path, now, log)
	if err != nil {
		return nil, err
	}
	if todo.first != 0 {
		err = c.migrate(ctx, path, todo)
	}
	return c.orClose(ctx, path, err)
}

// Attach opens a catalog that another process may be serving. It never makes
// or migrates one: one that isn't there is NotFound, one of an older release a
// Conflict. Otherwise it is like Open.
func Attach(ctx context.Context, path string, now storage.Clock, log *slog.Logger) (*Catalog, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil, &reelvault.Error{
			Kind: reelvault.NotFound, Message: "there is no catalog at " + path,
			Hint: "name the data directory with --data, or start the server once",
		}
	}
	if err != nil {
		return nil, translate("open catalog "+path, err)
	}
	todo, err := inspect(ctx, path)
	if err != nil {
		return nil, err
	}
	if todo.first != 0 {
		return nil, &reelvault.Error{
			Kind: reelvault.Conflict, Message: "the catalog at " + path + " is of an older release",
			Hint: "start this release's server once; it migrates the catalog",
		}
	}
	c, err := connect(path, now, log)
	if err != nil {
		return nil, err
	}
	return c.orClose(ctx, path, nil)
}

// orClose gives c if err is nil and it can be written, so that a file that is
// read-only fails at the start.
func (c *Catalog) orClose(ctx context.Context, path string, err error) (*Catalog, error) {
	if err == nil {
		err = translate("open catalog "+path, c.Check(ctx))
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// create makes an empty file that only its owner can read, unless there is
// one: what SQLite makes itself would follow the umask.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// connect opens the connections and starts the commit loop.
func connect(path string, now storage.Clock, log *slog.Logger) (*Catalog, error) {
	writer, err := open(path, url.Values{
		"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_txlock": {"immediate"},
		"_pragma": {"journal_size_limit(" + walLimit + ")"},
	})
	if err != nil {
		return nil, translate("open catalog "+path, err)
	}
	writer.SetMaxOpenConns(1)
	reader, err := open(path, url.Values{"_query_only": {"1"}})
	if err != nil {
		return nil, errors.Join(translate("open catalog "+path, err), writer.Close())
	}
	reader.SetMaxOpenConns(readers)
	reader.SetMaxIdleConns(readers)
	c := &Catalog{
		now: now, reader: reader, writer: writer, log: log,
		jobs: make(chan *job), stopped: make(chan struct{}),
	}
	go c.commitLoop()
	return c, nil
}

// open makes a handle on the file at path. Nothing is read yet.
func open(path string, params url.Values) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	params.Set("_busy_timeout", busyTimeout)
	params.Set("_foreign_keys", "1")
	params.Set("_defensive", "1")
	params.Set("_dqs", "0")
	params.Set("_error_rc", "1")
	// A URI, because SQLite ends a plain name at its first question mark.
	uri := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: params.Encode()}
	return sql.Open("sqlite", uri.String())
}

// Check implements storage.Catalog. It takes and releases the write lock, so
// a disk that is full or read-only is noticed as far as SQLite notices it.
func (c *Catalog) Check(ctx context.Context) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var one int
		return tx.QueryRowContext(ctx, `SELECT count(*) FROM tenants LIMIT 1`).Scan(&one)
	})
	return translate("check catalog", err)
}

// Close implements storage.Catalog. A second Close does nothing.
func (c *Catalog) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	close(c.jobs)
	<-c.stopped
	// The writer last: the last connection moves the WAL into the file.
	return errors.Join(c.reader.Close(), c.writer.Close())
}

// begin keeps the catalog open until the caller calls done.
func (c *Catalog) begin() (done func(), err error) {
	c.mu.RLock()
	if c.closed {
		c.mu.RUnlock()
		return nil, reelvault.Errorf(reelvault.Unavailable, "the catalog is closed")
	}
	return c.mu.RUnlock, nil
}

// read runs f on one snapshot.
func (c *Catalog) read(ctx context.Context, f func(tx *sql.Tx) error) error {
	done, err := c.begin()
	if err != nil {
		return err
	}
	defer done()
	tx, err := c.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		// The snapshot is of no more use and holds nothing; err says it all.
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}
