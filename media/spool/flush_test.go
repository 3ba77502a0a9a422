package spool_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelvault/reelvault/media/spool"
)

// What was appended is synced at the next tick, idle files are left alone,
// and when Run ends it syncs once more.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newDisk()
		d := open(t, "/spool", spool.Config{FS: fake, SyncEvery: 200 * time.Millisecond})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- d.Run(ctx) }()
		f, idle := create(t, d), create(t, d)
		must(t, f.Append([]byte("one")))
		<-time.After(199 * time.Millisecond)
		wantSizes(t, f, 3, 0)
		<-time.After(2 * time.Millisecond)
		wantSizes(t, f, 3, 3)
		<-time.After(time.Minute)
		if n := fake.count("sync"); n != 1 {
			t.Errorf("one append was synced %d times", n)
		}
		must(t, f.WriteHead([]byte("ONE")))
		must(t, idle.Append([]byte("two")))
		cancel()
		must(t, <-done)
		wantSizes(t, idle, 3, 3)
		if n := fake.count("sync"); n != 3 {
			t.Errorf("%d syncs, want 3", n)
		}
	})
}

// A sync that fails breaks its file alone, shows in its Err and in the log,
// and is never tried again.
func TestRunSyncFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newDisk()
		var log bytes.Buffer
		d := open(t, "/spool", spool.Config{FS: fake, Log: slog.New(slog.NewTextHandler(&log, nil))})
		bad, good := create(t, d), create(t, d)
		fake.setFail(func(op, name string) error {
			if op == "sync" && name == bad.ID() {
				return syscall.EIO
			}
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- d.Run(ctx) }()
		must(t, bad.Append([]byte("lost")))
		must(t, good.Append([]byte("kept")))
		<-time.After(time.Minute + 100*time.Millisecond) // between two ticks
		wantSizes(t, bad, 4, 0)
		wantSizes(t, good, 4, 4)
		if !errors.Is(bad.Err(), syscall.EIO) || good.Err() != nil {
			t.Errorf("errors: %v, %v", bad.Err(), good.Err())
		}
		if !errors.Is(bad.Append([]byte("x")), syscall.EIO) {
			t.Error("the broken file takes bytes")
		}
		if n := fake.count("sync"); n != 2 {
			t.Errorf("%d syncs, want one for each file", n)
		}
		last := create(t, d)
		must(t, last.Append([]byte("at the end")))
		fake.setFail(func(op, _ string) error {
			if op == "sync" {
				return syscall.ENOSPC
			}
			return nil
		})
		cancel()
		if err := <-done; !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Run gives %v, want what failed in its last sync", err)
		}
		if n := strings.Count(log.String(), "msg="); !strings.Contains(log.String(), bad.ID()) || n != 2 {
			t.Errorf("log:\n%s", log.String())
		}
	})
}

// A disk that hangs in the sync of files holds up nobody who appends, to these
// files or others; no more than 16 syncs are under way at once.
func TestAppendNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newDisk()
		d := open(t, "/spool", spool.Config{FS: fake})
		var files []*spool.File
		for range 40 {
			f := create(t, d)
			must(t, f.Append([]byte("before")))
			files = append(files, f)
		}
		hang := make(chan struct{})
		fake.setFail(func(op, _ string) error {
			if op == "sync" {
				<-hang
			}
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- d.Run(ctx) }()
		<-time.After(time.Minute)
		synctest.Wait()
		if n := fake.count("sync"); n != 16 {
			t.Errorf("%d syncs under way, want 16", n)
		}
		for _, f := range append(files, create(t, d)) {
			must(t, f.Append([]byte(", after"))) // a wait would be a deadlock here
		}
		for _, f := range files {
			if f.Synced() != 0 {
				t.Errorf("a sync that hangs counts %d bytes", f.Synced())
			}
		}
		close(hang)
		cancel()
		must(t, <-done)
		for _, f := range files {
			wantSizes(t, f, 13, 13)
		}
	})
}

func syncBriefly(f *spool.File) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return f.Sync(ctx)
}

// Whoever waits for a sync that another has under way can give up.
func TestSyncGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newDisk()
		d := open(t, "/spool", spool.Config{FS: fake})
		f := create(t, d)
		must(t, f.Append([]byte("bytes")))
		hang := make(chan struct{})
		fake.setFail(func(op, _ string) error {
			if op == "sync" {
				<-hang
			}
			return nil
		})
		first := make(chan error)
		go func() { first <- f.Sync(context.Background()) }()
		synctest.Wait()
		if err := syncBriefly(f); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		must(t, f.Append([]byte(", more"))) // after the first sync began
		close(hang)
		must(t, <-first)
		wantSizes(t, f, 11, 5)
		must(t, f.Sync(context.Background()))
		wantSizes(t, f, 11, 11)
	})
}

// A slow disk is told once, and once when it has recovered.
func TestSlowSyncIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newDisk()
		var log bytes.Buffer
		d := open(t, "/spool", spool.Config{FS: fake, Log: slog.New(slog.NewTextHandler(&log, nil))})
		f := create(t, d)
		fake.setFail(func(op, _ string) error {
			if op == "sync" {
				<-time.After(2 * time.Second)
			}
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- d.Run(ctx) }()
		for range 60 {
			must(t, f.Append([]byte("x")))
			<-time.After(time.Second)
		}
		fake.setFail(nil)
		<-time.After(time.Minute)
		cancel()
		must(t, <-done)
		if got := log.String(); strings.Count(got, "slow=true") != 1 || strings.Count(got, "slow=false") != 1 {
			t.Errorf("log:\n%s", got)
		}
	})
}

