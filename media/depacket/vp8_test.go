package depacket_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/depacket"
)

// vp8Packet is a packet of a stream of temporal layers.
type vp8Packet struct {
	id        uint16 // 15 bits
	base      byte
	temporal  byte
	sync      bool // it depends on that base layer frame alone
	dispose   bool // nothing depends on it
	key       bool
	notFirst  bool // of its frame
	notLast   bool
	lost      bool
	timestamp uint32 // id if zero
	anonymous bool   // without picture ID and layers
}

func (p vp8Packet) packet() *media.Packet {
	b := []byte{0x90, 0xe0, 0x80 | byte(p.id>>8), byte(p.id), p.base, p.temporal << 6}
	if p.sync {
		b[5] |= 0x20
	}
	if p.anonymous {
		b = []byte{0x10}
	}
	if p.dispose {
		b[0] |= 0x20
	}
	switch {
	case p.notFirst:
		b[0] &^= 0x10
		b = append(b, "more"...)
	case p.key:
		b = append(b, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 48, 0, byte(p.id))
	default:
		b = append(b, 0x11, 0, 0, byte(p.id))
	}
	timestamp := p.timestamp
	if timestamp == 0 {
		timestamp = uint32(p.id)
	}
	return &media.Packet{Timestamp: timestamp, Marker: !p.notLast, Payload: b}
}

// What the picture IDs, TL0PICIDX and the layer bits prove to be decodable
// comes; what they leave open does not.
func TestVP8Layers(t *testing.T) {
	key := vp8Packet{id: 1, base: 10, key: true}
	for _, tt := range []struct {
		name    string
		packets []vp8Packet
		want    []uint32 // timestamps
		needKey bool
	}{
		{"a lost upper frame spares the base layer", []vp8Packet{
			key,
			{id: 2, base: 10, temporal: 1, lost: true},
			{id: 3, base: 11},
			{id: 4, base: 11, temporal: 1},
			{id: 5, base: 12},
		}, []uint32{1, 3, 5}, true},
		{"a lost base frame spares nothing", []vp8Packet{
			key,
			{id: 2, base: 11, lost: true},
			{id: 3, base: 12},
			{id: 4, base: 12, temporal: 1, sync: true},
		}, []uint32{1}, true},
		{"an upper frame behind the same base frame proves that the base layer is whole", []vp8Packet{
			key,
			{id: 2, base: 10, temporal: 2, lost: true},
			{id: 3, base: 10, temporal: 1, sync: true},
			{id: 4, base: 10, temporal: 2},
			{id: 5, base: 11},
		}, []uint32{1, 3, 5}, true},
		{"an upper frame behind an unknown base frame proves that one is lost", []vp8Packet{
			key,
			{id: 2, base: 11, lost: true},
			{id: 3, base: 11, temporal: 1, sync: true},
			{id: 4, base: 12},
		}, []uint32{1}, true},
		{"a keyframe mends everything", []vp8Packet{
			key,
			{id: 2, base: 11, lost: true},
			{id: 3, base: 12, key: true},
			{id: 4, base: 12, temporal: 1},
		}, []uint32{1, 3, 4}, false},
		{"half a frame that nothing depends on is nobody's loss", []vp8Packet{
			key,
			{id: 2, base: 11, dispose: true, notLast: true},
			{id: 2, base: 11, dispose: true, notFirst: true, lost: true},
			{id: 3, base: 11, temporal: 1},
			{id: 4, base: 12},
		}, []uint32{1, 3, 4}, false},
		{"but without picture IDs the hole may hold another frame", []vp8Packet{
			{id: 1, key: true, anonymous: true},
			{id: 2, dispose: true, notLast: true, anonymous: true},
			{id: 2, dispose: true, notFirst: true, lost: true, anonymous: true},
			{id: 2, dispose: true, notFirst: true, anonymous: true},
			{id: 3, anonymous: true},
		}, []uint32{1}, true},
		{"what depends on such a half frame all the same is not given", []vp8Packet{
			key,
			{id: 2, base: 10, temporal: 1, lost: true},
			{id: 3, base: 11},
			{id: 4, base: 12, dispose: true, notLast: true},
			{id: 4, base: 12, dispose: true, notFirst: true, lost: true},
			{id: 5, base: 12, temporal: 1, sync: true},
		}, []uint32{1, 3}, true},
		{"packets of another picture are no part of this one", []vp8Packet{
			key,
			{id: 2, base: 11, timestamp: 9, notLast: true},
			{id: 3, base: 12, timestamp: 9, notFirst: true},
			{id: 4, base: 13},
		}, []uint32{1}, true},
		{"a keyframe starts the base layer whatever its own", []vp8Packet{
			{id: 1, base: 10, temporal: 1, key: true},
			{id: 2, base: 10, temporal: 1, lost: true},
			{id: 3, base: 11},
		}, []uint32{1, 3}, true},
		{"half an upper frame spares the base layer", []vp8Packet{
			key,
			{id: 2, base: 10, temporal: 1, notLast: true, lost: true},
			{id: 2, base: 10, temporal: 1, notFirst: true},
			{id: 3, base: 10, temporal: 1},
			{id: 4, base: 11},
		}, []uint32{1, 4}, true},
		{"half a base frame spares nothing", []vp8Packet{
			key,
			{id: 2, base: 11, notLast: true},
			{id: 2, base: 11, notFirst: true, lost: true},
			{id: 3, base: 12},
		}, []uint32{1}, true},
		{"half a keyframe is none", []vp8Packet{
			{id: 1, base: 10, key: true, notLast: true},
			{id: 1, base: 10, notFirst: true, lost: true},
			{id: 2, base: 11},
		}, nil, true},
		{"two pictures of the same time do not mix", []vp8Packet{
			key,
			{id: 2, base: 11, timestamp: 9, notLast: true},
			{id: 2, base: 11, timestamp: 9, notFirst: true, lost: true},
			{id: 3, base: 12, timestamp: 9, notLast: true, lost: true},
			{id: 3, base: 12, timestamp: 9, notFirst: true},
			{id: 4, base: 13},
		}, []uint32{1}, true},
		{"picture IDs wrap", []vp8Packet{
			{id: 0x7fff, base: 255, key: true},
			{id: 0, base: 0, temporal: 0, timestamp: 0x8000},
			{id: 1, base: 1},
		}, []uint32{0x7fff, 0x8000, 1}, false},
	} {
		d, err := depacket.New(format(reelvault.VP8))
		if err != nil {
			t.Fatal(err)
		}
		var got []uint32
		lost := 0
		for _, p := range tt.packets {
			if p.lost {
				lost++
				continue
			}
			for _, f := range d.Push(p.packet(), lost) {
				got = append(got, f.Timestamp)
			}
			lost = 0
		}
		if !slices.Equal(got, tt.want) || d.NeedKeyframe() != tt.needKey {
			t.Errorf("%s: got frames %v, keyframe needed %v; want %v, %v", tt.name, got, d.NeedKeyframe(), tt.want, tt.needKey)
		}
	}
}

