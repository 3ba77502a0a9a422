package api

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
)

// Outcomes of audit events.
const (
	outcomeOK     = "ok"
	outcomeDenied = "denied"
)

// auditTimeout bounds how long an answer waits for its audit event. The event
// is written even if the client has gone.
const auditTimeout = 5 * time.Second

// audit writes that c does action to target. detail becomes a small JSON
// object. What is not written must not happen.
func (s *Server) audit(ctx context.Context, c *caller, action, target string, detail map[string]string) error {
	e := reelvault.AuditEvent{Action: action, Target: target, Outcome: outcomeOK}
	if err := s.appendEvent(ctx, c, e, detail); err != nil {
		return &reelvault.Error{
			Kind: reelvault.Unavailable, Message: "this can't be written to the audit log now",
			Hint: "see whether the catalog can be written", Cause: err,
		}
	}
	return nil
}

// auditDone is audit for what has happened already and can't be taken back: a
// failure goes to the log.
func (s *Server) auditDone(ctx context.Context, c *caller, target string, detail map[string]string) {
	if err := s.audit(ctx, c, c.operation, target, detail); err != nil {
		s.log.ErrorContext(ctx, "audit event lost", "request", requestID(ctx),
			"operation", c.operation, "target", target, "principal", c.Name, "error", err)
	}
}

// auditDenial writes that c was denied what it asked for. An id that is not
// there counts as a denial: it may be another tenant's.
func (s *Server) auditDenial(ctx context.Context, c *caller, cause error) {
	kind := reelvault.KindOf(cause)
	switch kind {
	case reelvault.Unauthenticated, reelvault.Forbidden, reelvault.NotFound:
	default:
		return
	}
	e := reelvault.AuditEvent{Action: c.operation, Target: c.target, Outcome: outcomeDenied}
	if err := s.appendEvent(ctx, c, e, map[string]string{"why": kind.String()}); err != nil {
		s.log.ErrorContext(ctx, "audit event lost", "request", requestID(ctx),
			"operation", c.operation, "target", c.target, "denied", kind.String(), "error", err)
	}
}

func (s *Server) appendEvent(ctx context.Context, c *caller, e reelvault.AuditEvent, detail map[string]string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	defer cancel()
	e.ID, e.At, e.Address = newID(), s.now(), c.address
	e.TenantID, e.PrincipalID, e.Principal = c.TenantID, c.ID, c.Name
	if e.TenantID == "" {
		home, err := s.homeTenant(ctx)
		if err != nil {
			return err
		}
		e.TenantID = home
	}
	if len(detail) > 0 {
		b, err := json.Marshal(detail)
		if err != nil {
			return err
		}
		e.Detail = string(b)
	}
	return s.Catalog.Append(ctx, e)
}

// homeTenant gives the id of the tenant that answers for the installation:
// who shows no valid credential is in none of their own.
func (s *Server) homeTenant(ctx context.Context) (string, error) {
	s.homeMu.Lock()
	defer s.homeMu.Unlock()
	if s.home != "" {
		return s.home, nil
	}
	t, err := s.Catalog.TenantNamed(ctx, reelvault.DefaultTenant)
	if err != nil {
		return "", err
	}
	s.home = t.ID
	return s.home, nil
}

// once runs something until it has succeeded.
type once struct {
	mu   sync.Mutex
	done bool
}

func (o *once) do(f func() error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		return nil
	}
	if err := f(); err != nil {
		return err
	}
	o.done = true
	return nil
}

type auditEvent struct {
	ID          string          `json:"id"`
	At          string          `json:"at" format:"date-time"`
	PrincipalID string          `json:"principalId" doc:"Of the person, token or ticket; empty if nobody valid"`
	Principal   string          `json:"principal" doc:"Its name"`
	Action      string          `json:"action" doc:"Operation id, or play, download or watch"`
	Target      string          `json:"target" doc:"Kind and id, such as recording/0198..."`
	Outcome     string          `json:"outcome" enum:"ok,denied"`
	Address     string          `json:"address" doc:"Of the client"`
	Detail      json.RawMessage `json:"detail,omitempty" doc:"A small object"`
}

func (s *Server) registerAudit(api huma.API) {
	register(s, api, huma.Operation{
		OperationID: "listAudit", Method: http.MethodGet, Path: apiPrefix + "/audit", Tags: []string{"Audit"},
		Summary: "List what was done and denied, newest first",
	}, func(ctx context.Context, c *caller, in *pageInput) (*body[page[auditEvent]], error) {
		events, next, err := s.Catalog.Audit(ctx, c.TenantID, in.page())
		if err != nil {
			return nil, cursorError(err)
		}
		items := make([]auditEvent, len(events))
		for i, e := range events {
			items[i] = auditEvent{
				ID: e.ID, At: stamp(e.At), PrincipalID: e.PrincipalID, Principal: e.Principal, Action: e.Action,
				Target: e.Target, Outcome: e.Outcome, Address: e.Address, Detail: json.RawMessage(e.Detail),
			}
		}
		return answer(page[auditEvent]{Items: items, Next: next}), nil
	})
}
