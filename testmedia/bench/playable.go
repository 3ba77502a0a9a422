package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/reelvault/reelvault/testmedia/node"
)

// stopToPlayable stops recordings one by one, and times from the request to
// the last byte of the finished file.
func (a *allCmd) stopToPlayable(ctx context.Context, b *bench) error {
	p, err := b.startProduct(ctx, a.Publishers)
	if err != nil {
		return err
	}
	r := p.receiver()
	var took []time.Duration
	_, err = b.load(ctx, r, a.command(), a.StopAfter+2*warmUp, func() error {
		took, err = a.timeStops(ctx, p)
		return err
	})
	if err = errors.Join(err, r.stop()); err != nil {
		return fmt.Errorf("measure stop to playable: %w", err)
	}
	slices.Sort(took)
	_, err = fmt.Fprintf(os.Stdout, "\nstop to playable, %d recordings of %v at 1 Mbit/s: median %v, p95 %v, max %v\n",
		len(took), a.StopAfter, took[len(took)/2], took[len(took)*95/100], took[len(took)-1])
	return err
}

// timeStops stops recordings of the same length, one by one.
func (a *allCmd) timeStops(ctx context.Context, p *product) ([]time.Duration, error) {
	if err := wait(ctx, a.StopAfter); err != nil {
		return nil, err
	}
	var took []time.Duration
	for _, session := range p.sessions {
		d, err := timeStop(ctx, p.Node, session)
		if err != nil {
			return nil, err
		}
		took = append(took, d)
	}
	return took, nil
}

func timeStop(ctx context.Context, n *node.Node, session string) (time.Duration, error) {
	all, err := n.Recordings(ctx, session)
	if err != nil {
		return 0, err
	}
	if len(all) != 1 {
		return 0, fmt.Errorf("recordings of %s: got %d, want 1", session, len(all))
	}
	began := time.Now()
	var stopped node.Recording
	if err := n.JSON(ctx, http.MethodPost, "/api/v1/recordings/"+all[0].ID+"/stop", struct{}{}, &stopped); err != nil {
		return 0, err
	}
	if stopped.State != "ready" || len(stopped.Files) != 1 || stopped.Files[0].PlaybackURL == "" {
		return 0, fmt.Errorf("stopped recording: got %+v", stopped)
	}
	if _, err := n.Do(ctx, http.MethodGet, stopped.Files[0].PlaybackURL, nil); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}
