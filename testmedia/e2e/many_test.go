package e2e_test

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// A browser opens six connections to one host by HTTP/1.1. A session of more
// files than that plays all the same, while its events are listened to.
func TestBrowserManyFiles(t *testing.T) {
	const files = 9
	clip, err := testmedia.Encode(t.Context(), testmedia.ClipSpec{
		Video: reelvault.VP8, Width: 320, Height: 240, FPS: frameRate, KeyEvery: 2 * time.Second, BitRate: 2_000_000, Duration: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	sent, err := testmedia.Send(clip, testmedia.SendSpec{Length: clip.Duration})
	if err != nil {
		t.Fatal(err)
	}
	n := start(t)
	session := newSession(t, n)
	var sending sync.WaitGroup
	for i := range files {
		target := testmedia.Target{URL: n.WHIP(session, fmt.Sprintf("guest-%d", i)), Token: node.Token}
		peer := publish(t, target, clip)
		sending.Go(func() {
			if _, _, err := peer.Send(t.Context(), sent); err != nil {
				t.Error(err)
			}
		})
	}
	sending.Wait()
	for _, r := range running(t, n, session) {
		if _, err := n.Do(t.Context(), http.MethodPost, "/api/v1/recordings/"+r.ID+"/stop", nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, browser := range []string{"chromium", "firefox"} {
		t.Run(browser, func(t *testing.T) {
			env := []string{"BROWSER=" + browser, "OUT_DIR=" + t.ArtifactDir()}
			runScript(t, env, "many.mjs", anotherLink(t, n), session, strconv.Itoa(files))
		})
	}
}
