package webm_test

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/mux/muxtest"
	"github.com/reelvault/reelvault/media/mux/webm"
)

var start = time.Date(2026, 11, 23, 8, 0, 0, 123e6, time.UTC)

// mux writes the sources in the order in which their frames arrive: lag[i]
// late for source i. Each track appears with its first frame, and a tick
// comes every 20 ms, as in a recorder. The file is not closed.
func mux(tb testing.TB, out webm.Output, c reelvault.Container, sources []source, lag ...time.Duration) *webm.Writer {
	tb.Helper()
	type arrival struct {
		at    time.Duration
		track int
		sample
	}
	var all []arrival
	for i, s := range sources {
		for _, f := range s.samples {
			a := arrival{at: f.at, track: i, sample: f}
			if i < len(lag) {
				a.at += lag[i]
			}
			all = append(all, a)
		}
	}
	slices.SortStableFunc(all, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	w := webm.NewWriter(out, c, start)
	lanes := make([]int, len(sources))
	now := time.Duration(0)
	for _, a := range all {
		for ; now < a.at; now += 20 * time.Millisecond {
			must(tb, w.Flush(now))
		}
		if lanes[a.track] == 0 {
			lane, err := w.AddTrack(sources[a.track].spec)
			must(tb, err)
			lanes[a.track] = lane
		}
		must(tb, w.WriteFrame(lanes[a.track], a.sample.at, a.duration, a.key, a.data))
	}
	return w
}

// closed writes the sources into a WebM file and closes it.
func closed(tb testing.TB, sources []source, lag ...time.Duration) *muxtest.Memory {
	tb.Helper()
	m := &muxtest.Memory{}
	_, err := mux(tb, m, reelvault.WebM, sources, lag...).Close()
	must(tb, err)
	return m
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// wantKind fails unless err is of kind k.
func wantKind(tb testing.TB, err error, k reelvault.Kind) {
	tb.Helper()
	if err == nil || reelvault.KindOf(err) != k {
		tb.Fatalf("got error %v, want one of kind %s", err, k)
	}
}

// frames reads a file back with ebml-go: by lane, in the order of the file.
func frames(tb testing.TB, b []byte) map[int][]sample {
	tb.Helper()
	d, _ := read(tb, b)
	got := map[int][]sample{}
	for _, c := range d.Segment.Cluster {
		for _, b := range c.SimpleBlock {
			lane := int(b.TrackNumber)
			at := time.Duration(int64(c.Timecode)+int64(b.Timecode)) * time.Millisecond
			got[lane] = append(got[lane], sample{at: at, key: b.Keyframe, data: b.Data[0]})
		}
	}
	return got
}

// wantFrames compares what a file holds on a lane with what was written.
func wantFrames(tb testing.TB, b []byte, lane int, want []sample) {
	tb.Helper()
	got := frames(tb, b)[lane]
	if len(got) != len(want) {
		tb.Fatalf("lane %d holds %d frames, want %d", lane, len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if off := g.at - w.at; off.Abs() > time.Millisecond/2 || g.key != w.key || string(g.data) != string(w.data) {
			tb.Fatalf("lane %d frame %d: got %d bytes at %s, key %t; want %d bytes at %s, key %t",
				lane, i, len(g.data), g.at, g.key, len(w.data), w.at, w.key)
		}
	}
}

// onDisk gives the path of a file with these bytes.
func onDisk(tb testing.TB, b []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "file.mkv")
	must(tb, os.WriteFile(path, b, 0o600))
	return path
}

// decode has ffmpeg decode every frame and gives what it complains of.
func decode(tb testing.TB, path string) string {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), "ffmpeg", "-v", "error", "-nostdin", "-i", path, "-map", "0", "-f", "null", "-")
	log, err := cmd.CombinedOutput()
	if err != nil {
		tb.Fatalf("ffmpeg: %v\n%s", err, log)
	}
	return string(log)
}

// probe asks ffprobe for entries and gives one line for each section.
func probe(tb testing.TB, path, entries string, args ...string) []string {
	tb.Helper()
	args = append([]string{"-v", "error", "-show_entries", entries, "-of", "csv=p=0"}, append(args, path)...)
	cmd := exec.CommandContext(tb.Context(), "ffprobe", args...)
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("ffprobe %s: %v", strings.Join(args, " "), err)
	}
	return strings.Fields(string(out))
}

// seconds parses what ffprobe prints.
func seconds(tb testing.TB, s string) time.Duration {
	tb.Helper()
	v, err := strconv.ParseFloat(strings.Trim(s, ","), 64)
	if err != nil {
		tb.Fatalf("ffprobe said %q: %v", s, err)
	}
	return time.Duration(v * float64(time.Second))
}

// wantWhole fails unless ffmpeg decodes the file without a word, sees its
// duration and finds its way to 25, 50 and 75 %: to the last cue before it.
func wantWhole(tb testing.TB, path string, duration time.Duration) {
	tb.Helper()
	if log := decode(tb, path); log != "" {
		tb.Errorf("ffmpeg complains:\n%s", log)
	}
	begin, near := time.Duration(0), 5100*time.Millisecond // a cue every 5 s
	for _, line := range probe(tb, path, "stream=codec_type,start_time:format=duration") {
		kind, at, ok := strings.Cut(line, ",")
		if !ok {
			if got := seconds(tb, line); (got - duration).Abs() > time.Millisecond {
				tb.Errorf("ffprobe sees %s, want %s", got, duration)
			}
			continue
		}
		begin = max(begin, seconds(tb, at))
		if kind == "video" {
			near = 1100 * time.Millisecond // a keyframe a second
		}
	}
	var wants []time.Duration
	var intervals []string
	for _, part := range []int{25, 50, 75} {
		want := duration * time.Duration(part) / 100
		if want < begin {
			continue // ffprobe seeks in the video, which has not begun
		}
		wants = append(wants, want)
		intervals = append(intervals, strconv.FormatFloat(want.Seconds(), 'f', 3, 64)+"%+#1")
	}
	for i, line := range probe(tb, path, "packet=pts_time", "-read_intervals", strings.Join(intervals, ",")) {
		if got := seconds(tb, line); got > wants[i]+pictureEvery || got < wants[i]-near {
			tb.Errorf("seeking to %s leads to %s", wants[i], got)
		}
	}
}
