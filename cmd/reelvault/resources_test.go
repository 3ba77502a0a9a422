package main

import (
	"bytes"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"
)

func files(texts map[string]string) fstest.MapFS {
	root := fstest.MapFS{}
	for name, text := range texts {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

// Memory is what the machine has and what the control group and those around
// it allow; what can't be read limits nothing.
func TestReadMemory(t *testing.T) {
	const meminfo, none = "MemTotal:        2048 kB\nMemFree:  1 kB\n", int64(math.MaxInt64)
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  memory
	}{
		{"another system", nil, memory{none, none}},
		{"a machine", map[string]string{"proc/meminfo": meminfo}, memory{2 << 20, none}},
		{"a container", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1048576\n",
		}, memory{2 << 20, 1 << 20}},
		{"a container without the file that names groups", map[string]string{"sys/fs/cgroup/memory.max": "1048576\n"}, memory{none, 1 << 20}},
		{"a service", map[string]string{
			"proc/self/cgroup": "0::/system.slice/reelvault.service\n",
			"sys/fs/cgroup/system.slice/reelvault.service/memory.max": "524288\n", "sys/fs/cgroup/system.slice/memory.max": "2097152\n", "sys/fs/cgroup/memory.max": "max\n",
		}, memory{none, 512 << 10}},
		{"a tighter group around", map[string]string{
			"proc/self/cgroup": "12:cpu:/x\n0::/system.slice/reelvault.service\n",
			"sys/fs/cgroup/system.slice/reelvault.service/memory.max": "524288\n", "sys/fs/cgroup/system.slice/memory.max": "4096\n",
		}, memory{none, 4096}},
		{"no limit", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, memory{none, none}},
		{"a group elsewhere", map[string]string{"proc/self/cgroup": "0::/../../etc\n", "sys/memory.max": "1\n"}, memory{none, none}},
		{"nonsense", map[string]string{
			"proc/meminfo": "MemTotal:\nMemTotal: many kB\n", "proc/self/cgroup": "x", "sys/fs/cgroup/memory.max": "-5",
		}, memory{none, none}},
	} {
		if got := readMemory(files(tt.files)); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
	if got := readMemory(os.DirFS("/")); got.machine < 16<<20 {
		t.Errorf("this machine: got %+v", got)
	}
}

// Too little memory for all publishers is told before it runs out; a control
// group's limit is kept unless somebody set another.
func TestCheckMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	const mib, none = 1 << 20, int64(math.MaxInt64)
	for _, tt := range []struct {
		name    string
		m       memory
		set     int64 // by GOMEMLIMIT
		warning string
		want    int64 // limit
	}{
		{"plenty", memory{2000 * mib, none}, none, "", none},
		{"just enough", memory{280 * mib, none}, none, "", none},
		{"too little", memory{279 * mib, none}, none, "publishers=100 needMiB=280 haveMiB=279", none},
		{"a small group", memory{2000 * mib, 100 * mib}, none, "needMiB=280 haveMiB=100", 90 * mib},
		{"a large group", memory{2000 * mib, 1000 * mib}, none, "", 900 * mib},
		{"a limit of one's own", memory{2000 * mib, 1000 * mib}, 5 * mib, "", 5 * mib},
		{"nothing known", memory{none, none}, none, "", none},
	} {
		debug.SetMemoryLimit(tt.set)
		var logs bytes.Buffer
		checkMemory(t.Context(), tt.m, 100, slog.New(slog.NewTextHandler(&logs, nil)))
		if got := debug.SetMemoryLimit(-1); got/10 != tt.want/10 {
			t.Errorf("%s: got the limit %d, want %d", tt.name, got, tt.want)
		}
		if warned := strings.Contains(logs.String(), "WARN"); warned != (tt.warning != "") || !strings.Contains(logs.String(), tt.warning) {
			t.Errorf("%s: got log %q, want a warning with %q", tt.name, &logs, tt.warning)
		}
	}
}
