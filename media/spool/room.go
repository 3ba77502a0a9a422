package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/reelvault/reelvault"
)

// Room says whether there is room for another recording: nil, or an error of
// kind StorageFull when less than the reserve is free or the folder can't be
// written. Writing is tried at most every 5 s.
func (d *Dir) Room() error { return d.room(0, "") }

// RoomFor says whether there is room for n bytes of what is no recording: nil,
// or an error of kind StorageFull unless yieldReserves reserves stay free.
func (d *Dir) RoomFor(n int64) error {
	return d.room(d.reserve*(yieldReserves-1)+n, ", and as much again before anything else is taken")
}

// room says whether more bytes than the reserve are free.
func (d *Dir) room(more int64, why string) error {
	space, err := d.fs.Space(d.path)
	if err != nil {
		return d.noRoom("the recorder can't examine its disk", "check the file system of "+d.path, err)
	}
	if space.ReadOnly {
		return d.noRoom("the recorder's disk is read-only", "remount the file system of "+d.path+" for writing", nil)
	}
	if space.Free-d.reserve < more {
		hint := fmt.Sprintf("free space on the file system of %s: %d MiB are left, %d MiB are reserved for running recordings%s",
			d.path, space.Free>>20, d.reserve>>20, why)
		return d.noRoom("the recorder's disk is nearly full", hint, nil)
	}
	if err := d.probe(); err != nil {
		return d.noRoom("the recorder can't write to its disk", "check the file system and the permissions of "+d.path, err)
	}
	return nil
}

func (d *Dir) noRoom(message, hint string, cause error) error {
	return &reelvault.Error{Kind: reelvault.StorageFull, Message: message, Hint: hint, Cause: cause}
}

// probe makes, writes and removes a small file, or tells how that went when
// it was tried last. It does not sync: that a disk no longer takes what it is
// given shows in the running files.
func (d *Dir) probe() error {
	d.probing.Lock()
	defer d.probing.Unlock()
	now := time.Now()
	if !d.probedAt.IsZero() && now.Sub(d.probedAt) < probeEvery {
		return d.probeErr
	}
	d.probedAt = now
	d.probeErr = d.tryWrite()
	return d.probeErr
}

func (d *Dir) tryWrite() error {
	name := filepath.Join(d.path, probeName)
	h, err := d.fs.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = h.WriteAt(make([]byte, 512), 0)
	return errors.Join(err, h.Close(), d.fs.Remove(name))
}
