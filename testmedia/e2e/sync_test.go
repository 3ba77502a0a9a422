package e2e_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

const (
	syncLimit = 40 * time.Millisecond // p95 of the offset between a beep and its flash
	minPairs  = 50
)

type wireCase struct {
	name    string
	send    testmedia.SendSpec
	network testmedia.Impairment // simulated, with its retransmissions, before packets leave
	loss    float64              // real, of all packets, and mended by real NACKs
}

// wireCases have as many seconds as it takes for minPairs.
var wireCases = []wireCase{
	{name: "no loss", send: testmedia.SendSpec{Length: 56 * time.Second}},
	{name: "5 percent loss", send: testmedia.SendSpec{Length: 56 * time.Second}, loss: 0.05},
	{
		name: "burst loss, jitter, video 2 s late",
		send: testmedia.SendSpec{Length: 58 * time.Second, VideoStart: 2 * time.Second},
		network: testmedia.Impairment{
			Seed: 1, RoundTrip: 80 * time.Millisecond, Jitter: 50 * time.Millisecond,
			Burst: 100 * time.Millisecond, BurstEach: 2 * time.Second,
		},
	},
}

// played is the case whose recording browsers play: of the hardest network.
const played = 1

// A beep and its flash that were sent together are together in the file that
// was recorded, and where browsers play it.
func TestSync(t *testing.T) {
	t.Parallel()
	n := start(t)
	sessions := make([]string, len(wireCases))
	var group sync.WaitGroup
	for i, c := range wireCases {
		session, send := preparePublisher(t, n, c)
		sessions[i] = session
		group.Go(send)
	}
	group.Wait()
	for i, c := range wireCases {
		t.Run(c.name, func(t *testing.T) {
			rec := finished(t, n, sessions[i], 20*time.Second)
			checkWire(t, c, rec, download(t, n, rec.Files[0]))
		})
	}
	rec := finished(t, n, sessions[played], time.Second)
	t.Run("played", func(t *testing.T) { checkPlayed(t, n, rec.Files[0]) })
}

