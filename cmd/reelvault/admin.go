package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/reelvault/reelvault/storage/sqlite"
)

// resetAdmin prints another sign-in link for the administrator. It works
// beside a running server, whose address it then takes.
func resetAdmin(ctx context.Context, p *Place, out output) (err error) {
	public, err := p.resetURL()
	if err != nil {
		return err
	}
	catalog, err := sqlite.Attach(ctx, catalogPath(p.Data), time.Now, newLog(out))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, catalog.Close()) }()
	now := time.Now()
	tenant, err := ensureTenant(ctx, catalog, p.tenant(), now)
	if err != nil {
		return err
	}
	person, _, err := ensureAdministrator(ctx, catalog, tenant.ID, now)
	if err != nil {
		return err
	}
	if err = auditLink(ctx, catalog, person, "adminReset", now); err != nil {
		return err
	}
	link, err := signInLink(ctx, catalog, person, public, now)
	if err != nil {
		return err
	}
	return printLink(out, link)
}

// resetURL gives what the link begins with: what was asked for, else what the
// running server says, else what a server would say.
func (p *Place) resetURL() (*url.URL, error) {
	if err := p.validate(); err != nil {
		return nil, usageError{err}
	}
	if p.PublicURL != "" {
		return p.publicURL(""), nil
	}
	running, err := runningAt(p.Data)
	if err != nil || running != nil {
		return running, err
	}
	return p.publicURL(p.HTTP), nil
}

func printLink(out output, link string) error {
	_, err := fmt.Fprintf(out.stdout, "Sign in within %d minutes, once: %s\n", int(linkLife.Minutes()), link)
	return err
}
