package main

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reelvault/reelvault/api"
)

// However many ask, the parts are looked at once a second, and what one client
// that has gone would see is nobody's answer.
func TestHealthIsLookedAtOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		h := &health{look: func(ctx context.Context) []api.Part {
			looks++
			return []api.Part{{Name: "catalog", Err: ctx.Err()}}
		}}
		gone, leave := context.WithCancel(t.Context())
		leave()
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if parts := h.now(gone); len(parts) != 1 || parts[0].Err != nil {
					t.Errorf("got %v", parts)
				}
			})
		}
		all.Wait()
		if looks != 1 {
			t.Errorf("got %d looks for a hundred that ask in one second", looks)
		}
		time.Sleep(healthAge) //nolint:forbidigo // of the bubble's clock
		h.now(t.Context())
		if looks != 2 {
			t.Errorf("got %d looks a second later, want 2", looks)
		}
	})
}

// A look that hangs ends.
func TestHealthEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &health{look: func(ctx context.Context) []api.Part {
			<-ctx.Done()
			return []api.Part{{Name: "catalog", Err: ctx.Err()}}
		}}
		begun := time.Now()
		if parts := h.now(t.Context()); parts[0].Err == nil || time.Since(begun) != healthTime {
			t.Errorf("got %v after %s, want an error after %s", parts, time.Since(begun), healthTime)
		}
	})
}
