package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
)

type pauseInput struct {
	ID   string `path:"id"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"200" doc:"Why; kept with the gap"`
	}
}

func (s *Server) registerRecordings(api huma.API) {
	tags := []string{"Recordings"}
	register(s, api, huma.Operation{
		OperationID: "listRecordings", Method: http.MethodGet, Path: apiPrefix + "/sessions/{id}/recordings", Tags: tags,
		Summary:     "List a session's recordings",
		Description: "playbackUrl and downloadUrl are there only with the scopes recordings:play and recordings:download.",
	}, s.listRecordings)
	register(s, api, huma.Operation{
		OperationID: "getRecording", Method: http.MethodGet, Path: apiPrefix + "/recordings/{id}", Tags: tags,
		Summary:     "Get a recording with its files and tracks",
		Description: "playbackUrl and downloadUrl are there only with the scopes recordings:play and recordings:download.",
	}, func(ctx context.Context, c *caller, in *idInput) (*body[recordingView], error) {
		rec, err := s.recording(ctx, c, in.ID)
		return s.answerRecording(ctx, c, rec, err)
	})
	register(s, api, huma.Operation{
		OperationID: "getTiming", Method: http.MethodGet, Path: apiPrefix + "/recordings/{id}/timing", Tags: tags,
		Summary:     "Get the sender reports behind a recording",
		Description: "How the tracks of each file came to lie where they lie: the senders' own clocks, and what was corrected.",
	}, s.getTiming)
	register(s, api, huma.Operation{
		OperationID: "pauseRecording", Method: http.MethodPost, Path: apiPrefix + "/recordings/{id}/pause", Tags: tags,
		Summary:     "Pause a recording",
		Description: "Nothing that arrives after the answer is recorded or forwarded. The clock goes on.",
	}, func(ctx context.Context, c *caller, in *pauseInput) (*body[recordingView], error) {
		return s.control(ctx, c, in.ID, reelvault.EventPause, in.Body.Reason)
	})
	register(s, api, huma.Operation{
		OperationID: "resumeRecording", Method: http.MethodPost, Path: apiPrefix + "/recordings/{id}/resume", Tags: tags,
		Summary: "Go on with a paused recording",
	}, func(ctx context.Context, c *caller, in *idInput) (*body[recordingView], error) {
		return s.control(ctx, c, in.ID, reelvault.EventResume, "")
	})
	register(s, api, huma.Operation{
		OperationID: "stopRecording", Method: http.MethodPost, Path: apiPrefix + "/recordings/{id}/stop", Tags: tags,
		Summary: "Stop a recording", Description: "Answers when it can be played.",
	}, func(ctx context.Context, c *caller, in *idInput) (*body[recordingView], error) {
		return s.control(ctx, c, in.ID, reelvault.EventSeal, "")
	})
	register(s, api, huma.Operation{
		OperationID: "deleteRecording", Method: http.MethodDelete, Path: apiPrefix + "/recordings/{id}", Tags: tags,
		Summary: "Delete a recording and its bytes",
	}, s.deleteRecording)
}

func (s *Server) listRecordings(ctx context.Context, c *caller, in *idInput) (*body[page[recordingView]], error) {
	session, err := s.session(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	recs, err := s.Catalog.RecordingsOf(ctx, c.TenantID, session.ID)
	if err != nil {
		return nil, err
	}
	views, err := s.viewRecordings(ctx, c, recs)
	if err != nil {
		return nil, err
	}
	return answer(page[recordingView]{Items: views}), nil
}

// recording gives a recording that the caller may see and that is not deleted.
func (s *Server) recording(ctx context.Context, c *caller, id string) (reelvault.Recording, error) {
	none := reelvault.Errorf(reelvault.NotFound, "no such recording")
	if !validID(id) {
		return reelvault.Recording{}, none
	}
	rec, err := s.Catalog.Recording(ctx, c.TenantID, id)
	if err != nil {
		return reelvault.Recording{}, err
	}
	if rec.State == reelvault.RecordingDeleted {
		return reelvault.Recording{}, none
	}
	if bound := c.credential.SessionID; bound != "" && bound != rec.SessionID {
		return reelvault.Recording{}, none
	}
	return rec, nil
}

func (s *Server) answerRecording(ctx context.Context, c *caller, rec reelvault.Recording, err error) (*body[recordingView], error) {
	if err != nil {
		return nil, err
	}
	views, err := s.viewRecordings(ctx, c, []reelvault.Recording{rec})
	if err != nil {
		return nil, err
	}
	return answer(views[0]), nil
}

// control pauses, resumes or stops a recording. What its state does not allow
// is refused here already, so that a recording that ended long ago and that
// the recorder has forgotten is a conflict and not unknown.
func (s *Server) control(ctx context.Context, c *caller, id string, e reelvault.RecordingEvent, reason string) (*body[recordingView], error) {
	rec, err := s.recording(ctx, c, id)
	if err != nil {
		return nil, err
	}
	if err = allows(rec, e); err != nil {
		return nil, err
	}
	if rec.Kind == reelvault.RecordingFile {
		return nil, reelvault.Errorf(reelvault.Conflict, "the recording is a file that is being shared, which only its sender can end")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), controlTimeout)
	defer cancel()
	detail := map[string]string{}
	switch e {
	case reelvault.EventPause:
		detail["reason"] = reason
		rec, err = s.Control.Pause(ctx, c.TenantID, id, c.Name, reason)
	case reelvault.EventResume:
		rec, err = s.Control.Resume(ctx, c.TenantID, id)
	default:
		rec, err = s.Control.Stop(ctx, c.TenantID, id)
	}
	if err != nil {
		return nil, err
	}
	s.auditDone(ctx, c, c.target, detail)
	return s.answerRecording(ctx, c, rec, nil)
}

func allows(rec reelvault.Recording, e reelvault.RecordingEvent) error {
	if _, ok := rec.State.Next(e); !ok {
		return reelvault.Errorf(reelvault.Conflict, "the recording is %s", rec.State)
	}
	return nil
}

func (s *Server) deleteRecording(ctx context.Context, c *caller, in *idInput) (*struct{}, error) {
	rec, err := s.recording(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	if err := allows(rec, reelvault.EventDelete); err != nil {
		return nil, err
	}
	if err := s.audit(ctx, c, c.operation, c.target, nil); err != nil {
		return nil, err
	}
	if _, err := s.Catalog.MoveRecording(ctx, in.ID, reelvault.EventDelete, reelvault.Recording{}); err != nil {
		return nil, err
	}
	return nil, nil
}
