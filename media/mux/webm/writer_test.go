package webm_test

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/mux/muxtest"
	"github.com/reelvault/reelvault/media/mux/webm"
)

// Every codec, alone and with others, makes a file that holds the frames as
// they were written and that ffmpeg decodes, measures and seeks in.
func TestCodecsPlay(t *testing.T) {
	audio := opus(t, "5")
	vp8 := video(t, reelvault.VP8, "160x120", "5")
	screen := video(t, reelvault.VP8, "320x180", "3")
	screen.spec.Media = reelvault.Screen
	screen.spec.Name = "Bildschirm \x00 \xff"
	tests := []struct {
		name      string
		container reelvault.Container
		sources   []source
	}{
		{"opus", reelvault.WebM, []source{opus(t, "20")}},
		{"vp8 opus", reelvault.WebM, []source{vp8, audio}},
		{"vp9 opus", reelvault.WebM, []source{audio, video(t, reelvault.VP9, "160x120", "5")}},
		{"av1 opus", reelvault.WebM, []source{video(t, reelvault.AV1, "160x120", "4"), audio}},
		{"h264 opus", reelvault.Matroska, []source{inBand(t, video(t, reelvault.H264, "160x120", "5")), audio}},
		{"h265 opus", reelvault.Matroska, []source{video(t, reelvault.H265, "160x120", "4"), audio}},
		{"three tracks, one late", reelvault.WebM, []source{audio, vp8, screen.delayed(1500 * time.Millisecond)}},
		{"video 3 s late", reelvault.WebM, []source{audio, video(t, reelvault.VP8, "160x120", "2").delayed(3 * time.Second)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &muxtest.Memory{}
			w := mux(t, m, tt.container, tt.sources)
			got, err := w.Close()
			must(t, err)
			want := time.Duration(0)
			for _, s := range tt.sources {
				want = max(want, s.end())
			}
			if got != want {
				t.Errorf("Close says %s, want %s", got, want)
			}
			if w.Size() != m.Size() {
				t.Errorf("Size is %d, file has %d bytes", w.Size(), m.Size())
			}
			written := map[string]bool{}
			d, _ := read(t, m.B)
			for lane, e := range d.Segment.Tracks.TrackEntry {
				for _, s := range tt.sources {
					if int(e.Video.PixelWidth) == s.spec.Width && !written[s.spec.Name+e.CodecID] {
						written[s.spec.Name+e.CodecID] = true
						wantFrames(t, m.B, lane+1, s.samples)
						break
					}
				}
			}
			path := onDisk(t, m.B)
			wantWhole(t, path, want)
			if n := len(probe(t, path, "stream=index")); n != len(tt.sources) {
				t.Errorf("ffprobe sees %d streams, want %d", n, len(tt.sources))
			}
		})
	}
}

