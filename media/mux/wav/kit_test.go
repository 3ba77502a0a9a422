package wav_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/mux/muxtest"
	"github.com/reelvault/reelvault/media/mux/wav"
)

const sample = time.Second / wav.Rate

func newWriter(tb testing.TB, m *muxtest.Memory, c reelvault.Codec, channels int) *wav.Writer {
	tb.Helper()
	w, err := wav.NewWriter(m, c, channels)
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

// put writes data at a place counted in samples.
func put(tb testing.TB, w *wav.Writer, lane int, place int64, data []byte) {
	tb.Helper()
	if err := w.Write(lane, time.Duration(place)*sample, data); err != nil {
		tb.Fatal(err)
	}
}

func closed(tb testing.TB, w *wav.Writer) time.Duration {
	tb.Helper()
	d, err := w.Close()
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// lane gives the samples of one channel of a file.
func lane(m *muxtest.Memory, channels, number int) []byte {
	var samples []byte
	for i := wav.HeadSize + number - 1; i < len(m.B); i += channels {
		samples = append(samples, m.B[i])
	}
	return samples
}

// wantWhole fails unless a file's sizes are those it has.
func wantWhole(tb testing.TB, m *muxtest.Memory, channels int) {
	tb.Helper()
	le := binary.LittleEndian
	riff, fact, data := int(le.Uint32(m.B[4:])), int(le.Uint32(m.B[46:])), int(le.Uint32(m.B[54:]))
	if riff != len(m.B)-8 || data != len(m.B)-wav.HeadSize || fact*channels != data || len(m.B)%2 != 0 {
		tb.Errorf("sizes: got RIFF %d, fact %d, data %d in a file of %d bytes with %d channels", riff, fact, data, len(m.B), channels)
	}
}

// save puts a file on the disk.
func save(tb testing.TB, b []byte) string {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "call.wav")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		tb.Fatal(err)
	}
	return name
}

// run gives what a program says. A word on its standard error is a failure.
func run(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		tb.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out)
}

// noise is n bytes in which every code occurs.
func noise(n, seed int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((i+seed)*(i+seed)>>3 + i)
	}
	return b
}
