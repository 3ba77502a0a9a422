package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// schema is the part of JSON Schema that our document uses.
type schema struct {
	Ref        string            `json:"$ref"`
	Type       string            `json:"type"`
	Enum       []any             `json:"enum"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Items      *schema           `json:"items"`
}

type document struct {
	Paths map[string]map[string]struct {
		Responses map[string]struct {
			Content map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

// check gives what in v is not as s says, place by place.
func (d document) check(s schema, v any, at string) []string {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		s = d.Components.Schemas[name]
	}
	var wrong []string
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		wrong = append(wrong, fmt.Sprintf("%s is %v, not one of %v", at, v, s.Enum))
	}
	switch v := v.(type) {
	case map[string]any:
		if s.Type != "object" && s.Type != "" {
			wrong = append(wrong, at+" is an object")
		}
		for key, value := range v {
			p, ok := s.Properties[key]
			if !ok && s.Type != "" {
				wrong = append(wrong, at+"."+key+" is not documented")
				continue
			}
			wrong = append(wrong, d.check(p, value, at+"."+key)...)
		}
		for _, key := range s.Required {
			if _, ok := v[key]; !ok {
				wrong = append(wrong, at+"."+key+" is missing")
			}
		}
	case []any:
		if s.Type != "array" {
			wrong = append(wrong, at+" is a list")
		}
		for i, item := range v {
			wrong = append(wrong, d.check(*s.Items, item, at+"["+strconv.Itoa(i)+"]")...)
		}
	case nil:
		wrong = append(wrong, at+" is null")
	}
	return wrong
}

// Every answer has the shape that the document gives it: nothing more, nothing
// less, no null.
func TestAnswersAreAsDocumented(t *testing.T) {
	w := newWorld(t)
	doc := decode[document](t, w.do(call{method: "GET", path: "/openapi.json"}))
	system, _ := w.token(t, w.a, reelvault.Scopes...)
	w.gateway.running = []media.Published{{
		Publisher: media.Publisher{TenantID: w.a.ID, SessionID: w.a.Session, ParticipantID: "guest-1", Role: reelvault.RoleGuest, Kind: reelvault.RecordingAV},
		Formats:   []media.Format{{Media: reelvault.Audio, Codec: reelvault.Opus}},
	}}
	_, err := w.catalog.SetParticipant(t.Context(), w.a.ID, w.a.Session, reelvault.Participant{
		ID: "guest-1", Role: reelvault.RoleGuest, JoinedAt: w.clock.Now(),
	}, nil)
	must(t, err)
	ops := w.operations(t)
	slices.Reverse(ops) // so that listAudit has something to list
	for _, op := range ops {
		if op.ID == "signOut" {
			continue
		}
		c := w.sample(t, op, w.a, "ingest")
		if !op.Invited {
			c.bearer = system
		}
		got := w.do(c)
		answers := doc.Paths[op.path][strings.ToLower(op.method)].Responses
		answer, ok := answers[strconv.Itoa(got.Code)]
		if !ok {
			t.Errorf("%s: got status %d, which is not documented; body %s", op.ID, got.Code, got.Body)
			continue
		}
		content, ok := answer.Content["application/json"]
		if !ok {
			continue
		}
		var v any
		if err := json.Unmarshal(got.Body.Bytes(), &v); err != nil {
			t.Errorf("%s: got body %q: %v", op.ID, got.Body, err)
			continue
		}
		for _, wrong := range doc.check(content.Schema, v, op.ID) {
			t.Error(wrong)
		}
	}
}

// Recordings of every kind and state, with whatever a track can be, are as
// documented.
func TestRecordingsAreAsDocumented(t *testing.T) {
	w := newWorld(t)
	doc := decode[document](t, w.do(call{method: "GET", path: "/openapi.json"}))
	shape := doc.Paths["/api/v1/sessions/{id}/recordings"]["get"].Responses["200"].Content["application/json"].Schema
	kinds := []reelvault.RecordingKind{reelvault.RecordingAV, reelvault.RecordingPhone, reelvault.RecordingScreen, reelvault.RecordingFile}
	events := [][]reelvault.RecordingEvent{
		{}, {reelvault.EventPause}, {reelvault.EventSeal}, {reelvault.EventSeal, reelvault.EventReady}, {reelvault.EventSeal, reelvault.EventFail},
	}
	containers := []reelvault.Container{reelvault.WebM, reelvault.Matroska, reelvault.WAV, reelvault.Plain}
	tracks := tracksOfAllSorts()
	session := w.session(t, w.a)
	for i, kind := range kinds {
		for _, moves := range events {
			r := reelvault.Recording{
				ID: newID(), TenantID: w.a.ID, SessionID: session, Kind: kind, State: reelvault.RecordingRunning, StartedAt: w.clock.Now(),
			}
			must(t, w.catalog.CreateRecording(t.Context(), r))
			f := reelvault.File{ID: newID(), RecordingID: r.ID, Container: containers[i], Durability: reelvault.Spooled}
			f.Key = w.a.ID + "/" + f.ID
			if kind == reelvault.RecordingFile {
				f.Name, f.Type = "a.pdf", "application/pdf"
			}
			must(t, w.catalog.SaveFile(t.Context(), f))
			if len(moves) > 0 {
				f.Sealed, f.Bytes = true, 1
				must(t, w.catalog.SaveFile(t.Context(), f))
			}
			for j := range tracks {
				tracks[j].ID, tracks[j].RecordingID, tracks[j].FileID, tracks[j].Lane = newID(), r.ID, f.ID, j+1
			}
			must(t, w.catalog.SaveTracks(t.Context(), tracks))
			for _, e := range moves {
				_, err := w.catalog.MoveRecording(t.Context(), r.ID, e, reelvault.Recording{EndedAt: w.clock.Now(), Reason: "the disk broke"})
				must(t, err)
			}
		}
	}
	got := w.do(call{method: "GET", path: "/api/v1/sessions/" + session + "/recordings", bearer: w.a.Token})
	wantStatus(t, got, 200)
	list := decode[map[string]any](t, got)
	if items, _ := list["items"].([]any); len(items) != len(kinds)*len(events) {
		t.Errorf("got %d recordings, want %d", len(items), len(kinds)*len(events))
	}
	for _, wrong := range doc.check(shape, list, "recordings") {
		t.Error(wrong)
	}
}

// tracksOfAllSorts gives tracks in which every value of a track occurs, that of
// all participants without a role, as the recorder has it.
func tracksOfAllSorts() []reelvault.Track {
	types := []reelvault.TrackType{
		reelvault.TrackOperator, reelvault.TrackGuest, reelvault.TrackScreenSharing, reelvault.TrackOther, reelvault.TrackAllParticipants,
	}
	codecs := []reelvault.Codec{
		reelvault.Opus, reelvault.VP8, reelvault.VP9, reelvault.H264, reelvault.H265, reelvault.AV1, reelvault.PCMU, reelvault.PCMA,
	}
	causes := []reelvault.GapCause{
		reelvault.GapLoss, reelvault.GapMute, reelvault.GapDTX, reelvault.GapHold, reelvault.GapPause, reelvault.GapOverload,
		reelvault.GapDisk, reelvault.GapCrash,
	}
	var tracks []reelvault.Track
	for i, codec := range codecs {
		tr := reelvault.Track{
			ParticipantID: "guest-1", Role: []reelvault.Role{reelvault.RoleGuest, reelvault.RoleOperator}[i%2], Type: types[i%len(types)],
			Media: []reelvault.Media{reelvault.Audio, reelvault.Video, reelvault.Screen}[i%3], Codec: codec, Gaps: []reelvault.Gap{},
		}
		if tr.Type == reelvault.TrackAllParticipants {
			tr.ParticipantID, tr.Role = "", ""
		}
		for j, cause := range causes {
			tr.Gaps = append(tr.Gaps, reelvault.Gap{Start: time.Duration(j) * time.Second, End: time.Duration(j+1) * time.Second, Cause: cause})
		}
		tracks = append(tracks, tr)
	}
	return tracks
}
