package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// actionWatch is the audit action of a live watch.
const actionWatch = "watch"

type whepInput struct {
	ID          string `path:"id"`
	Participant string `query:"participant" pattern:"^[A-Za-z0-9._-]{1,64}$" doc:"Whose media; may be left out if only one publishes"`
	Source      string `query:"source" enum:"camera,screen" default:"camera"`
	ContentType string `header:"Content-Type"`
	RawBody     []byte `contentType:"application/sdp"`
}

func (s *Server) registerWHEP(api huma.API) {
	register(s, api, huma.Operation{
		OperationID: "whepWatch", Method: http.MethodPost, Path: apiPrefix + "/sessions/{id}/whep", Tags: []string{"WHEP"},
		Summary: "Watch a publisher live (WHEP)", DefaultStatus: http.StatusCreated,
		Description: "406 if the offer lacks the publisher's codec.",
		Responses:   sdpResponse("201", "The SDP answer", sdpType),
	}, s.watch)
	s.registerConnection(api, "whep", "WHEP")
}

func (s *Server) watch(ctx context.Context, c *caller, in *whepInput) (*sdpOutput, error) {
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
	detail := map[string]string{"participant": in.Participant, "source": in.Source}
	if err = s.audit(ctx, c, actionWatch, c.target, detail); err != nil {
		return nil, err
	}
	w := media.Publisher{
		TenantID: session.TenantID, SessionID: session.ID,
		ParticipantID: in.Participant, Kind: kindOf(in.Source),
		Unrecorded: c.credential.Purpose == reelvault.PurposeCall, // a call goes on during a pause
	}
	a, err := s.Gateway.Watch(ctx, w, string(in.RawBody))
	if err != nil {
		return nil, offerError(err)
	}
	err = s.settle(ctx, c, session.ID, a.ID, "whep")
	if err == nil {
		_, err = s.liveSession(ctx, c, in.ID)
	}
	if err != nil {
		s.takeBack(ctx, session.ID, a.ID) // the session ended while the offer was answered
		return nil, err
	}
	return s.created(a, session.ID, "whep"), nil
}
