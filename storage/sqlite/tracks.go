package sqlite

import (
	"context"
	"database/sql"

	"github.com/reelvault/reelvault"
)

const trackColumns = `id, recording_id, file_id, lane, participant_id, role, type, media, codec, offset_us, duration_us, gaps`

func scanTrack(row scanner) (reelvault.Track, error) {
	var t reelvault.Track
	err := row.Scan(&t.ID, &t.RecordingID, &t.FileID, &t.Lane, &t.ParticipantID, &t.Role, &t.Type, &t.Media,
		&t.Codec, intoMicros{&t.Offset}, intoMicros{&t.Duration}, intoGaps{&t.Gaps})
	return t, err
}

// SaveTracks implements storage.Recordings.
func (c *Catalog) SaveTracks(ctx context.Context, tracks []reelvault.Track) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, t := range tracks {
			if err := saveTrack(ctx, tx, t); err != nil {
				return err
			}
		}
		return nil
	})
	return translate("save tracks", err)
}

func saveTrack(ctx context.Context, tx *sql.Tx, t reelvault.Track) error {
	gaps, err := gapColumn(t.Gaps)
	if err != nil {
		return err
	}
	// The tenant comes from the file, so without one nothing is inserted.
	res, err := tx.ExecContext(ctx, `INSERT INTO tracks (`+trackColumns+`, tenant_id)
		SELECT ?, recording_id, id, ?, ?, ?, ?, ?, ?, ?, ?, ?, tenant_id
		FROM files WHERE id = ? AND recording_id = ?
		ON CONFLICT (id) DO UPDATE SET
			lane = excluded.lane, participant_id = excluded.participant_id, role = excluded.role,
			type = excluded.type, media = excluded.media, codec = excluded.codec,
			offset_us = excluded.offset_us, duration_us = excluded.duration_us, gaps = excluded.gaps
		WHERE recording_id = excluded.recording_id AND file_id = excluded.file_id`,
		t.ID, t.Lane, t.ParticipantID, t.Role, t.Type, t.Media, t.Codec, t.Offset.Microseconds(),
		t.Duration.Microseconds(), gaps, t.FileID, t.RecordingID)
	return changed(res, err, func() error {
		f, err := findFile(ctx, tx, t.FileID)
		if err != nil {
			return err
		}
		if f.RecordingID != t.RecordingID {
			return absent(sql.ErrNoRows, "file in this recording")
		}
		return reelvault.Errorf(reelvault.Conflict, "the track belongs to another file")
	})
}
