package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

const (
	sessionColumns = `id, tenant_id, external_id, name, channel, source, status, termination_reason, created_at, ended_at`

	// liveSessions is the condition of the index sessions_live, to the letter:
	// SQLite uses a partial index only where it recognises the condition.
	liveSessions  = `status NOT IN ('CLOSED', 'BLACKLISTED')`
	endedSessions = `status IN ('CLOSED', 'BLACKLISTED')`
)

// CreateSession implements storage.Sessions.
func (c *Catalog) CreateSession(ctx context.Context, s reelvault.Session) (reelvault.Session, bool, error) {
	var kept reelvault.Session
	var added bool
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO sessions (`+sessionColumns+`)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (tenant_id, external_id) WHERE external_id <> '' DO NOTHING`,
			s.ID, s.TenantID, s.ExternalID, s.Name, s.Channel, s.Source, s.Status, s.TerminationReason,
			s.CreatedAt.UnixMilli(), instant(s.EndedAt))
		if err != nil {
			return refused(err, "session", "tenant")
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 {
			kept, err = findSession(ctx, tx, `tenant_id = ? AND external_id = ?`, s.TenantID, s.ExternalID)
			return err
		}
		added = true
		for _, p := range s.Participants {
			if err = addParticipant(ctx, tx, s.TenantID, s.ID, p); err != nil {
				return err
			}
		}
		kept, err = findSession(ctx, tx, `tenant_id = ? AND id = ?`, s.TenantID, s.ID)
		return err
	})
	if err != nil {
		return reelvault.Session{}, false, translate("create session", err)
	}
	return kept, added, nil
}

// Session implements storage.Sessions.
func (c *Catalog) Session(ctx context.Context, tenantID, id string) (reelvault.Session, error) {
	var s reelvault.Session
	err := c.read(ctx, func(tx *sql.Tx) (err error) {
		s, err = findSession(ctx, tx, `tenant_id = ? AND id = ?`, tenantID, id)
		return err
	})
	return s, translate("get session", err)
}

// Sessions implements storage.Sessions.
func (c *Catalog) Sessions(ctx context.Context, f storage.SessionFilter, p storage.Page) ([]reelvault.Session, string, error) {
	after, limit, err := start("s", p, newest)
	if err != nil {
		return nil, "", err
	}
	where := `tenant_id = ? AND (created_at, id) < (?, ?)`
	if f.Live != nil && *f.Live {
		where += ` AND ` + liveSessions
	}
	if f.Live != nil && !*f.Live {
		where += ` AND ` + endedSessions
	}
	var sessions []reelvault.Session
	err = c.read(ctx, func(tx *sql.Tx) (err error) {
		sessions, err = findSessions(ctx, tx, query{
			where + ` ORDER BY created_at DESC, id DESC LIMIT ?`,
			[]any{f.TenantID, after.key, after.id, limit + 1},
		})
		return err
	})
	if err != nil {
		return nil, "", translate("list sessions", err)
	}
	sessions, next := cut(sessions, limit, func(s reelvault.Session) cursor {
		return cursor{list: "s", key: s.CreatedAt.UnixMilli(), id: s.ID}
	})
	return sessions, next, nil
}

// MoveSession implements storage.Sessions.
func (c *Catalog) MoveSession( //nolint:revive // argument-limit: the contract names six
	ctx context.Context, tenantID, id string, to reelvault.SessionStatus, reason reelvault.TerminationReason, at time.Time,
) (reelvault.Session, error) {
	if to.Live() {
		reason, at = "", time.Time{}
	}
	goal := reelvault.Session{TenantID: tenantID, ID: id, Status: to, TerminationReason: reason, EndedAt: at}
	var s reelvault.Session
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		if err = moveSession(ctx, tx, goal); err != nil {
			return err
		}
		s, err = findSession(ctx, tx, `tenant_id = ? AND id = ?`, tenantID, id)
		return err
	})
	if err != nil {
		return reelvault.Session{}, translate("move session", err)
	}
	return s, nil
}

// moveSession gives a session the status, reason and end that goal has.
func moveSession(ctx context.Context, tx *sql.Tx, goal reelvault.Session) error {
	from, err := list(goal.Status.Predecessors())
	if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, `UPDATE sessions SET status = ?, termination_reason = ?, ended_at = ?
		WHERE tenant_id = ? AND id = ? AND status IN (SELECT value FROM json_each(?))`,
		goal.Status, goal.TerminationReason, instant(goal.EndedAt), goal.TenantID, goal.ID, from)
	return changed(res, err, func() error {
		s, err := findSession(ctx, tx, `tenant_id = ? AND id = ?`, goal.TenantID, goal.ID)
		if err != nil {
			return err
		}
		return reelvault.Errorf(reelvault.Conflict, "the session is %s and can't become %s", s.Status, goal.Status)
	})
}

// EndSession implements storage.Sessions.
func (c *Catalog) EndSession(ctx context.Context, e storage.SessionEnd) (reelvault.Session, error) {
	var s reelvault.Session
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		err := moveSession(ctx, tx, reelvault.Session{
			TenantID: e.TenantID, ID: e.SessionID, Status: reelvault.StatusClosed, TerminationReason: e.Reason, EndedAt: e.At,
		})
		if err != nil {
			return err
		}
		if s, err = findSession(ctx, tx, `tenant_id = ? AND id = ?`, e.TenantID, e.SessionID); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE participants SET left_at = ?
			WHERE tenant_id = ? AND session_id = ? AND left_at IS NULL`, e.At.UnixMilli(), e.TenantID, e.SessionID)
		if err != nil {
			return err
		}
		if err = appendOf(ctx, tx, s, e.Tell(s)...); err != nil {
			return err
		}
		s, err = findSession(ctx, tx, `tenant_id = ? AND id = ?`, e.TenantID, e.SessionID)
		return err
	})
	if err != nil {
		return reelvault.Session{}, translate("end session", err)
	}
	return s, nil
}

