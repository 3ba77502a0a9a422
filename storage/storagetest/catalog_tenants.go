package storagetest

import (
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

var tenantTests = []catalogTest{
	{"a tenant comes back as it was created", tenantComesBack},
	{"a tenant's name and id are taken once", tenantTaken},
	{"features, notice and limits are changed, and nothing else", tenantChanged},
	{"a change that fails changes nothing", tenantNotChanged},
	{"a version names one text for ever", noticeVersions},
	{"tenants are listed by id, page by page", tenantsListed},
}

func tenantComesBack(t *testing.T, w *world) {
	t.Helper()
	want := reelvault.Tenant{
		ID: newID(), Name: "third", Features: reelvault.Features{AV: true, Phone: true}, MaxFileBytes: 5 << 30,
		Consent:   reelvault.ConsentNotice{Required: true, Text: "May we?", Version: "2026-05", Language: "en"},
		CreatedAt: time.Date(2026, 3, 29, 2, 30, 0, 123_999_999, time.FixedZone("CEST", 2*3600)),
	}
	ok(t, w.CreateTenant(t.Context(), want))
	want.CreatedAt = time.Date(2026, 3, 29, 0, 30, 0, 123_000_000, time.UTC)
	got, err := w.Tenant(t.Context(), want.ID)
	ok(t, err)
	same(t, "by id", got, want)
	got, err = w.TenantNamed(t.Context(), "third")
	ok(t, err)
	same(t, "by name", got, want)

	_, err = w.Tenant(t.Context(), newID())
	wantRefusal(t, err, reelvault.NotFound)
	_, err = w.TenantNamed(t.Context(), "fourth")
	wantRefusal(t, err, reelvault.NotFound)
}

func tenantTaken(t *testing.T, w *world) {
	t.Helper()
	err := w.CreateTenant(t.Context(), reelvault.Tenant{ID: newID(), Name: w.ours.Name, CreatedAt: w.now})
	wantRefusal(t, err, reelvault.Conflict)
	err = w.CreateTenant(t.Context(), reelvault.Tenant{ID: w.ours.ID, Name: "other", CreatedAt: w.now})
	wantRefusal(t, err, reelvault.Conflict)
	got, err := w.Tenant(t.Context(), w.ours.ID)
	ok(t, err)
	same(t, "the first one", got, w.ours)
}

func tenantChanged(t *testing.T, w *world) {
	t.Helper()
	notice := reelvault.ConsentNotice{Required: true, Text: "Smíme nahrávat?", Version: "1", Language: "cs"}
	want := w.ours
	for _, change := range []func(*reelvault.Tenant){
		func(x *reelvault.Tenant) { x.Features = reelvault.Features{} },
		func(x *reelvault.Tenant) { x.Features = reelvault.Features{AV: true, Phone: true} },
		func(x *reelvault.Tenant) { x.MaxFileBytes = 1 << 40 },
		func(x *reelvault.Tenant) { x.Consent = notice },
		func(x *reelvault.Tenant) { x.Consent.Required = false },
	} {
		change(&want)
		got, err := w.UpdateTenant(t.Context(), w.ours.ID, func(x *reelvault.Tenant) error {
			change(x)
			x.ID, x.Name, x.CreatedAt = newID(), "renamed", w.now.Add(time.Hour) // which change nothing
			return nil
		})
		ok(t, err)
		same(t, "answer", got, want)
		got, err = w.Tenant(t.Context(), w.ours.ID)
		ok(t, err)
		same(t, "kept", got, want)
	}
	other, err := w.Tenant(t.Context(), w.theirs.ID)
	ok(t, err)
	same(t, "the other tenant", other, w.theirs)
}

func tenantNotChanged(t *testing.T, w *world) {
	t.Helper()
	stale := reelvault.Errorf(reelvault.Stale, "it is not what it was")
	_, err := w.UpdateTenant(t.Context(), w.ours.ID, func(x *reelvault.Tenant) error {
		x.Features = reelvault.Features{}
		return stale
	})
	wantRefusal(t, err, reelvault.Stale)
	got, err := w.Tenant(t.Context(), w.ours.ID)
	ok(t, err)
	same(t, "the tenant", got, w.ours)
	_, err = w.UpdateTenant(t.Context(), newID(), func(*reelvault.Tenant) error { return nil })
	wantRefusal(t, err, reelvault.NotFound)
}

func noticeVersions(t *testing.T, w *world) {
	t.Helper()
	set := func(n reelvault.ConsentNotice) error {
		_, err := w.UpdateTenant(t.Context(), w.ours.ID, func(x *reelvault.Tenant) error {
			x.Consent = n
			return nil
		})
		return err
	}
	first := reelvault.ConsentNotice{Required: true, Text: "a", Version: "1"}
	second := reelvault.ConsentNotice{Required: true, Text: "b", Version: "2"}
	for _, n := range []reelvault.ConsentNotice{first, first, second, first, {}, second} {
		ok(t, set(n))
	}
	for _, n := range []reelvault.ConsentNotice{
		{Text: "b", Version: "1"}, {Text: "a", Version: "1", Language: "en"}, {Text: "", Version: "2"},
	} {
		wantRefusal(t, set(n), reelvault.Conflict, n.Version)
	}
	got, err := w.Tenant(t.Context(), w.ours.ID)
	ok(t, err)
	same(t, "the notice", got.Consent, second)
	ok(t, w.CreateTenant(t.Context(), reelvault.Tenant{ID: newID(), Name: "third", Consent: reelvault.ConsentNotice{Text: "x", Version: "1"}}))
}

func tenantsListed(t *testing.T, w *world) {
	t.Helper()
	want := []string{w.ours.ID, w.theirs.ID}
	for _, name := range []string{"c", "a", "b"} {
		tenant := reelvault.Tenant{ID: newID(), Name: name, CreatedAt: w.now}
		ok(t, w.CreateTenant(t.Context(), tenant))
		want = append(want, tenant.ID)
	}
	id := func(x reelvault.Tenant) string { return x.ID }
	for limit := 1; limit <= len(want)+1; limit++ {
		same(t, "ids", walk(t, limit, w.Tenants, id, func() {}), want)
	}
	_, next, err := w.Tenants(t.Context(), storage.Page{Limit: 1})
	ok(t, err)
	for _, bad := range badCursors(next) {
		_, _, err = w.Tenants(t.Context(), storage.Page{Limit: 1, After: bad})
		wantRefusal(t, err, reelvault.Invalid)
	}
	_, _, err = w.Tenants(t.Context(), storage.Page{})
	wantRefusal(t, err, reelvault.Invalid)
}
