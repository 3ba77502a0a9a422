package timeline_test

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/jitter"
	"github.com/reelvault/reelvault/media/timeline"
)

// The simulation: one sender with a clock of its own, a network, and a
// recorder that runs a jitter buffer and the timeline. Each frame knows the
// true instant of its capture, so that what the file says can be compared.

// span is a stretch of true time.
type span struct{ from, to time.Duration }

func (s span) has(at time.Duration) bool { return at >= s.from && at < s.to }

// stream is one track of the simulated sender.
type stream struct {
	audio   bool
	rate    uint32  // RTP units a second that the clock really runs at; 0 is nominal
	ppm     float64 // how much faster than the sender's NTP
	first   uint32  // RTP timestamp at true time 0
	skew    time.Duration
	start   time.Duration
	fps     int // of video
	packets int // a frame
	muted   span
	stands  bool          // while muted, the RTP clock stands still
	pace    span          // what is captured then, the sender holds back
	paced   time.Duration // by this
	late    time.Duration // everything is sent so much later, but not the reports
	jumpAt  time.Duration // at that time
	jump    uint32        // the RTP clock jumps by this
	newSSRC bool          // and the SSRC and the sequence change

	reports      time.Duration // interval; 0 sends none
	reportsFrom  time.Duration
	reportsUntil time.Duration
	lie          func(n int, at time.Duration) time.Duration // added to the NTP of the nth report
}

// network is what lies between.
type network struct {
	jitter  time.Duration // uniform
	loss    float64
	backlog time.Duration // what is sent before comes at once, then
	stalls  []span        // what is sent within comes at the end, in order
	drain   float64       // how many times faster than real time; 0 is at once
	queue   span          // what is sent then takes longer
	queued  time.Duration // by this
	ntpStep time.Duration // of the sender's wall clock
	stepAt  time.Duration
}

type scenario struct {
	seed    uint64
	length  time.Duration
	audio   *stream
	video   *stream
	net     network
	log     timeline.Config
	perTick func(now time.Duration, tl *timeline.Timeline)
}

// placed is a frame in the file.
type placed struct{ capture, at time.Duration }

// result is what a run gives.
type result struct {
	tl      *timeline.Timeline
	audio   []placed
	video   []placed
	dropped int
}

var origin = time.Now()

const basePath = 40 * time.Millisecond

// event is the arrival of a packet or a report.
type event struct {
	arrival time.Duration
	track   int
	packet  *media.Packet // whose payload is its time of capture
	report  *media.Report
}

func captured(p *media.Packet) time.Duration {
	return time.Duration(binary.BigEndian.Uint64(p.Payload))
}

func (s *stream) nominal() uint32 {
	if s.audio {
		return 48_000
	}
	return 90_000
}

// rtp gives the timestamp of a capture instant.
func (s *stream) rtp(at time.Duration) uint32 {
	rate := float64(cmp.Or(s.rate, s.nominal()))
	run := at
	if s.stands && at >= s.muted.from {
		run = max(s.muted.from, at-(s.muted.to-s.muted.from))
	}
	n := s.first + uint32(int64(math.Round(run.Seconds()*rate*(1+s.ppm*1e-6))))
	if s.jumpAt > 0 && at >= s.jumpAt {
		n += s.jump
	}
	return n
}

// send makes all that a stream sends, with its arrivals.
func (s *stream) send(track int, sc scenario, rng *rand.Rand) []event {
	var out []event
	interval, perFrame := 20*time.Millisecond, 1
	if !s.audio {
		interval, perFrame = time.Second/time.Duration(cmp.Or(s.fps, 30)), cmp.Or(s.packets, 3)
	}
	seq := uint16(rng.Uint32())
	for i := 0; ; i++ {
		capture := s.start + time.Duration(i)*interval
		if capture >= sc.length {
			break
		}
		if s.muted.has(capture) {
			continue
		}
		ssrc := uint32(track + 1)
		if s.newSSRC && capture >= s.jumpAt {
			if ssrc += 100; capture-interval < s.jumpAt {
				seq += 20_000
			}
		}
		for j := range perFrame {
			p := &media.Packet{
				SSRC: ssrc, SequenceNumber: seq, Timestamp: s.rtp(capture),
				Payload: binary.BigEndian.AppendUint64(nil, uint64(capture)),
			}
			seq++
			sent := capture + s.skew + s.late + time.Duration(j)*2*time.Millisecond
			if s.pace.has(capture) {
				sent += s.paced
			}
			if rng.Float64() < sc.net.loss {
				continue
			}
			out = append(out, event{arrival: sc.net.deliver(sent, rng), track: track, packet: p})
		}
	}
	n := 0
	for at := max(s.start, s.reportsFrom); s.reports > 0 && at < sc.length; at += s.reports {
		if s.reportsUntil > 0 && at > s.reportsUntil {
			break
		}
		lie := time.Duration(0)
		if s.lie != nil {
			lie = s.lie(n, at)
		}
		if sc.net.stepAt > 0 && at >= sc.net.stepAt {
			lie += sc.net.ntpStep
		}
		n++
		sent := at + time.Duration(track)*300*time.Microsecond
		r := &media.Report{SSRC: uint32(track + 1), NTP: ntp(sent + lie), RTP: s.rtp(sent)}
		out = append(out, event{arrival: sc.net.deliver(sent, rng), track: track, report: r})
	}
	return out
}

