package depacket_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/depacket"
)

// configurationRecord gives the record that ffmpeg makes of a file of testdata.
func configurationRecord(t *testing.T, file, box string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.mp4")
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", filepath.Join("testdata", file), "-c", "copy", out)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(b, []byte(box))
	if i < 4 {
		t.Fatalf("no %s", box)
	}
	return b[i+4 : i-4+int(binary.BigEndian.Uint32(b[i-4:]))]
}

// CodecPrivate is the record that ffmpeg makes of the same stream, and changes
// with the parameter sets and the size.
func TestPrivate(t *testing.T) {
	for _, tt := range []struct {
		file, box string
		codec     reelvault.Codec
		sizes     [][2]int
	}{
		{"h264.h264", "avcC", reelvault.H264, [][2]int{{96, 64}, {96, 64}, {64, 48}}},
		{"h265.h265", "hvcC", reelvault.H265, [][2]int{{96, 64}, {96, 64}, {64, 48}}},
		{"h265-open-gop.h265", "hvcC", reelvault.H265, [][2]int{{100, 70}, {100, 70}, {100, 70}}},
		{"av1.ivf", "av1C", reelvault.AV1, [][2]int{{96, 64}, {96, 64}, {64, 48}}},
		{"av1-svt.ivf", "av1C", reelvault.AV1, [][2]int{{100, 70}, {100, 70}}},
	} {
		s := packetized(t, tt.file, tt.codec, payloader(tt.codec))
		var records [][]byte
		for _, f := range run(t, s.format, s.packets, all) {
			if !f.Key {
				if f.Private != nil || f.Width != 0 {
					t.Errorf("%s: a delta frame has a configuration or size", tt.file)
				}
				continue
			}
			if len(records) < len(tt.sizes) && [2]int{f.Width, f.Height} != tt.sizes[len(records)] {
				t.Errorf("%s, keyframe %d: got %dx%d, want %v", tt.file, len(records), f.Width, f.Height, tt.sizes[len(records)])
			}
			records = append(records, f.Private)
		}
		if len(records) != len(tt.sizes) {
			t.Fatalf("%s: got %d keyframes, want %d", tt.file, len(records), len(tt.sizes))
		}
		if want := configurationRecord(t, tt.file, tt.box); !bytes.Equal(records[0], want) {
			t.Errorf("%s: got %x, want %x", tt.file, records[0], want)
		}
		last := len(tt.sizes) - 1
		if changed := !bytes.Equal(records[0], records[last]); changed != (tt.sizes[0] != tt.sizes[last]) {
			t.Errorf("%s: the configuration has changed: %v", tt.file, changed)
		}
	}
}

// The parts of real H.264 keyframes of two sizes.
type h264Parts struct{ sps, pps, idr, delta []byte }

func h264Samples(tb testing.TB) (large, small h264Parts) {
	tb.Helper()
	for _, sent := range readFrames(tb, "h264.h264") {
		for _, unit := range annexB(sent) {
			switch unit[0] & 0x1f {
			case 7:
				large, small = small, h264Parts{sps: unit}
			case 8:
				small.pps = unit
			case 5:
				if small.idr == nil {
					small.idr = unit
				}
			case 1:
				if unit[0]&0x60 != 0 && unit[1]&0x80 != 0 {
					small.delta = unit
				}
			}
		}
	}
	return large, small
}

