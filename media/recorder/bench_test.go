package recorder_test

import (
	"log/slog"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/recorder"
	"github.com/reelvault/reelvault/media/spool"
	"github.com/reelvault/reelvault/testmedia"
)

// benchCalls is how many calls a node of two cores should take.
const benchCalls = 200

// BenchmarkCalls runs calls in real time: one operation is a second of them.
// It tells the processor time that a stream takes a second, and the memory of
// a call; and the same of making the packets alone.
func BenchmarkCalls(b *testing.B) {
	b.Run("packets", func(b *testing.B) {
		runCalls(b, make([]media.Track, 2*benchCalls), heap())
	})
	b.Run("recorded", func(b *testing.B) {
		dir, err := spool.Open(b.TempDir(), spool.Config{Reserve: 1})
		if err != nil {
			b.Fatal(err)
		}
		r := recorder.New(recorder.Config{Ledger: newLedger(), Spool: dir, Log: slog.New(slog.DiscardHandler)})
		before := heap()
		var tracks []media.Track
		var captures []media.Capture
		for i := range benchCalls {
			who := phone
			who.SessionID = time.Duration(i).String()
			c, err := r.Open(b.Context(), who)
			if err != nil {
				b.Fatal(err)
			}
			captures = append(captures, c)
			for _, side := range []testmedia.Stream{caller, callee} {
				t, err := c.AddTrack(voiceFormat(side, reelvault.PCMU), nil)
				if err != nil {
					b.Fatal(err)
				}
				tracks = append(tracks, t)
			}
		}
		runCalls(b, tracks, before)
		b.ReportMetric(float64(r.Stats().Overloads), "overloads")
		for _, c := range captures {
			c.Close(nil)
		}
		if err := r.Drain(b.Context()); err != nil {
			b.Fatal(err)
		}
		r.Close()
	})
}

// runCalls sends each track, nil for nobody, a packet every 20 ms.
func runCalls(b *testing.B, tracks []media.Track, before uint64) {
	b.Helper()
	tick := time.NewTicker(voiceFrame)
	defer tick.Stop()
	b.ReportAllocs()
	n, start := 0, processor(b)
	for b.Loop() {
		for range time.Second / voiceFrame {
			now := <-tick.C
			for i, t := range tracks {
				p := &media.Packet{SSRC: uint32(i), SequenceNumber: uint16(n), Timestamp: uint32(n * 160), Payload: make([]byte, 160), Arrival: now}
				if t != nil {
					t.WritePacket(p)
				}
			}
			n++
		}
	}
	seconds := float64(n) / 50 * float64(len(tracks))
	b.ReportMetric(float64((processor(b)-start).Microseconds())/1000/seconds, "cpu-ms/stream-s")
	b.ReportMetric((float64(heap())-float64(before))/float64(len(tracks))*2/1024, "KiB/call")
}

// processor gives the time that this process has had of the processors.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// heap gives what is in use, stacks included.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