// The head says what RFC 9559 and the codec mappings ask for.
func TestHead(t *testing.T) {
	m := &muxtest.Memory{}
	w := webm.NewWriter(m, reelvault.Matroska, start)
	specs := []webm.TrackSpec{
		{Codec: reelvault.Opus, Media: reelvault.Audio, Name: "gu\xffest\x00"},
		{Codec: reelvault.H264, Media: reelvault.Video, Width: 640, Height: 360, Private: []byte{1, 2, 3}},
		{Codec: reelvault.H265, Media: reelvault.Screen},
		{Codec: reelvault.AV1, Media: reelvault.Video},
		{Codec: reelvault.VP8, Media: reelvault.Video},
		{Codec: reelvault.VP9, Media: reelvault.Video},
	}
	for i, s := range specs {
		lane, err := w.AddTrack(s)
		must(t, err)
		if lane != i+1 {
			t.Fatalf("lane %d, want %d", lane, i+1)
		}
	}
	d, _ := read(t, m.B)
	info := d.Segment.Info
	if d.EBML.DocType != "matroska" || info.TimecodeScale != 1e6 || !info.DateUTC.Equal(start) ||
		info.MuxingApp == "" || info.WritingApp == "" || info.Duration != 0 {
		t.Errorf("doc type %q, info %+v", d.EBML.DocType, info)
	}
	uids := map[uint64]bool{}
	ids := []string{"A_OPUS", "V_MPEG4/ISO/AVC", "V_MPEGH/ISO/HEVC", "V_AV1", "V_VP8", "V_VP9"}
	for i, e := range d.Segment.Tracks.TrackEntry {
		if e.CodecID != ids[i] || e.FlagLacing != 0 || e.TrackUID == 0 || uids[e.TrackUID] || e.CodecDelay != 0 {
			t.Errorf("track %d: %+v", i+1, e)
		}
		uids[e.TrackUID] = true
	}
	audio, avc := d.Segment.Tracks.TrackEntry[0], d.Segment.Tracks.TrackEntry[1]
	if audio.TrackType != 2 || audio.Audio.Channels != 2 || audio.Audio.SamplingFrequency != 48000 ||
		audio.SeekPreRoll != 80e6 || audio.Name != "gu\uFFFDest" || !bytes.HasPrefix(audio.CodecPrivate, []byte("OpusHead")) {
		t.Errorf("audio track: %+v", audio)
	}
	if avc.TrackType != 1 || avc.Video.PixelWidth != 640 || avc.Video.PixelHeight != 360 || string(avc.CodecPrivate) != "\x01\x02\x03" {
		t.Errorf("video track: %+v", avc)
	}
	if len(m.B) != webm.HeadSize {
		t.Errorf("head has %d bytes, want %d", len(m.B), webm.HeadSize)
	}
}

// A track that is updated changes in the file, and nothing around it moves.
func TestUpdateTrack(t *testing.T) {
	m := &muxtest.Memory{}
	w := webm.NewWriter(m, reelvault.Matroska, start)
	s := webm.TrackSpec{Codec: reelvault.H264, Media: reelvault.Video, Private: []byte{1}}
	lane, err := w.AddTrack(s)
	must(t, err)
	must(t, w.WriteFrame(lane, 0, 0, true, []byte("frame")))
	must(t, w.Flush(time.Second))
	private := []byte{1, 2, 3, 4}
	s.Width, s.Height, s.Private = 1280, 720, private
	must(t, w.UpdateTrack(lane, s))
	private[3] = 9 // is the caller's
	_, err = w.AddTrack(webm.TrackSpec{Codec: reelvault.Opus, Media: reelvault.Audio})
	must(t, err)
	s.Private = []byte{1, 2, 3, 4}
	if e := read1(t, m.B); !bytes.Equal(e.CodecPrivate, s.Private) {
		t.Errorf("private bytes are %v", e.CodecPrivate)
	}
	before := bytes.Clone(m.B)
	s.Width, s.Height = 1920, 1080
	must(t, w.UpdateTrack(lane, s))
	if n := differing(before, m.B); n > 4 {
		t.Errorf("a larger picture changed %d bytes, want 4 at most", n)
	}
	e := read1(t, m.B)
	if e.Video.PixelWidth != 1920 || e.Video.PixelHeight != 1080 || len(e.CodecPrivate) != 4 {
		t.Errorf("track is %+v", e)
	}
	wantKind(t, w.UpdateTrack(3, s), reelvault.Invalid)
	s.Codec = reelvault.VP8
	wantKind(t, w.UpdateTrack(1, s), reelvault.Invalid)
}

func read1(t *testing.T, b []byte) entry {
	t.Helper()
	d, _ := read(t, b)
	return d.Segment.Tracks.TrackEntry[0]
}