// findSession gives the one session for which where holds.
func findSession(ctx context.Context, tx *sql.Tx, where string, args ...any) (reelvault.Session, error) {
	sessions, err := findSessions(ctx, tx, query{where, args})
	if err != nil {
		return reelvault.Session{}, err
	}
	if len(sessions) == 0 {
		return reelvault.Session{}, absent(sql.ErrNoRows, "session")
	}
	return sessions[0], nil
}

// findSessions gives the sessions for which q, a condition with what may
// follow it, holds, with their participants.
func findSessions(ctx context.Context, tx *sql.Tx, q query) ([]reelvault.Session, error) {
	q.sql = `SELECT ` + sessionColumns + `,
		(SELECT count(*) FROM recordings r
			WHERE r.tenant_id = s.tenant_id AND r.session_id = s.id AND r.state <> 'deleted')
		FROM sessions s WHERE ` + q.sql
	sessions, err := all(ctx, tx, q, scanSession)
	if err != nil {
		return nil, err
	}
	place := make(map[string]*reelvault.Session, len(sessions))
	ids := make([]string, 0, len(sessions))
	for i := range sessions {
		place[sessions[i].ID] = &sessions[i]
		ids = append(ids, sessions[i].ID)
	}
	joined, err := participantsOf(ctx, tx, ids)
	for _, p := range joined {
		s := place[p.sessionID]
		s.Participants = append(s.Participants, p.Participant)
	}
	return sessions, err
}

func scanSession(row scanner) (reelvault.Session, error) {
	s := reelvault.Session{Participants: []reelvault.Participant{}}
	err := row.Scan(&s.ID, &s.TenantID, &s.ExternalID, &s.Name, &s.Channel, &s.Source, &s.Status,
		&s.TerminationReason, intoTime{&s.CreatedAt}, intoTime{&s.EndedAt}, &s.Recordings)
	return s, err
}
