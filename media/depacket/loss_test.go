package depacket_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/depacket"
)

// Without a loss every frame comes out as it went in, and all of them decode.
func TestWithoutLoss(t *testing.T) {
	for _, s := range streams(t) {
		t.Run(s.name, func(t *testing.T) {
			frames := run(t, s.format, s.packets, all)
			for i, f := range frames {
				if f.AfterLoss {
					t.Errorf("frame %d is said to come after a loss", i)
				}
				if f.Key && (f.Width == 0 || f.Height == 0) {
					t.Errorf("keyframe %d has no size", i)
				}
			}
			if s.frames != nil {
				same(t, s, frames)
			}
			if sums := digests(t, s.format.Codec, frames); len(sums) < len(frames) {
				t.Errorf("ffmpeg decoded %d pictures of %d frames", len(sums), len(frames))
			}
		})
	}
}

// same checks that frames are all frames of s.
func same(t *testing.T, s stream, frames []media.Frame) {
	t.Helper()
	if len(frames) != len(s.frames) {
		t.Fatalf("got %d frames, want %d", len(frames), len(s.frames))
	}
	for i, f := range frames {
		want := s.frames[i]
		if !bytes.Equal(f.Data, want.data) || f.Key != want.key || f.Timestamp != s.packets[want.first].Timestamp {
			t.Errorf("frame %d: %d bytes, key %v, time %d; want %d, %v, %d", i, len(f.Data), f.Key, f.Timestamp,
				len(want.data), want.key, s.packets[want.first].Timestamp)
		}
	}
}

// A sender that sets no marker bits loses nothing but the last frame, whose
// end cannot be known.
func TestWithoutMarkers(t *testing.T) {
	for _, s := range streams(t) {
		t.Run(s.name, func(t *testing.T) {
			want := run(t, s.format, s.packets, all)
			for i := range s.packets {
				s.packets[i].Marker = false
			}
			got := run(t, s.format, s.packets, all)
			if !slices.EqualFunc(got, want[:len(want)-1], equal) {
				t.Errorf("got %d other frames than the %d wanted", len(got), len(want)-1)
			}
		})
	}
}

func equal(a, b media.Frame) bool {
	return bytes.Equal(a.Data, b.Data) && a.Key == b.Key && a.Timestamp == b.Timestamp
}

// equalPicture is equal but for SEI, which a reset may part from its picture.
func equalPicture(a, b media.Frame) bool {
	a.Data, b.Data = withoutSEI(a.Data), withoutSEI(b.Data)
	return equal(a, b)
}

// withoutSEI gives a frame without H.264 SEI; other frames as they are.
func withoutSEI(b []byte) []byte {
	if !bytes.HasPrefix(b, []byte{0, 0, 0}) {
		return b
	}
	return lengthPrefix(slices.DeleteFunc(prefixed(b), func(unit []byte) bool { return unit[0] == 6 })...)
}

// Padding-only packets, in or between frames, are no loss.
func TestPadding(t *testing.T) {
	for _, s := range streams(t) {
		t.Run(s.name, func(t *testing.T) {
			want := run(t, s.format, s.packets, all)
			got := run(t, s.format, padded(s.packets), all)
			if !slices.EqualFunc(got, want, equal) {
				t.Errorf("got %d frames, want %d", len(got), len(want))
			}
		})
	}
}

// padded puts a padding-only packet behind each packet.
func padded(packets []media.Packet) []media.Packet {
	var out []media.Packet
	for _, p := range packets {
		out = append(out, p, media.Packet{Timestamp: p.Timestamp})
	}
	return out
}

