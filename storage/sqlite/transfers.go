package sqlite

import (
	"context"
	"database/sql"

	"github.com/reelvault/reelvault"
)

const transferColumns = `file_id, recording_id, tenant_id, session_id, participant_id, role, size, received, expires_at`

func scanTransfer(row scanner) (reelvault.Transfer, error) {
	var t reelvault.Transfer
	err := row.Scan(&t.FileID, &t.RecordingID, &t.TenantID, &t.SessionID, &t.ParticipantID, &t.Role, &t.Size, &t.Received,
		intoTime{&t.ExpiresAt})
	return t, err
}

// BeginTransfer implements storage.Transfers.
func (c *Catalog) BeginTransfer(ctx context.Context, r reelvault.Recording, t reelvault.Transfer) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if len(r.Files) != 1 || r.Files[0].ID != t.FileID || r.Files[0].RecordingID != r.ID || r.ID != t.RecordingID {
			return reelvault.Errorf(reelvault.Invalid, "a transfer is of the one file of its recording")
		}
		if err := createRecording(ctx, tx, r); err != nil {
			return err
		}
		if err := saveFile(ctx, tx, r.Files[0]); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO transfers (`+transferColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			t.FileID, t.RecordingID, t.TenantID, t.SessionID, t.ParticipantID, t.Role, t.Size, t.Received, t.ExpiresAt.UnixMilli())
		return refused(err, "transfer", "session")
	})
	return translate("begin transfer", err)
}

// Transfers implements storage.Transfers.
func (c *Catalog) Transfers(ctx context.Context) ([]reelvault.Transfer, error) {
	var transfers []reelvault.Transfer
	err := c.read(ctx, func(tx *sql.Tx) (err error) {
		// Ids are made in the order of time.
		transfers, err = all(ctx, tx, query{sql: `SELECT ` + transferColumns + ` FROM transfers ORDER BY file_id`}, scanTransfer)
		return err
	})
	return transfers, translate("list transfers", err)
}

func findTransfer(ctx context.Context, tx *sql.Tx, fileID string) (reelvault.Transfer, error) {
	t, err := scanTransfer(tx.QueryRowContext(ctx, `SELECT `+transferColumns+` FROM transfers WHERE file_id = ?`, fileID))
	return t, absent(err, "transfer")
}

// NoteTransfer implements storage.Transfers.
func (c *Catalog) NoteTransfer(ctx context.Context, fileID string, received int64) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		t, err := findTransfer(ctx, tx, fileID)
		if err != nil {
			return err
		}
		if received < t.Received || received > t.Size {
			return reelvault.Errorf(reelvault.Conflict, "%d of %d bytes are here already, which can't become %d", t.Received, t.Size, received)
		}
		_, err = tx.ExecContext(ctx, `UPDATE transfers SET received = ? WHERE file_id = ?`, received, fileID)
		return err
	})
	return translate("note transfer", err)
}

// FinishTransfer implements storage.Transfers.
func (c *Catalog) FinishTransfer(ctx context.Context, f reelvault.File, a reelvault.Activity) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		t, err := findTransfer(ctx, tx, f.ID)
		if err != nil {
			return err
		}
		if !f.Sealed || f.Bytes != t.Size {
			return reelvault.Errorf(reelvault.Conflict, "the file isn't the %d bytes that were announced", t.Size)
		}
		if err = saveFile(ctx, tx, f); err != nil {
			return err
		}
		return endTransfer(ctx, tx, t, a, reelvault.Recording{EndedAt: a.At})
	})
	return translate("finish transfer", err)
}

// AbortTransfer implements storage.Transfers.
func (c *Catalog) AbortTransfer(ctx context.Context, fileID, reason string, a reelvault.Activity) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		t, err := findTransfer(ctx, tx, fileID)
		if err != nil {
			return err
		}
		if _, err = tx.ExecContext(ctx, `UPDATE files SET erasable = 1 WHERE id = ?`, fileID); err != nil {
			return err
		}
		return endTransfer(ctx, tx, t, a, reelvault.Recording{EndedAt: a.At, Reason: reason})
	})
	return translate("abort transfer", err)
}

// endTransfer ends the recording of a transfer, failed if there is a reason.
func endTransfer(ctx context.Context, tx *sql.Tx, t reelvault.Transfer, a reelvault.Activity, change reelvault.Recording) error {
	if a.TenantID != t.TenantID || a.SessionID != t.SessionID {
		return reelvault.Errorf(reelvault.Conflict, "the activity is of another session")
	}
	last := reelvault.EventReady
	if change.Reason != "" {
		last = reelvault.EventFail
	}
	for _, e := range []reelvault.RecordingEvent{reelvault.EventSeal, last} {
		if err := moveRecording(ctx, tx, t.RecordingID, e, change); err != nil {
			return err
		}
	}
	if _, err := appendActivity(ctx, tx, a); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM transfers WHERE file_id = ?`, t.FileID)
	return err
}
