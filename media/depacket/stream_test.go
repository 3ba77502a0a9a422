package depacket_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/depacket"
)

// mtu forces even the small frames of testdata into several packets.
const mtu = 120

// stream is a real stream in packets.
type stream struct {
	name    string
	format  media.Format
	packets []media.Packet
	frames  []frame // what must come of them; nil for a captured stream
	layered bool    // losses may spare some frames before the next keyframe
}

// frame is what is known of a frame without the code under test.
type frame struct {
	data        []byte
	key         bool
	first, last int // its packets
	disposable  bool
}

// encoded streams come from ffmpeg's encoders and pion's payloaders, captured
// ones from a browser.
func streams(tb testing.TB) []stream {
	tb.Helper()
	all := []stream{
		packetized(tb, "vp8.ivf", reelvault.VP8, &codecs.VP8Payloader{}),
		packetized(tb, "vp8.ivf", reelvault.VP8, &codecs.VP8Payloader{EnablePictureID: true}),
		packetized(tb, "vp9.ivf", reelvault.VP9, &codecs.VP9Payloader{InitialPictureIDFn: func() uint16 { return 0x7ff8 }}),
		packetized(tb, "vp9.ivf", reelvault.VP9, &codecs.VP9Payloader{FlexibleMode: true}),
		packetized(tb, "h264.h264", reelvault.H264, &codecs.H264Payloader{}),
		packetized(tb, "h264.h264", reelvault.H264, &codecs.H264Payloader{DisableStapA: true}),
		packetized(tb, "h265.h265", reelvault.H265, &codecs.H265Payloader{}),
		packetized(tb, "h265.h265", reelvault.H265, &codecs.H265Payloader{SkipAggregation: true}),
		packetized(tb, "av1.ivf", reelvault.AV1, &codecs.AV1Payloader{}),
		packetized(tb, "av1-svt.ivf", reelvault.AV1, &codecs.AV1Payloader{}),
	}
	for _, s := range captures(tb) {
		all = append(all, s)
		if s.layered && s.format.Codec == reelvault.VP9 {
			all = append(all, nonFlexible(tb, s))
		}
	}
	return all
}

func captures(tb testing.TB) []stream {
	tb.Helper()
	return []stream{
		captured(tb, "chromium-vp8", reelvault.VP8),
		captured(tb, "chromium-vp8-l1t3", reelvault.VP8),
		captured(tb, "chromium-vp9", reelvault.VP9),
		captured(tb, "chromium-vp9-l1t3", reelvault.VP9),
		captured(tb, "chromium-vp9-l2t2", reelvault.VP9),
		captured(tb, "chromium-vp9-l3t3-key", reelvault.VP9),
		captured(tb, "chromium-h264", reelvault.H264),
		captured(tb, "chromium-av1", reelvault.AV1),
		captured(tb, "chromium-av1-l2t2", reelvault.AV1),
	}
}

// nonFlexible turns a stream in flexible mode into one that tells its
// dependencies by TL0PICIDX, as browsers could but do not send.
func nonFlexible(tb testing.TB, s stream) stream {
	tb.Helper()
	s.name += "-non-flexible"
	base, timestamp := byte(0xfc), uint32(0)
	packets := slices.Clone(s.packets)
	for i, p := range packets {
		if len(p.Payload) == 0 {
			continue
		}
		b := bytes.Clone(p.Payload)
		if b[0]&0xb0 != 0xb0 || b[1]&0x80 == 0 {
			tb.Fatal("not a flexible stream with layers and 15-bit picture IDs")
		}
		inter := b[0]&0x40 != 0
		b[0] &^= 0x10
		if b[3]>>5 == 0 && p.Timestamp != timestamp {
			base++
		}
		timestamp = p.Timestamp
		rest := b[4:]
		for more := inter; more; rest = rest[1:] {
			more = rest[0]&1 != 0
		}
		packets[i].Payload = append(append(bytes.Clone(b[:4]), base), rest...)
	}
	s.packets = packets
	return s
}

