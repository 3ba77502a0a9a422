package storage

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/reelvault/reelvault"
)

const (
	// PartsInFlight is how many parts a node sends at once. Parts are read from
	// sections of spool files, so they cost sockets and not memory; four keep a
	// link busy without starving what else uses it.
	PartsInFlight = 4

	// defaultHeadSize is what media's muxer rewrites at the start of a file.
	defaultHeadSize = 4 << 10

	// scanEvery finds what no bell was rung for.
	scanEvery = time.Minute

	// checkEvery asks an idle store whether it is still there.
	checkEvery = time.Minute
)

// ArchiveConfig is what an Archive needs.
type ArchiveConfig struct {
	Catalog Recordings
	Blobs   Blobs
	Spool   Spool

	HeadSize int64        // bytes at a file's start that change until it is sealed; zero: 4096
	Log      *slog.Logger // nil: silence
	Now      Clock        // nil: the machine's
}

// Archive takes spool files into the object store, in the order that the
// package comment gives, and erases what was deleted.
//
// A growing file goes up in whole parts while it is recorded. Once it is
// sealed, each part that is missing or no longer what the spool has (part 1,
// since the head was rewritten) goes up, the object is completed, read back
// and compared with the spool by the checksum of each part and by SHA-256,
// and committed. Only then is the spool file removed. A file below PartSize
// goes up in one request when it is sealed.
//
// What there is to do is found in the catalog and in the spool folder; bells
// only say when to look. So a crash at any step needs no recovery of its own:
// whoever looks next finds the file not verified and does the rest. An object
// that is already there is taken if it is read back whole, and replaced
// otherwise, which is logged and counted.
//
// Nothing is given up. A file that fails is tried again after a while that
// doubles up to maxBackoff; a store that is down stops all files, and is asked
// by Check until it is back.
type Archive struct {
	catalog  Recordings
	blobs    Blobs
	spool    Spool
	headSize int64
	log      *slog.Logger
	now      Clock

	bell chan struct{} // holds one ring

	mu    sync.Mutex      // guards what follows, and is never held over I/O
	rung  map[string]bool // file ids since the last scan
	stats ArchiveStats
	// oldest is since when the longest waiting sealed file waits; down since
	// when the store fails. Zero: none, and it doesn't.
	oldest, down time.Time
}

// NewArchive makes an Archive. It does nothing before Run.
func NewArchive(c ArchiveConfig) *Archive {
	a := &Archive{
		catalog: c.Catalog, blobs: c.Blobs, spool: c.Spool, headSize: c.HeadSize, log: c.Log, now: c.Now,
		bell: make(chan struct{}, 1), rung: map[string]bool{},
	}
	if a.headSize == 0 {
		a.headSize = defaultHeadSize
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.now == nil {
		a.now = time.Now
	}
	return a
}

// Ring says that a file has grown by a part, was sealed or was deleted. Any
// goroutine may ring; it never blocks. A ring that is lost costs a minute and
// nothing else.
func (a *Archive) Ring(fileID string) {
	a.mu.Lock()
	a.rung[fileID] = true
	a.mu.Unlock()
	select {
	case a.bell <- struct{}{}:
	default: // somebody has rung already
	}
}

// takeRings gives the files that were rung for since the last call.
func (a *Archive) takeRings() map[string]bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	rung := a.rung
	a.rung = map[string]bool{}
	return rung
}

// Run works until ctx ends, and returns when every worker has. It is called
// once. What it gives is nil: whatever fails is tried again.
func (a *Archive) Run(ctx context.Context) error {
	q := newQueue()
	results := make(chan result)
	var workers sync.WaitGroup
	defer workers.Wait()

	rung := true // what an earlier process left behind
	for ctx.Err() == nil {
		now := a.now()
		if q.scanDue(rung, now) {
			a.scan(ctx, q)
			rung = false
		}
		for j, ok := q.pick(now); ok; j, ok = q.pick(now) {
			workers.Go(func() {
				r := a.work(ctx, j)
				select {
				case results <- r:
				case <-ctx.Done():
				}
			})
		}
		a.report(q)
		wake := time.NewTimer(q.wake(now).Sub(now))
		select {
		case <-ctx.Done():
		case <-a.bell:
			rung = true
		case r := <-results:
			a.settle(ctx, q, r)
		case <-wake.C:
		}
		wake.Stop()
	}
	return nil
}

// scan brings the queue up to the catalog, and finds spool files that a crash
// kept from being removed.
func (a *Archive) scan(ctx context.Context, q *queue) {
	now := a.now()
	rings := a.takeRings()
	unstored, err := a.catalog.Unstored(ctx)
	var erasable []reelvault.File
	if err == nil {
		erasable, err = a.catalog.Erasable(ctx)
	}
	if err != nil {
		q.scanFailed(now)
		if ctx.Err() == nil && worthLogging(q.scanFailures) {
			a.log.ErrorContext(ctx, "archive: list files", slog.Any("error", err), slog.Int("attempt", q.scanFailures))
		}
		return
	}
	full := !now.Before(q.sweepAt)
	q.scanned(now, unstored, erasable, rings)
	if full {
		q.sweepAt = now.Add(scanEvery)
		a.sweep(ctx, q)
	}
}

// sweep queues the spool files whose objects are verified: a crash came
// between the commit and the removal.
func (a *Archive) sweep(ctx context.Context, q *queue) {
	left, err := a.spool.Left()
	if err != nil {
		a.log.ErrorContext(ctx, "archive: list spool files", slog.Any("error", err))
		return
	}
	for _, id := range left {
		if q.tasks[id] != nil {
			continue
		}
		// A file without a row was just created, or is the recorder's to mend.
		f, err := a.row(ctx, id)
		if err == nil && f.Durability == reelvault.Verified {
			q.add(id, f, removeSpool)
		}
	}
}

// row gives what the catalog has of a file now. A file of a deleted recording
// counts as not found.
func (a *Archive) row(ctx context.Context, id string) (reelvault.File, error) {
	r, err := a.catalog.RecordingOfFile(ctx, id)
	if err != nil {
		return reelvault.File{}, err
	}
	for _, f := range r.Files {
		if f.ID == id && r.State != reelvault.RecordingDeleted {
			return f, nil
		}
	}
	return reelvault.File{}, reelvault.Errorf(reelvault.NotFound, "there is no file %s", id)
}

// settle takes what a worker gives back.
func (a *Archive) settle(ctx context.Context, q *queue, r result) {
	if r.err != nil && ctx.Err() != nil {
		return // we are to end, and it did
	}
	now := a.now()
	if r.err == nil {
		q.succeeded(now, r)
		if r.stored || r.kind == checkStore && !q.failing() {
			a.storeWorks(ctx)
		}
		return
	}
	if r.stored {
		a.storeWorks(ctx)
	}
	down := storeDown(r.err) || r.kind == checkStore
	attempt := q.failed(now, r, down)
	a.countFailure(r.err)
	switch {
	case down:
		a.storeFails(ctx, r.err)
	case worthLogging(attempt):
		a.log.ErrorContext(ctx, "archive: file", slog.String("file", r.id), slog.String("work", string(r.kind)),
			slog.Any("error", r.err), slog.Int("attempt", attempt))
	}
}

// worthLogging thins out what is said again and again.
func worthLogging(attempt int) bool { return attempt&(attempt-1) == 0 }

// storeDown says whether it is the store as a whole that failed.
func storeDown(err error) bool {
	kind := reelvault.KindOf(err)
	return kind == reelvault.Unavailable || kind == reelvault.StorageFull
}
