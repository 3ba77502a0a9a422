package sqlite

import (
	"context"
	"database/sql"

	"github.com/reelvault/reelvault"
)

const recordingColumns = `id, tenant_id, session_id, kind, state, reason, started_at, ended_at, sync_error_us`

// CreateRecording implements storage.Recordings.
func (c *Catalog) CreateRecording(ctx context.Context, r reelvault.Recording) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error { return createRecording(ctx, tx, r) })
	return translate("create recording", err)
}

func createRecording(ctx context.Context, tx *sql.Tx, r reelvault.Recording) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO recordings (`+recordingColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.ID, r.TenantID, r.SessionID, r.Kind, r.State, r.Reason, r.StartedAt.UnixMilli(), instant(r.EndedAt),
		r.SyncError.Microseconds())
	return refused(err, "recording", "session")
}

// Recording implements storage.Recordings.
func (c *Catalog) Recording(ctx context.Context, tenantID, id string) (reelvault.Recording, error) {
	return c.recordingWhere(ctx, `tenant_id = ? AND id = ?`, tenantID, id)
}

// RecordingOfFile implements storage.Recordings.
func (c *Catalog) RecordingOfFile(ctx context.Context, fileID string) (reelvault.Recording, error) {
	return c.recordingWhere(ctx, `id = (SELECT recording_id FROM files WHERE id = ?)`, fileID)
}

func (c *Catalog) recordingWhere(ctx context.Context, where string, args ...any) (reelvault.Recording, error) {
	var r reelvault.Recording
	err := c.read(ctx, func(tx *sql.Tx) (err error) {
		r, err = findRecording(ctx, tx, where, args...)
		return err
	})
	return r, translate("get recording", err)
}

// RecordingsOf implements storage.Recordings.
func (c *Catalog) RecordingsOf(ctx context.Context, tenantID, sessionID string) ([]reelvault.Recording, error) {
	return c.recordingsWhere(ctx, `tenant_id = ? AND session_id = ? AND state <> 'deleted'`, tenantID, sessionID)
}

// Unfinished implements storage.Recordings.
func (c *Catalog) Unfinished(ctx context.Context) ([]reelvault.Recording, error) {
	// The condition is that of the index recordings_unfinished, to the letter.
	return c.recordingsWhere(ctx, `state IN ('recording', 'paused', 'processing')`)
}

func (c *Catalog) recordingsWhere(ctx context.Context, where string, args ...any) ([]reelvault.Recording, error) {
	var recordings []reelvault.Recording
	err := c.read(ctx, func(tx *sql.Tx) (err error) {
		recordings, err = findRecordings(ctx, tx, query{where, args})
		return err
	})
	return recordings, translate("list recordings", err)
}

// MoveRecording implements storage.Recordings.
func (c *Catalog) MoveRecording(
	ctx context.Context, id string, e reelvault.RecordingEvent, change reelvault.Recording,
) (reelvault.Recording, error) {
	var r reelvault.Recording
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		if err = moveRecording(ctx, tx, id, e, change); err != nil {
			return err
		}
		r, err = findRecording(ctx, tx, `id = ?`, id)
		return err
	})
	return r, translate("move recording", err)
}

func moveRecording(ctx context.Context, tx *sql.Tx, id string, e reelvault.RecordingEvent, change reelvault.Recording) error {
	var state reelvault.RecordingState
	err := tx.QueryRowContext(ctx, `SELECT state FROM recordings WHERE id = ?`, id).Scan(&state)
	if err != nil {
		return absent(err, "recording")
	}
	illegal := func() error {
		return reelvault.Errorf(reelvault.Conflict, "the recording is %s, which doesn't allow to %s it", state, e)
	}
	next, ok := state.Next(e)
	if !ok {
		return illegal()
	}
	res, err := tx.ExecContext(ctx, `UPDATE recordings SET state = ?, ended_at = coalesce(?, ended_at),
		reason = coalesce(nullif(?, ''), reason), sync_error_us = coalesce(nullif(?, 0), sync_error_us)
		WHERE id = ? AND state = ?`,
		next, instant(change.EndedAt), change.Reason, change.SyncError.Microseconds(), id, state)
	if err = changed(res, err, illegal); err != nil {
		return err
	}
	if next != reelvault.RecordingDeleted {
		return nil
	}
	_, err = tx.ExecContext(ctx, `UPDATE files SET erasable = 1 WHERE recording_id = ?`, id)
	return err
}

func findRecording(ctx context.Context, tx *sql.Tx, where string, args ...any) (reelvault.Recording, error) {
	recordings, err := findRecordings(ctx, tx, query{where, args})
	if err != nil {
		return reelvault.Recording{}, err
	}
	if len(recordings) == 0 {
		return reelvault.Recording{}, absent(sql.ErrNoRows, "recording")
	}
	return recordings[0], nil
}

// findRecordings gives the recordings for which q, a condition, holds, with
// files, tracks and gaps.
func findRecordings(ctx context.Context, tx *sql.Tx, q query) ([]reelvault.Recording, error) {
	q.sql = `SELECT ` + recordingColumns + ` FROM recordings WHERE ` + q.sql + ` ORDER BY started_at, id`
	recordings, err := all(ctx, tx, q, scanRecording)
	if err != nil {
		return nil, err
	}
	place := make(map[string]*reelvault.Recording, len(recordings))
	ids := make([]string, 0, len(recordings))
	for i := range recordings {
		place[recordings[i].ID] = &recordings[i]
		ids = append(ids, recordings[i].ID)
	}
	in, err := list(ids)
	if err != nil {
		return nil, err
	}
	const ofThese = ` WHERE recording_id IN (SELECT value FROM json_each(?)) ORDER BY offset_us, id`
	files, err := all(ctx, tx, query{`SELECT ` + fileColumns + ` FROM files` + ofThese, []any{in}}, scanFile)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		r := place[f.RecordingID]
		r.Files = append(r.Files, f)
	}
	tracks, err := all(ctx, tx, query{`SELECT ` + trackColumns + ` FROM tracks` + ofThese, []any{in}}, scanTrack)
	for _, t := range tracks {
		r := place[t.RecordingID]
		r.Tracks = append(r.Tracks, t)
	}
	for i := range recordings {
		recordings[i].Durability = leastSafe(recordings[i].Files)
	}
	return recordings, err
}

// steps is how far each durability goes.
var steps = map[reelvault.Durability]int{reelvault.Spooled: 0, reelvault.Stored: 1, reelvault.Verified: 2}

func leastSafe(files []reelvault.File) reelvault.Durability {
	if len(files) == 0 {
		return reelvault.Spooled
	}
	least := reelvault.Verified
	for _, f := range files {
		if steps[f.Durability] < steps[least] {
			least = f.Durability
		}
	}
	return least
}

func scanRecording(row scanner) (reelvault.Recording, error) {
	r := reelvault.Recording{Files: []reelvault.File{}, Tracks: []reelvault.Track{}}
	err := row.Scan(&r.ID, &r.TenantID, &r.SessionID, &r.Kind, &r.State, &r.Reason,
		intoTime{&r.StartedAt}, intoTime{&r.EndedAt}, intoMicros{&r.SyncError})
	return r, err
}
