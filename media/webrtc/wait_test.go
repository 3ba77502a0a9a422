package webrtc_test

import (
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// waitFor asks every few milliseconds until ok says true.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// clock is a clock that a test may push ahead of the real one, or stop.
type clock struct {
	mu      sync.Mutex
	ahead   time.Duration
	stopped time.Time // zero: it runs
	asked   int
}

func newClock() *clock { return &clock{} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if !c.stopped.IsZero() {
		return c.stopped.Add(c.ahead)
	}
	return time.Now().Add(c.ahead)
}

func (c *clock) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = time.Now()
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// rounds waits until the feedback loop, which asks for the time in each of
// its rounds, has gone round a few times. Nothing else may be going on.
func (c *clock) rounds(t *testing.T) {
	t.Helper()
	asked := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.asked
	}
	from := asked()
	waitFor(t, "the feedback loop", func() bool { return asked() >= from+4 })
}

// noLeaks fails the test if goroutines of this package or of pion are left
// when everything the test made is closed. It must be called first.
func noLeaks(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		var left []string
		ours := func() int {
			b := make([]byte, 4<<20)
			b = b[:runtime.Stack(b, true)]
			left = left[:0]
			for stack := range strings.SplitSeq(string(b), "\n\n") {
				if strings.Contains(stack, "/pion/") || strings.Contains(stack, "media/webrtc.") {
					left = append(left, stack)
				}
			}
			return len(left)
		}
		deadline := time.Now().Add(patience)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ours() > 0 && time.Now().Before(deadline) {
			<-tick.C
		}
		if len(left) > 0 {
			t.Errorf("%d goroutines are left, the first:\n%s", len(left), left[0])
		}
	})
}

// extensionID gives the id that an SDP has for a header extension.
func extensionID(t *testing.T, text, uri string) uint8 {
	t.Helper()
	m := regexp.MustCompile(fmt.Sprintf(`a=extmap:(\d+)\S* \S*%s`, regexp.QuoteMeta(uri))).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no extension %s in:\n%s", uri, text)
	}
	id, err := strconv.ParseUint(m[1], 10, 8)
	if err != nil {
		t.Fatal(err)
	}
	return uint8(id)
}
