package testmedia

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Events are the instants at which beeps and flashes begin in a file.
type Events struct {
	Beeps, Flashes []time.Duration
}

// Measure decodes a file and finds its events. Sound is counted in samples
// from the track's start, as a player that plays holes closed would hear it;
// pictures have the times the container gives them. What the decoders
// complain of is an error.
func Measure(ctx context.Context, path string) (Events, error) {
	var e Events
	var err error
	if e.Beeps, err = beeps(ctx, path); err != nil {
		return e, err
	}
	e.Flashes, err = flashes(ctx, path)
	return e, err
}

const measureRate = 16000 // samples a second, plenty for a 1 kHz beep

func beeps(ctx context.Context, path string) ([]time.Duration, error) {
	start, err := probe(ctx, path, "-select_streams", "a:0", "-show_entries", "stream=start_time")
	if err != nil || start == "" {
		return nil, err
	}
	first, err := strconv.ParseFloat(start, 64)
	if err != nil {
		return nil, fmt.Errorf("start of sound in %s: %w", path, err)
	}
	pcm, err := output(ctx, "ffmpeg", "-v", "error", "-i", path, "-map", "0:a:0", "-ac", "1", "-ar", strconv.Itoa(measureRate), "-f", "s16le", "-")
	if err != nil {
		return nil, err
	}
	at := onsets(pcm)
	for i := range at {
		at[i] += time.Duration(first * float64(time.Second))
	}
	return at, nil
}

// onsets finds where loudness rises above a threshold, in steps of 2 ms, after
// at least 200 ms of quiet.
func onsets(pcm []byte) []time.Duration {
	const step, threshold, quietSteps = measureRate / 500, 2500.0, 100
	var found []time.Duration
	quiet := quietSteps
	for i := 0; i+2*step <= len(pcm); i += 2 * step {
		sum := 0.0
		for j := range step {
			v := float64(int16(binary.LittleEndian.Uint16(pcm[i+2*j:])))
			sum += v * v
		}
		if math.Sqrt(sum/step) < threshold {
			quiet++
			continue
		}
		if quiet >= quietSteps {
			found = append(found, time.Duration(i/2)*time.Second/measureRate)
		}
		quiet = 0
	}
	return found
}

func flashes(ctx context.Context, path string) ([]time.Duration, error) {
	has, err := probe(ctx, path, "-select_streams", "v:0", "-show_entries", "stream=codec_type")
	if err != nil || has == "" {
		return nil, err
	}
	text, err := output(ctx, "ffmpeg", "-v", "error", "-i", path, "-map", "0:v:0", "-enc_time_base", "-1", "-fps_mode", "passthrough",
		"-vf", "scale=16:16,signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-", "-f", "null", "/dev/null")
	if err != nil {
		return nil, err
	}
	var found []time.Duration
	var at time.Duration
	bright := false
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if _, after, ok := strings.Cut(lines.Text(), "pts_time:"); ok {
			seconds, err := strconv.ParseFloat(strings.TrimSpace(after), 64)
			if err != nil {
				return nil, fmt.Errorf("time of a picture in %s: %w", path, err)
			}
			at = time.Duration(seconds * float64(time.Second))
			continue
		}
		_, value, _ := strings.Cut(lines.Text(), "YAVG=")
		level, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("brightness of a picture in %s: %w", path, err)
		}
		if level > 140 && !bright {
			found = append(found, at)
		}
		bright = level > 140
	}
	return found, lines.Err()
}

// Pairs matches each beep with the flash nearest to it, if one is within half
// of EventEvery, and gives flash minus beep, and the beeps without a flash.
func (e Events) Pairs() (offsets, alone []time.Duration) {
	for _, b := range e.Beeps {
		best := time.Duration(math.MaxInt64)
		for _, f := range e.Flashes {
			if d := f - b; d.Abs() < best.Abs() {
				best = d
			}
		}
		if best.Abs() > EventEvery/2 {
			alone = append(alone, b)
			continue
		}
		offsets = append(offsets, best)
	}
	return offsets, alone
}

// Percentile gives the p-th percentile (0 to 100) of the offsets' magnitudes.
func Percentile(offsets []time.Duration, p int) time.Duration {
	if len(offsets) == 0 {
		return 0
	}
	magnitudes := make([]time.Duration, len(offsets))
	for i, d := range offsets {
		magnitudes[i] = d.Abs()
	}
	slices.Sort(magnitudes)
	return magnitudes[min(len(magnitudes)*p/100, len(magnitudes)-1)]
}

// Duration gives the length that a file states, as ffprobe reads it.
func Duration(ctx context.Context, path string) (time.Duration, error) {
	text, err := probe(ctx, path, "-show_entries", "format=duration")
	if err != nil {
		return 0, err
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("duration of %s: %w", path, err)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// Decode decodes every frame of a file; a word from a decoder is an error.
func Decode(ctx context.Context, path string) error {
	_, err := output(ctx, "ffmpeg", "-v", "error", "-i", path, "-f", "null", "-")
	return err
}

// DecodeVariable is Decode for a picture whose rate changes on the way. Decode
// rounds times to the rate of the first pictures, and complains where two
// fall together; here they stay in the file's own unit.
func DecodeVariable(ctx context.Context, path string) error {
	_, err := output(ctx, "ffmpeg", "-v", "error", "-i", path, "-enc_time_base", "-1", "-f", "null", "-")
	return err
}

func probe(ctx context.Context, path string, args ...string) (string, error) {
	args = append([]string{"-v", "error", "-of", "default=nw=1:nk=1"}, append(args, path)...)
	out, err := output(ctx, "ffprobe", args...)
	return strings.TrimSpace(string(out)), err
}

// output runs a program and gives its standard output. Anything on its
// standard error is an error, whatever its exit status.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w: %s", name, err, bytes.TrimSpace(stderr.Bytes()))
	}
	if stderr.Len() > 0 {
		return nil, fmt.Errorf("%s %s: %s", name, args[len(args)-1], bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
