package demo

import (
	"time"

	"github.com/reelvault/reelvault/testmedia"
)

// Length is how long every clip lasts.
const Length time.Duration = length

// Clips gives the clips by their names.
func Clips() (map[string]*testmedia.Clip, error) {
	c, err := readClips()
	return map[string]*testmedia.Clip{"guest": c.guest, "operator": c.operator, "screen": c.screen}, err
}

// Invoice gives the file that is shared.
func Invoice() []byte { return invoice }
