package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

const (
	longGap    = time.Second             // a shorter one is the network's or the browser's own
	breakReach = 1500 * time.Millisecond // between a break and the gap that tells of it
	minShared  = 9 * time.Second         // of the 10 s and more that the screen is shared
	recovery   = 3 * time.Second         // a browser that heard nothing for long sends little at first
)

// checkRecordings wants one recording of each kind, whole and in its place, and
// gives that of the cameras.
func (w whole) checkRecordings(t *testing.T, all []node.Recording) (av node.Recording) {
	t.Helper()
	kinds := map[string]node.Recording{}
	for _, rec := range all {
		if rec.State != "ready" || kinds[rec.Kind].ID != "" {
			t.Errorf("recording %s is the first of kind %s: %t; its state is %s, want ready", rec.ID, rec.Kind, kinds[rec.Kind].ID == "", rec.State)
		}
		kinds[rec.Kind] = rec
	}
	av = kinds["av"]
	screen, file := kinds["screen"], kinds["file"]
	if len(all) != 3 || len(av.Files) != 3 || len(screen.Files) != 1 || len(file.Files) != 1 {
		t.Fatalf("recordings: got %+v, want av with a file of the guest and two of the operator, a screen and a file", all)
	}
	for _, rec := range []node.Recording{av, screen} {
		for _, f := range rec.Files {
			if err := testmedia.DecodeVariable(t.Context(), w.path(t, rec, f.ID)); err != nil {
				t.Errorf("decode: %v", err)
			}
			checkLength(t, w.path(t, rec, f.ID), f)
		}
	}
	w.checkShared(t, file)
	w.checkGaps(t, screen, "guest", nil)
	w.checkGaps(t, av, "guest", &span{w.cut.from, time.UnixMilli(w.facts.Connected)})
	w.checkGaps(t, av, "operator", nil)
	w.checkReload(t, av)
	w.checkScreen(t, screen)
	return av
}

// checkScreen wants the picture of a screen, and its sound without a pause, for as
// long as it was shared.
func (w whole) checkScreen(t *testing.T, rec node.Recording) {
	t.Helper()
	path := w.path(t, rec, rec.Files[0].ID)
	checkCodecs(t, path, rec.Files[0], rec.Tracks)
	for _, track := range rec.Tracks {
		if d := milliseconds(track.DurationMs); d < minShared {
			t.Errorf("%s of the screen: got %v, want at least %v", track.Media, d, minShared)
		}
	}
	// All but the tone is kept out: beeps of a microphone have long pauses.
	filter := fmt.Sprintf("bandpass=f=%d:width_type=h:w=100,silencedetect=noise=-30dB:d=0.5", screenTone)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-hide_banner", "-i", path, "-map", "0:a:0", "-af", filter, "-f", "null", "-").CombinedOutput()
	if err != nil || strings.Contains(string(out), "silence_start") {
		t.Errorf("sound of the screen, want a tone of %d Hz without a pause: %v: %s", screenTone, err, out)
	}
}

// checkShared compares the shared file with what was sent.
func (w whole) checkShared(t *testing.T, rec node.Recording) {
	t.Helper()
	data, err := os.ReadFile(w.path(t, rec, rec.Files[0].ID))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	got, f := hex.EncodeToString(sum[:]), rec.Files[0]
	if want := w.facts.Shared.SHA256; got != want || f.SHA256 != want || f.Bytes != wholeFile || len(data) != wholeFile {
		t.Errorf("shared file: got %d bytes with %s, the catalog says %d and %s, sent were %d and %s", len(data), got, f.Bytes, f.SHA256, wholeFile, want)
	}
}

// checkGaps wants a long gap in each of somebody's tracks where a break was, and
// no other.
func (w whole) checkGaps(t *testing.T, rec node.Recording, who string, broken *span) {
	t.Helper()
	for _, track := range rec.Tracks {
		if track.ParticipantID != who {
			continue
		}
		var long []node.Gap
		for _, g := range track.Gaps {
			if milliseconds(g.EndMs-g.StartMs) > longGap {
				long = append(long, g)
			}
		}
		if broken == nil {
			if len(long) > 0 {
				t.Errorf("%s of the %s: gaps %+v, want none that is long", track.Media, who, long)
			}
			continue
		}
		if len(long) != 1 || long[0].Cause != "loss" ||
			after(rec, long[0].StartMs, broken.from).Abs() > breakReach ||
			after(rec, long[0].EndMs, broken.to) < -breakReach || after(rec, long[0].EndMs, broken.to) > recovery {
			t.Errorf("%s of the %s: gaps %+v of a recording that began %v, want one of cause loss from %v to %v",
				track.Media, who, long, rec.StartedAt, broken.from, broken.to)
		}
	}
}

// after says how long after something happened a place in a recording is.
func after(rec node.Recording, ms int64, at time.Time) time.Duration {
	return rec.StartedAt.Add(milliseconds(ms)).Sub(at)
}

// checkReload wants sound and picture of both from when they saw each other to
// the end, and of the operator all but the time of the reload.
func (w whole) checkReload(t *testing.T, rec node.Recording) {
	t.Helper()
	together, over := time.UnixMilli(w.facts.Together), time.UnixMilli(w.facts.Over)
	reload := span{time.UnixMilli(w.facts.Reload[0]), time.UnixMilli(w.facts.Reload[1])}
	want := map[string][]span{"guest": {{together, over}}, "operator": {{together, reload.from}, {reload.to, over}}}
	for who, spans := range want {
		for _, media := range []string{"audio", "video"} {
			var got []span
			for _, track := range rec.Tracks {
				if track.ParticipantID == who && track.Media == media {
					from := rec.StartedAt.Add(milliseconds(track.OffsetMs))
					got = append(got, span{from, from.Add(milliseconds(track.DurationMs))})
				}
			}
			slices.SortFunc(got, func(a, b span) int { return a.from.Compare(b.from) })
			if !slices.EqualFunc(got, spans, covers) {
				t.Errorf("%s of the %s: got %v, want at least %v", media, who, got, spans)
			}
		}
	}
}

// covers says whether a track covers what it should, but for the little that is
// on its way when a connection ends, or begins.
func covers(got, want span) bool {
	return got.from.Before(want.from.Add(breakReach)) && got.to.After(want.to.Add(-breakReach))
}

// checkActivities wants what people did in its order, each once, whatever broke
// meanwhile.
func (w whole) checkActivities(t *testing.T, session string) {
	t.Helper()
	var list struct {
		Items []struct{ Type, Participant, Text string }
	}
	if err := w.node.JSON(t.Context(), http.MethodGet, "/api/v1/sessions/"+session+"/activities?limit=500", nil, &list); err != nil {
		t.Fatal(err)
	}
	var got, left []string
	for _, a := range list.Items {
		switch {
		case strings.HasPrefix(a.Type, "publisher.") || strings.HasPrefix(a.Type, "recording."):
		case a.Type == "Left":
			left = append(left, a.Participant)
		default:
			got = append(got, strings.TrimSpace(a.Type+" "+a.Participant+" "+a.Text))
		}
	}
	want := []string{
		"Joined guest", "Joined operator",
		"ChatMessage guest Good morning, it is about the roof.", "ChatMessage operator Show me, please.",
		"SharedScreen guest", "SharedFile guest",
		"ChatMessage operator I have it.", "ChatMessage guest Thank you.",
		"SessionEnded",
	}
	if !slices.Equal(got, want) {
		t.Errorf("activities: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	slices.Sort(left)
	if !slices.Equal(left, []string{"guest", "operator"}) {
		t.Errorf("who left: got %v, want each once", left)
	}
}