func format(codec reelvault.Codec) media.Format {
	if codec == reelvault.PCMU || codec == reelvault.PCMA {
		return g711Format(codec)
	}
	return media.Format{Media: reelvault.Video, Codec: codec, ClockRate: 90000}
}

// packetized cuts a file of testdata into packets. Its timestamps and sequence
// numbers wrap on the way.
func packetized(tb testing.TB, file string, codec reelvault.Codec, p rtp.Payloader) stream {
	tb.Helper()
	s := stream{name: fmt.Sprintf("%s-%T", file, p), format: format(codec)}
	s.name = strings.NewReplacer("*codecs.", "", ".", "-").Replace(s.name)
	const step = 6000
	seq, timestamp := uint16(0xfff0), uint32(0xffffffff-5*step)
	for _, sent := range readFrames(tb, file) {
		f := expected(codec, sent)
		f.first = len(s.packets)
		payloads := slices.DeleteFunc(p.Payload(mtu, sent), delimiter)
		for i, payload := range payloads {
			s.packets = append(s.packets, media.Packet{
				SequenceNumber: seq, Timestamp: timestamp, Marker: i == len(payloads)-1, Payload: payload,
			})
			seq++
		}
		f.last = len(s.packets) - 1
		s.frames = append(s.frames, f)
		timestamp += step
	}
	return s
}

// delimiter says that a payload is an H.265 access unit delimiter alone, which
// nobody would miss.
func delimiter(payload []byte) bool { return payload[0] == 35<<1 && len(payload) == 3 }

// captured reads packets that a browser sent.
func captured(tb testing.TB, name string, codec reelvault.Codec) stream {
	tb.Helper()
	s := stream{name: name, format: format(codec), layered: strings.Contains(name, "-l")}
	for b := readTestdata(tb, name+".rtp"); len(b) > 0; {
		size := int(binary.BigEndian.Uint16(b))
		var p rtp.Packet
		if err := p.Unmarshal(b[2 : 2+size]); err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		s.packets = append(s.packets, media.Packet{
			SequenceNumber: p.SequenceNumber, Timestamp: p.Timestamp, Marker: p.Marker, Payload: p.Payload,
		})
		b = b[2+size:]
	}
	for !s.packets[len(s.packets)-1].Marker { // the capture may have ended inside a picture
		s.packets = s.packets[:len(s.packets)-1]
	}
	return s
}

func readTestdata(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// readFrames splits an IVF file, or an Annex B file with access unit delimiters.
func readFrames(tb testing.TB, file string) [][]byte {
	tb.Helper()
	b := readTestdata(tb, file)
	var frames [][]byte
	if strings.HasSuffix(file, ".ivf") {
		for b = b[32:]; len(b) > 0; {
			size := 12 + int(binary.LittleEndian.Uint32(b))
			frames = append(frames, b[12:size])
			b = b[size:]
		}
	} else {
		for _, unit := range annexB(b) {
			if unit[0]&0x1f == 9 || unit[0] == 35<<1 {
				frames = append(frames, nil)
			}
			last := len(frames) - 1
			frames[last] = append(append(frames[last], 0, 0, 0, 1), unit...)
		}
	}
	if len(frames) < 5 {
		tb.Fatalf("%s has only %d frames", file, len(frames))
	}
	return frames
}

// annexB gives the NAL units of a byte stream.
func annexB(b []byte) [][]byte {
	var units [][]byte
	for part := range bytes.SplitSeq(b, []byte{0, 0, 1}) {
		if part = bytes.TrimRight(part, "\x00"); len(part) > 0 {
			units = append(units, part)
		}
	}
	return units
}

// prefixed gives the NAL units of a length prefixed frame.
func prefixed(b []byte) [][]byte {
	var units [][]byte
	for len(b) > 0 {
		size := 4 + int(binary.BigEndian.Uint32(b))
		units = append(units, b[4:size])
		b = b[size:]
	}
	return units
}

func lengthPrefix(units ...[]byte) []byte {
	var b []byte
	for _, unit := range units {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(unit))), unit...)
	}
	return b
}

