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
	said       []said
}

// said is an activity of a session.
type said struct {
	Type string
	At   time.Time
}

// has says whether there are activities of all these types.
func (s shown) has(types ...string) bool {
	for _, t := range types {
		if !slices.ContainsFunc(s.said, func(a said) bool { return a.Type == t }) {
			return false
		}
	}
	return true
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
		var activities struct{ Items []said }
		recordings, err2 := n.Recordings(ctx, s.ID)
		err = errors.Join(err, err2, n.JSON(ctx, "GET", "/api/v1/sessions/"+s.ID+"/activities", nil, &activities))
		s.recordings, s.said = recordings, activities.Items
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
		s.has("ChatMessage", "SharedFile", "SharedScreen")
}

func liveCall(s shown) bool { return slices.Equal(s.kinds("recording"), []string{"phone"}) }

func endedVideo(s shown) bool {
	return len(s.recordings) == 3 && slices.Equal(s.kinds("ready"), []string{"av", "file", "screen"}) &&
		s.has("ChatMessage", "SharedFile", "SharedScreen")
}

func endedCall(s shown) bool {
	return len(s.recordings) == 1 && slices.Equal(s.kinds("ready"), []string{"phone"})
}

// thereIs says whether there is everything to see: a video session and a call
// that go on, and so many of each that are over.
func thereIs(ended int) func([]shown) bool {
	return func(all []shown) bool {
		return len(all) == 2+2*ended && count(all, "AV", true, liveVideo) == 1 && count(all, "Phone", true, liveCall) == 1 &&
			count(all, "AV", false, endedVideo) == ended && count(all, "Phone", false, endedCall) == ended
	}
}

// allSaid says whether the talk that goes on is over for the first time.
func allSaid(all []shown) bool {
	return count(all, "AV", true, func(s shown) bool {
		messages := slices.DeleteFunc(slices.Clone(s.said), func(a said) bool { return a.Type != "ChatMessage" })
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

// checkSoon wants everything to have been there soon after a start, as the
// program has it: when it was seen here depends on when it was looked for. Of
// a chat, which goes on, the first line counts.
func checkSoon(t *testing.T, begun time.Time, all []shown) {
	t.Helper()
	const promised = 20 * time.Second // README.md
	var last said
	for _, s := range all {
		chat := false
		for _, a := range s.said {
			if again := chat && a.Type == "ChatMessage"; !again && a.At.After(last.At) {
				last = a
			}
			chat = chat || a.Type == "ChatMessage"
		}
	}
	took := last.At.Sub(begun)
	t.Logf("everything was there %.1f s after the start, the %s last", took.Seconds(), last.Type)
	if took <= 0 || took > promised {
		t.Errorf("everything was there %s after the start, the %s last; want at most %s", took, last.Type, promised)
	}
}

// Within seconds of its start the demo has sessions that go on and that are
// over, with recordings that are whole. README.md shows how it looks then. It
// ends in order, or is killed, and begins anew in the same folder.
func TestDemo(t *testing.T) {
	begun := time.Now()
	n := start(t, "--demo")
	all := awaitSessions(t, n, thereIs(1))
	checkSoon(t, begun, all)
	checkWhole(t, n, all)
	out := t.ArtifactDir()
	runScript(t, []string{"BROWSER=chromium", "OUT_DIR=" + out}, "demo.mjs", anotherLink(t, n, "--demo"))
	checkPicture(t, filepath.Join(out, "chromium-picture.png"))
	awaitSessions(t, n, allSaid)
	if err := errors.Join(n.Terminate(), n.Wait(within(t, 30*time.Second))); err != nil {
		t.Fatalf("end of the demo: %v", err)
	}
	begun = time.Now()
	if err := n.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	all = awaitSessions(t, n, thereIs(2))
	checkSoon(t, begun, all)
	checkWhole(t, n, all)
	awaitSessions(t, n, allSaid) // so that there is something of the screen to keep
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
			t.Errorf("gaps of %s, %s: %+v, want none over loopback", track.ParticipantID, track.Media, track.Gaps)
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
