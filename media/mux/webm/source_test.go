package webm_test

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/at-wat/ebml-go"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/mux/webm"
)

// The recipe of all test media: ffmpeg encodes its test pattern and a sine
// into Matroska, and ebml-go takes the frames out again. Nothing of the
// package under test has a part in it.

// pictureEvery is the frame interval of all test video.
const pictureEvery = 40 * time.Millisecond

// sample is one frame of a source.
type sample struct {
	at, duration time.Duration
	key          bool
	data         []byte
}

// source is one track to be written.
type source struct {
	spec    webm.TrackSpec
	samples []sample
}

// end is when the source's last frame ends.
func (s source) end() time.Duration {
	last := s.samples[len(s.samples)-1]
	if s.spec.Media == reelvault.Audio {
		return last.at + last.duration
	}
	return last.at + pictureEvery
}

// delayed gives s with every frame d later.
func (s source) delayed(d time.Duration) source {
	s.samples = slices.Clone(s.samples)
	for i := range s.samples {
		s.samples[i].at += d
	}
	return s
}

// encoders are ffmpeg's options for each codec, made as browsers do: no frames
// that refer forward, and keyframes that nothing reaches across.
var encoders = map[reelvault.Codec][]string{
	reelvault.Opus: {"-c:a", "libopus", "-b:a", "32k"},
	reelvault.VP8:  {"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "200k"},
	reelvault.VP9:  {"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "200k"},
	reelvault.AV1:  {"-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-b:v", "200k"},
	reelvault.H264: {"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-bf", "0"},
	reelvault.H265: {"-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-x265-params", "log-level=none:bframes=0:open-gop=0"},
}

// opus encodes seconds of a sine.
func opus(tb testing.TB, seconds string) source {
	tb.Helper()
	args := []string{"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=" + seconds, "-ac", "2"}
	s := demux(tb, run(tb, append(args, encoders[reelvault.Opus]...)))
	s.spec = webm.TrackSpec{Codec: reelvault.Opus, Media: reelvault.Audio, Channels: 2}
	for i := range s.samples {
		s.samples[i].at = time.Duration(i) * 20 * time.Millisecond
		s.samples[i].duration = 20 * time.Millisecond
	}
	return s
}

// video encodes seconds of the test pattern with a keyframe every second.
func video(tb testing.TB, codec reelvault.Codec, size, seconds string) source {
	tb.Helper()
	args := []string{"-f", "lavfi", "-i", "testsrc2=rate=25:size=" + size + ":duration=" + seconds, "-g", "25", "-pix_fmt", "yuv420p"}
	s := demux(tb, run(tb, append(args, encoders[codec]...)))
	s.spec.Codec, s.spec.Media = codec, reelvault.Video
	if codec == reelvault.VP8 || codec == reelvault.VP9 {
		s.spec.Private = nil // ffmpeg gives VP9 one, a browser's stream has none
	}
	return s
}

// encoded remembers what run made in this process: encoding is most of the
// time the tests take.
var encoded sync.Map

// run has ffmpeg write Matroska and gives the bytes.
func run(tb testing.TB, args []string) []byte {
	tb.Helper()
	name := strings.Join(args, " ")
	if b, ok := encoded.Load(name); ok {
		return b.([]byte) //nolint:errcheck // only run stores there
	}
	out := filepath.Join(tb.TempDir(), "source.mkv")
	args = append(append([]string{"-v", "error", "-nostdin"}, args...), "-f", "matroska", out)
	cmd := exec.CommandContext(tb.Context(), "ffmpeg", args...)
	if log, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, log)
	}
	b, err := os.ReadFile(out)
	must(tb, err)
	encoded.Store(name, b)
	return b
}

// document is the part of a Matroska file that the tests look at.
type document struct {
	EBML struct {
		DocType string `ebml:"EBMLDocType"`
	} `ebml:"EBML"`
	Segment struct {
		SeekHead []struct {
			Seek []struct {
				SeekID       []byte `ebml:"SeekID"`
				SeekPosition uint64 `ebml:"SeekPosition"`
			} `ebml:"Seek"`
		} `ebml:"SeekHead"`
		Info struct {
			TimecodeScale uint64    `ebml:"TimecodeScale"`
			Duration      float64   `ebml:"Duration"`
			DateUTC       time.Time `ebml:"DateUTC"`
			MuxingApp     string    `ebml:"MuxingApp"`
			WritingApp    string    `ebml:"WritingApp"`
		} `ebml:"Info"`
		Tracks struct {
			TrackEntry []entry `ebml:"TrackEntry"`
		} `ebml:"Tracks"`
		Cluster []struct {
			Timecode    uint64       `ebml:"Timecode"`
			SimpleBlock []ebml.Block `ebml:"SimpleBlock"`
			BlockGroup  []struct {
				Block          ebml.Block `ebml:"Block"`
				ReferenceBlock []int64    `ebml:"ReferenceBlock"`
			} `ebml:"BlockGroup"`
		} `ebml:"Cluster"`
		Cues struct {
			CuePoint []struct {
				CueTime           uint64 `ebml:"CueTime"`
				CueTrackPositions []struct {
					CueTrack            uint64 `ebml:"CueTrack"`
					CueClusterPosition  uint64 `ebml:"CueClusterPosition"`
					CueRelativePosition uint64 `ebml:"CueRelativePosition"`
				} `ebml:"CueTrackPositions"`
			} `ebml:"CuePoint"`
		} `ebml:"Cues"`
	} `ebml:"Segment"`
}

