package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
)

// me is who the caller is and what they may do.
type me struct {
	Principal principalView `json:"principal"`
	Tenant    tenantView    `json:"tenant"`
	Scopes    []string      `json:"scopes" nullable:"false"`
	CSRFToken string        `json:"csrfToken,omitempty" doc:"To repeat in X-CSRF-Token with every request but GET; only for sign-ins"`
	ExpiresAt string        `json:"expiresAt,omitempty" format:"date-time" doc:"When the credential ends, if it does"`
	Purpose   string        `json:"purpose,omitempty" doc:"Of a ticket"`
	SessionID string        `json:"sessionId,omitempty" doc:"Of a ticket"`
}

type principalView struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Kind string `json:"kind" enum:"person,token,ticket"`
}

func (s *Server) registerMe(api huma.API) {
	register(s, api, huma.Operation{
		OperationID: "getMe", Method: http.MethodGet, Path: apiPrefix + "/me", Tags: []string{"Access"},
		Summary: "Who I am, in which tenant, and what I may do",
	}, func(ctx context.Context, c *caller, _ *struct{}) (*body[me], error) {
		v, err := s.describe(ctx, c)
		if err != nil {
			return nil, err
		}
		return answer(v), nil
	})
}

func (s *Server) describe(ctx context.Context, c *caller) (me, error) {
	t, err := s.Catalog.Tenant(ctx, c.TenantID)
	if err != nil {
		return me{}, err
	}
	v := me{
		Principal: principalView{ID: c.ID, Name: c.Name, Kind: "token"},
		Tenant:    viewTenant(t),
		Scopes:    scopeNames(c.Scopes),
		ExpiresAt: stamp(c.credential.ExpiresAt),
		Purpose:   string(c.credential.Purpose),
		SessionID: c.credential.SessionID,
	}
	switch c.credential.Kind {
	case reelvault.CredentialCookie:
		v.Principal.Kind, v.CSRFToken = "person", csrfToken(c.secret)
	case reelvault.CredentialTicket:
		v.Principal.Kind = "ticket"
	default:
	}
	return v, nil
}
