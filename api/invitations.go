package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
)

// invitationLife is how long an invitation is good unless something else is
// asked for: it may be sent the day before.
const invitationLife = 24 * time.Hour

type createInvitationInput struct {
	ID   string `path:"id"`
	Body struct {
		Role        string `json:"role,omitempty" enum:"guest,operator" default:"guest"`
		Participant string `json:"participant,omitempty" pattern:"^[A-Za-z0-9._-]{1,64}$" doc:"As whom they take part; made up if left out"`
		Name        string `json:"name,omitempty" maxLength:"200" pattern:"^[^\\x00-\\x1F\\x7F-\\x9F]*$" doc:"What the others read; without control characters"`
		LifeSeconds int    `json:"lifeSeconds,omitempty" minimum:"60" maximum:"2592000" doc:"How long it is good for; 86400 if left out. Never longer than the token that makes it"`
	}
}

type invitationView struct {
	ID          string `json:"id"`
	Participant string `json:"participant"`
	Role        string `json:"role" enum:"guest,operator"`
	Name        string `json:"name,omitempty"`
	CreatedAt   string `json:"createdAt" format:"date-time"`
	ExpiresAt   string `json:"expiresAt" format:"date-time"`
	URL         string `json:"url,omitempty" doc:"The link to send, in the answer that makes it and never again. What follows its # is the secret: browsers send it to nobody, so that it is in no log"`
}

type invitationInput struct {
	ID         string `path:"id"`
	Invitation string `path:"invitation"`
}

func (s *Server) registerInvitations(api huma.API) {
	tags := []string{"Calls"}
	path := apiPrefix + "/sessions/{id}/invitations"
	register(s, api, huma.Operation{
		OperationID: "createInvitation", Method: http.MethodPost, Path: path, Tags: tags, DefaultStatus: http.StatusCreated,
		Summary: "Invite somebody to the call page",
		Description: "The link is good again and again, for one participant, until it expires, is revoked or the session ends. " +
			"It gives what the call takes, and whoever makes it has to hold that: sessions:read, content:read, ingest, recordings:watch and " +
			"recordings:download. One that a token made ends with the token, when that expires or is revoked; one that a person made outlives " +
			"the sign-in. When it expires, nobody comes in with it any more, and the connections that were opened with it are hung up; " +
			"but whoever is in the call then, and goes on renewing the ticket, stays until they leave.",
	}, s.createInvitation)
	register(s, api, huma.Operation{
		OperationID: "listInvitations", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "List a session's invitations that are still good",
	}, s.listInvitations)
	register(s, api, huma.Operation{
		OperationID: "deleteInvitation", Method: http.MethodDelete, Path: path + "/{invitation}", Tags: tags,
		Summary: "Revoke an invitation", Description: "And its tickets; the connections that were opened with them are hung up.",
	}, s.deleteInvitation)
}

