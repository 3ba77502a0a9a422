package spool

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// syncsAtOnce is how many files are synced at a time: the syncs of one file
// system share its journal commits, and more than this gain nothing. One
// syncfs for all could not say whose bytes were lost.
const syncsAtOnce = 16

// Run syncs what has been appended, every SyncEvery, until ctx ends, and once
// more then. It is the one flusher of a node. A file whose sync fails is
// broken (File.Err) and logged; the others go on. What Run gives is what
// failed in its last sync.
func (d *Dir) Run(ctx context.Context) error {
	tick := time.NewTicker(d.every)
	defer tick.Stop()
	slow := false
	for {
		select {
		case <-ctx.Done():
			return d.syncAll()
		case <-tick.C:
		}
		began := time.Now()
		_ = d.syncAll() // is in each file's Err, and in the log
		took := time.Since(began)
		if late := took > d.every; late != slow {
			slow = late
			d.log.Log(ctx, slowLevel(late), "spool sync", slog.Bool("slow", late), slog.Duration("took", took))
		}
	}
}

func slowLevel(late bool) slog.Level {
	if late {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// syncAll syncs every file that was written since its last sync, and returns
// when all are done.
func (d *Dir) syncAll() error {
	queue := make(chan *File)
	var failed []error
	var mu sync.Mutex
	var workers sync.WaitGroup
	dirty := d.dirty()
	for range min(syncsAtOnce, len(dirty)) {
		workers.Go(func() {
			for f := range queue {
				if err := f.Sync(context.Background()); err != nil {
					d.log.Error("sync spool file", slog.String("file", f.id), slog.Any("error", err))
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, f := range dirty {
		queue <- f
	}
	close(queue)
	workers.Wait()
	return errors.Join(failed...)
}

func (d *Dir) dirty() []*File {
	d.mu.Lock()
	defer d.mu.Unlock()
	var files []*File
	for _, f := range d.files {
		if f.dirty() {
			files = append(files, f)
		}
	}
	return files
}