type entry struct {
	TrackNumber  uint64 `ebml:"TrackNumber"`
	TrackUID     uint64 `ebml:"TrackUID"`
	TrackType    uint64 `ebml:"TrackType"`
	FlagLacing   uint64 `ebml:"FlagLacing"`
	Name         string `ebml:"Name"`
	CodecID      string `ebml:"CodecID"`
	CodecPrivate []byte `ebml:"CodecPrivate"`
	CodecDelay   uint64 `ebml:"CodecDelay"`
	SeekPreRoll  uint64 `ebml:"SeekPreRoll"`
	Video        struct {
		PixelWidth  uint64 `ebml:"PixelWidth"`
		PixelHeight uint64 `ebml:"PixelHeight"`
	} `ebml:"Video"`
	Audio struct {
		SamplingFrequency float64 `ebml:"SamplingFrequency"`
		Channels          uint64  `ebml:"Channels"`
	} `ebml:"Audio"`
}

// place is where an element's header stands and where its body ends.
type place struct{ at, end int }

// read parses b with ebml-go; places are those of clusters and cues.
func read(tb testing.TB, b []byte) (document, map[string][]place) {
	tb.Helper()
	var d document
	places := map[string][]place{}
	hook := func(e *ebml.Element) {
		if e.Name == "Cluster" || e.Name == "Cues" {
			at := int(e.Position)
			head := 4 + leadingZeros(b[at+4]) + 1 // Size is that of the body
			places[e.Name] = append(places[e.Name], place{at, at + head + int(e.Size)})
		}
	}
	err := ebml.Unmarshal(bytes.NewReader(b), &d, ebml.WithIgnoreUnknown(true), ebml.WithElementReadHooks(hook))
	if err != nil {
		tb.Fatalf("ebml-go reads the file: %v", err)
	}
	return d, places
}

func leadingZeros(b byte) int { return bits.LeadingZeros8(b) }

// demux takes the only track out of a file by ffmpeg.
func demux(tb testing.TB, b []byte) source {
	tb.Helper()
	d, _ := read(tb, b)
	e := d.Segment.Tracks.TrackEntry[0]
	s := source{spec: webm.TrackSpec{
		Width: int(e.Video.PixelWidth), Height: int(e.Video.PixelHeight), Private: e.CodecPrivate,
	}}
	for _, c := range d.Segment.Cluster {
		add := func(b ebml.Block, key bool) {
			at := time.Duration(int64(c.Timecode)+int64(b.Timecode)) * time.Millisecond
			s.samples = append(s.samples, sample{at: at, key: key, data: b.Data[0]})
		}
		for _, b := range c.SimpleBlock {
			add(b, b.Keyframe)
		}
		for _, g := range c.BlockGroup {
			add(g.Block, len(g.ReferenceBlock) == 0)
		}
	}
	slices.SortStableFunc(s.samples, func(a, b sample) int { return int(a.at - b.at) })
	if len(s.samples) == 0 {
		tb.Fatal("ffmpeg made no frames")
	}
	return s
}

// inBand puts the parameter sets of an avcC record (ISO/IEC 14496-15, section
// 5.3.3.1) in front of each keyframe, as the depacketizer does.
func inBand(tb testing.TB, s source) source {
	tb.Helper()
	record := s.spec.Private
	var sets []byte
	at, count := 6, int(record[5]&0x1f)
	for range 2 { // SPS, then PPS
		for range count {
			n := int(binary.BigEndian.Uint16(record[at:]))
			sets = binary.BigEndian.AppendUint32(sets, uint32(n))
			sets = append(sets, record[at+2:at+2+n]...)
			at += 2 + n
		}
		if at < len(record) {
			count = int(record[at])
			at++
		}
	}
	s.samples = slices.Clone(s.samples)
	for i, f := range s.samples {
		if f.key {
			s.samples[i].data = slices.Concat(sets, f.data)
		}
	}
	return s
}
