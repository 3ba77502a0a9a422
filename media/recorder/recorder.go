// Package recorder is the life of a recording: it opens with the first
// packet, takes every publisher of its session and kind, can be paused,
// resumed and stopped, and ends sealed in the spool and in the ledger.
//
// Three kinds of goroutines run here, each started and joined in one place:
//
//	recording.run   one a recording: idle time, saving of gaps, sealing
//	capture.run     one a publisher: inbox -> jitter -> timeline -> depacket -> mux
//	output.run      one a file: what the muxer gives -> spool
//
// A publisher's files stand one behind the other on a reel: the next one
// begins at a bound, after a pause of the disk, or where the container can't
// hold what comes. A browser has one reel for all it sends. A call has one for
// its two sides, the caller left and the callee right, and another for each
// party that has no place there: a third one, one on a side that was taken, or
// one of another codec. All lie on the call's clock, on which a packet is
// where its sender's RTP clock says beside the smallest delay it arrived with.
// Senders' clocks drift: a party that has come 20 ms from its place is moved
// back while it is quiet, by leaving a quiet packet out or putting it off, and
// beyond 200 ms at once; what was moved is kept with the timing. Apart from
// that a call's file holds what was sent, bit by bit, and silence of its law
// where nothing came, with a gap that says why.
//
// What makes up for a clock in the middle of a word is a gap as well: a mute
// where a slow one left nothing, and a loss as long as what a fast one brought
// too much, of which the end is where it was left out. What comes after silence
// was written in its place is lost from there on, whatever the silence before
// it was.
//
// A capture's goroutine owns its tracks, timeline and muxer, so the media
// path waits for no other; it looks up the recording's zero under a lock that
// is never held over a call that may wait. Sources reach it by a bounded inbox and never wait: a
// packet that finds it full is dropped and becomes a gap of cause overload.
// A disk that is slow or broken costs frames, which become gaps of cause
// disk; it never costs another recording anything. A file whose disk failed
// is abandoned and capture goes on in a new one.
//
// A session may be withheld, until those in it have agreed to be recorded.
// Its captures let everything pass and keep nothing, not even in memory; no
// recording opens. When it is released they begin as if they had just come.
//
// After a crash Recover finishes what the spool holds with the same code that
// finishes an abandoned file.
package recorder

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/spool"
)

const (
	// rejoinTime is how long a recording waits for a publisher to come back.
	rejoinTime = 60 * time.Second

	// saveEvery bounds how much of the gap list a crash can lose.
	saveEvery = time.Second

	// sealTime bounds the last writes of a recording: disk and ledger are
	// local, so what takes longer than this is broken and left to Recover.
	sealTime = 30 * time.Second
)

// Config is what a Recorder needs. All fields but the functions are required.
type Config struct {
	Ledger  Ledger
	Spool   *spool.Dir
	Stored  func(fileID string)       // told when a file has grown or is sealed; must not block
	Changed func(reelvault.Recording) // told when a recording has opened or changed its state; must not block
	Log     *slog.Logger
}

// Recorder implements media.Sink and media.Control.
type Recorder struct {
	config Config
	stats  counters

	mu         sync.Mutex
	draining   bool
	recordings map[scope]*recording // those that take publishers
	captures   sync.WaitGroup
	lives      sync.WaitGroup
}

// scope says which publishers share a recording.
type scope struct {
	tenantID, sessionID string
	kind                reelvault.RecordingKind
	participantID       string // of a screen share; an av recording takes all
}

func scopeOf(p media.Publisher) scope {
	s := scope{p.TenantID, p.SessionID, p.Kind, ""}
	if p.Kind == reelvault.RecordingScreen {
		s.participantID = p.ParticipantID
	}
	return s
}

// New makes a Recorder. Call Recover before the first Open, and Close at the end.
func New(c Config) *Recorder {
	if c.Stored == nil {
		c.Stored = func(string) {}
	}
	if c.Changed == nil {
		c.Changed = func(reelvault.Recording) {}
	}
	return &Recorder{config: c, recordings: map[scope]*recording{}}
}

// Admit implements media.Sink.
func (r *Recorder) Admit(ctx context.Context, p media.Publisher) error {
	err := r.admit(ctx, p)
	if goesUnrecorded(p, err) {
		return nil
	}
	return err
}

func (r *Recorder) admit(ctx context.Context, p media.Publisher) error {
	r.mu.Lock()
	draining := r.draining
	r.mu.Unlock()
	if draining {
		return reelvault.Errorf(reelvault.Unavailable, "the recorder is shutting down")
	}
	t, err := r.config.Ledger.Tenant(ctx, p.TenantID)
	if err != nil {
		return err
	}
	s, err := r.config.Ledger.Session(ctx, p.TenantID, p.SessionID)
	if err != nil {
		return err
	}
	if !s.Status.Live() {
		return reelvault.Errorf(reelvault.Conflict, "the session is %s", s.Status)
	}
	switch {
	case p.Kind == reelvault.RecordingPhone && !t.Features.Phone:
		return reelvault.Errorf(reelvault.Forbidden, "telephony is switched off for tenant %s", t.Name)
	case p.Kind != reelvault.RecordingPhone && !t.Features.AV:
		return reelvault.Errorf(reelvault.Forbidden, "audio and video are switched off for tenant %s", t.Name)
	}
	return r.config.Spool.Room()
}

