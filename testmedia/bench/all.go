package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
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
func (a *allCmd) Run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	b := &bench{allCmd: a, dir: dir, self: filepath.Join(dir, "bench"), product: filepath.Join(dir, "reelvault")}
	for program, source := range map[string]string{b.self: "./testmedia/bench", b.product: "./cmd/reelvault"} {
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, source).CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", source, err, out)
		}
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
		f, err := b.measure(ctx, b.startDiscard)
		if err != nil {
			return fmt.Errorf("measure discard: %w", err)
		}
		floor = append(floor, f)
		if f, err = b.measure(ctx, b.startProduct); err != nil {
			return fmt.Errorf("measure reelvault: %w", err)
		}
		ours = append(ours, f)
	}
	w := os.Stdout
	fmt.Fprintf(w, "\n%d publishers of 1 Mbit/s VP8 and Opus, %v, %d rounds\n\n", b.Publishers, b.For, b.Rounds)
	fmt.Fprintln(w, "| server | CPU-ms a stream-second, median (range) | peak memory, MiB | packets sent | lost | latest, ms |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|")
	var r []float64
	for i := range ours {
		r = append(r, ours[i].perStream/floor[i].perStream)
	}
	slices.Sort(r)
	row(w, "pion, every packet discarded", floor)
	row(w, "reelvault, recording", ours)
	fmt.Fprintf(w, "\nratio, median (range): %.2f (%.2f-%.2f)\n", r[len(r)/2], r[0], r[len(r)-1])
	return nil
}

func row(w io.Writer, name string, all []figures) {
	slices.SortFunc(all, func(a, b figures) int { return int(1e6 * (a.perStream - b.perStream)) })
	m := all[len(all)/2]
	lost, late := 0, 0.0
	for _, f := range all {
		lost += f.sent - f.received
		late = max(late, f.lateMS)
	}
	fmt.Fprintf(w, "| %s | %.2f (%.2f-%.2f) | %.0f | %d | %d | %.1f |\n",
		name, m.perStream, all[0].perStream, all[len(all)-1].perStream, m.peakMiB, m.sent, lost, late)
}

// measure starts a server, publishes to it, and watches its process.
func (b *bench) measure(ctx context.Context, start func(context.Context) (*server, error)) (figures, error) {
	s, err := start(ctx)
	if err != nil {
		return figures{}, err
	}
	defer s.stop()
	var f figures
	report, err := b.load(ctx, s, warmUp+b.For+warmUp/2, func() error {
		if err := wait(ctx, warmUp); err != nil {
			return err
		}
		before, began := s.cpu(), time.Now()
		if err := wait(ctx, b.For); err != nil {
			return err
		}
		used, took := s.cpu()-before, time.Since(began)
		f.perStream = float64(used.Microseconds()) / 1000 / took.Seconds() / float64(streams*b.Publishers)
		return nil
	})
	if err != nil {
		return f, err
	}
	f.sent, f.lateMS = report.Packets, report.LateMS
	f.peakMiB = s.peak()
	f.received, err = s.received(ctx)
	return f, err
}

// load runs the publishers in a process of their own, and during when they send.
func (b *bench) load(ctx context.Context, s *server, length time.Duration, during func() error) (loadReport, error) {
	var report loadReport
	args := []string{"load", "--publishers", fmt.Sprint(b.Publishers), "--for", length.String()}
	for _, u := range s.whip {
		args = append(args, "--whip", u)
	}
	cmd := exec.CommandContext(ctx, b.self, args...)
	cmd.Env = append(os.Environ(), "WHIP_TOKEN="+s.token)
	var out strings.Builder
	cmd.Stdout = &out
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return report, err
	}
	if err := cmd.Start(); err != nil {
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

// freePort asks the kernel for a port on loopback that nobody has.
func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port //nolint:errcheck // a TCP listener has a TCP address
	return port, l.Close()
}