// ntp gives a 32.32 timestamp for a true instant.
func ntp(at time.Duration) uint64 {
	const start = 3_900_000_000
	whole := at / time.Second
	frac := at % time.Second
	if frac < 0 {
		whole, frac = whole-1, frac+time.Second
	}
	return uint64(start+int64(whole))<<32 + uint64(frac)<<32/uint64(time.Second)
}

func (n network) deliver(sent time.Duration, rng *rand.Rand) time.Duration {
	arrival := sent + basePath
	if n.jitter > 0 {
		arrival += time.Duration(rng.Int64N(int64(n.jitter)))
	}
	if n.queue.has(sent) {
		arrival += n.queued
	}
	if sent < n.backlog {
		return n.backlog + basePath + sent/1000 // in the order of sending
	}
	for _, s := range n.stalls {
		if n.drain == 0 && s.has(sent) {
			return s.to + basePath + (sent-s.from)/1000
		}
		// A queue that drains so many times faster than it filled.
		if n.drain > 0 && sent >= s.from {
			arrival = max(arrival, s.to+basePath+time.Duration(float64(sent-s.from)/n.drain))
		}
	}
	return arrival
}

// run plays a scenario through jitter buffers and a timeline.
func run(t *testing.T, sc scenario) result {
	t.Helper()
	rng := rand.New(rand.NewPCG(sc.seed, 7))
	tl := timeline.New(sc.log)
	res := result{tl: tl}
	var events []event
	var buffers []*jitter.Buffer
	var outs []*[]placed
	for _, s := range []*stream{sc.audio, sc.video} {
		if s == nil {
			continue
		}
		track := tl.AddTrack(s.nominal(), s.audio)
		events = append(events, s.send(track, sc, rng)...)
		buffers = append(buffers, jitter.New(jitter.Config{}))
		if s.audio {
			outs = append(outs, &res.audio)
		} else {
			outs = append(outs, &res.video)
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.arrival, b.arrival) })
	last := make([]time.Duration, len(buffers))
	seen := make([]uint32, len(buffers))
	any := make([]bool, len(buffers))
	drain := func(now time.Duration) {
		for track, b := range buffers {
			for {
				it, ok := b.Pop(origin.Add(now))
				if !ok {
					break
				}
				if it.Restart {
					tl.Restart(track)
				}
				p := it.Packet
				if any[track] && p.Timestamp == seen[track] {
					continue // another packet of the same frame
				}
				any[track], seen[track] = true, p.Timestamp
				at, ok := tl.Place(track, p.Timestamp)
				if !ok {
					res.dropped++
					continue
				}
				if at < last[track] || at < 0 {
					t.Fatalf("track %d went back from %v to %v", track, last[track], at)
				}
				last[track] = at
				*outs[track] = append(*outs[track], placed{captured(p), at})
			}
		}
		if sc.perTick != nil {
			sc.perTick(now, tl)
		}
	}
	for _, e := range events {
		arrival := origin.Add(e.arrival)
		drain(e.arrival - time.Nanosecond)
		if e.report != nil {
			e.report.Arrival = arrival
			tl.Report(e.track, *e.report)
			continue
		}
		e.packet.Arrival = arrival
		tl.Arrive(e.track, e.packet.Timestamp, arrival)
		buffers[e.track].Push(e.packet)
		drain(e.arrival)
	}
	for _, b := range buffers {
		b.Flush()
	}
	drain(sc.length + time.Second)
	return res
}

// offsets compares picture and sound: for each picture, how much later than
// the sound of the same instant it is in the file.
func (r result) offsets(within span) []time.Duration {
	var out []time.Duration
	i := 0
	for _, v := range r.video {
		if !within.has(v.capture) {
			continue
		}
		for i+1 < len(r.audio) && r.audio[i+1].capture <= v.capture {
			i++
		}
		if len(r.audio) == 0 || (v.capture-r.audio[i].capture).Abs() > 40*time.Millisecond {
			continue // no sound there
		}
		out = append(out, v.at-r.audio[i].at-(v.capture-r.audio[i].capture))
	}
	return out
}

// percentile95 of the absolute values.
func percentile95(v []time.Duration) time.Duration {
	if len(v) == 0 {
		return math.MaxInt64
	}
	abs := make([]time.Duration, len(v))
	for i, d := range v {
		abs[i] = d.Abs()
	}
	slices.Sort(abs)
	return abs[len(abs)*95/100]
}

func largest(v []time.Duration) time.Duration {
	var m time.Duration
	for _, d := range v {
		m = max(m, d.Abs())
	}
	return m
}

func audioStream() *stream {
	return &stream{audio: true, first: 1_000_000, reports: 5 * time.Second}
}

func videoStream() *stream {
	return &stream{first: 77_000_000, reports: time.Second}
}
