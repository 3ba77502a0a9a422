package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/reelvault/reelvault"
)

// A media ticket lives mediaTicketLife after its making or last use, and never
// longer than maxMediaTicket: a player that stays open plays on, a link that
// is passed around dies within the day.
const (
	mediaTicketLife    = 15 * time.Minute
	mediaTicketRenewal = time.Minute // prolonged at most once in this time
	maxMediaTicket     = 12 * time.Hour
)

// servedTickets bounds the table of tickets that have their audit event. One
// that is pushed out gets a second event with its next use, which is true, too.
const servedTickets = 10_000

type mediaInput struct {
	Ticket      string `path:"ticket" doc:"The credential"`
	Name        string `path:"name" doc:"Of the file, as playbackUrl and downloadUrl have it"`
	Range       string `header:"Range" doc:"One or more byte ranges (RFC 9110, section 14)"`
	IfRange     string `header:"If-Range"`
	IfNoneMatch string `header:"If-None-Match"`
}

func (s *Server) registerMedia(api huma.API) {
	binary := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	content := map[string]*huma.MediaType{}
	for _, t := range containerTypes {
		content[t] = binary
	}
	register(s, api, huma.Operation{
		OperationID: "getMedia", Method: http.MethodGet, Path: mediaPrefix + "{ticket}/{name}", Tags: []string{"Recordings"},
		Summary:     "The bytes of one file",
		Description: "The URLs come from playbackUrl and downloadUrl of a recording. HEAD works, too.",
		Responses: map[string]*huma.Response{
			"200": {Description: "The whole file", Content: content},
			"206": {Description: "The ranges asked for", Content: content},
			"304": {Description: "Unchanged"},
			"416": {Description: "No such range"},
		},
	}, s.getMedia)
}

// containerTypes are the media types of files. Matroska and WebM are served
// as video even when they hold sound only: browsers look into the file.
var containerTypes = map[reelvault.Container]string{
	reelvault.WebM:     "video/webm",
	reelvault.Matroska: "video/x-matroska",
	reelvault.WAV:      "audio/wav",
	reelvault.Plain:    plainType,
}

// plainType is what no browser does anything with but keep it.
const plainType = "application/octet-stream"

// harmlessTypes are the media types of shared files that are told: none of
// them is a page or a program, in any browser.
var harmlessTypes = map[string]bool{
	"application/pdf": true, "application/zip": true, "application/gzip": true, "application/x-7z-compressed": true,
	"application/msword": true, "application/vnd.ms-excel": true, "application/vnd.ms-powerpoint": true,
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   true,
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         true,
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": true,
	"application/vnd.oasis.opendocument.text":                                   true,
	"application/vnd.oasis.opendocument.spreadsheet":                            true,
	"application/vnd.oasis.opendocument.presentation":                           true,
	"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true, "image/bmp": true, "image/tiff": true,
	"image/heic": true, "image/avif": true,
	"audio/mpeg": true, "audio/wave": true, "audio/mp4": true, "audio/aac": true, "audio/flac": true, "audio/aiff": true,
	"video/mp4": true, "video/webm": true, "video/avi": true, "video/quicktime": true, "video/x-matroska": true,
	"application/ogg": true, "text/csv": true, "text/plain": true,
}

// typeOf gives the media type that a file is served as.
func typeOf(f reelvault.File) string {
	if f.Container == reelvault.Plain && harmlessTypes[f.Type] {
		return f.Type
	}
	return containerTypes[f.Container]
}

// mediaName is the last part of a file's URL: players want the extension.
func mediaName(f reelvault.File) string { return f.ID + "." + string(f.Container) }

// mediaTicket makes a ticket for one file and one purpose, and its URL. It
// belongs to the person who got it, and is revoked with the credential that
// did. One that was got by a ticket is revoked with that ticket's issuer: the
// ticket itself may have expired and be forgotten by then.
func (s *Server) mediaTicket(c *caller, f reelvault.File, p reelvault.Purpose) (reelvault.Credential, string) {
	secret, cred := s.newTicket(c.TenantID, mediaTicketLife)
	cred.Name, cred.PersonID, cred.IssuerID = c.Name, c.credential.PersonID, cmp.Or(c.credential.IssuerID, c.credential.ID)
	cred.Purpose, cred.FileID = p, f.ID
	return cred, mediaPrefix + secret.Reveal() + "/" + mediaName(f)
}

func (s *Server) getMedia(ctx context.Context, c *caller, in *mediaInput) (*huma.StreamResponse, error) {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		if err := s.serveMedia(w, r, c, in); err != nil {
			s.auditDenial(ctx, c, err)
			s.fail(w, r, err)
		}
	}}, nil
}

