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
	{"features are replaced", featuresReplaced},
	{"tenants are listed by id, page by page", tenantsListed},
}

func tenantComesBack(t *testing.T, w *world) {
	t.Helper()
	want := reelvault.Tenant{
		ID: newID(), Name: "third", Features: reelvault.Features{AV: true, Phone: true},
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

func featuresReplaced(t *testing.T, w *world) {
	t.Helper()
	for _, f := range []reelvault.Features{{}, {AV: true}, {Phone: true}, {AV: true, Phone: true}} {
		want := w.ours
		want.Features = f
		got, err := w.SetFeatures(t.Context(), w.ours.ID, f)
		ok(t, err)
		same(t, "answer", got, want)
		got, err = w.Tenant(t.Context(), w.ours.ID)
		ok(t, err)
		same(t, "kept", got, want)
	}
	other, err := w.Tenant(t.Context(), w.theirs.ID)
	ok(t, err)
	same(t, "the other tenant", other, w.theirs)
	_, err = w.SetFeatures(t.Context(), newID(), reelvault.Features{})
	wantRefusal(t, err, reelvault.NotFound)
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
