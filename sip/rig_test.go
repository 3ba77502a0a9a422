package sip_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/sip"
	"github.com/reelvault/reelvault/testmedia"
)

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

// rig is a server with a sink and sessions that remember.
type rig struct {
	*sip.Server

	tb   testing.TB
	sink *sink
	book *book

	closing sync.Once
	closed  error
}

// quick are timers for tests of calls that end by themselves. A round trip of
// 50 ms leaves 3.2 s for an ACK.
func quick() sip.Timers {
	t := sip.DefaultTimers()
	t.T1, t.Check, t.Silence, t.Left, t.Bye = 50*time.Millisecond, 20*time.Millisecond, time.Hour, time.Hour, 300*time.Millisecond
	return t
}

func newRig(tb testing.TB, change func(*sip.Config)) *rig {
	tb.Helper()
	r := &rig{tb: tb, sink: &sink{}, book: &book{}}
	r.sink.cond, r.book.cond = sync.NewCond(&r.sink.mu), sync.NewCond(&r.book.mu)
	first := freePorts(tb)
	c := sip.Config{
		Address: netip.MustParseAddr("127.0.0.1"), FirstRTP: first, LastRTP: first + 99,
		Calls: r.book, Sink: r.sink, Timers: quick(), Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	server, err := sip.New(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	r.Server = server
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			tb.Error(err)
		}
		if n := server.Stats().RTP.Streams; n != 0 {
			tb.Errorf("%d streams are open after Close", n)
		}
	})
	return r
}

// Close ends the server, once.
func (r *rig) Close(ctx context.Context) error {
	r.closing.Do(func() { r.closed = r.Server.Close(ctx) })
	return r.closed
}

// freePorts finds a range where nobody listens at either end.
func freePorts(tb testing.TB) int {
	tb.Helper()
	for first := 21000; first < 60000; first += 200 {
		a, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: first})
		if err != nil {
			continue
		}
		if err := a.Close(); err != nil {
			tb.Fatal(err)
		}
		return first
	}
	tb.Fatal("no free ports")
	return 0
}

func (r *rig) log() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (r *rig) target() string { return r.Addr().String() }

// refuse has calls refused by who makes sessions or by the recorder.
func (r *rig) refuse(call, sink error) {
	r.book.mu.Lock()
	r.book.refuse = call
	r.book.mu.Unlock()
	r.sink.mu.Lock()
	r.sink.refuse = sink
	r.sink.mu.Unlock()
}

// call calls with two voices.
func (r *rig) call(spec testmedia.CallSpec) *testmedia.PhoneCall {
	r.tb.Helper()
	c, err := r.try(spec)
	if err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(func() { _ = c.Drop() })
	return c
}

func (r *rig) try(spec testmedia.CallSpec) (*testmedia.PhoneCall, error) {
	spec.Target = r.target()
	if spec.Voices == nil {
		spec.Voices = voices(reelvault.PCMU, reelvault.PCMU)
	}
	return testmedia.Call(r.tb.Context(), spec)
}

// attempt calls, and gives only what came of it.
func (r *rig) attempt(spec testmedia.CallSpec) error {
	c, err := r.try(spec)
	if err == nil {
		r.tb.Cleanup(func() { _ = c.Drop() })
	}
	return err
}

func voices(laws ...reelvault.Codec) []testmedia.Voice {
	var all []testmedia.Voice
	for i, law := range laws {
		all = append(all, testmedia.Voice{
			Name: []string{"Alice", "Bob", "Carol"}[i], Address: fmt.Sprintf("sip:%d@example.org", 100+i),
			Law: law, Sound: testmedia.Tone(law, 440*float64(i+1), time.Second),
		})
	}
	return all
}

// wire opens a socket to the server.
func (r *rig) wire(network string) *testmedia.SIPWire {
	r.tb.Helper()
	w, err := testmedia.DialSIP(r.tb.Context(), network, r.target())
	if err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(func() { _ = w.Close() })
	return w
}

// ask sends a request and gives its final answer.
func (r *rig) ask(w *testmedia.SIPWire, request string) testmedia.SIPMessage {
	r.tb.Helper()
	ctx, cancel := context.WithTimeout(r.tb.Context(), patience)
	defer cancel()
	m, err := w.Exchange(ctx, request)
	if err != nil {
		r.tb.Fatalf("%v\n%.300s", err, request)
	}
	return m
}

// await waits until something is so.
func (r *rig) await(what string, so func() bool) {
	r.tb.Helper()
	for deadline := time.Now().Add(patience); !so(); {
		if time.Now().After(deadline) {
			r.tb.Fatalf("waited in vain for: %s; %+v", what, r.Stats())
		}
		<-time.After(5 * time.Millisecond)
	}
}

// sink remembers captures.
type sink struct {
	mu       sync.Mutex
	cond     *sync.Cond
	refuse   error
	captures []*capture
}

func (s *sink) Admit(context.Context, media.Publisher) error { return nil }

func (s *sink) Open(_ context.Context, p media.Publisher) (media.Capture, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return nil, s.refuse
	}
	c := &capture{sink: s, publisher: p}
	s.captures = append(s.captures, c)
	return c, nil
}

// capture remembers tracks. All of it is guarded by its sink.
type capture struct {
	sink      *sink
	publisher media.Publisher
	tracks    []*track
	closed    bool
	cause     error
}

