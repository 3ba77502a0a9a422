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
	"strings"
	"time"

	"github.com/reelvault/reelvault/testmedia/node"
)

// warmUp is how long is sent before measuring begins.
const warmUp = 5 * time.Second

// bench has the programs that are measured, and a folder for them.
type bench struct {
	dir, self, product string
}

func newBench(ctx context.Context) (*bench, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	b := &bench{dir: dir, self: filepath.Join(dir, "bench")}
	out, err := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", b.self, "./testmedia/bench").CombinedOutput()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("build bench: %w: %s", err, out), b.close())
	}
	if b.product, err = node.Build(ctx, dir); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bench) close() error { return os.RemoveAll(b.dir) }

// folder makes an empty folder for a node.
func (b *bench) folder() (string, error) { return os.MkdirTemp(b.dir, "node") }

// receiver is a process under measurement.
type receiver struct {
	pid      int
	load     []string                               // arguments that aim the load at it
	env      []string                               // what the load has to know besides
	received func(ctx context.Context) (int, error) // packets so far
	stop     func() error
}

// contest is how a recorder is compared with a receiver that discards.
type contest struct {
	rounds      int
	length      time.Duration
	streams     int      // sent at a time
	load        []string // what sends them
	floor, ours func(ctx context.Context) (receiver, error)
}

// figures are one measurement of one receiver.
type figures struct {
	perStream float64 // milliseconds of processor time a stream-second
	idleMiB   float64 // resident memory before anything came
	peakMiB   float64
	sent      int
	received  int
	lateMS    float64
}

// compare measures both in each round, one after the other, so that a noisy
// machine is noisy for both.
func (b *bench) compare(ctx context.Context, c contest) (ours, floor []figures, err error) {
	for range c.rounds {
		f, err := b.measure(ctx, c, c.floor)
		if err != nil {
			return nil, nil, fmt.Errorf("measure discard: %w", err)
		}
		floor = append(floor, f)
		if f, err = b.measure(ctx, c, c.ours); err != nil {
			return nil, nil, fmt.Errorf("measure reelvault: %w", err)
		}
		ours = append(ours, f)
	}
	return ours, floor, nil
}

// measure starts a receiver, sends to it, watches its process, and stops it.
func (b *bench) measure(ctx context.Context, c contest, start func(context.Context) (receiver, error)) (figures, error) {
	r, err := start(ctx)
	if err != nil {
		return figures{}, err
	}
	f, err := b.watch(ctx, c, r)
	return f, errors.Join(err, r.stop())
}

func (b *bench) watch(ctx context.Context, c contest, r receiver) (f figures, err error) {
	if f.idleMiB, err = node.PeakMiB(r.pid); err != nil {
		return f, err
	}
	report, err := b.load(ctx, r, c.load, warmUp+c.length+warmUp/2, func() error {
		if failed := wait(ctx, warmUp); failed != nil {
			return failed
		}
		used, took, failed := processorTime(r.pid, func() error { return wait(ctx, c.length) })
		f.perStream = float64(used.Microseconds()) / 1000 / took.Seconds() / float64(c.streams)
		return failed
	})
	if err != nil {
		return f, err
	}
	f.sent, f.lateMS = report.Packets, report.LateMS
	if f.peakMiB, err = node.PeakMiB(r.pid); err != nil {
		return f, err
	}
	f.received, err = r.received(ctx)
	return f, err
}

// processorTime gives what a process uses during a call, and how long the call
// took.
func processorTime(pid int, during func() error) (used, took time.Duration, err error) {
	before, err := node.CPU(pid)
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err = during(); err != nil {
		return 0, 0, err
	}
	after, err := node.CPU(pid)
	return after - before, time.Since(began), err
}

// load runs what sends in a process of its own, and during when it sends.
func (b *bench) load(ctx context.Context, r receiver, command []string, length time.Duration, during func() error) (loadReport, error) {
	var report loadReport
	cmd := exec.CommandContext(ctx, b.self, slices.Concat(command, []string{"--for", length.String()}, r.load)...)
	cmd.Env = append(os.Environ(), r.env...)
	var out strings.Builder
	cmd.Stdout = &out
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return report, err
	}
	if err = cmd.Start(); err != nil {
		return report, err
	}
	lines := bufio.NewScanner(stderr)
	var said []string
	for lines.Scan() && lines.Text() != "sending" {
		said = append(said, lines.Text())
	}
	err = during()
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	if waited := cmd.Wait(); waited != nil {
		return report, fmt.Errorf("send: %w: %s", waited, strings.Join(said, "; "))
	}
	if err != nil {
		return report, err
	}
	if err = json.Unmarshal([]byte(out.String()), &report); err != nil {
		return report, fmt.Errorf("read report of the load: %w", err)
	}
	return report, nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// row writes a line of a table; memory says what its column has.
func row(name string, all []figures, memory func(figures) float64) string {
	slices.SortFunc(all, func(a, b figures) int { return cmp.Compare(a.perStream, b.perStream) })
	m := all[len(all)/2]
	lost, late, most := 0, 0.0, 0.0
	for _, f := range all {
		lost += f.sent - f.received
		late, most = max(late, f.lateMS), max(most, memory(f))
	}
	return fmt.Sprintf("| %s | %.3f (%.3f-%.3f) | %.0f | %d | %d | %.1f |",
		name, m.perStream, all[0].perStream, all[len(all)-1].perStream, most, m.sent, lost, late)
}

// ratio compares round by round.
func ratio(ours, floor []figures) string {
	var all []float64
	for i := range ours {
		all = append(all, ours[i].perStream/floor[i].perStream)
	}
	slices.Sort(all)
	return fmt.Sprintf("%.2f (%.2f-%.2f)", all[len(all)/2], all[0], all[len(all)-1])
}
