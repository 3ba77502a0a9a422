// Package disk is an object store in a directory, for one machine.
//
//	objects/<key>                        whole objects, nothing else
//	uploads/<hash of key>/<id>/data      an upload, each part at its own offset
//	uploads/<hash of key>/<id>/<number>  size and checksum of a part that is wholly in data
//	temp/                                what is being written
//
// An object appears under its key by one rename, after its bytes were synced,
// and counts as stored once the folders that name it are synced, too. So none
// is ever seen half, and a key is never given other bytes.
//
// Nothing outside the directory is reached: keys are checked before they
// touch the disk, the directory is an [os.Root], and whatever is found at a
// key's place but folders and plain files is refused. One process at a time
// owns a directory; what an earlier one left in temp is removed by Open.
package disk

import (
	"context"
	"crypto/rand"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path"
	"sync"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

const (
	objectsDir = "objects"
	uploadsDir = "uploads"
	tempDir    = "temp"

	dirMode  = 0o700
	fileMode = 0o600

	// lockCount keeps it rare that two keys wait for each other by chance: it is
	// far above the parts that a node has in flight.
	lockCount = 64
)

// Blobs is the store. Its methods may be called from any goroutine.
type Blobs struct {
	root *os.Root
	seed maphash.Seed

	// locks holds one lock for many keys, chosen by hash.
	locks [lockCount]sync.Mutex

	// tree is held while a folder is made or removed.
	tree sync.Mutex
}

var _ storage.Blobs = (*Blobs)(nil)

// Open opens the store in the directory dir and makes it if it isn't there.
// Whoever opens a store closes it.
func Open(dir string) (*Blobs, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, translate("make the object directory", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, translate("open the object directory", err)
	}
	b := &Blobs{root: root, seed: maphash.MakeSeed()}
	if err := b.prepare(); err != nil {
		_ = root.Close()
		return nil, translate("prepare the object directory", err)
	}
	return b, nil
}

func (b *Blobs) prepare() error {
	if err := b.root.RemoveAll(tempDir); err != nil {
		return err
	}
	for _, name := range []string{objectsDir, uploadsDir, tempDir} {
		if err := b.root.MkdirAll(name, dirMode); err != nil {
			return err
		}
	}
	return b.syncDirs(".")
}

// Close closes the store. Readers that are open stay usable.
func (b *Blobs) Close() error { return b.root.Close() }

// Check implements storage.Blobs: it writes, syncs, reads and removes a small
// file.
func (b *Blobs) Check(context.Context) error {
	name := path.Join(tempDir, rand.Text())
	if err := b.canary(name); err != nil {
		return translate("check the object directory", err)
	}
	return nil
}

func (b *Blobs) canary(name string) error {
	f, err := b.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	defer func() {
		_ = f.Close()
		_ = b.root.Remove(name)
	}()
	if _, err := io.WriteString(f, name); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	got := make([]byte, len(name))
	if _, err := f.ReadAt(got, 0); err != nil {
		return err
	}
	if string(got) != name {
		return fmt.Errorf("read %q where %q was written", got, name)
	}
	return nil
}

// lock locks a key, its object and uploads, and gives what unlocks it.
func (b *Blobs) lock(key string) (unlock func()) {
	mu := &b.locks[maphash.String(b.seed, key)%lockCount]
	mu.Lock()
	return mu.Unlock
}

// place moves the synced file at from to an object's place, where nothing is
// yet. The caller holds the key's lock.
func (b *Blobs) place(from, name string) error {
	b.tree.Lock()
	defer b.tree.Unlock()
	if err := b.root.MkdirAll(path.Dir(name), dirMode); err != nil {
		return err
	}
	if err := b.root.Rename(from, name); err != nil {
		return err
	}
	return b.syncDirs(path.Dir(name))
}

// syncDirs syncs a folder and those above it, so that a crash forgets none of
// their names.
func (b *Blobs) syncDirs(dir string) error {
	for {
		if err := b.syncFile(dir); err != nil {
			return err
		}
		if dir == "." {
			return nil
		}
		dir = path.Dir(dir)
	}
}

func (b *Blobs) syncFile(name string) error {
	f, err := b.root.Open(name)
	if err != nil {
		return err
	}
	err = f.Sync()
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// stat describes the plain file at name; every name on the way to it must be
// a folder, not a link.
func (b *Blobs) stat(name string) (os.FileInfo, error) {
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		info, err := b.root.Lstat(name[:i])
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			return nil, refused(name[:i])
		}
	}
	info, err := b.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, refused(name)
	}
	return info, nil
}

func refused(name string) error {
	return &reelvault.Error{
		Kind: reelvault.Conflict, Message: fmt.Sprintf("what lies at %q in the object directory is no object", name),
		Hint: "something else writes into the object directory; remove what it put there",
	}
}
