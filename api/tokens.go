package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
)

type tokenView struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Scopes    []string `json:"scopes" nullable:"false"`
	CreatedAt string   `json:"createdAt" format:"date-time"`
	ExpiresAt string   `json:"expiresAt,omitempty" format:"date-time" doc:"Absent: never"`
	Secret    string   `json:"secret,omitempty" doc:"In the answer that makes the token, and never again; send it as Authorization: Bearer"`
}

func viewToken(c reelvault.Credential) tokenView {
	return tokenView{
		ID: c.ID, Name: c.Name, Scopes: scopeNames(c.Scopes),
		CreatedAt: stamp(c.CreatedAt), ExpiresAt: stamp(c.ExpiresAt),
	}
}

type tokenRequest struct {
	Name      string     `json:"name" minLength:"1" maxLength:"100" doc:"What lists, logs and the audit show"`
	Scopes    []string   `json:"scopes" nullable:"false" minItems:"1" maxItems:"32" doc:"At most the maker's own"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty" doc:"Absent: never"`
}

type createTokenInput struct {
	Body tokenRequest
}

type createTenantTokenInput struct {
	ID   string `path:"id"`
	Body tokenRequest
}

func (s *Server) registerTokens(api huma.API) {
	tags := []string{"Access"}
	register(s, api, huma.Operation{
		OperationID: "createToken", Method: http.MethodPost, Path: apiPrefix + "/tokens", Tags: tags,
		Summary: "Make an API token", DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, c *caller, in *createTokenInput) (*body[tokenView], error) {
		return s.createToken(ctx, c, c.TenantID, in.Body)
	})
	register(s, api, huma.Operation{
		OperationID: "createTenantToken", Method: http.MethodPost, Path: apiPrefix + "/tenants/{id}/tokens", Tags: tags,
		Summary: "Make an API token for any tenant", DefaultStatus: http.StatusCreated,
		Description: "How a new tenant gets its first one. The scope system stays in the maker's own tenant.",
	}, func(ctx context.Context, c *caller, in *createTenantTokenInput) (*body[tokenView], error) {
		t, err := s.tenant(ctx, c, in.ID)
		if err != nil {
			return nil, err
		}
		return s.createToken(ctx, c, t.ID, in.Body)
	})
	register(s, api, huma.Operation{
		OperationID: "listTokens", Method: http.MethodGet, Path: apiPrefix + "/tokens", Tags: tags,
		Summary: "List the API tokens",
	}, func(ctx context.Context, c *caller, _ *struct{}) (*body[page[tokenView]], error) {
		tokens, err := s.Catalog.Credentials(ctx, c.TenantID, reelvault.CredentialToken, s.now())
		if err != nil {
			return nil, err
		}
		items := make([]tokenView, len(tokens))
		for i, t := range tokens {
			items[i] = viewToken(t)
		}
		return answer(page[tokenView]{Items: items}), nil
	})
	register(s, api, huma.Operation{
		OperationID: "deleteToken", Method: http.MethodDelete, Path: apiPrefix + "/tokens/{id}", Tags: tags,
		Summary:     "Revoke an API token",
		Description: "And every ticket and invitation it issued; the connections that were opened with its invitations are hung up.",
	}, s.deleteToken)
}

func (s *Server) createToken(ctx context.Context, c *caller, tenantID string, in tokenRequest) (*body[tokenView], error) {
	scopes, err := grantable(c, tenantID, in.Scopes)
	if err != nil {
		return nil, err
	}
	secret, hash := NewSecret(reelvault.CredentialToken)
	cred := reelvault.Credential{
		ID: newID(), Kind: reelvault.CredentialToken, TenantID: tenantID, Hash: hash, Name: in.Name,
		Scopes: scopes, CreatedAt: s.now(),
	}
	if in.ExpiresAt != nil {
		cred.ExpiresAt = in.ExpiresAt.UTC()
		if !cred.ExpiresAt.After(s.now()) {
			e := reelvault.Errorf(reelvault.Invalid, "the token would have expired already")
			e.Location = "body.expiresAt"
			return nil, e
		}
	}
	if err := s.audit(ctx, c, c.operation, "token/"+cred.ID, map[string]string{"name": in.Name}); err != nil {
		return nil, err
	}
	if err := s.Catalog.CreateCredentials(ctx, []reelvault.Credential{cred}); err != nil {
		return nil, err
	}
	v := viewToken(cred)
	v.Secret = secret.Reveal()
	return answer(v), nil
}

// grantable gives the scopes of names, if c may give them to a token of the
// tenant: nobody gives what they lack.
func grantable(c *caller, tenantID string, names []string) ([]reelvault.Scope, error) {
	var scopes []reelvault.Scope
	for _, name := range names {
		sc := reelvault.Scope(name)
		if !slices.Contains(reelvault.Scopes, sc) {
			e := reelvault.Errorf(reelvault.Invalid, "there is no scope %q", name)
			e.Location = "body.scopes"
			return nil, e
		}
		if !c.Can(sc) || (sc == reelvault.ScopeSystem && tenantID != c.TenantID) {
			return nil, reelvault.Errorf(reelvault.Forbidden, "you can't give the scope %s", sc)
		}
		if !slices.Contains(scopes, sc) {
			scopes = append(scopes, sc)
		}
	}
	return scopes, nil
}

func (s *Server) deleteToken(ctx context.Context, c *caller, in *idInput) (*struct{}, error) {
	tokens, err := s.Catalog.Credentials(ctx, c.TenantID, reelvault.CredentialToken, s.now())
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(tokens, func(t reelvault.Credential) bool { return t.ID == in.ID }) {
		return nil, reelvault.Errorf(reelvault.NotFound, "no such token")
	}
	invitations, err := s.Catalog.Credentials(ctx, c.TenantID, reelvault.CredentialInvitation, s.now())
	if err != nil {
		return nil, err
	}
	if err := s.Catalog.Revoke(ctx, c.TenantID, in.ID); err != nil {
		return nil, err
	}
	s.auditDone(ctx, c, c.target, nil)
	for _, i := range invitations {
		if i.IssuerID == in.ID {
			s.hangUpOwner(ctx, i.ID)
			s.Feed.ring(i.TenantID, i.SessionID) // streams look at their credential
		}
	}
	return nil, nil
}