// expected says what must come of a frame that an encoder made.
func expected(codec reelvault.Codec, sent []byte) frame {
	f := frame{data: sent}
	switch codec {
	case reelvault.VP8:
		f.key = sent[0]&1 == 0
	case reelvault.VP9:
		f.key = sent[0]&0x0c == 0
	case reelvault.AV1:
		f.data = bytes.TrimPrefix(sent, []byte{0x12, 0})
		f.key = f.data[0] == 0x0a
	case reelvault.H264:
		var units [][]byte
		for _, unit := range annexB(sent)[1:] {
			units = append(units, unit)
			f.key = f.key || unit[0]&0x1f == 5
			f.disposable = unit[0]&0x1f == 1 && unit[0]&0x60 == 0
		}
		f.data = lengthPrefix(units...)
	default:
		units := annexB(sent)[1:]
		kind := units[len(units)-1][0] >> 1
		f.key = kind >= 16 && kind <= 21
		f.data = lengthPrefix(units...)
	}
	return f
}

// run pushes the packets for which keep says so, and gives the frames.
func run(tb testing.TB, f media.Format, packets []media.Packet, keep func(i int) bool) []media.Frame {
	tb.Helper()
	d, err := depacket.New(f)
	if err != nil {
		tb.Fatal(err)
	}
	return push(d, packets, keep)
}

func push(d media.Depacketizer, packets []media.Packet, keep func(i int) bool) []media.Frame {
	var frames []media.Frame
	lost := 0
	for i := range packets {
		if !keep(i) {
			lost++
			continue
		}
		frames = append(frames, d.Push(&packets[i], lost)...)
		lost = 0
	}
	return frames
}

func all(int) bool { return true }

// digests decodes frames with ffmpeg, which must not complain, and gives the
// digest of each picture in the order of presentation. options go in front of
// the input.
func digests(tb testing.TB, codec reelvault.Codec, frames []media.Frame, options ...string) []string {
	tb.Helper()
	dir := tb.TempDir()
	var file []byte
	name := filepath.Join(dir, "frames.ivf")
	switch codec {
	case reelvault.H264, reelvault.H265:
		name = filepath.Join(dir, "frames."+string(codec))
		for _, f := range frames {
			for _, unit := range prefixed(f.Data) {
				file = append(append(file, 0, 0, 0, 1), unit...)
			}
		}
	default:
		fourCC := map[reelvault.Codec]string{reelvault.VP8: "VP80", reelvault.VP9: "VP90", reelvault.AV1: "AV01"}[codec]
		file = append(file, "DKIF\x00\x00\x20\x00"+fourCC+"\x40\x00\x40\x00\x0f\x00\x00\x00\x01\x00\x00\x00"...)
		file = append(file, make([]byte, 8)...)
		for i, f := range frames {
			data := f.Data
			if codec == reelvault.AV1 {
				data = append([]byte{0x12, 0}, data...)
			}
			file = binary.LittleEndian.AppendUint32(file, uint32(len(data)))
			file = binary.LittleEndian.AppendUint64(file, uint64(i))
			file = append(file, data...)
		}
	}
	if err := os.WriteFile(name, file, 0o600); err != nil {
		tb.Fatal(err)
	}
	args := slices.Concat([]string{"-v", "error", "-threads", "1"}, options, []string{
		"-i", name, "-vsync", "passthrough", "-autoscale", "0", "-f", "framemd5", "-",
	})
	cmd := exec.CommandContext(tb.Context(), "ffmpeg", args...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil || complaints.Len() > 0 {
		tb.Fatalf("decode: %v\n%s", err, complaints.String())
	}
	var sums []string
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "#") {
			fields := strings.Split(strings.TrimSpace(line), ",")
			sums = append(sums, strings.Join(fields[4:], " "))
		}
	}
	return sums
}

// payloader gives pion's for a codec.
func payloader(codec reelvault.Codec) rtp.Payloader {
	switch codec {
	case reelvault.VP8:
		return &codecs.VP8Payloader{EnablePictureID: true}
	case reelvault.VP9:
		return &codecs.VP9Payloader{}
	case reelvault.H264:
		return &codecs.H264Payloader{}
	case reelvault.H265:
		return &codecs.H265Payloader{}
	default:
		return &codecs.AV1Payloader{}
	}
}
