package durable_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// longest is more than any test sends.
const longest = 3 * time.Minute

// frame is one frame that was sent.
type frame struct {
	at          time.Duration // on the sender's clock
	first, last time.Time     // when its packets left
	key         bool
	sum         string // of its bytes, as ffprobe writes it; empty: the file holds them in another form
}

// publisher sends a clip over and over, and knows what left when.
type publisher struct {
	participant string
	clip        *testmedia.Clip
	connected   chan struct{} // closed when it sends or has failed
	done        chan struct{} // closed when it has ended
	cancel      context.CancelFunc

	mu   sync.Mutex
	sent map[testmedia.Stream][]frame
	err  error
}

// publish starts a publisher into a session. stop ends it.
func publish(t *testing.T, n *node.Node, session, participant string, kind clipKind) *publisher {
	t.Helper()
	c := clip(t, kind)
	media, err := testmedia.Send(c, testmedia.SendSpec{Length: longest})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	p := &publisher{
		participant: participant, clip: c, cancel: cancel, sent: map[testmedia.Stream][]frame{},
		connected: make(chan struct{}), done: make(chan struct{}),
	}
	target := testmedia.Target{URL: n.WHIP(session, participant), Token: node.Token}
	go func() {
		defer close(p.done)
		p.run(ctx, target, media)
	}()
	t.Cleanup(p.stop)
	return p
}

// stop ends the publisher without a goodbye, as one that loses its network.
func (p *publisher) stop() {
	p.cancel()
	<-p.done
}

func (p *publisher) run(ctx context.Context, target testmedia.Target, media []testmedia.Sent) {
	peer, err := testmedia.Publish(ctx, target, p.clip)
	if err != nil {
		p.fail(ctx, err)
		close(p.connected)
		return
	}
	close(p.connected)
	start := time.Now()
	for _, s := range media {
		if err = wait(ctx, time.Until(start.Add(s.At))); err != nil {
			break
		}
		at := s.At
		s.At = 0
		left := time.Now()
		if _, _, err = peer.Send(ctx, []testmedia.Sent{s}); err != nil {
			break
		}
		if s.Report == nil {
			p.note(s, at, left)
		}
	}
	p.fail(ctx, errors.Join(err, peer.Vanish()))
}

// fail notes an error that nobody asked for.
func (p *publisher) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// note counts a packet in.
func (p *publisher) note(s testmedia.Sent, at time.Duration, left time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	frames := p.sent[s.Stream]
	if n := len(frames); n > 0 && frames[n-1].at == at {
		frames[n-1].last = left
		return
	}
	encoded := p.clip.AudioFrames
	if s.Stream == testmedia.VideoStream {
		encoded = p.clip.VideoFrames
	}
	e := encoded[len(frames)%len(encoded)]
	f := frame{at: at, first: left, last: left, key: e.Key}
	if s.Stream == testmedia.AudioStream || p.clip.Video == reelvault.VP8 {
		f.sum = sumOf(e.Data)
	}
	p.sent[s.Stream] = append(frames, f)
}

// frames gives what has been sent of a stream so far. The last one may not be
// whole yet.
func (p *publisher) frames(s testmedia.Stream) []frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]frame(nil), p.sent[s]...)
}

// awaitConnected waits until all publishers send.
func awaitConnected(t *testing.T, publishers []*publisher) {
	t.Helper()
	timeout := time.After(patience)
	for _, p := range publishers {
		select {
		case <-p.connected:
		case <-timeout:
			t.Fatalf("publisher %s is not connected after %v", p.participant, patience)
		}
		p.expectNoError(t)
	}
}

// expectNoError fails if the publisher ended otherwise than by stop.
func (p *publisher) expectNoError(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		t.Errorf("publisher %s: %v", p.participant, p.err)
	}
}
