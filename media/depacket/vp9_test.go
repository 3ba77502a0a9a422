package depacket_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/depacket"
)

// vp9Packet is a packet of a stream of spatial and temporal layers.
type vp9Packet struct {
	id        uint16 // 15 bits
	flexible  bool
	refs      []byte // how far back, in flexible mode
	base      byte   // TL0PICIDX, otherwise
	temporal  byte
	switchUp  bool
	spatial   byte
	below     bool // it refers to the layer below
	key       bool
	fragile   bool // not error resilient
	notFirst  bool // of its layer frame
	notLast   bool
	end       bool // of the picture
	lost      bool
	sizes     [][2]uint16
	tail      []byte
	timestamp uint32 // id if zero
}

// body is the layer frame: an uncompressed header and its identity.
func (p vp9Packet) body() []byte {
	switch {
	case p.notFirst:
		return []byte("more")
	case p.key: // error resilient, 64x48
		return append([]byte{0x83, 0x49, 0x83, 0x42, 0, 0x03, 0xf0, 0x02, 0xf0, byte(p.id), p.spatial}, p.tail...)
	case p.fragile:
		return append([]byte{0x86, byte(p.id), p.spatial}, p.tail...)
	default:
		return append([]byte{0x87, byte(p.id), p.spatial}, p.tail...)
	}
}

func (p vp9Packet) packet() *media.Packet {
	b := []byte{0xa0, 0x80 | byte(p.id>>8), byte(p.id), p.temporal<<5 | p.spatial<<1}
	if !p.key && (len(p.refs) > 0 || !p.flexible && !p.below) {
		b[0] |= 0x40
	}
	if p.switchUp {
		b[3] |= 0x10
	}
	if p.below {
		b[3] |= 0x01
	}
	if !p.notFirst {
		b[0] |= 0x08
	}
	if !p.notLast {
		b[0] |= 0x04
	}
	if p.flexible {
		b[0] |= 0x10
		for i, ref := range p.refs {
			more := byte(1)
			if i == len(p.refs)-1 {
				more = 0
			}
			b = append(b, ref<<1|more)
		}
	} else {
		b = append(b, p.base)
	}
	if len(p.sizes) > 0 {
		b[0] |= 0x02
		b = append(b, byte(len(p.sizes)-1)<<5|0x18)
		for _, size := range p.sizes {
			b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, size[0]), size[1])
		}
		b = append(b, 2, 0x10, 0x04, 1) // a picture group of two, one of them with a reference
	}
	timestamp := p.timestamp
	if timestamp == 0 {
		timestamp = uint32(p.id)
	}
	return &media.Packet{Timestamp: timestamp, Marker: p.end, Payload: append(b, p.body()...)}
}

// vp9Layers says which layers a frame of such packets holds, each as its
// picture ID and spatial layer.
func vp9Layers(t *testing.T, data []byte) [][2]byte {
	t.Helper()
	marker := data[len(data)-1]
	if marker>>3 != 0xc0>>3|3 {
		return [][2]byte{[2]byte(data[len(data)-2:])}
	}
	count := int(marker&7) + 1
	index := data[len(data)-2-4*count:]
	if index[0] != marker {
		t.Fatalf("the index of the superframe begins with %x", index[0])
	}
	var layers [][2]byte
	for i := range count {
		size := binary.LittleEndian.Uint32(index[1+4*i:])
		layers = append(layers, [2]byte(data[size-2:size]))
		data = data[size:]
	}
	if len(data) != len(index) {
		t.Fatalf("%d bytes of the superframe are in no frame", len(data)-len(index))
	}
	return layers
}

