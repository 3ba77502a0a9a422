package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/storage"
)

// controlTimeout bounds how long an answer waits for the recorder, as for
// recordings to be sealed. It runs on if the client goes: nothing is left half
// done.
const controlTimeout = 30 * time.Second

type sessionView struct {
	ID                string            `json:"id"`
	ExternalID        string            `json:"externalId,omitempty" doc:"The owning platform's id"`
	Name              string            `json:"name,omitempty"`
	Channel           string            `json:"channel" enum:"Chat,AV,Phone"`
	Source            string            `json:"source"`
	Status            string            `json:"status" enum:"CREATED,IN_QUEUE,WAITING,ACTIVE,ACW,BCW,CLOSED,BLACKLISTED"`
	Live              bool              `json:"live" doc:"Whether it still goes on"`
	TerminationReason string            `json:"terminationReason,omitempty"`
	CreatedAt         string            `json:"createdAt" format:"date-time"`
	EndedAt           string            `json:"endedAt,omitempty" format:"date-time"`
	DurationMs        int64             `json:"durationMs" doc:"Up to now while live"`
	Recordings        int               `json:"recordings" doc:"How many, deleted ones left out"`
	Participants      []participantView `json:"participants" nullable:"false" doc:"Who was in it, by the time they came"`
	Publishers        []publisherView   `json:"publishers" nullable:"false" doc:"Who publishes now"`
}

type participantView struct {
	ID       string             `json:"id"`
	Role     string             `json:"role" enum:"guest,operator"`
	Name     string             `json:"name,omitempty"`
	Address  string             `json:"address,omitempty" doc:"SIP address of record, of a telephone call"`
	JoinedAt string             `json:"joinedAt" format:"date-time"`
	LeftAt   string             `json:"leftAt,omitempty" format:"date-time" doc:"Absent while there"`
	Consent  *consentAnswerView `json:"consent,omitempty" doc:"What a guest answered, if asked"`
}

type consentAnswerView struct {
	Answer  string `json:"answer" enum:"given,refused"`
	Version string `json:"version" doc:"Of the text that was shown"`
	At      string `json:"at" format:"date-time"`
}

type publisherView struct {
	Participant string       `json:"participant"`
	Role        string       `json:"role" enum:"guest,operator"`
	Source      string       `json:"source" enum:"camera,screen"`
	Formats     []formatView `json:"formats" nullable:"false"`
}

type formatView struct {
	Media string `json:"media" enum:"audio,video,screen"`
	Codec string `json:"codec" enum:"opus,vp8,vp9,h264,h265,av1"`
}

type createSessionInput struct {
	Body struct {
		ExternalID string `json:"externalId,omitempty" maxLength:"200" doc:"The owning platform's id: the same one again gives the same session"`
		Name       string `json:"name,omitempty" maxLength:"200" doc:"What lists show"`
		Channel    string `json:"channel,omitempty" enum:"Chat,AV,Phone" default:"AV"`
		Source     string `json:"source,omitempty" default:"Default" enum:"Default,Callback,Invitation,ChatInvitation,IncomingCall,OutgoingCall,Campaign,API,Facebook,WhatsApp,VK,Apple,GenericChannel"`
	}
}

type createSessionOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     sessionView
}

type listSessionsInput struct {
	Limit  int            `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many at most"`
	Cursor string         `query:"cursor" maxLength:"512" doc:"What the page before gave as next"`
	Live   optional[bool] `query:"live" doc:"Only live ones, or only ended ones"`
}

func (s *Server) registerSessions(api huma.API) {
	tags := []string{"Sessions"}
	register(s, api, huma.Operation{
		OperationID: "createSession", Method: http.MethodPost, Path: apiPrefix + "/sessions", Tags: tags,
		Summary: "Make a session, or get the one with this externalId", DefaultStatus: http.StatusCreated,
		Description: "201 if it is new; 200 with the session as it is if the externalId is known.",
		Responses:   map[string]*huma.Response{"200": jsonResponse("The externalId is known", "Session")},
	}, s.createSession)
	register(s, api, huma.Operation{
		OperationID: "listSessions", Method: http.MethodGet, Path: apiPrefix + "/sessions", Tags: tags,
		Summary: "List sessions, newest first",
	}, s.listSessions)
	register(s, api, huma.Operation{
		OperationID: "getSession", Method: http.MethodGet, Path: apiPrefix + "/sessions/{id}", Tags: tags,
		Summary: "Get a session with its participants",
	}, func(ctx context.Context, c *caller, in *idInput) (*body[sessionView], error) {
		session, err := s.session(ctx, c, in.ID)
		if err != nil {
			return nil, err
		}
		return answer(s.viewSession(session)), nil
	})
	register(s, api, huma.Operation{
		OperationID: "endSession", Method: http.MethodPost, Path: apiPrefix + "/sessions/{id}/end", Tags: tags,
		Summary: "End a session",
		Description: "Closes it, ends every connection and seals its recordings at once. Ending a closed one again is no error. " +
			"Of those in a call, operators may.",
	}, s.endSession)
}

