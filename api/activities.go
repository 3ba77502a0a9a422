package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

// clockTolerance is how far another system's clock may be ahead of ours.
const clockTolerance = time.Minute

// What a participant may send, and what participants are shown besides: what
// was said and what concerns the call. How the operators' side is organised is
// not their matter.
var (
	sentByParticipants = []reelvault.ActivityType{
		reelvault.ActivityChatMessage, reelvault.ActivityAvRequest, reelvault.ActivityAvResponse,
		reelvault.ActivityAvGetMediaResult, reelvault.ActivityAvTerminated,
		reelvault.ActivityScreenSharingFailedByGuest, reelvault.ActivityFileUploadFailed,
	}
	// Other systems know these, too, but pages act on them: one is the end of a
	// call, and the other a file that is here.
	writtenHere         = []reelvault.ActivityType{reelvault.ActivitySessionEnded, reelvault.ActivitySharedFile}
	shownToParticipants = append([]reelvault.ActivityType{
		reelvault.ActivitySharedFile, reelvault.ActivitySharedScreen, reelvault.ActivityWelcomeMessage,
		reelvault.ActivityLastFarewellMessage, reelvault.ActivityChatbotMessage, reelvault.ActivityPreviewURL,
		reelvault.ActivityOnHold, reelvault.ActivityResumeGuest, reelvault.ActivitySessionEnded,
		reelvault.ActivityJoined, reelvault.ActivityLeft,
		reelvault.ActivityPublisherStarted, reelvault.ActivityPublisherStopped,
		reelvault.ActivityRecordingStarted, reelvault.ActivityRecordingPaused, reelvault.ActivityRecordingResumed,
		reelvault.ActivityRecordingStopped, reelvault.ActivityRecordingReady, reelvault.ActivityRecordingFailed,
		reelvault.ActivityConsentGiven, reelvault.ActivityConsentRefused,
	}, sentByParticipants...)
)

type activityView struct {
	Seq         int64           `json:"seq" doc:"Orders all of a tenant's, without holes"`
	ID          string          `json:"id"`
	SessionID   string          `json:"sessionId"`
	At          string          `json:"at" format:"date-time"`
	Type        string          `json:"type" doc:"Such as ChatMessage, Joined, SharedScreen; ours are recording.*, publisher.*, consent.*"`
	Actor       string          `json:"actor,omitempty" enum:"User,Guest,Chatbot" doc:"Who did it, User being an operator; absent: this program"`
	Participant string          `json:"participant,omitempty" doc:"Who did it or whom it is about"`
	Text        string          `json:"text,omitempty" doc:"With the scope content:read"`
	Data        json.RawMessage `json:"data,omitempty" doc:"A small object; that of people's activities with the scope content:read"`
	FileID      string          `json:"fileId,omitempty" doc:"Of a shared file"`
	ClientID    string          `json:"clientId,omitempty" doc:"As the sender chose it"`
}

// reader is what somebody may see of the activity log.
type reader struct {
	tenantID  string
	sessionID string                   // empty: every session
	types     []reelvault.ActivityType // empty: every type
	content   bool                     // with what people said
	taking    bool                     // takes part in the call, and sees no more than it
}

// readerOf says what c may see of a session, or of all if sessionID is empty.
func readerOf(c *caller, sessionID string) reader {
	r := reader{
		tenantID: c.TenantID, sessionID: sessionID, content: c.Can(reelvault.ScopeContentRead),
		taking: c.credential.Purpose == reelvault.PurposeCall,
	}
	if r.taking {
		r.types = shownToParticipants
	}
	return r
}

// only narrows what is seen to some types.
func (r reader) only(types []reelvault.ActivityType) reader {
	kept := []reelvault.ActivityType{}
	for _, t := range types {
		if r.sees(t) {
			kept = append(kept, t)
		}
	}
	r.types = kept
	return r
}

func (r reader) sees(t reelvault.ActivityType) bool {
	return r.types == nil || slices.Contains(r.types, t)
}

// batch is what a reader sees of a stretch of the log.
type batch struct {
	views []activityView
	last  int64 // how far it goes
	more  bool  // there may be more after it
}

