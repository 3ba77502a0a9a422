package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/reelvault/reelvault/testmedia/node"
)

type callsCmd struct {
	Calls  int           `default:"200" help:"How many calls of two voices at once."`
	Rounds int           `default:"3" help:"How often each receiver is measured."`
	For    time.Duration `default:"30s" help:"How long a measurement lasts."`
}

// voicesOfCall is how many streams a call is.
const voicesOfCall = 2

// receiver is a process that takes calls or their packets.
type receiver struct {
	pid      int
	load     []string                               // arguments that aim the load at it
	received func(ctx context.Context) (int, error) // packets so far
	stop     func() error
}

// Run measures what a recorded call costs beside what its packets cost a
// receiver that discards them, one after the other in each round.
func (c *callsCmd) Run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	self := filepath.Join(dir, "bench")
	if out, failed := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", self, "./testmedia/bench").CombinedOutput(); failed != nil {
		return fmt.Errorf("build bench: %w: %s", failed, out)
	}
	program, err := node.Build(ctx, dir)
	if err != nil {
		return err
	}
	var ours, floor []callFigures
	for range c.Rounds {
		discarding, err := c.startDiscard(ctx, self)
		if err != nil {
			return fmt.Errorf("start discard: %w", err)
		}
		f, err := c.measure(ctx, self, discarding)
		if err != nil {
			return fmt.Errorf("measure discard: %w", err)
		}
		floor = append(floor, f)
		recording, err := c.startRecorder(ctx, program, dir)
		if err != nil {
			return fmt.Errorf("start reelvault: %w", err)
		}
		if f, err = c.measure(ctx, self, recording); err != nil {
			return fmt.Errorf("measure reelvault: %w", err)
		}
		ours = append(ours, f)
	}
	return c.print(ours, floor)
}

// callFigures are one measurement of one receiver.
type callFigures struct {
	perStream float64 // milliseconds of processor time a stream-second
	perCall   float64 // KiB of memory a call, more than before the calls
	sent      int
	received  int
	lateMS    float64
}

func (c *callsCmd) print(ours, floor []callFigures) error {
	var ratios []float64
	for i := range ours {
		ratios = append(ratios, ours[i].perStream/floor[i].perStream)
	}
	slices.Sort(ratios)
	_, err := fmt.Fprintf(os.Stdout, callsTable, c.Calls, c.For, c.Rounds,
		callRow("Go, UDP discarded, a port a stream", floor), callRow("reelvault, SIPREC, recording", ours),
		ratios[len(ratios)/2], ratios[0], ratios[len(ratios)-1])
	return err
}

const callsTable = `
%d calls of two G.711 voices, %v, %d rounds

| receiver | CPU-ms a stream-second, median (range) | memory a call, KiB | packets sent | lost | latest, ms |
|---|---|---|---|---|---|
%s
%s

ratio, median (range): %.2f (%.2f-%.2f)
`

func callRow(name string, all []callFigures) string {
	slices.SortFunc(all, func(a, b callFigures) int { return cmp.Compare(a.perStream, b.perStream) })
	m := all[len(all)/2]
	lost, late, memory := 0, 0.0, 0.0
	for _, f := range all {
		lost += f.sent - f.received
		late, memory = max(late, f.lateMS), max(memory, f.perCall)
	}
	return fmt.Sprintf("| %s | %.3f (%.3f-%.3f) | %.0f | %d | %d | %.1f |",
		name, m.perStream, all[0].perStream, all[len(all)-1].perStream, memory, m.sent, lost, late)
}

// measure sends calls to a receiver, watches its process, and stops it.
func (c *callsCmd) measure(ctx context.Context, self string, r receiver) (callFigures, error) {
	f, err := c.watch(ctx, self, r)
	return f, errors.Join(err, r.stop())
}

