package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// recording is what stopToPlayable reads of one.
type recording struct {
	ID    string
	State string
	Files []struct {
		PlaybackURL string
		DurationMS  int64
	}
}

// stopToPlayable stops recordings one by one, and times from the request to
// the first bytes of the finished file.
func (b *bench) stopToPlayable(ctx context.Context) error {
	s, err := b.startProduct(ctx)
	if err != nil {
		return err
	}
	defer s.stop()
	var took []time.Duration
	_, err = b.load(ctx, s, b.StopAfter+2*warmUp, func() error {
		if err := wait(ctx, b.StopAfter); err != nil {
			return err
		}
		for _, whip := range s.whip {
			session, _, _ := strings.Cut(strings.TrimPrefix(whip, s.base), "/whip")
			d, err := s.timeStop(ctx, session)
			if err != nil {
				return err
			}
			took = append(took, d)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("measure stop to playable: %w", err)
	}
	slices.Sort(took)
	fmt.Fprintf(os.Stdout, "\nstop to playable, %d recordings of %v at 1 Mbit/s: median %v, p95 %v, max %v\n",
		len(took), b.StopAfter, took[len(took)/2], took[len(took)*95/100], took[len(took)-1])
	return nil
}

func (s *server) timeStop(ctx context.Context, session string) (time.Duration, error) {
	text, err := s.get(ctx, session+"/recordings")
	if err != nil {
		return 0, err
	}
	var list struct{ Items []recording }
	if err := json.Unmarshal(text, &list); err != nil {
		return 0, err
	}
	if len(list.Items) != 1 {
		return 0, fmt.Errorf("recordings of %s: got %d, want 1", session, len(list.Items))
	}
	began := time.Now()
	var stopped recording
	if err := s.post(ctx, "/api/v1/recordings/"+list.Items[0].ID+"/stop", struct{}{}, &stopped); err != nil {
		return 0, err
	}
	if stopped.State != "ready" || len(stopped.Files) != 1 || stopped.Files[0].PlaybackURL == "" {
		return 0, fmt.Errorf("stopped recording: got %+v", stopped)
	}
	if _, err := s.get(ctx, stopped.Files[0].PlaybackURL); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}