func differing(a, b []byte) int {
	n := 0
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// What the container can't hold is refused, and leaves the file as it was.
func TestRefusedTracks(t *testing.T) {
	audio, pic := reelvault.Audio, reelvault.Video
	tests := []struct {
		name      string
		container reelvault.Container
		spec      webm.TrackSpec
	}{
		{"h264 in webm", reelvault.WebM, webm.TrackSpec{Codec: reelvault.H264, Media: pic}},
		{"h265 in webm", reelvault.WebM, webm.TrackSpec{Codec: reelvault.H265, Media: pic}},
		{"unknown codec", reelvault.WebM, webm.TrackSpec{Codec: "theora", Media: pic}},
		{"no container of ours", reelvault.WAV, webm.TrackSpec{Codec: reelvault.Opus, Media: audio}},
		{"audio as video", reelvault.WebM, webm.TrackSpec{Codec: reelvault.Opus, Media: pic}},
		{"video as audio", reelvault.WebM, webm.TrackSpec{Codec: reelvault.VP8, Media: audio}},
		{"three channels", reelvault.WebM, webm.TrackSpec{Codec: reelvault.Opus, Media: audio, Channels: 3}},
		{"negative width", reelvault.WebM, webm.TrackSpec{Codec: reelvault.VP8, Media: pic, Width: -1}},
		{"huge height", reelvault.WebM, webm.TrackSpec{Codec: reelvault.VP8, Media: pic, Height: 1 << 16}},
		{"huge private", reelvault.Matroska, webm.TrackSpec{Codec: reelvault.H264, Media: pic, Private: make([]byte, 4000)}},
		{"huge name", reelvault.WebM, webm.TrackSpec{Codec: reelvault.VP8, Media: pic, Name: strings.Repeat("n", 4000)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &muxtest.Memory{}
			w := webm.NewWriter(m, tt.container, start)
			_, err := w.AddTrack(tt.spec)
			wantKind(t, err, reelvault.Invalid)
			if len(m.B) != 0 {
				t.Errorf("%d bytes were written", len(m.B))
			}
		})
	}
	t.Run("too many", func(t *testing.T) {
		m := &muxtest.Memory{}
		w := webm.NewWriter(m, reelvault.WebM, start)
		spec, n := webm.TrackSpec{Codec: reelvault.VP8, Media: pic}, 0
		var err error
		for ; err == nil; n++ {
			_, err = w.AddTrack(spec)
		}
		wantKind(t, err, reelvault.Invalid)
		if n < 30 {
			t.Errorf("track %d does not fit", n)
		}
		must(t, w.WriteFrame(n-1, 0, 0, true, []byte("frame")))
		_, err = w.Close()
		must(t, err)
		if d, _ := read(t, m.B); len(d.Segment.Tracks.TrackEntry) != n-1 || len(d.Segment.Cluster) != 1 {
			t.Errorf("%d tracks, %d clusters", len(d.Segment.Tracks.TrackEntry), len(d.Segment.Cluster))
		}
	})
}

// Frames that make no sense are refused, and the next one is taken.
func TestRefusedFrames(t *testing.T) {
	m := &muxtest.Memory{}
	w := webm.NewWriter(m, reelvault.WebM, start)
	wantKind(t, w.WriteFrame(1, 0, 0, true, []byte("x")), reelvault.Invalid)
	_, err := w.AddTrack(webm.TrackSpec{Codec: reelvault.VP8, Media: reelvault.Video})
	must(t, err)
	wantKind(t, w.WriteFrame(0, 0, 0, true, []byte("x")), reelvault.Invalid)
	wantKind(t, w.WriteFrame(2, 0, 0, true, []byte("x")), reelvault.Invalid)
	wantKind(t, w.WriteFrame(1, 0, 0, true, nil), reelvault.Invalid)
	wantKind(t, w.WriteFrame(1, 0, 0, true, make([]byte, webm.MaxFrame+1)), reelvault.Invalid)
	must(t, w.WriteFrame(1, -time.Second, 0, true, []byte("a")))
	must(t, w.WriteFrame(1, -time.Second, 0, false, []byte("b")))
	must(t, w.WriteFrame(1, time.Second, 0, false, []byte("c")))
	must(t, w.WriteFrame(1, time.Second/2, 0, false, []byte("d")))
	_, err = w.Close()
	must(t, err)
	var got []string
	for _, f := range frames(t, m.B)[1] {
		got = append(got, string(f.data)+"@"+strconv.Itoa(int(f.at.Milliseconds())))
	}
	if want := "a@0 b@1 c@1000 d@1001"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	wantKind(t, w.WriteFrame(1, 0, 0, true, []byte("x")), reelvault.Conflict)
	wantKind(t, w.Flush(time.Hour), reelvault.Conflict)
	before := bytes.Clone(m.B)
	if d, err := w.Close(); err != nil || d != w.Duration() || !bytes.Equal(before, m.B) {
		t.Errorf("second Close: %s, %v", d, err)
	}
}

// An Output that fails once ends the file: the error comes back from that
// call and every later one, wherever it struck.
func TestOutputFails(t *testing.T) {
	full := errors.New("no space left")
	for failAt := 1; failAt <= 7; failAt++ {
		m := &muxtest.Memory{FailAt: failAt, Err: full}
		w := webm.NewWriter(m, reelvault.WebM, start)
		var first error
		note := func(err error) {
			if first != nil && !errors.Is(err, full) {
				t.Errorf("failing at write %d: after the failure a call gives %v", failAt, err)
			}
			if first == nil {
				first = err
			}
		}
		lane, err := w.AddTrack(webm.TrackSpec{Codec: reelvault.VP8, Media: reelvault.Video})
		note(err)
		if err == nil {
			for i := range 50 {
				note(w.WriteFrame(lane, time.Duration(i)*40*time.Millisecond, 0, i == 0, []byte("frame")))
			}
			note(w.Flush(time.Hour))
		}
		_, err = w.Close()
		note(err)
		if !errors.Is(first, full) {
			t.Errorf("failing at write %d: got %v", failAt, first)
		}
		_, err = w.Close()
		note(err)
	}
}

// Equal input makes equal bytes.
func TestDeterministic(t *testing.T) {
	s := []source{opus(t, "2"), video(t, reelvault.VP8, "160x120", "2")}
	if !bytes.Equal(closed(t, s).B, closed(t, s).B) {
		t.Error("two files of the same frames differ")
	}
}

// Closing changes only the first 512 bytes of the head: one sector of the
// disk holds the old head or the new one, never a mixture.
func TestCloseChangesOneSector(t *testing.T) {
	m := &muxtest.Memory{}
	w := mux(t, m, reelvault.Matroska, []source{opus(t, "2"), video(t, reelvault.H264, "160x120", "2")})
	before := bytes.Clone(m.B[:webm.HeadSize])
	_, err := w.Close()
	must(t, err)
	if !bytes.Equal(before[512:], m.B[512:webm.HeadSize]) {
		t.Error("bytes behind the first sector changed")
	}
	if bytes.Equal(before[:512], m.B[:512]) {
		t.Error("nothing changed")
	}
}

// A picture that changes its size in the middle decodes without a word, and
// the head tells the largest one.
func TestSizeChange(t *testing.T) {
	for _, codec := range []reelvault.Codec{reelvault.VP8, reelvault.H264} {
		t.Run(string(codec), func(t *testing.T) {
			small, large := video(t, codec, "160x120", "2"), video(t, codec, "320x240", "2")
			if codec == reelvault.H264 {
				small, large = inBand(t, small), inBand(t, large)
			}
			m := &muxtest.Memory{}
			w := webm.NewWriter(m, reelvault.Matroska, start)
			lane, err := w.AddTrack(small.spec)
			must(t, err)
			for _, f := range small.samples {
				must(t, w.WriteFrame(lane, f.at, 0, f.key, f.data))
			}
			grown := small.spec
			grown.Width, grown.Height = large.spec.Width, large.spec.Height
			must(t, w.UpdateTrack(lane, grown))
			for _, f := range large.delayed(2 * time.Second).samples {
				must(t, w.WriteFrame(lane, f.at, 0, f.key, f.data))
			}
			_, err = w.Close()
			must(t, err)
			path := onDisk(t, m.B)
			wantWhole(t, path, 4*time.Second)
			sizes := map[string]int{}
			for _, line := range probe(t, path, "frame=width,height") {
				sizes[strings.Trim(line, ",")]++
			}
			if sizes["160,120"] != 50 || sizes["320,240"] != 50 {
				t.Errorf("decoded sizes: %v, want 50 of each", sizes)
			}
			if e := read1(t, m.B); e.Video.PixelWidth != 320 {
				t.Errorf("the head tells a width of %d", e.Video.PixelWidth)
			}
		})
	}
}
