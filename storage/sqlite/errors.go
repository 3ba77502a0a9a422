package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/reelvault/reelvault"
)

// translate names what was done and gives err a kind, unless it has one. The
// end of a context stays what it is.
func translate(doing string, err error) error {
	if err == nil {
		return nil
	}
	var known *reelvault.Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	e := &reelvault.Error{Kind: reelvault.Internal, Message: "the catalog failed", Cause: err}
	switch code(err) & 0xff {
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
		e.Kind, e.Message = reelvault.Unavailable, "the catalog is in use by another program"
	case codes.SQLITE_FULL:
		e.Kind, e.Message = reelvault.Unavailable, "the catalog's disk is full"
		e.Hint = "free space on the disk of the data directory"
	case codes.SQLITE_READONLY, codes.SQLITE_CANTOPEN, codes.SQLITE_PERM:
		e.Kind, e.Message = reelvault.Unavailable, "the catalog can't be opened for writing"
		e.Hint = "check that the data directory exists and belongs to this user"
	case codes.SQLITE_CORRUPT:
		e.Message = "the catalog is damaged"
		e.Hint = "stop the server and restore the catalog from a backup"
	case codes.SQLITE_NOTADB:
		e.Message = "the file is no SQLite database"
		e.Hint = "restore the catalog from a backup, or name another data directory"
	case codes.SQLITE_TOOBIG:
		e.Kind, e.Message = reelvault.TooLarge, "a value is too large for the catalog"
	}
	return fmt.Errorf("%s: %w", doing, e)
}

// code gives SQLite's extended result code, or 0 if err has none.
func code(err error) int {
	var e *driver.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// taken says whether err is a value that has to be unique and isn't.
func taken(err error) bool {
	c := code(err)
	return c == codes.SQLITE_CONSTRAINT_UNIQUE || c == codes.SQLITE_CONSTRAINT_PRIMARYKEY ||
		c == codes.SQLITE_CONSTRAINT_TRIGGER
}

// dangling says whether err is a reference to a row that isn't there, or is
// another tenant's.
func dangling(err error) bool { return code(err) == codes.SQLITE_CONSTRAINT_FOREIGNKEY }

// refused translates what constraints say about an INSERT: row is what was
// inserted, owner what it belongs to.
func refused(err error, row, owner string) error {
	switch {
	case taken(err):
		return &reelvault.Error{Kind: reelvault.Conflict, Message: "there is such a " + row + " already", Cause: err}
	case dangling(err):
		return &reelvault.Error{Kind: reelvault.NotFound, Message: "there is no such " + owner, Cause: err}
	}
	return err
}

// absent gives NotFound where no row was found.
func absent(err error, row string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return reelvault.Errorf(reelvault.NotFound, "there is no such %s", row)
	}
	return err
}

// changed fails with otherwise() if a statement changed nothing.
func changed(res sql.Result, err error, otherwise func() error) error {
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return otherwise()
	}
	return nil
}
