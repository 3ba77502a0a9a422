// Package demo plays people who use Reelvault, so that somebody who has just
// started it finds sessions that go on and sessions that have ended.
//
// It does so from outside, as any client would: over the API with a token,
// with publishers that speak WHIP, and with a telephone system that has its
// calls recorded by SIPREC. The media are part of the program; their folder
// says where they come from.
package demo

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// short is how long the sessions go on that are to have ended soon. Nobody
	// is in the middle of a sentence then.
	short = 8 * time.Second

	// apart is how much later the live ones begin: lists show them as later.
	apart = 200 * time.Millisecond

	// again is how long after a live session was ended, or broke off, the next
	// one begins. What ends it may go on doing so: a list of many short
	// sessions would be no demo.
	again = time.Minute

	// farewell bounds how long saying goodbye may take.
	farewell = 5 * time.Second
)

// Node is where the demo is played.
type Node struct {
	URL   string // of the API, such as http://127.0.0.1:8080
	Token string // of a tenant of its own: sessions:read, sessions:write, ingest
	SIP   string // host:port, UDP
	Log   *slog.Logger
}

// Play ends what an earlier run left live, makes a live session of each kind,
// and one that ends soon where none has ended yet. It goes on until ctx ends,
// says goodbye, and returns when all is over. A session that fails is logged.
func Play(ctx context.Context, n Node) error {
	media, err := readClips()
	if err != nil {
		return fmt.Errorf("read the demo's media: %w", err)
	}
	p := &player{client: client{base: n.URL, secret: n.Token}, sip: n.SIP, log: n.Log, media: media}
	left, err := p.tidy(ctx)
	if ctx.Err() != nil {
		return nil // it was asked to end so soon
	}
	if err != nil {
		return fmt.Errorf("end what an earlier demo left: %w", err)
	}
	var all sync.WaitGroup
	defer all.Wait()
	if !left.video {
		all.Go(func() { p.once(ctx, "short video session", p.shortVideo) })
	}
	if !left.call {
		all.Go(func() { p.once(ctx, "short call", p.shortCall) })
	}
	sleep(ctx, apart)
	all.Go(func() { p.repeat(ctx, "video session", p.liveVideo) })
	all.Go(func() { p.repeat(ctx, "call", p.liveCall) })
	return nil
}

// player plays on one node.
type player struct {
	client client
	sip    string
	log    *slog.Logger
	media  clips
}

// found says which kinds of sessions with recordings have ended already.
type found struct{ video, call bool }

// tidy ends the sessions of earlier runs, which died without doing so.
func (p *player) tidy(ctx context.Context) (found, error) {
	var f found
	live, err := p.client.sessions(ctx, true)
	if err != nil {
		return f, err
	}
	for _, s := range live {
		if !s.ours() {
			continue
		}
		if err = p.client.end(ctx, s.ID); err != nil {
			return f, err
		}
	}
	ended, err := p.client.sessions(ctx, false)
	for _, s := range ended {
		f.video = f.video || s.Recordings > 0 && s.Channel == "AV"
		f.call = f.call || s.Recordings > 0 && s.Channel == "Phone"
	}
	return f, err
}

// once plays a scene, and logs how it failed.
func (p *player) once(ctx context.Context, what string, scene func(context.Context) error) {
	if err := scene(ctx); err != nil {
		p.log.WarnContext(ctx, "a part of the demo ended", "what", what, "err", err)
	}
}

// repeat plays a scene whenever it is over.
func (p *player) repeat(ctx context.Context, what string, scene func(context.Context) error) {
	for ctx.Err() == nil {
		p.once(ctx, what, scene)
		sleep(ctx, again)
	}
}

// sleep waits, and gives false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// goodbye gives the time for what has to be done when ctx may have ended.
func goodbye(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), farewell)
}

// part is what goes on beside others in a scene, until ctx ends.
type part func(ctx context.Context) error

// together runs parts until all are over. The first one that fails ends the
// others, and what it says is what is given.
func together(ctx context.Context, parts ...part) error {
	inner, end := context.WithCancel(ctx)
	defer end()
	failures := make(chan error, len(parts))
	var all sync.WaitGroup
	for _, run := range parts {
		all.Go(func() {
			if err := run(inner); err != nil && inner.Err() == nil {
				failures <- err
				end()
			}
		})
	}
	all.Wait()
	close(failures)
	return <-failures
}
