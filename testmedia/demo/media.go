package demo

import (
	_ "embed" // the media are part of the program
	"errors"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

//go:embed media/guest.ivf
var guestPicture []byte

//go:embed media/guest.ogg
var guestVoice []byte

//go:embed media/operator.ivf
var operatorPicture []byte

//go:embed media/operator.ogg
var operatorVoice []byte

//go:embed media/screen.ivf
var screenPicture []byte

//go:embed media/invoice.pdf
var invoice []byte

// length is how long every clip lasts.
const length = 24 * time.Second

// clips are what the video sessions show.
type clips struct {
	guest, operator, screen *testmedia.Clip
}

func readClips() (clips, error) {
	camera := testmedia.ClipSpec{Video: reelvault.VP8, FPS: 15, KeyEvery: 2 * time.Second, Duration: length}
	page := testmedia.ClipSpec{Video: reelvault.VP8, FPS: 5, KeyEvery: 3 * time.Second, Duration: length}
	guest, err := testmedia.Read(camera, guestPicture, guestVoice)
	operator, err2 := testmedia.Read(camera, operatorPicture, operatorVoice)
	screen, err3 := testmedia.Read(page, screenPicture, nil)
	return clips{guest, operator, screen}, errors.Join(err, err2, err3)
}
