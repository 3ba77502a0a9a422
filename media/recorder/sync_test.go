package recorder_test

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

const (
	syncLimit = 40 * time.Millisecond // p95 of the offset between a beep and its flash
	minPairs  = 50
)

type syncCase struct {
	name     string
	clip     testmedia.ClipSpec
	send     testmedia.SendSpec
	network  testmedia.Impairment
	then     testmedia.ClipSpec // sent after clip, in turn with it
	converge time.Duration      // offsets before that do not count
	slewed   bool               // pictures are moved on the way
	cause    reelvault.GapCause // of gaps that there must be in the sound
}

var (
	camera = testmedia.ClipSpec{
		Video: reelvault.VP8, Width: 160, Height: 120, FPS: 30, KeyEvery: 2 * time.Second, BitRate: 150_000, Duration: 20 * time.Second,
	}
	slowCamera = testmedia.ClipSpec{
		Video: reelvault.VP8, Width: 64, Height: 48, FPS: 10, KeyEvery: 5 * time.Second, BitRate: 20_000, Duration: 20 * time.Second,
	}
	rough = testmedia.Impairment{Seed: 1, RoundTrip: 80 * time.Millisecond, Jitter: 50 * time.Millisecond}
)

func with(m testmedia.Impairment, f func(*testmedia.Impairment)) testmedia.Impairment {
	f(&m)
	return m
}

// syncCases is the matrix: what networks, clocks and senders do to A/V sync.
var syncCases = []syncCase{
	{name: "clean", clip: camera, send: testmedia.SendSpec{Length: 70 * time.Second}},
	{name: "vp9", clip: withCodec(reelvault.VP9), send: testmedia.SendSpec{Length: 70 * time.Second}, network: rough},
	{name: "av1", clip: withCodec(reelvault.AV1), send: testmedia.SendSpec{Length: 70 * time.Second}, network: rough},
	{name: "jitter and reorder", clip: camera, send: testmedia.SendSpec{Length: 70 * time.Second}, network: rough},
	{
		name: "1 percent loss", clip: camera, send: testmedia.SendSpec{Length: 70 * time.Second},
		network: with(rough, func(m *testmedia.Impairment) { m.Loss = 0.01 }),
	},
	{
		name: "5 percent loss, duplicates", clip: camera, send: testmedia.SendSpec{Length: 70 * time.Second},
		network: with(rough, func(m *testmedia.Impairment) { m.Loss, m.Duplicate = 0.05, 0.01 }),
	},
	{
		name: "burst loss", clip: camera, send: testmedia.SendSpec{Length: 90 * time.Second},
		network: with(rough, func(m *testmedia.Impairment) { m.Burst, m.BurstEach = 100*time.Millisecond, 2*time.Second }),
	},
	{
		name: "outages", clip: camera, send: testmedia.SendSpec{Length: 90 * time.Second},
		network: with(rough, func(m *testmedia.Impairment) { m.Burst, m.BurstEach = 2*time.Second, 15*time.Second }),
	},
	{name: "video 3 s late", clip: camera, send: testmedia.SendSpec{Length: 70 * time.Second, VideoStart: 3 * time.Second}, network: rough},
	{
		name: "mute of 60 s", clip: camera, network: rough,
		send: testmedia.SendSpec{Length: 130 * time.Second, MuteFrom: 20 * time.Second, MuteTo: 80 * time.Second},
	},
	{
		name: "dtx", clip: camera, network: rough, cause: reelvault.GapDTX,
		send: testmedia.SendSpec{Length: 70 * time.Second, DTX: true},
	},
	{
		name: "start burst", clip: camera, send: testmedia.SendSpec{Length: 70 * time.Second},
		network: with(rough, func(m *testmedia.Impairment) { m.HeldUntil = 2 * time.Second }),
	},
	{name: "wrap", clip: camera, send: testmedia.SendSpec{Length: 70 * time.Second, WrapSoon: true}, network: rough},
	{
		name: "report wrong by 100 ms", clip: camera, network: rough,
		send: testmedia.SendSpec{Length: 70 * time.Second, BadReport: 20 * time.Second},
	},
	{
		name: "reports withheld for 20 s, hidden skew", clip: camera, network: rough, converge: 50 * time.Second, slewed: true,
		send: testmedia.SendSpec{Length: 120 * time.Second, ReportsFrom: 20 * time.Second, VideoSkew: 100 * time.Millisecond},
	},
	{name: "reports withheld for good", clip: camera, send: testmedia.SendSpec{Length: 70 * time.Second, NoReports: true}, network: rough},
	{
		name: "size change", clip: camera, then: resized(reelvault.VP8), network: rough,
		send: testmedia.SendSpec{Length: 70 * time.Second},
	},
	{
		name: "h264, size change", clip: withCodec(reelvault.H264), then: resized(reelvault.H264), network: rough,
		send: testmedia.SendSpec{Length: 70 * time.Second},
	},
	{name: "h265", clip: withCodec(reelvault.H265), send: testmedia.SendSpec{Length: 70 * time.Second}, network: rough},
	{
		name: "clocks 200 ppm apart over 2 h", clip: slowCamera, network: rough,
		send: testmedia.SendSpec{Length: 2 * time.Hour, AudioPPM: 200, ReportEvery: 5 * time.Second},
	},
}

