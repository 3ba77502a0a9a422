package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/reelvault/reelvault/testmedia/node"
)

// server is a process under measurement.
type server interface {
	addresses() []string // WHIP, used in turn
	token() string
	received(ctx context.Context) (int, error) // packets so far
	CPU() (time.Duration, error)
	PeakMiB() (float64, error)
	stop() error
}

// floor is a receiver that discards.
type floor struct {
	cmd  *exec.Cmd
	base string
}

func (b *bench) startFloor(ctx context.Context) (server, error) {
	cmd := exec.CommandContext(ctx, b.self, "discard")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err = cmd.Start(); err != nil {
		return nil, err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("read address: %w", err)
	}
	return &floor{cmd: cmd, base: strings.TrimSpace(address)}, nil
}

func (f *floor) addresses() []string         { return []string{f.base + "/whip"} }
func (f *floor) token() string               { return "" }
func (f *floor) CPU() (time.Duration, error) { return node.CPU(f.cmd.Process.Pid) }
func (f *floor) PeakMiB() (float64, error)   { return node.PeakMiB(f.cmd.Process.Pid) }

func (f *floor) received(ctx context.Context) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.base+"/packets", http.NoBody)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}

func (f *floor) stop() error {
	if err := f.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return f.cmd.Wait()
}

// product is Reelvault with a session for each publisher.
type product struct {
	*node.Node
	sessions []string
	whip     []string
}

func (b *bench) startProduct(ctx context.Context) (*product, error) {
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	n, err := node.Start(ctx, node.Spec{Program: b.product, Dir: dir})
	if err != nil {
		return nil, err
	}
	p := &product{Node: n}
	for i := range b.Publishers {
		session, err := n.NewSession(ctx)
		if err != nil {
			return nil, errors.Join(err, n.Kill())
		}
		p.sessions = append(p.sessions, session.ID)
		p.whip = append(p.whip, n.WHIP(session.ID, fmt.Sprint("guest", i)))
	}
	return p, nil
}

func (p *product) addresses() []string { return p.whip }
func (p *product) token() string       { return node.Token }

func (p *product) received(ctx context.Context) (int, error) {
	n, err := p.Metric(ctx, "reelvault_recorder_packets_total")
	return int(n), err
}

func (p *product) stop() error {
	if err := p.Terminate(); err != nil {
		return err
	}
	return p.Wait(context.Background())
}
