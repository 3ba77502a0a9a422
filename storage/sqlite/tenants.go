package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

const tenantColumns = `id, name, feature_av, feature_phone, consent_required, consent_text, consent_version,
	consent_language, max_file_bytes, created_at`

func scanTenant(row scanner) (reelvault.Tenant, error) {
	var t reelvault.Tenant
	err := row.Scan(&t.ID, &t.Name, &t.Features.AV, &t.Features.Phone, &t.Consent.Required, &t.Consent.Text,
		&t.Consent.Version, &t.Consent.Language, &t.MaxFileBytes, intoTime{&t.CreatedAt})
	return t, err
}

// CreateTenant implements storage.Tenants.
func (c *Catalog) CreateTenant(ctx context.Context, t reelvault.Tenant) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO tenants (`+tenantColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			t.ID, t.Name, t.Features.AV, t.Features.Phone, t.Consent.Required, t.Consent.Text, t.Consent.Version,
			t.Consent.Language, t.MaxFileBytes, t.CreatedAt.UnixMilli())
		if err != nil {
			return refused(err, "tenant", "")
		}
		return keepNotice(ctx, tx, t.ID, t.Consent)
	})
	return translate("create tenant", err)
}

// Tenant implements storage.Tenants.
func (c *Catalog) Tenant(ctx context.Context, id string) (reelvault.Tenant, error) {
	return c.tenantWhere(ctx, `id = ?`, id)
}

// TenantNamed implements storage.Tenants.
func (c *Catalog) TenantNamed(ctx context.Context, name string) (reelvault.Tenant, error) {
	return c.tenantWhere(ctx, `name = ?`, name)
}

func (c *Catalog) tenantWhere(ctx context.Context, condition, value string) (t reelvault.Tenant, err error) {
	err = c.read(ctx, func(tx *sql.Tx) error {
		t, err = scanTenant(tx.QueryRowContext(ctx, `SELECT `+tenantColumns+` FROM tenants WHERE `+condition, value))
		return absent(err, "tenant")
	})
	return t, translate("get tenant", err)
}

// Tenants implements storage.Tenants.
func (c *Catalog) Tenants(ctx context.Context, p storage.Page) ([]reelvault.Tenant, string, error) {
	after, limit, err := start("t", p, cursor{})
	if err != nil {
		return nil, "", err
	}
	var tenants []reelvault.Tenant
	err = c.read(ctx, func(tx *sql.Tx) error {
		tenants, err = all(ctx, tx, query{
			`SELECT ` + tenantColumns + ` FROM tenants WHERE id > ? ORDER BY id LIMIT ?`,
			[]any{after.id, limit + 1},
		}, scanTenant)
		return err
	})
	if err != nil {
		return nil, "", translate("list tenants", err)
	}
	tenants, next := cut(tenants, limit, func(t reelvault.Tenant) cursor { return cursor{list: "t", id: t.ID} })
	return tenants, next, nil
}

// UpdateTenant implements storage.Tenants.
func (c *Catalog) UpdateTenant(
	ctx context.Context, id string, change func(*reelvault.Tenant) error,
) (t reelvault.Tenant, err error) {
	err = c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		t, err = scanTenant(tx.QueryRowContext(ctx, `SELECT `+tenantColumns+` FROM tenants WHERE id = ?`, id))
		if err != nil {
			return absent(err, "tenant")
		}
		if err = change(&t); err != nil {
			return err
		}
		if err = keepNotice(ctx, tx, id, t.Consent); err != nil {
			return err
		}
		t, err = scanTenant(tx.QueryRowContext(ctx, `UPDATE tenants SET feature_av = ?, feature_phone = ?,
			consent_required = ?, consent_text = ?, consent_version = ?, consent_language = ?, max_file_bytes = ?
			WHERE id = ? RETURNING `+tenantColumns,
			t.Features.AV, t.Features.Phone, t.Consent.Required, t.Consent.Text, t.Consent.Version, t.Consent.Language,
			t.MaxFileBytes, id))
		return err
	})
	if err != nil {
		return reelvault.Tenant{}, translate("update tenant", err)
	}
	return t, nil
}

// keepNotice keeps a text under its version for ever.
func keepNotice(ctx context.Context, tx *sql.Tx, tenantID string, n reelvault.ConsentNotice) error {
	if n.Version == "" {
		return nil
	}
	var text, language string
	err := tx.QueryRowContext(ctx, `SELECT text, language FROM consent_texts WHERE tenant_id = ? AND version = ?`,
		tenantID, n.Version).Scan(&text, &language)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = tx.ExecContext(ctx, `INSERT INTO consent_texts (tenant_id, version, text, language) VALUES (?, ?, ?, ?)`,
			tenantID, n.Version, n.Text, n.Language)
		return err
	}
	if err == nil && (text != n.Text || language != n.Language) {
		return reelvault.Errorf(reelvault.Conflict, "the version %q names another text already; give this one a new version", n.Version)
	}
	return err
}
