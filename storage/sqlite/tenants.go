package sqlite

import (
	"context"
	"database/sql"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

const tenantColumns = `id, name, feature_av, feature_phone, created_at`

func scanTenant(row scanner) (reelvault.Tenant, error) {
	var t reelvault.Tenant
	err := row.Scan(&t.ID, &t.Name, &t.Features.AV, &t.Features.Phone, intoTime{&t.CreatedAt})
	return t, err
}

// CreateTenant implements storage.Tenants.
func (c *Catalog) CreateTenant(ctx context.Context, t reelvault.Tenant) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO tenants (`+tenantColumns+`) VALUES (?, ?, ?, ?, ?)`,
			t.ID, t.Name, t.Features.AV, t.Features.Phone, t.CreatedAt.UnixMilli())
		return refused(err, "tenant", "")
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

// SetFeatures implements storage.Tenants.
func (c *Catalog) SetFeatures(ctx context.Context, id string, f reelvault.Features) (t reelvault.Tenant, err error) {
	err = c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		t, err = scanTenant(tx.QueryRowContext(ctx,
			`UPDATE tenants SET feature_av = ?, feature_phone = ? WHERE id = ? RETURNING `+tenantColumns,
			f.AV, f.Phone, id))
		return absent(err, "tenant")
	})
	return t, translate("set features", err)
}
