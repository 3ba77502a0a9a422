// Package testmedia makes real media for tests and measures what became of
// it: a beep and a white frame at the same instants, encoded by ffmpeg, sent
// as RTP through whatever impairment a test wants, and found again by
// decoding the recording. Its load generator and its publishers speak WHIP to
// any server, and its recording client calls any session recording server by
// SIPREC, with voices in G.711.
//
// Tests import it, and the command, whose demo is played by its publishers.
package testmedia

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/pion/webrtc/v4/pkg/media/ivfreader"
	"github.com/pion/webrtc/v4/pkg/media/oggreader"

	"github.com/reelvault/reelvault"
)

// EventEvery is the time between two beeps, and between two flashes.
const EventEvery = time.Second

// firstEvent is when the first pair is: in the middle of a second, so that it
// falls on no keyframe of a clip whose keyframes are on full seconds.
const firstEvent = 500 * time.Millisecond

// ClipSpec says what to encode.
type ClipSpec struct {
	Video    reelvault.Codec // VP8, VP9, H264, H265 or AV1; empty: no video
	Width    int
	Height   int
	FPS      int
	KeyEvery time.Duration // keyframe interval
	BitRate  int           // of the video, bits a second
	Duration time.Duration // whole seconds
	NoAudio  bool
	Hiss     bool // quiet noise under the beeps, so that no two frames of sound are the same
}

// Encoded is one encoded frame of a clip.
type Encoded struct {
	At   time.Duration // of its capture, from the clip's start
	Data []byte
	Key  bool
}

// Clip is encoded media that can be sent once or over and over: it begins
// with a keyframe, and lasts whole seconds.
type Clip struct {
	ClipSpec
	VideoFrames []Encoded
	AudioFrames []Encoded // of 20 ms
}