func (s *Server) createInvitation(ctx context.Context, c *caller, in *createInvitationInput) (*body[invitationView], error) {
	session, err := s.liveSession(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	role, life := reelvault.Role(in.Body.Role), invitationLife
	if in.Body.LifeSeconds > 0 {
		life = time.Duration(in.Body.LifeSeconds) * time.Second
	}
	participant := in.Body.Participant
	if participant == "" {
		participant = in.Body.Role + "-" + randomName()
	}
	for _, sc := range scopesInCall(role) {
		if !c.Can(sc) {
			return nil, reelvault.Errorf(reelvault.Forbidden, "you can't give the scope %s, which the call takes", sc)
		}
	}
	for _, p := range session.Participants {
		if p.ID == participant && p.Role != role {
			return nil, reelvault.Errorf(reelvault.Conflict, "%s is in this session as %s", p.ID, p.Role)
		}
	}
	secret, hash := NewSecret(reelvault.CredentialInvitation)
	cred := reelvault.Credential{
		ID: newID(), Kind: reelvault.CredentialInvitation, TenantID: c.TenantID, Hash: hash, Name: in.Body.Name,
		PersonID: c.credential.PersonID, SessionID: session.ID, ParticipantID: participant, Role: role,
		CreatedAt: s.now(), ExpiresAt: s.now().Add(life),
	}
	if !c.signedInAsPerson() {
		cred.IssuerID = c.credential.ID
		cred.ExpiresAt = earlier(cred.ExpiresAt, c.credential.ExpiresAt)
	}
	detail := map[string]string{"invitation": cred.ID, "participant": participant, "role": in.Body.Role}
	if err := s.audit(ctx, c, c.operation, c.target, detail); err != nil {
		return nil, err
	}
	if err := s.Catalog.CreateCredentials(ctx, []reelvault.Credential{cred}); err != nil {
		return nil, err
	}
	v := viewInvitation(cred)
	v.URL = s.callURL(secret)
	return answer(v), nil
}

// randomName tells participants of a session apart; it is no secret.
func randomName() string {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails, as crypto/rand documents
	return hex.EncodeToString(b)
}

// callURL gives the link to the call page. The secret stands in the fragment,
// which browsers keep to themselves.
func (s *Server) callURL(secret reelvault.Secret) string {
	page := "/call/"
	if s.PublicURL != nil {
		page = s.PublicURL.JoinPath("call/").String()
	}
	return page + "#" + secret.Reveal()
}

func viewInvitation(c reelvault.Credential) invitationView {
	return invitationView{
		ID: c.ID, Participant: c.ParticipantID, Role: string(c.Role), Name: c.Name,
		CreatedAt: stamp(c.CreatedAt), ExpiresAt: stamp(c.ExpiresAt),
	}
}

// invitations lists those of a session that are good.
func (s *Server) invitations(ctx context.Context, session reelvault.Session) ([]reelvault.Credential, error) {
	all, err := s.Catalog.Credentials(ctx, session.TenantID, reelvault.CredentialInvitation, s.now())
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(c reelvault.Credential) bool { return c.SessionID != session.ID }), nil
}

func (s *Server) listInvitations(ctx context.Context, c *caller, in *idInput) (*body[page[invitationView]], error) {
	session, err := s.session(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	all, err := s.invitations(ctx, session)
	if err != nil {
		return nil, err
	}
	items := make([]invitationView, len(all))
	for i, cred := range all {
		items[i] = viewInvitation(cred)
	}
	return answer(page[invitationView]{Items: items}), nil
}

func (s *Server) deleteInvitation(ctx context.Context, c *caller, in *invitationInput) (*struct{}, error) {
	session, err := s.session(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	all, err := s.invitations(ctx, session)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(all, func(cred reelvault.Credential) bool { return cred.ID == in.Invitation }) {
		return nil, reelvault.Errorf(reelvault.NotFound, "no such invitation")
	}
	if err := s.Catalog.Revoke(ctx, c.TenantID, in.Invitation); err != nil {
		return nil, err
	}
	s.auditDone(ctx, c, c.target, map[string]string{"invitation": in.Invitation})
	s.hangUpOwner(ctx, in.Invitation)
	s.Feed.ring(session.TenantID, session.ID) // streams look at their credential
	return nil, nil
}

// earlier gives the earlier of two ends; zero is never.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

// used says whether something goes on that was opened with an invitation.
func (s *Server) used(invitation string) bool {
	return s.streams.has(invitation) || len(s.opened.keysWhere(func(o opener) bool { return o.owner == invitation })) > 0
}

// prolongInvitation keeps an invitation good for another ticket of somebody
// who is in the call by it: nobody is cut off in the middle of it. The token that
// made it bounds it all the same.
func (s *Server) prolongInvitation(ctx context.Context, i reelvault.Credential) (reelvault.Credential, error) {
	until := s.now().Add(callTicketLife)
	here := s.Feed.here(person{place{i.TenantID, i.SessionID}, i.ParticipantID})
	if !i.ExpiresAt.Before(until) || !here || !s.used(i.ID) {
		return i, nil
	}
	if i.IssuerID != "" {
		tokens, err := s.Catalog.Credentials(ctx, i.TenantID, reelvault.CredentialToken, s.now())
		if err != nil {
			return i, err
		}
		issuer := slices.IndexFunc(tokens, func(t reelvault.Credential) bool { return t.ID == i.IssuerID })
		if issuer < 0 {
			return i, errNoCredential()
		}
		until = earlier(until, tokens[issuer].ExpiresAt)
	}
	if until.After(i.ExpiresAt) {
		if err := s.Catalog.Prolong(ctx, i.ID, until); err != nil {
			return i, err
		}
		i.ExpiresAt = until
	}
	return i, nil
}
