package webrtc_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/webrtc"
)

// patience is how long a test waits for something that takes milliseconds.
const patience = 20 * time.Second

var guest = media.Publisher{TenantID: "t1", SessionID: "s1", ParticipantID: "ada", Role: reelvault.RoleGuest, Kind: reelvault.RecordingAV}

// serve starts a server on loopback that is closed with the test.
func serve(t *testing.T, sink media.Sink, change ...func(*webrtc.Config)) *webrtc.Server {
	t.Helper()
	config := webrtc.Config{}
	for _, f := range change {
		f(&config)
	}
	s, err := webrtc.New(config, sink)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { closeServer(t, s) })
	return s
}

func closeServer(tb testing.TB, s *webrtc.Server) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		tb.Errorf("Close: %v", err)
	}
}

// sink records what a server delivers.
type sink struct {
	admit    error
	open     error
	addTrack error

	mu       sync.Mutex
	captures []*capture
	changed  chan struct{} // closed and replaced at each change
}

func newSink() *sink { return &sink{changed: make(chan struct{})} }

func (s *sink) Admit(context.Context, media.Publisher) error { return s.admit }

func (s *sink) Open(_ context.Context, p media.Publisher) (media.Capture, error) {
	if s.open != nil {
		return nil, s.open
	}
	c := &capture{sink: s, publisher: p}
	s.change(func() { s.captures = append(s.captures, c) })
	return c, nil
}

func (s *sink) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

// look runs f while nothing is delivered.
func (s *sink) look(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// await waits until ok says true, asking again after each change.
func (s *sink) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		done, changed := ok(), s.changed
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

type capture struct {
	sink      *sink
	publisher media.Publisher
	tracks    []*track
	closed    bool
	cause     error
}

func (c *capture) AddTrack(f media.Format, request func()) (media.Track, error) {
	tr := &track{sink: c.sink, format: f, request: request, forward: true}
	err := c.sink.addTrack
	c.sink.change(func() {
		if err == nil {
			c.tracks = append(c.tracks, tr)
		}
	})
	if err != nil {
		return nil, err
	}
	return tr, nil
}

func (c *capture) Close(cause error) {
	c.sink.change(func() {
		if !c.closed {
			c.closed, c.cause = true, cause
		}
	})
}

type track struct {
	sink    *sink
	format  media.Format
	request func()
	forward bool
	packets []media.Packet
	reports []media.Report
	closed  bool
}

func (tr *track) WritePacket(p *media.Packet) bool {
	var forward bool
	tr.sink.change(func() {
		tr.packets = append(tr.packets, *p)
		forward = tr.forward
	})
	return forward
}

func (tr *track) WriteReport(r media.Report) {
	tr.sink.change(func() { tr.reports = append(tr.reports, r) })
}

func (tr *track) Close() { tr.sink.change(func() { tr.closed = true }) }
