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

	"github.com/reelvault/reelvault/testmedia/node"
)

// startFloor starts the WHIP server that discards.
func (b *bench) startFloor(ctx context.Context) (receiver, error) {
	cmd := exec.CommandContext(ctx, b.self, "discard")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return receiver{}, err
	}
	if err = cmd.Start(); err != nil {
		return receiver{}, err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return receiver{}, fmt.Errorf("read address: %w", err)
	}
	base := strings.TrimSpace(address)
	return receiver{
		pid: cmd.Process.Pid, load: []string{"--whip", base + "/whip"},
		received: func(ctx context.Context) (int, error) { return counted(ctx, base) },
		stop: func() error {
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				return err
			}
			return cmd.Wait()
		},
	}, nil
}

// counted asks the server that discards how many packets came.
func counted(ctx context.Context, base string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/packets", http.NoBody)
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

// product is Reelvault with a session for each publisher.
type product struct {
	*node.Node

	sessions []string
	aim      []string
}

func (b *bench) startProduct(ctx context.Context, publishers int) (*product, error) {
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	n, err := node.Start(ctx, node.Spec{Program: b.product, Dir: dir})
	if err != nil {
		return nil, err
	}
	p := &product{Node: n}
	for i := range publishers {
		session, err := n.NewSession(ctx)
		if err != nil {
			return nil, errors.Join(err, n.Kill())
		}
		p.sessions = append(p.sessions, session.ID)
		p.aim = append(p.aim, "--whip", n.WHIP(session.ID, fmt.Sprint("guest", i)))
	}
	return p, nil
}

func (p *product) receiver() receiver {
	return receiver{
		pid: p.PID(), load: p.aim, env: []string{"WHIP_TOKEN=" + node.Token},
		received: func(ctx context.Context) (int, error) {
			n, err := p.Metric(ctx, "reelvault_recorder_packets_total")
			return int(n), err
		},
		stop: func() error { return errors.Join(p.Terminate(), p.Wait(context.Background())) },
	}
}
