package rtp

import (
	"cmp"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reelvault/reelvault"
)

// Config is what a Receiver needs.
type Config struct {
	Address netip.Addr // to listen on, and to be told to clients; not 0.0.0.0 or ::

	// FirstPort and LastPort are the range of ports. Each stream takes an even
	// port and the next one; there have to be two such.
	FirstPort, LastPort int

	// SourceWait is how long a stream's source has to be silent before another
	// one is heard that is no likelier; zero: DefaultSourceWait.
	SourceWait time.Duration
}

// Validate says what is wrong with c.
func (c Config) Validate() error {
	if !c.Address.IsValid() || c.Address.IsUnspecified() || c.Address.Zone() != "" {
		return reelvault.Errorf(reelvault.Invalid, "the RTP address %s is none that clients can be told", c.Address)
	}
	if c.FirstPort < 1 || c.LastPort > 65535 || c.FirstPort+c.FirstPort%2+1 > c.LastPort {
		return reelvault.Errorf(reelvault.Invalid, "the RTP ports %d-%d have no even port with the next one", c.FirstPort, c.LastPort)
	}
	return nil
}

// Receiver has the ports and the workers. Its methods may be called from any
// goroutine.
type Receiver struct {
	config  Config
	ports   *ports
	workers []*worker
	next    atomic.Uint32
	count   counters
	running sync.WaitGroup
	stop    chan struct{}
	stamps  *socket // or nil

	last      sync.Mutex // held for the last look into a socket
	lastBatch *batch
	lastChunk chunk
}

// New starts the workers. Close ends them.
func New(c Config) (*Receiver, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.SourceWait = cmp.Or(c.SourceWait, DefaultSourceWait)
	r := &Receiver{config: c, ports: newPorts(c.FirstPort, c.LastPort), stop: make(chan struct{}), stamps: holdStamps(), lastBatch: newBatch()}
	for range min(runtime.GOMAXPROCS(0), maxWorkers) {
		w := &worker{batch: newBatch()}
		r.workers = append(r.workers, w)
		r.running.Add(1)
		go func() {
			defer r.running.Done()
			w.run(r.stop)
		}()
	}
	return r, nil
}

// Close waits for the workers. The streams have to be closed before.
func (r *Receiver) Close() {
	close(r.stop)
	r.running.Wait()
	if r.stamps != nil {
		r.stamps.close()
	}
}

// Reserve takes ports for so many streams, all or none. Whoever opens fewer
// than that gives back the others by Release. Too few free ports are an error
// of kind Unavailable.
func (r *Receiver) Reserve(streams int) (*Reservation, error) {
	v := &Reservation{receiver: r}
	for range streams {
		p, err := r.ports.open(r.config.Address, time.Now())
		if err != nil {
			v.Release()
			return nil, fmt.Errorf("reserve ports: %w", err)
		}
		v.bound = append(v.bound, p)
	}
	return v, nil
}

// Reservation is ports that are held for streams. Its methods are for one
// goroutine.
type Reservation struct {
	receiver *Receiver
	bound    []boundPair
}

// Open gives a stream one of the reserved ports and begins to receive: packets
// that come before the client has our answer's acknowledgement are taken like
// others. With none left it is an error of kind Unavailable.
func (v *Reservation) Open(s Settings) (*Stream, error) {
	if len(v.bound) == 0 {
		return nil, fmt.Errorf("open stream: %w", errNoPort())
	}
	p := v.bound[0]
	v.bound = v.bound[1:]
	return v.receiver.begin(p, s), nil
}

// Release gives back what is left.
func (v *Reservation) Release() {
	for _, p := range v.bound {
		p.media.close()
		p.reports.close()
		v.receiver.ports.restore(p.port)
	}
	v.bound = nil
}

// Open is Reserve for one stream, and its Open.
func (r *Receiver) Open(s Settings) (*Stream, error) {
	v, err := r.Reserve(1)
	if err != nil {
		return nil, err
	}
	return v.Open(s)
}

func (r *Receiver) begin(p boundPair, s Settings) *Stream {
	now := time.Now()
	w := r.workers[int(r.next.Add(1))%len(r.workers)]
	stream := &Stream{
		receiver: r, worker: w, port: p.port, media: p.media, reports: p.reports,
		heard: now, swept: now, sweptRTCP: now, latch: newLatch(s.Source, r.config.SourceWait, now),
	}
	stream.set(s)
	w.add(stream)
	r.count.streams.Add(1)
	return stream
}

// sweepLast takes all that a stream has left when nobody sweeps it any more.
// Many calls may end together: they share the memory that it takes.
func (r *Receiver) sweepLast(s *Stream) {
	r.last.Lock()
	defer r.last.Unlock()
	s.sweep(r.lastBatch, &r.lastChunk, lastPackets, true)
}

// Stats are counts since the start, and what goes on now.
type Stats struct {
	Streams   int    // open now
	Packets   uint64 // handed to tracks
	Foreign   uint64 // from where they may not come
	Malformed uint64 // no RTP, or no RTCP
	Overflows uint64 // dropped by the kernel for a full socket buffer
	Unwanted  uint64 // of a payload type that is not recorded, or on hold
}

type counters struct {
	streams                                          atomic.Int64
	packets, foreign, malformed, overflows, unwanted atomic.Uint64
}

// Stats gives a copy.
func (r *Receiver) Stats() Stats {
	return Stats{
		Streams: int(r.count.streams.Load()), Packets: r.count.packets.Load(), Foreign: r.count.foreign.Load(),
		Malformed: r.count.malformed.Load(), Overflows: r.count.overflows.Load(), Unwanted: r.count.unwanted.Load(),
	}
}

// worker sweeps some of the streams.
type worker struct {
	mu      sync.Mutex
	streams []*Stream // replaced, never changed

	// its goroutine only
	batch *batch
	chunk chunk
	turn  int
}

func (w *worker) add(s *Stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.streams = append(slices.Clip(w.streams), s)
}

func (w *worker) remove(s *Stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.streams = slices.DeleteFunc(slices.Clone(w.streams), func(o *Stream) bool { return o == s })
}

func (w *worker) run(stop <-chan struct{}) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.sweep()
		case <-stop:
			return
		}
	}
}

// sweep looks into every socket once. The RTCP sockets have their turns spread
// over the second.
func (w *worker) sweep() {
	w.mu.Lock()
	streams := w.streams
	w.mu.Unlock()
	w.turn++
	for i, s := range streams {
		s.sweep(w.batch, &w.chunk, sweepPackets, (w.turn+i)%reportSweeps == 0)
	}
}
