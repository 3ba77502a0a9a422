package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/reelvault/reelvault"
)

// The states of the program and of its parts.
const (
	statusOK       = "ok"
	statusDegraded = "degraded"
	statusDown     = "down"
)

type healthView struct {
	Status string `json:"status" enum:"ok"`
}

type readyView struct {
	Status string     `json:"status" enum:"ok,degraded,down" doc:"degraded: recording and playing go on without a part; down: new recordings are refused"`
	Parts  []partView `json:"parts" nullable:"false"`
}

type partView struct {
	Name   string `json:"name"`
	Status string `json:"status" enum:"ok,degraded,down"`
	Error  string `json:"error,omitempty"`
	Hint   string `json:"hint,omitempty" doc:"What the operator can do"`
}

type readyOutput struct {
	Status int
	Body   readyView
}

func (s *Server) registerHealth(api huma.API) {
	tags := []string{"Health"}
	register(s, api, huma.Operation{
		OperationID: "getHealth", Method: http.MethodGet, Path: "/healthz", Tags: tags, Summary: "Whether the program runs",
	}, func(context.Context, *caller, *struct{}) (*body[healthView], error) {
		return answer(healthView{Status: statusOK}), nil
	})
	register(s, api, huma.Operation{
		OperationID: "getReady", Method: http.MethodGet, Path: "/readyz", Tags: tags, Summary: "Whether it takes new recordings",
		Description: "503 only if a part is down without which none can be taken; a store that is down is degraded and 200.",
		Responses:   map[string]*huma.Response{"503": jsonResponse("No new recording can be taken", "Ready")},
	}, func(ctx context.Context, _ *caller, _ *struct{}) (*readyOutput, error) {
		return viewHealth(s.Health(ctx)), nil
	})
	if s.Metrics == nil {
		return
	}
	register(s, api, huma.Operation{
		OperationID: "getMetrics", Method: http.MethodGet, Path: "/metrics", Tags: tags, Summary: "Figures for Prometheus",
		Responses: map[string]*huma.Response{"200": {
			Description: "Prometheus text format",
			Content:     map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}},
		}},
	}, func(context.Context, *caller, *struct{}) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			r, w := humago.Unwrap(hc)
			s.Metrics.ServeHTTP(w, r)
		}}, nil
	})
}

func viewHealth(parts []Part) *readyOutput {
	out := &readyOutput{Status: http.StatusOK, Body: readyView{Status: statusOK, Parts: make([]partView, len(parts))}}
	for i, p := range parts {
		v := partView{Name: p.Name, Status: statusOK}
		if p.Err != nil {
			v.Status, v.Error = statusDegraded, internalDetail
			var e *reelvault.Error
			if errors.As(p.Err, &e) {
				v.Error, v.Hint = e.Message, e.Hint
			}
			if out.Status == http.StatusOK {
				out.Body.Status = statusDegraded
			}
			if p.Vital {
				v.Status = statusDown
				out.Status, out.Body.Status = http.StatusServiceUnavailable, statusDown
			}
		}
		out.Body.Parts[i] = v
	}
	return out
}
