package webm_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/mux/muxtest"
	"github.com/reelvault/reelvault/media/mux/webm"
)

// A track that runs behind another loses nothing: every frame is in the file
// at its own time, ffmpeg plays it, and cluster timestamps do not go back.
func TestLaggingTrack(t *testing.T) {
	audio, pic := opus(t, "5"), video(t, reelvault.VP8, "160x120", "5")
	for _, lag := range []time.Duration{40, 400, 700, 3000, 20_000} {
		for late := range 2 {
			t.Run(strconv.Itoa(int(lag))+" ms, lane "+strconv.Itoa(late+1), func(t *testing.T) {
				lags := make([]time.Duration, 2)
				lags[late] = lag * time.Millisecond
				sources := []source{audio, pic}
				m := closed(t, sources, lags...)
				lanes := []int{1, 2}
				if late == 0 {
					lanes = []int{2, 1} // the track that runs behind appears second
				}
				for i, s := range sources {
					wantFrames(t, m.B, lanes[i], s.samples)
				}
				wantWhole(t, onDisk(t, m.B), sources[0].end())
				wantOrder(t, m.B)
			})
		}
	}
}

// wantOrder fails if cluster timestamps go back, or blocks of a cluster, or if
// a picture comes before the sound of its time.
func wantOrder(t *testing.T, b []byte) {
	t.Helper()
	d, _ := read(t, b)
	before := uint64(0)
	for i, c := range d.Segment.Cluster {
		if c.Timecode < before {
			t.Errorf("cluster %d is at %d ms, the one before at %d ms", i, c.Timecode, before)
		}
		before = c.Timecode
		for j, k := range c.SimpleBlock[1:] {
			if k.Timecode < c.SimpleBlock[j].Timecode {
				t.Errorf("cluster %d: block at %d after block at %d", i, k.Timecode, c.SimpleBlock[j].Timecode)
			}
			kind := d.Segment.Tracks.TrackEntry[k.TrackNumber-1].TrackType
			if k.Timecode == c.SimpleBlock[j].Timecode && kind == 2 {
				t.Errorf("cluster %d: sound at %d after the picture of the same time", i, k.Timecode)
			}
		}
	}
}

// A track farther behind than a block's time can say still loses nothing.
func TestTrackFarBehind(t *testing.T) {
	audio, pic := opus(t, "2").delayed(100*time.Second), video(t, reelvault.VP8, "160x120", "2")
	m := closed(t, []source{audio, pic}, 0, 100*time.Second)
	wantFrames(t, m.B, 1, audio.samples)
	wantFrames(t, m.B, 2, pic.samples)
	if log := decode(t, onDisk(t, m.B)); log != "" {
		t.Errorf("ffmpeg complains:\n%s", log)
	}
}

// A cluster is written once, in one piece, before it spans more than 500 ms
// and when it has gathered 4 MiB; Flush writes one that no frame closes.
func TestClustersAreBounded(t *testing.T) {
	m := &muxtest.Memory{}
	w := mux(t, m, reelvault.WebM, []source{opus(t, "4"), video(t, reelvault.VP8, "160x120", "4")})
	_, err := w.Close()
	must(t, err)
	d, places := read(t, m.B)
	if m.Appends != len(d.Segment.Cluster)+1 {
		t.Errorf("%d clusters and the cues took %d appends", len(d.Segment.Cluster), m.Appends)
	}
	for i, c := range d.Segment.Cluster {
		blocks := c.SimpleBlock
		if span := blocks[len(blocks)-1].Timecode - blocks[0].Timecode; span >= 500 {
			t.Errorf("cluster %d spans %d ms", i, span)
		}
	}
	if len(d.Segment.Cluster) < 8 || len(d.Segment.Cluster) > 16 {
		t.Errorf("4 s make %d clusters", len(d.Segment.Cluster))
	}
	last := places["Cluster"][len(places["Cluster"])-1]
	if cues := places["Cues"][0]; cues.at != last.end || cues.end != len(m.B) {
		t.Errorf("clusters end at %d, cues go from %d to %d of %d", last.end, cues.at, cues.end, len(m.B))
	}

	t.Run("flush", func(t *testing.T) {
		m := &muxtest.Memory{}
		w := mux(t, m, reelvault.WebM, []source{{
			spec:    webm.TrackSpec{Codec: reelvault.VP8, Media: reelvault.Video},
			samples: []sample{{at: time.Second, key: true, data: []byte("frame")}},
		}})
		must(t, w.Flush(1499*time.Millisecond))
		if m.Appends != 0 {
			t.Error("a cluster of 499 ms was written")
		}
		must(t, w.Flush(1500*time.Millisecond))
		must(t, w.Flush(3*time.Second))
		if m.Appends != 1 {
			t.Errorf("a cluster of 500 ms was written %d times", m.Appends)
		}
	})

	t.Run("bytes", func(t *testing.T) {
		m := &muxtest.Memory{}
		w := webm.NewWriter(m, reelvault.WebM, start)
		_, err := w.AddTrack(webm.TrackSpec{Codec: reelvault.VP8, Media: reelvault.Video})
		must(t, err)
		for i := range 9 {
			must(t, w.WriteFrame(1, time.Duration(i)*time.Millisecond, 0, i == 0, make([]byte, 1<<20)))
		}
		if m.Appends != 2 {
			t.Errorf("9 MiB in 9 ms were written %d times before the end", m.Appends)
		}
	})

	t.Run("frames", func(t *testing.T) {
		m := &muxtest.Memory{}
		w := webm.NewWriter(m, reelvault.WebM, start)
		for range 40 {
			_, err := w.AddTrack(webm.TrackSpec{Codec: reelvault.VP8, Media: reelvault.Video})
			must(t, err)
		}
		for i := range 40 * 490 {
			must(t, w.WriteFrame(i%40+1, time.Duration(i/40)*time.Millisecond, 0, i < 40, []byte("x")))
		}
		if m.Appends != 1 {
			t.Errorf("19,600 frames in 490 ms were written %d times before the end", m.Appends)
		}
	})
}

// A keyframe begins its cluster, with the sound of the same instant in it,
// also if that came first.
func TestKeyframeBeginsCluster(t *testing.T) {
	m := closed(t, []source{opus(t, "3"), video(t, reelvault.VP8, "160x120", "3")}, 0, 100*time.Millisecond)
	d, _ := read(t, m.B)
	keys := 0
	for i, c := range d.Segment.Cluster {
		for j, b := range c.SimpleBlock {
			if b.TrackNumber != 2 || !b.Keyframe {
				continue
			}
			keys++
			if b.Timecode > 0 || j > 1 {
				t.Errorf("cluster %d: keyframe is block %d at %d ms", i, j, b.Timecode)
			}
			if n := len(c.SimpleBlock); c.SimpleBlock[0].TrackNumber != 1 && n > 1 && c.SimpleBlock[1].Timecode > 20 {
				t.Errorf("cluster %d: sound begins %d ms after its keyframe", i, c.SimpleBlock[1].Timecode)
			}
		}
	}
	if keys != 3 {
		t.Errorf("%d keyframes, want 3", keys)
	}
}
