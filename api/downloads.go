package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/reelvault/reelvault"
)

type downloadInput struct {
	ID   string `path:"id"`
	File string `path:"file" doc:"fileId of the activity SharedFile"`
}

type downloadView struct {
	URL       string `json:"url" doc:"Where the bytes are; use prolongs it"`
	ExpiresAt string `json:"expiresAt" format:"date-time"`
}

func (s *Server) registerDownloads(api huma.API) {
	register(s, api, huma.Operation{
		OperationID: "createDownload", Method: http.MethodPost, Path: apiPrefix + "/sessions/{id}/files/{file}/download",
		Tags: []string{"Files"}, DefaultStatus: http.StatusCreated,
		Summary:     "Make a link to a file that was shared in a session",
		Description: "It is served as an attachment, whatever it is.",
	}, s.createDownload)
}

func (s *Server) createDownload(ctx context.Context, c *caller, in *downloadInput) (*body[downloadView], error) {
	f, err := s.sharedFile(ctx, c, in.ID, in.File)
	if err != nil {
		return nil, err
	}
	ticket, url := s.mediaTicket(c, f, reelvault.PurposeDownload)
	if err = s.Catalog.CreateCredentials(ctx, []reelvault.Credential{ticket}); err != nil {
		return nil, err
	}
	return answer(downloadView{URL: url, ExpiresAt: stamp(ticket.ExpiresAt)}), nil
}

// sharedFile gives a file that was shared in a session and is whole.
func (s *Server) sharedFile(ctx context.Context, c *caller, sessionID, fileID string) (reelvault.File, error) {
	none := reelvault.Errorf(reelvault.NotFound, "no such file")
	if !validID(sessionID) || !validID(fileID) {
		return reelvault.File{}, none
	}
	r, err := s.Catalog.RecordingOfFile(ctx, fileID)
	if err != nil {
		return reelvault.File{}, err
	}
	if r.TenantID != c.TenantID || r.SessionID != sessionID || r.Kind != reelvault.RecordingFile ||
		r.State != reelvault.RecordingReady {
		return reelvault.File{}, none
	}
	for _, f := range r.Files {
		if f.ID == fileID && f.Sealed {
			return f, nil
		}
	}
	return reelvault.File{}, none
}
