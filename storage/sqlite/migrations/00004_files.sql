-- +goose Up

-- Of shared files: what their sender called them, and what they are.
ALTER TABLE files ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN type TEXT NOT NULL DEFAULT '';

-- Shared files that are on their way in; a row goes when its file is whole or
-- given up.
CREATE TABLE transfers (
    file_id        TEXT    NOT NULL PRIMARY KEY,
    recording_id   TEXT    NOT NULL,
    tenant_id      TEXT    NOT NULL,
    session_id     TEXT    NOT NULL,
    participant_id TEXT    NOT NULL,
    role           TEXT    NOT NULL,
    size           INTEGER NOT NULL,
    received       INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    FOREIGN KEY (recording_id, file_id) REFERENCES files (recording_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, recording_id) REFERENCES recordings (tenant_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id)
) STRICT;