func (c *capture) AddTrack(f media.Format, _ func()) (media.Track, error) {
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	for _, t := range c.tracks {
		if t.format.Party == f.Party && t.format.Codec == f.Codec {
			t.closed = false
			return t, nil
		}
	}
	t := &track{capture: c, format: f}
	c.tracks = append(c.tracks, t)
	return t, nil
}

func (c *capture) Close(cause error) {
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	c.closed, c.cause = true, cause
	c.sink.cond.Broadcast()
}

type track struct {
	capture *capture
	format  media.Format
	packets []*media.Packet
	holds   []bool
	late    bool // a packet came behind the capture's end
	closed  bool
}

func (t *track) WritePacket(p *media.Packet) bool {
	s := t.capture.sink
	s.mu.Lock()
	defer s.mu.Unlock()
	t.packets = append(t.packets, p)
	t.late = t.late || t.capture.closed
	return true
}

func (t *track) WriteReport(media.Report) {}

func (t *track) Close() {
	t.capture.sink.mu.Lock()
	defer t.capture.sink.mu.Unlock()
	t.closed = true
}

func (t *track) Hold(on bool) {
	t.capture.sink.mu.Lock()
	defer t.capture.sink.mu.Unlock()
	t.holds = append(t.holds, on)
}

// parties puts the tracks of the last capture into one line.
func (s *sink) parties() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.captures) == 0 {
		return "no capture"
	}
	var all []string
	for _, t := range s.captures[len(s.captures)-1].tracks {
		p := t.format.Party
		all = append(all, fmt.Sprintf("%s %s %d %s", p.ParticipantID, p.Role, p.Channel, t.format.Codec))
	}
	return strings.Join(all, ", ")
}

// gone gives the participants whose tracks in the last capture are closed.
func (s *sink) gone() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, t := range s.captures[len(s.captures)-1].tracks {
		if t.closed {
			all = append(all, t.format.Party.ParticipantID)
		}
	}
	return strings.Join(all, ", ")
}

// heard counts the parties whose tracks in the last capture are open.
func (s *sink) heard() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := map[media.Party]bool{}
	for _, t := range s.captures[len(s.captures)-1].tracks {
		if !t.closed {
			open[t.format.Party] = true
		}
	}
	return len(open)
}

// counts gives the packets of each track of the last capture.
func (s *sink) counts() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []int
	if len(s.captures) == 0 {
		return nil
	}
	for _, t := range s.captures[len(s.captures)-1].tracks {
		all = append(all, len(t.packets))
	}
	return all
}

// of counts the packets of a track of the last capture, as parties names it.
func (s *sink) of(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, t := range s.captures[len(s.captures)-1].tracks {
		if p := t.format.Party; fmt.Sprintf("%s %s %d %s", p.ParticipantID, p.Role, p.Channel, t.format.Codec) == name {
			n += len(t.packets)
		}
	}
	return n
}

// held says whether the last capture's first track is on hold.
func (s *sink) held() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	holds := s.captures[len(s.captures)-1].tracks[0].holds
	return holds[len(holds)-1]
}

// closed waits until every capture is closed, and gives the last one's cause.
func (s *sink) closed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for slices.ContainsFunc(s.captures, func(c *capture) bool { return !c.closed }) {
		s.cond.Wait()
	}
	return s.captures[len(s.captures)-1].cause
}

// book remembers sessions.
type book struct {
	mu     sync.Mutex
	cond   *sync.Cond
	refuse error
	block  chan struct{} // if set, Update waits for it
	slow   chan struct{} // if set, Begin waits for it
	asks   int           // calls of Begin
	begun  []sip.Call
	now    []sip.Party // as told last
	ended  []sip.Cause
}

func (b *book) hold(until chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slow = until
}

func (b *book) Begin(_ context.Context, c sip.Call) (sip.Session, error) {
	b.mu.Lock()
	slow := b.slow
	b.asks++
	b.mu.Unlock()
	if slow != nil {
		<-slow
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return sip.Session{}, b.refuse
	}
	b.begun, b.now = append(b.begun, c), c.Parties
	return sip.Session{TenantID: "tenant", ID: fmt.Sprintf("session%d", len(b.begun))}, nil
}

func (b *book) Update(_ context.Context, _ sip.Session, parties []sip.Party) error {
	b.mu.Lock()
	b.now = parties
	block := b.block
	b.mu.Unlock()
	if block != nil {
		<-block
	}
	return nil
}

func (b *book) End(_ context.Context, s sip.Session, cause sip.Cause) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.ID == "" {
		return errors.New("no session")
	}
	b.ended = append(b.ended, cause)
	b.cond.Broadcast()
	return nil
}

// asked is how often a session was asked for.
func (b *book) asked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asks
}

// calls is how many sessions were made.
func (b *book) calls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.begun)
}

// over waits until as many calls have ended as have begun, and gives the last
// one's cause.
func (b *book) over() sip.Cause {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.ended) < len(b.begun) {
		b.cond.Wait()
	}
	if len(b.ended) == 0 {
		return ""
	}
	return b.ended[len(b.ended)-1]
}

func (b *book) people() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, p := range b.now {
		all = append(all, strings.Join(strings.Fields(fmt.Sprint(p.ID, " ", p.Role, " ", p.Name, " ", p.Address)), " "))
	}
	return strings.Join(all, ", ")
}
