package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

type loadCmd struct {
	WHIP       []string      `required:"" help:"WHIP address; several are used in turn."`
	Token      string        `help:"Bearer token." env:"WHIP_TOKEN"`
	Publishers int           `default:"20" help:"How many publish at once."`
	For        time.Duration `default:"30s" help:"How long they send."`
	BitRate    int           `default:"1000000" help:"Of the video, bits a second."`
}

// loadReport is what load prints.
type loadReport struct {
	Packets int     `json:"packets"`
	LateMS  float64 `json:"lateMs"` // the latest packet of the median publisher
}

// Run implements kong's command.
func (l *loadCmd) Run(ctx context.Context) error {
	clip, err := testmedia.Encode(ctx, testmedia.ClipSpec{
		Video: reelvault.VP8, Width: 640, Height: 360, FPS: 30, KeyEvery: 2 * time.Second, BitRate: l.BitRate, Duration: 10 * time.Second,
	})
	if err != nil {
		return err
	}
	sent, err := testmedia.Send(clip, testmedia.SendSpec{Length: l.For})
	if err != nil {
		return err
	}
	peers := make([]*testmedia.Peer, l.Publishers)
	for i := range peers {
		target := testmedia.Target{URL: l.WHIP[i%len(l.WHIP)], Token: l.Token}
		if peers[i], err = testmedia.Publish(ctx, target, clip); err != nil {
			return fmt.Errorf("publisher %d: %w", i, err)
		}
	}
	fmt.Fprintln(os.Stderr, "sending")
	report, err := sendAll(ctx, peers, sent)
	if err != nil {
		return err
	}
	for _, p := range peers {
		if err := p.Close(ctx); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(report)
}

func sendAll(ctx context.Context, peers []*testmedia.Peer, sent []testmedia.Sent) (loadReport, error) {
	packets := make([]int, len(peers))
	late := make([]time.Duration, len(peers))
	group, ctx := errgroup.WithContext(ctx)
	for i, p := range peers {
		group.Go(func() (err error) {
			packets[i], late[i], err = p.Send(ctx, sent)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return loadReport{}, err
	}
	slices.Sort(late)
	total := 0
	for _, n := range packets {
		total += n
	}
	return loadReport{Packets: total, LateMS: float64(late[len(late)/2].Microseconds()) / 1000}, nil
}