func withCodec(c reelvault.Codec) testmedia.ClipSpec {
	s := camera
	s.Video = c
	return s
}

func resized(c reelvault.Codec) testmedia.ClipSpec {
	s := withCodec(c)
	s.Width, s.Height = 240, 180
	return s
}

// Whatever the network and the sender's clocks do, a beep and its flash stay
// together, and what is missing lies in a recorded gap.
func TestSync(t *testing.T) {
	for _, c := range syncCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			clip := encode(t, c.clip)
			if c.then.Video != "" {
				clip = testmedia.Join(clip, encode(t, c.then))
			}
			sent, err := testmedia.Send(clip, c.send)
			if err != nil {
				t.Fatal(err)
			}
			rec, path := record(t, clip.Formats(), c.network.Apply(sent))
			checkSync(t, c, rec, path)
		})
	}
}

// clips are encoded once each.
var (
	clipsMu sync.Mutex
	clips   = map[testmedia.ClipSpec]*testmedia.Clip{}
)

func encode(t *testing.T, s testmedia.ClipSpec) *testmedia.Clip {
	t.Helper()
	clipsMu.Lock()
	defer clipsMu.Unlock()
	if clips[s] == nil {
		clip, err := testmedia.Encode(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		clips[s] = clip
	}
	return clips[s]
}

func checkSync(t *testing.T, c syncCase, rec reelvault.Recording, path string) {
	t.Helper()
	if rec.State != reelvault.RecordingReady || len(rec.Files) != 1 {
		t.Fatalf("recording: got %s %q with %d files, want ready with 1", rec.State, rec.Reason, len(rec.Files))
	}
	file := spoolPath(t, path, rec.Files[0].ID)
	decode := testmedia.Decode
	if c.slewed {
		decode = testmedia.DecodeVariable
	}
	if err := decode(t.Context(), file); err != nil {
		t.Errorf("decode: %v", err)
	}
	events, err := testmedia.Measure(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	sound, pictures := lanes(rec)
	wantEvents(t, c, "beep", events.Beeps, sound)
	wantEvents(t, c, "flash", events.Flashes, pictures)
	if c.cause != "" && len(gaps(sound, c.cause)) == 0 {
		t.Errorf("sound: gaps %+v, want some of cause %s", sound.Gaps, c.cause)
	}
	events.Beeps = after(events.Beeps, c.converge)
	offsets, alone := events.Pairs()
	p95 := testmedia.Percentile(offsets, 95)
	t.Logf("pairs %d, alone %d, p50 %v, p95 %v, max %v, syncError %v", len(offsets), len(alone),
		testmedia.Percentile(offsets, 50), p95, testmedia.Percentile(offsets, 100), rec.SyncError)
	if len(offsets) < minPairs {
		t.Errorf("pairs: got %d, want at least %d", len(offsets), minPairs)
	}
	if p95 > syncLimit {
		t.Errorf("A/V offset p95: got %v, want at most %v", p95, syncLimit)
	}
	duration, err := testmedia.Duration(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if want, frame := c.length(), time.Second/time.Duration(c.clip.FPS); !near(duration, want, frame) {
		t.Errorf("duration: got %v, want %v within a frame", duration, want)
	}
	if d := (duration - rec.Files[0].Duration).Abs(); d > 2*time.Millisecond {
		t.Errorf("duration: file says %v, row says %v", duration, rec.Files[0].Duration)
	}
}

func after(all []time.Duration, from time.Duration) []time.Duration {
	for i, d := range all {
		if d >= from {
			return all[i:]
		}
	}
	return nil
}

// length gives how long the media is that was sent, by the clock of its sound.
func (c syncCase) length() time.Duration {
	return time.Duration(float64(c.send.Length) * (1 + c.send.AudioPPM/1e6))
}

// lanes gives the track with sound and the one with pictures.
func lanes(rec reelvault.Recording) (sound, pictures reelvault.Track) {
	for _, track := range rec.Tracks {
		if track.Media == reelvault.Audio {
			sound = track
		} else {
			pictures = track
		}
	}
	return sound, pictures
}

// wantEvents fails unless everything that was sent is found, or missing where
// the track has not begun, has ended or has a gap.
func wantEvents(t *testing.T, c syncCase, what string, found []time.Duration, track reelvault.Track) {
	t.Helper()
	const slack = 200 * time.Millisecond // lets pictures be moved there first
	for at := testmedia.EventEvery / 2; at < c.length()-slack; at += testmedia.EventEvery {
		there := slices.ContainsFunc(found, func(f time.Duration) bool { return near(f, at, slack) })
		if !there && !inGap(track, at) {
			t.Errorf("the %s of %v is missing, and no gap says so", what, at)
		}
	}
}

func inGap(track reelvault.Track, at time.Duration) bool {
	const slack = 100 * time.Millisecond
	if at < track.Offset+slack || at > track.Offset+track.Duration-slack {
		return true
	}
	return slices.ContainsFunc(track.Gaps, func(g reelvault.Gap) bool {
		return g.Cause != reelvault.GapDTX && at >= g.Start-slack && at <= g.End+slack
	})
}

// spoolPath gives a spool file's path, whatever its ending.
func spoolPath(t *testing.T, dir, id string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, id+"*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("spool file %s: got %v, %v", id, found, err)
	}
	return found[0]
}