// Of each picture those layer frames come, in one superframe, whose
// references are proved to have come.
func TestVP9Layers(t *testing.T) {
	type layers = [][2]byte
	key0 := vp9Packet{id: 1, key: true, base: 10}
	key1 := vp9Packet{id: 1, spatial: 1, below: true, base: 10, end: true}
	single := vp9Packet{id: 1, key: true, flexible: true, end: true}
	for _, tt := range []struct {
		name    string
		packets []vp9Packet
		want    []layers
		needKey bool
	}{
		{"both layers of a picture make a superframe", []vp9Packet{
			key0, key1,
			{id: 2, base: 11},
			{id: 2, base: 11, spatial: 1, end: true},
		}, []layers{{{1, 0}, {1, 1}}, {{2, 0}, {2, 1}}}, false},
		{"a lost upper spatial layer spares the lower one", []vp9Packet{
			key0, key1,
			{id: 2, base: 11},
			{id: 2, base: 11, spatial: 1, end: true, lost: true},
			{id: 3, base: 12},
			{id: 3, base: 12, spatial: 1, end: true},
		}, []layers{{{1, 0}, {1, 1}}, {{2, 0}}, {{3, 0}}}, true},
		{"a lost lower layer leaves an upper one that does without", []vp9Packet{
			key0, key1,
			{id: 2, base: 11, lost: true},
			{id: 2, base: 11, spatial: 1, end: true},
			{id: 3, base: 12},
			{id: 3, base: 12, spatial: 1, end: true},
		}, []layers{{{1, 0}, {1, 1}}, {{2, 1}}, {{3, 1}}}, true},
		{"a lost lower layer takes along an upper one that needs it", []vp9Packet{
			key0, key1,
			{id: 2, base: 11, lost: true},
			{id: 2, base: 11, spatial: 1, below: true, end: true},
			{id: 3, base: 12},
			{id: 3, base: 12, spatial: 1, end: true},
		}, []layers{{{1, 0}, {1, 1}}}, true},
		{"half an upper layer is none", []vp9Packet{
			key0, key1,
			{id: 2, base: 11},
			{id: 2, base: 11, spatial: 1, notLast: true},
			{id: 2, base: 11, spatial: 1, notFirst: true, notLast: true, lost: true},
			{id: 2, base: 11, spatial: 1, notFirst: true, end: true},
			{id: 3, base: 12, end: true},
		}, []layers{{{1, 0}, {1, 1}}, {{2, 0}}, {{3, 0}}}, true},
		{"a keyframe without its upper layer closes that layer", []vp9Packet{
			key0,
			{id: 1, spatial: 1, below: true, base: 10, end: true, lost: true},
			{id: 2, base: 11},
			{id: 2, base: 11, spatial: 1, end: true},
		}, []layers{{{1, 0}}, {{2, 0}}}, true},
		{"an upper layer may begin later", []vp9Packet{
			{id: 1, key: true, base: 10, end: true},
			{id: 2, base: 11},
			{id: 2, base: 11, spatial: 1, below: true, end: true},
			{id: 3, base: 12},
			{id: 3, base: 12, spatial: 1, end: true},
		}, []layers{{{1, 0}}, {{2, 0}, {2, 1}}, {{3, 0}, {3, 1}}}, false},
		{"flexible mode: what nothing refers to is nobody's loss but a keyframe is asked for", []vp9Packet{
			single,
			{id: 2, flexible: true, refs: []byte{1}, temporal: 1, end: true, lost: true},
			{id: 3, flexible: true, refs: []byte{2}, end: true},
			{id: 4, flexible: true, refs: []byte{1, 3}, end: true},
		}, []layers{{{1, 0}}, {{3, 0}}, {{4, 0}}}, true},
		{"flexible mode: one missing reference of several is enough", []vp9Packet{
			single,
			{id: 2, flexible: true, refs: []byte{1}, end: true, lost: true},
			{id: 3, flexible: true, refs: []byte{2, 1}, end: true},
			{id: 4, flexible: true, refs: []byte{1}, end: true},
			{id: 5, flexible: true, refs: []byte{4}, end: true},
		}, []layers{{{1, 0}}, {{5, 0}}}, true},
		{"flexible mode: references do not reach behind a keyframe", []vp9Packet{
			single,
			{id: 2, flexible: true, key: true, end: true},
			{id: 3, flexible: true, refs: []byte{1}, end: true, lost: true},
			{id: 4, flexible: true, refs: []byte{3}, end: true},
		}, []layers{{{1, 0}}, {{2, 0}}}, true},
		{"without error resilience no frame does without any other", []vp9Packet{
			single,
			{id: 2, flexible: true, refs: []byte{1}, end: true, lost: true},
			{id: 3, flexible: true, refs: []byte{2}, fragile: true, end: true},
		}, []layers{{{1, 0}}}, true},
		{"a lost upper temporal layer spares the base layer", []vp9Packet{
			{id: 1, key: true, base: 10, end: true},
			{id: 2, base: 10, temporal: 1, end: true, lost: true},
			{id: 3, base: 11, end: true},
			{id: 4, base: 11, temporal: 1, end: true},
			{id: 5, base: 12, end: true},
		}, []layers{{{1, 0}}, {{3, 0}}, {{5, 0}}}, true},
		{"and a switching point mends it", []vp9Packet{
			{id: 1, key: true, base: 10, end: true},
			{id: 2, base: 10, temporal: 1, end: true, lost: true},
			{id: 3, base: 11, switchUp: true, end: true},
			{id: 4, base: 11, temporal: 1, end: true},
		}, []layers{{{1, 0}}, {{3, 0}}, {{4, 0}}}, false},
		{"a lost base layer is mended by no switching point", []vp9Packet{
			{id: 1, key: true, base: 10, end: true},
			{id: 2, base: 11, end: true, lost: true},
			{id: 3, base: 12, switchUp: true, end: true},
		}, []layers{{{1, 0}}}, true},
		{"a keyframe in an upper layer, which would wipe out the lower one, is not given", []vp9Packet{
			key0,
			{id: 1, base: 10, key: true, spatial: 1, end: true},
		}, []layers{{{1, 0}}}, true},
		{"nor does one without resilience do without a layer of an earlier picture", []vp9Packet{
			key0, key1,
			{id: 2, base: 11, fragile: true},
			{id: 2, base: 11, spatial: 1, end: true, lost: true},
			{id: 3, base: 12, fragile: true, end: true},
		}, []layers{{{1, 0}, {1, 1}}, {{2, 0}}}, true},
		{"packets of another picture are no part of this one", []vp9Packet{
			key0, key1,
			{id: 2, base: 11, notLast: true},
			{id: 3, base: 11, notFirst: true, notLast: true, timestamp: 2},
			{id: 2, base: 11, notFirst: true, end: true},
		}, []layers{{{1, 0}, {1, 1}}}, true},
		{"nor are those of another temporal layer", []vp9Packet{
			key0, key1,
			{id: 2, base: 11},
			{id: 2, base: 11, temporal: 1, spatial: 1, end: true},
		}, []layers{{{1, 0}, {1, 1}}, {{2, 0}}}, true},
		{"layers out of order count as lost", []vp9Packet{
			key0, key1,
			{id: 2, base: 11, spatial: 1},
			{id: 2, base: 11, end: true},
		}, []layers{{{1, 0}, {1, 1}}, {{2, 1}}}, true},
		{"an index inside a superframe is not given", []vp9Packet{
			key0,
			{id: 1, spatial: 1, below: true, base: 10, tail: []byte{0xc0, 1, 0xc0}, end: true},
		}, []layers{{{1, 0}}}, true},
	} {
		d, err := depacket.New(format(reelvault.VP9))
		if err != nil {
			t.Fatal(err)
		}
		var got []layers
		lost := 0
		for _, p := range tt.packets {
			if p.lost {
				lost++
				continue
			}
			for _, f := range d.Push(p.packet(), lost) {
				got = append(got, vp9Layers(t, f.Data))
			}
			lost = 0
		}
		if !slices.EqualFunc(got, tt.want, func(a, b layers) bool { return slices.Equal(a, b) }) || d.NeedKeyframe() != tt.needKey {
			t.Errorf("%s: got %v, keyframe needed %v; want %v, %v", tt.name, got, d.NeedKeyframe(), tt.want, tt.needKey)
		}
	}
}

