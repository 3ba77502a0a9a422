package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"image/png"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

const (
	scripts = "../browser"
	picture = scripts + "/sessions.png" // README.md shows it
)

// go test ./testmedia/e2e -run TestDemo -update
var update = flag.Bool("update", false, "renew the picture of the Sessions page")

// From the sign-in link to a deleted recording, in real browsers; and what
// they downloaded is whole. The screenshots are among the artifacts.
func TestBrowsers(t *testing.T) {
	for _, browser := range []string{"chromium", "firefox"} {
		t.Run(browser, func(t *testing.T) {
			n := start(t)
			out := t.ArtifactDir()
			text := runScript(t, []string{
				"BASE_URL=" + n.Base, "SIGNIN_LINK=" + signInLink(t, n), "OUT_DIR=" + out, "BROWSER=" + browser,
			}, "run.mjs")
			t.Logf("%s", text)
			checkDownloads(t, out, browser)
		})
	}
}

// Over plain HTTP by a name that is not the machine's own, the publish page says
// why there is no camera.
func TestInsecure(t *testing.T) {
	n := start(t)
	session := newSession(t, n)
	for _, browser := range []string{"chromium", "firefox"} {
		t.Run(browser, func(t *testing.T) {
			runScript(t, []string{"BROWSER=" + browser, "OUT_DIR=" + t.ArtifactDir()}, "insecure.mjs", anotherLink(t, n), session)
		})
	}
}

// A telephone call is one file, and each of its sides can be heard alone.
func TestBrowserPhone(t *testing.T) {
	port := freePort(t)
	n := start(t, "--sip-port", port)
	session := callOf(t, n, "127.0.0.1:"+port, testmedia.Talk{For: 10 * time.Second, Reports: true})
	for _, browser := range []string{"chromium", "firefox"} {
		t.Run(browser, func(t *testing.T) {
			runScript(t, []string{"BROWSER=" + browser, "OUT_DIR=" + t.ArtifactDir()}, "phone.mjs", anotherLink(t, n), session)
		})
	}
}

