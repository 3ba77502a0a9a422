package reelvault_test

import (
	"slices"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
)

// recordingRules is the state machine, written down a second time: for each
// state, where each event leads, in the order of RecordingEvents. A dash is
// an event that is illegal there.
var recordingRules = map[reelvault.RecordingState][]reelvault.RecordingState{
	//                              pause     resume       seal          ready    fail      delete
	reelvault.RecordingRunning:    {"paused", "-", "processing", "-", "-", "-"},
	reelvault.RecordingPaused:     {"-", "recording", "processing", "-", "-", "-"},
	reelvault.RecordingProcessing: {"-", "-", "-", "ready", "failed", "-"},
	reelvault.RecordingReady:      {"-", "-", "-", "-", "-", "deleted"},
	reelvault.RecordingFailed:     {"-", "-", "-", "-", "-", "deleted"},
	reelvault.RecordingDeleted:    {"-", "-", "-", "-", "-", "-"},
}

func TestRecordingMoves(t *testing.T) {
	wantEvents := []reelvault.RecordingEvent{"pause", "resume", "seal", "ready", "fail", "delete"}
	if !slices.Equal(reelvault.RecordingEvents, wantEvents) {
		t.Fatalf("got events %q, want %q", reelvault.RecordingEvents, wantEvents)
	}
	wantStates := []reelvault.RecordingState{"recording", "paused", "processing", "ready", "failed", "deleted"}
	if !slices.Equal(reelvault.RecordingStates, wantStates) {
		t.Fatalf("got states %q, want %q", reelvault.RecordingStates, wantStates)
	}
	for _, from := range reelvault.RecordingStates {
		for i, event := range reelvault.RecordingEvents {
			want := recordingRules[from][i]
			got, ok := from.Next(event)
			if ok != (want != "-") {
				t.Errorf("%s in %s: got legal %v, want %v", event, from, ok, want != "-")
			}
			if ok && got != want {
				t.Errorf("%s in %s: got %s, want %s", event, from, got, want)
			}
			if !ok && got != "" {
				t.Errorf("%s in %s: got the state %s beside a refusal", event, from, got)
			}
		}
	}
}

// What nobody knows is illegal, whichever side it is on.
func TestUnknownRecordingMoves(t *testing.T) {
	for _, unknown := range []string{"", "UNKNOWN", "Recording", "seal "} {
		for _, event := range append([]reelvault.RecordingEvent{reelvault.RecordingEvent(unknown)}, reelvault.RecordingEvents...) {
			if next, ok := reelvault.RecordingState(unknown).Next(event); ok || next != "" {
				t.Errorf("%q in state %q: got %s, %v", event, unknown, next, ok)
			}
		}
		for _, state := range reelvault.RecordingStates {
			if next, ok := state.Next(reelvault.RecordingEvent(unknown)); ok || next != "" {
				t.Errorf("%q in state %s: got %s, %v", unknown, state, next, ok)
			}
		}
		if reelvault.RecordingState(unknown).Capturing() {
			t.Errorf("%q captures", unknown)
		}
	}
}

// Only a recording that captures can be sealed, so that nothing is sealed
// twice and nothing that captures can't be ended.
func TestCapturing(t *testing.T) {
	want := []reelvault.RecordingState{reelvault.RecordingRunning, reelvault.RecordingPaused}
	for _, s := range reelvault.RecordingStates {
		if got := s.Capturing(); got != slices.Contains(want, s) {
			t.Errorf("%s captures: got %v, want %v", s, got, slices.Contains(want, s))
		}
		if _, ok := s.Next(reelvault.EventSeal); ok != s.Capturing() {
			t.Errorf("%s can be sealed: got %v, want %v", s, ok, s.Capturing())
		}
	}
}

// Every state leads to deletion in the end, whichever way is taken: nothing is
// kept for ever because it got stuck.
func TestEveryRecordingCanBeDeleted(t *testing.T) {
	var lead func(s reelvault.RecordingState, seen []reelvault.RecordingState) bool
	lead = func(s reelvault.RecordingState, seen []reelvault.RecordingState) bool {
		if s == reelvault.RecordingDeleted {
			return true
		}
		if slices.Contains(seen, s) {
			return false
		}
		return slices.ContainsFunc(reelvault.RecordingEvents, func(e reelvault.RecordingEvent) bool {
			next, ok := s.Next(e)
			return ok && lead(next, append(seen, s))
		})
	}
	for _, s := range reelvault.RecordingStates {
		if !lead(s, nil) {
			t.Errorf("%s leads to no deletion", s)
		}
	}
}

// A recording's length grows while it captures, is fixed by its end, and is
// never negative although the host's clock may step back.
func TestRecordingDuration(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name     string
		end, now time.Time
		want     time.Duration
	}{
		{"capturing", time.Time{}, start.Add(3 * time.Second), 3 * time.Second},
		{"just begun", time.Time{}, start, 0},
		{"clock stepped back", time.Time{}, start.Add(-time.Hour), 0},
		{"ended", start.Add(time.Minute), start.Add(time.Hour), time.Minute},
		{"ended, clock stepped back", start.Add(time.Minute), start.Add(-time.Hour), time.Minute},
	} {
		r := reelvault.Recording{StartedAt: start, EndedAt: tt.end}
		if got := r.Duration(tt.now); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// What is stored in catalogs and sent to clients is spelled as ever.
func TestRecordingWireValues(t *testing.T) {
	got := []string{
		string(reelvault.RecordingAV), string(reelvault.RecordingPhone), string(reelvault.RecordingScreen),
		string(reelvault.Spooled), string(reelvault.Stored), string(reelvault.Verified),
		string(reelvault.WebM), string(reelvault.Matroska), string(reelvault.WAV),
		string(reelvault.Audio), string(reelvault.Video), string(reelvault.Screen),
		string(reelvault.Opus), string(reelvault.VP8), string(reelvault.VP9), string(reelvault.H264), string(reelvault.H265), string(reelvault.AV1),
		string(reelvault.TrackOperator), string(reelvault.TrackGuest), string(reelvault.TrackAllParticipants),
		string(reelvault.TrackScreenSharing), string(reelvault.TrackOther),
		string(reelvault.GapLoss), string(reelvault.GapMute), string(reelvault.GapDTX), string(reelvault.GapHold),
		string(reelvault.GapPause), string(reelvault.GapOverload), string(reelvault.GapDisk), string(reelvault.GapCrash),
		string(reelvault.RoleGuest), string(reelvault.RoleOperator),
	}
	want := []string{
		"av", "phone", "screen",
		"spooled", "stored", "verified",
		"webm", "mkv", "wav",
		"audio", "video", "screen",
		"opus", "vp8", "vp9", "h264", "h265", "av1",
		"Operator", "Guest", "AllParticipants", "ScreenSharing", "Other",
		"loss", "mute", "dtx", "hold", "pause", "overload", "disk", "crash",
		"guest", "operator",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
