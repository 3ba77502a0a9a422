package main

import (
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/storage/sqlite"
)

// at is when these tests happen.
var at = time.Now().UTC().Truncate(time.Millisecond)

func openCatalog(t *testing.T) (storage.Catalog, reelvault.Tenant) {
	t.Helper()
	catalog, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = catalog.Close() })
	tenant, err := ensureTenant(t.Context(), catalog, reelvault.DefaultTenant, at)
	if err != nil {
		t.Fatal(err)
	}
	return catalog, tenant
}

// However often the server starts, there is one tenant default and one
// administrator, who holds every scope.
func TestFirstStart(t *testing.T) {
	catalog, tenant := openCatalog(t)
	again, err := ensureTenant(t.Context(), catalog, reelvault.DefaultTenant, at.Add(time.Hour))
	if err != nil || again != tenant || tenant.Name != reelvault.DefaultTenant {
		t.Errorf("the second start finds tenant %+v, %v; want %+v", again, err, tenant)
	}
	person, added, err := ensureAdministrator(t.Context(), catalog, tenant.ID, at)
	if err != nil || !added || len(person.Scopes) != len(reelvault.Scopes) {
		t.Errorf("the first start gives %+v, added %t, %v; want a new one with every scope", person, added, err)
	}
	same, added, err := ensureAdministrator(t.Context(), catalog, tenant.ID, at)
	if err != nil || added || same.ID != person.ID {
		t.Errorf("the second start gives %+v, added %t, %v; want the first one", same, added, err)
	}
}

// tokensOf gives the hashes of the tenant's tokens.
func tokensOf(t *testing.T, catalog storage.Catalog, tenantID string) map[[32]byte]string {
	t.Helper()
	tokens, err := catalog.Credentials(t.Context(), tenantID, reelvault.CredentialToken, at)
	if err != nil {
		t.Fatal(err)
	}
	hashes := map[[32]byte]string{}
	for _, token := range tokens {
		hashes[token.Hash] = token.Name
	}
	return hashes
}

// The preset token is what the configuration says, no more and no less; other
// tokens stay.
func TestPresetToken(t *testing.T) {
	catalog, tenant := openCatalog(t)
	_, own := api.NewSecret(reelvault.CredentialToken)
	err := catalog.CreateCredentials(t.Context(), []reelvault.Credential{{
		ID: newID(), Kind: reelvault.CredentialToken, TenantID: tenant.ID, Hash: own, Name: "own", CreatedAt: at,
	}})
	if err != nil {
		t.Fatal(err)
	}
	const first, second = reelvault.Secret("first-0123456789-0123456789-012345"), reelvault.Secret("second-0123456789-0123456789-01234")
	for _, token := range []reelvault.Secret{first, first, second, "", first} {
		if err := presetToken(t.Context(), catalog, tenant.ID, token, at); err != nil {
			t.Fatal(err)
		}
		want := 1
		if token != "" {
			want = 2
		}
		got := tokensOf(t, catalog, tenant.ID)
		if len(got) != want || got[own] != "own" {
			t.Errorf("with %d characters preset there are tokens %v, want %d with the own one", len(token.Reveal()), got, want)
		}
		if _, there := got[api.HashSecret(token.Reveal())]; there != (token != "") {
			t.Errorf("the preset token is there: %t", there)
		}
	}
}

// A preset token of a release that knew fewer scopes gets those of this one.
func TestPresetTokenOfOlderRelease(t *testing.T) {
	catalog, tenant := openCatalog(t)
	const token = reelvault.Secret("older-0123456789-0123456789-012345")
	err := catalog.CreateCredentials(t.Context(), []reelvault.Credential{{
		ID: newID(), Kind: reelvault.CredentialToken, TenantID: tenant.ID, Hash: api.HashSecret(token.Reveal()),
		Name: presetName, Scopes: reelvault.Scopes[:3], CreatedAt: at,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err = presetToken(t.Context(), catalog, tenant.ID, token, at); err != nil {
		t.Fatal(err)
	}
	got, err := catalog.Credential(t.Context(), reelvault.CredentialToken, api.HashSecret(token.Reveal()), at)
	if err != nil || len(got.Scopes) != len(reelvault.Scopes) {
		t.Errorf("the token is %+v, %v; want it with every scope", got, err)
	}
}

// A link works once, within 15 minutes, and a newer one ends it.
func TestSignInLink(t *testing.T) {
	catalog, tenant := openCatalog(t)
	person, _, err := ensureAdministrator(t.Context(), catalog, tenant.ID, at)
	if err != nil {
		t.Fatal(err)
	}
	public := &url.URL{Scheme: "https", Host: "recorder.example"}
	var hashes [][32]byte
	for range 2 {
		link, err := signInLink(t.Context(), catalog, person, public, at)
		if err != nil {
			t.Fatal(err)
		}
		secret, ok := strings.CutPrefix(link, "https://recorder.example/signin#")
		if !ok {
			t.Fatalf("the link is %s", link)
		}
		hashes = append(hashes, api.HashSecret(secret))
	}
	consume := func(hash [32]byte, after time.Duration) (reelvault.Credential, error) {
		return catalog.Consume(t.Context(), reelvault.CredentialLink, hash, at.Add(after))
	}
	if _, err := consume(hashes[0], 0); reelvault.KindOf(err) != reelvault.NotFound {
		t.Errorf("the older link gives %v, want it gone", err)
	}
	if _, err := consume(hashes[1], linkLife); reelvault.KindOf(err) != reelvault.NotFound {
		t.Errorf("after %s the link gives %v, want it ended", linkLife, err)
	}
	if c, err := consume(hashes[1], linkLife-time.Second); err != nil || c.PersonID != person.ID {
		t.Errorf("the link gives %+v, %v; want it for person %s", c, err, person.ID)
	}
	if _, err := consume(hashes[1], 0); reelvault.KindOf(err) != reelvault.NotFound {
		t.Errorf("the second time the link gives %v, want it gone", err)
	}
}

// The link begins where browsers reach the pages.
func TestPublicURL(t *testing.T) {
	for _, test := range []struct {
		place Place
		addr  string
		want  string
	}{
		{Place{}, "127.0.0.1:8080", "http://127.0.0.1:8080"},
		{Place{}, ":8080", "http://localhost:8080"},
		{Place{}, "0.0.0.0:8080", "http://localhost:8080"},
		{Place{}, "[::]:8080", "http://localhost:8080"},
		{Place{}, "[::1]:8080", "http://[::1]:8080"},
		{Place{TLSCert: "x"}, "10.0.0.1:8443", "https://10.0.0.1:8443"},
		{Place{PublicURL: "https://recorder.example/"}, ":1", "https://recorder.example"},
	} {
		if got := test.place.publicURL(test.addr).String(); got != test.want {
			t.Errorf("%+v at %s is reached at %s, want %s", test.place, test.addr, got, test.want)
		}
	}
}
