package e2e_test

import (
	"bytes"
	"os/exec"
	"testing"
	"time"

	"github.com/reelvault/reelvault/testmedia/node"
)

// A WebRTC stack that shares no code with ours publishes, is recorded and
// says goodbye.
func TestGStreamer(t *testing.T) {
	n := start(t)
	for _, codec := range []string{"vp8", "h264"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			session := newSession(t, n)
			runGStreamer(t, n, session, codec)
			if err := n.EndSession(t.Context(), session); err != nil {
				t.Fatal(err)
			}
			rec := finished(t, n, session, 20*time.Second)
			path := download(t, n, rec.Files[0])
			checkCodecs(t, path, rec.Files[0], rec.Tracks)
			checkLength(t, path, rec.Files[0])
			for _, track := range rec.Tracks {
				if track.DurationMs < enough.Milliseconds()-500 || len(track.Gaps) > 0 {
					t.Errorf("track: got %+v, want one without gaps that lasts the recording", track)
				}
			}
		})
	}
}

// enough is how long the client publishes.
const enough = 5 * time.Second

// runGStreamer publishes until the recording is long enough.
func runGStreamer(t *testing.T, n *node.Node, session, codec string) {
	t.Helper()
	ctx := within(t, time.Minute)
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", "testdata/gstreamer.py", n.WHIP(session, "gstreamer"), node.Token, codec)
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &words, &words
	stop, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, err = n.Await(ctx, session, func(all []node.Recording) bool {
		return len(all) == 1 && all[0].DurationMs >= enough.Milliseconds()
	})
	if err != nil {
		t.Error(err)
	}
	if err := stop.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the client: %v: %s", err, words.Bytes())
	}
}
