package depacket_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/depacket"
)

var opusFormat = media.Format{Media: reelvault.Audio, Codec: reelvault.Opus, ClockRate: 48000, Channels: 2}

// oggPackets gives the packets of an Ogg file whose packets do not span pages,
// and its granule position at the end.
func oggPackets(tb testing.TB, file string) (packets [][]byte, samples uint64) {
	tb.Helper()
	for b := readTestdata(tb, file); len(b) > 0; {
		samples = binary.LittleEndian.Uint64(b[6:])
		lacing := b[27 : 27+int(b[26])]
		b = b[27+len(lacing):]
		size := 0
		for _, n := range lacing {
			size += int(n)
			if n < 255 {
				packets = append(packets, b[:size])
				b = b[size:]
				size = 0
			}
		}
	}
	if len(packets) < 3 {
		tb.Fatalf("%s has only %d packets", file, len(packets))
	}
	return packets[2:], samples // behind OpusHead and OpusTags
}

// Each packet of a file comes out as it is, and their durations add up to the
// file's.
func TestOpusFiles(t *testing.T) {
	for _, tt := range []struct {
		file string
		each time.Duration
	}{
		{"opus-60ms.ogg", 60 * time.Millisecond},
		{"opus-2.5ms.ogg", 2500 * time.Microsecond},
	} {
		d, err := depacket.New(opusFormat)
		if err != nil {
			t.Fatal(err)
		}
		packets, samples := oggPackets(t, tt.file)
		var sum time.Duration
		for i, payload := range packets {
			frames := d.Push(&media.Packet{Timestamp: uint32(i), Payload: payload}, 0)
			if len(frames) != 1 || !bytes.Equal(frames[0].Data, payload) || frames[0].Duration != tt.each || !frames[0].Key {
				t.Fatalf("%s, packet %d: got %+v, want one keyframe of %v", tt.file, i, frames, tt.each)
			}
			sum += frames[0].Duration
		}
		end := time.Duration(samples) * time.Second / 48000
		if sum < end || sum > end+tt.each {
			t.Errorf("%s: durations add up to %v, the file has %v", tt.file, sum, end)
		}
	}
}

// What a browser sends has 20 ms a packet, as its timestamps say, too.
func TestOpusBrowser(t *testing.T) {
	s := captured(t, "chromium-opus", reelvault.Opus)
	frames := run(t, opusFormat, s.packets, all)
	if len(frames) != len(s.packets) {
		t.Fatalf("got %d frames of %d packets", len(frames), len(s.packets))
	}
	for i, f := range frames[1:] {
		step := time.Duration(f.Timestamp-frames[i].Timestamp) * time.Second / 48000
		if frames[i].Duration != step {
			t.Errorf("packet %d: %v, but %v to the next", i, frames[i].Duration, step)
		}
	}
}

// The duration of a packet follows from its configuration and frame count; a
// packet that breaks a rule of RFC 6716, section 3.4, is lost.
func TestOpusDuration(t *testing.T) {
	ms := func(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }
	long := func(head ...byte) []byte { return append(head, make([]byte, 1276)...) }
	for _, tt := range []struct {
		name    string
		payload []byte
		want    time.Duration
	}{
		{"SILK 10 ms", []byte{0 << 3, 1}, ms(10)},
		{"SILK 20 ms", []byte{5 << 3, 1}, ms(20)},
		{"SILK 40 ms", []byte{10 << 3, 1}, ms(40)},
		{"SILK 60 ms", []byte{11 << 3, 1}, ms(60)},
		{"hybrid 10 ms", []byte{12 << 3, 1}, ms(10)},
		{"hybrid 20 ms", []byte{15 << 3, 1}, ms(20)},
		{"CELT 2.5 ms", []byte{16 << 3, 1}, ms(2.5)},
		{"CELT 5 ms", []byte{21 << 3, 1}, ms(5)},
		{"CELT 10 ms", []byte{26 << 3, 1}, ms(10)},
		{"CELT 20 ms", []byte{31 << 3, 1}, ms(20)},
		{"DTX, a TOC byte alone", []byte{31 << 3}, ms(20)},
		{"silence", []byte{0xf8, 0xff, 0xfe}, ms(20)},
		{"code 0, a frame too long", long(31 << 3), 0},
		{"code 1", []byte{31<<3 | 1, 1, 2}, ms(40)},
		{"code 1, of odd length", []byte{31<<3 | 1, 1}, 0},
		{"code 1, frames too long", append(long(31<<3|1), long()...), 0},
		{"code 2", []byte{31<<3 | 2, 1, 7, 8, 9}, ms(40)},
		{"code 2, both empty", []byte{31<<3 | 2, 0}, ms(40)},
		{"code 2, without a length", []byte{31<<3 | 2}, 0},
		{"code 2, half a length", []byte{31<<3 | 2, 252}, 0},
		{"code 2, longer than there is", []byte{31<<3 | 2, 3, 7, 8}, 0},
		{"code 2, two-byte length", append([]byte{31<<3 | 2, 252, 1}, make([]byte, 256)...), ms(40)},
		{"code 3, three of the same size", []byte{31<<3 | 3, 3, 1, 2, 3}, ms(60)},
		{"code 3, sizes that do not fit", []byte{31<<3 | 3, 3, 1, 2}, 0},
		{"code 3, no frames", []byte{31<<3 | 3, 0}, 0},
		{"code 3, without a count", []byte{31<<3 | 3}, 0},
		{"code 3, 120 ms", []byte{31<<3 | 3, 6}, ms(120)},
		{"code 3, 140 ms", []byte{31<<3 | 3, 7}, 0},
		{"code 3, 48 of 2.5 ms", []byte{16<<3 | 3, 48}, ms(120)},
		{"code 3, variable sizes", []byte{31<<3 | 3, 0x82, 1, 7, 8, 9}, ms(40)},
		{"code 3, variable sizes too long", []byte{31<<3 | 3, 0x82, 4, 7, 8, 9}, 0},
		{"code 3, a variable size too large", append([]byte{31<<3 | 3, 0x82, 1, 7}, make([]byte, 1276)...), 0},
		{"code 3, variable sizes cut off", []byte{31<<3 | 3, 0x83, 0}, 0},
		{"code 3, padded", []byte{31<<3 | 3, 0x41, 2, 7, 0, 0}, ms(20)},
		{"code 3, padded and cut off", []byte{31<<3 | 3, 0x41, 2, 0}, 0},
		{"code 3, without the padding's length", []byte{31<<3 | 3, 0x41}, 0},
		{"code 3, long padding", append([]byte{31<<3 | 3, 0x41, 255, 1, 7}, make([]byte, 255)...), ms(20)},
		{"code 3, long padding cut off", append([]byte{31<<3 | 3, 0x41, 255, 1}, make([]byte, 254)...), 0},
	} {
		d, err := depacket.New(opusFormat)
		if err != nil {
			t.Fatal(err)
		}
		frames := d.Push(&media.Packet{Payload: tt.payload}, 0)
		if tt.want == 0 && len(frames) > 0 {
			t.Errorf("%s: got %v, want it dropped", tt.name, frames[0].Duration)
		}
		if tt.want > 0 && (len(frames) != 1 || frames[0].Duration != tt.want) {
			t.Errorf("%s: got %+v, want %v", tt.name, frames, tt.want)
		}
		after := d.Push(&media.Packet{Payload: []byte{0xf8, 0xff, 0xfe}}, 0)
		if len(after) != 1 || after[0].AfterLoss != (tt.want == 0) {
			t.Errorf("%s: the next one says %v of a loss", tt.name, after)
		}
	}
}

