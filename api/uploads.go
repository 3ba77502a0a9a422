package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// announceInput is what begins an upload. Its headers are texts, so that what
// is wrong with them is answered after what is wrong with the version.
type announceInput struct {
	ID          string `path:"id"`
	Participant string `query:"participant" pattern:"^[A-Za-z0-9._-]{1,64}$" doc:"Who shares the file; a ticket names its own"`
	Role        string `query:"role" enum:"guest,operator" doc:"As whom; guest if it is nobody known and no ticket says otherwise"`
	Version     string `header:"Tus-Resumable" doc:"1.0.0"`
	Length      string `header:"Upload-Length" doc:"Bytes of the whole file"`
	Metadata    string `header:"Upload-Metadata" doc:"filename and its value in Base64; other keys are ignored: the type is found out from the bytes"`
	ContentType string `header:"Content-Type" doc:"application/offset+octet-stream if the first bytes come along"`
}

// uploadInput names an upload, which is the file that it makes.
type uploadInput struct {
	ID      string `path:"id"`
	File    string `path:"file" doc:"Last part of the Location of the upload"`
	Version string `header:"Tus-Resumable" doc:"1.0.0"`
}

type patchUploadInput struct {
	ID          string `path:"id"`
	File        string `path:"file" doc:"Last part of the Location of the upload"`
	Version     string `header:"Tus-Resumable" doc:"1.0.0"`
	Offset      string `header:"Upload-Offset" doc:"How many bytes are here already"`
	ContentType string `header:"Content-Type" doc:"application/offset+octet-stream"`
}

// uploadOutput says how far an upload is.
type uploadOutput struct {
	Status  int
	Offset  string `header:"Upload-Offset" doc:"How many bytes are here, and safe"`
	Length  string `header:"Upload-Length" doc:"Bytes of the whole file"`
	Expires string `header:"Upload-Expires" doc:"What is not whole then is given up; absent once it is whole"`
}

func (s *Server) registerUploads(api huma.API) {
	const path = apiPrefix + "/sessions/{id}/files"
	tags := []string{"Files"}
	register(s, api, huma.Operation{
		OperationID: "createUpload", Method: http.MethodPost, Path: path, Tags: tags, Summary: "Begin to share a file (tus 1.0)",
		Description: "Announces a file; the answer's Location is the upload, and its last part the id of the file. " +
			"413 if the tenant takes no file of this size, or the session would hold more than ten times as much, or 1 GiB if that " +
			"is more, or more than 1000 files; 429 if too many are on their way, 507 if the disk has no room for it now.",
		RequestBody: uploadBody("Nothing, or the first bytes of the file"),
		Responses:   map[string]*huma.Response{"201": {Description: "The upload has begun", Headers: uploadHeaders("Location")}},
	}, s.createUpload)
	register(s, api, huma.Operation{
		OperationID: "getUpload", Method: http.MethodHead, Path: path + "/{file}", Tags: tags, DefaultStatus: http.StatusOK,
		Summary:     "Find out how much of a file is here",
		Description: "Ends a request that sends the file and has fallen silent. 404 if it was given up or has expired.",
	}, s.getUpload)
	register(s, api, huma.Operation{
		OperationID: "appendUpload", Method: http.MethodPatch, Path: path + "/{file}", Tags: tags, Summary: "Send bytes of a file",
		Description: "What arrives before a request breaks off is kept. With the last byte the file is whole, and an activity " +
			"SharedFile tells of it. 409 if the offset is not how much is here, or while another request sends the file. " +
			"A request that goes on while its credential or the session ends is broken off within seconds: 401 or 409. " +
			"What was announced before may come until 15 minutes after the session's end. 507 if the disk has no room " +
			"for now: more is kept free for recordings. No checksums are taken: the activity has the SHA-256. " +
			"A POST with X-HTTP-Method-Override stands for PATCH, HEAD and DELETE.",
		RequestBody: uploadBody("The bytes from Upload-Offset on"),
		Responses:   map[string]*huma.Response{"204": {Description: "They are here", Headers: uploadHeaders()}},
	}, s.appendUpload)
	register(s, api, huma.Operation{
		OperationID: "deleteUpload", Method: http.MethodDelete, Path: path + "/{file}", Tags: tags,
		Summary: "Give a file up that is not whole yet", Description: "409 if it is whole.",
	}, s.deleteUpload)
}

func uploadBody(description string) *huma.RequestBody {
	binary := &huma.Schema{Type: huma.TypeString, Format: "binary"}
	return &huma.RequestBody{Description: description, Content: map[string]*huma.MediaType{offsetType: {Schema: binary}}}
}

