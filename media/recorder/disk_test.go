package recorder_test

import (
	"io/fs"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/spool"
	"github.com/reelvault/reelvault/testmedia"
)

// disk is the real file system, but for what a test makes of it.
type disk struct {
	spool.OS

	mu   sync.Mutex
	fail func(op string) error // may block; nil: all is well
}

func (d *disk) setFail(f func(op string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = f
}

func (d *disk) op(op string) error {
	d.mu.Lock()
	fail := d.fail
	d.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(op)
}

func (d *disk) OpenFile(name string, flag int, perm fs.FileMode) (spool.FSFile, error) {
	if err := d.op("open"); err != nil {
		return nil, err
	}
	f, err := d.OS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &diskFile{FSFile: f, disk: d}, nil
}

type diskFile struct {
	spool.FSFile

	disk *disk
}

func (f *diskFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.disk.op("write"); err != nil {
		return 0, err
	}
	return f.FSFile.WriteAt(b, off)
}

func (f *diskFile) Sync() error {
	if err := f.disk.op("sync"); err != nil {
		return err
	}
	return f.FSFile.Sync()
}

// failing fails one kind of call.
func failing(which string) func(string) error {
	return func(op string) error {
		if op == which {
			return syscall.EIO
		}
		return nil
	}
}

// A disk that fails costs the time it fails, and no more: the file is given
// up, what it holds is kept, and capture goes on in another.
func TestDiskFails(t *testing.T) {
	for name, fault := range map[string]func(string) error{
		"a write fails": failing("write"),
		"a sync fails":  failing("sync"),
		"the disk is full": func(op string) error {
			if op == "sync" {
				return nil
			}
			return syscall.ENOSPC
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := &disk{}
			all, path := bubble(t, func(r *rig) {
				p := r.camera(guest, testmedia.SendSpec{Length: 40 * time.Second})
				p.until(15 * time.Second)
				d.setFail(fault)
				asked := p.asked
				p.until(20 * time.Second)
				if p.asked < asked+4 {
					r.t.Errorf("keyframes asked for while the disk failed: %d, want it again and again", p.asked-asked)
				}
				d.setFail(nil)
				p.until(40 * time.Second)
				p.capture.Close(nil)
				if r.Stats().Abandoned == 0 {
					r.t.Error("no file was given up; the disk did not fail")
				}
			}, d)
			wantPlayable(t, all[0], path)
			files := all[0].Files
			if len(files) < 2 {
				t.Fatalf("files: got %d, want at least 2", len(files))
			}
			if first := files[0]; first.Duration < 14*time.Second {
				t.Errorf("first file: %v long, want at least what came a second before the fault", first.Duration)
			}
			if last := files[len(files)-1]; last.Offset > 24*time.Second || !near(last.Offset+last.Duration, 40*time.Second, frameTime) {
				t.Errorf("last file: from %v for %v, want it to begin soon after the fault", last.Offset, last.Duration)
			}
			for _, track := range all[0].Tracks {
				if causes := gaps(track, reelvault.GapDisk); len(causes) == 0 || len(causes) != len(track.Gaps) {
					t.Errorf("%s: gaps %+v, want them all of cause disk", track.Media, track.Gaps)
				}
			}
		})
	}
}

// However seldom pictures come, a new file begins with one that needs no other.
func TestDiskFailsBetweenPictures(t *testing.T) {
	spec := slowCamera
	spec.FPS, spec.KeyEvery, spec.NoAudio = 1, spec.Duration, true
	clip := encode(t, spec)
	d := &disk{}
	all, path := bubble(t, func(r *rig) {
		p := r.publish(guest, clip.Formats())
		sent, err := testmedia.Send(clip, testmedia.SendSpec{Length: 30 * time.Second, NoReports: true})
		if err != nil {
			r.t.Fatal(err)
		}
		for _, s := range sent {
			s.At *= 4
			s.Packet.Timestamp *= 4
			p.pending = append(p.pending, s)
		}
		p.until(4300 * time.Millisecond)
		d.setFail(failing("sync"))
		p.until(7 * time.Second)
		d.setFail(nil)
		p.until(120 * time.Second)
		p.capture.Close(nil)
		if got := r.Stats().Abandoned; got != 1 {
			r.t.Errorf("files given up: got %d, want one, between two pictures", got)
		}
	}, d)
	wantPlayable(t, all[0], path)
	if files := all[0].Files; len(files) != 2 || !near(files[1].Offset, 80*time.Second, time.Second) {
		t.Errorf("files: got %+v, want the second to begin with the keyframe at 80 s", files)
	}
}

