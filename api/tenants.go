package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

type tenantView struct {
	ID        string       `json:"id"`
	Name      string       `json:"name"`
	Features  featuresView `json:"features"`
	CreatedAt string       `json:"createdAt" format:"date-time"`
}

type featuresView struct {
	AV    bool `json:"av" doc:"Audio, video, screen and file sharing"`
	Phone bool `json:"phone" doc:"IP telephony"`
}

func viewTenant(t reelvault.Tenant) tenantView {
	return tenantView{
		ID: t.ID, Name: t.Name, CreatedAt: stamp(t.CreatedAt),
		Features: featuresView{AV: t.Features.AV, Phone: t.Features.Phone},
	}
}

type createTenantInput struct {
	Body struct {
		Name     string       `json:"name" pattern:"^[a-z0-9-]{1,63}$" doc:"Unique in this installation"`
		Features featuresView `json:"features"`
	}
}

type updateTenantInput struct {
	ID   string `path:"id"`
	Body struct {
		Features featuresView `json:"features" doc:"Replaces both"`
	}
}

func (s *Server) registerTenants(api huma.API) {
	tags := []string{"Tenants"}
	register(s, api, huma.Operation{
		OperationID: "createTenant", Method: http.MethodPost, Path: apiPrefix + "/tenants", Tags: tags,
		Summary: "Make a tenant", DefaultStatus: http.StatusCreated,
		Description: "Its first token comes from POST /tenants/{id}/tokens.",
	}, s.createTenant)
	register(s, api, huma.Operation{
		OperationID: "listTenants", Method: http.MethodGet, Path: apiPrefix + "/tenants", Tags: tags,
		Summary: "List the tenants of this installation",
	}, func(ctx context.Context, _ *caller, in *pageInput) (*body[page[tenantView]], error) {
		tenants, next, err := s.Catalog.Tenants(ctx, in.page())
		if err != nil {
			return nil, cursorError(err)
		}
		items := make([]tenantView, len(tenants))
		for i, t := range tenants {
			items[i] = viewTenant(t)
		}
		return answer(page[tenantView]{Items: items, Next: next}), nil
	})
	register(s, api, huma.Operation{
		OperationID: "getTenant", Method: http.MethodGet, Path: apiPrefix + "/tenants/{id}", Tags: tags,
		Summary: "Get a tenant",
	}, func(ctx context.Context, c *caller, in *idInput) (*body[tenantView], error) {
		t, err := s.tenant(ctx, c, in.ID)
		if err != nil {
			return nil, err
		}
		return answer(viewTenant(t)), nil
	})
	register(s, api, huma.Operation{
		OperationID: "updateTenant", Method: http.MethodPatch, Path: apiPrefix + "/tenants/{id}", Tags: tags,
		Summary:     "Switch a tenant's features",
		Description: "A feature that is off captures nothing more: who publishes is hung up. What exists stays.",
	}, s.updateTenant)
}

func (s *Server) createTenant(ctx context.Context, c *caller, in *createTenantInput) (*body[tenantView], error) {
	t := reelvault.Tenant{
		ID: newID(), Name: in.Body.Name, CreatedAt: s.now(), MaxFileBytes: reelvault.DefaultMaxFileBytes,
		Features: reelvault.Features{AV: in.Body.Features.AV, Phone: in.Body.Features.Phone},
	}
	if err := s.Catalog.CreateTenant(ctx, t); err != nil {
		return nil, err
	}
	s.auditDone(ctx, c, "tenant/"+t.ID, nil)
	return answer(viewTenant(t)), nil
}

func (s *Server) updateTenant(ctx context.Context, c *caller, in *updateTenantInput) (*body[tenantView], error) {
	if _, err := s.tenant(ctx, c, in.ID); err != nil {
		return nil, err
	}
	f := reelvault.Features{AV: in.Body.Features.AV, Phone: in.Body.Features.Phone}
	t, err := s.Catalog.UpdateTenant(ctx, in.ID, func(t *reelvault.Tenant) error {
		t.Features = f
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.auditDone(ctx, c, c.target, nil)
	if !t.Features.AV {
		if err := s.stopPublishers(ctx, t.ID); err != nil {
			return nil, err
		}
	}
	return answer(viewTenant(t)), nil
}

// stopPublishers hangs up the publishers and watchers of a tenant, and seals
// what they recorded. Offers that are being answered look at the feature once
// more when their connection is there.
func (s *Server) stopPublishers(ctx context.Context, tenantID string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), controlTimeout)
	defer cancel()
	live := true
	filter := storage.SessionFilter{TenantID: tenantID, Live: &live}
	for after, more := "", true; more; more = after != "" {
		sessions, next, err := s.Catalog.Sessions(ctx, filter, storage.Page{After: after, Limit: maxPage})
		if err != nil {
			return err
		}
		for _, session := range sessions {
			if len(s.Gateway.Publishers(tenantID, session.ID)) == 0 {
				continue
			}
			s.Gateway.HangupSession(ctx, tenantID, session.ID)
			if err := s.Control.StopSession(ctx, tenantID, session.ID); err != nil {
				return err
			}
		}
		after = next
	}
	return nil
}

// tenant gives a tenant that c may see: its own, or with the scope system any.
func (s *Server) tenant(ctx context.Context, c *caller, id string) (reelvault.Tenant, error) {
	if !validID(id) || (id != c.TenantID && !c.Can(reelvault.ScopeSystem)) {
		return reelvault.Tenant{}, reelvault.Errorf(reelvault.NotFound, "no such tenant")
	}
	return s.Catalog.Tenant(ctx, id)
}