func uploadHeaders(more ...string) map[string]*huma.Param {
	headers := map[string]*huma.Param{}
	for _, name := range append(more, "Upload-Offset", "Upload-Expires") {
		headers[name] = &huma.Param{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return headers
}

// raw answers with the request and its body at hand. do gives an error only if
// it has written nothing.
func (s *Server) raw(ctx context.Context, c *caller, do func(w http.ResponseWriter, r *http.Request) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		if err := do(w, r); err != nil {
			s.auditDenial(ctx, c, err)
			s.fail(w, r, err)
		}
	}}
}

func (s *Server) createUpload(ctx context.Context, c *caller, in *announceInput) (*huma.StreamResponse, error) {
	if err := wantTus(ctx, in.Version); err != nil {
		return nil, err
	}
	session, err := s.liveSession(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	who, err := publisherOf(c, session, &whipInput{Participant: in.Participant, Role: in.Role})
	if err != nil {
		return nil, err
	}
	who.Kind = reelvault.RecordingFile
	size, err := countOf("Upload-Length", in.Length)
	if err != nil {
		return nil, err
	}
	about, err := parseMetadata(in.Metadata)
	if err != nil {
		return nil, err
	}
	t, err := s.Uploads.Begin(ctx, who, media.Announced{Name: about["filename"], Size: size})
	if err != nil {
		return nil, err
	}
	return s.raw(ctx, c, func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Location", apiPrefix+"/sessions/"+session.ID+"/files/"+t.FileID)
		if wantType(in.ContentType, offsetType) == nil {
			got, err := s.receive(w, r, c, t)
			if err != nil { // what does not come along comes later
				s.log.DebugContext(ctx, "first bytes not taken", "request", requestID(ctx), "error", err)
			}
			t.Received = got.Received
		}
		answerUpload(w, http.StatusCreated, t)
		return nil
	}), nil
}

// upload finds an upload that the caller may go on with. A participant may
// with its own; what is whole is everybody's in the session.
func (s *Server) upload(ctx context.Context, c *caller, sessionID, fileID string) (reelvault.Transfer, error) {
	none := reelvault.Errorf(reelvault.NotFound, "no such file")
	if !validID(sessionID) || !validID(fileID) {
		return reelvault.Transfer{}, none
	}
	t, err := s.Uploads.Find(ctx, c.TenantID, sessionID, fileID)
	if err != nil {
		return reelvault.Transfer{}, err
	}
	bound := c.credential.ParticipantID
	if bound != "" && t.ParticipantID != "" && bound != t.ParticipantID {
		return reelvault.Transfer{}, none
	}
	return t, nil
}

func (s *Server) getUpload(ctx context.Context, c *caller, in *uploadInput) (*uploadOutput, error) {
	if err := wantTus(ctx, in.Version); err != nil {
		return nil, err
	}
	t, err := s.upload(ctx, c, in.ID, in.File)
	if err != nil {
		return nil, err
	}
	return &uploadOutput{
		Status: http.StatusOK, Offset: strconv.FormatInt(t.Received, 10), Length: strconv.FormatInt(t.Size, 10), Expires: expires(t),
	}, nil
}

func (s *Server) appendUpload(ctx context.Context, c *caller, in *patchUploadInput) (*huma.StreamResponse, error) {
	if err := wantTus(ctx, in.Version); err != nil {
		return nil, err
	}
	if err := wantType(in.ContentType, offsetType); err != nil {
		return nil, err
	}
	offset, err := countOf("Upload-Offset", in.Offset)
	if err != nil {
		return nil, err
	}
	t, err := s.upload(ctx, c, in.ID, in.File)
	if err != nil {
		return nil, err
	}
	return s.raw(ctx, c, func(w http.ResponseWriter, r *http.Request) error {
		if r.ContentLength > t.Size-offset && offset == t.Received {
			return reelvault.Errorf(reelvault.TooLarge, "the file lacks %d bytes, and %d come", t.Size-offset, r.ContentLength)
		}
		t.Received = offset
		got, err := s.receive(w, r, c, t)
		if err != nil {
			return err
		}
		answerUpload(w, http.StatusNoContent, got)
		return nil
	}), nil
}

func (s *Server) deleteUpload(ctx context.Context, c *caller, in *uploadInput) (*struct{}, error) {
	if err := wantTus(ctx, in.Version); err != nil {
		return nil, err
	}
	if _, err := s.upload(ctx, c, in.ID, in.File); err != nil {
		return nil, err
	}
	if err := s.Uploads.Cancel(ctx, in.File); err != nil {
		return nil, err
	}
	s.auditDone(ctx, c, c.target, map[string]string{"file": in.File})
	return nil, nil
}

// Appended wakes those who follow a session, in which something was appended
// that the Feed had no part in, such as a shared file together with its row.
func (f *Feed) Appended(tenantID, sessionID string) { f.ring(tenantID, sessionID) }
