package recorder

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/reelvault/reelvault"
)

// recording is one recording while it takes publishers: before its first
// packet, while it runs or is paused, and until it is sealed.
type recording struct {
	recorder *Recorder
	scope    scope
	id       string

	// paused and ended are read by every packet.
	paused atomic.Bool
	ended  atomic.Bool // sealing: captures go on without being recorded

	wake   chan struct{} // publishers came or went; holds one
	stop   chan struct{} // closed once by askToStop
	sealed chan struct{} // closed by run at its end

	stopOnce sync.Once
	control  sync.Mutex // held by pause, resume and seal, one at a time
	opening  sync.Mutex // held by open, while the ledger answers

	mu       sync.Mutex
	captures map[*capture]bool
	broken   bool // the last publisher to leave did not say goodbye
	row      *reelvault.Recording
	start    time.Time       // the recording's zero, with a monotonic reading
	end      time.Duration   // of the last sealed file or pause
	kept     bool            // a file with media in it is sealed
	pauses   []reelvault.Gap // the last one is open while paused
	leftover []leftover      // abandoned files, still to be finished
	syncErr  time.Duration
}

func newRecording(r *Recorder, s scope) *recording {
	return &recording{
		recorder: r, scope: s, id: uuid.Must(uuid.NewV7()).String(),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), sealed: make(chan struct{}),
		captures: map[*capture]bool{},
	}
}

// run lives until the recording is sealed.
func (r *recording) run() {
	defer close(r.sealed)
	save := time.NewTicker(saveEvery)
	defer save.Stop()
	idle := time.NewTimer(rejoinTime)
	defer idle.Stop()
	for {
		select {
		case <-save.C:
			r.saveNoted()
			if r.over() && r.closeIfEmpty() {
				r.seal()
				return
			}
		case <-r.wake:
			idle.Stop()
			if wait, empty := r.idleTime(); empty {
				idle.Reset(wait)
			}
		case <-idle.C:
			if r.closeIfEmpty() {
				r.seal()
				return
			}
		case <-r.stop:
			r.recorder.leave(r)
			r.seal()
			return
		}
	}
}

// idleTime says how long to wait for somebody to come back, if nobody is here.
func (r *recording) idleTime() (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.captures) > 0 {
		return 0, false
	}
	goodbye := r.scope.kind != reelvault.RecordingAV && !r.broken
	if r.row == nil || goodbye {
		return 0, true
	}
	return rejoinTime, true
}

// over says that nobody is here, and nobody can come back: the session has
// ended, whoever ended it.
func (r *recording) over() bool {
	if _, empty := r.idleTime(); !empty {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), saveEvery)
	defer cancel()
	s, err := r.recorder.config.Ledger.Session(ctx, r.scope.tenantID, r.scope.sessionID)
	return err == nil && !s.Status.Live()
}

// closeIfEmpty takes the recording out if still nobody is here.
func (r *recording) closeIfEmpty() bool {
	r.recorder.mu.Lock()
	defer r.recorder.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.captures) > 0 {
		return false
	}
	delete(r.recorder.recordings, r.scope)
	return true
}

// join and left count publishers.
func (r *recording) join(c *capture) {
	r.mu.Lock()
	r.captures[c] = true
	r.mu.Unlock()
	r.ring()
}

func (r *recording) left(c *capture, cause error) {
	r.mu.Lock()
	delete(r.captures, c)
	r.broken = cause != nil
	r.mu.Unlock()
	r.ring()
}

func (r *recording) ring() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *recording) askToStop() { r.stopOnce.Do(func() { close(r.stop) }) }

// wait returns when the recording is sealed.
func (r *recording) wait(ctx context.Context) error {
	select {
	case <-r.sealed:
		return nil
	case <-ctx.Done():
		return &reelvault.Error{Kind: reelvault.Unavailable, Message: "the recording is still being sealed", Cause: ctx.Err()}
	}
}

// open makes the row, once, with the recording's zero at start. A row that
// cannot be written leaves the recording unopened, to be tried again.
func (r *recording) open(ctx context.Context, start time.Time) error {
	r.opening.Lock()
	defer r.opening.Unlock()
	if r.isOpen() {
		return nil
	}
	row := reelvault.Recording{
		ID: r.id, TenantID: r.scope.tenantID, SessionID: r.scope.sessionID, Kind: r.scope.kind,
		State: reelvault.RecordingRunning, Durability: reelvault.Spooled, StartedAt: start.UTC(),
	}
	if err := r.recorder.config.Ledger.CreateRecording(ctx, row); err != nil {
		return err
	}
	r.mu.Lock()
	r.row, r.start = &row, start
	r.mu.Unlock()
	r.recorder.config.Changed(row)
	r.recorder.config.Log.Info("recording opened", "recording", r.id, "session", r.scope.sessionID, "kind", r.scope.kind)
	return nil
}

func (r *recording) isOpen() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.row != nil
}

// zero gives the recording's zero.
func (r *recording) zero() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.start
}

// all gives the captures that are here now.
func (r *recording) all() []*capture {
	r.mu.Lock()
	defer r.mu.Unlock()
	cs := make([]*capture, 0, len(r.captures))
	for c := range r.captures {
		cs = append(cs, c)
	}
	return cs
}

// keep counts a sealed file in.
func (r *recording) keep(f reelvault.File, syncErr time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = r.kept || f.Duration > 0
	r.end = max(r.end, f.Offset+f.Duration)
	r.syncErr = max(r.syncErr, syncErr)
}

// leftover is a file that still has to be finished.
type leftover struct {
	row    reelvault.File
	tracks []reelvault.Track
	let    <-chan struct{} // closed when nobody writes to it any more
}

// leaveBehind takes over a file that still has to be finished.
func (r *recording) leaveBehind(s *segment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leftover = append(r.leftover, leftover{row: s.row, tracks: s.rows(), let: s.out.finished})
}
