package recorder_test

import (
	"bytes"
	"cmp"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/media/spool"
	"github.com/reelvault/reelvault/testmedia"
)

// wantContinued fails unless a recording's tracks go on from file to file
// without a hole, each video beginning with the file.
func wantContinued(t *testing.T, rec reelvault.Recording, files int) {
	t.Helper()
	if len(rec.Files) != files || len(rec.Tracks) != 2*files {
		t.Fatalf("got %d files and %d tracks, want %d and %d", len(rec.Files), len(rec.Tracks), files, 2*files)
	}
	ends := map[reelvault.Media]time.Duration{}
	for _, f := range rec.Files {
		for _, track := range rec.Tracks {
			if track.FileID != f.ID {
				continue
			}
			if end, ok := ends[track.Media]; ok && !near(track.Offset, end, time.Millisecond) {
				t.Errorf("%s: ends at %v, goes on at %v", track.Media, end, track.Offset)
			}
			ends[track.Media] = track.Offset + track.Duration
			if len(track.Gaps) != 0 {
				t.Errorf("%s: gaps %+v, want none", track.Media, track.Gaps)
			}
		}
	}
}

// Four hours fill a file. The next one begins with a keyframe, and nothing is
// lost in between.
func TestRolloverByTime(t *testing.T) {
	t.Parallel()
	slow := slowCamera
	slow.FPS, slow.KeyEvery, slow.Duration = 1, 7*time.Second, 21*time.Second
	clip := encode(t, slow)
	sent, err := testmedia.Send(clip, testmedia.SendSpec{Length: 4*time.Hour + time.Minute, ReportEvery: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	rec, path := record(t, clip.Formats(), sent)
	wantContinued(t, rec, 2)
	if got := rec.Files[1].Offset; !near(got, 4*time.Hour, slow.KeyEvery) {
		t.Errorf("second file begins at %v, want the first keyframe after 4 h", got)
	}
	last := rec
	last.Files = rec.Files[1:]
	wantPlayable(t, last, path)
}

// So do four hours in which the camera is soon off: sound does not wait for it.
func TestRolloverWithoutCamera(t *testing.T) {
	t.Parallel()
	slow := slowCamera
	slow.FPS, slow.KeyEvery = 1, 5*time.Second
	clip := encode(t, slow)
	sent, err := testmedia.Send(clip, testmedia.SendSpec{Length: 4*time.Hour + time.Minute, NoReports: true})
	if err != nil {
		t.Fatal(err)
	}
	sent = slices.DeleteFunc(sent, func(s testmedia.Sent) bool {
		return s.Stream == testmedia.VideoStream && s.At > time.Minute && s.At < 4*time.Hour+30*time.Second
	})
	rec, path := record(t, clip.Formats(), sent)
	if len(rec.Files) != 2 || !near(rec.Files[1].Offset, 4*time.Hour, time.Second) {
		t.Fatalf("files: got %+v, want a second one from 4 h on", rec.Files)
	}
	last := rec
	last.Files = rec.Files[1:]
	wantPlayable(t, last, path)
}

// sparse is a disk that keeps the beginning of each file, and of the rest only
// the size.
type sparse struct{ spool.OS }

func (s sparse) OpenFile(name string, flag int, perm fs.FileMode) (spool.FSFile, error) {
	f, err := s.OS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return sparseFile{f}, nil
}

type sparseFile struct{ spool.FSFile }

func (f sparseFile) WriteAt(b []byte, off int64) (int, error) {
	if off < 1<<20 {
		return f.FSFile.WriteAt(b, off)
	}
	return len(b), f.Truncate(off + int64(len(b)))
}

// So do four gigabytes.
func TestRolloverBySize(t *testing.T) {
	t.Parallel()
	clip := encode(t, camera)
	formats := clip.Formats()
	all, _ := bubble(t, func(r *rig) {
		p := r.publish(guest, formats)
		sequence := uint16(0)
		video := func(at time.Duration, frame []byte) testmedia.Sent {
			sequence++
			return testmedia.Sent{Stream: testmedia.VideoStream, At: at, Packet: media.Packet{
				SSRC: 7, SequenceNumber: sequence, Timestamp: uint32(at.Seconds() * 90000), Marker: true, Payload: frame,
			}}
		}
		// A VP8 frame is as long as its packet says, whatever is in it.
		big := append([]byte{0x10}, clip.VideoFrames[0].Data...)
		big = append(big, bytes.Repeat([]byte{0}, 60_000)...)
		// Keyframes all: those that wait for the stream's start come at once, a
		// cluster each, and must fit into half the disk's queue.
		const rate = 50
		for i := range 4<<30/60_000 + 4*rate {
			at := time.Duration(i) * time.Second / rate
			p.pending = append(p.pending, video(at, big), testmedia.Sent{Stream: testmedia.AudioStream, At: at, Packet: media.Packet{
				SSRC: 8, SequenceNumber: uint16(i), Timestamp: uint32(i * 960), Payload: clip.AudioFrames[0].Data,
			}})
		}
		p.until(p.pending[len(p.pending)-1].At)
		p.capture.Close(nil)
	}, sparse{})
	wantContinued(t, all[0], 2)
	if got := all[0].Files[0].Bytes; got < 4<<30 || got > 4<<30+1<<20 {
		t.Errorf("first file: %d bytes, want 4 GiB and a cluster", got)
	}
}

// A peer may fill the head of its file with parameter sets: that costs neither
// the file nor its sound.
func TestLargeParameterSets(t *testing.T) {
	for name, test := range map[string]struct{ cameras, size, tracks int }{
		"of a camera":  {1, 3000, 2},
		"of 5 cameras": {5, 400, 5}, // those that found room, and the sound
	} {
		t.Run(name, func(t *testing.T) {
			all, _ := bubble(t, func(r *rig) {
				p := r.camera(guest, testmedia.SendSpec{Length: 10 * time.Second})
				p.pending = slices.DeleteFunc(p.pending, func(s testmedia.Sent) bool { return s.Stream == testmedia.VideoStream })
				for i := range test.cameras {
					p.largeSets(testmedia.VideoStream+testmedia.Stream(i), test.size)
				}
				slices.SortStableFunc(p.pending, func(a, b testmedia.Sent) int { return cmp.Compare(a.At, b.At) })
				p.until(10 * time.Second)
				p.capture.Close(nil)
			})
			if len(all[0].Files) != 1 || len(all[0].Tracks) != test.tracks {
				t.Fatalf("got %d files and %d tracks, want one with %d", len(all[0].Files), len(all[0].Tracks), test.tracks)
			}
			for _, track := range all[0].Tracks {
				if !near(track.Duration, 10*time.Second, frameTime) || len(track.Gaps) != 0 {
					t.Errorf("%s: %v long with gaps %+v, want all of 10 s", track.Media, track.Duration, track.Gaps)
				}
			}
		})
	}
}

// largeSets adds 10 s of H.264 to what is pending, with two picture parameter
// sets of this size in front that no picture uses.
func (p *publisher) largeSets(stream testmedia.Stream, size int) {
	p.t.Helper()
	clip := encode(p.t, withCodec(reelvault.H264))
	sent, err := testmedia.Send(clip, testmedia.SendSpec{Length: 10 * time.Second, NoReports: true})
	if err != nil {
		p.t.Fatal(err)
	}
	p.formats[stream] = clip.Formats()[testmedia.VideoStream]
	sent = slices.DeleteFunc(sent, func(s testmedia.Sent) bool { return s.Stream != testmedia.VideoStream })
	first := sent[0]
	// Numbers 40 and 41 (H.264, section 7.3.2.2).
	for i, set := range [][]byte{{0x68, 0x05, 0x38}, {0x68, 0x05, 0x58}} {
		large := first
		large.Packet.Payload = append(set, bytes.Repeat([]byte{0xaa}, size)...)
		large.Packet.Marker = false
		large.Packet.SequenceNumber += uint16(i) - 2
		sent = slices.Insert(sent, i, large)
	}
	for _, s := range sent {
		s.Stream = stream
		s.Packet.SSRC += uint32(stream)
		p.pending = append(p.pending, s)
	}
}
