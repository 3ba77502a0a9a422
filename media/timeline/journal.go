package timeline

import (
	"time"

	"github.com/reelvault/reelvault/media"
)

const (
	// maxReports bounds the log of reports: when it is full, every second one
	// goes, so that it still spans the whole file. Two tracks that report
	// once a second fill it in 8 minutes; 60 kB.
	maxReports = 1024

	// maxCorrections bounds the log of corrections likewise.
	maxCorrections = 256

	// maxLines is how many lines one file may add to the program's log. A
	// sender whose clock jumps with each packet fills counters, not disks.
	maxLines = 50
)

// Verdict is what became of a report.
type Verdict string

// What may become of a report.
const (
	Kept        Verdict = "kept"        // waits for one of the other track
	Used        Verdict = "used"        // completed a pair that is believed
	Rebuilt     Verdict = "rebuilt"     // confirmed that a clock has stepped
	Outlier     Verdict = "outlier"     // disagrees with those before
	Implausible Verdict = "implausible" // its track would be too far from where arrival says
	Foreign     Verdict = "foreign"     // its RTP time is not on the track's clock
	Early       Verdict = "early"       // before any packet of its track
	Unset       Verdict = "unset"       // its sender has no wall clock (RFC 3550, section 6.4.1)
)

// ReportEntry is one sender report and what became of it.
type ReportEntry struct {
	Track    int
	Report   media.Report
	At       time.Duration // file time of its arrival
	Verdict  Verdict
	Residual time.Duration // of its pair, against what was known before
}

// Correction is a change to a track's mapping.
type Correction struct {
	Track  int
	Reset  bool          // a re-anchoring after a discontinuity, else a slew
	From   time.Duration // file time where it began
	To     time.Duration // where it ended; of a slew that goes on, From
	Amount time.Duration // of a slew, the error at its begin: positive if the track was too early. Of a re-anchoring, the step in file time
}

// Stats are counts since New.
type Stats struct {
	Reports  uint64        // received
	Rejected uint64        // of them: neither kept nor used
	Resets   uint64        // re-anchorings
	Slews    uint64        // corrections begun
	Worst    time.Duration // the largest sync error that was ever known
}

// journal is the record of what a Timeline did, for those who ask later.
type journal struct {
	reports     []ReportEntry
	corrections []Correction
	stats       Stats
	lines       int
}

// Reports gives the sender reports and what became of them, oldest first. In
// a long file it is a sample of them.
func (t *Timeline) Reports() []ReportEntry { return append([]ReportEntry(nil), t.journal.reports...) }

// Corrections gives the corrections that were made, oldest first; in a file
// with very many a sample of them.
func (t *Timeline) Corrections() []Correction {
	return append([]Correction(nil), t.journal.corrections...)
}

// Stats gives the counts so far.
func (t *Timeline) Stats() Stats { return t.journal.stats }

// thin drops every second entry of a full log.
func thin[E any](log []E, most int) []E {
	if len(log) < most {
		return log
	}
	n := 0
	for i := 0; i < len(log); i += 2 {
		log[n] = log[i]
		n++
	}
	clear(log[n:])
	return log[:n]
}

func (t *Timeline) noteReport(e ReportEntry) {
	j := &t.journal
	j.stats.Reports++
	if e.Verdict != Kept && e.Verdict != Used && e.Verdict != Rebuilt {
		j.stats.Rejected++
	}
	j.reports = append(thin(j.reports, maxReports), e)
}

func (t *Timeline) noteCorrection(c Correction) {
	t.journal.corrections = append(thin(t.journal.corrections, maxCorrections), c)
}

// line says whether one more log line is within the budget.
func (t *Timeline) line() bool {
	t.journal.lines++
	return t.journal.lines <= maxLines
}

func (t *Timeline) beginCorrection(k *track, err time.Duration) {
	k.stepping = true
	t.journal.stats.Slews++
	t.noteCorrection(Correction{Track: k.number, From: k.last, To: k.last, Amount: err})
	if t.line() {
		t.log.Info("lip sync correction begins", "track", k.number, "fileTime", k.last, "error", err)
	}
}

func (t *Timeline) endCorrection(k *track) {
	k.stepping = false
	for i := len(t.journal.corrections) - 1; i >= 0; i-- {
		if c := &t.journal.corrections[i]; c.Track == k.number && !c.Reset {
			c.To = k.last
			break
		}
	}
	if t.line() {
		t.log.Info("lip sync correction ends", "track", k.number, "fileTime", k.last)
	}
}

// reanchored notes that k's clock has had a break, and that its next frame is
// at media time mu. What was known of lip sync rests on the media time before
// it and is gathered anew; until then nothing is moved.
func (t *Timeline) reanchored(k *track, mu time.Duration) {
	if k == t.tracks[t.master] {
		for _, o := range t.tracks {
			o.lips.forget()
		}
	}
	k.lips.forget()
	t.journal.stats.Resets++
	to := max(k.last, mu+k.off-t.zero)
	t.noteCorrection(Correction{Track: k.number, Reset: true, From: k.last, To: to, Amount: mu - k.mu})
	if t.line() {
		t.log.Info("RTP clock broke, track re-anchored by arrival", "track", k.number, "from", k.last, "to", to)
	}
}
