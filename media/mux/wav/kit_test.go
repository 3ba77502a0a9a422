package wav_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/mux/wav"
)

const sample = time.Second / wav.Rate

// memory is an Output and a File. Its failAt'th write fails.
type memory struct {
	b         []byte
	writes    int
	repeats   []int64
	failAt    int
	err       error
	boundless bool // repeats are counted only
}

func (m *memory) write() error {
	m.writes++
	if m.failAt > 0 && m.writes >= m.failAt {
		return m.err
	}
	return nil
}

func (m *memory) Append(b []byte) error {
	if err := m.write(); err != nil {
		return err
	}
	m.b = append(m.b, b...)
	return nil
}

func (m *memory) Repeat(value byte, n int64) error {
	if err := m.write(); err != nil {
		return err
	}
	m.repeats = append(m.repeats, n)
	if !m.boundless {
		m.b = append(m.b, bytes.Repeat([]byte{value}, int(n))...)
	}
	return nil
}

func (m *memory) WriteHead(b []byte) error {
	if err := m.write(); err != nil {
		return err
	}
	m.b = slices.Concat(b, m.b[min(len(b), len(m.b)):])
	return nil
}

func (m *memory) ReadAt(b []byte, off int64) (int, error) {
	if off >= int64(len(m.b)) {
		return 0, io.EOF
	}
	n := copy(b, m.b[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (m *memory) WriteAt(b []byte, off int64) (int, error) {
	if err := m.write(); err != nil {
		return 0, err
	}
	m.b = append(m.b, make([]byte, max(0, int(off)+len(b)-len(m.b)))...)
	return copy(m.b[off:], b), nil
}

func (m *memory) Truncate(size int64) error {
	if err := m.write(); err != nil {
		return err
	}
	m.b = m.b[:size]
	return nil
}

func (m *memory) Size() int64 { return int64(len(m.b)) }

func newWriter(tb testing.TB, m *memory, c reelvault.Codec, channels int) *wav.Writer {
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
func lane(m *memory, channels, number int) []byte {
	var samples []byte
	for i := wav.HeadSize + number - 1; i < len(m.b); i += channels {
		samples = append(samples, m.b[i])
	}
	return samples
}

// wantWhole fails unless a file's sizes are those it has.
func wantWhole(tb testing.TB, m *memory, channels int) {
	tb.Helper()
	le := binary.LittleEndian
	riff, fact, data := int(le.Uint32(m.b[4:])), int(le.Uint32(m.b[46:])), int(le.Uint32(m.b[54:]))
	if riff != len(m.b)-8 || data != len(m.b)-wav.HeadSize || fact*channels != data || len(m.b)%2 != 0 {
		tb.Errorf("sizes: got RIFF %d, fact %d, data %d in a file of %d bytes with %d channels", riff, fact, data, len(m.b), channels)
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
