// Package telephony_test has the real program record telephone calls: of our
// own recording client, and of sipp from Debian.
package telephony_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// patience is how long a test waits for what has to come, on a machine with
// other things to do.
const patience = time.Minute

// phone is a node that takes calls.
type phone struct {
	*node.Node

	sip int
}

// program is built once for all tests.
var program string

// rtpRanges are the ports of the nodes' media. Each node has a range of its
// own, and each range rests for long: a late packet of one test so comes to no
// other.
var rtpRanges = func() chan int {
	const first, nodes = 20000, 48
	all := make(chan int, nodes)
	for n := range nodes {
		all <- first + n*rtpPorts
	}
	return all
}()

// rtpPorts is how many ports for media a node has: those of 50 calls.
const rtpPorts = 200

// together is how many tests run at a time: they wait for calls to be over, and
// do not need a processor each.
const together = "12"

func TestMain(m *testing.M) { os.Exit(run(m)) } //nolint:forbidigo // what main of a test does

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "telephony")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	if err = flag.Set("test.parallel", together); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if program, err = node.Build(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func newPhone(tb testing.TB) *phone {
	tb.Helper()
	port, err := node.FreePort(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	first := <-rtpRanges
	rtpRanges <- first
	args := []string{"--sip-port", strconv.Itoa(port), "--rtp-ports", fmt.Sprintf("%d-%d", first, first+rtpPorts-1)}
	n, err := node.Start(tb.Context(), node.Spec{Program: program, Dir: tb.TempDir(), Args: args})
	if err != nil {
		tb.Fatal(err)
	}
	p := &phone{n, port}
	tb.Cleanup(func() {
		if err := n.Terminate(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			tb.Error(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := n.Wait(ctx); err != nil {
			tb.Errorf("%v\n%s", err, n.Log())
		}
		if tb.Failed() {
			tb.Log(n.Log())
		}
	})
	return p
}

func (p *phone) target() string { return fmt.Sprintf("127.0.0.1:%d", p.sip) }

// get reads JSON of the API.
func (p *phone) get(tb testing.TB, path string, into any) {
	tb.Helper()
	if err := p.JSON(tb.Context(), http.MethodGet, path, nil, into); err != nil {
		tb.Fatal(err)
	}
}

// session is what the API says of one.
type session struct {
	ID, ExternalID, Name, Channel, Source, Status, TerminationReason string
	Live                                                             bool
	Participants                                                     []struct{ ID, Role, Name, Address string }
}

// sessions lists all.
func (p *phone) sessions(tb testing.TB) []session {
	tb.Helper()
	var list struct{ Items []session }
	p.get(tb, "/api/v1/sessions?limit=500", &list)
	return list.Items
}

// spooled waits until so many bytes of recordings are in files.
func (p *phone) spooled(tb testing.TB, bytes int) {
	tb.Helper()
	for deadline := time.Now().Add(patience); ; {
		n, err := p.Metric(tb.Context(), "reelvault_recorder_bytes_total")
		if err != nil {
			tb.Fatal(err)
		}
		if int(n) >= bytes {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("%v bytes were written, want %d", n, bytes)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// ended waits until there is a session that is over and whose recordings can
// be played, and gives both.
func (p *phone) ended(tb testing.TB, id string) (session, []node.Recording) {
	tb.Helper()
	return p.endedWithin(tb, id, patience)
}

func (p *phone) endedWithin(tb testing.TB, id string, wait time.Duration) (session, []node.Recording) {
	tb.Helper()
	for deadline := time.Now().Add(wait); ; {
		for _, s := range p.sessions(tb) {
			if s.Live || id != "" && s.ExternalID != id {
				continue
			}
			all, err := p.Recordings(tb.Context(), s.ID)
			if err != nil {
				tb.Fatal(err)
			}
			if len(all) > 0 && !slices.ContainsFunc(all, func(r node.Recording) bool {
				return r.State != "ready" || len(r.Files) == 0 || r.Files[0].PlaybackURL == ""
			}) {
				return s, all
			}
		}
		if time.Now().After(deadline) {
			tb.Fatalf("no call ended; sessions: %+v\n%s", p.sessions(tb), p.Log())
		}
		<-time.After(50 * time.Millisecond)
	}
}

// wave is a WAVE file of G.711.
type wave struct {
	law      reelvault.Codec
	channels int
	data     []byte
}

func (p *phone) wave(tb testing.TB, url string) wave {
	tb.Helper()
	b, err := p.Do(tb.Context(), http.MethodGet, url, nil)
	if err != nil {
		tb.Fatal(err)
	}
	w, err := readWave(b)
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

func readWave(b []byte) (wave, error) {
	var w wave
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return w, fmt.Errorf("no WAVE file: %.40q", b)
	}
	for rest := b[12:]; len(rest) >= 8; {
		size := int(binary.LittleEndian.Uint32(rest[4:]))
		body := rest[8:min(8+size, len(rest))]
		switch string(rest[:4]) {
		case "fmt ":
			switch binary.LittleEndian.Uint16(body) {
			case 6:
				w.law = reelvault.PCMA
			case 7:
				w.law = reelvault.PCMU
			}
			w.channels = int(binary.LittleEndian.Uint16(body[2:]))
		case "data":
			w.data = body
		}
		rest = rest[min(8+size+size%2, len(rest)):]
	}
	if w.law == "" || w.channels == 0 {
		return w, errors.New("no G.711 in the WAVE file")
	}
	return w, nil
}

// codes gives what one channel holds.
func (w wave) codes(channel int) []byte {
	var all []byte
	for i := channel; i < len(w.data); i += w.channels {
		all = append(all, w.data[i])
	}
	return all
}

// samples decodes one channel.
func (w wave) samples(channel int) []float64 {
	var all []float64
	for _, code := range w.codes(channel) {
		all = append(all, float64(testmedia.DecodeG711(w.law, code)))
	}
	return all
}

// snr gives the signal-to-noise ratio, in dB, of a tone in samples, and its
// amplitude: all that is not the tone is noise.
func snr(samples []float64, hertz float64) (decibel, amplitude float64) {
	var sin, cos, power float64
	for i, s := range samples {
		phase := 2 * math.Pi * hertz * float64(i) / 8000
		sin += s * math.Sin(phase)
		cos += s * math.Cos(phase)
		power += s * s
	}
	n := float64(len(samples))
	amplitude = 2 * math.Hypot(sin, cos) / n
	signal := n * amplitude * amplitude / 2
	return 10 * math.Log10(signal/max(power-signal, 1e-9)), amplitude
}

// bounds gives the first sample that is not silence, and the one behind the
// last.
func (w wave) bounds(channel int) (begin, end int) {
	silence := byte(0xff)
	if w.law == reelvault.PCMA {
		silence = 0xd5
	}
	codes := w.codes(channel)
	begin = -1
	for i, c := range codes {
		if c != silence {
			if begin < 0 {
				begin = i
			}
			end = i + 1
		}
	}
	return max(begin, 0), end
}

// sound says how long it is from the first sample that is not silence to the
// last one.
func (w wave) sound(channel int) time.Duration {
	begin, end := w.bounds(channel)
	return time.Duration(end-begin) * time.Second / 8000
}

// hertz are the tones of the caller and the callee. No two packets of a second
// are the same.
var hertz = []float64{441, 1213}

func tones(law reelvault.Codec) []testmedia.Voice {
	return []testmedia.Voice{
		{Name: "Alice", Address: "sip:alice@example.org", Law: law, Sound: testmedia.Tone(law, hertz[0], time.Second)},
		{Name: "Bob", Address: "sip:bob@example.org", Law: law, Sound: testmedia.Tone(law, hertz[1], time.Second)},
	}
}