// Where picture IDs show that nothing but padding was lost, nothing is dropped.
func TestLostPadding(t *testing.T) {
	withIDs := map[string]bool{"vp8-ivf-VP8Payloader": true, "vp9-ivf-VP9Payloader": true}
	tested := 0
	for _, s := range streams(t)[1:] {
		if !withIDs[s.name] && s.format.Codec != reelvault.VP9 {
			continue
		}
		tested++
		var packets []media.Packet
		for _, p := range s.packets {
			if packets = append(packets, p); p.Marker {
				packets = append(packets, media.Packet{Timestamp: p.Timestamp})
			}
		}
		want := run(t, s.format, packets, all)
		got := run(t, s.format, packets, func(i int) bool { return len(packets[i].Payload) > 0 })
		if !slices.EqualFunc(got, want, equal) {
			t.Errorf("%s: got %d frames, want %d", s.name, len(got), len(want))
		}
		for i, f := range got {
			if f.AfterLoss {
				t.Errorf("%s: frame %d is said to come after a loss", s.name, i)
			}
		}
	}
	if tested < 4 {
		t.Fatalf("only %d streams have picture IDs", tested)
	}
}

// Whichever packet is lost, its frame is gone and so is all up to the next
// keyframe, which says that it comes after a loss; nothing else is missing.
func TestEachPacketLost(t *testing.T) {
	for _, s := range streams(t) {
		if s.frames == nil {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			for lost := range s.packets[:len(s.packets)-1] {
				got := run(t, s.format, s.packets, func(i int) bool { return i != lost })
				want := survivors(s, lost)
				if len(got) != len(want) {
					t.Fatalf("packet %d lost: got %d frames, want %d", lost, len(got), len(want))
				}
				for i, f := range got {
					afterLoss := want[i] > 0 && (i == 0 || want[i-1] != want[i]-1)
					if !bytes.Equal(f.Data, s.frames[want[i]].data) || f.AfterLoss != afterLoss {
						t.Errorf("packet %d lost: frame %d is not %d, or says %v of a loss", lost, i, want[i], f.AfterLoss)
					}
				}
			}
		})
	}
}

// survivors says which frames must come when a packet is lost.
func survivors(s stream, lost int) []int {
	var frames []int
	gated := false
	for i, f := range s.frames {
		hit := lost >= f.first && lost <= f.last
		switch {
		case hit && f.disposable && lost > f.first && lost < f.last:
			continue
		case hit:
			gated = true
		case f.key:
			gated = false
		}
		if !gated {
			frames = append(frames, i)
		}
	}
	return frames
}

// Whichever packets are lost, each picture that ffmpeg decodes from the rest
// is one that it decodes without the loss: no reference is missing.
func TestDecodedAfterLoss(t *testing.T) {
	for _, s := range streams(t) {
		t.Run(s.name, func(t *testing.T) {
			whole := digests(t, s.format.Codec, run(t, s.format, s.packets, all))
			var frames []media.Frame
			for lost, p := range s.packets {
				if !s.layered || len(p.Payload) == 0 || lost%4 > 0 {
					continue
				}
				frames = append(frames, run(t, s.format, s.packets, func(i int) bool { return i != lost })...)
			}
			for seed := range uint64(10) {
				random := rand.New(rand.NewPCG(seed, 1))
				kept := run(t, s.format, s.packets, func(int) bool { return random.IntN(100) >= 5 })
				if len(kept) > 0 && s.format.Codec == reelvault.H265 {
					last := &kept[len(kept)-1] // end of sequence: the next run's picture order starts over
					last.Data = append(last.Data, lengthPrefix([]byte{36 << 1, 1})...)
				}
				frames = append(frames, kept...)
			}
			if len(frames) == 0 || !frames[0].Key {
				t.Fatal("no frames, or no keyframe first")
			}
			sums := digests(t, s.format.Codec, frames)
			if len(sums) < len(frames) {
				t.Errorf("ffmpeg decoded %d pictures of %d frames", len(sums), len(frames))
			}
			for i, sum := range sums {
				if !slices.Contains(whole, sum) {
					t.Fatalf("picture %d of %d was not in the stream", i, len(sums))
				}
			}
		})
	}
}

// Whatever is lost, only whole frames of the stream come, in order; a delta
// frame only if every frame since its keyframe came before it.
func TestRandomLoss(t *testing.T) {
	for _, s := range streams(t) {
		t.Run(s.name, func(t *testing.T) {
			whole := run(t, s.format, s.packets, all)
			rapid.Check(t, func(rt *rapid.T) {
				random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
				percent := rapid.SampledFrom([]int{1, 3, 20}).Draw(rt, "percent")
				d, err := depacket.New(s.format)
				if err != nil {
					rt.Fatal(err)
				}
				got := push(d, s.packets, func(int) bool { return random.IntN(100) >= percent })
				checkSubset(rt, s, whole, got)
			})
		})
	}
}

