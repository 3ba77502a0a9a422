package timeline

import "time"

const (
	// delaySeconds is how far the smallest delay looks back: long enough to
	// find packets that met no queue, short enough to follow clocks that are
	// 200 ppm apart to 4 ms.
	delaySeconds = 20

	// delayReady is how many of those seconds must have been heard before the
	// smallest delays of two tracks are compared.
	delayReady = 10
)

// delays keeps the smallest difference of arrival and media time over the
// last delaySeconds in which something was heard. What is left of it after a
// silence stays true until there is something newer.
type delays struct {
	min     time.Duration
	any     bool
	second  int64 // of the last addition
	buckets [delaySeconds]struct {
		until int64 // the second from which on it is too old
		min   time.Duration
	}
}

func (d *delays) add(at, delay time.Duration) {
	second := int64(at / time.Second)
	b := &d.buckets[uint64(second)%delaySeconds]
	if until := second + delaySeconds; b.until != until {
		b.until, b.min = until, delay
	}
	b.min = min(b.min, delay)
	if d.any && second == d.second {
		d.min = min(d.min, delay)
		return
	}
	d.any, d.second, d.min = true, second, delay
	for _, o := range d.buckets {
		if o.until > second {
			d.min = min(d.min, o.min)
		}
	}
}

// ready says that the smallest delay rests on enough that was heard lately.
func (d *delays) ready() bool {
	n := 0
	for _, b := range d.buckets {
		if b.until > d.second {
			n++
		}
	}
	return n >= delayReady
}

// shift moves all that is kept: media time was redefined.
func (d *delays) shift(by time.Duration) {
	d.min += by
	for i := range d.buckets {
		d.buckets[i].min += by
	}
}