// after reads at most limit activities after a number.
func (s *Server) after(ctx context.Context, r reader, seq int64, limit int) (batch, error) {
	as, err := s.Catalog.Activities(ctx, storage.ActivityFilter{
		TenantID: r.tenantID, SessionID: r.sessionID, After: seq, Limit: limit,
	})
	if err != nil {
		return batch{}, err
	}
	b := batch{views: []activityView{}, last: seq, more: len(as) == limit}
	for _, a := range as {
		b.last = a.Seq
		if r.sees(a.Type) && (!r.taking || !hearsay(a)) {
			b.views = append(b.views, r.view(a))
		}
	}
	return b, nil
}

// hearsay says whether another system tells of somebody's coming or going. The
// call page shows who is in the call, which this program alone knows.
func hearsay(a reelvault.Activity) bool {
	coming := a.Type == reelvault.ActivityJoined || a.Type == reelvault.ActivityLeft
	return coming && !strings.HasPrefix(a.ClientID, ownClientID)
}

func (r reader) view(a reelvault.Activity) activityView {
	v := activityView{
		Seq: a.Seq, ID: a.ID, SessionID: a.SessionID, At: stamp(a.At), Type: string(a.Type), Actor: string(a.Actor),
		Participant: a.ParticipantID, FileID: a.FileID,
	}
	ours := a.Type.Own() || a.Type == reelvault.ActivityJoined && !hearsay(a) || a.Type == reelvault.ActivitySessionEnded
	if r.content || ours {
		v.Data = json.RawMessage(a.Data)
	}
	// Why a recording failed is for those who run this, not for the call.
	if r.content && (!r.taking || !ours) {
		v.Text = a.Text
	}
	if !strings.HasPrefix(a.ClientID, ownClientID) {
		v.ClientID = a.ClientID
	}
	return v
}

type listActivitiesInput struct {
	ID    string `path:"id"`
	After int64  `query:"after" minimum:"0" doc:"The seq of the last one that is known; what the page before gave as next"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"How many at most"`
}

type createActivityInput struct {
	ID   string `path:"id"`
	Body struct {
		Type        string         `json:"type" maxLength:"64" doc:"One that other systems know, too, such as ChatMessage, but SessionEnded and SharedFile; tickets: only what belongs to a call"`
		Text        string         `json:"text,omitempty" doc:"At most 16384 bytes of UTF-8; kept as it is"`
		Data        map[string]any `json:"data,omitempty" doc:"At most 4096 bytes of JSON"`
		Participant string         `json:"participant,omitempty" pattern:"^[A-Za-z0-9._-]{1,64}$" doc:"Who did it; a ticket names its own"`
		Actor       string         `json:"actor,omitempty" enum:"User,Guest,Chatbot" doc:"What they are; known of participants"`
		At          *time.Time     `json:"at,omitempty" doc:"When it happened; tokens only. Absent: now"`
		ClientID    string         `json:"clientId,omitempty" doc:"An id of your own, at most 64 bytes: the same again, of the same participant, is the same activity"`
	}
}

type createActivityOutput struct {
	Status int
	Body   activityView
}

func (s *Server) registerActivities(api huma.API) {
	tags := []string{"Activities"}
	register(s, api, huma.Operation{
		OperationID: "listActivities", Method: http.MethodGet, Path: apiPrefix + "/sessions/{id}/activities", Tags: tags,
		Summary:     "List what happened in a session, oldest first",
		Description: "next is the seq to give as after. To follow it live, see GET /events.",
	}, s.listActivities)
	register(s, api, huma.Operation{
		OperationID: "createActivity", Method: http.MethodPost, Path: apiPrefix + "/sessions/{id}/activities", Tags: tags,
		Summary: "Add a message or another activity", DefaultStatus: http.StatusCreated,
		Description: "Nothing changes or removes it. 200 with the first one if the clientId is known. Joined and Left tell of people in " +
			"another system; who comes into a call here and leaves it is noted without, and the call page shows that alone.",
		Responses: map[string]*huma.Response{"200": jsonResponse("The clientId is known", "Activity")},
	}, s.createActivity)
}

