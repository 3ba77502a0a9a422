package demo_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/demo"
)

// The media are whole, can be repeated without a break, and are small enough
// to lie in the repository and in the program.
func TestMedia(t *testing.T) {
	all, err := filepath.Glob("media/*.*")
	if err != nil || len(all) == 0 {
		t.Fatalf("got %v, %v", all, err)
	}
	total := int64(0)
	for _, path := range all {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
		switch filepath.Ext(path) {
		case ".ivf", ".ogg", ".wav":
			if err := testmedia.Decode(t.Context(), path); err != nil {
				t.Error(err)
			}
			d, err := testmedia.Duration(t.Context(), path)
			if err != nil || (d-demo.Length).Abs() > 20*time.Millisecond {
				t.Errorf("%s lasts %s, %v; want %s", path, d, err, demo.Length)
			}
		}
	}
	const most = 1_500_000
	if total > most {
		t.Errorf("got %d bytes of media, want at most %d", total, most)
	}
	if !bytes.HasPrefix(demo.Invoice(), []byte("%PDF-1.")) {
		t.Errorf("the invoice begins with %.8q", demo.Invoice())
	}
}

// Every clip has a frame for every moment, and its keyframes where Loop takes
// them to be.
func TestClips(t *testing.T) {
	clips, err := demo.Clips()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ pictures, sound int }{
		"guest":    {360, 1200},
		"operator": {360, 1200},
		"screen":   {120, 0},
	} {
		t.Run(name, func(t *testing.T) {
			clip := clips[name]
			if got := len(clip.VideoFrames); got != test.pictures {
				t.Errorf("got %d pictures, want %d", got, test.pictures)
			}
			if got := len(clip.AudioFrames); got != test.sound {
				t.Errorf("got %d frames of sound, want %d", got, test.sound)
			}
			for i, f := range clip.VideoFrames {
				if key := f.Data[0]&1 == 0; key != f.Key { // RFC 6386, section 9.1
					t.Errorf("picture %d is a keyframe: %t, want %t", i, key, f.Key)
				}
			}
		})
	}
}
