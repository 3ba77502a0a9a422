package disk

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/reelvault/reelvault"
)

// faults says what an error of the operating system means to callers. The
// first match counts; what is not in it is Internal.
var faults = []struct {
	err  error
	kind reelvault.Kind
	text string
	hint string
}{
	{fs.ErrNotExist, reelvault.NotFound, "not found", ""},
	{syscall.ENOSPC, reelvault.StorageFull, "the object directory's disk is full", "make room on it"},
	{syscall.EDQUOT, reelvault.StorageFull, "the object directory's disk quota is used up", "raise the quota"},
	{syscall.EROFS, reelvault.Unavailable, "the object directory's disk is read-only", "look in the kernel log why, mend and mount it again"},
	{fs.ErrPermission, reelvault.Unavailable, "the object directory may not be accessed", "give the directory to the user that runs reelvault"},
	{syscall.EIO, reelvault.Unavailable, "the object directory's disk has failed", "look in the kernel log for the disk"},
	{syscall.EMFILE, reelvault.Unavailable, "too many files are open", "raise the limit of open files"},
	{syscall.ENFILE, reelvault.Unavailable, "too many files are open on this machine", "raise the limit of open files"},
	{syscall.ESTALE, reelvault.Unavailable, "the object directory's network disk is gone", "mount it again"},
	{syscall.ENOTCONN, reelvault.Unavailable, "the object directory's network disk is gone", "mount it again"},
	{syscall.ENOTDIR, reelvault.Conflict, "an object lies where a folder is needed", ""},
	{syscall.EISDIR, reelvault.Conflict, "a folder lies where an object is needed", ""},
	{syscall.EEXIST, reelvault.Conflict, "a folder lies where an object is needed", ""},
}

// translate gives err as an error of a kind, what being the thing that was
// tried. One that has a kind already, or says that the caller gave up, keeps
// its own words.
func translate(what string, err error) error {
	if err == nil {
		return nil
	}
	var known *reelvault.Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	for _, f := range faults {
		if errors.Is(err, f.err) {
			return &reelvault.Error{Kind: f.kind, Message: what + ": " + f.text, Hint: f.hint, Cause: err}
		}
	}
	return &reelvault.Error{Kind: reelvault.Internal, Message: what, Cause: err}
}
