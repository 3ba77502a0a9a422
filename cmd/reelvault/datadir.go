package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/reelvault/reelvault"
)

// dataDir is the folder of one server's data, locked against another server.
type dataDir struct {
	path string
	lock *os.File
}

// catalogPath gives the catalog's file in the data folder data.
func catalogPath(data string) string { return filepath.Join(data, "catalog.db") }

// lockPath gives the file that a running server holds locked. It holds the
// server's process id and, once it listens, where browsers reach it.
func lockPath(data string) string { return filepath.Join(data, "lock") }

// openDataDir makes the folder if need be and locks it. What is made is for
// its owner only. A folder that was there keeps its permissions, which may be
// what a container needs, but others' access to it is logged. The caller closes
// it. The lock ends with the process, however that ends.
func openDataDir(ctx context.Context, path string, log *slog.Logger) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("look at data folder: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		log.WarnContext(ctx, "other users of this machine can get into the data folder: chmod 700 keeps them out",
			"folder", path, "mode", mode)
	}
	lock, err := os.OpenFile(lockPath(path), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(&reelvault.Error{
			Kind:    reelvault.Conflict,
			Message: fmt.Sprintf("the data folder %s is in use by %s", path, holder(lock)),
			Hint:    "stop that server, or name another folder with --data",
		}, lock.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock data folder: %w", err), lock.Close())
	}
	d := &dataDir{path, lock}
	if err := d.note(nil); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
}

// note writes into the lock who holds it and where it can be reached.
func (d *dataDir) note(public *url.URL) error {
	text := fmt.Sprintf("%d\n", os.Getpid())
	if public != nil {
		text += public.String() + "\n"
	}
	if err := d.lock.Truncate(0); err != nil {
		return fmt.Errorf("write lock: %w", err)
	}
	_, err := d.lock.WriteAt([]byte(text), 0)
	return err
}

// Close unlocks the folder.
func (d *dataDir) Close() error { return d.lock.Close() }

// maxNote is what is read of a lock: a process id and a URL.
const maxNote = 4 << 10

// holder says who holds a lock.
func holder(lock io.Reader) string {
	text, err := io.ReadAll(io.LimitReader(lock, maxNote))
	if pid, _, ok := strings.Cut(string(text), "\n"); err == nil && ok {
		return "process " + pid
	}
	return "another process"
}

// runningAt gives where the server that holds the lock on data says it can be
// reached, or nil if none runs or it doesn't listen yet.
func runningAt(data string) (*url.URL, error) {
	lock, err := os.Open(lockPath(data))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // none runs
	}
	if err != nil {
		return nil, fmt.Errorf("read lock: %w", err)
	}
	defer lock.Close() //nolint:errcheck // only read from
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil {
		return nil, nil //nolint:nilnil // what it says is of a server that has ended
	}
	text, err := io.ReadAll(io.LimitReader(lock, maxNote))
	if err != nil {
		return nil, fmt.Errorf("read lock: %w", err)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 2 || lines[1] == "" {
		return nil, nil //nolint:nilnil // it doesn't listen yet
	}
	return parsePublicURL(lines[1])
}
