package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a process under measurement.
type server struct {
	cmd    *exec.Cmd
	base   string
	token  string
	whip   []string
	counts func(ctx context.Context, s *server) (int, error)
}

// stop ends the process and waits for it.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
	_ = s.cmd.Wait()                          //nolint:errcheck // measured already
}

// cpu gives the process's user and system time.
func (s *server) cpu() time.Duration {
	const ticksPerSecond = 100 // USER_HZ, the same on every Linux
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	user, _ := strconv.Atoi(string(fields[11]))   //nolint:errcheck // the kernel writes numbers
	system, _ := strconv.Atoi(string(fields[12])) //nolint:errcheck // the kernel writes numbers
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

// peak gives the process's largest resident memory, in MiB.
func (s *server) peak() float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, _ := strconv.Atoi(strings.Fields(rest)[0]) //nolint:errcheck // the kernel writes numbers
	return float64(kib) / 1024
}

func (s *server) received(ctx context.Context) (int, error) { return s.counts(ctx, s) }

func (b *bench) startDiscard(ctx context.Context) (*server, error) {
	cmd := exec.CommandContext(ctx, b.self, "discard")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("read address: %w", err)
	}
	base := strings.TrimSpace(address)
	return &server{cmd: cmd, base: base, whip: []string{base + "/whip"}, counts: func(ctx context.Context, s *server) (int, error) {
		text, err := s.get(ctx, "/packets")
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(string(text))
	}}, nil
}

const benchToken = "bench-0123456789abcdef0123456789abcdef"

func (b *bench) startProduct(ctx context.Context) (*server, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	media, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	data, err := os.MkdirTemp(b.dir, "data")
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	cmd := exec.CommandContext(ctx, b.product, "serve", "--data", filepath.Join(data, "reelvault"), "--http", address, "--webrtc-port", strconv.Itoa(media))
	cmd.Env = append(os.Environ(), "REELVAULT_ADMIN_TOKEN="+benchToken)
	log, err := os.Create(filepath.Join(data, "log"))
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	s := &server{cmd: cmd, base: "http://" + address, token: benchToken, counts: recorded}
	if err := errors.Join(log.Close(), s.ready(ctx)); err != nil {
		return nil, err
	}
	for i := range b.Publishers {
		var session struct{ ID string }
		if err := s.post(ctx, "/api/v1/sessions", map[string]string{"channel": "AV"}, &session); err != nil {
			return nil, err
		}
		s.whip = append(s.whip, fmt.Sprintf("%s/api/v1/sessions/%s/whip?participant=guest%d&role=guest", s.base, session.ID, i))
	}
	return s, nil
}

// ready waits until the server says that it is.
func (s *server) ready(ctx context.Context) error {
	for range 100 {
		if _, err := s.get(ctx, "/readyz"); err == nil {
			return nil
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("the server did not become ready in 10 s")
}

// recorded reads how many packets the recorder took.
func recorded(ctx context.Context, s *server) (int, error) {
	text, err := s.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "reelvault_recorder_packets_total "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return int(f), err
		}
	}
	return 0, errors.New("no packet count in the metrics")
}

func (s *server) get(ctx context.Context, path string) ([]byte, error) {
	return s.do(ctx, http.MethodGet, path, nil)
}

func (s *server) post(ctx context.Context, path string, body, into any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	answer, err := s.do(ctx, http.MethodPost, path, data)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

func (s *server) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.base+path, reader)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: %s: %s", method, path, response.Status, bytes.TrimSpace(answer))
	}
	return answer, err
}
