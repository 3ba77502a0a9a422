package demo

import (
	_ "embed" // the media are part of the program
	"encoding/binary"
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

//go:embed media/caller.wav
var callerVoice []byte

//go:embed media/callee.wav
var calleeVoice []byte

//go:embed media/invoice.pdf
var invoice []byte

// length is how long every clip lasts.
const length = 24 * time.Second

// clips are what the video sessions show, and what is said in the calls.
type clips struct {
	guest, operator, screen *testmedia.Clip
	caller, callee          []byte // G.711 u-law, 8000 bytes a second
}

func readClips() (clips, error) {
	camera := testmedia.ClipSpec{Video: reelvault.VP8, FPS: 15, KeyEvery: 2 * time.Second, Duration: length}
	page := testmedia.ClipSpec{Video: reelvault.VP8, FPS: 5, KeyEvery: 3 * time.Second, Duration: length}
	guest, err := testmedia.Read(camera, guestPicture, guestVoice)
	operator, err2 := testmedia.Read(camera, operatorPicture, operatorVoice)
	screen, err3 := testmedia.Read(page, screenPicture, nil)
	caller, err4 := samples(callerVoice)
	callee, err5 := samples(calleeVoice)
	return clips{guest, operator, screen, caller, callee}, errors.Join(err, err2, err3, err4, err5)
}

// samples gives what the data chunk of a WAVE file holds.
func samples(wave []byte) ([]byte, error) {
	const riff, head = 12, 8
	for chunks := wave[min(riff, len(wave)):]; len(chunks) >= head; {
		size := int(binary.LittleEndian.Uint32(chunks[4:]))
		if size > len(chunks)-head {
			break
		}
		if string(chunks[:4]) == "data" {
			return chunks[head : head+size], nil
		}
		chunks = chunks[head+size:]
	}
	return nil, errors.New("there is no sound in the WAVE file")
}