// model is what a file was promised to hold.
type model struct {
	f       *spool.File
	content []byte // as written
}

const headLen = 16

// step does one random thing with the file.
func (m *model) step(t *testing.T, d *spool.Dir, r *rand.Rand) {
	t.Helper()
	b := make([]byte, 1+r.IntN(40))
	for i := range b {
		b[i] = byte(1 + r.IntN(255))
	}
	switch r.IntN(8) {
	case 0:
		must(t, m.f.WriteHead(b[:min(len(b), headLen)]))
		m.content = overwrite(m.content, b[:min(len(b), headLen)], 0)
	case 1, 2:
		must(t, m.f.Sync(t.Context()))
	case 3:
		if r.IntN(3) > 0 {
			return
		}
		size := r.Int64N(int64(len(m.content)) + 1)
		must(t, m.f.Truncate(size))
		m.content = m.content[:size]
	case 4:
		if r.IntN(3) > 0 {
			return
		}
		must(t, m.f.Close())
		f, err := d.Reopen(m.f.ID())
		must(t, err)
		m.f = f
	default:
		must(t, m.f.Append(b))
		m.content = append(m.content, b...)
	}
}

// After a power cut at any point the files are there, and in them every byte
// that Synced counted but those of the head; after Seal every byte.
func TestPowerCut(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		fake := newDisk()
		d := open(t, "/spool", spool.Config{FS: fake})
		models := []*model{{f: create(t, d)}, {f: create(t, d)}}
		for range 60 {
			m := models[r.IntN(len(models))]
			m.step(t, d, r)
			for _, m := range models {
				wantPromise(t, fake.powerCut(r), m, min(headLen, len(m.content)))
			}
		}
		for _, m := range models {
			must(t, m.f.Seal())
			wantSizes(t, m.f, int64(len(m.content)), int64(len(m.content)))
			wantPromise(t, fake.powerCut(r), m, 0)
		}
	}
}

func wantPromise(t *testing.T, after *disk, m *model, from int) {
	t.Helper()
	n := after.files[filepath.Join("/spool", m.f.ID())]
	if n == nil {
		t.Fatal("the file is gone")
	}
	synced := int(m.f.Synced())
	if synced > len(m.content) || (synced > len(n.b)) {
		t.Fatalf("synced %d of %d bytes, %d are there", synced, len(m.content), len(n.b))
	}
	if synced > from && !bytes.Equal(n.b[from:synced], m.content[from:synced]) {
		t.Fatalf("of %d synced bytes not all are there", synced)
	}
}

// Many files written, read, listed and sealed at once keep their bytes apart.
func TestConcurrentUse(t *testing.T) {
	d := open(t, t.TempDir(), spool.Config{SyncEvery: time.Millisecond, Reserve: 1})
	ctx, cancel := context.WithCancel(t.Context())
	var flusher, users sync.WaitGroup
	flusher.Go(func() {
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for i := range 8 {
		users.Go(func() {
			if err := use(d, newID(t), byte(i)); err != nil {
				t.Error(err)
			}
		})
	}
	users.Wait()
	cancel()
	flusher.Wait()
	wantLeft(t, d)
}

// use writes a file, reads along, seals and removes it.
func use(d *spool.Dir, id string, fill byte) error {
	f, err := d.Create(id)
	if err != nil {
		return err
	}
	r, err := d.Open(id)
	if err != nil {
		return err
	}
	b := bytes.Repeat([]byte{fill}, 1000)
	got := make([]byte, 1000)
	for i := range 50 {
		if err := errors.Join(f.Append(b), f.WriteHead(b), d.Room(), f.Err()); err != nil {
			return err
		}
		if i%10 == 0 {
			if err := f.Sync(context.Background()); err != nil {
				return err
			}
		}
		size, err := r.Size()
		if err != nil {
			return err
		}
		if size < 1000 {
			continue
		}
		if _, err := r.ReadAt(got, size-1000); err != nil {
			return err
		}
		if !bytes.Equal(got, b) {
			return errors.New("bytes of another file")
		}
	}
	_, listErr := d.Left()
	_, usageErr := d.Usage()
	return errors.Join(listErr, usageErr, f.Seal(), f.Close(), r.Close(), d.Remove(id))
}

// BenchmarkFlush appends half a second of 1 Mbit/s to each of 100 files and
// syncs them all.
func BenchmarkFlush(b *testing.B) {
	d := open(b, b.TempDir(), spool.Config{})
	var files []*spool.File
	for range 100 {
		files = append(files, create(b, d))
	}
	cluster := make([]byte, 62_500)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	var appending time.Duration
	b.SetBytes(int64(len(files) * len(cluster)))
	for b.Loop() {
		began := time.Now()
		for _, f := range files {
			must(b, f.Append(cluster))
		}
		appending += time.Since(began)
		must(b, d.Run(ended)) // an ended Run is one sync of all
	}
	b.ReportMetric(float64(appending.Microseconds())/float64(b.N*len(files)), "µs/append")
	for _, f := range files {
		must(b, f.Close())
	}
}
