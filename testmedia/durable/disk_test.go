package durable_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

const mebibyte = 1 << 20

// smallDisk is a file system of its own, in memory.
type smallDisk struct{ dir string }

// mountDisk mounts a file system of so many MiB at dir for the test.
func mountDisk(t *testing.T, dir string, mebibytes int) *smallDisk {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o700))
	owner := fmt.Sprintf("size=%dm,mode=0700,uid=%d,gid=%d", mebibytes, os.Getuid(), os.Getgid())
	must(t, asRoot(t.Context(), "mount", "-t", "tmpfs", "-o", owner, "tmpfs", dir))
	t.Cleanup(func() { must(t, asRoot(context.Background(), "umount", dir)) })
	return &smallDisk{dir}
}

// asRoot runs a program that needs root: as we are, or by sudo.
func asRoot(ctx context.Context, args ...string) error {
	if os.Getuid() != 0 {
		args = append([]string{"sudo", "-n"}, args...)
	}
	if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (d *smallDisk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill leaves so many bytes free.
func (d *smallDisk) fill(t *testing.T, left int64) {
	t.Helper()
	var space syscall.Statfs_t
	must(t, syscall.Statfs(d.dir, &space))
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	must(t, syscall.Fallocate(int(f.Fd()), 0, 0, int64(space.Bavail)*space.Bsize-left))
	must(t, f.Close())
}

func (d *smallDisk) empty(t *testing.T) {
	t.Helper()
	must(t, os.Remove(d.ballast()))
}

func (d *smallDisk) remount(t *testing.T, how string) {
	t.Helper()
	must(t, asRoot(t.Context(), "mount", "-o", "remount,"+how, d.dir))
}

// expectRefused offers into a new session and finds it refused for want of
// room, with a hint that has these words in it; and the program not ready.
func expectRefused(t *testing.T, n *node.Node, words string) {
	t.Helper()
	s, err := n.NewSession(t.Context())
	must(t, err)
	_, err = testmedia.Publish(t.Context(), testmedia.Target{URL: n.WHIP(s.ID, "late"), Token: node.Token}, clip(t, vp8))
	if err == nil || !strings.Contains(err.Error(), "507") || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), `"hint"`) {
		t.Errorf("an offer without room: %v, want 507 and a hint with %q", err, words)
	}
	_, err = n.Do(t.Context(), http.MethodGet, "/readyz", nil)
	var answer *node.AnswerError
	if !errors.As(err, &answer) || answer.Status != http.StatusServiceUnavailable || !strings.Contains(answer.Body, words) {
		t.Errorf("ready without room: %v, want 503 with %q", err, words)
	}
}

// expectAccepted waits until a new session can be recorded, and records it.
func expectAccepted(t *testing.T, n *node.Node) {
	t.Helper()
	s, err := n.NewSession(t.Context())
	must(t, err)
	target := testmedia.Target{URL: n.WHIP(s.ID, "next"), Token: node.Token}
	await(t, "accepted", func() bool {
		peer, err := testmedia.Publish(t.Context(), target, clip(t, vp8))
		return err == nil && peer.Vanish() == nil
	})
}

// While the disk is nearly full, new publishers are refused and those that are
// here finish whole, the catalog and the objects being on the same disk.
func TestDiskNearlyFull(t *testing.T) {
	dir := t.TempDir()
	disk := mountDisk(t, filepath.Join(dir, "data"), 100)
	n := start(t, node.Spec{Dir: dir})
	s, err := n.NewSession(t.Context())
	must(t, err)
	publishers := []*publisher{publish(t, n, s.ID, "anna", vp8), publish(t, n, s.ID, "ben", h264)}
	awaitConnected(t, publishers)
	must(t, wait(t.Context(), time.Second))

	disk.fill(t, 4*mebibyte) // 5 % are reserved
	expectRefused(t, n, "MiB are left")
	must(t, wait(t.Context(), 3*time.Second))
	for _, p := range publishers {
		p.expectNoError(t)
	}
	asked := time.Now()
	must(t, n.EndSession(t.Context(), s.ID))
	all := awaitVerified(t, n, s.ID)
	for _, track := range all[0].Tracks {
		if len(track.Gaps) > 0 {
			t.Errorf("%s of %s has the gaps %+v", track.Media, track.ParticipantID, track.Gaps)
		}
	}
	for _, p := range publishers {
		p.expectHolds(t, n, all[0], window{until: asked.Add(-travel)})
	}
	disk.empty(t)
	expectAccepted(t, n)
}