func (c *callsCmd) watch(ctx context.Context, self string, r receiver) (callFigures, error) {
	var f callFigures
	before, err := node.PeakMiB(r.pid)
	if err != nil {
		return f, err
	}
	args := append([]string{"callload", "--calls", strconv.Itoa(c.Calls), "--for", (warmUp + c.For + warmUp/2).String()}, r.load...)
	load := exec.CommandContext(ctx, self, args...)
	var out strings.Builder
	load.Stdout = &out
	said, err := load.StderrPipe()
	if err != nil {
		return f, err
	}
	if err = load.Start(); err != nil {
		return f, err
	}
	lines := bufio.NewScanner(said)
	var words []string
	for lines.Scan() && lines.Text() != "sending" {
		words = append(words, lines.Text())
	}
	err = c.during(ctx, r.pid, &f)
	for lines.Scan() {
		words = append(words, lines.Text())
	}
	if waited := load.Wait(); waited != nil {
		return f, fmt.Errorf("send calls: %w: %s", waited, strings.Join(words, "; "))
	}
	if err != nil {
		return f, err
	}
	var report loadReport
	if err = json.Unmarshal([]byte(out.String()), &report); err != nil {
		return f, fmt.Errorf("read report of the load: %w", err)
	}
	peak, err := node.PeakMiB(r.pid)
	if err != nil {
		return f, err
	}
	f.sent, f.lateMS, f.perCall = report.Packets, report.LateMS, (peak-before)*1024/float64(c.Calls)
	f.received, err = r.received(ctx)
	return f, err
}

// during measures the processor time while calls are sent.
func (c *callsCmd) during(ctx context.Context, pid int, f *callFigures) error {
	if err := wait(ctx, warmUp); err != nil {
		return err
	}
	before, err := node.CPU(pid)
	if err != nil {
		return err
	}
	began := time.Now()
	if err = wait(ctx, c.For); err != nil {
		return err
	}
	after, err := node.CPU(pid)
	took := time.Since(began)
	f.perStream = float64((after - before).Microseconds()) / 1000 / took.Seconds() / float64(voicesOfCall*c.Calls)
	return err
}

// startDiscard starts the receiver that only counts.
func (c *callsCmd) startDiscard(ctx context.Context, self string) (receiver, error) {
	cmd := exec.CommandContext(ctx, self, "udpdiscard", "--ports", strconv.Itoa(voicesOfCall*c.Calls))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return receiver{}, err
	}
	if err = cmd.Start(); err != nil {
		return receiver{}, err
	}
	reader := bufio.NewReader(out)
	ports, err := reader.ReadString('\n')
	if err != nil {
		return receiver{}, fmt.Errorf("read ports: %w", err)
	}
	return receiver{
		pid: cmd.Process.Pid, load: []string{"--ports", strings.TrimSpace(ports)},
		received: func(context.Context) (int, error) {
			if failed := cmd.Process.Signal(os.Interrupt); failed != nil {
				return 0, failed
			}
			text, failed := reader.ReadString('\n')
			if failed != nil {
				return 0, fmt.Errorf("read count: %w", failed)
			}
			return strconv.Atoi(strings.TrimSpace(text))
		},
		stop: cmd.Wait,
	}, nil
}

// startRecorder starts Reelvault.
func (c *callsCmd) startRecorder(ctx context.Context, program, dir string) (receiver, error) {
	folder, err := os.MkdirTemp(dir, "node")
	if err != nil {
		return receiver{}, err
	}
	port, err := node.FreePort(ctx)
	if err != nil {
		return receiver{}, err
	}
	n, err := node.Start(ctx, node.Spec{Program: program, Dir: folder, Args: []string{
		"--sip-port", strconv.Itoa(port), "--rtp-ports", fmt.Sprintf("10000-%d", 10000+4*c.Calls+199),
	}})
	if err != nil {
		return receiver{}, err
	}
	return receiver{
		pid: n.PID(), load: []string{"--sip", fmt.Sprintf("127.0.0.1:%d", port)},
		received: func(ctx context.Context) (int, error) { return recorded(ctx, n) },
		stop:     func() error { return errors.Join(n.Terminate(), n.Wait(context.Background())) },
	}, nil
}

// endTime bounds how long the calls may take to be closed after their BYEs.
const endTime = 30 * time.Second

// recorded gives how many packets were taken, when the last call is closed.
func recorded(ctx context.Context, n *node.Node) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	for {
		calls, err := n.Metric(ctx, "reelvault_sip_calls")
		if err != nil {
			return 0, err
		}
		if calls == 0 {
			taken, err := n.Metric(ctx, "reelvault_recorder_packets_total")
			return int(taken), err
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
	}
}
