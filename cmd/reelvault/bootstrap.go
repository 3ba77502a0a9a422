package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
	"github.com/reelvault/reelvault/storage"
)

const (
	// linkLife is how long a sign-in link works: long enough to switch to a
	// browser, short enough to lie about in a terminal or a log.
	linkLife = 15 * time.Minute

	// presetName marks the token of REELVAULT_ADMIN_TOKEN among a tenant's.
	presetName = "REELVAULT_ADMIN_TOKEN"

	administrator = "administrator"
)

// newID makes the id of something new.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// ensureTenant gives the tenant of this name, and makes it at the first start.
func ensureTenant(ctx context.Context, catalog storage.Catalog, name string, now time.Time) (reelvault.Tenant, error) {
	tenant, err := catalog.TenantNamed(ctx, name)
	if reelvault.KindOf(err) != reelvault.NotFound {
		return tenant, err
	}
	tenant = reelvault.Tenant{
		ID: newID(), Name: name, Features: reelvault.Features{AV: true, Phone: true},
		MaxFileBytes: reelvault.DefaultMaxFileBytes, CreatedAt: now,
	}
	err = catalog.CreateTenant(ctx, tenant)
	if reelvault.KindOf(err) == reelvault.Conflict { // an admin command was faster
		return catalog.TenantNamed(ctx, name)
	}
	return tenant, err
}

// presetToken makes token the only preset token of the tenant, with every
// scope; an empty one removes the one there was.
func presetToken(ctx context.Context, catalog storage.Catalog, tenantID string, token reelvault.Secret, now time.Time) error {
	hash := api.HashSecret(token.Reveal())
	tokens, err := catalog.Credentials(ctx, tenantID, reelvault.CredentialToken, now)
	if err != nil {
		return err
	}
	there := false
	for _, t := range tokens {
		switch {
		case t.Name != presetName:
		case t.Hash == hash && token != "" && slices.Equal(t.Scopes, reelvault.Scopes): // of this release
			there = true
		default:
			if err := catalog.Revoke(ctx, tenantID, t.ID); err != nil {
				return fmt.Errorf("remove preset token: %w", err)
			}
		}
	}
	if there || token == "" {
		return nil
	}
	return catalog.CreateCredentials(ctx, []reelvault.Credential{{
		ID: newID(), Kind: reelvault.CredentialToken, TenantID: tenantID, Hash: hash, Name: presetName,
		Scopes: reelvault.Scopes, CreatedAt: now,
	}})
}

// ensureAdministrator gives the tenant's first person who may make tenants, and
// makes one with every scope if there is none; added says so.
func ensureAdministrator(ctx context.Context, catalog storage.Catalog, tenantID string, now time.Time) (p reelvault.Person, added bool, err error) {
	people, err := catalog.People(ctx, tenantID)
	if err != nil {
		return reelvault.Person{}, false, err
	}
	for _, p := range people {
		if slices.Contains(p.Scopes, reelvault.ScopeSystem) {
			return p, false, nil
		}
	}
	p = reelvault.Person{ID: newID(), TenantID: tenantID, Name: administrator, Scopes: reelvault.Scopes, CreatedAt: now}
	return p, true, catalog.CreatePerson(ctx, p)
}

// signInLink makes a link that signs p in once, within linkLife; earlier ones
// of p stop working. The secret stands behind the #, which browsers don't send,
// so that no server or proxy logs it.
func signInLink(ctx context.Context, catalog storage.Catalog, p reelvault.Person, public *url.URL, now time.Time) (string, error) {
	links, err := catalog.Credentials(ctx, p.TenantID, reelvault.CredentialLink, now)
	if err != nil {
		return "", err
	}
	for _, l := range links {
		if l.PersonID != p.ID {
			continue
		}
		err = catalog.Revoke(ctx, p.TenantID, l.ID)
		if err != nil && reelvault.KindOf(err) != reelvault.NotFound { // used this moment
			return "", err
		}
	}
	secret, hash := api.NewSecret(reelvault.CredentialLink)
	err = catalog.CreateCredentials(ctx, []reelvault.Credential{{
		ID: newID(), Kind: reelvault.CredentialLink, TenantID: p.TenantID, Hash: hash, Name: "sign-in link",
		PersonID: p.ID, CreatedAt: now, ExpiresAt: now.Add(linkLife),
	}})
	if err != nil {
		return "", err
	}
	return public.JoinPath("signin").String() + "#" + secret.Reveal(), nil
}

// auditLink notes that a link was made on this machine.
func auditLink(ctx context.Context, catalog storage.Catalog, p reelvault.Person, action string, now time.Time) error {
	detail, err := json.Marshal(map[string]string{"validUntil": now.Add(linkLife).UTC().Format(time.RFC3339)})
	if err != nil {
		return err
	}
	return catalog.Append(ctx, reelvault.AuditEvent{
		ID: newID(), TenantID: p.TenantID, At: now, Principal: "console", Action: action,
		Target: "person/" + p.ID, Outcome: "ok", Detail: string(detail),
	})
}
