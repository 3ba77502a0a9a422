package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

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
