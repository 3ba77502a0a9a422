package depacket_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/depacket"
)

func g711Format(c reelvault.Codec) media.Format {
	return media.Format{Media: reelvault.Audio, Codec: c, ClockRate: 8000, Channels: 1}
}

// Each payload comes out as it is, as long as it is, and knows what is missing
// before it.
func TestG711(t *testing.T) {
	type push struct {
		size, lost int
		want       bool // a frame comes
		afterLoss  bool
	}
	for name, pushes := range map[string][]push{
		"nothing lost":         {{160, 0, true, false}, {160, 0, true, false}, {80, 0, true, false}},
		"lost at the start":    {{160, 3, true, true}, {160, 0, true, false}},
		"lost in between":      {{160, 0, true, false}, {160, 1, true, true}, {160, 0, true, false}},
		"a packet that counts": {{160, 0, true, false}, {0, 0, false, false}, {160, 0, true, false}},
		"lost before it":       {{160, 0, true, false}, {0, 2, false, false}, {160, 0, true, true}},
		"one sample":           {{1, 0, true, false}},
		"200 ms":               {{1600, 0, true, false}},
		"more than 200 ms":     {{160, 0, true, false}, {1601, 0, false, false}, {160, 0, true, true}, {160, 0, true, false}},
		"as large as UDP":      {{65000, 0, false, false}, {160, 0, true, true}},
	} {
		for _, codec := range []reelvault.Codec{reelvault.PCMU, reelvault.PCMA} {
			d := newDepacketizer(t, codec, "")
			for i, p := range pushes {
				payload := bytes.Repeat([]byte{byte(i + 1)}, p.size)
				got := d.Push(&media.Packet{Timestamp: uint32(i), Payload: payload}, p.lost)
				if len(got) == 1 != p.want {
					t.Errorf("%s %s: packet %d gives %d frames", codec, name, i, len(got))
					continue
				}
				if !p.want {
					continue
				}
				f := got[0]
				if !bytes.Equal(f.Data, payload) || f.Timestamp != uint32(i) || !f.Key || f.AfterLoss != p.afterLoss ||
					f.Duration != time.Duration(p.size)*125*time.Microsecond {
					t.Errorf("%s %s: packet %d gives %d bytes of %v at %d, after loss %v, want the payload", codec, name, i, len(f.Data), f.Duration, f.Timestamp, f.AfterLoss)
				}
			}
			if d.NeedKeyframe() {
				t.Errorf("%s %s: sound wants a keyframe", codec, name)
			}
		}
	}
}

func TestG711Reset(t *testing.T) {
	d := newDepacketizer(t, reelvault.PCMA, "")
	d.Push(&media.Packet{}, 5)
	d.Reset()
	if got := d.Push(&media.Packet{Payload: []byte{1}}, 0); got[0].AfterLoss {
		t.Error("what was lost before a pause is told after it")
	}
}

func TestG711Refused(t *testing.T) {
	for name, change := range map[string]func(*media.Format){
		"stereo":   func(f *media.Format) { f.Channels = 2 },
		"wideband": func(f *media.Format) { f.ClockRate = 16000 },
		"no clock": func(f *media.Format) { f.ClockRate = 0 },
	} {
		f := g711Format(reelvault.PCMU)
		change(&f)
		if _, err := depacket.New(f); reelvault.KindOf(err) != reelvault.Unsupported {
			t.Errorf("%s: got %v, want it unsupported", name, err)
		}
	}
}

func TestG711Allocations(t *testing.T) {
	d := newDepacketizer(t, reelvault.PCMU, "")
	p := &media.Packet{Payload: make([]byte, 160)}
	if got := testing.AllocsPerRun(100, func() { d.Push(p, 0) }); got != 0 {
		t.Errorf("got %v allocations a packet, want none", got)
	}
}

func FuzzG711(f *testing.F) {
	var call stream
	call.format.Codec = reelvault.PCMU
	for i, size := range []int{160, 160, 0, 80, 240, 1600, 1700, 1} {
		call.packets = append(call.packets, media.Packet{Timestamp: uint32(i), Marker: i == 0, Payload: bytes.Repeat([]byte{0xff}, size)})
	}
	fuzzCodec(f, reelvault.PCMU, []stream{call})
}
