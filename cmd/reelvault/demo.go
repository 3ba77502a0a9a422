package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
	"github.com/reelvault/reelvault/storage"
	"github.com/reelvault/reelvault/testmedia/demo"
)

const (
	demoTenant = "demo"
	demoData   = "./data-demo" // so that a demo never meets real sessions
	loopback   = "127.0.0.1"

	// demoToken marks the demo's own token among a tenant's.
	demoToken = "the demo"
)

// demoScopes is what the demo may do: what a platform may that brings sessions
// and invites people to calls.
var demoScopes = []reelvault.Scope{
	reelvault.ScopeSessionsRead, reelvault.ScopeSessionsWrite, reelvault.ScopeIngest,
	reelvault.ScopeContentRead, reelvault.ScopeRecordingsWatch, reelvault.ScopeRecordingsDownload,
}

// place makes of a place what the demo has: a folder of its own, unless one is
// set.
func (s *sources) place(p *Place) *Place {
	if p.Demo && s.origin("data") == "default" {
		p.Data = demoData
	}
	return p
}

// tenant names the tenant whose administrator gets the sign-in link.
func (p *Place) tenant() string {
	if p.Demo {
		return demoTenant
	}
	return reelvault.DefaultTenant
}

// validateDemo refuses what the demo's people can't get through.
func (c *Config) validateDemo() error {
	if c.Demo && c.TLSCert != "" {
		return refuse("demo", "speaks plain HTTP to this machine; leave out tls-cert and tls-key")
	}
	return nil
}

// hosts gives what peers are told. The demo's come over loopback.
func (c *Config) hosts() []string {
	if c.Demo && !slices.Contains(c.WebRTCHost, loopback) {
		return append(slices.Clone(c.WebRTCHost), loopback)
	}
	return c.WebRTCHost
}

// serveDemo is serve with the demo going on. When ctx ends, the demo ends
// before the node does.
func (n *node) serveDemo(ctx context.Context, server *http.Server, l net.Listener) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	playing, end := context.WithCancel(ctx)
	var played sync.WaitGroup
	played.Go(func() {
		defer stop()
		if err := n.playDemo(playing, l.Addr()); err != nil {
			n.log.ErrorContext(playing, "play the demo", "err", err)
		}
		<-playing.Done() // whatever became of the demo, people may look at it
	})
	defer played.Wait()
	defer end()
	return n.serve(serving, server, l)
}

// playDemo plays against the server that listens on addr, until ctx ends.
func (n *node) playDemo(ctx context.Context, addr net.Addr) (err error) {
	lasting := context.WithoutCancel(ctx) // the token is taken back in the end
	tenant, err := n.catalog.TenantNamed(lasting, demoTenant)
	if err != nil {
		return err
	}
	secret, err := lendToken(lasting, n.catalog, tenant.ID, time.Now())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, takeTokens(lasting, n.catalog, tenant.ID, time.Now())) }()
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return err
	}
	if net.ParseIP(host).IsUnspecified() {
		host = loopback
	}
	return demo.Play(ctx, demo.Node{
		URL: "http://" + net.JoinHostPort(host, port), Token: secret.Reveal(), SIP: n.phone.Addr().String(), Log: n.log,
	})
}

// lendToken makes the token that the demo uses while it lasts.
func lendToken(ctx context.Context, catalog storage.Catalog, tenantID string, now time.Time) (reelvault.Secret, error) {
	if err := takeTokens(ctx, catalog, tenantID, now); err != nil {
		return "", err
	}
	secret, hash := api.NewSecret(reelvault.CredentialToken)
	return secret, catalog.CreateCredentials(ctx, []reelvault.Credential{{
		ID: newID(), Kind: reelvault.CredentialToken, TenantID: tenantID, Hash: hash, Name: demoToken,
		Scopes: demoScopes, CreatedAt: now,
	}})
}

// takeTokens removes the demo's tokens, also of a run that was killed.
func takeTokens(ctx context.Context, catalog storage.Catalog, tenantID string, now time.Time) error {
	tokens, err := catalog.Credentials(ctx, tenantID, reelvault.CredentialToken, now)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if t.Name != demoToken {
			continue
		}
		err := catalog.Revoke(ctx, tenantID, t.ID)
		if err != nil && reelvault.KindOf(err) != reelvault.NotFound { // somebody was faster
			return fmt.Errorf("remove the demo's token: %w", err)
		}
	}
	return nil
}
