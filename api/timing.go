package api

import (
	"context"
	"fmt"
	"time"

	"github.com/reelvault/reelvault"
)

// timingView is what is known of the clocks behind one file.
type timingView struct {
	FileID      string                 `json:"fileId"`
	Reports     []timingReportView     `json:"reports" nullable:"false" doc:"RTCP sender reports as they came; of a long file a sample"`
	Corrections []timingCorrectionView `json:"corrections" nullable:"false" doc:"Where a track was moved"`
}

type timingReportView struct {
	TrackID    string  `json:"trackId,omitempty"`
	SSRC       uint32  `json:"ssrc"`
	NTP        string  `json:"ntp" doc:"The sender's clock: seconds since 1900 in 32.32 fixed point, as 16 hex digits"`
	RTP        uint32  `json:"rtp" doc:"The same instant in the track's units"`
	AtMs       float64 `json:"atMs" doc:"When it came, on the recording's clock"`
	Verdict    string  `json:"verdict" enum:"kept,used,rebuilt,outlier,implausible,foreign,early,unset"`
	ResidualMs float64 `json:"residualMs" doc:"Against what was known before it"`
}

type timingCorrectionView struct {
	TrackID  string  `json:"trackId,omitempty"`
	Reset    bool    `json:"reset" doc:"The track's clock had a break; else it was moved gently"`
	FromMs   float64 `json:"fromMs"`
	ToMs     float64 `json:"toMs"`
	AmountMs float64 `json:"amountMs" doc:"The error at its begin, positive if the track was too early; of a reset the step"`
}

// getTiming gives how a recording's tracks came to lie where they lie, file by
// file. A file that has just begun may have nothing yet.
func (s *Server) getTiming(ctx context.Context, c *caller, in *idInput) (*body[page[timingView]], error) {
	rec, err := s.recording(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	views := []timingView{}
	for _, f := range rec.Files {
		t, err := s.Catalog.Timing(ctx, f.ID)
		if err != nil && reelvault.KindOf(err) != reelvault.NotFound {
			return nil, err
		}
		views = append(views, viewTiming(f.ID, t))
	}
	return answer(page[timingView]{Items: views}), nil
}

func viewTiming(fileID string, t reelvault.Timing) timingView {
	v := timingView{FileID: fileID, Reports: []timingReportView{}, Corrections: []timingCorrectionView{}}
	for _, r := range t.Reports {
		v.Reports = append(v.Reports, timingReportView{
			TrackID: r.TrackID, SSRC: r.SSRC, NTP: fmt.Sprintf("%016x", r.NTP), RTP: r.RTP, AtMs: millis(r.At),
			Verdict: r.Verdict, ResidualMs: millis(r.Residual),
		})
	}
	for _, k := range t.Corrections {
		v.Corrections = append(v.Corrections, timingCorrectionView{
			TrackID: k.TrackID, Reset: k.Reset, FromMs: millis(k.From), ToMs: millis(k.To), AmountMs: millis(k.Amount),
		})
	}
	return v
}

// millis gives milliseconds with their fraction.
func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