// serveMedia serves the bytes, or gives an error and has written nothing.
func (s *Server) serveMedia(w http.ResponseWriter, r *http.Request, c *caller, in *mediaInput) error {
	rec, f, err := s.redeem(r, c, in)
	if err != nil {
		return err
	}
	content, size, err := s.Files.Open(r.Context(), f)
	if err != nil {
		return fmt.Errorf("open file: %w", err)
	}
	defer func() { _ = content.Close() }() // it was only read
	if r.Method == http.MethodGet {
		if err := s.auditServed(r.Context(), c, f); err != nil {
			return err
		}
	}
	h := w.Header()
	h.Set("Content-Type", typeOf(f))
	h.Set("ETag", fmt.Sprintf("%q", fmt.Sprintf("%s-%d", f.ID, size)))
	h.Set("Cache-Control", "private, no-transform")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	switch {
	case f.Container == reelvault.Plain: // somebody's file: never shown as a page of ours
		h.Set("Content-Disposition", sharedDisposition(f.Name))
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	case c.credential.Purpose == reelvault.PurposeDownload:
		h.Set("Content-Disposition", s.attachment(r.Context(), rec, f))
	}
	s.prolongMedia(r.Context(), c)
	cuttable, done := s.downloads.begin(c.credential.IssuerID, content)
	defer done()
	http.ServeContent(w, r, "", time.Time{}, cuttable)
	return nil
}

// redeem gives the file that the ticket is for. Every way in which a ticket
// can be no good is the same NotFound.
func (s *Server) redeem(r *http.Request, c *caller, in *mediaInput) (reelvault.Recording, reelvault.File, error) {
	none := reelvault.Errorf(reelvault.NotFound, "no such ticket")
	cred, err := s.Catalog.Credential(r.Context(), reelvault.CredentialTicket, HashSecret(in.Ticket), s.now())
	if err != nil {
		if reelvault.KindOf(err) == reelvault.NotFound {
			err = s.failed(c, err)
		}
		return reelvault.Recording{}, reelvault.File{}, err
	}
	c.credential = cred
	c.Principal = reelvault.Principal{TenantID: cred.TenantID, ID: cmp.Or(cred.PersonID, cred.IssuerID), Name: cred.Name}
	c.target = "file/" + cred.FileID
	if cred.FileID == "" {
		return reelvault.Recording{}, reelvault.File{}, none
	}
	if err = s.checkHolder(r, cred); err != nil {
		return reelvault.Recording{}, reelvault.File{}, err
	}
	rec, err := s.Catalog.RecordingOfFile(r.Context(), cred.FileID)
	if err != nil {
		return reelvault.Recording{}, reelvault.File{}, err
	}
	for _, f := range rec.Files {
		if f.ID == cred.FileID && f.Sealed && in.Name == mediaName(f) &&
			rec.TenantID == cred.TenantID && rec.State != reelvault.RecordingDeleted {
			return rec, f, nil
		}
	}
	return reelvault.Recording{}, reelvault.File{}, none
}

// checkHolder refuses a ticket that was given to a person to everybody else:
// the browser of that person sends the sign-in cookie along. One that was
// given to a token is for whoever its owner passes it to.
func (s *Server) checkHolder(r *http.Request, cred reelvault.Credential) error {
	if cred.PersonID == "" {
		return nil
	}
	none := reelvault.Errorf(reelvault.NotFound, "the ticket is another person's")
	cookie, err := r.Cookie(s.cookieName())
	if err != nil {
		return none
	}
	holder, err := s.Catalog.Credential(r.Context(), reelvault.CredentialCookie, HashSecret(cookie.Value), s.now())
	if err != nil {
		return err
	}
	if holder.PersonID != cred.PersonID {
		return none
	}
	return nil
}

// auditServed writes that the file is played or downloaded, once for a
// ticket however many ranges are asked for. Without it no byte is served.
func (s *Server) auditServed(ctx context.Context, c *caller, f reelvault.File) error {
	event := s.served.get(c.credential.ID, func() *once { return &once{} })
	return event.do(func() error {
		return s.audit(ctx, c, string(c.credential.Purpose), c.target, map[string]string{"recording": f.RecordingID})
	})
}

// prolongMedia moves the end of a ticket that is used. A failure costs only
// the prolongation.
func (s *Server) prolongMedia(ctx context.Context, c *caller) {
	until := s.now().Add(mediaTicketLife)
	if last := c.credential.CreatedAt.Add(maxMediaTicket); until.After(last) {
		until = last
	}
	if until.Sub(c.credential.ExpiresAt) < mediaTicketRenewal {
		return
	}
	if err := s.Catalog.Prolong(ctx, c.credential.ID, until); err != nil {
		s.log.WarnContext(ctx, "ticket not prolonged", "request", requestID(ctx), "error", err)
	}
}
