package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

type allCmd struct {
	Publishers int           `default:"20" help:"How many publish at once."`
	Rounds     int           `default:"3" help:"How often each server is measured."`
	For        time.Duration `default:"30s" help:"How long a measurement lasts."`
	StopAfter  time.Duration `default:"5m" help:"Length of the recordings for stop to playable; 0 leaves it out."`
}

// streamsOfPublisher is what one publisher sends.
const streamsOfPublisher = 2

// Run implements kong's command.
func (a *allCmd) Run(ctx context.Context) (err error) {
	b, err := newBench(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := a.cost(ctx, b); err != nil {
		return err
	}
	if a.StopAfter > 0 {
		return a.stopToPlayable(ctx, b)
	}
	return nil
}

// command is what publishes.
func (a *allCmd) command() []string {
	return []string{"load", "--publishers", strconv.Itoa(a.Publishers)}
}

// cost compares the recorder with a receiver that discards.
func (a *allCmd) cost(ctx context.Context, b *bench) error {
	ours, floor, err := b.compare(ctx, contest{
		rounds: a.Rounds, length: a.For, streams: streamsOfPublisher * a.Publishers, load: a.command(), floor: b.startFloor,
		ours: func(ctx context.Context) (receiver, error) {
			p, err := b.startProduct(ctx, a.Publishers)
			if err != nil {
				return receiver{}, err
			}
			return p.receiver(), nil
		},
	})
	if err != nil {
		return err
	}
	compared := ratio(ours, floor) // before the rows are sorted
	peak := func(f figures) float64 { return f.peakMiB }
	_, err = fmt.Fprintf(os.Stdout, costTable, a.Publishers, a.For, a.Rounds,
		row("pion, every packet discarded", floor, peak), row("reelvault, recording", ours, peak), compared)
	return err
}

const costTable = `
%d publishers of 1 Mbit/s VP8 and Opus, %v, %d rounds

| server | CPU-ms a stream-second, median (range) | peak memory, MiB | packets sent | lost | latest, ms |
|---|---|---|---|---|---|
%s
%s

ratio, median (range): %s
`
