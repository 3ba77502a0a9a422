package reelvault

import "time"

// Timing is what was learnt of the clocks behind a file: how its tracks came
// to lie where they lie. Of a long file it is a sample.
type Timing struct {
	Reports     []TimingReport
	Corrections []TimingCorrection
}

// TimingReport is one RTCP sender report (RFC 3550, section 6.4.1) and what
// became of it.
type TimingReport struct {
	TrackID  string
	SSRC     uint32
	NTP      uint64        // the sender's clock: seconds since 1900 in 32.32 fixed point
	RTP      uint32        // the same instant in the track's units
	At       time.Duration // of its arrival, on the recording's clock
	Verdict  string        // kept, used, rebuilt, outlier, implausible, foreign, early, unset
	Residual time.Duration // against what was known before it
}

// TimingCorrection is a change of a track's place, on the recording's clock.
type TimingCorrection struct {
	TrackID string
	Reset   bool // the track's clock had a break; else it was moved gently
	From    time.Duration
	To      time.Duration
	Amount  time.Duration // the error at its begin, positive if the track was too early; of a reset the step
}
