package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

const activityColumns = `seq, id, tenant_id, session_id, at, type, actor, participant_id, text, data, file_id, client_id`

// AppendActivities implements storage.Activities. The commit loop is the one
// that writes, so the next number is the one after the last; triggers keep
// everybody from changing or removing what is there.
func (c *Catalog) AppendActivities(ctx context.Context, as []reelvault.Activity) ([]reelvault.Activity, error) {
	kept := make([]reelvault.Activity, len(as))
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		for i, a := range as {
			if a.TenantID != as[0].TenantID {
				return reelvault.Errorf(reelvault.Invalid, "activities of two tenants are appended apart")
			}
			if kept[i], err = appendActivity(ctx, tx, a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, translate("append activities", err)
	}
	return kept, nil
}

// appendActivity adds a, or gives the one that has its client id.
func appendActivity(ctx context.Context, tx *sql.Tx, a reelvault.Activity) (reelvault.Activity, error) {
	if a.ClientID != "" {
		first, err := scanActivity(tx.QueryRowContext(ctx, `SELECT `+activityColumns+` FROM activities
			WHERE tenant_id = ? AND session_id = ? AND participant_id = ? AND client_id = ? AND client_id <> ''`,
			a.TenantID, a.SessionID, a.ParticipantID, a.ClientID))
		if !errors.Is(err, sql.ErrNoRows) {
			return first, err
		}
	}
	if err := inSession(ctx, tx, a.TenantID, a.SessionID); err != nil {
		return reelvault.Activity{}, err
	}
	kept, err := scanActivity(tx.QueryRowContext(ctx, `INSERT INTO activities (`+activityColumns+`)
		VALUES ((SELECT coalesce(max(seq), 0) + 1 FROM activities WHERE tenant_id = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		RETURNING `+activityColumns,
		a.TenantID, a.ID, a.TenantID, a.SessionID, a.At.UnixMilli(), a.Type, a.Actor, a.ParticipantID, a.Text, a.Data,
		a.FileID, a.ClientID))
	return kept, refused(err, "activity", "session")
}

// Activities implements storage.Activities.
func (c *Catalog) Activities(ctx context.Context, f storage.ActivityFilter) ([]reelvault.Activity, error) {
	_, limit, err := start("", storage.Page{Limit: f.Limit}, cursor{})
	if err != nil {
		return nil, translate("list activities", err)
	}
	q := query{`tenant_id = ? AND seq > ?`, []any{f.TenantID, f.After}}
	if f.SessionID != "" {
		q = query{`tenant_id = ? AND session_id = ? AND seq > ?`, []any{f.TenantID, f.SessionID, f.After}}
	}
	q.sql = `SELECT ` + activityColumns + ` FROM activities WHERE ` + q.sql + ` ORDER BY seq LIMIT ?`
	q.args = append(q.args, limit)
	var as []reelvault.Activity
	err = c.read(ctx, func(tx *sql.Tx) (err error) {
		as, err = all(ctx, tx, q, scanActivity)
		return err
	})
	return as, translate("list activities", err)
}

// LatestActivity implements storage.Activities.
func (c *Catalog) LatestActivity(ctx context.Context, tenantID string) (int64, error) {
	var seq int64
	err := c.read(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM activities WHERE tenant_id = ?`, tenantID).Scan(&seq)
	})
	return seq, translate("find latest activity", err)
}

func scanActivity(row scanner) (reelvault.Activity, error) {
	var a reelvault.Activity
	err := row.Scan(&a.Seq, &a.ID, &a.TenantID, &a.SessionID, intoTime{&a.At}, &a.Type, &a.Actor, &a.ParticipantID,
		&a.Text, &a.Data, &a.FileID, &a.ClientID)
	return a, err
}
