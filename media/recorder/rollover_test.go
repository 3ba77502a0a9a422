package recorder_test

import (
	"bytes"
	"io/fs"
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
