package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/reelvault/reelvault"
)

// SaveTiming implements storage.Recordings.
func (c *Catalog) SaveTiming(ctx context.Context, fileID string, t reelvault.Timing) error {
	text, err := json.Marshal(t)
	if err != nil {
		return translate("save timing", err)
	}
	err = c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		res, failed := tx.ExecContext(ctx, `INSERT INTO timings (file_id, timing) SELECT id, ? FROM files WHERE id = ?
			ON CONFLICT (file_id) DO UPDATE SET timing = excluded.timing`, string(text), fileID)
		return changed(res, failed, func() error { return absent(sql.ErrNoRows, "file") })
	})
	return translate("save timing", err)
}

// Timing implements storage.Recordings.
func (c *Catalog) Timing(ctx context.Context, fileID string) (reelvault.Timing, error) {
	var t reelvault.Timing
	var text string
	err := c.reader.QueryRowContext(ctx, `SELECT timing FROM timings WHERE file_id = ?`, fileID).Scan(&text)
	if err != nil {
		return t, translate("read timing", absent(err, "timing"))
	}
	return t, translate("read timing", json.Unmarshal([]byte(text), &t))
}
