package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/reelvault/reelvault"
)

const participantColumns = `session_id, id, role, name, address, joined_at, left_at, consent_answer, consent_version, consent_at`

// SetParticipant implements storage.Participants.
func (c *Catalog) SetParticipant(ctx context.Context, tenantID, sessionID string, p reelvault.Participant) (bool, error) {
	came := false
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		s, err := findSession(ctx, tx, `tenant_id = ? AND id = ?`, tenantID, sessionID)
		if err != nil {
			return err
		}
		if !s.Status.Live() {
			return reelvault.Errorf(reelvault.Conflict, "the session is %s and takes nobody in", s.Status)
		}
		known, err := findParticipant(ctx, tx, tenantID, sessionID, p.ID)
		if reelvault.KindOf(err) == reelvault.NotFound {
			came = p.LeftAt.IsZero()
			return addParticipant(ctx, tx, tenantID, sessionID, p)
		}
		if err != nil {
			return err
		}
		if known.Role != p.Role {
			return reelvault.Errorf(reelvault.Conflict, "%s is in this session as %s", p.ID, known.Role)
		}
		came = p.LeftAt.IsZero() && !known.LeftAt.IsZero()
		known.Name, known.Address = cmp.Or(p.Name, known.Name), cmp.Or(p.Address, known.Address)
		if came {
			if known.LeftAt.Equal(known.JoinedAt) { // they were only known
				known.JoinedAt = p.JoinedAt
			}
			known.LeftAt = time.Time{}
		}
		_, err = tx.ExecContext(ctx, `UPDATE participants SET name = ?, address = ?, joined_at = ?, left_at = ?
			WHERE tenant_id = ? AND session_id = ? AND id = ?`,
			known.Name, known.Address, known.JoinedAt.UnixMilli(), instant(known.LeftAt), tenantID, sessionID, p.ID)
		return err
	})
	return came && err == nil, translate("set participant", err)
}

// Leave implements storage.Participants.
func (c *Catalog) Leave(ctx context.Context, tenantID, sessionID, participantID string, at time.Time) (bool, error) {
	left := false
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := inSession(ctx, tx, tenantID, sessionID); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `UPDATE participants SET left_at = ?
			WHERE tenant_id = ? AND session_id = ? AND id = ? AND left_at IS NULL`,
			at.UnixMilli(), tenantID, sessionID, participantID)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		left = n > 0
		return err
	})
	return left && err == nil, translate("leave session", err)
}

// SetConsent implements storage.Participants.
func (c *Catalog) SetConsent(ctx context.Context, tenantID, sessionID, participantID string, answer reelvault.Consent) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		p, err := findParticipant(ctx, tx, tenantID, sessionID, participantID)
		if err != nil {
			return err
		}
		switch {
		case p.Role != reelvault.RoleGuest:
			return reelvault.Errorf(reelvault.Conflict, "only guests are asked for consent")
		case p.Consent.Answer == answer.Answer && p.Consent.Version == answer.Version:
			return nil
		case p.Consent.Answer == reelvault.ConsentRefused:
			return reelvault.Errorf(reelvault.Conflict, "recording was refused, and a refusal is final")
		}
		_, err = tx.ExecContext(ctx, `UPDATE participants SET consent_answer = ?, consent_version = ?, consent_at = ?
			WHERE tenant_id = ? AND session_id = ? AND id = ?`,
			answer.Answer, answer.Version, answer.At.UnixMilli(), tenantID, sessionID, participantID)
		return err
	})
	return translate("set consent", err)
}

// Withheld implements storage.Participants.
func (c *Catalog) Withheld(ctx context.Context, tenantID, sessionID string) (bool, error) {
	withheld := false
	err := c.read(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT t.consent_required AND s.channel <> ?1 AND (
				NOT EXISTS (SELECT 1 FROM participants p WHERE p.session_id = s.id AND p.role = ?2 AND p.consent_answer = ?3)
				OR EXISTS (SELECT 1 FROM participants p WHERE p.session_id = s.id AND p.role = ?2
					AND (p.consent_answer = ?4 OR (p.consent_answer <> ?3 AND p.left_at IS NULL))))
			FROM sessions s JOIN tenants t ON t.id = s.tenant_id WHERE s.tenant_id = ?5 AND s.id = ?6`,
			reelvault.ChannelPhone, reelvault.RoleGuest, reelvault.ConsentGiven, reelvault.ConsentRefused,
			tenantID, sessionID).Scan(&withheld)
		return absent(err, "session")
	})
	return withheld, translate("look at consent", err)
}

// addParticipant leaves one that is there as it is. The session has to be live
// or new; the transaction holds the write lock since the caller looked.
func addParticipant(ctx context.Context, tx *sql.Tx, tenantID, sessionID string, p reelvault.Participant) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO participants (tenant_id, `+participantColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session_id, id) DO NOTHING`,
		tenantID, sessionID, p.ID, p.Role, p.Name, p.Address, p.JoinedAt.UnixMilli(), instant(p.LeftAt),
		p.Consent.Answer, p.Consent.Version, instant(p.Consent.At))
	return refused(err, "participant", "session")
}

// inSession fails unless the tenant has the session.
func inSession(ctx context.Context, tx *sql.Tx, tenantID, sessionID string) error {
	var one int
	err := tx.QueryRowContext(ctx, `SELECT 1 FROM sessions WHERE tenant_id = ? AND id = ?`, tenantID, sessionID).Scan(&one)
	return absent(err, "session")
}

func findParticipant(ctx context.Context, tx *sql.Tx, tenantID, sessionID, id string) (reelvault.Participant, error) {
	p, err := scanParticipant(tx.QueryRowContext(ctx, `SELECT `+participantColumns+` FROM participants
		WHERE tenant_id = ? AND session_id = ? AND id = ?`, tenantID, sessionID, id))
	if errors.Is(err, sql.ErrNoRows) {
		return reelvault.Participant{}, absent(err, "participant")
	}
	return p.Participant, err
}

// participantsOf lists who is or was in some sessions.
func participantsOf(ctx context.Context, tx *sql.Tx, sessionIDs []string) ([]participant, error) {
	in, err := list(sessionIDs)
	if err != nil {
		return nil, err
	}
	return all(ctx, tx, query{
		`SELECT ` + participantColumns + ` FROM participants
			WHERE session_id IN (SELECT value FROM json_each(?)) ORDER BY joined_at, id`, []any{in},
	}, scanParticipant)
}

type participant struct {
	sessionID string
	reelvault.Participant
}

func scanParticipant(row scanner) (participant, error) {
	var p participant
	err := row.Scan(&p.sessionID, &p.ID, &p.Role, &p.Name, &p.Address, intoTime{&p.JoinedAt}, intoTime{&p.LeftAt},
		&p.Consent.Answer, &p.Consent.Version, intoTime{&p.Consent.At})
	return p, err
}
