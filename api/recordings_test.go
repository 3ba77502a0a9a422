package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/reelvault/reelvault"
)

// A recording is shown with everything the Recordings tab needs.
func TestGetRecording(t *testing.T) {
	w := newWorld(t)
	token, _ := w.token(t, w.a, reelvault.ScopeSessionsRead)
	got := w.do(call{method: "GET", path: "/api/v1/recordings/" + w.a.Recording, bearer: token})
	wantStatus(t, got, 200)
	v := decode[map[string]any](t, got)
	at := w.clock.Now().Format("2006-01-02T15:04:05.000Z")
	track, _ := v["tracks"].([]any)[0].(map[string]any)
	delete(track, "id")
	want := map[string]any{
		"id": w.a.Recording, "sessionId": w.a.Session, "kind": "av", "state": "ready", "durability": "spooled",
		"startedAt": at, "durationMs": 2000.0, "syncErrorMs": 0.0,
		"endedAt": w.clock.Now().Add(2e9).Format("2006-01-02T15:04:05.000Z"),
		"quality": map[string]any{"gaps": 2.0, "lostMs": 40.0},
		"files": []any{map[string]any{
			"id": w.a.File, "container": "webm", "offsetMs": 0.0, "durationMs": 2000.0, "bytes": 1000.0, "durability": "spooled",
		}},
		"tracks": []any{map[string]any{
			"fileId": w.a.File, "lane": 1.0, "participantId": "guest-1", "role": "guest", "type": "Guest", "media": "audio",
			"codec": "opus", "offsetMs": 0.0, "durationMs": 2000.0, "gaps": []any{
				map[string]any{"startMs": 100.0, "endMs": 140.0, "cause": "loss"},
				map[string]any{"startMs": 1000.0, "endMs": 1500.0, "cause": "pause", "by": "Ada", "reason": "card number"},
			},
		}},
	}
	g, _ := json.Marshal(v)
	e, _ := json.Marshal(want)
	if string(g) != string(e) {
		t.Errorf("got  %s\nwant %s", g, e)
	}
}

// Each state takes what the transition table says and is a conflict, by name,
// for everything else.
func TestControl(t *testing.T) {
	w := newWorld(t)
	states := []reelvault.RecordingState{
		reelvault.RecordingRunning, reelvault.RecordingPaused, reelvault.RecordingProcessing, reelvault.RecordingReady,
	}
	ops := []struct {
		method, suffix, body, action string
		event                        reelvault.RecordingEvent
		want                         int
	}{
		{"POST", "/pause", `{"reason":"card number"}`, "pauseRecording", reelvault.EventPause, 200},
		{"POST", "/resume", "", "resumeRecording", reelvault.EventResume, 200},
		{"POST", "/stop", "", "stopRecording", reelvault.EventSeal, 200},
		{"DELETE", "", "", "deleteRecording", reelvault.EventDelete, 204},
	}
	for _, state := range states {
		for _, op := range ops {
			id, _ := w.recording(t, w.a, w.a.Session, state)
			got := w.do(call{method: op.method, path: "/api/v1/recordings/" + id + op.suffix, bearer: w.a.Token, body: op.body})
			if _, ok := state.Next(op.event); !ok {
				if got.Code != 409 || !strings.Contains(got.Body.String(), "the recording is "+string(state)) {
					t.Errorf("%s of %s: got %d %s, want a conflict that names the state", op.action, state, got.Code, got.Body)
				}
				continue
			}
			if got.Code != op.want {
				t.Errorf("%s of %s: got %d %s, want %d", op.action, state, got.Code, got.Body, op.want)
			}
			if e := w.lastEvent(t, w.a.ID); e.Action != op.action || e.Target != "recording/"+id || e.Outcome != "ok" {
				t.Errorf("%s of %s: got event %s %s %s", op.action, state, e.Action, e.Target, e.Outcome)
			}
		}
	}
	if want := []string{"test token", "card number"}; !slices.Equal(w.control.paused, want) {
		t.Errorf("got pause by and reason %q, want %q", w.control.paused, want)
	}
}

// A client that goes away leaves nothing half done.
func TestControlOutlivesTheClient(t *testing.T) {
	w := newWorld(t)
	id, _ := w.recording(t, w.a, w.a.Session, reelvault.RecordingRunning)
	ctx, hangUp := context.WithCancel(t.Context())
	w.control.before = hangUp
	r := httptest.NewRequestWithContext(ctx, "POST", "/api/v1/recordings/"+id+"/stop", nil)
	r.Header.Set("Authorization", "Bearer "+w.a.Token)
	w.ServeHTTP(httptest.NewRecorder(), r)
	rec, err := w.catalog.Recording(t.Context(), w.a.ID, id)
	must(t, err)
	if rec.State != reelvault.RecordingReady {
		t.Errorf("got the recording %s, want it ready", rec.State)
	}
	if e := w.lastEvent(t, w.a.ID); e.Action != "stopRecording" || e.Outcome != "ok" {
		t.Errorf("got event %s %s", e.Action, e.Outcome)
	}
}

// A deleted recording is gone from every place; one whose deletion can't be
// written to the audit log is not deleted.
func TestDeleteRecording(t *testing.T) {
	w := newWorld(t)
	path := "/api/v1/recordings/" + w.a.Recording
	w.catalog.breakAudit(errors.New("disk full"))
	wantStatus(t, w.do(call{method: "DELETE", path: path, bearer: w.a.Token}), 503)
	w.catalog.breakAudit(nil)
	wantStatus(t, w.do(call{method: "GET", path: path, bearer: w.a.Token}), 200)
	wantStatus(t, w.do(call{method: "DELETE", path: path, bearer: w.a.Token}), 204)
	for _, c := range []call{
		{method: "GET", path: path},
		{method: "DELETE", path: path},
		{method: "POST", path: path + "/stop"},
	} {
		c.bearer = w.a.Token
		wantStatus(t, w.do(c), 404)
	}
	got := w.do(call{method: "GET", path: "/api/v1/sessions/" + w.a.Session + "/recordings", bearer: w.a.Token})
	if strings.TrimSpace(got.Body.String()) != `{"items":[],"next":""}` {
		t.Errorf("got %s", got.Body)
	}
}

// A tab ticket sees its own session's recordings and may do with them what
// its issuer may.
func TestTabTicket(t *testing.T) {
	w := newWorld(t)
	issuer, _ := w.token(t, w.a, reelvault.ScopeSessionsRead, reelvault.ScopeRecordingsPlay)
	tab := w.ticket(t, issuer, w.a.Session, "tab")
	list := w.do(call{method: "GET", path: "/api/v1/sessions/" + w.a.Session + "/recordings", bearer: tab})
	wantStatus(t, list, 200)
	if s := list.Body.String(); !strings.Contains(s, "playbackUrl") || strings.Contains(s, "downloadUrl") {
		t.Errorf("got %s, want what the issuer may: play, not download", s)
	}
	id, _ := w.recording(t, w.a, w.a.Session, reelvault.RecordingRunning)
	wantStatus(t, w.do(call{method: "POST", path: "/api/v1/recordings/" + id + "/stop", bearer: tab}), 403)
}
