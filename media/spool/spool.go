// Package spool keeps the files of running recordings on the local disk, so
// that neither a crash nor a power cut takes more than about a second of them.
//
// Append hands bytes to the kernel and returns: from then on a crash of this
// program loses nothing of them. One flusher a node, Dir.Run, forces what has
// been appended to the disk at every tick: what File.Synced and Reader.Size
// count survives a power cut. Nobody else waits for the disk but who asks for
// it (Sync, Seal, Create).
//
// A file goes through one life:
//
//	Create -> Append, WriteHead ... -> Seal -> Close -> (archived) -> Remove
//	after a crash: Left -> Reopen -> ReadAt, WriteAt, Truncate -> Seal -> Close
//
// A file whose write or sync failed is broken for good. A sync that failed is
// never tried again: the kernel may have marked the lost pages clean, so that
// the second try would succeed and prove nothing (Rebello et al., ATC 2020).
// Its owner closes it and goes on in a new file; what was synced before stays.
//
// Files are named by their id, a UUID, in a folder that only its owner may
// read. A folder belongs to one process.
package spool

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/reelvault/reelvault"
)

const (
	// DefaultSyncEvery leaves half of the second that a power cut may cost for
	// the sync itself.
	DefaultSyncEvery = 500 * time.Millisecond
	maxSyncEvery     = time.Second

	// DefaultReserve is the free space below which new recordings are refused,
	// or 5 % of a file system that is smaller than 20 GiB. Twenty publishers of
	// 1 Mbit/s can go on for 7 minutes with it.
	DefaultReserve = 1 << 30

	// yieldReserves is how many reserves have to stay free of what is no
	// recording, such as shared files: recordings go first, so nothing else may
	// fill the disk to where the next recording is refused. The second reserve
	// takes the rest of recordings that run while files come.
	yieldReserves = 2

	probeEvery = 5 * time.Second // new recordings are asked for by anybody, so a probe must not cost each
	probeName  = ".probe"
)

// Config says how a spool works. The zero Config is complete.
type Config struct {
	Reserve   int64         // free bytes below which Room refuses; zero: DefaultReserve or 5 %, whichever is less
	SyncEvery time.Duration // how often Run syncs, at most 1 s; zero: DefaultSyncEvery
	Log       *slog.Logger  // nil: silence
	FS        FS            // nil: OS
}

// Dir is a spool folder. Its methods may be called from any goroutine.
type Dir struct {
	path    string
	fs      FS
	reserve int64
	every   time.Duration
	log     *slog.Logger

	mu    sync.Mutex
	files map[string]*File // those this process has opened for writing and not removed

	probing  sync.Mutex // guards what follows
	probedAt time.Time
	probeErr error
}

// Usage says how full a spool is.
type Usage struct {
	Files int
	Bytes int64
	Free  int64 // what the file system has left for us
}

// Open opens the spool folder at path and makes it if need be.
func Open(path string, c Config) (*Dir, error) {
	if c.SyncEvery < 0 || c.SyncEvery > maxSyncEvery {
		return nil, reelvault.Errorf(reelvault.Invalid, "sync interval of %s, want at most %s", c.SyncEvery, maxSyncEvery)
	}
	if c.Reserve < 0 {
		return nil, reelvault.Errorf(reelvault.Invalid, "reserve of %d bytes, want 0 or more", c.Reserve)
	}
	d := &Dir{path: path, fs: c.FS, reserve: c.Reserve, every: c.SyncEvery, log: c.Log, files: map[string]*File{}}
	if d.fs == nil {
		d.fs = OS{}
	}
	if d.every == 0 {
		d.every = DefaultSyncEvery
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if err := d.fs.MkdirAll(path, 0o700); err != nil {
		return nil, failure("make spool folder", err)
	}
	if d.reserve == 0 {
		space, err := d.fs.Space(path)
		if err != nil {
			return nil, failure("measure spool folder", err)
		}
		d.reserve = min(DefaultReserve, space.Total/20)
	}
	return d, nil
}

// Create makes an empty file. It returns when the file's name is on the disk.
// An id that is no UUID is an error of kind Invalid, one that is taken a
// Conflict.
func (d *Dir) Create(fileID string) (*File, error) {
	name, err := d.name(fileID)
	if err != nil {
		return nil, err
	}
	h, err := d.fs.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, failure("create spool file", err)
	}
	if err := d.fs.SyncDir(d.path); err != nil {
		return nil, errors.Join(failure("sync spool folder", err), h.Close(), d.fs.Remove(name))
	}
	return d.add(fileID, newFile(fileID, h, 0))
}