// h264Depacketizer gives one that has seen nothing but parameters.
func newDepacketizer(tb testing.TB, codec reelvault.Codec, fmtp string) media.Depacketizer {
	tb.Helper()
	f := format(codec)
	f.FMTP = fmtp
	d, err := depacket.New(f)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// step is one packet, or a loss, and what must come of it.
type step struct {
	payload   []byte
	timestamp uint32
	end       bool // marker bit
	lost      int
	want      [][]byte // NAL units of the frame that comes, nil if none does
}

// walk pushes packets and checks the frames of each.
func walk(t *testing.T, name string, d media.Depacketizer, steps []step) {
	t.Helper()
	for i, s := range steps {
		frames := d.Push(&media.Packet{Timestamp: s.timestamp, Marker: s.end, Payload: s.payload}, s.lost)
		switch {
		case s.want == nil && len(frames) > 0:
			t.Errorf("%s, packet %d: got %d frames, want none", name, i, len(frames))
		case s.want != nil && len(frames) != 1:
			t.Errorf("%s, packet %d: got %d frames, want one", name, i, len(frames))
		case s.want != nil && !bytes.Equal(frames[0].Data, lengthPrefix(s.want...)):
			t.Errorf("%s, packet %d: got %x, want %x", name, i, frames[0].Data, lengthPrefix(s.want...))
		}
	}
}

// stapA and fuA make the packets of RFC 6184.
func stapA(units ...[]byte) []byte {
	b := []byte{24}
	for _, unit := range units {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(unit))), unit...)
	}
	return b
}

func fuA(unit []byte, bits byte, from, to int) []byte {
	return append([]byte{unit[0]&0xe0 | 28, bits | unit[0]&0x1f}, unit[from:to]...)
}

