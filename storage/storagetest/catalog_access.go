package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

var accessTests = []catalogTest{
	{"a person comes back as created", personComesBack},
	{"credentials come back as created, and end when they end", credentialComesBack},
	{"credentials are added all or none", credentialsAllOrNone},
	{"a credential refers to its own tenant only", credentialTenancy},
	{"one of many that consume a credential at once wins", consumeRace},
	{"consuming asks for kind and end", consumeRules},
	{"prolonging never shortens nor revives", prolong},
	{"revoking takes the tickets and invitations that were issued with it", revoke},
	{"what has ended is removed", removeExpired},
}

var auditTests = []catalogTest{
	{"audit events come back newest first, page by page, to their tenant", auditListed},
}

func personComesBack(t *testing.T, w *world) {
	t.Helper()
	want := reelvault.Person{
		ID: newID(), TenantID: w.ours.ID, Name: "Zdeněk", Scopes: reelvault.Scopes, CreatedAt: w.now.Add(time.Second),
	}
	older := reelvault.Person{ID: newID(), TenantID: w.ours.ID, CreatedAt: w.now}
	for _, p := range []reelvault.Person{want, older} {
		ok(t, w.CreatePerson(t.Context(), p))
	}
	older.Scopes = []reelvault.Scope{}
	got, err := w.Person(t.Context(), want.ID)
	ok(t, err)
	same(t, "person", got, want)
	people, err := w.People(t.Context(), w.ours.ID)
	ok(t, err)
	same(t, "people", people, []reelvault.Person{older, want})
	people, err = w.People(t.Context(), w.theirs.ID)
	ok(t, err)
	same(t, "the others' people", people, []reelvault.Person{})

	_, err = w.Person(t.Context(), newID())
	wantRefusal(t, err, reelvault.NotFound)
	wantRefusal(t, w.CreatePerson(t.Context(), want), reelvault.Conflict)
	want.ID, want.TenantID = newID(), newID()
	wantRefusal(t, w.CreatePerson(t.Context(), want), reelvault.NotFound)
}

func credentialComesBack(t *testing.T, w *world) {
	t.Helper()
	person := reelvault.Person{ID: newID(), TenantID: w.ours.ID, CreatedAt: w.now}
	ok(t, w.CreatePerson(t.Context(), person))
	token := w.credential(reelvault.CredentialToken)
	token.ExpiresAt = time.Time{}
	ticket := w.credential(reelvault.CredentialTicket)
	ticket.PersonID, ticket.IssuerID, ticket.Purpose = person.ID, newID(), reelvault.PurposePublish
	ticket.SessionID = w.session(t, w.ours, reelvault.Session{}).ID
	ticket.FileID = w.file(t, w.recording(t, w.ours, reelvault.RecordingReady).ID).ID
	ticket.ParticipantID, ticket.Role = "p", reelvault.RoleOperator
	ticket.Scopes = []reelvault.Scope{reelvault.ScopeRecordingsPlay, reelvault.ScopeIngest}
	ok(t, w.CreateCredentials(t.Context(), nil))
	ok(t, w.CreateCredentials(t.Context(), []reelvault.Credential{token, ticket}))

	for _, want := range []reelvault.Credential{token, ticket} {
		got, err := w.Credential(t.Context(), want.Kind, want.Hash, w.now)
		ok(t, err)
		same(t, "credential", got, want)
		list, err := w.Credentials(t.Context(), w.ours.ID, want.Kind, w.now)
		ok(t, err)
		same(t, "list", list, []reelvault.Credential{want})
		list, err = w.Credentials(t.Context(), w.theirs.ID, want.Kind, w.now)
		ok(t, err)
		same(t, "the others' list", list, []reelvault.Credential{})
	}
	_, err := w.Credential(t.Context(), reelvault.CredentialToken, ticket.Hash, w.now)
	wantRefusal(t, err, reelvault.NotFound)
	_, err = w.Credential(t.Context(), reelvault.CredentialToken, [32]byte{}, w.now)
	wantRefusal(t, err, reelvault.NotFound)

	_, err = w.Credential(t.Context(), ticket.Kind, ticket.Hash, ticket.ExpiresAt.Add(-time.Millisecond))
	ok(t, err)
	_, err = w.Credential(t.Context(), ticket.Kind, ticket.Hash, ticket.ExpiresAt)
	wantRefusal(t, err, reelvault.NotFound)
	list, err := w.Credentials(t.Context(), w.ours.ID, ticket.Kind, ticket.ExpiresAt)
	ok(t, err)
	same(t, "expired ones", list, []reelvault.Credential{})
	_, err = w.Credential(t.Context(), token.Kind, token.Hash, w.now.AddDate(100, 0, 0))
	ok(t, err)
}

