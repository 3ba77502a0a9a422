// Package node runs Reelvault as its users do: as a process of its own, on
// loopback, spoken to by HTTP.
//
// Start gives a node that is ready, and that keeps its ports and its data
// folder over Kill and Restart. What the process wrote is kept for messages.
package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Token is the administrator's token of every node.
const Token = "node-0123456789abcdef0123456789abcdef"

// startTimeout bounds how long a start may take. Finishing what a crash left
// is part of it.
const startTimeout = 30 * time.Second

// Spec says how a node is run.
type Spec struct {
	Program string   // built by Build
	Dir     string   // the node makes its data folder here
	Host    string   // the address it listens on; 127.0.0.1 if empty
	Args    []string // more flags of serve
	Env     []string // more environment
}

// Node is a running process and what is needed to start it again.
type Node struct {
	Base  string // http://127.0.0.1:port, or Host of its Spec
	Media string // 127.0.0.1:port, or Host, UDP and TCP
	Data  string // data folder

	spec  Spec
	args  []string
	out   *output
	cmd   *exec.Cmd
	ended chan error
}

// Build builds Reelvault into dir and gives the program's path.
func Build(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "reelvault")
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "github.com/reelvault/reelvault/cmd/reelvault")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build reelvault: %w: %s", err, out)
	}
	return program, nil
}

// Start starts a node on free ports and waits until it is ready.
func Start(ctx context.Context, spec Spec) (*Node, error) {
	web, err := FreePort(ctx)
	if err != nil {
		return nil, err
	}
	media, err := FreePort(ctx)
	if err != nil {
		return nil, err
	}
	host := cmp.Or(spec.Host, "127.0.0.1")
	address := net.JoinHostPort(host, strconv.Itoa(web))
	n := &Node{
		Base: "http://" + address, Media: net.JoinHostPort(host, strconv.Itoa(media)),
		Data: filepath.Join(spec.Dir, "data"), spec: spec, out: &output{},
	}
	n.args = append([]string{"serve", "--data", n.Data, "--http", address, "--webrtc-host", host, "--webrtc-port", strconv.Itoa(media)}, spec.Args...)
	return n, n.Restart(ctx)
}

// Restart starts the process again, on the same data and ports.
func (n *Node) Restart(ctx context.Context) error {
	n.cmd = exec.Command(n.spec.Program, n.args...) //nolint:noctx // it outlives the context of its start
	n.cmd.Env = append(append(os.Environ(), "REELVAULT_ADMIN_TOKEN="+Token), n.spec.Env...)
	n.cmd.Stdout, n.cmd.Stderr = n.out, n.out
	// A test that is killed takes the node with it. Linux goes by the
	// thread that started the node, which so has to stay as long.
	n.cmd.SysProcAttr = noOrphan()
	cmd, started, ended := n.cmd, make(chan error, 1), make(chan error, 1)
	n.ended = ended
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start reelvault: %w", err)
	}
	if err := n.awaitStart(ctx); err != nil {
		return errors.Join(err, n.Kill())
	}
	return nil
}

func (n *Node) awaitStart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		if _, err := n.Do(ctx, "GET", "/healthz", nil); err == nil {
			return nil
		}
		select {
		case err := <-n.ended:
			n.ended <- err
			return fmt.Errorf("start reelvault: ended: %w\n%s", err, n.out)
		case <-ctx.Done():
			return fmt.Errorf("start reelvault: %w\n%s", ctx.Err(), n.out)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends the process with SIGKILL and waits for it.
func (n *Node) Kill() error {
	if err := n.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill reelvault: %w", err)
	}
	n.ended <- <-n.ended
	return nil
}

// Abort ends the process with SIGQUIT and waits for it: its log ends with what
// each goroutine was doing.
func (n *Node) Abort() error {
	if err := n.cmd.Process.Signal(syscall.SIGQUIT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("abort reelvault: %w", err)
	}
	n.ended <- <-n.ended
	return nil
}

// Terminate asks the process to end with SIGTERM. Wait tells how it did.
func (n *Node) Terminate() error { return n.cmd.Process.Signal(syscall.SIGTERM) }

// Wait waits until the process has ended and gives its error, nil for exit
// code 0.
func (n *Node) Wait(ctx context.Context) error {
	select {
	case err := <-n.ended:
		n.ended <- err
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Log gives what the process has written so far, over all its lives.
func (n *Node) Log() string { return n.out.String() }

var signInLink = regexp.MustCompile(`http://\S+/signin#\S+`)

// SignInLink gives the one-time link that was printed, or nothing.
func (n *Node) SignInLink() string { return signInLink.FindString(n.Log()) }

// PID gives the process's id.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// CPU gives the process's user and system time so far.
func (n *Node) CPU() (time.Duration, error) { return CPU(n.cmd.Process.Pid) }

// PeakMiB gives the process's largest resident memory.
func (n *Node) PeakMiB() (float64, error) { return PeakMiB(n.cmd.Process.Pid) }

// FreePort asks the kernel for a TCP port of loopback that nobody has.
func FreePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find free port: %w", err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return 0, errors.Join(err, l.Close())
	}
	number, err := strconv.Atoi(port)
	return number, errors.Join(err, l.Close())
}

// output keeps what a process writes.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String implements fmt.Stringer.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