func (s *Server) createSession(ctx context.Context, c *caller, in *createSessionInput) (*createSessionOutput, error) {
	session, fresh, err := s.Catalog.CreateSession(ctx, reelvault.Session{
		ID: newID(), TenantID: c.TenantID, ExternalID: in.Body.ExternalID, Name: in.Body.Name,
		Channel: reelvault.Channel(in.Body.Channel), Source: reelvault.SessionSource(in.Body.Source),
		Status: reelvault.StatusCreated, CreatedAt: s.now(),
	})
	if err != nil {
		return nil, err
	}
	out := &createSessionOutput{
		Status: http.StatusOK, Location: apiPrefix + "/sessions/" + session.ID, Body: s.viewSession(session),
	}
	if fresh {
		out.Status = http.StatusCreated
	}
	return out, nil
}

func (s *Server) listSessions(ctx context.Context, c *caller, in *listSessionsInput) (*body[page[sessionView]], error) {
	filter := storage.SessionFilter{TenantID: c.TenantID, Live: in.Live.pointer()}
	sessions, next, err := s.Catalog.Sessions(ctx, filter, pageInput{in.Limit, in.Cursor}.page())
	if err != nil {
		return nil, cursorError(err)
	}
	items := make([]sessionView, len(sessions))
	for i, session := range sessions {
		items[i] = s.viewSession(session)
	}
	return answer(page[sessionView]{Items: items, Next: next}), nil
}

func (s *Server) endSession(ctx context.Context, c *caller, in *idInput) (*body[sessionView], error) {
	session, err := s.session(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	// A session that is closed already is gone through again: the call that
	// closed it may have died before it had sealed the recordings.
	if session.Status != reelvault.StatusClosed {
		reason := reelvault.ReasonSessionAPICall
		if c.credential.Purpose == reelvault.PurposeCall {
			reason = reelvault.ReasonOperatorLeft // guests' tickets don't end sessions
		}
		ended := false
		if ended, err = s.end(ctx, c, in.ID, reason); err != nil {
			return nil, err
		}
		if ended {
			s.auditDone(ctx, c, c.target, nil)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), controlTimeout)
	defer cancel()
	s.Gateway.HangupSession(ctx, c.TenantID, in.ID)
	s.forgetSession(in.ID)
	if err = s.Control.StopSession(ctx, c.TenantID, in.ID); err != nil {
		return nil, err
	}
	s.Feed.settle(ctx, in.ID)
	if session, err = s.session(ctx, c, in.ID); err != nil {
		return nil, err
	}
	return answer(s.viewSession(session)), nil
}

// end closes a session, and says whether it was this that did: somebody else
// may have meanwhile.
func (s *Server) end(ctx context.Context, c *caller, id string, reason reelvault.TerminationReason) (bool, error) {
	_, err := s.Feed.EndSession(ctx, c.TenantID, id, reason)
	if reelvault.KindOf(err) != reelvault.Conflict {
		return err == nil, err
	}
	now, failed := s.session(ctx, c, id)
	if failed == nil && now.Status == reelvault.StatusClosed {
		return false, nil
	}
	return false, err
}

// session gives a session of the caller's tenant.
func (s *Server) session(ctx context.Context, c *caller, id string) (reelvault.Session, error) {
	if !validID(id) {
		return reelvault.Session{}, reelvault.Errorf(reelvault.NotFound, "no such session")
	}
	return s.Catalog.Session(ctx, c.TenantID, id)
}

func (s *Server) viewSession(v reelvault.Session) sessionView {
	end := v.EndedAt
	if end.IsZero() {
		end = s.now()
	}
	participants := make([]participantView, len(v.Participants))
	for i, p := range v.Participants {
		participants[i] = viewParticipant(p)
	}
	return sessionView{
		ID: v.ID, ExternalID: v.ExternalID, Name: v.Name, Channel: string(v.Channel), Source: string(v.Source),
		Status: string(v.Status), Live: v.Status.Live(), TerminationReason: string(v.TerminationReason),
		CreatedAt: stamp(v.CreatedAt), EndedAt: stamp(v.EndedAt),
		DurationMs: max(end.Sub(v.CreatedAt), 0).Milliseconds(), Recordings: v.Recordings,
		Participants: participants,
		Publishers:   viewPublishers(s.Gateway.Publishers(v.TenantID, v.ID)),
	}
}

func viewParticipant(p reelvault.Participant) participantView {
	v := participantView{
		ID: p.ID, Role: string(p.Role), Name: p.Name, Address: p.Address, JoinedAt: stamp(p.JoinedAt), LeftAt: stamp(p.LeftAt),
	}
	if p.Consent.Answer != "" {
		v.Consent = &consentAnswerView{Answer: string(p.Consent.Answer), Version: p.Consent.Version, At: stamp(p.Consent.At)}
	}
	return v
}

func viewPublishers(ps []media.Published) []publisherView {
	views := make([]publisherView, len(ps))
	for i, p := range ps {
		v := publisherView{
			Participant: p.ParticipantID, Role: string(p.Role), Source: sourceOf(p.Kind),
			Formats: make([]formatView, len(p.Formats)),
		}
		for j, f := range p.Formats {
			v.Formats[j] = formatView{Media: string(f.Media), Codec: string(f.Codec)}
		}
		views[i] = v
	}
	return views
}