// Counters prove nothing over a hole in which they may have gone round.
func TestVP8LongHole(t *testing.T) {
	for lost, want := range map[int]int{1: 1, 127: 1, 128: 0, 40000: 0} {
		d, err := depacket.New(format(reelvault.VP8))
		if err != nil {
			t.Fatal(err)
		}
		d.Push(vp8Packet{id: 1, base: 10, key: true}.packet(), 0)
		if got := d.Push(vp8Packet{id: 2, base: 11}.packet(), lost); len(got) != want {
			t.Errorf("%d packets lost between consecutive pictures: got %d frames, want %d", lost, len(got), want)
		}
	}
}

// A payload descriptor may have any of its optional fields; one that is cut
// off counts as a loss.
func TestVP8Descriptor(t *testing.T) {
	frame := []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0xc0, 0x30, 0x40, 1}
	for name, head := range map[string][]byte{
		"nothing":           {0x10},
		"no extension bits": {0x90, 0},
		"7-bit picture ID":  {0x90, 0x80, 5},
		"15-bit picture ID": {0x90, 0x80, 0x85, 5},
		"TL0PICIDX":         {0x90, 0x40, 5},
		"TID":               {0x90, 0x20, 5},
		"KEYIDX":            {0x90, 0x10, 5},
		"everything":        {0x90, 0xf0, 0x85, 5, 6, 7},
	} {
		d, err := depacket.New(format(reelvault.VP8))
		if err != nil {
			t.Fatal(err)
		}
		for cut := 1; cut <= len(head); cut++ {
			if got := d.Push(&media.Packet{Marker: true, Payload: head[:cut]}, 0); len(got) > 0 {
				t.Errorf("%s, cut at %d: got %d bytes", name, cut, len(got[0].Data))
			}
		}
		got := d.Push(&media.Packet{Marker: true, Payload: append(bytes.Clone(head), frame...)}, 0)
		if len(got) != 1 || !bytes.Equal(got[0].Data, frame) || !got[0].AfterLoss {
			t.Errorf("%s: got %+v, want the frame, after a loss", name, got)
			continue
		}
		if got[0].Width != 64 || got[0].Height != 48 {
			t.Errorf("%s: got %dx%d, want 64x48 without the scaling bits", name, got[0].Width, got[0].Height)
		}
	}
}

// What cannot be a VP8 frame is not given.
func TestVP8Malformed(t *testing.T) {
	for name, frame := range map[string][]byte{
		"short":           {0x10, 0},
		"short keyframe":  {0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 48},
		"start code":      {0x10, 0, 0, 0x9d, 0x01, 0x2b, 64, 0, 48, 0},
		"no width":        {0x10, 0, 0, 0x9d, 0x01, 0x2a, 0, 0, 48, 0},
		"no height":       {0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 0, 0},
		"first partition": {0x30, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 48, 0},
	} {
		d, err := depacket.New(format(reelvault.VP8))
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Push(&media.Packet{Marker: true, Payload: append([]byte{0x10}, frame...)}, 0); len(got) > 0 {
			t.Errorf("%s: got %x", name, got[0].Data)
		}
		if !d.NeedKeyframe() {
			t.Errorf("%s: no keyframe needed", name)
		}
	}
}
