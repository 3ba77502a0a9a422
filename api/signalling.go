package api

import (
	"context"
	"mime"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// The media types of WHIP and WHEP.
const (
	sdpType      = "application/sdp"
	fragmentType = "application/trickle-ice-sdpfrag"
)

// The sources of a publisher.
const (
	sourceCamera = "camera"
	sourceScreen = "screen"
)

// kindOf gives the recording that takes what comes from a source.
func kindOf(source string) reelvault.RecordingKind {
	if source == sourceScreen {
		return reelvault.RecordingScreen
	}
	return reelvault.RecordingAV
}

// sourceOf is kindOf, backwards.
func sourceOf(kind reelvault.RecordingKind) string {
	if kind == reelvault.RecordingScreen {
		return sourceScreen
	}
	return sourceCamera
}

// connectionInput names a connection that an offer opened.
type connectionInput struct {
	ID         string `path:"id"`
	Connection string `path:"connection" doc:"Last part of the Location of the answer"`
}

type fragmentInput struct {
	ID          string `path:"id"`
	Connection  string `path:"connection" doc:"Last part of the Location of the answer"`
	ContentType string `header:"Content-Type"`
	IfMatch     string `header:"If-Match" maxLength:"256" doc:"The ETag of the ICE session, or * for an ICE restart"`
	RawBody     []byte `contentType:"application/trickle-ice-sdpfrag"`
}

// sdpOutput is an answer, or the fragment after an ICE restart.
type sdpOutput struct {
	Status      int
	ContentType string   `header:"Content-Type"`
	Location    string   `header:"Location"`
	ETag        string   `header:"ETag"`
	AcceptPatch string   `header:"Accept-Patch"`
	Link        []string `header:"Link" doc:"ICE servers (RFC 9725, section 4.6)"`
	Body        []byte
}

// hungUp answers a DELETE with 200 (RFC 9725, section 4.2).
type hungUp struct {
	Status int
}

// sdpResponse documents an answer that is SDP.
func sdpResponse(status, description, contentType string) map[string]*huma.Response {
	return map[string]*huma.Response{status: {
		Description: description,
		Content:     map[string]*huma.MediaType{contentType: {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
}

// wantType refuses a body of another media type (RFC 9725, section 4.2).
func wantType(got, want string) error {
	if t, _, err := mime.ParseMediaType(got); err != nil || t != want {
		return reelvault.Errorf(reelvault.Unsupported, "the body has to be %s", want)
	}
	return nil
}

// takeOffer counts an offer against the limits: each costs keys and sockets.
func (s *Server) takeOffer(c *caller) error {
	if err := s.offers.take(bucketOf(c.address), s.now()); err != nil {
		return err
	}
	if c.credential.Kind != reelvault.CredentialTicket {
		return nil
	}
	return s.tickets.take(c.credential.ID, s.now())
}

// liveSession gives a session that offers may be made in: one that goes on,
// of a tenant with the feature av.
func (s *Server) liveSession(ctx context.Context, c *caller, id string) (reelvault.Session, error) {
	session, err := s.session(ctx, c, id)
	if err != nil {
		return reelvault.Session{}, err
	}
	tenant, err := s.Catalog.Tenant(ctx, c.TenantID)
	if err != nil {
		return reelvault.Session{}, err
	}
	if !tenant.Features.AV {
		return reelvault.Session{}, reelvault.Errorf(reelvault.Forbidden, "audio and video are switched off for this tenant")
	}
	if !session.Status.Live() {
		return reelvault.Session{}, reelvault.Errorf(reelvault.Conflict, "the session is %s", session.Status)
	}
	return session, nil
}

// openedConnections bounds the table of who opened a connection. One that is
// pushed out is reached with its id alone, which nobody can guess.
const openedConnections = 10_000

// opener is who opened a connection, and in which direction.
type opener struct {
	name    string // whip or whep
	tenant  string
	session string
	owner   string
	invited bool // the owner is an invitation
}

// ownerOf names what a caller's tickets have in common: those that were got
// with one invitation, one after the other, are one participant's.
func ownerOf(c reelvault.Credential) string {
	if c.Purpose == reelvault.PurposeCall {
		return c.IssuerID
	}
	return c.ID
}

// mayReach refuses a ticket to change a connection that another one opened, and
// everybody to reach a publisher as if it were a watcher: that takes another scope.
func (s *Server) mayReach(c *caller, name, connection string) error {
	o, ok := s.opened.find(connection)
	ticket := c.credential.Kind == reelvault.CredentialTicket
	if ok && (o.name != name || (ticket && o.owner != ownerOf(c.credential))) {
		return reelvault.Errorf(reelvault.NotFound, "no such connection")
	}
	return nil
}

// settle makes a connection findable for its owner under name, which is whip or
// whep. If the owner's invitation was revoked meanwhile, it is Unauthenticated:
// whoever revoked it has not seen the connection.
func (s *Server) settle(ctx context.Context, c *caller, sessionID, connection, name string) error {
	invited := c.credential.Purpose == reelvault.PurposeCall
	s.opened.get(connection, func() opener { return opener{name, c.TenantID, sessionID, ownerOf(c.credential), invited} })
	if !invited {
		return nil
	}
	_, err := s.credential(ctx, reelvault.CredentialTicket, c.secret)
	return err
}

// created answers an offer.
func (s *Server) created(a media.Answer, sessionID, name string) *sdpOutput {
	return &sdpOutput{
		Status: http.StatusCreated, ContentType: sdpType, ETag: a.ETag,
		Location:    apiPrefix + "/sessions/" + sessionID + "/" + name + "/" + a.ID,
		AcceptPatch: fragmentType, Link: s.Gateway.ICEServers(), Body: []byte(a.SDP),
	}
}

// offerError turns an offer that we can't serve into what RFC 9725 wants: an
// offer without a codec of ours is 422 (sections 4.4.2 and 4.4.3), where 415
// would mean that the body is no SDP.
func offerError(err error) error {
	if err == nil || reelvault.KindOf(err) != reelvault.Unsupported {
		return err
	}
	return &reelvault.Error{Kind: reelvault.Invalid, Message: "the offer has no codec that we take", Location: "body", Cause: err}
}

// takeBack ends a connection whose answer is not given after all.
func (s *Server) takeBack(ctx context.Context, sessionID, connection string) {
	err := s.Gateway.Hangup(context.WithoutCancel(ctx), sessionID, connection)
	if err != nil && reelvault.KindOf(err) != reelvault.NotFound {
		s.log.WarnContext(ctx, "connection not ended", "request", requestID(ctx), "error", err)
		return
	}
	s.opened.remove(connection)
}

// patch takes a trickle or ICE restart fragment (RFC 9725, section 4.3).
func (s *Server) patch(ctx context.Context, c *caller, name string, in *fragmentInput) (*sdpOutput, error) {
	if err := wantType(in.ContentType, fragmentType); err != nil {
		return nil, err
	}
	if _, err := s.session(ctx, c, in.ID); err != nil {
		return nil, err
	}
	if err := s.mayReach(c, name, in.Connection); err != nil {
		return nil, err
	}
	if in.IfMatch == "" {
		return nil, httpProblem(ctx, http.StatusPreconditionRequired, "this needs an If-Match header")
	}
	a, err := s.Gateway.Patch(ctx, in.ID, in.Connection, in.IfMatch, string(in.RawBody))
	if err != nil {
		return nil, err
	}
	if a.SDP == "" {
		return &sdpOutput{Status: http.StatusNoContent}, nil // no ETag here (RFC 9725, section 4.3.2)
	}
	return &sdpOutput{Status: http.StatusOK, ContentType: fragmentType, ETag: a.ETag, Body: []byte(a.SDP)}, nil
}

// hangUp ends a connection. It heeds no If-Match (RFC 9725, section 4.3.1).
func (s *Server) hangUp(ctx context.Context, c *caller, name string, in *connectionInput) (*hungUp, error) {
	if _, err := s.session(ctx, c, in.ID); err != nil {
		return nil, err
	}
	if err := s.mayReach(c, name, in.Connection); err != nil {
		return nil, err
	}
	if err := s.Gateway.Hangup(ctx, in.ID, in.Connection); err != nil {
		return nil, err
	}
	s.opened.remove(in.Connection) // the table has room for those that go on
	return &hungUp{Status: http.StatusOK}, nil
}

// registerConnection adds the operations on a connection, which are the same
// for both directions. name is whip or whep.
func (s *Server) registerConnection(api huma.API, name, tag string) {
	path := apiPrefix + "/sessions/{id}/" + name + "/{connection}"
	responses := sdpResponse("200", "ICE was restarted", fragmentType)
	responses["204"] = &huma.Response{Description: "The candidates were taken"}
	register(s, api, huma.Operation{
		OperationID: name + "Patch", Method: http.MethodPatch, Path: path, Tags: []string{tag},
		Summary:     "Add candidates, or restart ICE",
		Description: "204 for candidates; 200 with a fragment and a new ETag after a restart. 428 without If-Match, 412 if it is stale.",
		Responses:   responses,
	}, func(ctx context.Context, c *caller, in *fragmentInput) (*sdpOutput, error) {
		return s.patch(ctx, c, name, in)
	})
	register(s, api, huma.Operation{
		OperationID: name + "Delete", Method: http.MethodDelete, Path: path, Tags: []string{tag},
		Summary: "End the connection", DefaultStatus: http.StatusOK,
	}, func(ctx context.Context, c *caller, in *connectionInput) (*hungUp, error) {
		return s.hangUp(ctx, c, name, in)
	})
}
