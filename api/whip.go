package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

type whipInput struct {
	ID          string `path:"id"`
	Participant string `query:"participant" pattern:"^[A-Za-z0-9._-]{1,64}$" doc:"Who publishes; a ticket names its own"`
	Role        string `query:"role" enum:"guest,operator" doc:"As whom; guest if it is nobody known and no ticket says otherwise"`
	Source      string `query:"source" enum:"camera,screen" default:"camera" doc:"A screen share is a recording of its own"`
	ContentType string `header:"Content-Type"`
	RawBody     []byte `contentType:"application/sdp"`
}

func (s *Server) registerWHIP(api huma.API) {
	register(s, api, huma.Operation{
		OperationID: "whipPublish", Method: http.MethodPost, Path: apiPrefix + "/sessions/{id}/whip", Tags: []string{"WHIP"},
		Summary: "Publish (RFC 9725)", DefaultStatus: http.StatusCreated,
		Description: "Send the SDP offer; the answer's Location is the connection.",
		Responses:   sdpResponse("201", "The SDP answer", sdpType),
	}, s.publish)
	s.registerConnection(api, "whip", "WHIP")
}

func (s *Server) publish(ctx context.Context, c *caller, in *whipInput) (*sdpOutput, error) {
	if err := s.takeOffer(c); err != nil {
		return nil, err
	}
	if err := wantType(in.ContentType, sdpType); err != nil {
		return nil, err
	}
	session, err := s.liveSession(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	p, err := publisherOf(c, session, in)
	if err != nil {
		return nil, err
	}
	if err = s.Sink.Admit(ctx, p); err != nil {
		return nil, err
	}
	// Before the recorder asks who has given consent, or it would not be asked
	// for that of somebody who is new.
	who := reelvault.Participant{ID: p.ParticipantID, Role: p.Role, JoinedAt: s.now()}
	entrance, err := s.Feed.enter(ctx, session, who)
	if err != nil {
		return nil, err
	}
	a, err := s.Gateway.Publish(ctx, p, string(in.RawBody))
	if err != nil {
		entrance.fails(ctx)
		return nil, offerError(err)
	}
	if err = entrance.publishes(ctx); err == nil {
		err = s.settle(ctx, c, session.ID, a.ID, "whip")
	}
	if err == nil {
		_, err = s.liveSession(ctx, c, in.ID)
	}
	if err == nil {
		err = s.begin(ctx, session)
	}
	if err != nil {
		s.takeBack(ctx, session.ID, a.ID) // the session or the feature ended while the offer was answered
		return nil, err
	}
	return s.created(a, session.ID, "whip"), nil
}

// publisherOf says as whom the caller publishes. A ticket binds; a token may
// name anybody, but not change the side of somebody who is there.
func publisherOf(c *caller, session reelvault.Session, in *whipInput) (media.Publisher, error) {
	p := media.Publisher{
		TenantID: session.TenantID, SessionID: session.ID, ParticipantID: in.Participant,
		Role: reelvault.Role(in.Role), Kind: kindOf(in.Source),
		Unrecorded: c.credential.Purpose == reelvault.PurposeCall, // a call goes on, recorded or not
	}
	if bound := c.credential; bound.Kind == reelvault.CredentialTicket {
		if (p.ParticipantID != "" && p.ParticipantID != bound.ParticipantID) || (p.Role != "" && p.Role != bound.Role) {
			return media.Publisher{}, reelvault.Errorf(reelvault.Forbidden,
				"the ticket is for the %s %s", bound.Role, bound.ParticipantID)
		}
		p.ParticipantID, p.Role = bound.ParticipantID, bound.Role
	}
	if p.ParticipantID == "" {
		err := reelvault.Errorf(reelvault.Invalid, "the publisher needs a name")
		err.Location = "query.participant"
		return media.Publisher{}, err
	}
	known := slices.IndexFunc(session.Participants, func(k reelvault.Participant) bool { return k.ID == p.ParticipantID })
	if known < 0 {
		if p.Role == "" {
			p.Role = reelvault.RoleGuest
		}
		return p, nil
	}
	role := session.Participants[known].Role
	if p.Role != "" && p.Role != role {
		return media.Publisher{}, reelvault.Errorf(reelvault.Conflict, "%s is in this session as %s", p.ParticipantID, role)
	}
	p.Role = role
	return p, nil
}

// begin takes a session that was only made to active: somebody publishes.
func (s *Server) begin(ctx context.Context, session reelvault.Session) error {
	if session.Status != reelvault.StatusCreated {
		return nil
	}
	_, err := s.Catalog.MoveSession(ctx, session.TenantID, session.ID, reelvault.StatusActive, "", s.now())
	if err != nil && reelvault.KindOf(err) == reelvault.Conflict {
		return nil // somebody else moved it meanwhile
	}
	return err
}
