package timeline

import (
	"time"

	"github.com/reelvault/reelvault/media"
)

// maxPairAge is how far apart two reports may arrive to be compared. Browsers
// send one every 5 s or more often; over 10 s a clock that is 200 ppm off
// changes by 2 ms.
const maxPairAge = 10 * time.Second

// maxCallSkew is how far reports of a call may differ from what arrival says:
// nothing but a jitter buffer of the sender lies between two voices that take
// the same path, and gateways are known for wrong reports.
const maxCallSkew = 150 * time.Millisecond

// senderTime is a track's latest report. Its media time is worked out when it
// is needed: an era may be refined as long as nothing was placed by it.
type senderTime struct {
	number uint64 // counts them; 0 is none
	era    *era
	n      int64         // RTP time
	ntp    time.Duration // the sender's wall clock, since the first report
	at     time.Duration // arrival
	cname  string        // of the sender
}

func (s senderTime) media() time.Duration { return s.era.media(s.n) }

// ahead is by how much the wall clock was ahead of media time.
func (s senderTime) ahead() time.Duration { return s.ntp - s.media() }

// Report takes a sender report of a track.
func (t *Timeline) Report(track int, r media.Report) {
	e := ReportEntry{Track: track, Report: r, At: t.Now(r.Arrival)}
	e.Verdict, e.Residual = t.judge(t.tracks[track], r)
	t.noteReport(e)
}

func (t *Timeline) judge(k *track, r media.Report) (Verdict, time.Duration) {
	if r.NTP == 0 {
		return Unset, 0
	}
	if len(k.clock.eras) == 0 {
		return Early, 0
	}
	at := r.Arrival.Sub(t.epoch)
	e, n, late := k.clock.nearest(r.RTP, at, k.delay.min)
	if late.Abs() > maxAhead {
		return Foreign, late
	}
	if t.ntp0 == 0 {
		t.ntp0 = r.NTP
	}
	k.report = senderTime{number: k.report.number + 1, era: e, n: n, ntp: sinceNTP(r.NTP, t.ntp0), at: at, cname: r.CNAME}
	if m := t.tracks[t.master]; k != m {
		return t.pair(k, m)
	}
	verdict, residual := Kept, time.Duration(0)
	for _, o := range t.tracks {
		if o == k {
			continue
		}
		if v, rest := t.pair(o, k); v != Kept {
			verdict, residual = v, rest
		}
	}
	return verdict, residual
}

// pair compares the latest reports of a follower and the master. Each report
// is used once for a follower: when the sender's wall clock is set, the two
// tracks show it at different times, and at most one pair spans the step.
func (t *Timeline) pair(k, m *track) (Verdict, time.Duration) {
	own, lead, l := k.report, m.report, &k.lips
	if t.apart && (own.cname == "" || own.cname != lead.cname) {
		return Kept, 0
	}
	if own.number <= l.ownUsed || lead.number <= l.masterUsed || (own.at-lead.at).Abs() > maxPairAge {
		return Kept, 0
	}
	l.ownUsed, l.masterUsed = own.number, lead.number
	y, byArrival := own.ahead()-lead.ahead(), k.delay.min-m.delay.min
	if t.apart && (y-byArrival).Abs() > maxCallSkew {
		return Implausible, y - byArrival
	}
	return l.add(sample{x: own.media(), y: y}, byArrival)
}

// sinceNTP is the time between two NTP timestamps in 32.32 fixed point.
func sinceNTP(a, b uint64) time.Duration {
	d := int64(a - b)
	return time.Duration(d>>32)*time.Second + time.Duration(d&0xffffffff)*time.Second>>32
}