// A disk that is gone for long is not hammered, and found again soon.
func TestDiskFailsForLong(t *testing.T) {
	d := &disk{}
	all, path := bubble(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 100 * time.Second})
		p.until(15 * time.Second)
		d.setFail(failing("write"))
		p.until(75 * time.Second)
		d.setFail(nil)
		p.until(100 * time.Second)
		p.capture.Close(nil)
		if got := r.Stats().Abandoned; got < 5 || got > 12 {
			r.t.Errorf("files given up in a minute: got %d, want 5 to 12", got)
		}
	}, d)
	wantPlayable(t, all[0], path)
	if last := all[0].Files[len(all[0].Files)-1]; last.Offset > 86*time.Second || last.Duration < 14*time.Second {
		t.Errorf("last file: from %v for %v, want it to begin within 11 s", last.Offset, last.Duration)
	}
}

// Where pictures are far behind the sound, those from before a new file's zero
// are dropped, and the file lives.
func TestDiskFailsWithLatePictures(t *testing.T) {
	d := &disk{}
	all, path := bubble(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 30 * time.Second, VideoSkew: 2 * time.Second})
		p.until(15 * time.Second)
		d.setFail(failing("sync"))
		p.until(16*time.Second + 500*time.Millisecond)
		d.setFail(nil)
		p.until(30 * time.Second)
		p.capture.Close(nil)
		if got := r.Stats().Abandoned; got != 1 {
			r.t.Errorf("files given up: got %d, want the one whose sync failed", got)
		}
	}, d)
	wantPlayable(t, all[0], path)
	if len(all[0].Files) != 2 || len(all[0].Tracks) != 4 {
		t.Fatalf("got %d files and %d tracks, want 2 and 4", len(all[0].Files), len(all[0].Tracks))
	}
	for _, track := range all[0].Tracks {
		if second := all[0].Files[1]; track.FileID == second.ID && track.Offset < second.Offset {
			t.Errorf("%s: begins at %v, before its file at %v", track.Media, track.Offset, second.Offset)
		}
	}
}

// A disk that hangs holds up nobody who sends, and no other file.
func TestDiskHangs(t *testing.T) {
	d := &disk{}
	all, path := bubble(t, func(r *rig) {
		release := make(chan struct{})
		p := r.camera(guest, testmedia.SendSpec{Length: 150 * time.Second})
		p.until(10 * time.Second)
		d.setFail(func(op string) error {
			if op == "write" {
				<-release
			}
			return nil
		})
		sent := len(p.pending)
		if forwarded := p.until(100 * time.Second); forwarded < (sent-len(p.pending))*9/10 {
			r.t.Errorf("forwarded while the disk hung: %d of %d", forwarded, sent-len(p.pending))
		}
		d.setFail(nil)
		close(release)
		p.until(150 * time.Second)
		p.capture.Close(nil)
	}, d)
	wantPlayable(t, all[0], path)
	for _, track := range all[0].Tracks {
		if len(gaps(track, reelvault.GapDisk)) == 0 {
			t.Errorf("%s: gaps %+v, want one of cause disk", track.Media, track.Gaps)
		}
	}
}

// A file that the disk gave up on, and still can't read back at the end, is
// finished by the next start.
func TestDiskBrokenToTheEnd(t *testing.T) {
	d := &disk{}
	all, path := crash(t, func(r *rig) {
		p := r.camera(guest, testmedia.SendSpec{Length: 20 * time.Second})
		p.until(15 * time.Second)
		d.setFail(func(string) error { return syscall.EIO })
		p.until(20 * time.Second)
		p.capture.Close(nil)
		if err := r.Drain(r.t.Context()); err != nil {
			r.t.Error(err)
		}
		if got := r.only().State; got == reelvault.RecordingReady || got == reelvault.RecordingFailed {
			r.t.Errorf("with a broken disk: got %s, want it left to the next start", got)
		}
	}, func(*rig) {}, d)
	wantPlayable(t, all[0], path)
	if got := all[0].Files[0].Duration; got < 14*time.Second {
		t.Errorf("file: %v long, want at least 14 s", got)
	}
}
