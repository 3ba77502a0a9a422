package depacket_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// A fuzzed stream is a row of packets: a byte of flags, a length of two bytes,
// a payload.
const (
	fuzzMarker = 1 << iota
	fuzzNewTime
	fuzzLost
)

// fuzzInput writes packets in that form.
func fuzzInput(packets []media.Packet) []byte {
	var b []byte
	var timestamp uint32
	for _, p := range packets {
		var flags byte
		if p.Marker {
			flags |= fuzzMarker
		}
		if p.Timestamp != timestamp {
			flags |= fuzzNewTime
		}
		timestamp = p.Timestamp
		b = binary.BigEndian.AppendUint16(append(b, flags), uint16(len(p.Payload)))
		b = append(b, p.Payload...)
	}
	return b
}

// fuzzPackets reads them, the last one maybe cut off.
func fuzzPackets(b []byte) (packets []media.Packet, lost []int) {
	var timestamp uint32
	for len(b) >= 3 {
		flags, size := b[0], min(int(binary.BigEndian.Uint16(b[1:])), len(b)-3)
		if flags&fuzzNewTime != 0 {
			timestamp += 3000
		}
		packets = append(packets, media.Packet{Timestamp: timestamp, Marker: flags&fuzzMarker != 0, Payload: b[3 : 3+size]})
		n := 0
		if flags&fuzzLost != 0 {
			n = int(flags >> 3)
		}
		lost = append(lost, n)
		b = b[3+size:]
	}
	return packets, lost
}

// fuzzCodec feeds arbitrary packets, from seeds of real ones. Whatever comes:
// nothing panics, the first frame of video is a keyframe, and no frame has
// more bytes than were sent, but for lengths and what the parameter sets add.
func fuzzCodec(f *testing.F, codec reelvault.Codec, seeds []stream) {
	f.Helper()
	added := 0
	for _, s := range seeds {
		if s.format.Codec == codec {
			added++
			f.Add(fuzzInput(s.packets[:min(len(s.packets), 8)])) // small ones are mutated faster
		}
	}
	if added == 0 {
		f.Fatalf("no stream of %s", codec)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := newDepacketizer(t, codec, "")
		packets, lost := fuzzPackets(b)
		sent, first := 0, true
		for i := range packets {
			before := bytes.Clone(packets[i].Payload)
			sent += len(before)
			for _, frame := range d.Push(&packets[i], lost[i]) {
				if first && !frame.Key {
					t.Fatal("a delta frame came first")
				}
				first = false
				if len(frame.Data) == 0 || len(frame.Data) > 4*sent+64 {
					t.Fatalf("a frame of %d bytes came of %d", len(frame.Data), sent)
				}
			}
			if !bytes.Equal(packets[i].Payload, before) {
				t.Fatal("the payload was written to")
			}
		}
		d.Reset()
	})
}

func FuzzOpus(f *testing.F) {
	s := captured(f, "chromium-opus", reelvault.Opus)
	var files stream
	for _, name := range []string{"opus-60ms.ogg", "opus-2.5ms.ogg"} {
		packets, _ := oggPackets(f, name)
		for _, payload := range packets {
			files.packets = append(files.packets, media.Packet{Payload: payload})
		}
	}
	files.format.Codec = reelvault.Opus
	fuzzCodec(f, reelvault.Opus, []stream{s, files})
}

func FuzzVP8(f *testing.F)  { fuzzCodec(f, reelvault.VP8, streams(f)) }
func FuzzVP9(f *testing.F)  { fuzzCodec(f, reelvault.VP9, streams(f)) }
func FuzzH264(f *testing.F) { fuzzCodec(f, reelvault.H264, streams(f)) }
func FuzzH265(f *testing.F) { fuzzCodec(f, reelvault.H265, streams(f)) }
func FuzzAV1(f *testing.F)  { fuzzCodec(f, reelvault.AV1, streams(f)) }

// Whatever a keyframe holds and however it is cut into packets, it comes out
// as it went in.
func FuzzRoundTrip(f *testing.F) {
	all := []reelvault.Codec{reelvault.VP8, reelvault.VP9, reelvault.H264, reelvault.H265, reelvault.AV1}
	for i := range all {
		for _, s := range streams(f) {
			if s.format.Codec == all[i] && s.frames != nil {
				f.Add(byte(i), uint16(100), s.frames[1].data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which byte, mtu uint16, body []byte) {
		codec := all[int(which)%len(all)]
		sent, want := withBody(t, codec, body)
		var packets []media.Packet
		payloads := payloader(codec).Payload(max(mtu%1400, 60), sent)
		for i, payload := range payloads {
			packets = append(packets, media.Packet{Marker: i == len(payloads)-1, Payload: payload})
		}
		frames := run(t, format(codec), packets, func(int) bool { return true })
		if len(frames) != 1 || !frames[0].Key || !bytes.Equal(frames[0].Data, want) {
			t.Fatalf("%s: got %d frames of %d packets", codec, len(frames), len(packets))
		}
	})
}

// withBody gives a keyframe with that body as pion's payloader takes it, and
// as it must come out.
func withBody(tb testing.TB, codec reelvault.Codec, body []byte) (sent, want []byte) {
	tb.Helper()
	var units [][]byte
	switch codec {
	case reelvault.VP8:
		sent = append([]byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 48, 0}, body...)
		return sent, sent
	case reelvault.VP9:
		sent = append([]byte{0x82, 0x49, 0x83, 0x42, 0, 0x03, 0xf0, 0x02, 0xf0, 0}, body...)
		return sent, sent
	case reelvault.AV1:
		sequence, key, _ := av1Samples(tb)
		want = append(sized(sequence), sized(append(key[:len(key):len(key)], body...))...)
		return want, want
	case reelvault.H264:
		l, _ := h264Samples(tb)
		units = [][]byte{l.sps, l.pps, append(bytes.Clone(l.idr), noStartCodes(body)...)}
	default:
		l, _ := h265Samples(tb)
		units = [][]byte{l.vps, l.sps, l.pps, append(bytes.Clone(l.idr), noStartCodes(body)...)}
	}
	for _, unit := range units {
		sent = append(append(sent, 0, 0, 0, 1), unit...)
	}
	return sent, lengthPrefix(units...)
}

// noStartCodes gives b as a NAL unit could hold it.
func noStartCodes(b []byte) []byte {
	return slices.DeleteFunc(bytes.Clone(b), func(c byte) bool { return c == 0 })
}
