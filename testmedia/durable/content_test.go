package durable_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// silence is what the recorder fills holes in sound with, 20 ms of Opus.
var silence = sumOf([]byte{0xf8, 0xff, 0xfe})

// sumOf gives a checksum as ffprobe writes it.
func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "SHA256:" + hex.EncodeToString(sum[:])
}

// scatter is how far the distance of two frames may be from what it was: times
// are in whole milliseconds, and pictures may be led by 5 ms a second.
const scatter = 3 * time.Millisecond

// window is which of the frames sent a recording has to hold, and which it
// may hold.
type window struct {
	until time.Time // what had left by then must be there
	never time.Time // what left after that must not; zero: anything may
	zero  time.Time // when the file's clock stood at zero
}

// of is the window for a file of a recording.
func (w window) of(r node.Recording, f node.File) window {
	w.zero = r.StartedAt.Add(time.Duration(f.OffsetMs) * time.Millisecond)
	return w
}

// packet is one frame of a file.
type packet struct {
	at  time.Duration
	key bool
	sum string
}

// download fetches a file by its link into a folder of the test, finds its
// SHA-256 to be what the node says, and gives its path.
func download(t *testing.T, n *node.Node, f node.File) string {
	t.Helper()
	data, err := n.Download(t.Context(), f)
	must(t, err)
	if int64(len(data)) != f.Bytes {
		t.Errorf("file %s has %d bytes, %d came", f.ID, f.Bytes, len(data))
	}
	if sum := sha256.Sum256(data); f.SHA256 != "" && f.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("file %s has SHA-256 %x, want %s", f.ID, sum, f.SHA256)
	}
	path := filepath.Join(t.TempDir(), f.ID+"."+f.Container)
	must(t, os.WriteFile(path, data, 0o600))
	return path
}

// expectPlays decodes a file to its end. Pictures may be led towards their
// sound meanwhile, so their rate is not constant.
func expectPlays(t *testing.T, path string) {
	t.Helper()
	if err := testmedia.DecodeVariable(t.Context(), path); err != nil {
		t.Error(err)
	}
	if _, err := testmedia.Duration(t.Context(), path); err != nil {
		t.Error(err)
	}
}

// packets lists the frames of a file's only stream of a kind.
func packets(ctx context.Context, path, kind string) ([]packet, error) {
	out, err := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-select_streams", kind+":0", "-show_data_hash", "sha256",
		"-show_entries", "packet=pts_time,flags,data_hash", "-of", "json", path).Output()
	if err != nil {
		return nil, fmt.Errorf("probe %s: %w", path, err)
	}
	var listed struct {
		Packets []struct {
			At    string `json:"pts_time"`
			Flags string `json:"flags"`
			Sum   string `json:"data_hash"`
		} `json:"packets"`
	}
	if err := json.Unmarshal(out, &listed); err != nil {
		return nil, fmt.Errorf("read probe of %s: %w", path, err)
	}
	all := make([]packet, len(listed.Packets))
	for i, p := range listed.Packets {
		seconds, err := strconv.ParseFloat(p.At, 64)
		if err != nil {
			return nil, fmt.Errorf("time of frame %d in %s: %w", i, path, err)
		}
		all[i] = packet{at: time.Duration(seconds * float64(time.Second)), key: p.Flags != "" && p.Flags[0] == 'K', sum: p.Sum}
	}
	return all, nil
}

// expectHolds finds what a publisher sent in its only file of a recording: from
// its first frame on, in order, without a hole, at the right distances.
func (p *publisher) expectHolds(t *testing.T, n *node.Node, r node.Recording, w window) {
	t.Helper()
	tracks := slices.DeleteFunc(slices.Clone(r.Tracks), func(track node.Track) bool { return track.ParticipantID != p.participant })
	if len(tracks) == 0 {
		for _, s := range []testmedia.Stream{testmedia.AudioStream, testmedia.VideoStream} {
			if must := mustHold(p.frames(s), w); must > 0 {
				t.Errorf("recording %s (%s, %s) has no track of %s, who had sent %d frames of stream %d", r.ID, r.State, r.Reason, p.participant, must, s)
			}
		}
		return
	}
	i := slices.IndexFunc(r.Files, func(f node.File) bool { return f.ID == tracks[0].FileID })
	path := download(t, n, r.Files[i])
	expectPlays(t, path)
	for stream, kind := range map[testmedia.Stream]string{testmedia.AudioStream: "a", testmedia.VideoStream: "v"} {
		got, err := packets(t.Context(), path, kind)
		must(t, err)
		what := fmt.Sprintf("recording %s, %s of %s, codec %s", r.ID, kind, p.participant, p.clip.Video)
		expectFrames(t, what, got, p.frames(stream), w.of(r, r.Files[i]))
	}
}

// mustHold counts the frames that have to be there.
func mustHold(sent []frame, w window) int {
	n := 0
	for n < len(sent) && !sent[n].last.After(w.until) {
		n++
	}
	return n
}

// expectFrames compares a stream of a file with what was sent.
func expectFrames(t *testing.T, what string, got []packet, sent []frame, w window) {
	t.Helper()
	want := mustHold(sent, w)
	if len(got) == 0 {
		if want > 0 {
			t.Errorf("%s: no frames, %d had been sent", what, want)
		}
		return
	}
	if len(sent) == 0 {
		t.Errorf("%s: %d frames, none was sent", what, len(got))
		return
	}
	// The file's clock is the session's: it says when the first frame came.
	const near = 500 * time.Millisecond
	if apart := w.zero.Add(got[0].at).Sub(sent[0].first); apart.Abs() > near {
		t.Errorf("%s: begins %v after the first frame was sent", what, apart)
	}
	if len(got) < want {
		t.Errorf("%s: %d frames, %d had been sent; last sent %v", what, len(got), want, sent[want-1].last)
	}
	if len(got) > len(sent) {
		t.Errorf("%s: %d frames, %d were sent", what, len(got), len(sent))
		return
	}
	for i, g := range got {
		s := sent[i]
		apart := (g.at - got[max(i-1, 0)].at) - (s.at - sent[max(i-1, 0)].at)
		if i >= want && g.sum == silence {
			s.sum = silence // what a pause discards is heard as that
		}
		if g.key != s.key || s.sum != "" && g.sum != s.sum || apart.Abs() > scatter {
			t.Errorf("%s: frame %d of %d is key %t at %v, want key %t at %v, %v too far from the one before; its bytes are those of frame %d",
				what, i, len(got), g.key, g.at-got[0].at, s.key, s.at-sent[0].at, apart,
				slices.IndexFunc(sent, func(s frame) bool { return s.sum == g.sum }))
			return
		}
		if !w.never.IsZero() && s.first.After(w.never) {
			t.Errorf("%s: frame %d of %d was sent %v after it could be there", what, i, len(got), s.first.Sub(w.never))
			return
		}
	}
}

// gapsOf gives the gaps of a cause on a track.
func gapsOf(track node.Track, cause reelvault.GapCause) []node.Gap {
	return slices.DeleteFunc(slices.Clone(track.Gaps), func(g node.Gap) bool { return g.Cause != string(cause) })
}
