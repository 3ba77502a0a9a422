package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// codecCases are the codecs besides VP8, which TestSync plays.
var codecCases = []struct {
	codec    reelvault.Codec
	name     string // as the page calls it
	optional bool   // some builds of browsers have no decoder
}{
	{codec: reelvault.VP9, name: "VP9"},
	{codec: reelvault.AV1, name: "AV1"},
	{codec: reelvault.H264, name: "H.264"},
	{codec: reelvault.H265, name: "H.265", optional: true},
}

// Each codec that is recorded plays and can be sought in browsers. Who has a
// browser without the decoder is told so, and is given the file.
func TestCodecs(t *testing.T) {
	n := start(t)
	recordings := recordCodecs(t, n)
	front := serve(t, n, nil)
	for _, browser := range []string{"chromium", "firefox"} {
		t.Run(browser, func(t *testing.T) {
			var sessions []string
			for _, rec := range recordings {
				sessions = append(sessions, rec.SessionID)
			}
			var got []seen
			runNode(t, &got, []string{"BROWSER=" + browser}, "codecs.mjs", anotherLink(t, n), jsonOf(t, sessions))
			if len(got) != len(codecCases) {
				t.Fatalf("players: got %d, want %d", len(got), len(codecCases))
			}
			for i, c := range codecCases {
				t.Run(string(c.codec), func(t *testing.T) {
					f := recordings[i].Files[0]
					if got[i].Words != "" && c.optional {
						checkRefused(t, got[i], c.name, f)
						return
					}
					if got[i].Words != "" || got[i].Download != "" || got[i].Width != 160 {
						t.Errorf("player: got %+v, want a picture without words", got[i])
					}
					checkSeeks(t, browser, front, front+f.PlaybackURL, download(t, n, f))
				})
			}
		})
	}
}

// seen is what codecs.mjs tells.
type seen struct {
	Words    string
	Download string // SHA-256, in hex
	Width    int
}

// recordCodecs records a clip of each codec, all at once.
func recordCodecs(t *testing.T, n *node.Node) []node.Recording {
	t.Helper()
	sessions := make([]string, len(codecCases))
	var group sync.WaitGroup
	for i, c := range codecCases {
		clip, err := testmedia.Encode(t.Context(), testmedia.ClipSpec{
			Video: c.codec, Width: 160, Height: 120, FPS: frameRate, KeyEvery: 2 * time.Second, BitRate: 150_000, Duration: 12 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		all, err := testmedia.Send(clip, testmedia.SendSpec{Length: clip.Duration})
		if err != nil {
			t.Fatal(err)
		}
		sessions[i] = newSession(t, n)
		peer := publish(t, testmedia.Target{URL: n.WHIP(sessions[i], "guest"), Token: node.Token}, clip)
		group.Go(func() {
			_, _, failed := peer.Send(t.Context(), all)
			if err := errors.Join(failed, peer.Close(t.Context()), n.EndSession(t.Context(), sessions[i])); err != nil {
				t.Errorf("%s: %v", c.codec, err)
			}
		})
	}
	group.Wait()
	recordings := make([]node.Recording, len(sessions))
	for i, session := range sessions {
		recordings[i] = finished(t, n, session, 20*time.Second)
	}
	return recordings
}

// checkRefused checks that a person who gets no picture learns why, and is
// given the file.
func checkRefused(t *testing.T, got seen, codec string, f node.File) {
	t.Helper()
	t.Logf("the page says: %s", got.Words)
	if got.Width != 0 {
		t.Errorf("picture: %d wide, though the page says %q", got.Width, got.Words)
	}
	if want := fmt.Sprintf("can’t show %s video", codec); !strings.Contains(got.Words, want) {
		t.Errorf("words: got %q, want %q in them", got.Words, want)
	}
	if got.Download != f.SHA256 {
		t.Errorf("SHA-256 of the download: got %q, want %q", got.Download, f.SHA256)
	}
}

var linkPattern = regexp.MustCompile(`http://\S+/signin#\S+`)

// anotherLink has the program print another sign-in link.
func anotherLink(t *testing.T, n *node.Node, flags ...string) string {
	t.Helper()
	args := append([]string{"admin", "reset", "--data", n.Data}, flags...)
	out, err := exec.CommandContext(t.Context(), os.Getenv(programKey), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("admin reset: %v: %s", err, out)
	}
	link := linkPattern.Find(out)
	if link == nil {
		t.Fatalf("admin reset printed no link: %s", out)
	}
	return string(link)
}
