package e2e_test

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// shown is what is seen of one session: a row, its recordings, and what was said.
type shown struct {
	ID         string
	Name       string
	Channel    string
	Live       bool
	Recordings int

	recordings []node.Recording
	said       []string // the types of its activities
}

// kinds lists what kinds of recordings there are in a state.
func (s shown) kinds(state string) []string {
	kinds := []string{}
	for _, r := range s.recordings {
		if r.State == state {
			kinds = append(kinds, r.Kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// look gives every session of a node.
func look(ctx context.Context, n *node.Node) ([]shown, error) {
	var all struct{ Items []shown }
	err := n.JSON(ctx, "GET", "/api/v1/sessions?"+url.Values{"limit": {"500"}}.Encode(), nil, &all)
	for i := range all.Items {
		s := &all.Items[i]
		var said struct{ Items []struct{ Type string } }
		recordings, err2 := n.Recordings(ctx, s.ID)
		err = errors.Join(err, err2, n.JSON(ctx, "GET", "/api/v1/sessions/"+s.ID+"/activities", nil, &said))
		s.recordings = recordings
		for _, a := range said.Items {
			s.said = append(s.said, a.Type)
		}
	}
	return all.Items, err
}

// count says how many sessions are as wanted.
func count(all []shown, channel string, live bool, wanted func(shown) bool) int {
	n := 0
	for _, s := range all {
		if s.Channel == channel && s.Live == live && wanted(s) {
			n++
		}
	}
	return n
}

func liveVideo(s shown) bool {
	running, ready := s.kinds("recording"), s.kinds("ready")
	return slices.Equal(running, []string{"av", "screen"}) && slices.Equal(ready, []string{"file"}) &&
		slices.Contains(s.said, "ChatMessage") && slices.Contains(s.said, "SharedFile") && slices.Contains(s.said, "SharedScreen")
}

func liveCall(s shown) bool { return slices.Equal(s.kinds("recording"), []string{"phone"}) }

func over(s shown) bool { return len(s.recordings) > 0 && len(s.kinds("ready")) == len(s.recordings) }

// thereIs says whether there is everything to see: a video session and a call
// that go on, and so many of each that are over.
func thereIs(ended int) func([]shown) bool {
	return func(all []shown) bool {
		return len(all) == 2+2*ended && count(all, "AV", true, liveVideo) == 1 && count(all, "Phone", true, liveCall) == 1 &&
			count(all, "AV", false, over) == ended && count(all, "Phone", false, over) == ended
	}
}

// allSaid says whether the talk that goes on is over for the first time.
func allSaid(all []shown) bool {
	return count(all, "AV", true, func(s shown) bool {
		messages := slices.DeleteFunc(slices.Clone(s.said), func(what string) bool { return what != "ChatMessage" })
		return len(messages) == 4
	}) == 1
}

// awaitSessions waits until the sessions of a node are as wanted.
func awaitSessions(t *testing.T, n *node.Node, wanted func([]shown) bool) []shown {
	t.Helper()
	ctx := within(t, 2*time.Minute)
	for {
		all, err := look(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if wanted(all) {
			return all
		}
		select {
		case <-time.After(500 * time.Millisecond): // well within the limit of requests
		case <-ctx.Done():
			t.Fatalf("there is only %+v", all)
		}
	}
}

// Within seconds of its start the demo has sessions that go on and that are
// over, with recordings that are whole. It ends in order, or is killed, and
// begins anew in the same folder. README.md shows how it looks then.
func TestDemo(t *testing.T) {
	begun := time.Now()
	n := start(t, "--demo")
	all := awaitSessions(t, n, thereIs(1))
	t.Logf("everything was there %.1f s after the start", time.Since(begun).Seconds())
	checkWhole(t, n, all)
	awaitSessions(t, n, allSaid)
	if err := errors.Join(n.Terminate(), n.Wait(within(t, 30*time.Second))); err != nil {
		t.Fatalf("end of the demo: %v", err)
	}
	begun = time.Now()
	if err := n.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	all = awaitSessions(t, n, thereIs(2))
	t.Logf("everything was there again %.1f s after the second start", time.Since(begun).Seconds())
	checkWhole(t, n, all)
	out := t.ArtifactDir()
	runScript(t, []string{"BROWSER=chromium", "OUT_DIR=" + out}, "demo.mjs", anotherLink(t, n, "--demo"))
	checkPicture(t, filepath.Join(out, "chromium-picture.png"))
	if err := errors.Join(n.Kill(), n.Restart(t.Context())); err != nil {
		t.Fatal(err)
	}
	awaitSessions(t, n, thereIs(3))
	checkTokens(t, n)
	if words := demoComplaint.FindString(n.Log()); words != "" {
		t.Errorf("the log says: %s", words)
	}
}

// checkTokens looks for what a demo that was killed has left.
func checkTokens(t *testing.T, n *node.Node) {
	t.Helper()
	var tokens struct{ Items []struct{ Name string } }
	if err := n.JSON(t.Context(), "GET", "/api/v1/tokens", nil, &tokens); err != nil {
		t.Fatal(err)
	}
	if len(tokens.Items) != 2 {
		t.Errorf("tokens: got %+v, want this test's and one of the demo", tokens.Items)
	}
}

// demoComplaint is what the log says when somebody in the demo could not go on.
var demoComplaint = regexp.MustCompile(`(?m)^.*(the demo|level=ERROR).*$`)

// checkWhole decodes what the sessions that are over have recorded.
func checkWhole(t *testing.T, n *node.Node, all []shown) {
	t.Helper()
	for _, s := range all {
		if s.Live {
			continue
		}
		for _, r := range s.recordings {
			if r.Kind == "file" {
				continue
			}
			checkRecording(t, n, r)
		}
	}
}

func checkRecording(t *testing.T, n *node.Node, r node.Recording) {
	t.Helper()
	if want := map[string]int{"av": 4, "screen": 1, "phone": 2}[r.Kind]; len(r.Tracks) != want {
		t.Errorf("the %s recording has %d tracks, want %d", r.Kind, len(r.Tracks), want)
	}
	for _, track := range r.Tracks {
		if len(track.Gaps) > 0 {
			t.Logf("gaps of %s, %s: %+v", track.ParticipantID, track.Media, track.Gaps)
		}
	}
	for _, f := range r.Files {
		path := download(t, n, f)
		d, err := testmedia.Duration(t.Context(), path)
		if err != nil || (d-milliseconds(f.DurationMs)).Abs() > 2*time.Millisecond || d < time.Second {
			t.Errorf("the file lasts %s, %v; the catalog says %d ms", d, err, f.DurationMs)
		}
	}
}