// Access units are put together as RFC 6184 and the gate demand.
func TestH264(t *testing.T) {
	l, s := h264Samples(t)
	sei, aud, filler := []byte{6, 5, 1, 2, 0x80}, []byte{9, 0x10}, []byte{12, 0xff, 0x80}
	otherPPS := append([]byte{l.pps[0], 0x5a}, l.pps[2:]...) // of id 1
	disposable := append([]byte{1}, l.delta[1:]...)
	later := append([]byte{l.delta[0], l.delta[1] & 0x7f}, l.delta[2:]...) // not the first slice
	n := len(l.idr)
	key := step{payload: stapA(l.sps, l.pps, l.idr), timestamp: 1, end: true, want: [][]byte{l.sps, l.pps, l.idr}}
	for name, steps := range map[string][]step{
		"delimiters and filler are left out, SEI is kept behind the parameter sets": {
			{payload: aud, timestamp: 1},
			{payload: sei, timestamp: 1},
			{payload: stapA(filler, l.sps, l.pps), timestamp: 1},
			{payload: l.idr, timestamp: 1, end: true, want: [][]byte{l.sps, l.pps, sei, l.idr}},
		},
		"fragments are joined": {
			{payload: stapA(l.sps, l.pps), timestamp: 1},
			{payload: fuA(l.idr, 0x80, 1, 5), timestamp: 1},
			{payload: fuA(l.idr, 0, 5, 9), timestamp: 1},
			{payload: fuA(l.idr, 0x40, 9, n), timestamp: 1, end: true, want: [][]byte{l.sps, l.pps, l.idr}},
		},
		"a picture with an open fragment is not given": {
			key,
			{payload: fuA(l.delta, 0x80, 1, 3), timestamp: 2, end: true},
			{payload: l.delta, timestamp: 3, end: true},
		},
		"nor one with a slice before that fragment": {
			key,
			{payload: l.delta, timestamp: 2},
			{payload: fuA(later, 0x80, 1, 3), timestamp: 2, end: true},
			{payload: l.delta, timestamp: 3, end: true},
		},
		"nor one with a fragment that has no start": {
			key,
			{payload: fuA(l.delta, 0x40, 3, 5), timestamp: 2, end: true},
			{payload: l.delta, timestamp: 3, end: true},
		},
		"nor one with another unit among the fragments": {
			key,
			{payload: fuA(l.delta, 0x80, 1, 3), timestamp: 2},
			{payload: sei, timestamp: 2},
			{payload: fuA(l.delta, 0x40, 3, len(l.delta)), timestamp: 2, end: true},
			{payload: l.delta, timestamp: 3, end: true},
		},
		"nor one whose fragment starts twice": {
			key,
			{payload: fuA(l.delta, 0x80, 1, 3), timestamp: 2},
			{payload: fuA(l.delta, 0x80, 1, 3), timestamp: 2},
			{payload: fuA(l.delta, 0x40, 3, len(l.delta)), timestamp: 2, end: true},
			{payload: l.delta, timestamp: 3, end: true},
		},
		"parameter sets with a time and marker of their own belong to the next picture": {
			{payload: l.sps, timestamp: 1, end: true},
			{payload: l.pps, timestamp: 2, end: true},
			{payload: l.idr, timestamp: 3, end: true, want: [][]byte{l.sps, l.pps, l.idr}},
			{payload: sei, timestamp: 4, end: true},
			{payload: l.delta, timestamp: 5, end: true, want: [][]byte{sei, l.delta}},
		},
		"the parameter sets stand in front of every keyframe": {
			key,
			{payload: l.idr, timestamp: 2, end: true, want: [][]byte{l.sps, l.pps, l.idr}},
		},
		"with every PPS of the same SPS": {
			{payload: stapA(l.sps, otherPPS, l.pps, l.idr), timestamp: 1, end: true, want: [][]byte{l.sps, l.pps, otherPPS, l.idr}},
		},
		"a PPS on the way stays where it is, and comes with the next keyframe": {
			key,
			{payload: stapA(otherPPS, l.delta), timestamp: 2, end: true, want: [][]byte{otherPPS, l.delta}},
			{payload: l.idr, timestamp: 3, end: true, want: [][]byte{l.sps, l.pps, otherPPS, l.idr}},
		},
		"new sets replace those of the same id": {
			key,
			{payload: stapA(s.sps, s.pps, s.idr), timestamp: 2, end: true, want: [][]byte{s.sps, s.pps, s.idr}},
			{payload: s.idr, timestamp: 3, end: true, want: [][]byte{s.sps, s.pps, s.idr}},
		},
		"no keyframe comes without an SPS": {
			{payload: stapA(l.pps, l.idr), timestamp: 1, end: true},
			key,
		},
		"nor without a PPS": {
			{payload: stapA(l.sps, l.idr), timestamp: 1, end: true},
			key,
		},
		"nor when the sets that always come with it were lost: they may have changed": {
			key,
			{payload: s.idr, timestamp: 2, lost: 1, end: true},
			{payload: stapA(s.sps, s.pps, s.idr), timestamp: 3, end: true, want: [][]byte{s.sps, s.pps, s.idr}},
		},
		"nor when one of them was lost": {
			key,
			{payload: s.pps, timestamp: 2, lost: 1},
			{payload: s.idr, timestamp: 2, end: true},
			{payload: stapA(s.sps, s.pps, s.idr), timestamp: 3, end: true, want: [][]byte{s.sps, s.pps, s.idr}},
		},
		"nor when they came with a keyframe that was not given": {
			{payload: stapA(l.sps, l.pps), timestamp: 1},
			{payload: fuA(l.idr, 0x40, 9, n), timestamp: 1, lost: 1, end: true},
			{payload: s.idr, timestamp: 2, lost: 1, end: true},
			{payload: stapA(s.sps, s.pps, s.idr), timestamp: 3, end: true, want: [][]byte{s.sps, s.pps, s.idr}},
		},
		"a sender that sends them once is not made to send them again": {
			key,
			{payload: l.idr, timestamp: 2, end: true, want: [][]byte{l.sps, l.pps, l.idr}},
			{payload: l.idr, timestamp: 3, lost: 1, end: true, want: [][]byte{l.sps, l.pps, l.idr}},
		},
		"a picture without its first slice is not given": {
			key,
			{payload: later, timestamp: 2, end: true},
			{payload: l.delta, timestamp: 3, end: true},
		},
		"a marker in the middle of a picture costs the rest": {
			key,
			{payload: l.delta, timestamp: 2, end: true, want: [][]byte{l.delta}},
			{payload: later, timestamp: 2, end: true},
			{payload: l.delta, timestamp: 3, end: true},
		},
		"a hole inside a picture that nothing refers to costs no other": {
			key,
			{payload: disposable, timestamp: 2},
			{payload: later, timestamp: 2, lost: 1, end: true},
			{payload: l.delta, timestamp: 3, end: true, want: [][]byte{l.delta}},
		},
		"a hole behind it may hold others": {
			key,
			{payload: disposable, timestamp: 2},
			{payload: l.delta, timestamp: 3, lost: 1, end: true},
		},
		"and so may one before it": {
			key,
			{payload: disposable, timestamp: 2, lost: 1},
			{payload: later, timestamp: 2, lost: 1, end: true},
			{payload: l.delta, timestamp: 3, end: true},
		},
		"what is not supported or makes no sense is a loss: STAP-B": {key, {payload: append([]byte{25, 0, 0}, stapA(l.delta)[1:]...), timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"MTAP16":             {key, {payload: []byte{26, 0, 0, 0, 1, 0, 0, 0, 1}, timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"FU-B":               {key, {payload: []byte{29, 0x81, 0, 0, 1}, timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"type 0":             {key, {payload: []byte{0x60, 1}, timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"type 31":            {key, {payload: []byte{31, 1}, timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"forbidden bit":      {key, {payload: append([]byte{l.delta[0] | 0x80}, l.delta[1:]...), timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"empty STAP-A":       {key, {payload: []byte{24}, timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"STAP-A cut off":     {key, {payload: []byte{24, 0, 9, 1}, timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"STAP-A of nothing":  {key, {payload: []byte{24, 0, 0}, timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"empty FU-A":         {key, {payload: []byte{28, 0x81}, timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"FU-A start and end": {key, {payload: fuA(l.delta, 0xc0, 1, 3), timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"empty slice":        {key, {payload: []byte{0x61}, timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"SPS":                {key, {payload: stapA(l.sps[:6], l.delta), timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"huge PPS":           {key, {payload: stapA(append(bytes.Clone(l.pps), make([]byte, 5000)...), l.delta), timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
	} {
		walk(t, name, newDepacketizer(t, reelvault.H264, ""), steps)
	}
}

// Parameter sets that were negotiated serve until others come.
func TestH264Sprop(t *testing.T) {
	l, s := h264Samples(t)
	encode := base64.StdEncoding.EncodeToString
	fmtp := "packetization-mode=1; Sprop-Parameter-Sets=" + encode(l.sps) + "," + encode(l.pps) + ",%%%;profile-level-id=640009"
	walk(t, "sprop", newDepacketizer(t, reelvault.H264, fmtp), []step{
		{payload: l.idr, timestamp: 1, end: true, want: [][]byte{l.sps, l.pps, l.idr}},
		{payload: l.idr, timestamp: 2, lost: 3, end: true, want: [][]byte{l.sps, l.pps, l.idr}},
		{payload: stapA(s.sps, s.pps, s.idr), timestamp: 3, end: true, want: [][]byte{s.sps, s.pps, s.idr}},
	})
}

// Sizes follow the cropping rules in every profile (H.264, section 7.4.2.1.1).
func TestH264Size(t *testing.T) {
	l, _ := h264Samples(t)
	for _, tt := range []struct {
		name string
		sps  []byte
		want [2]int
	}{
		{"high, whole", l.sps, [2]int{96, 64}},
		{"baseline", bitString(8, 0x67, 8, 66, 8, 0xc0, 8, 30, ue, 0, ue, 4, ue, 0, ue, 4, ue, 1, 1, 0, ue, 39, ue, 29, 1, 1, 1, 1, 1, 0, 1, 0, 1, 1), [2]int{640, 480}},
		{"baseline, cropped", bitString(8, 0x67, 8, 66, 8, 0xc0, 8, 30, ue, 0, ue, 4, ue, 2, ue, 1, 1, 0, ue, 119, ue, 67, 1, 1, 1, 1, 1, 1, ue, 0, ue, 0, ue, 0, ue, 4, 1, 0, 1, 1), [2]int{1920, 1080}},
		{"interlaced, order type 1", bitString(8, 0x67, 8, 77, 8, 0, 8, 30, ue, 0, ue, 4, ue, 1, 1, 0, ue, 1, ue, 2, ue, 2, ue, 1, ue, 2, ue, 1, 1, 0, ue, 119, ue, 33, 1, 0, 1, 0, 1, 1, 1, 1, ue, 0, ue, 0, ue, 0, ue, 2, 1, 0, 1, 1), [2]int{1920, 1080}},
		{"high 4:4:4, scaling lists", bitString(8, 0x67, 8, 244, 8, 0, 8, 30, ue, 0, ue, 3, 1, 0, ue, 0, ue, 0, 1, 0, 1, 1, 1, 1, ue, 1, ue, 18, 11, 0, ue, 4, ue, 2, ue, 1, 1, 0, ue, 7, ue, 7, 1, 1, 1, 1, 1, 1, ue, 1, ue, 2, ue, 3, ue, 4, 1, 0, 1, 1), [2]int{125, 121}},
		{"high, 4:2:2", bitString(8, 0x67, 8, 122, 8, 0, 8, 30, ue, 0, ue, 2, ue, 0, ue, 0, 1, 0, 1, 0, ue, 4, ue, 2, ue, 1, 1, 0, ue, 7, ue, 7, 1, 1, 1, 1, 1, 1, ue, 1, ue, 2, ue, 3, ue, 4, 1, 0, 1, 1), [2]int{122, 121}},
		{"cropped away", bitString(8, 0x67, 8, 66, 8, 0xc0, 8, 30, ue, 0, ue, 4, ue, 2, ue, 1, 1, 0, ue, 0, ue, 0, 1, 1, 1, 1, 1, 1, ue, 4, ue, 4, ue, 0, ue, 0, 1, 0, 1, 1), [2]int{}},
		{"huge", bitString(8, 0x67, 8, 66, 8, 0xc0, 8, 30, ue, 0, ue, 4, ue, 2, ue, 1, 1, 0, ue, 1<<28, ue, 29, 1, 1, 1, 1, 1, 0, 1, 0, 1, 1), [2]int{}},
		{"id", bitString(8, 0x67, 8, 66, 8, 0xc0, 8, 30, ue, 32, ue, 4, ue, 2, ue, 1, 1, 0, ue, 39, ue, 29, 1, 1, 1, 1, 1, 0, 1, 0, 1, 1), [2]int{}},
	} {
		d := newDepacketizer(t, reelvault.H264, "")
		var got [2]int
		for _, f := range d.Push(&media.Packet{Marker: true, Payload: stapA(tt.sps, l.pps, l.idr)}, 0) {
			got = [2]int{f.Width, f.Height}
		}
		if got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// ue stands for an Exp-Golomb number in rawBits.
const ue = -1

// rawBits writes pairs of a width in bits and a value, and fills up with zeros.
func rawBits(pairs ...int) []byte {
	var bits []byte
	put := func(width, value int) {
		for i := width - 1; i >= 0; i-- {
			bits = append(bits, byte(value>>i&1))
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		width, value := pairs[i], pairs[i+1]
		if width == ue {
			value++
			for width = 1; value>>width > 0; width++ {
				put(1, 0)
			}
		}
		put(width, value)
	}
	bits = append(bits, make([]byte, (8-len(bits)%8)%8)...)
	var b []byte
	for ; len(bits) > 0; bits = bits[8:] {
		var c byte
		for _, bit := range bits[:8] {
			c = c<<1 | bit
		}
		b = append(b, c)
	}
	return b
}

// bitString is rawBits with the escapes of a NAL unit.
func bitString(pairs ...int) []byte {
	var b []byte
	zeros := 0
	for _, c := range rawBits(pairs...) {
		if zeros >= 2 && c <= 3 {
			b = append(b, 3)
			zeros = 0
		}
		zeros++
		if c != 0 {
			zeros = 0
		}
		b = append(b, c)
	}
	return b
}
