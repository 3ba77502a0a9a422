package api_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
	"github.com/reelvault/reelvault/storage"
)

// A request that sends a file is broken off when it would not be let in any
// more, not when it is through. What had come is there, and whoever still may
// goes on with it.
func TestUploadEndsWithItsRight(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(*testing.T, *world, uploader)
		want int
	}{
		"the token of the invitation is revoked": {func(t *testing.T, w *world, i uploader) {
			t.Helper()
			wantStatus(t, w.do(call{method: "DELETE", path: "/api/v1/tokens/" + i.token, bearer: w.a.Token}), 204)
		}, 401},
		"the invitation is revoked": {func(t *testing.T, w *world, i uploader) {
			t.Helper()
			wantStatus(t, w.do(call{method: "DELETE", path: "/api/v1/sessions/" + i.session + "/invitations/" + i.invitation, bearer: w.a.Token}), 204)
		}, 401},
		"the invitation expires": {func(_ *testing.T, w *world, _ uploader) { w.clock.advance(time.Hour) }, 401},
		"the session ends": {func(t *testing.T, w *world, i uploader) {
			t.Helper()
			_, err := w.catalog.MoveSession(t.Context(), w.a.ID, i.session, reelvault.StatusClosed, reelvault.ReasonGuestLeft, w.clock.Now())
			must(t, err)
		}, 409},
		"the feature is switched off": {func(t *testing.T, w *world, _ uploader) {
			t.Helper()
			w.setFeatures(t, reelvault.Features{})
		}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			i := w.uploader(t)
			path := w.announce(t, i.ticket, i.session, "a", 10)
			conn := dial(t, w.served(t), patchText(path, i.ticket, 10, "0123"))
			w.awaitBusy(t, path)
			tt.end(t, w, i)
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			must(t, err)
			must(t, answer.Body.Close())
			if answer.StatusCode != tt.want {
				t.Errorf("the request got %s, want %d", answer.Status, tt.want)
			}
			at := w.head(path, w.a.Token)
			wantStatus(t, at, 200)
			offset, err := strconv.Atoi(at.Header().Get("Upload-Offset"))
			must(t, err)
			wantStatus(t, w.do(tus("PATCH", path, w.a.Token, "0123456789"[offset:], "Upload-Offset", strconv.Itoa(offset))), 204)
		})
	}
}

// counting counts how often a ticket is looked at, and can be away once.
type counting struct {
	storage.Catalog
	looks *atomic.Int64
	away  *atomic.Bool
}

func (c counting) Credential(ctx context.Context, k reelvault.CredentialKind, hash [32]byte, now time.Time) (reelvault.Credential, error) {
	if k == reelvault.CredentialTicket {
		c.looks.Add(1)
		if c.away.Swap(false) {
			return reelvault.Credential{}, reelvault.Errorf(reelvault.Unavailable, "the catalog is away")
		}
	}
	return c.Catalog.Credential(ctx, k, hash, now)
}

// A ticket to a call lives for minutes, and a large file takes longer: it goes
// on for as long as the invitation is good, or that can't be found out.
func TestUploadOutlivesItsTicket(t *testing.T) {
	var looks atomic.Int64
	var away atomic.Bool
	w := newWorld(t, func(c *api.Config) { c.Catalog = counting{c.Catalog, &looks, &away} })
	i := w.uploader(t)
	path := w.announce(t, i.ticket, i.session, "a", 10)
	conn := dial(t, w.served(t), patchText(path, i.ticket, 10, "0123"))
	w.awaitBusy(t, path)
	w.clock.advance(time.Hour - time.Second)
	wantStatus(t, w.do(tus("PATCH", path, i.ticket, "", "Upload-Offset", "9")), 401)
	before := looks.Load()
	away.Store(true)
	w.await(t, "a third look at the ticket", func() bool { return looks.Load() >= before+3 })
	_, err := io.WriteString(conn, "456789")
	must(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	must(t, answer.Body.Close())
	if answer.StatusCode != 204 {
		t.Errorf("the request got %s, want 204", answer.Status)
	}
}

// uploader is a guest with a ticket.
type uploader struct{ token, session, invitation, ticket string }

// uploader invites a guest with a token of its own.
func (w *world) uploader(t *testing.T) uploader {
	t.Helper()
	_, id := w.token(t, w.a, everything...)
	invitation, of := w.credential(t, reelvault.Credential{
		Kind: reelvault.CredentialInvitation, TenantID: w.a.ID, IssuerID: id, Name: "Jana", SessionID: w.a.Session,
		ParticipantID: "guest-1", Role: reelvault.RoleGuest, ExpiresAt: w.clock.Now().Add(time.Hour),
	})
	return uploader{id, w.a.Session, of, w.join(t, invitation).Ticket.Secret}
}

// awaitBusy waits until a request sends an upload.
func (w *world) awaitBusy(t *testing.T, path string) {
	t.Helper()
	w.await(t, "a request that sends", func() bool {
		got := w.do(tus("PATCH", path, w.a.Token, "", "Upload-Offset", "9"))
		wantStatus(t, got, 409)
		return strings.Contains(got.Body.String(), "another request sends this file")
	})
}

// A session that holds all that it may takes no more, and says what helps;
// others do.
func TestUploadSessionIsFull(t *testing.T) {
	w := newWorld(t)
	f := reelvault.File{ID: newID(), RecordingID: newID(), Container: reelvault.Plain, Durability: reelvault.Spooled, Key: newID(), Name: "a"}
	r := reelvault.Recording{
		ID: f.RecordingID, TenantID: w.a.ID, SessionID: w.a.Session, Kind: reelvault.RecordingFile, State: reelvault.RecordingRunning,
		Durability: reelvault.Spooled, StartedAt: w.clock.Now(), Files: []reelvault.File{f},
	}
	must(t, w.catalog.BeginTransfer(t.Context(), r, reelvault.Transfer{
		FileID: f.ID, RecordingID: r.ID, TenantID: r.TenantID, SessionID: r.SessionID, ParticipantID: "guest-1", Role: reelvault.RoleGuest, Size: 1 << 30,
	}))
	f.Bytes, f.Sealed = 1<<30, true
	must(t, w.catalog.FinishTransfer(t.Context(), f, reelvault.Activity{
		ID: newID(), TenantID: r.TenantID, SessionID: r.SessionID, At: w.clock.Now(), Type: reelvault.ActivitySharedFile,
		Actor: reelvault.ActorGuest, ParticipantID: "guest-1", FileID: f.ID,
	}))
	announce := func(session string) *httptest.ResponseRecorder {
		return w.do(tus("POST", "/api/v1/sessions/"+session+"/files?participant=guest-1", w.a.Token, "", "Upload-Length", "1"))
	}
	got := announce(w.a.Session)
	wantStatus(t, got, 413)
	problem := decode[struct{ Code, Detail, Hint string }](t, got)
	if problem.Code != "too-large" || !strings.Contains(problem.Detail, "1073741824") || !strings.Contains(problem.Hint, "maxFileBytes") {
		t.Errorf("got %+v", problem)
	}
	wantStatus(t, announce(w.session(t, w.a)), 201)
	wantStatus(t, w.do(call{method: "DELETE", path: "/api/v1/recordings/" + r.ID, bearer: w.a.Token}), 204)
	wantStatus(t, announce(w.a.Session), 201)
}
