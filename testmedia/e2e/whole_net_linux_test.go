package e2e_test

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hurried is a shell script that runs its arguments ahead of everybody else's,
// where it may, and says so where it may not: browsers whose sound and picture are
// compared have to make both in time, however busy the machine is. What they
// start inherits it.
func hurried(priority int) string {
	chrt := fmt.Sprintf("chrt --rr %d", priority)
	return `why=$(` + chrt + ` true 2>&1) && exec ` + chrt + ` "$@"; echo "no real-time priority: $why" >&2; exec "$@"`
}

// inside says whether t runs in a process whose network leads nowhere. If it
// does not, inside runs it in one, as root of that network, and takes over how
// it went. What a process makes in such a network ends with the process.
func inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideKey) != "" {
		return true
	}
	runtime.LockOSThread() // Pdeathsig goes by the thread
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", hurried(1), "sh", os.Args[0], //nolint:gosec // this program
		"-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=15m", "-test.artifacts", "-test.outputdir="+t.ArtifactDir())
	cmd.Env = append(os.Environ(), insideKey+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	words := t.Output()
	cmd.Stdout, cmd.Stderr = words, words
	if err := cmd.Start(); err != nil {
		t.Fatalf("make a network namespace: %v; it takes root with CAP_SYS_ADMIN, in a container too, or user namespaces for everybody "+
			"(sysctl user.max_user_namespaces above 0, and where there is one kernel.apparmor_restrict_unprivileged_userns=0)", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the test in its own network: %v", err)
	}
	return false
}

// The near end of a far network's only cable. Nobody else sees it. The far one is
// farEnd(0), until it gets another address.
const (
	nearEnd   = "10.0.0.1"
	cableBits = "/29"
)

// farEnd gives an address of the far end, 0 to 4.
func farEnd(i int) string { return fmt.Sprintf("10.0.0.%d", 2+i) }

// farNetwork is a network that only a cable leads to, whose near end is in the
// network of the test.
type farNetwork struct {
	place string // a process in it
}

// newFarNetwork makes one, for as long as t.
func newFarNetwork(t *testing.T) farNetwork {
	t.Helper()
	holder := exec.Command("cat") //nolint:noctx // it ends when its input does, at the latest with the test
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	input, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatalf("make the far network: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(input.Close(), holder.Wait()); err != nil {
			t.Errorf("end of the far network: %v", err)
		}
	})
	far := farNetwork{strconv.Itoa(holder.Process.Pid)}
	command(t, "ip", "link", "set", "lo", "up")
	command(t, "ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", far.place)
	command(t, "ip", "address", "add", nearEnd+cableBits, "dev", "cable")
	command(t, "ip", "link", "set", "cable", "up")
	far.command(t, "ip", "link", "set", "lo", "up")
	far.command(t, "ip", "address", "add", farEnd(0)+cableBits, "dev", "cable")
	far.command(t, "ip", "link", "set", "cable", "up")
	return far
}

// cut takes the cable away for a while, after which the far end has another
// address, and gives when it was away.
func (f farNetwork) cut(t *testing.T, d time.Duration, address string) span {
	t.Helper()
	var away span
	away.from = time.Now()
	f.command(t, "ip", "link", "set", "cable", "down")
	f.command(t, "ip", "address", "flush", "dev", "cable")
	f.command(t, "ip", "address", "add", address+cableBits, "dev", "cable")
	<-time.After(d)
	f.command(t, "ip", "link", "set", "cable", "up")
	away.to = time.Now()
	return away
}

func (f farNetwork) command(t *testing.T, args ...string) {
	t.Helper()
	command(t, "nsenter", append([]string{"--target", f.place, "--net", "--"}, args...)...)
}

// chromium gives the path of a program that starts Chromium there, which trusts
// the pages of origin as if they came by HTTPS.
func (f farNetwork) chromium(t *testing.T, origin string) string {
	t.Helper()
	return program(t, "chromium", fmt.Sprintf(`exec nsenter --target %s --net -- %s --unsafely-treat-insecure-origin-as-secure=%s "$@"`,
		f.place, cmp.Or(os.Getenv("CHROMIUM"), "/usr/bin/chromium"), origin))
}

// firefox gives the path of a program that starts Firefox ahead of all else in the
// test: without a sound card it drops the sound that it could not make in time.
func firefox(t *testing.T) string {
	t.Helper()
	return program(t, "firefox", fmt.Sprintf(`set -- %s "$@"; %s`, cmp.Or(os.Getenv("FIREFOX"), "/usr/bin/firefox-esr"), hurried(2)))
}

func program(t *testing.T, name, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	return path
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}
