package sqlite

import (
	"context"
	"database/sql"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

const fileColumns = `id, recording_id, container, offset_us, duration_us, bytes, sha256, durability, sealed, key, version, name, type`

func scanFile(row scanner) (reelvault.File, error) {
	var f reelvault.File
	err := row.Scan(&f.ID, &f.RecordingID, &f.Container, intoMicros{&f.Offset}, intoMicros{&f.Duration},
		&f.Bytes, &f.SHA256, &f.Durability, &f.Sealed, &f.Key, &f.Version, &f.Name, &f.Type)
	return f, err
}

// SaveFile implements storage.Recordings.
func (c *Catalog) SaveFile(ctx context.Context, f reelvault.File) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error { return saveFile(ctx, tx, f) })
	return translate("save file", err)
}

func saveFile(ctx context.Context, tx *sql.Tx, f reelvault.File) error {
	// The tenant and erasable come from the recording, so without one
	// nothing is selected and nothing inserted.
	res, err := tx.ExecContext(ctx, `INSERT INTO files (`+fileColumns+`, tenant_id, upload_id, erasable)
		SELECT ?, id, ?, ?, ?, ?, '', 'spooled', ?, ?, '', ?, ?, tenant_id, '', state = 'deleted'
		FROM recordings WHERE id = ?
		ON CONFLICT (id) DO UPDATE SET
			offset_us = excluded.offset_us, duration_us = excluded.duration_us,
			bytes = excluded.bytes, sealed = excluded.sealed, type = excluded.type
		WHERE recording_id = excluded.recording_id AND (NOT sealed OR
			(offset_us, duration_us, bytes, sealed, type) =
			(excluded.offset_us, excluded.duration_us, excluded.bytes, excluded.sealed, excluded.type))`,
		f.ID, f.Container, f.Offset.Microseconds(), f.Duration.Microseconds(), f.Bytes, f.Sealed, f.Key, f.Name, f.Type, f.RecordingID)
	if err != nil {
		return refused(err, "file", "recording")
	}
	return changed(res, nil, func() error { return whyNotSaved(ctx, tx, f) })
}

// whyNotSaved says what kept SaveFile from writing.
func whyNotSaved(ctx context.Context, tx *sql.Tx, f reelvault.File) error {
	if _, err := findRecording(ctx, tx, `id = ?`, f.RecordingID); err != nil {
		return err
	}
	kept, err := findFile(ctx, tx, f.ID)
	if err != nil {
		return err
	}
	if kept.RecordingID != f.RecordingID {
		return reelvault.Errorf(reelvault.Conflict, "the file belongs to another recording")
	}
	return reelvault.Errorf(reelvault.Conflict, "the file is sealed with %d bytes and can't change", kept.Bytes)
}

func findFile(ctx context.Context, tx *sql.Tx, id string) (reelvault.File, error) {
	f, err := scanFile(tx.QueryRowContext(ctx, `SELECT `+fileColumns+` FROM files WHERE id = ?`, id))
	return f, absent(err, "file")
}

// Unstored implements storage.Recordings.
func (c *Catalog) Unstored(ctx context.Context) ([]reelvault.File, error) {
	// The condition is that of the index files_unstored, to the letter.
	return c.filesWhere(ctx, `durability <> 'verified' AND erasable = 0`)
}

// Erasable implements storage.Recordings.
func (c *Catalog) Erasable(ctx context.Context) ([]reelvault.File, error) {
	return c.filesWhere(ctx, `erasable = 1`)
}

func (c *Catalog) filesWhere(ctx context.Context, where string) ([]reelvault.File, error) {
	var files []reelvault.File
	err := c.read(ctx, func(tx *sql.Tx) (err error) {
		// Ids are made in the order of time.
		files, err = all(ctx, tx, query{sql: `SELECT ` + fileColumns + ` FROM files WHERE ` + where + ` ORDER BY id`}, scanFile)
		return err
	})
	return files, translate("list files", err)
}

// CommitFile implements storage.Recordings.
func (c *Catalog) CommitFile(ctx context.Context, fileID string, d reelvault.Durability, o storage.Object, sha256 string) error {
	if d == reelvault.Verified && sha256 == "" {
		return reelvault.Errorf(reelvault.Invalid, "commit file: a verified file has a SHA-256")
	}
	if d != reelvault.Verified {
		sha256 = ""
	}
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		f, err := findFile(ctx, tx, fileID)
		if err != nil {
			return err
		}
		if err = commitRefused(f, d, o, sha256); err != nil || f.Durability == d && (d == reelvault.Spooled || o.Version == f.Version) {
			return err
		}
		res, err := tx.ExecContext(ctx, `UPDATE files SET durability = ?, version = ?, sha256 = ?
			WHERE id = ? AND durability = ? AND sealed`, d, o.Version, sha256, fileID, f.Durability)
		return changed(res, err, func() error { return reelvault.Errorf(reelvault.Conflict, "the file changed meanwhile") })
	})
	return translate("commit file", err)
}

// commitRefused says why f can't take the step to d, or nil.
func commitRefused(f reelvault.File, d reelvault.Durability, o storage.Object, sha256 string) error {
	step, known := steps[d]
	switch {
	case !known:
		return reelvault.Errorf(reelvault.Invalid, "there is no durability %q", d)
	case step < steps[f.Durability]:
		return reelvault.Errorf(reelvault.Conflict, "the file is %s and can't become %s again", f.Durability, d)
	case step == 0:
		return nil
	case o.Key != f.Key:
		return reelvault.Errorf(reelvault.Conflict, "the object's key is not the file's")
	case !f.Sealed:
		return reelvault.Errorf(reelvault.Conflict, "the file is not sealed and may still change")
	case o.Size != f.Bytes:
		return reelvault.Errorf(reelvault.Conflict, "the object has %d bytes, the file %d", o.Size, f.Bytes)
	case d == reelvault.Verified && f.Durability != reelvault.Spooled && o.Version != f.Version,
		f.Durability == reelvault.Verified && sha256 != f.SHA256:
		return reelvault.Errorf(reelvault.Conflict, "the file is %s as another object", f.Durability)
	}
	return nil
}

// Upload implements storage.Recordings.
func (c *Catalog) Upload(ctx context.Context, fileID string) (string, error) {
	var upload string
	err := c.read(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT upload_id FROM files WHERE id = ?`, fileID).Scan(&upload)
		return absent(err, "file")
	})
	return upload, translate("get upload", err)
}

// SetUpload implements storage.Recordings.
func (c *Catalog) SetUpload(ctx context.Context, fileID, uploadID string) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE files SET upload_id = ? WHERE id = ?`, uploadID, fileID)
		return changed(res, err, func() error { return absent(sql.ErrNoRows, "file") })
	})
	return translate("set upload", err)
}

// ForgetFile implements storage.Recordings.
func (c *Catalog) ForgetFile(ctx context.Context, fileID string) error {
	err := c.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM files WHERE id = ? AND (erasable = 1 OR durability = 'spooled')`, fileID)
		return changed(res, err, func() error {
			f, err := findFile(ctx, tx, fileID)
			if reelvault.KindOf(err) == reelvault.NotFound {
				return nil
			}
			if err != nil {
				return err
			}
			return reelvault.Errorf(reelvault.Conflict, "the file is %s and its recording is not deleted", f.Durability)
		})
	})
	return translate("forget file", err)
}
