package storage

import (
	"math/rand/v2"
	"time"

	"github.com/reelvault/reelvault"
)

const (
	minBackoff = 250 * time.Millisecond

	// maxBackoff is how long after a store is back the last file may notice.
	maxBackoff = 30 * time.Second

	// growEvery looks at growing files that no bell was rung for.
	growEvery = 30 * time.Second
)

// backoff gives how long to wait after so many failures in a row: doubling,
// and a random half of it, so that nodes that failed together come back apart.
func backoff(failures int) time.Duration {
	d := maxBackoff
	if shift := failures - 1; shift < 16 {
		d = min(minBackoff<<shift, maxBackoff)
	}
	return d/2 + rand.N(d/2)
}

// workKind is what a worker is to do.
type workKind string

const (
	checkStore  workKind = "check the store"
	storeFile   workKind = "store"
	eraseFile   workKind = "erase"
	removeSpool workKind = "remove the spool file"
)

// job is one piece of work. The worker that has it owns upload and digest.
type job struct {
	kind workKind
	file reelvault.File
	*progress
}

// progress is what this process knows of a file beyond the catalog. It may be
// lost: then the file is begun again from the spool.
type progress struct {
	upload     *upload // open in the store; nil: none of ours
	digest     *digest // of the sealed spool file; nil: not made yet
	lost       bool    // the object that the catalog names is no good
	broken     int     // number of the part in which the last read-back broke off
	unreadable int     // read-backs in a row that broke off in it
}

// result is what came of a job.
type result struct {
	kind   workKind
	id     string
	err    error
	done   bool // nothing is left to do for this file
	stored bool // the store took or gave bytes
}

// task is a file that something is to be done for.
type task struct {
	job
	busy     bool // a worker has it
	rung     bool // while busy
	failures int  // in a row
	next     time.Time
	since    time.Time // when it was first seen sealed
}

// queue belongs to the goroutine of Run.
type queue struct {
	tasks map[string]*task
	busy  int // workers

	scanAt       time.Time
	scanFailures int
	sweepAt      time.Time

	// While the store is shut, nothing but a check starts, and that at openAt.
	shut    bool
	openAt  time.Time
	outages int       // failures of the store since it last took or gave bytes
	checkAt time.Time // when an idle store is asked
	check   bool      // a check is running
}

// newQueue begins with a check: it makes the bucket.
func newQueue() *queue { return &queue{tasks: map[string]*task{}, shut: true} }

// scanDue says whether to look into the catalog. While the store is shut a
// ring changes nothing.
func (q *queue) scanDue(rung bool, now time.Time) bool {
	return !now.Before(q.scanAt) || rung && !q.shut && q.scanFailures == 0
}

func (q *queue) scanFailed(now time.Time) {
	q.scanFailures++
	q.scanAt = now.Add(backoff(q.scanFailures))
}

// scanned takes what the catalog lists, and forgets what it doesn't.
func (q *queue) scanned(now time.Time, unstored, erasable []reelvault.File, rings map[string]bool) {
	q.scanFailures = 0
	q.scanAt = now.Add(scanEvery)
	listed := map[string]bool{}
	for _, f := range unstored {
		listed[f.ID] = true
		t := q.add(f.ID, f, storeFile)
		if f.Sealed && t.since.IsZero() {
			t.since = now
			t.hurry()
		}
	}
	for _, f := range erasable {
		listed[f.ID] = true
		q.add(f.ID, f, eraseFile)
	}
	for id := range rings {
		if t := q.tasks[id]; t != nil {
			t.hurry()
		}
	}
	for id, t := range q.tasks {
		if !listed[id] && !t.busy && t.kind != removeSpool {
			delete(q.tasks, id)
		}
	}
}

// add queues work for a file, or renews what is known of it. Other work than
// before begins anew.
func (q *queue) add(id string, f reelvault.File, kind workKind) *task {
	t := q.tasks[id]
	if t == nil {
		t = &task{job: job{progress: &progress{}}}
		q.tasks[id] = t
	}
	if t.kind != kind {
		t.failures = 0
		t.hurry()
	}
	t.kind, t.file = kind, f
	return t
}

// hurry makes a task due, unless it waits after a failure.
func (t *task) hurry() {
	t.rung = t.busy
	if t.failures == 0 {
		t.next = time.Time{}
	}
}

// pick gives what is to be started now, if anything is.
func (q *queue) pick(now time.Time) (job, bool) {
	if q.busy >= PartsInFlight {
		return job{}, false
	}
	if due := q.checkDue(); !q.check && !now.Before(due) {
		q.check = true
		q.busy++
		return job{kind: checkStore}, true
	}
	if q.shut {
		return job{}, false
	}
	t := q.first()
	if t == nil || now.Before(t.next) {
		return job{}, false
	}
	t.busy, t.rung = true, false
	q.busy++
	return t.job, true
}

func (q *queue) checkDue() time.Time {
	if q.shut {
		return q.openAt
	}
	return q.checkAt
}

// first gives the idle task that is due first, the oldest file of several.
func (q *queue) first() *task {
	var first *task
	for _, t := range q.tasks {
		if t.busy {
			continue
		}
		if first == nil || t.next.Before(first.next) || t.next.Equal(first.next) && t.file.ID < first.file.ID {
			first = t
		}
	}
	return first
}

// wake gives when pick or scanDue will have something.
func (q *queue) wake(now time.Time) time.Time {
	at := q.scanAt
	if q.busy < PartsInFlight {
		if !q.check {
			at = earlier(at, q.checkDue())
		}
		if t := q.first(); t != nil && !q.shut {
			at = earlier(at, t.next)
		}
	}
	if at.Before(now) {
		return now
	}
	return at
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// failing says whether some file's last try has failed.
func (q *queue) failing() bool {
	for _, t := range q.tasks {
		if t.failures > 0 {
			return true
		}
	}
	return false
}

// released frees the worker of r and gives its task, nil after a check.
func (q *queue) released(r result) *task {
	q.busy--
	if r.kind == checkStore {
		q.check = false
		return nil
	}
	t := q.tasks[r.id]
	t.busy = false
	return t
}

func (q *queue) succeeded(now time.Time, r result) {
	t := q.released(r)
	if r.stored {
		q.outages = 0
	}
	if r.stored || t == nil {
		q.checkAt = now.Add(checkEvery)
	}
	if t == nil {
		q.shut = false
		return
	}
	t.failures = 0
	t.next = now.Add(growEvery)
	if t.rung {
		t.next = time.Time{}
		q.scanAt = now // what rang may have changed the row
	}
	if r.done && t.kind == r.kind {
		delete(q.tasks, r.id)
	}
}

// failed puts a task off and, if down, shuts the store. It gives how often the
// work has failed in a row.
func (q *queue) failed(now time.Time, r result, down bool) int {
	t := q.released(r)
	if r.stored {
		q.outages = 0
	}
	if down || t == nil {
		q.outages++
		q.shut, q.openAt = true, now.Add(backoff(q.outages))
	}
	if t == nil {
		return q.outages
	}
	t.failures++
	t.next = now.Add(backoff(t.failures))
	return t.failures
}
