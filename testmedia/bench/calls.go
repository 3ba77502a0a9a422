package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
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

// Run measures what a recorded call costs beside what its packets cost a
// receiver that discards them, one after the other in each round.
func (c *callsCmd) Run(ctx context.Context) (err error) {
	b, err := newBench(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	ours, floor, err := b.compare(ctx, contest{
		rounds: c.Rounds, length: c.For, streams: voicesOfCall * c.Calls,
		load:  []string{"callload", "--calls", strconv.Itoa(c.Calls)},
		floor: func(ctx context.Context) (receiver, error) { return c.startDiscard(ctx, b) },
		ours:  func(ctx context.Context) (receiver, error) { return c.startRecorder(ctx, b) },
	})
	if err != nil {
		return err
	}
	compared := ratio(ours, floor) // before the rows are sorted
	perCall := func(f figures) float64 { return (f.peakMiB - f.idleMiB) * 1024 / float64(c.Calls) }
	_, err = fmt.Fprintf(os.Stdout, callsTable, c.Calls, c.For, c.Rounds,
		row("Go, UDP discarded, a port a stream", floor, perCall), row("reelvault, SIPREC, recording", ours, perCall), compared)
	return err
}

const callsTable = `
%d calls of two G.711 voices, %v, %d rounds

| receiver | CPU-ms a stream-second, median (range) | memory a call, KiB | packets sent | lost | latest, ms |
|---|---|---|---|---|---|
%s
%s

ratio, median (range): %s
`

// startDiscard starts the receiver that only counts.
func (c *callsCmd) startDiscard(ctx context.Context, b *bench) (receiver, error) {
	cmd := exec.CommandContext(ctx, b.self, "udpdiscard", "--ports", strconv.Itoa(voicesOfCall*c.Calls))
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
func (c *callsCmd) startRecorder(ctx context.Context, b *bench) (receiver, error) {
	folder, err := b.folder()
	if err != nil {
		return receiver{}, err
	}
	port, err := node.FreePort(ctx)
	if err != nil {
		return receiver{}, err
	}
	n, err := node.Start(ctx, node.Spec{Program: b.product, Dir: folder, Args: []string{
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
