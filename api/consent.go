package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

// consentView is what the call page shows before anything is recorded.
type consentView struct {
	Required bool   `json:"required" doc:"Whether you have to be asked before you are recorded"`
	Text     string `json:"text,omitempty" doc:"What to ask"`
	Version  string `json:"version,omitempty" doc:"Of the text; send it with the answer"`
	Language string `json:"language,omitempty" doc:"Of the text"`
	Answer   string `json:"answer" enum:"none,given,refused" doc:"What you have answered in this session"`
	At       string `json:"at,omitempty" format:"date-time"`
}

// consentNone stands for an answer that was not given.
const consentNone = "none"

// viewConsent shows p what they are asked. Operators aren't asked, and neither
// is anybody on the telephone.
func viewConsent(tenant reelvault.Tenant, session reelvault.Session, p reelvault.Participant) consentView {
	v := consentView{Answer: consentNone}
	if p.Role != reelvault.RoleGuest {
		return v
	}
	n := tenant.Consent
	v.Required = n.Required && session.Channel != reelvault.ChannelPhone
	v.Text, v.Version, v.Language = n.Text, n.Version, n.Language
	if p.Consent.Answer != "" {
		v.Answer, v.At = string(p.Consent.Answer), stamp(p.Consent.At)
	}
	return v
}

type setConsentInput struct {
	ID   string `path:"id"`
	Body struct {
		Answer      string `json:"answer" enum:"given,refused" doc:"refused is final"`
		Version     string `json:"version" minLength:"1" maxLength:"64" doc:"Of the text that was shown"`
		Participant string `json:"participant,omitempty" pattern:"^[A-Za-z0-9._-]{1,64}$" doc:"Whose answer; a ticket names its own"`
	}
}

type setConsentOutput struct {
	Body consentView
}

func (s *Server) registerConsent(api huma.API) {
	register(s, api, huma.Operation{
		OperationID: "setConsent", Method: http.MethodPost, Path: apiPrefix + "/sessions/{id}/consent", Tags: []string{"Calls"},
		Summary: "Answer whether the session may be recorded",
		Description: "By a guest, or by the system that has asked one. It is kept with its time and the version of the text. Recording " +
			"begins when every guest has given it; a refusal ends it for good, and the call goes on. 412 if the text has changed.",
	}, s.setConsent)
}

func (s *Server) setConsent(ctx context.Context, c *caller, in *setConsentInput) (*setConsentOutput, error) {
	session, err := s.session(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	tenant, err := s.Catalog.Tenant(ctx, c.TenantID)
	if err != nil {
		return nil, err
	}
	who, err := actingParticipant(c, in.Body.Participant)
	if err != nil {
		return nil, err
	}
	if in.Body.Version != tenant.Consent.Version {
		return nil, reelvault.Errorf(reelvault.Stale, "the text is not the one that is asked now; read it again")
	}
	answer := reelvault.Consent{
		Answer: reelvault.ConsentAnswer(in.Body.Answer), Version: in.Body.Version, At: s.now(),
	}
	p := reelvault.Participant{ID: who, Consent: answer}
	if err = s.Catalog.SetConsent(ctx, c.TenantID, session.ID, p, s.answered(session)); err != nil {
		return nil, err
	}
	s.Feed.ring(session.TenantID, session.ID)
	if err = s.heed(context.WithoutCancel(ctx), session, answer); err != nil {
		return nil, err
	}
	if session, err = s.session(ctx, c, session.ID); err != nil {
		return nil, err
	}
	for _, p := range session.Participants {
		if p.ID == who {
			return &setConsentOutput{viewConsent(tenant, session, p)}, nil
		}
	}
	return nil, reelvault.Errorf(reelvault.NotFound, "no such participant")
}

// heed lets the session be recorded if everybody has agreed, and ends its
// recordings if somebody doesn't any more.
func (s *Server) heed(ctx context.Context, session reelvault.Session, answer reelvault.Consent) error {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	withheld, err := s.releaseAtDoor(ctx, session.TenantID, session.ID)
	if withheld && answer.Answer == reelvault.ConsentRefused {
		return s.Control.StopSession(ctx, session.TenantID, session.ID)
	}
	return err
}

func (s *Server) releaseAtDoor(ctx context.Context, tenantID, sessionID string) (withheld bool, err error) {
	door := &s.Feed.of(sessionID).door
	door.Lock()
	defer door.Unlock()
	return s.releaseIfAgreed(ctx, tenantID, sessionID)
}

// releaseIfAgreed lets a session be recorded unless it is withheld. The caller
// holds the door: somebody new who came after the catalog has answered would
// be there without having agreed when the others are released.
func (s *Server) releaseIfAgreed(ctx context.Context, tenantID, sessionID string) (withheld bool, err error) {
	withheld, err = s.Catalog.Withheld(ctx, tenantID, sessionID)
	if err != nil || withheld {
		return withheld, err
	}
	return false, s.Control.Release(ctx, tenantID, sessionID)
}

// reconsider lets a session be recorded after somebody has left who had not
// answered. The caller holds the door.
func (s *Server) reconsider(ctx context.Context, tenantID, sessionID string) {
	if _, err := s.releaseIfAgreed(ctx, tenantID, sessionID); err != nil {
		s.log.ErrorContext(ctx, "recording not released", "session", sessionID, "error", err)
	}
}

// answered tells that somebody has answered.
func (s *Server) answered(session reelvault.Session) storage.Note {
	return func(p reelvault.Participant) reelvault.Activity {
		a := reelvault.Activity{
			ID: newID(), TenantID: session.TenantID, SessionID: session.ID, At: p.Consent.At,
			Type: reelvault.ActivityConsentGiven, Actor: p.Role.Actor(), ParticipantID: p.ID,
			Data: dataOf(map[string]any{"version": p.Consent.Version}),
		}
		if p.Consent.Answer == reelvault.ConsentRefused {
			a.Type = reelvault.ActivityConsentRefused
		}
		return a
	}
}