// When the spool's disk is full to the last byte, what had been written plays,
// capture goes on in a new file as soon as there is room, and the hole
// between has its cause.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	disk := mountDisk(t, filepath.Join(dir, "data", "spool"), 20)
	n := start(t, node.Spec{Dir: dir})
	s, err := n.NewSession(t.Context())
	must(t, err)
	p := publish(t, n, s.ID, "anna", vp8)
	awaitConnected(t, []*publisher{p})
	must(t, wait(t.Context(), 2*time.Second))

	full := time.Now()
	disk.fill(t, 0)
	await(t, "abandoned", func() bool {
		files, metricErr := n.Metric(t.Context(), "reelvault_recorder_abandoned_files_total")
		must(t, metricErr)
		return files > 0
	})
	disk.empty(t)
	_, err = n.Await(t.Context(), s.ID, func(all []node.Recording) bool { return len(all) == 1 && len(all[0].Files) > 1 })
	must(t, err)
	must(t, wait(t.Context(), 2*time.Second))
	p.expectNoError(t)
	must(t, n.EndSession(t.Context(), s.ID))

	all := awaitVerified(t, n, s.ID)
	if len(all) != 1 || all[0].State != string(reelvault.RecordingReady) {
		t.Fatalf("%+v, want one recording that is ready", all)
	}
	expectSplit(t, n, all[0], p, full)
	if left, err := spooled(n); err != nil || len(left) > 0 {
		t.Errorf("the spool still has %v, %v", left, err)
	}
}

// expectSplit finds the first file of a recording whole up to a second before
// the disk was full, all files playing, and a gap of cause disk on each medium.
func expectSplit(t *testing.T, n *node.Node, r node.Recording, p *publisher, full time.Time) {
	t.Helper()
	for i, f := range r.Files {
		if f.DurationMs == 0 {
			continue
		}
		path := download(t, n, f)
		expectPlays(t, path)
		if i > 0 {
			continue
		}
		for stream, kind := range map[testmedia.Stream]string{testmedia.AudioStream: "a", testmedia.VideoStream: "v"} {
			got, err := packets(t.Context(), path, kind)
			must(t, err)
			w := window{until: full.Add(-crashLoss)}
			expectFrames(t, kind+" before the disk was full", got, p.frames(stream), w.of(r, f))
		}
	}
	for _, medium := range []reelvault.Media{reelvault.Audio, reelvault.Video} {
		if !slices.ContainsFunc(r.Tracks, func(track node.Track) bool {
			return track.Media == string(medium) && len(gapsOf(track, reelvault.GapDisk)) > 0
		}) {
			t.Errorf("no %s track has a gap of cause disk: %+v", medium, r.Tracks)
		}
	}
}

// On a disk that is read-only, new publishers are refused, and what was
// recorded plays.
func TestDiskReadOnly(t *testing.T) {
	dir := t.TempDir()
	disk := mountDisk(t, filepath.Join(dir, "data", "spool"), 20)
	n := start(t, node.Spec{Dir: dir})
	s, err := n.NewSession(t.Context())
	must(t, err)
	p := publish(t, n, s.ID, "anna", vp8)
	awaitConnected(t, []*publisher{p})
	must(t, wait(t.Context(), time.Second))
	p.expectNoError(t)
	asked := time.Now()
	must(t, n.EndSession(t.Context(), s.ID))
	p.stop()
	all := awaitVerified(t, n, s.ID)

	disk.remount(t, "ro")
	expectRefused(t, n, "read-only")
	p.expectHolds(t, n, all[0], window{until: asked.Add(-travel)})
	disk.remount(t, "rw")
	expectAccepted(t, n)
}
