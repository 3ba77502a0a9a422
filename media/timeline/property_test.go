package timeline_test

import (
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/timeline"
)

// Whatever the sender's clocks and the network do, in any combination: times
// never fall (run checks it), no frame of a sane stream is lost, and once
// reports have come, and had the time, picture and sound are together.
func TestAnyPath(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ms := func(label string, least, most int) time.Duration {
			return time.Duration(rapid.IntRange(least, most).Draw(rt, label)) * mil
		}
		sc := scenario{seed: rapid.Uint64().Draw(rt, "seed"), length: 90 * sec, audio: audioStream(), video: videoStream()}
		sc.audio.first, sc.video.first = rapid.Uint32().Draw(rt, "audio RTP"), rapid.Uint32().Draw(rt, "video RTP")
		sc.audio.ppm = float64(rapid.IntRange(-200, 200).Draw(rt, "audio ppm"))
		sc.video.ppm = float64(rapid.IntRange(-200, 200).Draw(rt, "video ppm"))
		sc.video.start, sc.audio.start = ms("video start", 0, 3000), ms("audio start", 0, 3000)
		sc.video.skew = ms("skew", 0, 150)
		sc.video.fps, sc.video.packets = rapid.IntRange(5, 30).Draw(rt, "fps"), 1
		sc.audio.reportsFrom, sc.video.reportsFrom = ms("first report", 0, 10_000), ms("first video report", 0, 10_000)
		sc.net.jitter = ms("jitter", 0, 50)
		sc.net.loss = float64(rapid.IntRange(0, 5).Draw(rt, "loss")) / 100
		sc.net.backlog = ms("backlog", 0, 2000)
		stall := ms("stall", 10_000, 20_000)
		sc.net.stalls = []span{{stall, stall + ms("stall length", 0, 5000)}}
		// Not between the first two reports: the first pair has to be believed.
		sc.net.stepAt, sc.net.ntpStep = ms("step at", 20_000, 80_000), ms("step", -10_000, 10_000)
		res := run(t, sc)
		if got := percentile95(res.offsets(span{60 * sec, 90 * sec})); got > 40*mil {
			rt.Fatalf("p95 %v, stats %+v, sync error %v", got, res.tl.Stats(), res.tl.SyncError())
		}
		if res.tl.Stats().Resets != 0 {
			rt.Fatalf("re-anchored: %+v", res.tl.Corrections())
		}
	})
}

// hostile drives a timeline with arbitrary numbers, and checks what holds for
// all of them: times never fall, and never run further ahead of arrival than a
// backlog may.
func hostile(tb testing.TB, data []byte) {
	tb.Helper()
	tl := timeline.New(timeline.Config{})
	last := make([]time.Duration, 0, 8)
	heard := make([][]uint32, 0, 8)
	add := func(audio bool, rate uint32) {
		if len(last) < cap(last) {
			tl.AddTrack(rate, audio)
			last, heard = append(last, 0), append(heard, nil)
		}
	}
	add(true, 48_000)
	add(false, 90_000)
	var now, first time.Duration
	any := false
	for ; len(data) >= 10; data = data[10:] {
		now += time.Duration(data[1]) * mil << (data[2] % 12)
		track := int(data[3]) % len(last)
		rtp := binary.BigEndian.Uint32(data[4:])
		if data[2] >= 128 && len(heard[track]) > 0 { // near the last one
			rtp = heard[track][len(heard[track])-1] + rtp>>(data[2]%32)
		}
		switch data[0] % 8 {
		case 0, 1, 2:
			tl.Arrive(track, rtp, origin.Add(now))
			heard[track] = append(heard[track], rtp)
			if !any {
				any, first = true, now
			}
		case 3, 4:
			if len(heard[track]) > 0 {
				rtp, heard[track] = heard[track][0], heard[track][1:]
			}
			at, ok := tl.Place(track, rtp)
			if at < 0 || ok && at < last[track] {
				tb.Fatalf("track %d at %v after %v", track, at, last[track])
			}
			if most := now - first + 25*time.Second + now/500; at > most {
				tb.Fatalf("track %d at %v, %v after the first arrival", track, at, now-first)
			}
			if ok {
				last[track] = at
			}
		case 5:
			r := media.Report{NTP: uint64(data[8])<<32 | uint64(data[9])<<24, RTP: rtp, Arrival: origin.Add(now)}
			tl.Report(track, r)
		case 6:
			tl.Restart(track)
		case 7:
			add(data[8]%2 == 0, rtp>>12)
		}
		if tl.SyncError() < 0 || len(tl.Reports()) > 1024 || len(tl.Corrections()) > 256 {
			tb.Fatal("out of bounds")
		}
		tl.Start()
		tl.Now(origin.Add(now))
	}
}

func FuzzHostile(f *testing.F) {
	steady := func(op, step byte) []byte {
		var d []byte
		for i := range 60 {
			for _, o := range []byte{op, 3} {
				d = append(d, o, 10, 0, byte(i%2), 0, byte(i*int(step)>>8), byte(i*int(step)), 0, byte(i), 0)
			}
			if i%10 == 9 {
				d = append(d, 5, 0, 0, byte(i/10%2), 0, byte(i*int(step)>>8), byte(i*int(step)), 0, 1, byte(i))
			}
		}
		return d
	}
	f.Add(steady(0, 4))
	f.Add(steady(1, 200))
	f.Add(append(steady(0, 4), steady(2, 40)...))
	f.Add(append(append(steady(0, 4), 7, 0, 0, 0, 4, 0, 0, 0, 0, 0), steady(0, 9)...))
	f.Add([]byte("\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x7f\xff\xff\xff\x00\x00\x03\x00\x00\x00\x7f\xff\xff\xff\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) { hostile(t, data) })
}

// BenchmarkArrivePlace is a packet of sound or picture each, with a report
// every hundred packets.
func BenchmarkArrivePlace(b *testing.B) {
	tl := timeline.New(timeline.Config{})
	tl.AddTrack(48_000, true)
	tl.AddTrack(90_000, false)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		track := n % 2
		at := time.Duration(n) * 10 * mil
		rtp := uint32(at.Seconds() * 48_000)
		if track == 1 {
			rtp = uint32(at.Seconds() * 90_000)
		}
		tl.Arrive(track, rtp, origin.Add(at))
		tl.Place(track, rtp)
		if n%100 < 2 {
			tl.Report(track, media.Report{NTP: ntp(at), RTP: rtp, Arrival: origin.Add(at)})
		}
		n++
	}
}
