package webrtc_test

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/pion/rtp"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/depacket"
	"github.com/reelvault/reelvault/media/webrtc"
)

// captures are what Chromium sent, kept with the depacketizers.
var captures = map[string]reelvault.Codec{
	"chromium-vp8": reelvault.VP8, "chromium-vp8-l1t3": reelvault.VP8,
	"chromium-vp9": reelvault.VP9, "chromium-vp9-l1t3": reelvault.VP9, "chromium-vp9-l2t2": reelvault.VP9, "chromium-vp9-l3t3-key": reelvault.VP9,
	"chromium-h264": reelvault.H264, "chromium-av1": reelvault.AV1, "chromium-av1-l2t2": reelvault.AV1,
}

func captured(tb testing.TB, name string) []rtp.Packet {
	tb.Helper()
	b, err := os.ReadFile("../depacket/testdata/" + name + ".rtp")
	if err != nil {
		tb.Fatal(err)
	}
	var packets []rtp.Packet
	for len(b) > 0 {
		size := int(binary.BigEndian.Uint16(b))
		var p rtp.Packet
		if err := p.Unmarshal(b[2 : 2+size]); err != nil {
			tb.Fatal(err)
		}
		packets = append(packets, p)
		b = b[2+size:]
	}
	return packets
}

// Of what a browser sends, keyframes are taken to start in those pictures
// that a depacketizer gives as keyframes, and in no others.
func TestKeyframesOfBrowsers(t *testing.T) {
	for name, codec := range captures {
		t.Run(name, func(t *testing.T) {
			d, err := depacket.New(media.Format{Media: reelvault.Video, Codec: codec, ClockRate: 90000})
			if err != nil {
				t.Fatal(err)
			}
			got, want := map[uint32]bool{}, map[uint32]bool{}
			last := uint32(0)
			for _, p := range captured(t, name) {
				if webrtc.StartsKeyframe(codec, p.Payload) {
					got[p.Timestamp] = true
				}
				packet := media.Packet{SequenceNumber: p.SequenceNumber, Timestamp: p.Timestamp, Marker: p.Marker, Payload: p.Payload}
				for _, frame := range d.Push(&packet, 0) {
					last = frame.Timestamp
					if frame.Key {
						want[frame.Timestamp] = true
					}
				}
			}
			for timestamp := range got {
				if !want[timestamp] && int32(timestamp-last) <= 0 {
					t.Errorf("a keyframe is seen at %d", timestamp)
				}
			}
			for timestamp := range want {
				if !got[timestamp] {
					t.Errorf("the keyframe at %d is not seen", timestamp)
				}
			}
			if len(want) == 0 {
				t.Error("the capture has no keyframe")
			}
		})
	}
}

