package webm

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"time"
)

// maxLag is how far, in milliseconds, blocks may lie from their cluster's
// timestamp, a little less than their signed 16 bits allow.
const maxLag = 30_000

// forever is a time in milliseconds after every frame.
const forever = math.MaxInt64

type frame struct {
	lane  int
	audio bool
	t     int64
	key   bool
	data  []byte
}

// cluster gathers frames until they are written.
type cluster struct {
	frames []frame
	bytes  int
	base   int64 // what its age counts from
	first  int64 // time of the earliest frame
	last   int64 // time of the latest frame
}

func (c *cluster) empty() bool { return len(c.frames) == 0 }

// add takes f. floor is the timestamp of the cluster before.
func (c *cluster) add(f frame, floor int64) {
	if c.empty() {
		c.base, c.first, c.last = max(f.t, floor), f.t, f.t
	}
	c.first = min(c.first, f.t)
	c.last = max(c.last, f.t)
	c.frames = append(c.frames, f)
	c.bytes += len(f.data)
}

// cut says up to which time the frames must be written before f can join
// them, and false if it can just so.
func (c *cluster) cut(f frame) (int64, bool) {
	switch {
	case c.empty():
		return 0, false
	case c.bytes+len(f.data) > clusterBytes, len(c.frames) == clusterFrames,
		f.t-c.base >= clusterSpan.Milliseconds(),
		max(f.t, c.last)-min(f.t, c.first) > maxLag:
		return forever, true
	case f.key && !f.audio && c.first < f.t:
		return f.t, true
	}
	return 0, false
}

// take removes the frames before time end and gives them in the order in
// which they are written. What stays is as old as end.
func (c *cluster) take(end, floor int64) []frame {
	all := c.frames
	slices.SortStableFunc(all, func(a, b frame) int {
		if d := cmp.Compare(a.t, b.t); d != 0 {
			return d
		}
		// WebM guidelines: audio first, so that it is there when the picture is shown.
		return cmp.Compare(mediaOrder(a), mediaOrder(b))
	})
	n := slices.IndexFunc(all, func(f frame) bool { return f.t >= end })
	if n < 0 {
		n = len(all)
	}
	*c = cluster{}
	for _, f := range all[n:] {
		c.add(f, floor)
	}
	return all[:n]
}

func mediaOrder(f frame) int {
	if f.audio {
		return 0
	}
	return 1
}

// stamp is the timestamp of a cluster of frames, sorted by time: that of the
// earliest, but never before the cluster before it if a block's 16 bits allow.
func stamp(frames []frame, floor int64) int64 {
	first := frames[0].t
	if floor > first && floor-first <= maxLag && frames[len(frames)-1].t <= floor+maxLag {
		return floor
	}
	return first
}

const clusterSizeLen = 4 // bytes of a cluster's size: 256 MiB, clusterBytes and one MaxFrame fit

// block is where one frame stands in the file.
type block struct {
	lane     int
	audio    bool
	key      bool
	t        int64
	cluster  int64 // position of its cluster's header in the file
	relative int   // position of its header in the cluster's body
}

// encode makes the cluster that will stand at position pos of the file.
// visit is called for each block.
func encode(frames []frame, ts, pos int64, visit func(block)) []byte {
	n := 4 + clusterSizeLen + 2 + 8
	for _, f := range frames {
		n += 1 + 4 + 4 + len(f.data)
	}
	b := appendID(make([]byte, 0, n), idCluster)
	b = append(b, make([]byte, clusterSizeLen)...)
	body := len(b)
	b = appendUint(b, idTimestamp, uint64(ts))
	for _, f := range frames {
		visit(block{lane: f.lane, audio: f.audio, key: f.key, t: f.t, cluster: pos, relative: len(b) - body})
		b = appendSize(appendID(b, idSimpleBlock), 4+len(f.data))
		b = append(b, 0x80|byte(f.lane))
		b = binary.BigEndian.AppendUint16(b, uint16(int16(f.t-ts)))
		flags := byte(0)
		if f.key {
			flags = 0x80
		}
		b = append(append(b, flags), f.data...)
	}
	copy(b[body-clusterSizeLen:], appendSizeIn(nil, uint64(len(b)-body), clusterSizeLen))
	return b
}

// old says whether the cluster is so old at time now that it must be written.
func (c *cluster) old(now time.Duration) bool {
	return !c.empty() && now.Milliseconds()-c.base >= clusterSpan.Milliseconds()
}
