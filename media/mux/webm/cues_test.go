package webm_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/at-wat/ebml-go"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/mux/muxtest"
	"github.com/reelvault/reelvault/media/mux/webm"
)

// Each keyframe of video has a cue that leads to its block, and the seek head
// leads to the cues.
func TestCues(t *testing.T) {
	pic := video(t, reelvault.VP8, "160x120", "4")
	m := closed(t, []source{opus(t, "4"), pic, pic.delayed(time.Second / 2)})
	if n := wantCues(t, m.B); n != 8 {
		t.Errorf("%d cues, want one for each of 8 keyframes", n)
	}
}

// Without video, and where it has not begun, there is a cue for audio every
// 5 s.
func TestAudioCues(t *testing.T) {
	audio := opus(t, "20")
	if n := wantCues(t, closed(t, []source{audio}).B); n != 5 {
		t.Errorf("20 s of audio have %d cues, want 5", n)
	}
	pic := video(t, reelvault.VP8, "160x120", "3")
	if n := wantCues(t, closed(t, []source{audio, pic}).B); n != 3+3 {
		t.Errorf("20 s of audio with 3 s of video have %d cues, want 6", n)
	}
	pic = pic.delayed(18 * time.Second)
	if n := wantCues(t, closed(t, []source{audio, pic}).B); n != 3+3 {
		t.Errorf("18 s of audio before 3 s of video have %d cues, want 6", n)
	}
}

// wantCues fails unless each cue leads to a block of its track and time, and
// the seek head to Info, Tracks and Cues. It gives the number of cues.
func wantCues(t *testing.T, b []byte) int {
	t.Helper()
	d, places := read(t, b)
	segment := bytes.Index(b, []byte{0x18, 0x53, 0x80, 0x67}) + 12
	seeks := map[string]uint64{}
	for _, s := range d.Segment.SeekHead[0].Seek {
		seeks[string(s.SeekID)] = s.SeekPosition
		if at := segment + int(s.SeekPosition); !bytes.HasPrefix(b[at:], s.SeekID) {
			t.Errorf("the seek head leads for %x to %d", s.SeekID, at)
		}
	}
	if len(seeks) != 3 || segment+int(seeks["\x1c\x53\xbb\x6b"]) != places["Cues"][0].at {
		t.Errorf("seek head: %v", seeks)
	}
	if size := binary.BigEndian.Uint64(b[segment-8:]) &^ (1 << 56); int(size) != len(b)-segment {
		t.Errorf("the Segment has %d bytes, says %d", len(b)-segment, size)
	}
	before := uint64(0)
	for _, c := range d.Segment.Cues.CuePoint {
		p := c.CueTrackPositions[0]
		at := segment + int(p.CueClusterPosition)
		if !bytes.HasPrefix(b[at:], []byte{0x1f, 0x43, 0xb6, 0x75}) {
			t.Fatalf("cue at %d ms leads to no cluster", c.CueTime)
		}
		body := at + 8
		stamp := uint64(0)
		for _, v := range b[body+2 : body+2+int(b[body+1]&0x7f)] {
			stamp = stamp<<8 | uint64(v)
		}
		block := b[body+int(p.CueRelativePosition):]
		block = block[1+leadingZeros(block[1])+1:]
		got := int64(stamp) + int64(int16(binary.BigEndian.Uint16(block[1:])))
		if uint64(block[0]&0x7f) != p.CueTrack || got != int64(c.CueTime) || block[3] != 0x80 {
			t.Errorf("cue at %d ms of track %d leads to a block at %d ms of track %d, flags %x",
				c.CueTime, p.CueTrack, got, block[0]&0x7f, block[3])
		}
		if c.CueTime < before {
			t.Errorf("cue at %d ms after one at %d ms", c.CueTime, before)
		}
		before = c.CueTime
	}
	return len(d.Segment.Cues.CuePoint)
}

// Four hours with a keyframe every second keep a bounded number of cues,
// spread evenly, a seek finds its way with them, and recovery finds the same.
func TestFourHours(t *testing.T) {
	const hours = 4 * time.Hour
	m := &muxtest.Memory{B: make([]byte, 0, 40<<20)}
	w := webm.NewWriter(m, reelvault.WebM, start)
	audio, err := w.AddTrack(webm.TrackSpec{Codec: reelvault.Opus, Media: reelvault.Audio})
	must(t, err)
	pic, err := w.AddTrack(webm.TrackSpec{Codec: reelvault.VP8, Media: reelvault.Video, Width: 16, Height: 16})
	must(t, err)
	for at := time.Duration(0); at < hours; at += 100 * time.Millisecond {
		must(t, w.WriteFrame(audio, at, 100*time.Millisecond, true, []byte{0xfb, 0x05, 0xff, 0xfe}))
		must(t, w.WriteFrame(pic, at, 0, at%time.Second == 0, []byte("picture")))
	}
	live := bytes.Clone(m.B)
	got, err := w.Close()
	must(t, err)
	if want := hours; got != want {
		t.Errorf("Close says %s, want %s", got, want)
	}
	cues := cuesOf(t, m.B)
	if len(cues) > 4096 || len(cues) < 2048 {
		t.Errorf("%d cues, want some thousand", len(cues))
	}
	for i, c := range cues[1:] {
		if gap := c - cues[i]; gap > 10_000 {
			t.Errorf("no cue for %d ms after %d ms", gap, cues[i])
		}
	}
	path := onDisk(t, m.B)
	for i, line := range probe(t, path, "packet=pts_time", "-read_intervals", "3600%+#1,7200%+#1,10800%+#1") {
		want := time.Duration(i+1) * time.Hour
		if got := seconds(t, line); got > want || got < want-10*time.Second {
			t.Errorf("seeking to %s leads to %s", want, got)
		}
	}
	mended := &muxtest.Memory{B: live}
	_, err = webm.Recover(mended)
	must(t, err)
	if found := cuesOf(t, mended.B); len(found) < len(cues)-1 {
		t.Errorf("recovery finds %d cues, the writer had %d", len(found), len(cues))
	}
}

// cuesOf gives the times of the cues at the end of a file, without reading
// what comes before.
func cuesOf(t *testing.T, b []byte) []uint64 {
	t.Helper()
	var end struct {
		Cues struct {
			CuePoint []struct {
				CueTime uint64 `ebml:"CueTime"`
			} `ebml:"CuePoint"`
		} `ebml:"Cues"`
	}
	at := bytes.LastIndex(b, []byte{0x1c, 0x53, 0xbb, 0x6b})
	must(t, ebml.Unmarshal(bytes.NewReader(b[at:]), &end, ebml.WithIgnoreUnknown(true)))
	var times []uint64
	for _, c := range end.Cues.CuePoint {
		times = append(times, c.CueTime)
	}
	return times
}
