package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
)

// callTicketLife is how long a ticket of the call page lives. The page joins
// again in good time, so it is short: that is how long one that leaks is good.
const callTicketLife = 10 * time.Minute

// callScopes is what takes part in a call, in its own session and as its own
// participant only.
var callScopes = []reelvault.Scope{
	reelvault.ScopeIngest, reelvault.ScopeRecordingsWatch, reelvault.ScopeSessionsRead, reelvault.ScopeContentRead,
	reelvault.ScopeRecordingsDownload, // of the files that are shared in it
}

// operatorScopes is callScopes and what ends the session for everybody.
var operatorScopes = append([]reelvault.Scope{reelvault.ScopeSessionsWrite}, callScopes...)

// scopesInCall gives what somebody in a call may do.
func scopesInCall(r reelvault.Role) []reelvault.Scope {
	if r == reelvault.RoleOperator {
		return operatorScopes
	}
	return callScopes
}

// callView is all that the call page has to know to begin.
type callView struct {
	Ticket      callTicketView  `json:"ticket"`
	Session     callSessionView `json:"session"`
	Participant string          `json:"participant" doc:"Who you are in this session"`
	Role        string          `json:"role" enum:"guest,operator"`
	Name        string          `json:"name,omitempty"`
	Consent     consentView     `json:"consent"`
	Recording   string          `json:"recording" enum:"recording,paused,withheld,off" doc:"withheld: not before every guest has given consent, or for good after a refusal; off: nothing is being recorded now"`
	ICEServers  []iceServerView `json:"iceServers" nullable:"false"`
	Limits      callLimitsView  `json:"limits"`
	LastEvent   int64           `json:"lastEvent" doc:"Of GET /events: begin after this for what happens from now on, after 0 for the whole session"`
}

type callTicketView struct {
	Secret    string `json:"secret" doc:"Send it as Authorization: Bearer"`
	ExpiresAt string `json:"expiresAt" format:"date-time" doc:"Join again before"`
}

type callSessionView struct {
	ID           string                `json:"id"`
	Name         string                `json:"name,omitempty"`
	Channel      string                `json:"channel" enum:"Chat,AV,Phone"`
	Status       string                `json:"status"`
	CreatedAt    string                `json:"createdAt" format:"date-time"`
	Participants []callParticipantView `json:"participants" nullable:"false" doc:"Who is or was in it"`
	Publishers   []callPublisherView   `json:"publishers" nullable:"false" doc:"Who can be watched now"`
}

type callParticipantView struct {
	ID      string `json:"id"`
	Role    string `json:"role" enum:"guest,operator"`
	Name    string `json:"name,omitempty"`
	Present bool   `json:"present"`
}

type callPublisherView struct {
	Participant string `json:"participant"`
	Source      string `json:"source" enum:"camera,screen"`
}