// preparePublisher connects a publisher, and gives its session and what sends
// everything and ends the session.
func preparePublisher(t *testing.T, n *node.Node, c wireCase) (session string, send func()) {
	t.Helper()
	clip := newClip(t)
	all, err := testmedia.Send(clip, c.send)
	if err != nil {
		t.Fatal(err)
	}
	all = c.network.Apply(all)
	session = newSession(t, n)
	peer := publish(t, testmedia.Target{URL: n.WHIP(session, "guest"), Token: node.Token, Loss: c.loss}, clip)
	return session, func() {
		packets, late, failed := peer.Send(t.Context(), all)
		t.Logf("%s: %d packets, at most %v late", c.name, packets, late)
		if err := errors.Join(failed, peer.Close(t.Context()), n.EndSession(t.Context(), session)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func checkWire(t *testing.T, c wireCase, rec node.Recording, path string) {
	t.Helper()
	events, err := testmedia.Measure(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	offsets, alone := events.Pairs()
	p95 := testmedia.Percentile(offsets, 95)
	t.Logf("pairs %d, alone %d, p50 %v, p95 %v, max %v", len(offsets), len(alone),
		testmedia.Percentile(offsets, 50), p95, testmedia.Percentile(offsets, 100))
	if len(offsets) < minPairs {
		t.Errorf("pairs: got %d, want at least %d", len(offsets), minPairs)
	}
	if p95 > syncLimit {
		t.Errorf("A/V offset p95: got %v, want at most %v", p95, syncLimit)
	}
	if got, want := len(events.Beeps), int(c.send.Length/testmedia.EventEvery); got != want {
		t.Errorf("beeps: got %d, sent %d", got, want)
	}
	for _, b := range alone {
		if !inGap(rec, b) {
			t.Errorf("beep at %v has no flash, and no gap says so", b)
		}
	}
	duration, err := testmedia.Duration(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	// The goodbye, which takes another way, may overtake the last frames.
	if d := (duration - c.send.Length).Abs(); d > 3*frame {
		t.Errorf("duration: got %v, sent %v", duration, c.send.Length)
	}
}

// inGap says whether the picture of an instant is known to be missing.
func inGap(rec node.Recording, at time.Duration) bool {
	for _, track := range rec.Tracks {
		if track.Media == "audio" {
			continue
		}
		if at < milliseconds(track.OffsetMs) || at > milliseconds(track.OffsetMs+track.DurationMs) {
			return true
		}
		for _, g := range track.Gaps {
			if at >= milliseconds(g.StartMs)-2*frame && at <= milliseconds(g.EndMs) {
				return true
			}
		}
	}
	return false
}

// checkPlayed seeks and listens in browsers. It goes through a server that
// adds a page of the media's origin, for only such a page may look at pixels.
func checkPlayed(t *testing.T, n *node.Node, f node.File) {
	t.Helper()
	reference := encodeReference(t)
	front := serve(t, n, map[string]string{"/reference.webm": reference})
	for _, browser := range []string{"chromium", "firefox"} {
		t.Run("sought in "+browser, func(t *testing.T) {
			checkSeeks(t, browser, front, front+f.PlaybackURL, download(t, n, f))
		})
	}
	t.Run("heard in chromium", func(t *testing.T) {
		checkOffsets(t, front+f.PlaybackURL, front+"/reference.webm")
	})
}

// checkSeeks seeks to a flash, and to just before and after it, near 25, 50
// and 75 % of the file: the picture must be white or black as the file has it
// there, and of the moment that was sought.
func checkSeeks(t *testing.T, browser, page, media, path string) {
	t.Helper()
	events, err := testmedia.Measure(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	type shown struct{ At, CurrentTime, MediaTime, Level float64 }
	var sought []float64
	var white []bool
	for _, part := range []int{2, 1, 3} {
		f := events.Flashes[len(events.Flashes)*part/4]
		sought = append(sought, (f + frame/2).Seconds(), (f - 3*frame/2).Seconds(), (f + 9*frame/2).Seconds())
		white = append(white, true, false, false)
	}
	var got []shown
	runNode(t, &got, []string{"BROWSER=" + browser}, "seek.mjs", page, media, jsonOf(t, sought))
	if len(got) != len(sought) {
		t.Fatalf("seeks: got %d, want %d", len(got), len(sought))
	}
	for i, s := range got {
		if (s.Level > 140) != white[i] {
			t.Errorf("picture at %.3f s has brightness %.0f; is a flash there: %t", sought[i], s.Level, white[i])
		}
		if d := sought[i] - s.MediaTime; d < -0.005 || d > frame.Seconds()+0.005 {
			t.Errorf("picture at %.3f s is the one of %.3f s", sought[i], s.MediaTime)
		}
	}
}

// checkOffsets plays the file from its start and from its middle. What is heard
// and seen may be 40 ms farther apart than where a file that ffmpeg made is
// played in the same way: the browser's own way from its player to where it can
// be measured differs with the machine's load.
func checkOffsets(t *testing.T, media, reference string) {
	t.Helper()
	type part struct {
		Offsets []float64 // ms
		Pairs   int
		P95     float64 // ms
	}
	var got struct{ Reference, Before, After part }
	const seekTo, seconds = "28.2", "26"
	runNode(t, &got, nil, "sync.mjs", media, seekTo, seconds, reference)
	t.Logf("p95: reference %.1f ms, before a seek %.1f ms, after it %.1f ms", got.Reference.P95, got.Before.P95, got.After.P95)
	if pairs := got.Before.Pairs + got.After.Pairs; pairs < minPairs {
		t.Errorf("pairs: got %d, want at least %d", pairs, minPairs)
	}
	limit := float64(syncLimit.Milliseconds()) + got.Reference.P95
	if got.Before.P95 > limit || got.After.P95 > limit {
		t.Errorf("A/V offsets of more than %.1f ms: before a seek %.0f, after it %.0f", limit, got.Before.Offsets, got.After.Offsets)
	}
}