// A reference is the picture of that number, not one of 128 pictures before.
func TestVP9ReferenceLongAgo(t *testing.T) {
	d := newDepacketizer(t, reelvault.VP9, "")
	d.Push(vp9Packet{id: 1, flexible: true, key: true, end: true}.packet(), 0)
	for id := range uint16(130) {
		if got := d.Push(vp9Packet{id: 2 + id, flexible: true, refs: []byte{1}, end: true}.packet(), 0); len(got) != 1 {
			t.Fatalf("picture %d: got %d frames", 2+id, len(got))
		}
	}
	if got := d.Push(vp9Packet{id: 133, flexible: true, refs: []byte{1}, end: true}.packet(), 1); len(got) > 0 {
		t.Error("a frame came without its reference")
	}
	if got := d.Push(vp9Packet{id: 134, flexible: true, refs: []byte{3}, end: true}.packet(), 0); len(got) != 1 || !got[0].AfterLoss {
		t.Errorf("got %d frames, want the one whose reference came", len(got))
	}
}

// A keyframe has the size of its highest layer that came: from the
// scalability structure, or from its own header.
func TestVP9Size(t *testing.T) {
	sizes := [][2]uint16{{64, 48}, {128, 96}}
	key := vp9Packet{id: 1, key: true, sizes: sizes}
	upper := vp9Packet{id: 1, spatial: 1, below: true, end: true}
	for _, tt := range []struct {
		name    string
		packets []vp9Packet
		want    [2]int
	}{
		{"one layer", []vp9Packet{{id: 1, key: true, end: true}}, [2]int{64, 48}},
		{"two layers", []vp9Packet{key, upper}, [2]int{128, 96}},
		{"no structure", []vp9Packet{{id: 1, key: true}, upper}, [2]int{64, 48}},
	} {
		d, err := depacket.New(format(reelvault.VP9))
		if err != nil {
			t.Fatal(err)
		}
		var got []media.Frame
		for _, p := range tt.packets {
			got = append(got, d.Push(p.packet(), 0)...)
		}
		if len(got) != 1 || !got[0].Key || [2]int{got[0].Width, got[0].Height} != tt.want {
			t.Errorf("%s: got %+v, want one keyframe of %v", tt.name, got, tt.want)
		}
	}
}