// A loss shows on the next frame, once; padding is none; no keyframe is ever
// needed.
func TestOpusLoss(t *testing.T) {
	d, err := depacket.New(opusFormat)
	if err != nil {
		t.Fatal(err)
	}
	silence := &media.Packet{Payload: []byte{0xf8, 0xff, 0xfe}}
	for i, tt := range []struct {
		packet *media.Packet
		lost   int
		frames int
		want   bool
	}{
		{silence, 0, 1, false},
		{&media.Packet{}, 0, 0, false},
		{silence, 0, 1, false},
		{silence, 2, 1, true},
		{silence, 0, 1, false},
		{&media.Packet{}, 1, 0, false},
		{silence, 0, 1, true},
	} {
		frames := d.Push(tt.packet, tt.lost)
		if len(frames) != tt.frames || len(frames) > 0 && frames[0].AfterLoss != tt.want {
			t.Errorf("packet %d: got %+v, want loss %v", i, frames, tt.want)
		}
		if d.NeedKeyframe() {
			t.Error("audio needs a keyframe")
		}
	}
	d.Push(&media.Packet{}, 1)
	d.Reset()
	if frames := d.Push(silence, 0); len(frames) != 1 || frames[0].AfterLoss {
		t.Errorf("after a reset: got %+v, want no loss", frames)
	}
}

// CodecPrivate is an OpusHead with the format's channels and no pre-skip.
func TestOpusHead(t *testing.T) {
	for channels, want := range map[int]byte{0: 2, 1: 1, 2: 2} {
		f := opusFormat
		f.Channels = channels
		d, err := depacket.New(f)
		if err != nil {
			t.Fatal(err)
		}
		frames := d.Push(&media.Packet{Payload: []byte{0xf8, 0xff, 0xfe}}, 0)
		head := []byte{'O', 'p', 'u', 's', 'H', 'e', 'a', 'd', 1, want, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0}
		if len(frames) != 1 || !bytes.Equal(frames[0].Private, head) {
			t.Errorf("%d channels: got %+v, want %x", channels, frames, head)
		}
	}
}

// What there is no depacketizer for is refused as unsupported.
func TestUnsupported(t *testing.T) {
	for name, f := range map[string]media.Format{
		"codec":            {Codec: "g723"},
		"empty":            {},
		"six channels":     {Codec: reelvault.Opus, Channels: 6},
		"interleaved H264": {Codec: reelvault.H264, FMTP: "profile-level-id=42001f;packetization-mode=2"},
		"interleaved H265": {Codec: reelvault.H265, FMTP: "sprop-max-don-diff=3"},
	} {
		if d, err := depacket.New(f); d != nil || reelvault.KindOf(err) != reelvault.Unsupported {
			t.Errorf("%s: got %v, %v; want an error of kind unsupported", name, d, err)
		}
	}
}
