package spool

import (
	"errors"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"syscall"
)

// FS is what a spool needs of a file system. Tests give one that fails.
type FS interface {
	// MkdirAll makes the folder dir with its parents. dir itself gets perm,
	// also if it was there.
	MkdirAll(dir string, perm fs.FileMode) error

	// OpenFile opens a file as os.OpenFile does.
	OpenFile(name string, flag int, perm fs.FileMode) (FSFile, error)

	// Remove deletes a file.
	Remove(name string) error

	// ReadDir lists a folder by name.
	ReadDir(dir string) ([]fs.DirEntry, error)

	// SyncDir forces the names in dir to the disk.
	SyncDir(dir string) error

	// Space says what room the file system of dir has.
	Space(dir string) (Space, error)
}

// FSFile is an open file of an FS. It may be used by several goroutines.
type FSFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
	Stat() (fs.FileInfo, error)
}

// Space is the room of a file system in bytes.
type Space struct {
	Total    int64
	Free     int64 // for users without privileges
	ReadOnly bool
}

// OS is the file system of the operating system.
type OS struct{}

// MkdirAll implements FS.
func (OS) MkdirAll(dir string, perm fs.FileMode) error {
	if err := os.MkdirAll(dir, perm); err != nil {
		return err
	}
	return os.Chmod(dir, perm)
}

// OpenFile implements FS.
func (OS) OpenFile(name string, flag int, perm fs.FileMode) (FSFile, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err // not f: a nil *os.File in an interface would not be nil
	}
	return f, nil
}

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// ReadDir implements FS.
func (OS) ReadDir(dir string) ([]fs.DirEntry, error) { return os.ReadDir(dir) }

// SyncDir implements FS.
func (OS) SyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// readOnlyMount is ST_RDONLY of statfs(2).
const readOnlyMount = 1

// Space implements FS.
func (OS) Space(dir string) (Space, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return Space{}, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	size := uint64(s.Bsize)
	return Space{
		Total:    bytesOf(s.Blocks, size),
		Free:     bytesOf(s.Bavail, size),
		ReadOnly: s.Flags&readOnlyMount != 0,
	}, nil
}

// bytesOf multiplies without turning negative on huge network file systems.
func bytesOf(blocks, size uint64) int64 {
	high, low := bits.Mul64(blocks, size)
	if high > 0 || low > 1<<63-1 {
		return 1<<63 - 1
	}
	return int64(low)
}