// The sizes of a real stream with a third layer that begins later.
func TestVP9BrowserSizes(t *testing.T) {
	s := captured(t, "chromium-vp9-l3t3-key", reelvault.VP9)
	var got [][2]int
	for _, f := range run(t, s.format, s.packets, all) {
		if f.Key {
			got = append(got, [2]int{f.Width, f.Height})
		}
	}
	if want := [][2]int{{480, 270}, {960, 540}, {960, 540}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// libvpx, which Chromium plays with, shows one picture for each superframe: it
// finds every layer in it and takes the highest.
func TestVP9Superframes(t *testing.T) {
	for _, name := range []string{"chromium-vp9-l2t2", "chromium-vp9-l3t3-key"} {
		s := captured(t, name, reelvault.VP9)
		frames := run(t, s.format, s.packets, all)
		layers := digests(t, reelvault.VP9, frames) // ffmpeg's own decoder shows each
		shown := digests(t, reelvault.VP9, frames, "-c:v", "libvpx-vp9")
		if len(shown) != len(frames) || len(layers) < 2*len(frames) {
			t.Errorf("%s: %d frames have %d layers and show %d pictures", name, len(frames), len(layers), len(shown))
		}
	}
}

// A payload descriptor that is cut off, or breaks a rule, counts as a loss.
func TestVP9Descriptor(t *testing.T) {
	body := vp9Packet{key: true}.body()
	for name, head := range map[string][]byte{
		"nothing":              {0x0c},
		"7-bit picture ID":     {0x8c, 5},
		"15-bit picture ID":    {0x8c, 0x85, 5},
		"layers":               {0xac, 5, 0, 9},
		"flexible with layers": {0xbc, 5, 0},
		"three references":     {0xdc, 5, 3, 3, 2},
		"structure":            {0x8e, 5, 0x18, 0, 64, 0, 48, 2, 0x10, 0x04, 1},
		"structure, no sizes":  {0x8e, 5, 0x08, 1, 0x0c, 1, 2, 3},
		"everything":           {0xfe, 0x85, 5, 0, 3, 2, 0x18, 0, 64, 0, 48, 1, 0},
	} {
		d, err := depacket.New(format(reelvault.VP9))
		if err != nil {
			t.Fatal(err)
		}
		for cut := 1; cut <= len(head); cut++ {
			if got := d.Push(&media.Packet{Marker: true, Payload: head[:cut]}, 0); len(got) > 0 {
				t.Errorf("%s, cut at %d: got %d bytes", name, cut, len(got[0].Data))
			}
		}
		got := d.Push(&media.Packet{Marker: true, Payload: append(bytes.Clone(head), body...)}, 0)
		if len(got) != 1 || !bytes.Equal(got[0].Data, body) || !got[0].AfterLoss {
			t.Errorf("%s: got %+v, want the frame, after a loss", name, got)
		}
	}
	for name, head := range map[string][]byte{
		"flexible without picture ID": {0x1c},
		"four references":             {0xdc, 5, 3, 3, 3, 2},
	} {
		d, err := depacket.New(format(reelvault.VP9))
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Push(&media.Packet{Marker: true, Payload: append(bytes.Clone(head), body...)}, 0); len(got) > 0 {
			t.Errorf("%s: got a frame", name)
		}
	}
}

// The uncompressed header is read in every profile; what is none is not given.
func TestVP9Header(t *testing.T) {
	for _, tt := range []struct {
		name string
		data []byte
		want [2]int
	}{
		{"profile 0", []byte{0x82, 0x49, 0x83, 0x42, 0, 0x03, 0xf0, 0x02, 0xf0, 0}, [2]int{64, 48}},
		{"profile 1", []byte{0xa2, 0x49, 0x83, 0x42, 0, 0x00, 0x7e, 0x00, 0x5e, 0}, [2]int{64, 48}},
		{"profile 1, RGB", []byte{0xa2, 0x49, 0x83, 0x42, 0xe0, 0x03, 0xf0, 0x02, 0xf0, 0}, [2]int{64, 48}},
		{"profile 2", []byte{0x92, 0x49, 0x83, 0x42, 0, 0x01, 0xf8, 0x01, 0x78, 0}, [2]int{64, 48}},
		{"profile 3", []byte{0xb1, 0x24, 0xc1, 0xa1, 0, 0x00, 0x1f, 0x80, 0x17, 0x80}, [2]int{64, 48}},
		{"frame marker", []byte{0x42, 0x49, 0x83, 0x42, 0, 0x03, 0xf0, 0x02, 0xf0, 0}, [2]int{}},
		{"sync code", []byte{0x82, 0x49, 0x83, 0x43, 0, 0x03, 0xf0, 0x02, 0xf0, 0}, [2]int{}},
		{"cut off", []byte{0x82, 0x49, 0x83, 0x42, 0, 0x03, 0xf0, 0x02}, [2]int{}},
	} {
		d, err := depacket.New(format(reelvault.VP9))
		if err != nil {
			t.Fatal(err)
		}
		var got [2]int
		for _, f := range d.Push(&media.Packet{Marker: true, Payload: append([]byte{0x0c}, tt.data...)}, 0) {
			got = [2]int{f.Width, f.Height}
		}
		if got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