type iceServerView struct {
	URLs       []string `json:"urls" nullable:"false"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

type callLimitsView struct {
	MessageBytes int   `json:"messageBytes" doc:"Of a message's text, in UTF-8"`
	FileBytes    int64 `json:"fileBytes" doc:"Of a shared file; 0: none may be shared"`
}

func (s *Server) registerCalls(api huma.API) {
	register(s, api, huma.Operation{
		OperationID: "joinCall", Method: http.MethodPost, Path: apiPrefix + "/call/join", Tags: []string{"Calls"},
		Summary: "Join a call with an invitation, or renew the ticket",
		Description: "Send the invitation, which is what follows the # of its link, as Authorization: Bearer. The same one again, " +
			"as after a reload, is the same participant with a new ticket. Of somebody who is in the call it keeps the invitation " +
			"good for as long as the ticket, but never longer than the token that made it. 409 when the session has ended.",
	}, s.joinCall)
	register(s, api, huma.Operation{
		OperationID: "leaveCall", Method: http.MethodPost, Path: apiPrefix + "/sessions/{id}/leave", Tags: []string{"Calls"},
		Summary: "Say goodbye", DefaultStatus: http.StatusNoContent,
		Description: "Ends nothing: whoever says goodbye closes their connections and streams, before it or after. They have left as soon as " +
			"the last of them is closed, where somebody who vanished is given 20 seconds to come back. Again is no error.",
	}, s.leaveCall)
}

type leaveCallInput struct {
	ID   string `path:"id"`
	Body *struct {
		Participant string `json:"participant,omitempty" pattern:"^[A-Za-z0-9._-]{1,64}$" doc:"Who leaves; a ticket names its own"`
	}
}

func (s *Server) leaveCall(ctx context.Context, c *caller, in *leaveCallInput) (*struct{}, error) {
	session, err := s.session(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	named := ""
	if in.Body != nil {
		named = in.Body.Participant
	}
	who, err := actingParticipant(c, named)
	if err != nil {
		return nil, err
	}
	s.Feed.goodbye(person{place{session.TenantID, session.ID}, who})
	return nil, nil
}

// actingParticipant says who acts: a ticket names its own, and a token has to.
func actingParticipant(c *caller, named string) (string, error) {
	bound := c.credential.ParticipantID
	switch {
	case bound != "" && named != "" && named != bound:
		return "", reelvault.Errorf(reelvault.Forbidden, "the ticket is for the %s %s", c.credential.Role, bound)
	case bound != "":
		return bound, nil
	case named == "":
		return "", invalid("body.participant", "this needs to say who it is")
	}
	return named, nil
}

func (s *Server) joinCall(ctx context.Context, c *caller, _ *struct{}) (*body[callView], error) {
	invitation := c.credential
	c.target = "session/" + invitation.SessionID
	if err := s.joins.take(invitation.ID, s.now()); err != nil {
		return nil, err
	}
	session, err := s.liveSession(ctx, c, invitation.SessionID)
	if err != nil && reelvault.KindOf(err) == reelvault.Conflict {
		return nil, reelvault.Errorf(reelvault.Conflict, "the session has ended, and the invitation with it")
	}
	if err != nil {
		return nil, err
	}
	// They are known now, and may answer; they have come when they connect.
	now := s.now()
	who := reelvault.Participant{
		ID: invitation.ParticipantID, Role: invitation.Role, Name: invitation.Name, JoinedAt: now, LeftAt: now,
	}
	if _, err = s.Catalog.SetParticipant(ctx, session.TenantID, session.ID, who, nil); err != nil {
		return nil, err
	}
	if invitation, err = s.prolongInvitation(ctx, invitation); err != nil {
		return nil, err
	}
	secret, ticket := s.callTicket(invitation)
	if err = s.Catalog.CreateCredentials(ctx, []reelvault.Credential{ticket}); err != nil {
		return nil, err
	}
	// A revocation that came between has not seen the ticket.
	if _, err = s.credential(ctx, reelvault.CredentialInvitation, c.secret); err != nil {
		return nil, s.withdraw(ctx, ticket, err)
	}
	v, err := s.viewCall(ctx, invitation)
	if err != nil {
		return nil, err
	}
	v.Ticket = callTicketView{Secret: secret.Reveal(), ExpiresAt: stamp(ticket.ExpiresAt)}
	return answer(v), nil
}

// callTicket makes a ticket for who was invited. It ends with the invitation.
func (s *Server) callTicket(invitation reelvault.Credential) (reelvault.Secret, reelvault.Credential) {
	secret, ticket := s.newTicket(invitation.TenantID, callTicketLife)
	ticket.Name, ticket.IssuerID = "call ticket of "+invitation.ParticipantID, invitation.ID
	ticket.Scopes, ticket.Purpose, ticket.SessionID = scopesInCall(invitation.Role), reelvault.PurposeCall, invitation.SessionID
	ticket.ParticipantID, ticket.Role = invitation.ParticipantID, invitation.Role
	ticket.ExpiresAt = earlier(ticket.ExpiresAt, invitation.ExpiresAt)
	return secret, ticket
}

// withdraw takes back a ticket that must not be given, and gives the reason.
func (s *Server) withdraw(ctx context.Context, ticket reelvault.Credential, reason error) error {
	err := s.Catalog.Revoke(context.WithoutCancel(ctx), ticket.TenantID, ticket.ID)
	if err != nil && reelvault.KindOf(err) != reelvault.NotFound {
		return err
	}
	return reason
}

func (s *Server) viewCall(ctx context.Context, invitation reelvault.Credential) (callView, error) {
	tenantID := invitation.TenantID
	// First, so that what happens from now on is told by an event at the latest.
	latest, err := s.Catalog.LatestActivity(ctx, tenantID)
	if err != nil {
		return callView{}, err
	}
	session, err := s.Catalog.Session(ctx, tenantID, invitation.SessionID)
	if err != nil {
		return callView{}, err
	}
	tenant, err := s.Catalog.Tenant(ctx, tenantID)
	if err != nil {
		return callView{}, err
	}
	recording, err := s.recordingNow(ctx, session)
	if err != nil {
		return callView{}, err
	}
	v := callView{
		Participant: invitation.ParticipantID, Role: string(invitation.Role), Recording: recording,
		Session: s.viewCallSession(session), ICEServers: viewICEServers(s.Gateway.ICEServers()), LastEvent: latest,
		Limits: callLimitsView{MessageBytes: reelvault.MaxActivityText, FileBytes: tenant.MaxFileBytes},
	}
	for _, p := range session.Participants {
		if p.ID == invitation.ParticipantID {
			v.Name = p.Name
			v.Consent = viewConsent(tenant, session, p)
		}
	}
	return v, nil
}

func (s *Server) viewCallSession(session reelvault.Session) callSessionView {
	v := callSessionView{
		ID: session.ID, Name: session.Name, Channel: string(session.Channel), Status: string(session.Status),
		CreatedAt: stamp(session.CreatedAt), Participants: []callParticipantView{}, Publishers: []callPublisherView{},
	}
	for _, p := range session.Participants {
		v.Participants = append(v.Participants, callParticipantView{
			ID: p.ID, Role: string(p.Role), Name: p.Name, Present: p.LeftAt.IsZero(),
		})
	}
	for _, p := range s.Gateway.Publishers(session.TenantID, session.ID) {
		v.Publishers = append(v.Publishers, callPublisherView{Participant: p.ParticipantID, Source: sourceOf(p.Kind)})
	}
	return v
}

// The states of recording as the call page shows them.
const (
	recordingOff      = "off"
	recordingWithheld = "withheld"
)

// recordingNow says whether a session is being recorded.
func (s *Server) recordingNow(ctx context.Context, session reelvault.Session) (string, error) {
	recs, err := s.Catalog.RecordingsOf(ctx, session.TenantID, session.ID)
	if err != nil {
		return "", err
	}
	state := recordingOff
	for _, r := range recs {
		if r.Kind == reelvault.RecordingFile {
			continue // a shared file that is being sent
		}
		switch r.State {
		case reelvault.RecordingRunning:
			return string(r.State), nil
		case reelvault.RecordingPaused:
			state = string(r.State)
		default:
		}
	}
	if state != recordingOff {
		return state, nil
	}
	withheld, err := s.Catalog.Withheld(ctx, session.TenantID, session.ID)
	if withheld {
		state = recordingWithheld
	}
	return state, err
}

// viewICEServers turns the Link values of RFC 9725, section 4.6, into what
// RTCPeerConnection takes.
func viewICEServers(links []string) []iceServerView {
	views := []iceServerView{}
	for _, link := range links {
		target, params, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
		if !ok {
			continue
		}
		v := iceServerView{URLs: []string{target}}
		v.Username, v.Credential = linkParam(params, "username"), linkParam(params, "credential")
		views = append(views, v)
	}
	return views
}

// linkParam gives the value of a quoted parameter, or nothing.
func linkParam(params, name string) string {
	_, rest, ok := strings.Cut(params, "; "+name+"=")
	if !ok {
		return ""
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return ""
	}
	value, err := strconv.Unquote(quoted)
	if err != nil {
		return ""
	}
	return value
}