func credentialsAllOrNone(t *testing.T, w *world) {
	t.Helper()
	first := w.credential(reelvault.CredentialToken)
	ok(t, w.CreateCredentials(t.Context(), []reelvault.Credential{first}))
	hash, id := w.credential(reelvault.CredentialToken), w.credential(reelvault.CredentialLink)
	hash.Hash, id.ID = first.Hash, first.ID
	for _, bad := range []reelvault.Credential{hash, id} {
		err := w.CreateCredentials(t.Context(), []reelvault.Credential{w.credential(reelvault.CredentialToken), bad})
		wantRefusal(t, err, reelvault.Conflict)
	}
	list, err := w.Credentials(t.Context(), w.ours.ID, reelvault.CredentialToken, w.now)
	ok(t, err)
	same(t, "list", list, []reelvault.Credential{first})
}

func credentialTenancy(t *testing.T, w *world) {
	t.Helper()
	person := reelvault.Person{ID: newID(), TenantID: w.theirs.ID, CreatedAt: w.now}
	ok(t, w.CreatePerson(t.Context(), person))
	session := w.session(t, w.theirs, reelvault.Session{})
	file := w.file(t, w.recording(t, w.theirs, reelvault.RecordingReady).ID)
	for name, change := range map[string]func(*reelvault.Credential){
		"tenant":  func(c *reelvault.Credential) { c.TenantID = newID() },
		"person":  func(c *reelvault.Credential) { c.PersonID = person.ID },
		"session": func(c *reelvault.Credential) { c.SessionID = session.ID },
		"file":    func(c *reelvault.Credential) { c.FileID = file.ID },
	} {
		t.Log(name)
		c := w.credential(reelvault.CredentialTicket)
		change(&c)
		wantRefusal(t, w.CreateCredentials(t.Context(), []reelvault.Credential{c}), reelvault.NotFound)
	}
}

func consumeRace(t *testing.T, w *world) {
	t.Helper()
	link := w.credential(reelvault.CredentialLink)
	ok(t, w.CreateCredentials(t.Context(), []reelvault.Credential{link}))
	const rivals = 32
	wins := make([]bool, rivals)
	race(t, rivals, func(ctx context.Context, i int) error {
		got, err := w.Consume(ctx, link.Kind, link.Hash, w.now)
		if reelvault.KindOf(err) == reelvault.NotFound {
			return nil
		}
		if wins[i] = err == nil; wins[i] {
			same(t, "what the winner gets", got, link)
		}
		return err
	})
	if n := count(wins); n != 1 {
		t.Errorf("%d of %d have consumed it, want 1", n, rivals)
	}
	_, err := w.Credential(t.Context(), link.Kind, link.Hash, w.now)
	wantRefusal(t, err, reelvault.NotFound)
}

func consumeRules(t *testing.T, w *world) {
	t.Helper()
	link := w.credential(reelvault.CredentialLink)
	ok(t, w.CreateCredentials(t.Context(), []reelvault.Credential{link}))
	_, err := w.Consume(t.Context(), reelvault.CredentialToken, link.Hash, w.now)
	wantRefusal(t, err, reelvault.NotFound)
	_, err = w.Consume(t.Context(), link.Kind, [32]byte{1}, w.now)
	wantRefusal(t, err, reelvault.NotFound)
	_, err = w.Consume(t.Context(), link.Kind, link.Hash, link.ExpiresAt)
	wantRefusal(t, err, reelvault.NotFound)
	_, err = w.Consume(t.Context(), link.Kind, link.Hash, link.ExpiresAt.Add(-time.Millisecond))
	ok(t, err)
}

func prolong(t *testing.T, w *world) {
	t.Helper()
	ticket, eternal, ended := w.credential(reelvault.CredentialTicket), w.credential(reelvault.CredentialTicket), w.credential(reelvault.CredentialTicket)
	eternal.ExpiresAt, ended.ExpiresAt = time.Time{}, w.now.Add(-time.Hour)
	ok(t, w.CreateCredentials(t.Context(), []reelvault.Credential{ticket, eternal, ended}))
	ends := func(c reelvault.Credential) time.Time {
		got, err := w.Credential(t.Context(), c.Kind, c.Hash, w.now.Add(-2*time.Hour))
		ok(t, err)
		return got.ExpiresAt
	}
	for _, until := range []time.Time{w.now.Add(2 * time.Hour), w.now.Add(time.Minute), {}} {
		ok(t, w.Prolong(t.Context(), ticket.ID, until))
		ok(t, w.Prolong(t.Context(), eternal.ID, until))
		if got, want := ends(ticket), w.now.Add(2*time.Hour); !got.Equal(want) {
			t.Errorf("prolonged to %v it ends at %v, want %v", until, got, want)
		}
		if got := ends(eternal); !got.IsZero() {
			t.Errorf("what never ended ends at %v", got)
		}
	}
	wantRefusal(t, w.Prolong(t.Context(), ended.ID, w.now.Add(time.Hour)), reelvault.NotFound)
	if got := ends(ended); !got.Equal(ended.ExpiresAt) {
		t.Errorf("what had ended ends at %v, want %v", got, ended.ExpiresAt)
	}
	wantRefusal(t, w.Prolong(t.Context(), newID(), w.now.Add(time.Hour)), reelvault.NotFound)
}