// callOf has a recording client bring a call of two tones, the caller's of
// 500 Hz and the callee's of 1500 Hz, and gives the session that became of it.
func callOf(t *testing.T, n *node.Node, target string, talk testmedia.Talk) string {
	t.Helper()
	ctx := within(t, time.Minute)
	call, err := testmedia.Call(ctx, testmedia.CallSpec{Target: target, Voices: []testmedia.Voice{
		{Name: "Caller", Address: "sip:+420123456789@example.com", Law: reelvault.PCMU, Sound: testmedia.Tone(reelvault.PCMU, 500, talk.For)},
		{Name: "Callee", Address: "sip:desk@example.com", Law: reelvault.PCMU, Sound: testmedia.Tone(reelvault.PCMU, 1500, talk.For)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := call.Talk(ctx, talk); err != nil {
		t.Fatal(err)
	}
	if err := call.Bye(ctx); err != nil {
		t.Fatal(err)
	}
	var list struct{ Items []node.Session }
	if err := n.JSON(ctx, http.MethodGet, "/api/v1/sessions?limit=1", nil, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 {
		t.Fatalf("sessions: got %d, want that of the call", len(list.Items))
	}
	if _, err := n.Await(ctx, list.Items[0].ID, node.Finished); err != nil {
		t.Fatal(err)
	}
	return list.Items[0].ID
}

// freePort gives a port that nobody had a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nobody came
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// signInLink waits for the link: what a process prints takes its own way, and
// may come later than its first answer.
func signInLink(t *testing.T, n *node.Node) string {
	t.Helper()
	ctx := within(t, 10*time.Second)
	for {
		if link := n.SignInLink(); link != "" {
			return link
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("no sign-in link was printed")
		}
	}
}

// checkDownloads compares the files that the browser saved with what the
// catalog said of them.
func checkDownloads(t *testing.T, out, browser string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(out, browser+"-recordings.json"))
	if err != nil {
		t.Fatal(err)
	}
	var recordings []node.Recording
	if err := json.Unmarshal(data, &recordings); err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, r := range recordings {
		for _, f := range r.Files {
			files++
			path := filepath.Join(out, browser+"-"+f.ID+"."+f.Container)
			if err := testmedia.DecodeVariable(t.Context(), path); err != nil { // a camera in a browser has no constant rate
				t.Errorf("decode: %v", err)
			}
			checkLength(t, path, f)
			checkCodecs(t, path, f, r.Tracks)
		}
	}
	if files < 2 {
		t.Errorf("files: got %d, want one of each participant at least", files)
	}
}

// checkLength compares three lengths: the one in the file's head, the
// catalog's, and the end of the last frame.
func checkLength(t *testing.T, path string, f node.File) {
	t.Helper()
	stated, err := testmedia.Duration(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if d := stated - milliseconds(f.DurationMs); d.Abs() > 2*time.Millisecond {
		t.Errorf("length of %s: the file says %v, the catalog %d ms", path, stated, f.DurationMs)
	}
	if end, frame := lastFrame(t, path); (stated - end).Abs() > frame {
		t.Errorf("length of %s: %v, but the last frame ends at %v, with frames of up to %v", path, stated, end, frame)
	}
}

// lastFrame gives when the last frame of a file ends, if it lasts as long as
// the one before it, and how long the longest of the last ones lasts: a busy
// machine has slow cameras.
func lastFrame(t *testing.T, path string) (end, longest time.Duration) {
	t.Helper()
	const some = 10
	times := map[string][]time.Duration{}
	for _, line := range strings.Fields(probe(t, "-show_entries", "packet=stream_index,pts_time", path)) {
		stream, text, _ := strings.Cut(line, ",")
		at, err := strconv.ParseFloat(strings.TrimSuffix(text, ","), 64)
		if err != nil {
			t.Fatal(err)
		}
		times[stream] = append(times[stream], time.Duration(at*float64(time.Second)))
	}
	for _, at := range times {
		at = at[max(len(at)-some, 0):]
		for i := range at[1:] {
			longest = max(longest, at[i+1]-at[i])
		}
		if n := len(at); n > 1 {
			end = max(end, 2*at[n-1]-at[n-2])
		}
	}
	return end, longest
}

// checkCodecs compares the streams of a file with its tracks.
func checkCodecs(t *testing.T, path string, f node.File, tracks []node.Track) {
	t.Helper()
	got := strings.Fields(probe(t, "-show_entries", "stream=codec_name", path))
	var want []string
	for _, track := range tracks {
		if track.FileID == f.ID {
			want = append(want, track.Codec)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(got) != 2 || !slices.Equal(got, want) {
		t.Errorf("codecs of %s: got %v, the tracks say %v, want sound and picture", path, got, want)
	}
}

// checkPicture looks after the picture in README.md: it is made by the run.
func checkPicture(t *testing.T, fresh string) {
	t.Helper()
	path := picture
	if *update {
		data, err := os.ReadFile(fresh)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil { //nolint:gosec // everybody may see it
			t.Fatal(err)
		}
	}
	for _, p := range []string{fresh, path} {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		shape, err := png.DecodeConfig(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		const most = 300_000 // bytes
		if shape.Width != 1440 || shape.Height != 900 || len(data) > most {
			t.Errorf("%s: got %d x %d in %d bytes, want 1440 x 900 in at most %d", p, shape.Width, shape.Height, len(data), most)
		}
	}
}

// probe gives what ffprobe prints, a value a line.
func probe(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", append([]string{"-v", "error", "-of", "csv=p=0"}, args...)...).Output()
	if err != nil {
		t.Fatalf("ffprobe: %v", err)
	}
	return string(out)
}

// runScript runs a script of testmedia/browser with more environment, and
// gives what it printed. One that fails ends the test.
func runScript(t *testing.T, env []string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir = scripts
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s%s", args[0], err, out, stderr.Bytes())
	}
	return out
}

// runNode is runScript for one that prints JSON.
func runNode(t *testing.T, into any, env []string, args ...string) {
	t.Helper()
	if err := json.Unmarshal(runScript(t, env, args...), into); err != nil {
		t.Fatalf("answer of %s: %v", args[0], err)
	}
}

// serve puts a page with a video element, and files, in front of a node, all
// of one origin, and gives its address.
func serve(t *testing.T, n *node.Node, files map[string]string) string {
	t.Helper()
	base, err := url.Parse(n.Base)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/media/", httputil.NewSingleHostReverseProxy(base))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte("<!doctype html><title>Video</title><video muted preload=auto></video>")) //nolint:errcheck // the browser tells
	})
	for name, path := range files {
		mux.HandleFunc(name, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) })
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// encodeReference has ffmpeg make a file of the beeps and flashes of a clip.
func encodeReference(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "reference.webm")
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error",
		"-f", "lavfi", "-i", "color=c=black:s=160x120:r=30:d=20,noise=alls=12:allf=t,drawbox=enable='between(mod(n,30),15,16)':c=white:t=fill",
		"-f", "lavfi", "-i", "aevalsrc='0.6*sin(2*PI*1000*t)*between(mod(t,1),0.5,0.56)':s=48000:d=20",
		"-pix_fmt", "yuv420p", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "150k", "-g", "60",
		"-c:a", "libopus", "-b:a", "32k", "-application", "lowdelay", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, out)
	}
	return path
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
