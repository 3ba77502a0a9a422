package spool_test

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/spool"
)

// Without room for another recording the spool says so, with a hint: below
// the reserve, read-only, or when a small file can't be written. What it tried
// it does not try again for 5 s.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newDisk()
		d := open(t, "/spool", spool.Config{FS: fake})
		must(t, d.Room())
		set := func(s spool.Space) {
			fake.mu.Lock()
			defer fake.mu.Unlock()
			fake.space = s
		}
		for _, s := range []spool.Space{
			{Total: 100 << 30, Free: spool.DefaultReserve - 1},
			{Total: 100 << 30, Free: 50 << 30, ReadOnly: true},
		} {
			set(s)
			err := d.Room()
			wantKind(t, err, reelvault.StorageFull)
			var e *reelvault.Error
			if !errors.As(err, &e) || e.Hint == "" || strings.Contains(e.Message, "/spool") {
				t.Errorf("%+v: message %q, hint %q", s, e.Message, e.Hint)
			}
		}
		set(spool.Space{Total: 100 << 30, Free: spool.DefaultReserve})
		wantKind(t, d.RoomFor(1), reelvault.StorageFull)
		set(spool.Space{Total: 100 << 30, Free: 2*spool.DefaultReserve - 1}) // for recordings alone
		must(t, d.Room())
		wantKind(t, d.RoomFor(0), reelvault.StorageFull)
		set(spool.Space{Total: 100 << 30, Free: 2*spool.DefaultReserve + 10})
		must(t, d.RoomFor(10))
		wantKind(t, d.RoomFor(11), reelvault.StorageFull)
		for range 100 {
			must(t, d.Room())
		}
		if n := fake.count("write"); n != 1 {
			t.Errorf("100 questions in a moment wrote %d times", n)
		}
		for op, err := range map[string]error{"open": syscall.EROFS, "write": syscall.ENOSPC, "remove": syscall.EIO, "space": syscall.EIO} {
			fake.setFail(func(got, _ string) error {
				if got == op {
					return err
				}
				return nil
			})
			<-time.After(5 * time.Second)
			wantKind(t, d.Room(), reelvault.StorageFull)
			if !errors.Is(d.Room(), err) {
				t.Errorf("%s fails: %v", op, d.Room())
			}
			fake.setFail(nil)
			<-time.After(5 * time.Second)
			must(t, d.Room())
		}
		wantLeft(t, d)
	})
}

// A small file system keeps 5 % back instead of the default reserve.
func TestReserveOfSmallDisk(t *testing.T) {
	fake := newDisk()
	fake.space = spool.Space{Total: 1000, Free: 50}
	must(t, open(t, "/spool", spool.Config{FS: fake}).Room())
	fake.space.Free = 49
	wantKind(t, open(t, "/spool", spool.Config{FS: fake}).Room(), reelvault.StorageFull)
	must(t, open(t, "/spool", spool.Config{FS: fake, Reserve: 10}).Room())
}

// The real file system knows its space, and takes a probe without a trace.
func TestRoomOnDisk(t *testing.T) {
	path := t.TempDir()
	must(t, open(t, path, spool.Config{Reserve: 1}).Room())
	wantKind(t, open(t, path, spool.Config{Reserve: 1 << 62}).Room(), reelvault.StorageFull)
	entries, err := os.ReadDir(path)
	must(t, err)
	if len(entries) != 0 {
		t.Errorf("the probe left %v", entries)
	}
}
