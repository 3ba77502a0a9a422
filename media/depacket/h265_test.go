package depacket_test

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// h265Parts are the parts of a real H.265 keyframe and a frame behind it.
type h265Parts struct{ vps, sps, pps, idr, delta []byte }

func h265Samples(tb testing.TB) (large, small h265Parts) {
	tb.Helper()
	for _, sent := range readFrames(tb, "h265.h265") {
		for _, unit := range annexB(sent) {
			switch kind := unit[0] >> 1; {
			case kind == 32:
				large, small = small, h265Parts{vps: unit}
			case kind == 33:
				small.sps = unit
			case kind == 34:
				small.pps = unit
			case kind >= 16 && kind <= 21:
				small.idr = unit
			case kind == 1:
				small.delta = unit
			}
		}
	}
	return large, small
}

// ap and fu make the packets of RFC 7798.
func ap(units ...[]byte) []byte {
	b := []byte{48 << 1, 1}
	for _, unit := range units {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(unit))), unit...)
	}
	return b
}

func fu(unit []byte, bits byte, from, to int) []byte {
	return append([]byte{unit[0]&0x81 | 49<<1, unit[1], bits | unit[0]>>1}, unit[from:to]...)
}

// kind gives a NAL unit another type.
func kind(unit []byte, kind byte) []byte {
	return append([]byte{unit[0]&0x81 | kind<<1}, unit[1:]...)
}

