package sqlite_test

import (
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

// page counts the rows of a list.
func page[T any](rows []T, next string, err error) (int, string, error) {
	return len(rows), next, err
}

// Whatever a client sends as a cursor, a list gives a page or says that it is
// not one of its own. Each list takes its own cursors and no other's.
func FuzzCursor(f *testing.F) {
	c, ctx := open(f, dbPath(f)), f.Context()
	tenant, session, event := fixtureTenant, fixtureSession, fixtureEvent
	tenant.ID, tenant.Name = "019ab000-0000-7000-8000-00000000000a", "second"
	session.ID, session.ExternalID = "019ab000-0000-7000-8000-00000000000b", "4712"
	event.ID = "019ab000-0000-7000-8000-00000000000c"
	for _, step := range []func() error{
		func() error { return fillRecordings(ctx, c) },
		func() error { return c.CreateTenant(ctx, tenant) },
		func() error { _, _, err := c.CreateSession(ctx, session); return err },
		func() error { return c.Append(ctx, event) },
	} {
		if err := step(); err != nil {
			f.Fatal(err)
		}
	}
	lists := map[string]func(storage.Page) (int, string, error){
		"tenants": func(p storage.Page) (int, string, error) { return page(c.Tenants(ctx, p)) },
		"sessions": func(p storage.Page) (int, string, error) {
			return page(c.Sessions(ctx, storage.SessionFilter{TenantID: fixtureTenant.ID}, p))
		},
		"audit": func(p storage.Page) (int, string, error) { return page(c.Audit(ctx, fixtureTenant.ID, p)) },
	}
	own := map[string]string{}
	for name, list := range lists {
		_, next, err := list(storage.Page{Limit: 1})
		if err != nil || next == "" {
			f.Fatalf("first page of %s: cursor %q, %v", name, next, err)
		}
		own[next] = name
		f.Add(next)
	}
	// s1:, s1:x, s01:x, padded, and a key below int64.
	for _, text := range []string{"", "!", "czE6", "czE6eA", "czAxOng", "czE6eA==", "cy05MjIzMzcyMDM2ODU0Nzc1ODA5Ong"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, list := range lists {
			rows, _, err := list(storage.Page{After: text, Limit: 2})
			if err != nil && reelvault.KindOf(err) != reelvault.Invalid {
				t.Errorf("%s after %q: %v", name, text, err)
			}
			switch own[text] {
			case "":
			case name:
				if err != nil || rows != 1 {
					t.Errorf("%s after its own cursor %q: %d rows, %v; want 1", name, text, rows, err)
				}
			default:
				if err == nil {
					t.Errorf("%s took the cursor %q of %s", name, text, own[text])
				}
			}
		}
	})
}