// The forms that browsers do not send, but other clients may.
func TestStartsKeyframe(t *testing.T) {
	for _, c := range []struct {
		name    string
		codec   reelvault.Codec
		payload []byte
		want    bool
	}{
		{"empty", reelvault.VP8, nil, false},
		{"key", reelvault.VP8, []byte{0x10, 0x00}, true},
		{"inter", reelvault.VP8, []byte{0x10, 0x01}, false},
		{"later partition", reelvault.VP8, []byte{0x11, 0x00}, false},
		{"inside a partition", reelvault.VP8, []byte{0x00, 0x00}, false},
		{"short picture id", reelvault.VP8, []byte{0x90, 0x80, 0x11, 0x00}, true},
		{"long picture id", reelvault.VP8, []byte{0x90, 0x80, 0x91, 0x11, 0x00}, true},
		{"long picture id of an inter frame", reelvault.VP8, []byte{0x90, 0x80, 0x91, 0x10, 0x01}, false},
		{"all of the descriptor", reelvault.VP8, []byte{0x90, 0xf0, 0x91, 0x11, 0x11, 0x11, 0x00}, true},
		{"cut descriptor", reelvault.VP8, []byte{0x90, 0xf0, 0x91}, false},
		{"cut extension", reelvault.VP8, []byte{0x90}, false},
		{"cut picture id", reelvault.VP8, []byte{0x90, 0x80}, false},
		{"key", reelvault.VP9, []byte{0x08}, true},
		{"inter", reelvault.VP9, []byte{0x48}, false},
		{"inside a frame", reelvault.VP9, []byte{0x00}, false},
		{"base layer", reelvault.VP9, []byte{0xa8, 0x11, 0x00}, true},
		{"base layer after a long picture id", reelvault.VP9, []byte{0xa8, 0x91, 0x11, 0x01}, true},
		{"upper layer", reelvault.VP9, []byte{0xa8, 0x11, 0x02}, false},
		{"cut layer", reelvault.VP9, []byte{0xa8, 0x11}, false},
		{"cut picture id", reelvault.VP9, []byte{0xa8}, false},
		{"IDR", reelvault.H264, []byte{0x65, 0}, true},
		{"SPS", reelvault.H264, []byte{0x67, 0}, true},
		{"PPS", reelvault.H264, []byte{0x68, 0}, false},
		{"slice", reelvault.H264, []byte{0x41, 0}, false},
		{"first fragment of an IDR", reelvault.H264, []byte{0x7c, 0x85, 0}, true},
		{"later fragment of an IDR", reelvault.H264, []byte{0x7c, 0x05, 0}, false},
		{"first fragment of a slice", reelvault.H264, []byte{0x7c, 0x81, 0}, false},
		{"aggregate with an SPS", reelvault.H264, []byte{0x78, 0, 1, 0x09, 0, 2, 0x67, 0}, true},
		{"aggregate without", reelvault.H264, []byte{0x78, 0, 1, 0x09, 0, 2, 0x41, 0}, false},
		{"aggregate that ends early", reelvault.H264, []byte{0x78, 0xff, 0xff, 0x09, 0, 2, 0x67}, false},
		{"cut", reelvault.H264, []byte{0x65}, false},
		{"IDR", reelvault.H265, []byte{19 << 1, 1, 0}, true},
		{"CRA", reelvault.H265, []byte{21 << 1, 1, 0}, true},
		{"VPS", reelvault.H265, []byte{32 << 1, 1, 0}, true},
		{"SPS", reelvault.H265, []byte{33 << 1, 1, 0}, true},
		{"slice", reelvault.H265, []byte{1 << 1, 1, 0}, false},
		{"first fragment of an IDR", reelvault.H265, []byte{49 << 1, 1, 0x80 | 19}, true},
		{"later fragment of an IDR", reelvault.H265, []byte{49 << 1, 1, 19}, false},
		{"aggregate with an IDR", reelvault.H265, []byte{48 << 1, 1, 0, 2, 35 << 1, 1, 0, 2, 19 << 1, 1}, true},
		{"aggregate without", reelvault.H265, []byte{48 << 1, 1, 0, 2, 35 << 1, 1, 0, 2, 1 << 1, 1}, false},
		{"aggregate that ends early", reelvault.H265, []byte{48 << 1, 1, 0xff, 2, 35 << 1, 1, 0, 2, 19 << 1, 1}, false},
		{"cut", reelvault.H265, []byte{19 << 1, 1}, false},
		{"new sequence", reelvault.AV1, []byte{0x18}, true},
		{"within a sequence", reelvault.AV1, []byte{0x10}, false},
		{"empty", reelvault.AV1, nil, false},
		{"sound", reelvault.Opus, []byte{0x10, 0}, false},
	} {
		if got := webrtc.StartsKeyframe(c.codec, c.payload); got != c.want {
			t.Errorf("%s %s: %v, want %v", c.codec, c.name, got, c.want)
		}
	}
}

// No payload is too strange to be looked at.
func FuzzStartsKeyframe(f *testing.F) {
	for name := range captures {
		for _, p := range captured(f, name)[:20] {
			f.Add(p.Payload)
		}
	}
	f.Add([]byte{48 << 1, 1, 0, 2, 35 << 1, 1, 0, 2, 19 << 1, 1})
	codecs := []reelvault.Codec{reelvault.VP8, reelvault.VP9, reelvault.H264, reelvault.H265, reelvault.AV1}
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, codec := range codecs {
			if webrtc.StartsKeyframe(codec, payload) && len(payload) == 0 {
				t.Errorf("%s: an empty payload starts a keyframe", codec)
			}
		}
	})
}