// Access units are put together as RFC 7798 and the gate demand.
func TestH265(t *testing.T) {
	l, s := h265Samples(t)
	sei, aud, filler := []byte{39 << 1, 1, 5, 0x80}, []byte{35 << 1, 1, 0x50}, []byte{38 << 1, 1, 0xff, 0x80}
	enhancement := append([]byte{l.delta[0], l.delta[1] | 8}, l.delta[2:]...) // nuh_layer_id 1
	later := append([]byte{l.delta[0], l.delta[1], l.delta[2] & 0x7f}, l.delta[3:]...)
	cra, rasl, radl := kind(l.idr, 21), kind(l.delta, 9), kind(l.delta, 7)
	n := len(l.idr)
	whole := [][]byte{l.vps, l.sps, l.pps, l.idr}
	key := step{payload: ap(whole...), timestamp: 1, end: true, want: whole}
	withCRA := [][]byte{l.vps, l.sps, l.pps, cra}
	for name, steps := range map[string][]step{
		"delimiters, filler and other layers are left out, SEI is kept behind the parameter sets": {
			{payload: aud, timestamp: 1},
			{payload: sei, timestamp: 1},
			{payload: ap(filler, l.vps, l.sps, l.pps), timestamp: 1},
			{payload: enhancement, timestamp: 1},
			{payload: l.idr, timestamp: 1, end: true, want: [][]byte{l.vps, l.sps, l.pps, sei, l.idr}},
		},
		"fragments are joined": {
			{payload: ap(l.vps, l.sps, l.pps), timestamp: 1},
			{payload: fu(l.idr, 0x80, 2, 5), timestamp: 1},
			{payload: fu(l.idr, 0, 5, 9), timestamp: 1},
			{payload: fu(l.idr, 0x40, 9, n), timestamp: 1, end: true, want: whole},
		},
		"a picture with an open fragment is not given": {
			key,
			{payload: fu(l.delta, 0x80, 2, 5), timestamp: 2, end: true},
			{payload: l.delta, timestamp: 3, end: true},
		},
		"nor one with another unit among the fragments": {
			key,
			{payload: fu(l.delta, 0x80, 2, 5), timestamp: 2},
			{payload: sei, timestamp: 2},
			{payload: fu(l.delta, 0x40, 5, len(l.delta)), timestamp: 2, end: true},
			{payload: l.delta, timestamp: 3, end: true},
		},
		"nor one without its first slice": {
			key,
			{payload: later, timestamp: 2, end: true},
			{payload: l.delta, timestamp: 3, end: true},
		},
		"parameter sets with a time of their own belong to the next picture": {
			{payload: ap(l.vps, l.sps, l.pps), timestamp: 1, end: true},
			{payload: l.idr, timestamp: 2, end: true, want: whole},
		},
		"the parameter sets stand in front of every keyframe": {
			key,
			{payload: l.idr, timestamp: 2, end: true, want: whole},
			{payload: ap(s.vps, s.sps, s.pps, s.idr), timestamp: 3, end: true, want: [][]byte{s.vps, s.sps, s.pps, s.idr}},
			{payload: s.idr, timestamp: 4, end: true, want: [][]byte{s.vps, s.sps, s.pps, s.idr}},
		},
		"no keyframe comes without a VPS": {{payload: ap(l.sps, l.pps, l.idr), timestamp: 1, end: true}, key},
		"nor without an SPS":              {{payload: ap(l.vps, l.pps, l.idr), timestamp: 1, end: true}, key},
		"nor without a PPS":               {{payload: ap(l.vps, l.sps, l.idr), timestamp: 1, end: true}, key},
		"nor when a set that always comes with it was lost": {
			key,
			{payload: ap(l.sps, l.pps, l.idr), timestamp: 2, lost: 1, end: true},
			key,
		},
		"even if it came with nothing but half a keyframe so far": {
			{payload: ap(l.vps, l.sps, l.pps), timestamp: 1},
			{payload: fu(l.idr, 0x80, 2, 5), timestamp: 1},
			{payload: l.idr, timestamp: 2, lost: 1, end: true},
			key,
		},
		"RASL pictures behind a CRA picture at the start are dropped, RADL pictures are not": {
			{payload: ap(withCRA...), timestamp: 1, end: true, want: withCRA},
			{payload: rasl, timestamp: 2, end: true},
			{payload: radl, timestamp: 3, end: true, want: [][]byte{radl}},
			{payload: l.delta, timestamp: 4, end: true, want: [][]byte{l.delta}},
			{payload: ap(withCRA...), timestamp: 5, end: true, want: withCRA},
			{payload: rasl, timestamp: 6, end: true, want: [][]byte{rasl}},
		},
		"so they are behind one that comes after a loss": {
			key,
			{payload: ap(withCRA...), timestamp: 5, lost: 1, end: true, want: withCRA},
			{payload: rasl, timestamp: 6, end: true},
		},
		"and behind a BLA picture": {
			key,
			{payload: ap(l.vps, l.sps, l.pps, kind(l.idr, 16)), timestamp: 5, end: true, want: [][]byte{l.vps, l.sps, l.pps, kind(l.idr, 16)}},
			{payload: rasl, timestamp: 6, end: true},
		},
		"what is not supported or makes no sense is a loss: PACI": {key, {payload: append([]byte{50 << 1, 1, 2, 0}, l.delta...), timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"forbidden bit":    {key, {payload: append([]byte{l.delta[0] | 0x80}, l.delta[1:]...), timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"temporal id":      {key, {payload: []byte{l.delta[0], 0, 0x80}, timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"short":            {key, {payload: l.delta[:2], timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"AP cut off":       {key, {payload: []byte{48 << 1, 1, 0, 9, 1}, timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"FU without bytes": {key, {payload: []byte{49 << 1, 1, 0x81}, timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"FU start and end": {key, {payload: fu(l.delta, 0xc0, 2, 5), timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"FU of FU":         {key, {payload: []byte{49 << 1, 1, 0x80 | 49, 1}, timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"empty slice":      {key, {payload: []byte{l.delta[0], 1, 0}, timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
		"SPS":              {key, {payload: ap(l.sps[:20], l.delta), timestamp: 2, end: true}, {payload: l.delta, timestamp: 3, end: true}},
	} {
		walk(t, name, newDepacketizer(t, reelvault.H265, ""), steps)
	}
}

// Parameter sets that were negotiated serve until others come.
func TestH265Sprop(t *testing.T) {
	l, _ := h265Samples(t)
	encode := base64.StdEncoding.EncodeToString
	fmtp := "sprop-vps=" + encode(l.vps) + ";sprop-sps=" + encode(l.sps) + ";sprop-pps=" + encode(l.pps) + ",AA==;sprop-max-don-diff=0"
	walk(t, "sprop", newDepacketizer(t, reelvault.H265, fmtp), []step{
		{payload: l.idr, timestamp: 1, end: true, want: [][]byte{l.vps, l.sps, l.pps, l.idr}},
		{payload: l.idr, timestamp: 2, lost: 3, end: true, want: [][]byte{l.vps, l.sps, l.pps, l.idr}},
	})
}

// In a real stream of open groups of pictures, started in the middle, every
// picture that comes decodes as in the whole stream.
func TestH265OpenGroups(t *testing.T) {
	s := packetized(t, "h265-open-gop.h265", reelvault.H265, payloader(reelvault.H265))
	frames := run(t, s.format, s.packets, all)
	if len(frames) != len(s.frames) {
		t.Fatalf("got %d frames, want %d", len(frames), len(s.frames))
	}
	whole := digests(t, reelvault.H265, frames)
	second := slices.IndexFunc(s.frames[1:], func(f frame) bool { return f.key }) + 1
	late := run(t, s.format, s.packets[s.frames[second].first:], all)
	if len(late) == 0 || len(late) >= len(frames)-second {
		t.Fatalf("%d of %d frames came: no RASL picture was dropped", len(late), len(frames)-second)
	}
	sums := digests(t, reelvault.H265, late)
	if len(sums) != len(late) {
		t.Errorf("ffmpeg decoded %d pictures of %d frames", len(sums), len(late))
	}
	for i, sum := range sums {
		if !slices.Contains(whole, sum) {
			t.Errorf("picture %d was not in the stream", i)
		}
	}
}

// Sizes follow the conformance window, behind any number of sub-layers
// (H.265, section 7.4.3.2.1).
func TestH265Size(t *testing.T) {
	l, _ := h265Samples(t)
	profile := []int{8, 1, 32, 0x60000000, 32, 0, 16, 0, 8, 30}
	sps := func(subLayers int, rest ...int) []byte {
		return bitString(append(append([]int{16, 33<<9 | 1, 4, 0, 3, subLayers, 1, 1}, profile...), rest...)...)
	}
	threeLayers := []int{2, 3, 2, 1, 12, 0, 88 - 32, 0, 32, 0, 8, 0, 8, 0}
	end := []int{ue, 0, ue, 0, ue, 4, 1, 1, 32, 0}
	for _, tt := range []struct {
		name string
		sps  []byte
		want [2]int
	}{
		{"whole", sps(0, append([]int{ue, 0, ue, 1, ue, 640, ue, 480, 1, 0}, end...)...), [2]int{640, 480}},
		{"window", sps(0, append([]int{ue, 0, ue, 1, ue, 104, ue, 72, 1, 1, ue, 1, ue, 1, ue, 0, ue, 1}, end...)...), [2]int{100, 70}},
		{"window, 4:2:2", sps(0, append([]int{ue, 0, ue, 2, ue, 104, ue, 72, 1, 1, ue, 1, ue, 1, ue, 0, ue, 1}, end...)...), [2]int{100, 71}},
		{"window, 4:4:4", sps(0, append([]int{ue, 0, ue, 3, 1, 0, ue, 104, ue, 72, 1, 1, ue, 1, ue, 1, ue, 0, ue, 1}, end...)...), [2]int{102, 71}},
		{"sub-layers", sps(2, append(append(threeLayers, ue, 0, ue, 1, ue, 640, ue, 480, 1, 0), end...)...), [2]int{640, 480}},
		{"nothing", sps(0, append([]int{ue, 0, ue, 1, ue, 0, ue, 480, 1, 0}, end...)...), [2]int{}},
		{"huge", sps(0, append([]int{ue, 0, ue, 1, ue, 1 << 20, ue, 480, 1, 0}, end...)...), [2]int{}},
		{"id", sps(0, append([]int{ue, 16, ue, 1, ue, 640, ue, 480, 1, 0}, end...)...), [2]int{}},
	} {
		d := newDepacketizer(t, reelvault.H265, "")
		var got [2]int
		for _, f := range d.Push(&media.Packet{Marker: true, Payload: ap(l.vps, tt.sps, l.pps, l.idr)}, 0) {
			got = [2]int{f.Width, f.Height}
		}
		if got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
