package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/reelvault/reelvault"
)

const (
	// A publisher has a spool file, a reader of it that stores, a connection
	// if it comes by TCP, and one more for a player or a watcher.
	baseDescriptors      = 256
	publisherDescriptors = 4

	baseMemory      = 80 << 20
	publisherMemory = 2 << 20
)

// checkDescriptors fails if the process may not open as many files as the
// configured number of publishers takes. The soft limit needs no raising:
// package os has done that.
func checkDescriptors(publishers int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read descriptor limit: %w", err)
	}
	need := uint64(baseDescriptors + publisherDescriptors*publishers)
	if limit.Cur >= need {
		return nil
	}
	return &reelvault.Error{
		Kind:    reelvault.Unavailable,
		Message: fmt.Sprintf("this process may open %d files, and %d publishers take %d", limit.Cur, publishers, need),
		Hint:    "raise the hard limit (ulimit -Hn, LimitNOFILE=), or lower --max-publishers",
	}
}

// checkMemory warns if there is less memory than the configured number of
// publishers takes, and has the garbage collector keep below what the control
// group allows, unless GOMEMLIMIT says otherwise.
func checkMemory(ctx context.Context, publishers int, log *slog.Logger) {
	need := int64(baseMemory + publisherMemory*publishers)
	have := availableMemory()
	if have < need {
		log.WarnContext(ctx, "there may be too little memory for all publishers: give more, or lower --max-publishers",
			"publishers", publishers, "needMiB", need>>20, "haveMiB", have>>20)
	}
	// A negative limit asks for the present one, which is the largest if unset.
	if debug.SetMemoryLimit(-1) == math.MaxInt64 && groupMemory() < math.MaxInt64 {
		limit := groupMemory() / 10 * 9
		debug.SetMemoryLimit(limit)
		log.InfoContext(ctx, "set the memory limit to 90 % of the control group's", "limitMiB", limit>>20)
	}
}

// availableMemory gives the lesser of the machine's and the control group's
// memory, or the largest number if neither can be read.
func availableMemory() int64 {
	machine := int64(math.MaxInt64)
	text, _ := os.ReadFile("/proc/meminfo") // there is none on other systems
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == "MemTotal:" {
			if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				machine = kib << 10
			}
		}
	}
	return min(machine, groupMemory())
}

// groupMemory gives what the control group (version 2, as a container sees it)
// allows, or the largest number.
func groupMemory() int64 {
	text, _ := os.ReadFile("/sys/fs/cgroup/memory.max") // there is none outside of a group
	limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return math.MaxInt64
	}
	return limit
}
