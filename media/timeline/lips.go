package timeline

import (
	"slices"
	"time"
)

const (
	// maxSamples is how many pairs of reports are looked back on: 100 s of a
	// browser's audio reports.
	maxSamples = 20

	// minJudge is how many pairs a pair is judged against at least. With
	// fewer nobody can say which one is wrong.
	minJudge = 3

	// minRebuild is how many pairs in a row must disagree with the rest, and
	// agree with each other, to mean that a clock has stepped.
	minRebuild = 3

	// maxResidual is how far a pair may lie from what the others say. The
	// reports of browsers scatter by less than 10 ms.
	maxResidual = 30 * time.Millisecond

	// maxSkew is how far reports may differ from what arrival says. Sound and
	// picture that are captured together are not sent a second apart; reports
	// that say so don't share a clock.
	maxSkew = time.Second

	// minSpan is how long pairs must go back before a rate is read from them:
	// below, scatter weighs more than drift.
	minSpan = 30 * time.Second

	// maxRate is beyond what quartz clocks differ by, in parts of one.
	maxRate = 1e-3

	// maxExtrapolate is how long past the last pair its rate is still
	// believed.
	maxExtrapolate = time.Minute
)

// sample is one pair of reports: at media time x of the follower, its media
// time has to be moved by y to be beside the master's.
type sample struct{ x, y time.Duration }

// lips is what is known from sender reports about how a follower's media time
// relates to the master's.
type lips struct {
	samples []sample
	doubts  []sample // in a row that disagree with samples
	rate    float64  // of y against x
	anchor  sample   // on the fitted line, at the last sample
	known   bool     // there was a sample once

	ownUsed, masterUsed uint64 // numbers of the reports that were paired last
}

// add judges a pair, and takes it if it is sound. prior is what arrival says.
func (l *lips) add(s sample, prior time.Duration) (Verdict, time.Duration) {
	if off := s.y - prior; off.Abs() > maxSkew {
		return Implausible, off
	}
	residual := time.Duration(0)
	if len(l.samples) > 0 {
		residual = s.y - l.line(s.x)
	}
	if len(l.samples) >= minJudge && residual.Abs() > maxResidual {
		if n := len(l.doubts); n > 0 && (s.y-l.doubts[n-1].y).Abs() > maxResidual {
			l.doubts = l.doubts[:0]
		}
		l.doubts = append(l.doubts, s)
		if len(l.doubts) < minRebuild {
			return Outlier, residual
		}
		l.samples = append(l.samples[:0], l.doubts...)
		l.doubts = l.doubts[:0]
		l.fit()
		return Rebuilt, residual
	}
	l.doubts = l.doubts[:0]
	if len(l.samples) == maxSamples {
		l.samples = append(l.samples[:0], l.samples[1:]...)
	}
	l.samples = append(l.samples, s)
	l.known = true
	l.fit()
	return Used, residual
}

// forget drops the samples: the media time of one side has been re-anchored.
func (l *lips) forget() { l.samples, l.doubts = l.samples[:0], l.doubts[:0] }

// at gives by how much the follower has to be moved at its media time x. Two
// samples that contradict each other leave cur alone if it lies between them.
func (l *lips) at(x, cur time.Duration) (time.Duration, bool) {
	if len(l.samples) == 0 {
		return 0, false
	}
	if len(l.samples) == 2 {
		lo, hi := l.samples[0].y, l.samples[1].y
		if lo > hi {
			lo, hi = hi, lo
		}
		if hi-lo > maxResidual {
			return min(max(cur, lo), hi), true
		}
	}
	return l.line(x), true
}

func (l *lips) line(x time.Duration) time.Duration {
	return l.anchor.y + time.Duration(l.rate*float64(min(x-l.anchor.x, maxExtrapolate)))
}

// fit puts a line through the samples by the estimator of Theil and Sen, the
// median of all slopes, which a quarter of wild samples does not disturb.
func (l *lips) fit() {
	last := l.samples[len(l.samples)-1]
	l.rate = 0
	if last.x-l.samples[0].x >= minSpan {
		var slopes [maxSamples * (maxSamples - 1) / 2]float64
		n := 0
		for i, a := range l.samples {
			for _, b := range l.samples[i+1:] {
				if dx := b.x - a.x; dx >= time.Second {
					slopes[n] = float64(b.y-a.y) / float64(dx)
					n++
				}
			}
		}
		l.rate = min(max(median(slopes[:n]), -maxRate), maxRate)
	}
	var rests [maxSamples]float64
	for i, s := range l.samples {
		rests[i] = float64(s.y) - l.rate*float64(s.x-last.x)
	}
	l.anchor = sample{last.x, time.Duration(median(rests[:len(l.samples)]))}
}

// median sorts v, which must not be empty.
func median(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}