// Reopen opens a file that was left for mending it: by a crash, or by a Close
// without Seal. None of it counts as synced before the next sync. A file that
// is being written is an error of kind Conflict, a missing one NotFound.
func (d *Dir) Reopen(fileID string) (*File, error) {
	name, err := d.name(fileID)
	if err != nil {
		return nil, err
	}
	h, err := d.fs.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, failure("open spool file", err)
	}
	info, err := h.Stat()
	if err != nil {
		return nil, errors.Join(failure("measure spool file", err), h.Close())
	}
	return d.add(fileID, newFile(fileID, h, info.Size()))
}

func (d *Dir) add(fileID string, f *File) (*File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if was := d.files[fileID]; was != nil && was.live() {
		return nil, errors.Join(reelvault.Errorf(reelvault.Conflict, "file %s is being written", fileID), f.h.Close())
	}
	d.files[fileID] = f
	return f, nil
}

// Open opens a file for reading, while it is written or after. A missing one
// is an error of kind NotFound. Remove does not disturb an open Reader.
func (d *Dir) Open(fileID string) (*Reader, error) {
	name, err := d.name(fileID)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	f := d.files[fileID]
	d.mu.Unlock()
	h, err := d.fs.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, failure("open spool file", err)
	}
	return &Reader{h: h, file: f}, nil
}

// Remove deletes a file. A missing one is no error, one that is being written
// is a Conflict. After a power cut the file may be there again: removing is
// to be repeated then.
func (d *Dir) Remove(fileID string) error {
	name, err := d.name(fileID)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.files[fileID]; f != nil && f.live() {
		return reelvault.Errorf(reelvault.Conflict, "file %s is being written", fileID)
	}
	if err := d.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failure("remove spool file", err)
	}
	delete(d.files, fileID)
	return nil
}

// Left lists the ids of the files there are, in ascending order.
func (d *Dir) Left() ([]string, error) {
	entries, err := d.list()
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.Name()
	}
	return ids, nil
}

// Usage counts what the folder holds and what room is left.
func (d *Dir) Usage() (Usage, error) {
	entries, err := d.list()
	if err != nil {
		return Usage{}, err
	}
	space, err := d.fs.Space(d.path)
	if err != nil {
		return Usage{}, failure("measure spool folder", err)
	}
	u := Usage{Free: space.Free}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since
		}
		if err != nil {
			return Usage{}, failure("measure spool file", err)
		}
		u.Files++
		u.Bytes += info.Size()
	}
	return u, nil
}

// list gives the spool files of the folder, and nothing else that is there.
func (d *Dir) list() ([]fs.DirEntry, error) {
	entries, err := d.fs.ReadDir(d.path)
	if err != nil {
		return nil, failure("list spool folder", err)
	}
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return !validID(e.Name()) || !e.Type().IsRegular()
	}), nil
}

// name gives the path of a file. Only UUIDs in their canonical form pass, so
// that no id leads out of the folder.
func (d *Dir) name(fileID string) (string, error) {
	if !validID(fileID) {
		return "", reelvault.Errorf(reelvault.Invalid, "file id %.40q is no UUID", fileID)
	}
	return filepath.Join(d.path, fileID), nil
}

func validID(id string) bool {
	u, err := uuid.Parse(id)
	return err == nil && u.String() == id
}

// failure translates what the file system says. The message leaves out paths:
// it may reach a client.
func failure(what string, err error) error {
	kind := reelvault.Internal
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = reelvault.NotFound
	case errors.Is(err, fs.ErrExist):
		kind = reelvault.Conflict
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EROFS):
		kind = reelvault.StorageFull
	}
	return &reelvault.Error{Kind: kind, Message: what, Cause: err}
}
