package depacket_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// av1Samples gives the OBUs of a real keyframe and a frame behind it, without
// sizes: a sequence header, a frame, a frame.
func av1Samples(tb testing.TB) (sequence, key, delta []byte) {
	tb.Helper()
	s := packetized(tb, "av1.ivf", reelvault.AV1, payloader(reelvault.AV1))
	first, second := obus(tb, s.frames[0].data), obus(tb, s.frames[1].data)
	if len(first) != 2 || len(second) != 1 {
		tb.Fatalf("%d and %d OBUs", len(first), len(second))
	}
	return first[0], first[1], second[0]
}

// obus splits a low-overhead stream and takes the sizes off.
func obus(tb testing.TB, b []byte) [][]byte {
	tb.Helper()
	var all [][]byte
	for len(b) > 0 {
		head := 1 + int(b[0]>>2&1)
		if b[0]&2 == 0 {
			tb.Fatal("an OBU has no size")
		}
		size, shift, n := 0, 0, head
		for more := true; more; n++ {
			size |= int(b[n]&0x7f) << shift
			shift += 7
			more = b[n]&0x80 != 0
		}
		obu := append([]byte{b[0] &^ 2}, b[1:head]...)
		all = append(all, append(obu, b[n:n+size]...))
		b = b[n+size:]
	}
	return all
}

// elements makes a packet in which every element has its length (W = 0).
func elements(flags byte, obus ...[]byte) []byte {
	b := []byte{flags}
	for _, obu := range obus {
		b = append(leb128(b, len(obu)), obu...)
	}
	return b
}

