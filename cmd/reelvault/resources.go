package main

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"path"
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
	ownDescriptors       = 128  // of these are for what the program itself keeps open
	maxConnections       = 8192 // of HTTP; each takes some 20 KiB
	publisherDescriptors = 4

	// A call has its ports, a spool file and a reader of it.
	callDescriptors = callPorts + 2

	baseMemory      = 80 << 20
	publisherMemory = 2 << 20
)

// checkDescriptors fails if the process may not open as many files as the
// configured number of publishers and calls takes. It gives how many connections HTTP may
// have so that publishers find what they need. The soft limit needs no raising:
// package os has done that.
func checkDescriptors(publishers, calls int) (connections int, err error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read descriptor limit: %w", err)
	}
	need := uint64(baseDescriptors + publisherDescriptors*publishers + callDescriptors*calls)
	if limit.Cur >= need {
		spare := min(limit.Cur-need, maxConnections)
		return min(int(spare)+baseDescriptors-ownDescriptors, maxConnections), nil
	}
	return 0, &reelvault.Error{
		Kind:    reelvault.Unavailable,
		Message: fmt.Sprintf("this process may open %d files, and %d publishers and %d calls take %d", limit.Cur, publishers, calls, need),
		Hint:    "raise the hard limit (ulimit -Hn, LimitNOFILE=), or lower --max-publishers or --rtp-ports",
	}
}

// memory is how many bytes there are: the largest number where nothing is known.
type memory struct {
	machine int64
	group   int64 // what the control group allows
}

// checkMemory warns if there is less memory than the configured number of
// publishers takes, and has the garbage collector keep below what the control
// group allows, unless GOMEMLIMIT says otherwise.
func checkMemory(ctx context.Context, m memory, publishers int, log *slog.Logger) {
	need := int64(baseMemory + publisherMemory*publishers)
	have := min(m.machine, m.group)
	if have < need {
		log.WarnContext(ctx, "there may be too little memory for all publishers: give more, or lower --max-publishers",
			"publishers", publishers, "needMiB", need>>20, "haveMiB", have>>20)
	}
	// A negative limit asks for the present one, which is the largest if unset.
	if debug.SetMemoryLimit(-1) == math.MaxInt64 && m.group < math.MaxInt64 {
		limit := m.group / 10 * 9
		debug.SetMemoryLimit(limit)
		log.InfoContext(ctx, "set the memory limit to 90 % of the control group's", "limitMiB", limit>>20)
	}
}

// readMemory reads what Linux says below root. Other systems say nothing there.
func readMemory(root fs.FS) memory {
	m := memory{math.MaxInt64, groupMemory(root)}
	text, _ := fs.ReadFile(root, "proc/meminfo")
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == "MemTotal:" {
			if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				m.machine = kib << 10
			}
		}
	}
	return m
}

// groupMemory gives the least that our control group (version 2) and those
// around it allow. A container sees its own as the root.
func groupMemory(root fs.FS) int64 {
	const groups = "sys/fs/cgroup"
	group := groups
	text, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			group = path.Join(groups, path.Join("/", name)) // a name may begin with /../
		}
	}
	least := int64(math.MaxInt64)
	for ; strings.HasPrefix(group, groups); group = path.Dir(group) {
		text, _ := fs.ReadFile(root, path.Join(group, "memory.max"))
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && limit > 0 {
			least = min(least, limit)
		}
	}
	return least
}
