package main

import (
	"context"
	"sync"
	"time"

	"github.com/reelvault/reelvault/api"
)

const (
	// healthAge is how long a look at the parts holds good: anybody may ask for
	// it, and it takes a turn of the catalog's writer.
	healthAge = time.Second

	// healthTime bounds one look.
	healthTime = 5 * time.Second
)

// health remembers how the parts were when somebody looked last.
type health struct {
	look func(ctx context.Context) []api.Part

	mu    sync.Mutex
	parts []api.Part // guarded by mu
	at    time.Time  // guarded by mu
}

// now says how the parts are, or were at most healthAge ago.
func (h *health) now(ctx context.Context) []api.Part {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.parts != nil && time.Since(h.at) < healthAge {
		return h.parts
	}
	// Others get this answer, too: it must not be that one client has gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTime)
	defer cancel()
	h.parts = h.look(ctx)
	h.at = time.Now()
	return h.parts
}
