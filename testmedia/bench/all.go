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

type allCmd struct {
	Publishers int           `default:"20" help:"How many publish at once."`
	Rounds     int           `default:"3" help:"How often each server is measured."`
	For        time.Duration `default:"30s" help:"How long a measurement lasts."`
	StopAfter  time.Duration `default:"5m" help:"Length of the recordings for stop to playable; 0 leaves it out."`
}

// warmUp is how long publishers send before measuring begins.
const warmUp = 5 * time.Second

// streams is what one publisher sends.
const streams = 2

// Run implements kong's command.
func (a *allCmd) Run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{allCmd: a, dir: dir, self: filepath.Join(dir, "bench")}
	if out, failed := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", b.self, "./testmedia/bench").CombinedOutput(); failed != nil {
		return fmt.Errorf("build bench: %w: %s", failed, out)
	}
	if b.product, err = node.Build(ctx, dir); err != nil {
		return err
	}
	if err := b.cost(ctx); err != nil {
		return err
	}
	if a.StopAfter > 0 {
		return b.stopToPlayable(ctx)
	}
	return nil
}

type bench struct {
	*allCmd

	dir, self, product string
}

// folder makes an empty folder for a node.
func (b *bench) folder() (string, error) { return os.MkdirTemp(b.dir, "node") }

// figures are one measurement of one server.
type figures struct {
	perStream float64 // milliseconds of processor time a stream-second
	peakMiB   float64
	sent      int
	received  int
	lateMS    float64
}

// cost compares the recorder with a receiver that discards.
func (b *bench) cost(ctx context.Context) error {
	var ours, floor []figures
	for range b.Rounds {
		discarding, err := b.startFloor(ctx)
		if err != nil {
			return fmt.Errorf("start discard: %w", err)
		}
		f, err := b.measure(ctx, discarding)
		if err != nil {
			return fmt.Errorf("measure discard: %w", err)
		}
		floor = append(floor, f)
		recording, err := b.startProduct(ctx)
		if err != nil {
			return fmt.Errorf("start reelvault: %w", err)
		}
		if f, err = b.measure(ctx, recording); err != nil {
			return fmt.Errorf("measure reelvault: %w", err)
		}
		ours = append(ours, f)
	}
	var r []float64
	for i := range ours {
		r = append(r, ours[i].perStream/floor[i].perStream)
	}
	slices.Sort(r)
	_, err := fmt.Fprintf(os.Stdout, costTable, b.Publishers, b.For, b.Rounds,
		row("pion, every packet discarded", floor), row("reelvault, recording", ours), r[len(r)/2], r[0], r[len(r)-1])
	return err
}

const costTable = `
%d publishers of 1 Mbit/s VP8 and Opus, %v, %d rounds

| server | CPU-ms a stream-second, median (range) | peak memory, MiB | packets sent | lost | latest, ms |
|---|---|---|---|---|---|
%s
%s

ratio, median (range): %.2f (%.2f-%.2f)
`

func row(name string, all []figures) string {
	slices.SortFunc(all, func(a, b figures) int { return cmp.Compare(a.perStream, b.perStream) })
	m := all[len(all)/2]
	lost, late, peak := 0, 0.0, 0.0
	for _, f := range all {
		lost += f.sent - f.received
		late = max(late, f.lateMS)
		peak = max(peak, f.peakMiB)
	}
	return fmt.Sprintf("| %s | %.2f (%.2f-%.2f) | %.0f | %d | %d | %.1f |",
		name, m.perStream, all[0].perStream, all[len(all)-1].perStream, peak, m.sent, lost, late)
}

// measure publishes to a server, watches its process, and stops it.
func (b *bench) measure(ctx context.Context, s server) (figures, error) {
	var f figures
	report, err := b.load(ctx, s, warmUp+b.For+warmUp/2, func() error {
		if err := wait(ctx, warmUp); err != nil {
			return err
		}
		used, took, err := processorTime(s, func() error { return wait(ctx, b.For) })
		f.perStream = float64(used.Microseconds()) / 1000 / took.Seconds() / float64(streams*b.Publishers)
		return err
	})
	if err != nil {
		return f, errors.Join(err, s.stop())
	}
	f.sent, f.lateMS = report.Packets, report.LateMS
	if f.peakMiB, err = s.PeakMiB(); err != nil {
		return f, errors.Join(err, s.stop())
	}
	f.received, err = s.received(ctx)
	return f, errors.Join(err, s.stop())
}

// processorTime gives what a server's process uses during a call, and how long
// the call took.
func processorTime(s server, during func() error) (used, took time.Duration, err error) {
	before, err := s.CPU()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err = during(); err != nil {
		return 0, 0, err
	}
	after, err := s.CPU()
	return after - before, time.Since(began), err
}

// load runs the publishers in a process of their own, and during when they send.
func (b *bench) load(ctx context.Context, s server, length time.Duration, during func() error) (loadReport, error) {
	var report loadReport
	args := []string{"load", "--publishers", fmt.Sprint(b.Publishers), "--for", length.String()}
	for _, u := range s.addresses() {
		args = append(args, "--whip", u)
	}
	cmd := exec.CommandContext(ctx, b.self, args...)
	cmd.Env = append(os.Environ(), "WHIP_TOKEN="+s.token())
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
		return report, fmt.Errorf("publish: %w: %s", waited, strings.Join(said, "; "))
	}
	if err != nil {
		return report, err
	}
	return report, json.Unmarshal([]byte(out.String()), &report)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
