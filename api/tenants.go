package api

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

type tenantView struct {
	ID           string       `json:"id"`
	Name         string       `json:"name"`
	Features     featuresView `json:"features"`
	Consent      noticeView   `json:"consent"`
	MaxFileBytes int64        `json:"maxFileBytes" doc:"Of one shared file; 0: none is taken"`
	CreatedAt    string       `json:"createdAt" format:"date-time"`
}

// noticeView is what guests are asked before they are recorded.
type noticeView struct {
	Required bool   `json:"required" doc:"No packet of a session is recorded before its guests have given consent"`
	Text     string `json:"text,omitempty" maxLength:"4000" doc:"What they are asked, as plain text"`
	Version  string `json:"version,omitempty" maxLength:"64" doc:"Names this text for ever: another text needs another version"`
	Language string `json:"language,omitempty" pattern:"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$" maxLength:"35" doc:"Of the text (BCP 47)"`
}

func viewNotice(n reelvault.ConsentNotice) noticeView {
	return noticeView{Required: n.Required, Text: n.Text, Version: n.Version, Language: n.Language}
}

func (v noticeView) notice() reelvault.ConsentNotice {
	return reelvault.ConsentNotice{Required: v.Required, Text: v.Text, Version: v.Version, Language: v.Language}
}

// check refuses a notice that leaves out what guests have to be shown.
func (v noticeView) check() error {
	if v.Text != "" && v.Version == "" {
		return invalid("body.consent.version", "a text has a version")
	}
	if v.Required && v.Text == "" {
		return invalid("body.consent.text", "consent can't be asked for without a text")
	}
	return nil
}

type featuresView struct {
	AV    bool `json:"av" doc:"Audio, video, screen and file sharing"`
	Phone bool `json:"phone" doc:"IP telephony"`
}

func viewTenant(t reelvault.Tenant) tenantView {
	return tenantView{
		ID: t.ID, Name: t.Name, CreatedAt: stamp(t.CreatedAt),
		Features: featuresView{AV: t.Features.AV, Phone: t.Features.Phone},
		Consent:  viewNotice(t.Consent), MaxFileBytes: t.MaxFileBytes,
	}
}

// tenantOutput is a tenant with the tag that a change of it may name.
type tenantOutput struct {
	ETag string `header:"ETag"`
	Body tenantView
}

func answerTenant(t reelvault.Tenant) *tenantOutput { return &tenantOutput{tagOf(t), viewTenant(t)} }

// tagOf names a tenant's present state.
func tagOf(t reelvault.Tenant) string {
	return fmt.Sprintf("\"%x\"", sha256.Sum256(fmt.Appendf(nil, "%+v", t)))[:18] + "\""
}

type createTenantInput struct {
	Body struct {
		Name     string       `json:"name" pattern:"^[a-z0-9-]{1,63}$" doc:"Unique in this installation"`
		Features featuresView `json:"features"`
	}
}

type updateTenantInput struct {
	ID      string `path:"id"`
	IfMatch string `header:"If-Match" maxLength:"256" doc:"The ETag of the state that is to be changed; 412 if it is another one by now"`
	Body    struct {
		Features     *featuresView `json:"features,omitempty" doc:"Replaces both"`
		Consent      *noticeView   `json:"consent,omitempty" doc:"Replaces all of it; 409 if its version names another text"`
		MaxFileBytes *int64        `json:"maxFileBytes,omitempty" minimum:"0" maximum:"68719476736" doc:"Of one shared file; 0 takes none"`
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
	}, func(ctx context.Context, c *caller, in *idInput) (*tenantOutput, error) {
		t, err := s.tenant(ctx, c, in.ID)
		if err != nil {
			return nil, err
		}
		return answerTenant(t), nil
	})
	register(s, api, huma.Operation{
		OperationID: "updateTenant", Method: http.MethodPatch, Path: apiPrefix + "/tenants/{id}", Tags: tags,
		Summary: "Change a tenant's features, consent notice and limits",
		Description: "What is left out stays. A feature that is off captures nothing more: who publishes is hung up. What exists stays. " +
			"A notice that is no more required lets connections be recorded that begin from then on.",
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

func (s *Server) updateTenant(ctx context.Context, c *caller, in *updateTenantInput) (*tenantOutput, error) {
	if _, err := s.tenant(ctx, c, in.ID); err != nil {
		return nil, err
	}
	if in.Body.Consent != nil {
		if err := in.Body.Consent.check(); err != nil {
			return nil, err
		}
	}
	t, err := s.Catalog.UpdateTenant(ctx, in.ID, in.change)
	if err != nil {
		return nil, err
	}
	s.auditDone(ctx, c, c.target, nil)
	if !t.Features.AV {
		if err := s.stopPublishers(ctx, t.ID); err != nil {
			return nil, err
		}
	}
	return answerTenant(t), nil
}

// change makes of t what is asked for.
func (in *updateTenantInput) change(t *reelvault.Tenant) error {
	if in.IfMatch != "" && in.IfMatch != "*" && in.IfMatch != tagOf(*t) {
		return reelvault.Errorf(reelvault.Stale, "the tenant was changed meanwhile")
	}
	if f := in.Body.Features; f != nil {
		t.Features = reelvault.Features{AV: f.AV, Phone: f.Phone}
	}
	if n := in.Body.Consent; n != nil {
		t.Consent = n.notice()
	}
	if in.Body.MaxFileBytes != nil {
		t.MaxFileBytes = *in.Body.MaxFileBytes
	}
	return nil
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
