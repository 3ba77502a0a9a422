package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
)

// ticketLife is how long a ticket for a session lives unless more is asked
// for: long enough to open a page and be let in, short enough that a leaked
// one is soon worthless.
const ticketLife = 15 * time.Minute

// ticketScopes is what each purpose may carry; a ticket gets of these what its
// issuer has.
var ticketScopes = map[reelvault.Purpose][]reelvault.Scope{
	reelvault.PurposePublish: {reelvault.ScopeIngest},
	reelvault.PurposeWatch:   {reelvault.ScopeRecordingsWatch},
	reelvault.PurposeTab: {
		reelvault.ScopeSessionsRead, reelvault.ScopeRecordingsPlay, reelvault.ScopeRecordingsWatch,
		reelvault.ScopeRecordingsDownload, reelvault.ScopeRecordingsControl, reelvault.ScopeContentRead,
	},
}

type createTicketInput struct {
	ID   string `path:"id"`
	Body struct {
		Purpose     string `json:"purpose" enum:"publish,watch,tab" doc:"tab is for showing the Recordings tab"`
		Participant string `json:"participant,omitempty" pattern:"^[A-Za-z0-9._-]{1,64}$" doc:"Who publishes; for publish only"`
		Role        string `json:"role,omitempty" enum:"guest,operator" default:"guest" doc:"As whom; for publish only"`
		LifeSeconds int    `json:"lifeSeconds,omitempty" minimum:"1" maximum:"43200" doc:"How long it is good for; 900 if left out. Never longer than the credential that makes it"`
	}
}

type ticketView struct {
	ID          string `json:"id"`
	Purpose     string `json:"purpose" enum:"publish,watch,tab"`
	SessionID   string `json:"sessionId"`
	Participant string `json:"participant,omitempty"`
	Role        string `json:"role,omitempty"`
	ExpiresAt   string `json:"expiresAt" format:"date-time"`
	Secret      string `json:"secret" doc:"Shown this once; send it as Authorization: Bearer"`
}

func (s *Server) registerTickets(api huma.API) {
	register(s, api, huma.Operation{
		OperationID: "createTicket", Method: http.MethodPost, Path: apiPrefix + "/sessions/{id}/tickets",
		Tags: []string{"Sessions"}, DefaultStatus: http.StatusCreated,
		Summary:     "Make a short-lived ticket for one session",
		Description: "So that no browser holds an API token. publish needs the scope ingest, watch recordings:watch, tab sessions:read.",
	}, s.createTicket)
}

func (s *Server) createTicket(ctx context.Context, c *caller, in *createTicketInput) (*body[ticketView], error) {
	session, err := s.session(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	purpose := reelvault.Purpose(in.Body.Purpose)
	wanted := ticketScopes[purpose]
	if !c.Can(wanted[0]) {
		return nil, missingScope(wanted[:1])
	}
	life := ticketLife
	if in.Body.LifeSeconds > 0 {
		life = time.Duration(in.Body.LifeSeconds) * time.Second
	}
	secret, cred := s.newTicket(c.TenantID, life)
	cred.Name, cred.IssuerID, cred.Purpose, cred.SessionID = in.Body.Purpose+" ticket of "+c.Name, c.credential.ID, purpose, session.ID
	cred.Scopes = slices.DeleteFunc(slices.Clone(wanted), func(sc reelvault.Scope) bool { return !c.Can(sc) })
	cred.ExpiresAt = earlier(cred.ExpiresAt, c.credential.ExpiresAt) // nobody passes on what they won't have any more
	if purpose == reelvault.PurposePublish {
		if in.Body.Participant == "" {
			e := reelvault.Errorf(reelvault.Invalid, "a ticket to publish names its participant")
			e.Location = "body.participant"
			return nil, e
		}
		cred.ParticipantID, cred.Role = in.Body.Participant, reelvault.Role(in.Body.Role)
	}
	detail := map[string]string{"purpose": in.Body.Purpose, "ticket": cred.ID}
	if err := s.audit(ctx, c, c.operation, c.target, detail); err != nil {
		return nil, err
	}
	if err := s.Catalog.CreateCredentials(ctx, []reelvault.Credential{cred}); err != nil {
		return nil, err
	}
	return answer(ticketView{
		ID: cred.ID, Purpose: in.Body.Purpose, SessionID: session.ID, Participant: cred.ParticipantID,
		Role: string(cred.Role), ExpiresAt: stamp(cred.ExpiresAt), Secret: secret.Reveal(),
	}), nil
}

// newTicket begins a ticket for whatever purpose, with its secret: the caller
// says what it is good for.
func (s *Server) newTicket(tenantID string, life time.Duration) (reelvault.Secret, reelvault.Credential) {
	secret, hash := NewSecret(reelvault.CredentialTicket)
	return secret, reelvault.Credential{
		ID: newID(), Kind: reelvault.CredentialTicket, TenantID: tenantID, Hash: hash, CreatedAt: s.now(), ExpiresAt: s.now().Add(life),
	}
}
