package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
)

// Whoever doubts where a track lies is shown the sender's own clocks.
func TestGetTiming(t *testing.T) {
	w := newWorld(t)
	path := "/api/v1/recordings/" + w.a.Recording + "/timing"
	token, _ := w.token(t, w.a, reelvault.ScopeSessionsRead)
	wantTiming := func(want string) {
		t.Helper()
		got := w.do(call{method: "GET", path: path, bearer: token})
		wantStatus(t, got, 200)
		if text := strings.TrimSpace(got.Body.String()); text != `{"items":[{"fileId":"`+w.a.File+`",`+want+`}],"next":""}` {
			t.Errorf("got  %s\nwant %s", text, want)
		}
	}
	wantTiming(`"reports":[],"corrections":[]`)
	must(t, w.catalog.SaveTiming(t.Context(), w.a.File, reelvault.Timing{
		Reports: []reelvault.TimingReport{{
			TrackID: "t", SSRC: 7, NTP: 1<<63 + 5, RTP: 9, At: 1500 * time.Microsecond, Verdict: "used", Residual: -time.Millisecond,
		}},
		Corrections: []reelvault.TimingCorrection{{TrackID: "t", From: time.Second, To: 2 * time.Second, Amount: 5 * time.Millisecond}},
	}))
	wantTiming(`"reports":[{"trackId":"t","ssrc":7,"ntp":"8000000000000005","rtp":9,"atMs":1.5,"verdict":"used","residualMs":-1}],` +
		`"corrections":[{"trackId":"t","reset":false,"fromMs":1000,"toMs":2000,"amountMs":5}]`)
}
