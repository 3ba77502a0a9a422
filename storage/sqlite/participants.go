package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

const participantColumns = `session_id, id, role, name, address, joined_at, left_at, consent_answer, consent_version, consent_at`

// SetParticipant implements storage.Participants.
func (c *Catalog) SetParticipant(
	ctx context.Context, tenantID, sessionID string, p reelvault.Participant, joined storage.Note,
) (bool, error) {
	came := false
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		s, err := findSession(ctx, tx, `tenant_id = ? AND id = ?`, tenantID, sessionID)
		if err != nil {
			return err
		}
		if !s.Status.Live() {
			return reelvault.Errorf(reelvault.Conflict, "the session is %s and takes nobody in", s.Status)
		}
		came, err = bring(ctx, tx, s, p)
		if err != nil || !came {
			return err
		}
		return note(ctx, tx, s, p.ID, joined)
	})
	return came && err == nil, translate("set participant", err)
}

// bring adds p to s or brings them back, and says whether they have come.
func bring(ctx context.Context, tx *sql.Tx, s reelvault.Session, p reelvault.Participant) (came bool, err error) {
	known, err := findParticipant(ctx, tx, s.TenantID, s.ID, p.ID)
	if reelvault.KindOf(err) == reelvault.NotFound {
		return p.LeftAt.IsZero(), addParticipant(ctx, tx, s.TenantID, s.ID, p)
	}
	if err != nil {
		return false, err
	}
	if known.Role != p.Role {
		return false, reelvault.Errorf(reelvault.Conflict, "%s is in this session as %s", p.ID, known.Role)
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
		known.Name, known.Address, known.JoinedAt.UnixMilli(), instant(known.LeftAt), s.TenantID, s.ID, p.ID)
	return came, err
}

// note appends what n gives of a participant of s.
func note(ctx context.Context, tx *sql.Tx, s reelvault.Session, participantID string, n storage.Note) error {
	if n == nil {
		return nil
	}
	p, err := findParticipant(ctx, tx, s.TenantID, s.ID, participantID)
	if err != nil {
		return err
	}
	return appendOf(ctx, tx, s, n(p))
}

// appendOf appends activities of s.
func appendOf(ctx context.Context, tx *sql.Tx, s reelvault.Session, as ...reelvault.Activity) error {
	for _, a := range as {
		if a.TenantID != s.TenantID || a.SessionID != s.ID {
			return reelvault.Errorf(reelvault.Conflict, "the activity is of another session")
		}
		if _, err := appendActivity(ctx, tx, a); err != nil {
			return err
		}
	}
	return nil
}

// Leave implements storage.Participants.
func (c *Catalog) Leave(
	ctx context.Context, tenantID, sessionID string, p reelvault.Participant, left storage.Note,
) (bool, error) {
	was := false
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := inSession(ctx, tx, tenantID, sessionID); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `UPDATE participants SET left_at = ?
			WHERE tenant_id = ? AND session_id = ? AND id = ? AND left_at IS NULL`,
			p.LeftAt.UnixMilli(), tenantID, sessionID, p.ID)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if was = n > 0; err != nil || !was {
			return err
		}
		return note(ctx, tx, reelvault.Session{TenantID: tenantID, ID: sessionID}, p.ID, left)
	})
	return was && err == nil, translate("leave session", err)
}

// SetConsent implements storage.Participants.
func (c *Catalog) SetConsent(
	ctx context.Context, tenantID, sessionID string, p reelvault.Participant, answered storage.Note,
) error {
	answer := p.Consent
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		known, err := findParticipant(ctx, tx, tenantID, sessionID, p.ID)
		if err != nil {
			return err
		}
		switch {
		case known.Role != reelvault.RoleGuest:
			return reelvault.Errorf(reelvault.Conflict, "only guests are asked for consent")
		case known.Consent.Answer == answer.Answer && known.Consent.Version == answer.Version:
			return nil
		case known.Consent.Answer == reelvault.ConsentRefused:
			return reelvault.Errorf(reelvault.Conflict, "recording was refused, and a refusal is final")
		}
		_, err = tx.ExecContext(ctx, `UPDATE participants SET consent_answer = ?, consent_version = ?, consent_at = ?
			WHERE tenant_id = ? AND session_id = ? AND id = ?`,
			answer.Answer, answer.Version, answer.At.UnixMilli(), tenantID, sessionID, p.ID)
		if err != nil {
			return err
		}
		return note(ctx, tx, reelvault.Session{TenantID: tenantID, ID: sessionID}, p.ID, answered)
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
