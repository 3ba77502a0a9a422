package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
)

type signInInput struct {
	Body struct {
		Secret string `json:"secret" minLength:"1" maxLength:"256" doc:"Of a one-time sign-in link: what follows its #"`
	}
}

type signInOutput struct {
	SetCookie string `header:"Set-Cookie"`
	Body      me
}

type signOutOutput struct {
	SetCookie string `header:"Set-Cookie"`
}

func (s *Server) registerSignIn(api huma.API) {
	register(s, api, huma.Operation{
		OperationID: "signIn", Method: http.MethodPost, Path: apiPrefix + "/signin", Tags: []string{"Access"},
		Summary:     "Sign in with a one-time link",
		Description: "Uses the link up and sets a cookie that no script can read. Repeat csrfToken of the answer in X-CSRF-Token.",
	}, s.signIn)
	register(s, api, huma.Operation{
		OperationID: "signOut", Method: http.MethodPost, Path: apiPrefix + "/signout", Tags: []string{"Access"},
		Summary:     "Sign out",
		Description: "Revokes the sign-in, and every ticket it issued.",
	}, s.signOut)
}

func (s *Server) signIn(ctx context.Context, c *caller, in *signInInput) (*signInOutput, error) {
	if err := s.signIns.take(bucketOf(c.address), s.now()); err != nil {
		return nil, err
	}
	link, err := s.Catalog.Consume(ctx, reelvault.CredentialLink, HashSecret(in.Body.Secret), s.now())
	if err != nil && reelvault.KindOf(err) == reelvault.NotFound {
		return nil, reelvault.Errorf(reelvault.Unauthenticated, "the link is unknown, used or expired")
	}
	if err != nil {
		return nil, err
	}
	person, err := s.Catalog.Person(ctx, link.PersonID)
	if err != nil {
		return nil, err
	}
	secret, hash := NewSecret(reelvault.CredentialCookie)
	cred := reelvault.Credential{
		ID: newID(), Kind: reelvault.CredentialCookie, TenantID: person.TenantID, Hash: hash, Name: person.Name,
		PersonID: person.ID, CreatedAt: s.now(), ExpiresAt: s.now().Add(cookieLife),
	}
	c.Principal = reelvault.Principal{TenantID: person.TenantID, ID: person.ID, Name: person.Name, Scopes: person.Scopes}
	if err = s.audit(ctx, c, c.operation, "person/"+person.ID, nil); err != nil {
		return nil, err
	}
	if err = s.Catalog.CreateCredentials(ctx, []reelvault.Credential{cred}); err != nil {
		return nil, err
	}
	c.credential, c.secret = cred, secret.Reveal()
	v, err := s.describe(ctx, c)
	if err != nil {
		return nil, err
	}
	return &signInOutput{SetCookie: s.newCookie(c.secret, cookieLife).String(), Body: v}, nil
}

func (s *Server) signOut(ctx context.Context, c *caller, _ *struct{}) (*signOutOutput, error) {
	if !c.signedInAsPerson() {
		return nil, reelvault.Errorf(reelvault.Conflict, "only a sign-in can be signed out; a token is deleted")
	}
	if err := s.Catalog.Revoke(ctx, c.TenantID, c.credential.ID); err != nil {
		return nil, err
	}
	s.auditDone(ctx, c, "person/"+c.ID, nil)
	return &signOutOutput{SetCookie: s.newCookie("", 0).String()}, nil
}
