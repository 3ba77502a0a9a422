package sqlite_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

// crashPath in the environment makes the test binary the program that is
// killed.
const crashPath = "CATALOG_CRASH_PATH"

// TestCrashChild is not a test of its own: TestCrash runs it in a process that
// it kills.
func TestCrashChild(t *testing.T) {
	path := os.Getenv(crashPath)
	if path == "" {
		return
	}
	c := open(t, path)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				id := newID()
				if err := c.Append(t.Context(), reelvault.AuditEvent{ID: id, At: time.UnixMilli(1)}); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				fmt.Fprintln(os.Stdout, id) //nolint:errcheck // the reader counts
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// What was acknowledged before a kill -9 is there afterwards, again and again
// on the same file.
func TestCrash(t *testing.T) {
	if os.Getenv(crashPath) != "" {
		return
	}
	path := dbPath(t)
	acknowledged := map[string]bool{}
	for round := range 3 {
		for _, id := range killed(t, path, 200*(round+1)) {
			acknowledged[id] = true
		}
		c := open(t, path)
		p := storage.Page{Limit: 1000}
		kept := map[string]bool{}
		for {
			events, next, err := c.Audit(t.Context(), "", p)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				kept[e.ID] = true
			}
			if p.After = next; next == "" {
				break
			}
		}
		for id := range acknowledged {
			if !kept[id] {
				t.Errorf("round %d: %s was acknowledged and is gone", round, id)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killed runs the child until it has acknowledged n writes, kills it, and
// gives all it acknowledged.
func killed(t *testing.T, path string, n int) []string {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashChild$")
	child.Env = append(os.Environ(), crashPath+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		ids = append(ids, lines.Text())
		if len(ids) == n {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL { //nolint:errcheck // always so on Unix
		t.Fatalf("the child ended with %v after %d writes", err, len(ids))
	}
	// The last line may be cut.
	if last := len(ids) - 1; last >= 0 && len(ids[last]) != len(newID()) {
		ids = ids[:last]
	}
	return ids
}