func (s *Server) listActivities(ctx context.Context, c *caller, in *listActivitiesInput) (*body[page[activityView]], error) {
	session, err := s.session(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	b := batch{last: in.After, more: true}
	for b.more && len(b.views) == 0 { // what the caller may not see makes no page
		if b, err = s.after(ctx, readerOf(c, session.ID), b.last, in.Limit); err != nil {
			return nil, err
		}
	}
	out := page[activityView]{Items: b.views}
	if b.more {
		out.Next = strconv.FormatInt(b.last, 10)
	}
	return answer(out), nil
}

func (s *Server) createActivity(ctx context.Context, c *caller, in *createActivityInput) (*createActivityOutput, error) {
	session, err := s.session(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	a := reelvault.Activity{
		ID: newID(), TenantID: session.TenantID, SessionID: session.ID, At: s.now(),
		Type: reelvault.ActivityType(in.Body.Type), Actor: reelvault.Actor(in.Body.Actor),
		ParticipantID: in.Body.Participant, Text: in.Body.Text, ClientID: in.Body.ClientID,
	}
	if len(in.Body.Data) > 0 {
		a.Data = dataOf(in.Body.Data)
	}
	if err = a.Validate(); err != nil {
		return nil, err
	}
	if a.Type.Own() || slices.Contains(writtenHere, a.Type) {
		return nil, invalid("body.type", "only this program writes "+string(a.Type))
	}
	if strings.HasPrefix(a.ClientID, ownClientID) {
		return nil, invalid("body.clientId", "ids that begin with "+ownClientID+" are taken")
	}
	if a.Type == reelvault.ActivityChatMessage && a.Text == "" {
		return nil, invalid("body.text", "a message has a text")
	}
	if c.credential.Kind == reelvault.CredentialTicket {
		err = s.bindActivity(c, session, &a, in)
	} else {
		err = s.completeActivity(session, &a, in)
	}
	if err != nil {
		return nil, err
	}
	return s.addActivity(ctx, c, a)
}

func (s *Server) addActivity(ctx context.Context, c *caller, a reelvault.Activity) (*createActivityOutput, error) {
	kept, err := s.Feed.AppendActivities(ctx, []reelvault.Activity{a})
	if err != nil {
		return nil, err
	}
	out := &createActivityOutput{Status: http.StatusCreated}
	if first := kept[0]; first.ID != a.ID {
		if first.Type != a.Type || first.Text != a.Text || first.Data != a.Data {
			return nil, invalid("body.clientId", "this id stands for another activity")
		}
		out.Status = http.StatusOK
	}
	r := readerOf(c, a.SessionID)
	r.content = true // it is their own
	out.Body = r.view(kept[0])
	return out, nil
}

// bindActivity makes a what a participant sends: as themselves, now.
func (s *Server) bindActivity(c *caller, session reelvault.Session, a *reelvault.Activity, in *createActivityInput) error {
	bound := c.credential
	switch {
	case !session.Status.Live():
		return reelvault.Errorf(reelvault.Conflict, "the session has ended")
	case !slices.Contains(sentByParticipants, a.Type):
		return reelvault.Errorf(reelvault.Forbidden, "a participant can't send %s", a.Type)
	case a.ParticipantID != "" && a.ParticipantID != bound.ParticipantID, a.Actor != "" && a.Actor != bound.Role.Actor():
		return reelvault.Errorf(reelvault.Forbidden, "the ticket is for the %s %s", bound.Role, bound.ParticipantID)
	case in.Body.At != nil:
		return reelvault.Errorf(reelvault.Forbidden, "what a ticket sends happens now")
	}
	a.ParticipantID, a.Actor = bound.ParticipantID, bound.Role.Actor()
	return s.messages.take(ownerOf(bound), s.now())
}

// completeActivity makes a what another system tells of.
func (s *Server) completeActivity(session reelvault.Session, a *reelvault.Activity, in *createActivityInput) error {
	if in.Body.At != nil {
		a.At = in.Body.At.UTC()
		if a.At.After(s.now().Add(clockTolerance)) {
			return invalid("body.at", "this has not happened yet")
		}
	}
	for _, p := range session.Participants {
		if p.ID == a.ParticipantID && a.Actor == "" {
			a.Actor = p.Role.Actor()
		}
	}
	return nil
}

// invalid says what is wrong at a place in the request.
func invalid(location, message string) error {
	return &reelvault.Error{Kind: reelvault.Invalid, Message: message, Location: location}
}
