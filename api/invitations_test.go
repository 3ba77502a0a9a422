package api_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
)

// Nobody gives with an invitation what they lack, or for longer than they have
// it.
func TestInvitationsAreBoundByTheirMaker(t *testing.T) {
	w := newWorld(t)
	guest := []reelvault.Scope{
		reelvault.ScopeSessionsWrite, // to make it
		reelvault.ScopeSessionsRead, reelvault.ScopeContentRead, reelvault.ScopeIngest,
		reelvault.ScopeRecordingsWatch, reelvault.ScopeRecordingsDownload,
	}
	for _, role := range []string{"guest", "operator"} {
		body := fmt.Sprintf(`{"role":%q}`, role)
		enough, _ := w.token(t, w.a, guest...)
		wantStatus(t, w.invite(t, enough, w.a.Session, body), 201)
		for i, lacking := range guest {
			little, _ := w.token(t, w.a, slices.Delete(slices.Clone(guest), i, i+1)...)
			got := w.invite(t, little, w.a.Session, body)
			if got.Code != 403 || !strings.Contains(got.Body.String(), string(lacking)) {
				t.Errorf("without %s: got %d %s, want 403", lacking, got.Code, got.Body)
			}
		}
	}
	end := w.clock.Now().Add(time.Hour)
	short, _ := w.credential(t, reelvault.Credential{
		Kind: reelvault.CredentialToken, TenantID: w.a.ID, Name: "short", Scopes: everything, ExpiresAt: end,
	})
	for life, want := range map[int]time.Time{60: w.clock.Now().Add(time.Minute), 7200: end} {
		got := w.invite(t, short, w.a.Session, fmt.Sprintf(`{"lifeSeconds":%d}`, life))
		wantStatus(t, got, 201)
		if at := parseTime(t, decode[invitation](t, got).ExpiresAt); !at.Equal(want) {
			t.Errorf("for %d s: good until %v, want %v", life, at, want)
		}
	}
}

// When an invitation expires, what was opened with it is hung up, and nothing
// else.
func TestExpiryHangsUp(t *testing.T) {
	w := newWorld(t)
	_, short := w.invited(t, `{"participant":"guest-1","lifeSeconds":3600}`)
	_, long := w.invited(t, `{"participant":"guest-2","lifeSeconds":7200}`)
	var mine []string
	ticket := w.join(t, short).Ticket.Secret
	for _, name := range []string{"whip", "whep"} {
		mine = append(mine, path.Base(w.open(t, name, ticket)))
	}
	w.open(t, "whip", w.join(t, long).Ticket.Secret)
	w.open(t, "whep", w.a.Token)
	w.open(t, "whip", w.ticket(t, w.a.Token, w.a.Session, "publish"))
	w.clock.advance(time.Hour - time.Second)
	w.HangUpUninvited(t.Context())
	if len(w.gateway.hungUp) != 0 {
		t.Errorf("before the end: hung up %v", w.gateway.hungUp)
	}
	w.clock.advance(time.Second)
	for range 2 {
		w.HangUpUninvited(t.Context())
	}
	slices.Sort(mine)
	slices.Sort(w.gateway.hungUp)
	wantList(t, "hung up", w.gateway.hungUp, mine)
	wantStatus(t, w.tryJoin(short), 401)
}

// Who is in a call when the invitation expires, and goes on renewing the
// ticket, is not cut off; who isn't there is not let in, and the token that
// made it bounds it all the same.
func TestInvitationsOfThoseWhoAreThere(t *testing.T) {
	w := newWorld(t)
	url := w.listen(t) + "/api/v1/events"
	_, secret := w.invited(t, `{"participant":"guest-1","lifeSeconds":60}`)
	s := open(t, url, w.join(t, secret).Ticket.Secret)
	s.lines.Scan()
	_, second := w.invited(t, `{"participant":"guest-1","lifeSeconds":60}`)
	w.join(t, second) // by which nobody is in
	for range 3 {
		w.clock.advance(50 * time.Second)
		w.open(t, "whep", w.join(t, secret).Ticket.Secret)
	}
	wantStatus(t, w.tryJoin(second), 401)
	w.HangUpUninvited(t.Context())
	if len(w.gateway.hungUp) != 0 {
		t.Errorf("hung up %v of somebody who is in the call", w.gateway.hungUp)
	}
	w.clock.advance(10*time.Minute + time.Second)
	wantStatus(t, w.tryJoin(secret), 401)
	w.HangUpUninvited(t.Context())
	if len(w.gateway.hungUp) != 3 {
		t.Errorf("hung up %v, want three", w.gateway.hungUp)
	}

	end := w.clock.Now().Add(5 * time.Minute)
	token, _ := w.credential(t, reelvault.Credential{
		Kind: reelvault.CredentialToken, TenantID: w.a.ID, Name: "short", Scopes: everything, ExpiresAt: end,
	})
	_, bounded, _ := strings.Cut(decode[invitation](t, w.invite(t, token, w.a.Session, `{"participant":"guest-1"}`)).URL, "#")
	open(t, url, w.join(t, bounded).Ticket.Secret).lines.Scan()
	if at := parseTime(t, w.join(t, bounded).Ticket.ExpiresAt); !at.Equal(end) {
		t.Errorf("the ticket is good until %v, want %v", at, end)
	}
	w.clock.advance(5 * time.Minute)
	wantStatus(t, w.tryJoin(bounded), 401)
}

// A download that runs ends when the invitation is revoked through which it was
// made.
func TestRevokeCutsDownloads(t *testing.T) {
	w := newWorld(t)
	secret, id := w.invitation(t, w.a, "guest-1")
	ticket := w.join(t, secret).Ticket.Secret
	file := w.share(t, w.a.Token, w.a.Session, "a.txt", strings.Repeat("x", 1<<20))
	link := func() string {
		got := w.do(download(w.a.Session, file, ticket))
		wantStatus(t, got, 201)
		return decode[struct{ URL string }](t, got).URL
	}
	if got := w.do(call{method: "GET", path: link()}); got.Code != 200 || got.Body.Len() != 1<<20 {
		t.Fatalf("got %d and %d bytes", got.Code, got.Body.Len())
	}
	url := link()
	w.files.read = sync.OnceFunc(func() {
		wantStatus(t, w.do(call{method: "DELETE", path: "/api/v1/sessions/" + w.a.Session + "/invitations/" + id, bearer: w.a.Token}), 204)
	})
	if got := w.do(call{method: "GET", path: url}); got.Body.Len() >= 1<<20 {
		t.Errorf("got all %d bytes after the revocation", got.Body.Len())
	}
}