func revoke(t *testing.T, w *world) {
	t.Helper()
	token, other := w.credential(reelvault.CredentialToken), w.credential(reelvault.CredentialToken)
	tab, play := w.credential(reelvault.CredentialTicket), w.credential(reelvault.CredentialTicket)
	others, cookie := w.credential(reelvault.CredentialTicket), w.credential(reelvault.CredentialCookie)
	invitation, call := w.credential(reelvault.CredentialInvitation), w.credential(reelvault.CredentialTicket)
	tab.IssuerID, play.IssuerID, others.IssuerID, cookie.IssuerID = token.ID, tab.ID, other.ID, token.ID
	invitation.IssuerID, call.IssuerID = token.ID, invitation.ID
	ok(t, w.CreateCredentials(t.Context(), []reelvault.Credential{token, other, tab, play, others, cookie, invitation, call}))

	wantRefusal(t, w.Revoke(t.Context(), w.theirs.ID, token.ID), reelvault.NotFound)
	wantRefusal(t, w.Revoke(t.Context(), w.ours.ID, newID()), reelvault.NotFound)
	ok(t, w.Revoke(t.Context(), w.ours.ID, token.ID))
	wantRefusal(t, w.Revoke(t.Context(), w.ours.ID, token.ID), reelvault.NotFound)
	for _, gone := range []reelvault.Credential{token, tab, play, invitation, call} {
		_, err := w.Credential(t.Context(), gone.Kind, gone.Hash, w.now)
		wantRefusal(t, err, reelvault.NotFound)
	}
	for _, kept := range []reelvault.Credential{other, others, cookie} {
		_, err := w.Credential(t.Context(), kept.Kind, kept.Hash, w.now)
		ok(t, err)
	}
}

func removeExpired(t *testing.T, w *world) {
	t.Helper()
	early, late, eternal := w.credential(reelvault.CredentialCookie), w.credential(reelvault.CredentialCookie), w.credential(reelvault.CredentialCookie)
	late.ExpiresAt, eternal.ExpiresAt = w.now.Add(2*time.Hour), time.Time{}
	ok(t, w.CreateCredentials(t.Context(), []reelvault.Credential{early, late, eternal}))
	ok(t, w.RemoveExpired(t.Context(), w.now.Add(90*time.Minute)))
	list, err := w.Credentials(t.Context(), w.ours.ID, reelvault.CredentialCookie, w.now)
	ok(t, err)
	same(t, "what is left", list, []reelvault.Credential{late, eternal})
}

func auditListed(t *testing.T, w *world) {
	t.Helper()
	var want []reelvault.AuditEvent
	for i := range 7 {
		e := reelvault.AuditEvent{
			ID: newID(), TenantID: w.ours.ID, At: w.now.Add(time.Duration(i/2) * time.Second), PrincipalID: newID(),
			Principal: "Jana", Action: "play", Target: "file/" + newID(), Outcome: "ok", Address: "2001:db8::1",
			Detail: `{"bytes":1}`,
		}
		ok(t, w.Append(t.Context(), e))
		want = append([]reelvault.AuditEvent{e}, want...)
	}
	ok(t, w.Append(t.Context(), reelvault.AuditEvent{ID: newID(), TenantID: w.theirs.ID, At: w.now}))
	ok(t, w.Append(t.Context(), reelvault.AuditEvent{ID: newID(), At: w.now, Outcome: "denied"}))
	again := want[3]
	again.Outcome = "denied"
	wantRefusal(t, w.Append(t.Context(), again), reelvault.Conflict)

	page := func(ctx context.Context, p storage.Page) ([]reelvault.AuditEvent, string, error) {
		return w.Audit(ctx, w.ours.ID, p)
	}
	var ids []string
	for _, e := range want {
		ids = append(ids, e.ID)
	}
	for limit := 1; limit <= len(want)+1; limit++ {
		same(t, "ids", walk(t, limit, page, func(e reelvault.AuditEvent) string { return e.ID }, func() {}), ids)
	}
	got, next, err := page(t.Context(), storage.Page{Limit: 3})
	ok(t, err)
	same(t, "events", got, want[:3])
	for _, bad := range badCursors(next) {
		_, _, err = page(t.Context(), storage.Page{Limit: 1, After: bad})
		wantRefusal(t, err, reelvault.Invalid)
	}
	got, _, err = w.Audit(t.Context(), newID(), storage.Page{Limit: 3})
	ok(t, err)
	same(t, "nobody's events", got, []reelvault.AuditEvent{})
}