// Encode makes a clip with ffmpeg: a 1 kHz beep of 60 ms and one or two white
// frames begin together every EventEvery, starting half a second in.
func Encode(ctx context.Context, s ClipSpec) (*Clip, error) {
	dir, err := os.MkdirTemp("", "clip")
	if err != nil {
		return nil, fmt.Errorf("make clip folder: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	c := &Clip{ClipSpec: s}
	if s.Video != "" {
		if c.VideoFrames, err = encodeVideo(ctx, s, filepath.Join(dir, "video")); err != nil {
			return nil, err
		}
	}
	if !s.NoAudio {
		if c.AudioFrames, err = encodeAudio(ctx, s, filepath.Join(dir, "a.ogg")); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Read gives the clip of two files that were encoded as s says: VP8, VP9 or AV1
// in IVF, and Opus in Ogg, 20 ms a page. A nil one is a medium the clip lacks.
func Read(s ClipSpec, ivf, ogg []byte) (*Clip, error) {
	c := &Clip{ClipSpec: s}
	if ivf != nil {
		pictures, err := splitIVF(ivf)
		if err != nil {
			return nil, fmt.Errorf("read clip: %w", err)
		}
		c.VideoFrames = s.frames(pictures)
	}
	if ogg != nil {
		sound, err := readOgg(ogg, s.Duration)
		if err != nil {
			return nil, err
		}
		c.AudioFrames = sound
	}
	return c, nil
}

// Join gives a clip that plays a and then b, as of a camera that changes its
// size on the way. Both have the same codec and whole seconds.
func Join(a, b *Clip) *Clip {
	c := *a
	c.Duration += b.Duration
	c.VideoFrames = append(slices.Clone(a.VideoFrames), later(b.VideoFrames, a.Duration)...)
	c.AudioFrames = append(slices.Clone(a.AudioFrames), later(b.AudioFrames, a.Duration)...)
	return &c
}

func later(frames []Encoded, by time.Duration) []Encoded {
	frames = slices.Clone(frames)
	for i := range frames {
		frames[i].At += by
	}
	return frames
}

// encoders are ffmpeg's options for each codec.
var encoders = map[reelvault.Codec][]string{
	reelvault.VP8: {"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-lag-in-frames", "0", "-error-resilient", "1"},
	reelvault.VP9: {"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-lag-in-frames", "0"},
	reelvault.AV1: {"-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-lag-in-frames", "0"},
	reelvault.H264: {
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline",
		"-x264-params", "aud=1:repeat-headers=1:scenecut=0",
	},
	reelvault.H265: {
		"-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency",
		"-x265-params", "aud=1:repeat-headers=1:scenecut=0:open-gop=0:log-level=none",
	},
}

func encodeVideo(ctx context.Context, s ClipSpec, path string) ([]Encoded, error) {
	options, ok := encoders[s.Video]
	if !ok {
		return nil, fmt.Errorf("encode clip: no encoder for %q", s.Video)
	}
	source := fmt.Sprintf("color=c=black:s=%dx%d:r=%d:d=%g,noise=alls=12:allf=t,"+
		"drawbox=enable='between(mod(n,%d),%d,%d)':c=white:t=fill",
		s.Width, s.Height, s.FPS, s.Duration.Seconds(),
		s.FPS, s.FPS/2, s.FPS/2+max(s.FPS/15-1, 0))
	args := append([]string{"-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p"}, options...)
	keyEvery := s.keyEvery()
	format, split := "ivf", splitIVF
	switch s.Video {
	case reelvault.H264:
		format, split = "h264", splitAt([]byte{0, 0, 0, 1, 9})
	case reelvault.H265:
		format, split = "hevc", splitAt([]byte{0, 0, 0, 1, 35 << 1, 1})
	default:
	}
	args = append(args, "-b:v", fmt.Sprint(s.BitRate), "-g", fmt.Sprint(keyEvery), "-keyint_min", fmt.Sprint(keyEvery), "-f", format, "-y", path)
	if err := run(ctx, "ffmpeg", args...); err != nil {
		return nil, err
	}
	stream, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pictures, err := split(stream)
	if err != nil {
		return nil, fmt.Errorf("read clip: %w", err)
	}
	return s.frames(pictures), nil
}

// frames gives pictures their times.
func (s ClipSpec) frames(pictures [][]byte) []Encoded {
	keyEvery := s.keyEvery()
	frames := make([]Encoded, len(pictures))
	for i, data := range pictures {
		at := time.Duration(i) * time.Second / time.Duration(s.FPS)
		frames[i] = Encoded{At: at, Data: data, Key: i%keyEvery == 0}
	}
	return frames
}

// keyEvery gives the keyframe interval in pictures.
func (s ClipSpec) keyEvery() int { return int(s.KeyEvery.Seconds() * float64(s.FPS)) }

func splitIVF(stream []byte) ([][]byte, error) {
	r, _, err := ivfreader.NewWith(bytes.NewReader(stream))
	if err != nil {
		return nil, err
	}
	var pictures [][]byte
	for {
		data, _, err := r.ParseNextFrame()
		if errors.Is(err, io.EOF) {
			return pictures, nil
		}
		if err != nil {
			return nil, err
		}
		pictures = append(pictures, data)
	}
}

// splitAt cuts a byte stream before each access unit delimiter.
func splitAt(delimiter []byte) func([]byte) ([][]byte, error) {
	return func(stream []byte) ([][]byte, error) {
		parts := bytes.Split(stream, delimiter)
		pictures := make([][]byte, 0, len(parts))
		for _, p := range parts[1:] {
			pictures = append(pictures, append(bytes.Clone(delimiter), p...))
		}
		return pictures, nil
	}
}

func encodeAudio(ctx context.Context, s ClipSpec, path string) ([]Encoded, error) {
	// The encoder's look-ahead is cut off, so that frame n really is the sound
	// from n*20 ms on: what a browser's microphone path would give.
	const lookAhead = "0.0065"
	hiss := 0.0
	if s.Hiss {
		hiss = 0.02
	}
	source := fmt.Sprintf("aevalsrc='0.6*sin(2*PI*1000*t)*between(mod(t+%s,1),%g,%g)+%g*random(0)':s=48000:d=%g",
		lookAhead, firstEvent.Seconds(), firstEvent.Seconds()+0.06, hiss, s.Duration.Seconds()+0.1)
	args := []string{
		"-v", "error", "-f", "lavfi", "-i", source, "-c:a", "libopus", "-b:a", "32k", "-application", "lowdelay",
		"-frame_duration", "20", "-page_duration", "20000", "-y", path,
	}
	if err := run(ctx, "ffmpeg", args...); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return readOgg(data, s.Duration)
}

func readOgg(data []byte, length time.Duration) ([]Encoded, error) {
	r, _, err := oggreader.NewWith(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read clip: %w", err)
	}
	var frames []Encoded
	for {
		page, _, err := r.ParseNextPage()
		at := time.Duration(len(frames)) * 20 * time.Millisecond
		if errors.Is(err, io.EOF) || at >= length {
			return frames, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read clip: %w", err)
		}
		if bytes.HasPrefix(page, []byte("OpusTags")) {
			continue
		}
		frames = append(frames, Encoded{At: at, Data: page, Key: true})
	}
}

// run runs a program and gives what it complained of.
func run(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("run %s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return nil
}
