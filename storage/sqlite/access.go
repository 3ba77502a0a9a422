package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/reelvault/reelvault"
)

const (
	personColumns     = `id, tenant_id, name, scopes, created_at`
	credentialColumns = `id, kind, tenant_id, hash, name, person_id, issuer_id, scopes, purpose,
		session_id, file_id, participant_id, role, created_at, expires_at`

	// valid takes the present time in milliseconds.
	valid = `(expires_at IS NULL OR expires_at > ?)`
)

// CreatePerson implements storage.Access.
func (c *Catalog) CreatePerson(ctx context.Context, p reelvault.Person) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		scopes, err := list(p.Scopes)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO people (`+personColumns+`) VALUES (?, ?, ?, ?, ?)`,
			p.ID, p.TenantID, p.Name, scopes, p.CreatedAt.UnixMilli())
		return refused(err, "person", "tenant")
	})
	return translate("create person", err)
}

// Person implements storage.Access.
func (c *Catalog) Person(ctx context.Context, id string) (reelvault.Person, error) {
	var p reelvault.Person
	err := c.read(ctx, func(tx *sql.Tx) (err error) {
		p, err = scanPerson(tx.QueryRowContext(ctx, `SELECT `+personColumns+` FROM people WHERE id = ?`, id))
		return absent(err, "person")
	})
	return p, translate("get person", err)
}

// People implements storage.Access.
func (c *Catalog) People(ctx context.Context, tenantID string) ([]reelvault.Person, error) {
	var people []reelvault.Person
	err := c.read(ctx, func(tx *sql.Tx) (err error) {
		people, err = all(ctx, tx, query{
			`SELECT ` + personColumns + ` FROM people WHERE tenant_id = ? ORDER BY created_at, id`, []any{tenantID},
		}, scanPerson)
		return err
	})
	return people, translate("list people", err)
}

func scanPerson(row scanner) (reelvault.Person, error) {
	var p reelvault.Person
	err := row.Scan(&p.ID, &p.TenantID, &p.Name, intoList[reelvault.Scope]{&p.Scopes}, intoTime{&p.CreatedAt})
	return p, err
}

// CreateCredentials implements storage.Access.
func (c *Catalog) CreateCredentials(ctx context.Context, cs []reelvault.Credential) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, cr := range cs {
			if err := createCredential(ctx, tx, cr); err != nil {
				return err
			}
		}
		return nil
	})
	return translate("create credentials", err)
}

func createCredential(ctx context.Context, tx *sql.Tx, c reelvault.Credential) error {
	scopes, err := list(c.Scopes)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO credentials (`+credentialColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.ID, c.Kind, c.TenantID, c.Hash[:], c.Name, optional(c.PersonID), c.IssuerID, scopes, c.Purpose,
		optional(c.SessionID), optional(c.FileID), c.ParticipantID, c.Role, c.CreatedAt.UnixMilli(), instant(c.ExpiresAt))
	return refused(err, "credential", "tenant, person, session or file")
}

// Credential implements storage.Access.
func (c *Catalog) Credential(
	ctx context.Context, kind reelvault.CredentialKind, hash [32]byte, now time.Time,
) (reelvault.Credential, error) {
	var cr reelvault.Credential
	err := c.read(ctx, func(tx *sql.Tx) (err error) {
		cr, err = scanCredential(tx.QueryRowContext(ctx,
			`SELECT `+credentialColumns+` FROM credentials WHERE hash = ? AND kind = ? AND `+valid,
			hash[:], kind, now.UnixMilli()))
		return absent(err, "credential")
	})
	return cr, translate("get credential", err)
}

// Consume implements storage.Access.
func (c *Catalog) Consume(
	ctx context.Context, kind reelvault.CredentialKind, hash [32]byte, now time.Time,
) (reelvault.Credential, error) {
	var cr reelvault.Credential
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		cr, err = scanCredential(tx.QueryRowContext(ctx,
			`DELETE FROM credentials WHERE hash = ? AND kind = ? AND `+valid+` RETURNING `+credentialColumns,
			hash[:], kind, now.UnixMilli()))
		return absent(err, "credential")
	})
	return cr, translate("consume credential", err)
}

// Prolong implements storage.Access. One that has expired stays expired.
func (c *Catalog) Prolong(ctx context.Context, id string, until time.Time) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		// max of NULL and anything is NULL: what never ends still never ends.
		res, err := tx.ExecContext(ctx, `UPDATE credentials SET expires_at = max(expires_at, ?) WHERE id = ? AND `+valid,
			until.UnixMilli(), id, c.now().UnixMilli())
		return changed(res, err, func() error { return absent(sql.ErrNoRows, "credential") })
	})
	return translate("prolong credential", err)
}

// Credentials implements storage.Access.
func (c *Catalog) Credentials(
	ctx context.Context, tenantID string, kind reelvault.CredentialKind, now time.Time,
) ([]reelvault.Credential, error) {
	var cs []reelvault.Credential
	err := c.read(ctx, func(tx *sql.Tx) (err error) {
		cs, err = all(ctx, tx, query{
			`SELECT ` + credentialColumns + ` FROM credentials WHERE tenant_id = ? AND kind = ? AND ` + valid +
				` ORDER BY created_at, id`, []any{tenantID, kind, now.UnixMilli()},
		}, scanCredential)
		return err
	})
	return cs, translate("list credentials", err)
}

// Revoke implements storage.Access.
func (c *Catalog) Revoke(ctx context.Context, tenantID, id string) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		// What was issued may have issued tickets in turn.
		res, err := tx.ExecContext(ctx, `WITH RECURSIVE doomed (id) AS (
				SELECT id FROM credentials WHERE tenant_id = ?1 AND id = ?2
				UNION
				SELECT c.id FROM credentials c JOIN doomed d ON c.issuer_id = d.id
					WHERE c.tenant_id = ?1 AND c.issuer_id <> '' AND c.kind IN ('ticket', 'invitation'))
			DELETE FROM credentials WHERE id IN (SELECT id FROM doomed)`, tenantID, id)
		return changed(res, err, func() error { return absent(sql.ErrNoRows, "credential") })
	})
	return translate("revoke credential", err)
}

// RemoveExpired implements storage.Access.
func (c *Catalog) RemoveExpired(ctx context.Context, now time.Time) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM credentials WHERE expires_at < ?`, now.UnixMilli())
		return err
	})
	return translate("remove expired credentials", err)
}

func scanCredential(row scanner) (reelvault.Credential, error) {
	var c reelvault.Credential
	var person, session, file sql.NullString
	err := row.Scan(&c.ID, &c.Kind, &c.TenantID, intoHash{&c.Hash}, &c.Name, &person, &c.IssuerID,
		intoList[reelvault.Scope]{&c.Scopes}, &c.Purpose, &session, &file,
		&c.ParticipantID, &c.Role, intoTime{&c.CreatedAt}, intoTime{&c.ExpiresAt})
	c.PersonID, c.SessionID, c.FileID = person.String, session.String, file.String
	return c, err
}
