package webm

import (
	"cmp"
	"slices"
	"time"
)

const (
	maxCues       = 4096                   // of video, and of audio: 100 KB each at most; in 4 h one every 4 s
	audioCueEvery = 5 * time.Second        // what a player reads for nothing at 64 kbit/s: 40 KB
	firstSpacing  = 500 * time.Millisecond // doubles each time there are too many
)

// index collects the cues of a file: for each keyframe of video, and for audio
// now and then where no keyframe of video is near, so that a player also finds
// its way in a file without video and before video begins. It depends on the
// blocks and their order alone, so that recovery finds the same cues as the
// writer had.
type index struct {
	video     cueList
	audio     cueList
	nextAudio int64
}

func (x *index) add(b block) {
	switch {
	case !b.audio && b.key:
		x.video.add(b)
	case b.audio && b.t >= x.nextAudio:
		x.audio.add(b)
		x.nextAudio = b.t + audioCueEvery.Milliseconds()
	}
}

// encode makes the Cues element; nil if there is nothing to point to. data is
// where positions in the Segment count from.
func (x *index) encode(data int) []byte {
	cues := x.sorted()
	if len(cues) == 0 {
		return nil
	}
	var body []byte
	for _, c := range cues {
		at := appendUint(nil, idCueTrack, uint64(c.lane))
		at = appendUint(at, idCueClusterPosition, uint64(c.cluster)-uint64(data))
		at = appendUint(at, idCueRelativePosition, uint64(c.relative))
		point := appendUint(nil, idCueTime, uint64(c.t))
		point = appendBytes(point, idCueTrackPositions, at)
		body = appendBytes(body, idCuePoint, point)
	}
	return appendBytes(nil, idCues, body)
}

// sorted gives the cues by time.
func (x *index) sorted() []block {
	byTime := func(a, b block) int { return cmp.Compare(a.t, b.t) }
	video := slices.SortedStableFunc(slices.Values(x.video.cues), byTime)
	near := audioCueEvery.Milliseconds()
	cues := slices.Clone(video)
	for _, a := range x.audio.cues {
		i, _ := slices.BinarySearchFunc(video, a, byTime)
		if (i > 0 && a.t-video[i-1].t < near) || (i < len(video) && video[i].t-a.t < near) {
			continue
		}
		cues = append(cues, a)
	}
	slices.SortStableFunc(cues, byTime)
	return cues
}

// cueList holds at most maxCues cues, each at least spacing after the one
// before it on its lane.
type cueList struct {
	cues    []block
	spacing int64
	last    [maxLanes + 1]int64 // time of each lane's last cue, plus one
}

func (l *cueList) add(b block) {
	if last := l.last[b.lane]; last > 0 && b.t < last-1+l.spacing {
		return
	}
	l.last[b.lane] = b.t + 1
	l.cues = append(l.cues, b)
	for len(l.cues) >= maxCues {
		l.thin()
	}
}

// thin doubles the spacing and drops the cues that stand too close for it.
func (l *cueList) thin() {
	all := l.cues
	l.spacing = max(2*l.spacing, firstSpacing.Milliseconds())
	l.cues, l.last = all[:0], [maxLanes + 1]int64{}
	for _, b := range all {
		if last := l.last[b.lane]; last > 0 && b.t < last-1+l.spacing {
			continue
		}
		l.last[b.lane] = b.t + 1
		l.cues = append(l.cues, b)
	}
}