func leb128(b []byte, v int) []byte {
	for ; v > 127; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

// sized gives an OBU its size.
func sized(obu []byte) []byte {
	head := 1 + int(obu[0]>>2&1)
	b := append([]byte{obu[0] | 2}, obu[1:head]...)
	return append(leb128(b, len(obu)-head), obu[head:]...)
}

// Temporal units are put together as the AV1 RTP payload format and the gate
// demand.
func TestAV1(t *testing.T) {
	sequence, key, delta := av1Samples(t)
	const z, y, n = 0x80, 0x40, 0x08
	delimiter, tiles, padding, metadata := []byte{2 << 3}, []byte{8 << 3, 1}, []byte{15 << 3, 1, 0x80}, []byte{5 << 3, 1, 2}
	extended := append([]byte{delta[0] | 4, 0x20}, delta[1:]...)
	hidden := append([]byte{key[0], key[1] &^ 0x10}, key[2:]...) // show_frame 0
	deltaTwice := append(bytes.Clone(delta), 0)
	first := step{payload: elements(n, sequence, key), timestamp: 1, end: true, want: [][]byte{sequence, key}}
	gated := step{payload: elements(0, delta), timestamp: 9, end: true}
	for name, steps := range map[string][]step{
		"OBUs get sizes, with or without lengths in the packet": {
			first,
			{payload: append(elements(0x20|n, sequence), key...), timestamp: 2, end: true, want: [][]byte{sequence, key}},
			{payload: append([]byte{0x10}, delta...), timestamp: 3, end: true, want: [][]byte{delta}},
			{payload: elements(0x00, sized(delta)), timestamp: 4, end: true, want: [][]byte{delta}},
			{payload: elements(0x00, extended, metadata), timestamp: 5, end: true, want: [][]byte{extended, metadata}},
		},
		"temporal delimiters, tile lists and padding are left out": {
			{payload: elements(n, delimiter, sequence, padding, key, tiles), timestamp: 1, end: true, want: [][]byte{sequence, key}},
			{payload: elements(0, delimiter), timestamp: 2, end: true},
			{payload: elements(0, delta), timestamp: 3, end: true, want: [][]byte{delta}},
		},
		"fragments are joined, also several in one packet": {
			{payload: elements(n|y, sequence, key[:5]), timestamp: 1},
			{payload: elements(z|y, key[5:9]), timestamp: 1},
			{payload: elements(z|y, key[9:], metadata[:1]), timestamp: 1},
			{payload: elements(z, metadata[1:], padding), timestamp: 1, end: true, want: [][]byte{sequence, key, metadata}},
		},
		"an open fragment at the end is a loss": {
			first,
			{payload: elements(y, delta[:4]), timestamp: 2, end: true},
			gated,
		},
		"so is one behind a whole frame": {
			first,
			{payload: elements(y, delta, metadata[:1]), timestamp: 2, end: true},
			gated,
		},
		"so is a fragment without a start": {
			first,
			{payload: elements(z, delta[4:]), timestamp: 2, end: true},
			gated,
		},
		"or one that does not go on": {
			first,
			{payload: elements(y, delta[:4]), timestamp: 2},
			{payload: elements(0, delta), timestamp: 2, end: true},
			gated,
		},
		"or one with a hole in it": {
			first,
			{payload: elements(y, delta[:4]), timestamp: 2},
			{payload: elements(z, delta[9:]), timestamp: 2, lost: 1, end: true},
			gated,
		},
		"a keyframe without a sequence header opens nothing": {
			{payload: elements(0, key), timestamp: 1, end: true},
			gated,
			first,
		},
		"nor does one that is not shown": {
			{payload: elements(n, sequence, hidden), timestamp: 1, end: true},
			gated,
		},
		"a sequence header of its own time belongs to the next unit": {
			{payload: elements(n, sequence), timestamp: 1, end: true},
			{payload: elements(0, key), timestamp: 2, end: true, want: [][]byte{sequence, key}},
		},
		"after a hole a keyframe is whole only if the sequence header comes first": {
			first,
			{payload: elements(0, metadata, sequence, key), timestamp: 2, lost: 1, end: true},
			{payload: elements(n, sequence, metadata, key), timestamp: 3, lost: 1, end: true, want: [][]byte{sequence, metadata, key}},
		},
		"what makes no sense is a loss: nothing but a header": {first, {payload: []byte{0}, timestamp: 2, end: true}, gated},
		"an element cut off":               {first, {payload: []byte{0, 9, 1}, timestamp: 2, end: true}, gated},
		"a length cut off":                 {first, {payload: []byte{0, 0x80}, timestamp: 2, end: true}, gated},
		"a length without end":             {first, {payload: append([]byte{0}, bytes.Repeat([]byte{0x80}, 12)...), timestamp: 2, end: true}, gated},
		"fewer elements than announced":    {first, {payload: elements(0x30, delta), timestamp: 2, end: true}, gated},
		"an empty element":                 {first, {payload: elements(0, nil, delta), timestamp: 2, end: true}, gated},
		"a forbidden bit":                  {first, {payload: elements(0, append([]byte{delta[0] | 0x80}, delta[1:]...)), timestamp: 2, end: true}, gated},
		"an extension cut off":             {first, {payload: elements(0, []byte{delta[0] | 4}), timestamp: 2, end: true}, gated},
		"a size that is not the element's": {first, {payload: elements(0, append(sized(delta), 0)), timestamp: 2, end: true}, gated},
		"a sequence header cut off":        {first, {payload: elements(0, sequence[:5], delta), timestamp: 2, end: true}, gated},
		"an empty frame":                   {first, {payload: elements(0, delta[:1]), timestamp: 2, end: true}, gated},
		"a frame too long is still whole":  {first, {payload: elements(0, deltaTwice), timestamp: 2, end: true, want: [][]byte{deltaTwice}}},
	} {
		d := newDepacketizer(t, reelvault.AV1, "")
		for i, s := range steps {
			var want []byte
			for _, obu := range s.want {
				want = append(want, sized(obu)...)
			}
			frames := d.Push(&media.Packet{Timestamp: s.timestamp, Marker: s.end, Payload: s.payload}, s.lost)
			if len(frames) > 1 || (len(frames) == 1) != (want != nil) || want != nil && !bytes.Equal(frames[0].Data, want) {
				t.Errorf("%s, packet %d: got %d frames, want %x", name, i, len(frames), want)
			}
		}
	}
}

// Size and configuration record follow from every form of sequence header
// (AV1, section 5.5).
func TestAV1Sequence(t *testing.T) {
	_, key, _ := av1Samples(t)
	size := []int{4, 9, 4, 8, 10, 639, 9, 479}
	for _, tt := range []struct {
		name   string
		fields []int
		key    []byte
		record []byte // its first four bytes, nil if the header makes no sense
	}{
		{
			"reduced",
			slices.Concat([]int{3, 0, 1, 1, 1, 1, 5, 4}, size, []int{3, 0, 3, 0}, []int{1, 0, 1, 0, 1, 0, 1, 0, 2, 1, 9, 0}),
			[]byte{6 << 3, 0xff},
			[]byte{0x81, 0x04, 0x0d, 0},
		},
		{
			"timing, decoder model, two operating points, frame ids, no tools",
			slices.Concat(
				[]int{3, 0, 1, 0, 1, 0, 1, 1, 32, 1, 32, 25, 1, 1, 3, 1, 2, 1, 1, 1, 5, 9, 32, 7, 5, 3, 5, 3},
				[]int{1, 1, 5, 1},
				[]int{12, 0, 5, 9, 1, 1, 1, 1, 10, 5, 10, 5, 1, 0, 1, 1, 4, 3},
				[]int{12, 0, 5, 4, 1, 0, 1, 0},
				size, []int{1, 1, 4, 1, 3, 1, 3, 0},
				[]int{4, 0, 1, 0, 1, 0, 1, 0, 3, 0},
				[]int{1, 1, 1, 0, 1, 1, 8, 9, 8, 16, 8, 9, 1, 0, 2, 2, 9, 0},
			),
			key,
			[]byte{0x81, 0x09, 0xce, 0},
		},
		{
			"profile 1, sRGB",
			slices.Concat([]int{3, 1, 1, 1, 1, 1, 5, 4}, size, []int{6, 0}, []int{1, 0, 1, 1, 8, 1, 8, 13, 8, 0, 9, 0}),
			key,
			[]byte{0x81, 0x24, 0x00, 0},
		},
		{
			"monochrome",
			slices.Concat([]int{3, 0, 1, 1, 1, 1, 5, 4}, size, []int{6, 0}, []int{1, 0, 1, 1, 1, 0, 1, 1, 9, 0}),
			key,
			[]byte{0x81, 0x04, 0x1c, 0},
		},
		{
			"profile 2, 12 bits, 4:2:2",
			slices.Concat([]int{3, 2, 1, 1, 1, 1, 5, 4}, size, []int{6, 0}, []int{1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 9, 0}),
			key,
			[]byte{0x81, 0x44, 0x68, 0},
		},
		{
			"profile 2, 10 bits",
			slices.Concat([]int{3, 2, 1, 1, 1, 1, 5, 4}, size, []int{6, 0}, []int{1, 1, 1, 0, 1, 0, 1, 0, 1, 0, 9, 0}),
			key,
			[]byte{0x81, 0x44, 0x48, 0},
		},
		{"profile 3", slices.Concat([]int{3, 3, 1, 1, 1, 1, 5, 4}, size, []int{6, 0}, []int{16, 0}), key, nil},
	} {
		header := append([]byte{1 << 3}, rawBits(tt.fields...)...)
		d := newDepacketizer(t, reelvault.AV1, "")
		frames := d.Push(&media.Packet{Marker: true, Payload: elements(8, header, tt.key)}, 0)
		if tt.record == nil {
			if len(frames) > 0 {
				t.Errorf("%s: got a frame", tt.name)
			}
			continue
		}
		want := append(bytes.Clone(tt.record), sized(header)...)
		if len(frames) != 1 || frames[0].Width != 640 || frames[0].Height != 480 || !bytes.Equal(frames[0].Private, want) {
			t.Errorf("%s: got %+v, want 640x480 and %x", tt.name, frames, want)
		}
	}
}
