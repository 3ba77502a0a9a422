package spool_test

import (
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/reelvault/reelvault/media/spool"
)

// disk is a file system in memory that can fail, and that knows what a power
// cut would leave of it: what was synced, and of what came after that any
// part in any order.
type disk struct {
	mu    sync.Mutex
	files map[string]*inode
	names map[string]*inode // as the disk has them
	space spool.Space
	fail  func(op, name string) error // called without the lock; may block
	short int                         // a write takes at most this many bytes, if not 0; none if negative
	calls map[string]int              // by op
}

type inode struct {
	b       []byte
	durable []byte
	pending []change // since the last sync
}

// change is a write of b at off, or a cut to off if b is nil.
type change struct {
	off int64
	b   []byte
}

func newDisk() *disk {
	return &disk{
		files: map[string]*inode{}, names: map[string]*inode{}, calls: map[string]int{},
		space: spool.Space{Total: 100 << 30, Free: 50 << 30},
	}
}

func (d *disk) op(op, name string) error {
	d.mu.Lock()
	d.calls[op]++
	fail := d.fail
	d.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(op, filepath.Base(name))
}

// setFail makes f decide which calls fail from now on.
func (d *disk) setFail(f func(op, name string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = f
}

func (d *disk) count(op string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[op]
}

func (d *disk) MkdirAll(dir string, _ fs.FileMode) error { return d.op("mkdir", dir) }

func (d *disk) OpenFile(name string, flag int, _ fs.FileMode) (spool.FSFile, error) {
	if err := d.op("open", name); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.files[name]
	switch {
	case n == nil && flag&os.O_CREATE == 0:
		return nil, fs.ErrNotExist
	case n != nil && flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	case n == nil:
		n = &inode{}
		d.files[name] = n
	}
	return &handle{d: d, n: n, name: name}, nil
}

func (d *disk) Remove(name string) error {
	if err := d.op("remove", name); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files[name] == nil {
		return fs.ErrNotExist
	}
	delete(d.files, name)
	return nil
}

func (d *disk) ReadDir(dir string) ([]fs.DirEntry, error) {
	if err := d.op("list", dir); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		list = append(list, fs.FileInfoToDirEntry(info{filepath.Base(name), int64(len(d.files[name].b))}))
	}
	return list, nil
}

func (d *disk) SyncDir(dir string) error {
	if err := d.op("syncdir", dir); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names = maps.Clone(d.files)
	return nil
}

func (d *disk) Space(dir string) (spool.Space, error) {
	if err := d.op("space", dir); err != nil {
		return spool.Space{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.space, nil
}

// powerCut gives what the disk may hold after one.
func (d *disk) powerCut(r *rand.Rand) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := newDisk()
	for name, n := range d.names {
		b := slices.Clone(n.durable)
		for _, i := range r.Perm(len(n.pending)) {
			c := n.pending[i]
			if r.IntN(2) == 0 {
				continue
			}
			if c.b == nil {
				b = b[:min(c.off, int64(len(b)))]
				continue
			}
			b = overwrite(b, c.b[:r.IntN(len(c.b)+1)], c.off)
		}
		after.files[name] = &inode{b: b, durable: slices.Clone(b)}
	}
	after.names = maps.Clone(after.files)
	return after
}

func overwrite(b, with []byte, off int64) []byte {
	if grow := off + int64(len(with)) - int64(len(b)); grow > 0 {
		b = append(b, make([]byte, grow)...)
	}
	copy(b[off:], with)
	return b
}

type handle struct {
	d    *disk
	n    *inode
	name string
}

func (h *handle) ReadAt(b []byte, off int64) (int, error) {
	if err := h.d.op("read", h.name); err != nil {
		return 0, err
	}
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if off >= int64(len(h.n.b)) {
		return 0, io.EOF
	}
	n := copy(b, h.n.b[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (h *handle) WriteAt(b []byte, off int64) (int, error) {
	err := h.d.op("write", h.name)
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if err != nil {
		b = b[:len(b)/2] // the disk takes what it can
	}
	if h.d.short != 0 {
		b = b[:min(len(b), max(h.d.short, 0))]
	}
	h.n.b = overwrite(h.n.b, b, off)
	h.n.pending = append(h.n.pending, change{off, slices.Clone(b)})
	return len(b), err
}

func (h *handle) Truncate(size int64) error {
	if err := h.d.op("truncate", h.name); err != nil {
		return err
	}
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	h.n.b = h.n.b[:size]
	h.n.pending = append(h.n.pending, change{size, nil})
	return nil
}

func (h *handle) Sync() error {
	h.d.mu.Lock()
	snapshot, pending := slices.Clone(h.n.b), len(h.n.pending)
	h.d.mu.Unlock()
	err := h.d.op("sync", h.name)
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	h.n.pending = h.n.pending[pending:] // after a failed sync the pages count as clean all the same
	if err == nil {
		h.n.durable = snapshot
	}
	return err
}

func (h *handle) Stat() (fs.FileInfo, error) {
	if err := h.d.op("stat", h.name); err != nil {
		return nil, err
	}
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	return info{filepath.Base(h.name), int64(len(h.n.b))}, nil
}

func (h *handle) Close() error { return h.d.op("close", h.name) }

type info struct {
	name string
	size int64
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return 0o600 }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return false }
func (i info) Sys() any           { return nil }