// checkSubset checks got against the frames of the whole stream.
func checkSubset(t *rapid.T, s stream, whole, got []media.Frame) {
	at := -1
	for _, f := range got {
		before := at
		for at++; at < len(whole) && whole[at].Timestamp != f.Timestamp; at++ {
		}
		if at == len(whole) {
			t.Fatalf("a frame of time %d is not in the stream, or out of order", f.Timestamp)
		}
		partial := s.layered && s.format.Codec == reelvault.VP9
		if !partial && !bytes.Equal(f.Data, whole[at].Data) {
			t.Fatalf("frame %d has other bytes", at)
		}
		if before >= 0 && before != at-1 && !f.AfterLoss {
			t.Fatalf("frame %d does not say that %d to %d are missing", at, before+1, at-1)
		}
		if s.layered || f.Key {
			continue
		}
		for missing := before + 1; missing < at; missing++ {
			if s.frames == nil || !s.frames[missing].disposable {
				t.Fatalf("frame %d came without frame %d", at, missing)
			}
		}
	}
}

// A keyframe is asked for from the start and after a loss, until one comes.
func TestNeedKeyframe(t *testing.T) {
	for _, s := range streams(t) {
		if s.frames == nil {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			d, err := depacket.New(s.format)
			if err != nil {
				t.Fatal(err)
			}
			if !d.NeedKeyframe() {
				t.Error("none needed at the start")
			}
			hit := s.frames[1]
			push(d, s.packets[:hit.first], all)
			if d.NeedKeyframe() {
				t.Error("one needed after a keyframe")
			}
			d.Push(&s.packets[hit.last+1], hit.last+1-hit.first)
			push(d, s.packets[hit.last+2:s.frames[4].first], all)
			if !d.NeedKeyframe() {
				t.Error("none needed after a loss")
			}
			push(d, s.packets[s.frames[4].first:], all)
			if d.NeedKeyframe() {
				t.Error("one needed after the next keyframe")
			}
		})
	}
}

// After a reset nothing comes of what was half assembled, and nothing but a
// keyframe comes first. The pause is nobody's loss.
func TestReset(t *testing.T) {
	for _, s := range streams(t) {
		t.Run(s.name, func(t *testing.T) {
			whole := run(t, s.format, s.packets, all)
			for cut := 1; cut < len(s.packets); cut += 7 {
				d, err := depacket.New(s.format)
				if err != nil {
					t.Fatal(err)
				}
				push(d, s.packets[:cut], all)
				d.Reset()
				if !d.NeedKeyframe() {
					t.Fatal("no keyframe needed after a reset")
				}
				got := push(d, s.packets[cut:], all)
				if len(got) > 0 && !got[0].Key {
					t.Fatalf("reset at packet %d: a delta frame came first", cut)
				}
				if tail := whole[len(whole)-len(got):]; !slices.EqualFunc(got, tail, equalPicture) {
					t.Fatalf("reset at packet %d: other frames than the last %d", cut, len(tail))
				}
			}
		})
	}
}

// A keyframe right after a reset, which cut a picture short, does not speak of
// a loss.
func TestResetAtKeyframe(t *testing.T) {
	for _, s := range streams(t) {
		if s.frames == nil {
			continue
		}
		d, err := depacket.New(s.format)
		if err != nil {
			t.Fatal(err)
		}
		push(d, s.packets, all)
		cut := slices.IndexFunc(s.frames[1:], func(f frame) bool { return f.last > f.first }) + 1
		push(d, s.packets[:s.frames[cut].last], all)
		d.Reset()
		got := push(d, s.packets, all)
		if len(got) == 0 || got[0].AfterLoss {
			t.Errorf("%s: %d frames, or the first comes after a loss", s.name, len(got))
		}
	}
}
