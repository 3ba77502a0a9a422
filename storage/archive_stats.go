package storage

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/reelvault/reelvault"
)

// ArchiveStats are an Archive's figures. Counters count from the start of the
// process.
type ArchiveStats struct {
	BacklogFiles int           // sealed and not verified
	BacklogBytes int64         // of those
	OldestAge    time.Duration // how long the first of those has waited in this process
	Growing      int           // files being recorded
	Erasable     int           // deleted files whose bytes still exist

	Parts      uint64 // stored, whole small files included
	Verified   uint64 // files
	Erased     uint64 // files
	Retries    uint64 // tries that failed and are made again
	Mismatches uint64 // objects that did not read back as the file

	LastError   string // text of the last failed try, or empty
	LastErrorAt time.Time
}

// Stats gives the figures. Any goroutine may call it.
func (a *Archive) Stats() ArchiveStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.stats
	if !a.oldest.IsZero() {
		s.OldestAge = a.now().Sub(a.oldest)
	}
	return s
}

// Healthy gives nil while the store takes bytes, or an error of kind
// Unavailable. Recording goes on without the store. Any goroutine may call it.
func (a *Archive) Healthy() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down.IsZero() {
		return nil
	}
	hint := "recording goes on into the spool; see that the object store runs and can be reached"
	return &reelvault.Error{
		Kind: reelvault.Unavailable, Message: "the object store has failed since " + a.down.UTC().Format(time.RFC3339),
		Hint: hint, Cause: errors.New(a.stats.LastError),
	}
}

// report counts what the queue holds.
func (a *Archive) report(q *queue) {
	var s ArchiveStats
	var oldest time.Time
	for _, t := range q.tasks {
		switch {
		case t.kind == eraseFile:
			s.Erasable++
		case t.kind != storeFile:
		case !t.file.Sealed:
			s.Growing++
		default:
			s.BacklogFiles++
			s.BacklogBytes += t.file.Bytes
			if oldest.IsZero() || t.since.Before(oldest) {
				oldest = t.since
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.oldest = oldest
	a.stats.BacklogFiles, a.stats.BacklogBytes = s.BacklogFiles, s.BacklogBytes
	a.stats.Growing, a.stats.Erasable = s.Growing, s.Erasable
}

func (a *Archive) count(change func(*ArchiveStats)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.stats)
}

func (a *Archive) countPart()     { a.count(func(s *ArchiveStats) { s.Parts++ }) }
func (a *Archive) countVerified() { a.count(func(s *ArchiveStats) { s.Verified++ }) }
func (a *Archive) countErased()   { a.count(func(s *ArchiveStats) { s.Erased++ }) }
func (a *Archive) countMismatch() { a.count(func(s *ArchiveStats) { s.Mismatches++ }) }

func (a *Archive) countFailure(err error) {
	at := a.now()
	a.count(func(s *ArchiveStats) {
		s.Retries++
		s.LastError, s.LastErrorAt = err.Error(), at
	})
}

// storeFails notes that the store is down, and says so once.
func (a *Archive) storeFails(ctx context.Context, err error) {
	now := a.now()
	a.mu.Lock()
	first := a.down.IsZero()
	if first {
		a.down = now
	}
	a.mu.Unlock()
	if !first {
		return
	}
	hint := ""
	var known *reelvault.Error
	if errors.As(err, &known) {
		hint = known.Hint
	}
	a.log.WarnContext(ctx, "archive: the object store fails; recording goes on into the spool",
		slog.Any("error", err), slog.String("hint", hint))
}

// storeWorks notes that the store is up, and says so if it was down.
func (a *Archive) storeWorks(ctx context.Context) {
	now := a.now()
	a.mu.Lock()
	down := a.down
	a.down = time.Time{}
	a.mu.Unlock()
	if !down.IsZero() {
		a.log.InfoContext(ctx, "archive: the object store is back", slog.Duration("after", now.Sub(down)))
	}
}
