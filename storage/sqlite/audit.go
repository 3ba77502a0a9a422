package sqlite

import (
	"context"
	"database/sql"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

const auditColumns = `id, tenant_id, at, principal_id, principal, action, target, outcome, address, detail`

// Append implements storage.Access. Triggers keep everybody from changing or
// removing what is in the log.
func (c *Catalog) Append(ctx context.Context, e reelvault.AuditEvent) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO audit (`+auditColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			e.ID, e.TenantID, e.At.UnixMilli(), e.PrincipalID, e.Principal, e.Action, e.Target, e.Outcome, e.Address, e.Detail)
		return refused(err, "audit event", "tenant")
	})
	return translate("append audit event", err)
}

// Audit implements storage.Access.
func (c *Catalog) Audit(ctx context.Context, tenantID string, p storage.Page) ([]reelvault.AuditEvent, string, error) {
	after, limit, err := start("a", p, newest)
	if err != nil {
		return nil, "", err
	}
	var events []reelvault.AuditEvent
	err = c.read(ctx, func(tx *sql.Tx) (err error) {
		events, err = all(ctx, tx, query{
			`SELECT ` + auditColumns + ` FROM audit
				WHERE tenant_id = ? AND (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?`,
			[]any{tenantID, after.key, after.id, limit + 1},
		}, scanEvent)
		return err
	})
	if err != nil {
		return nil, "", translate("list audit events", err)
	}
	events, next := cut(events, limit, func(e reelvault.AuditEvent) cursor {
		return cursor{list: "a", key: e.At.UnixMilli(), id: e.ID}
	})
	return events, next, nil
}

func scanEvent(row scanner) (reelvault.AuditEvent, error) {
	var e reelvault.AuditEvent
	err := row.Scan(&e.ID, &e.TenantID, intoTime{&e.At}, &e.PrincipalID, &e.Principal, &e.Action, &e.Target,
		&e.Outcome, &e.Address, &e.Detail)
	return e, err
}