// goesUnrecorded says whether what Admit found speaks against a recording
// only, and p is to go on without one.
func goesUnrecorded(p media.Publisher, err error) bool {
	if err == nil || !p.Unrecorded {
		return false
	}
	kind := reelvault.KindOf(err)
	return kind == reelvault.Forbidden || kind == reelvault.StorageFull
}

// Open implements media.Sink.
func (r *Recorder) Open(ctx context.Context, p media.Publisher) (media.Capture, error) {
	err := r.admit(ctx, p)
	if goesUnrecorded(p, err) {
		r.config.Log.Info("publisher goes on unrecorded", "session", p.SessionID, "participant", p.ParticipantID, "reason", err)
		return unrecorded{}, nil
	}
	if err != nil {
		return nil, err
	}
	c, err := r.start(p)
	if err != nil {
		return nil, err
	}
	// Whoever is released after the ledger has answered finds the capture here.
	allowed, err := r.allowed(ctx, p)
	if err != nil {
		c.Close(err)
		return nil, err
	}
	if allowed {
		c.withheld.Store(false)
	}
	return c, nil
}

// allowed says whether p may be recorded now.
func (r *Recorder) allowed(ctx context.Context, p media.Publisher) (bool, error) {
	withheld, err := r.config.Ledger.Withheld(ctx, p.TenantID, p.SessionID)
	if err != nil {
		return false, fmt.Errorf("ask whether session %s is withheld: %w", p.SessionID, err)
	}
	if withheld {
		return false, nil
	}
	a, err := r.answers(ctx, p.TenantID, p.SessionID)
	return a.allow(p), err
}

// start makes p's capture a part of its recording. It is withheld at first.
func (r *Recorder) start(p media.Publisher) (*capture, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining {
		return nil, reelvault.Errorf(reelvault.Unavailable, "the recorder is shutting down")
	}
	rec := r.recordings[scopeOf(p)]
	if rec == nil {
		rec = r.begin(scopeOf(p))
	}
	c := newCapture(r, rec, p)
	rec.join(c)
	r.captures.Add(1)
	go func() {
		defer r.captures.Done()
		c.run()
	}()
	return c, nil
}

// begin makes a recording that has not opened yet. The caller holds r.mu.
func (r *Recorder) begin(s scope) *recording {
	rec := newRecording(r, s)
	r.recordings[s] = rec
	r.lives.Add(1)
	go func() {
		defer r.lives.Done()
		rec.run()
	}()
	return rec
}

// leave takes rec out, so that a later publisher begins another.
func (r *Recorder) leave(rec *recording) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.recordings[rec.scope] == rec {
		delete(r.recordings, rec.scope)
	}
}

// Drain refuses new publishers and seals every recording; it returns when
// all are sealed or ctx ends. What is left then is finished by Recover.
func (r *Recorder) Drain(ctx context.Context) error {
	r.mu.Lock()
	r.draining = true
	all := make([]*recording, 0, len(r.recordings))
	for _, rec := range r.recordings {
		all = append(all, rec)
	}
	r.mu.Unlock()

	return stopAll(ctx, all)
}

// Close waits for every goroutine. The sources must have closed their
// captures, and Drain must have been called.
func (r *Recorder) Close() {
	r.captures.Wait()
	r.lives.Wait()
}

// Stats are counts since the start, and what goes on now.
type Stats struct {
	Recordings    int // capturing now
	Packets       uint64
	Frames        uint64
	Bytes         uint64 // given to the spool
	Overloads     uint64 // packets dropped for a full inbox
	Abandoned     uint64 // files given up after a disk error
	KeyframeAsks  uint64
	SilenceFrames uint64
}

type counters struct {
	packets, frames, bytes, overloads, abandoned, keyframeAsks, silence atomic.Uint64
}

// Stats gives a copy.
func (r *Recorder) Stats() Stats {
	r.mu.Lock()
	running := len(r.recordings)
	r.mu.Unlock()
	return Stats{
		Recordings:    running,
		Packets:       r.stats.packets.Load(),
		Frames:        r.stats.frames.Load(),
		Bytes:         r.stats.bytes.Load(),
		Overloads:     r.stats.overloads.Load(),
		Abandoned:     r.stats.abandoned.Load(),
		KeyframeAsks:  r.stats.keyframeAsks.Load(),
		SilenceFrames: r.stats.silence.Load(),
	}
}
