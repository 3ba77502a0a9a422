-- +goose Up

-- max_file_bytes has DefaultMaxFileBytes for the tenants there are.
ALTER TABLE tenants ADD COLUMN consent_required INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN consent_text TEXT NOT NULL DEFAULT '';
ALTER TABLE tenants ADD COLUMN consent_version TEXT NOT NULL DEFAULT '';
ALTER TABLE tenants ADD COLUMN consent_language TEXT NOT NULL DEFAULT '';
ALTER TABLE tenants ADD COLUMN max_file_bytes INTEGER NOT NULL DEFAULT 104857600;

-- Every text that guests were ever asked to agree to: an answer names its
-- version only.
CREATE TABLE consent_texts (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    version   TEXT NOT NULL,
    text      TEXT NOT NULL,
    language  TEXT NOT NULL,
    PRIMARY KEY (tenant_id, version)
) STRICT;

ALTER TABLE participants ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE participants ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE participants ADD COLUMN left_at INTEGER;
ALTER TABLE participants ADD COLUMN consent_answer TEXT NOT NULL DEFAULT '';
ALTER TABLE participants ADD COLUMN consent_version TEXT NOT NULL DEFAULT '';
ALTER TABLE participants ADD COLUMN consent_at INTEGER;

CREATE TABLE activities (
    tenant_id      TEXT    NOT NULL,
    seq            INTEGER NOT NULL,
    id             TEXT    NOT NULL UNIQUE,
    session_id     TEXT    NOT NULL,
    at             INTEGER NOT NULL,
    type           TEXT    NOT NULL,
    actor          TEXT    NOT NULL,
    participant_id TEXT    NOT NULL,
    text           TEXT    NOT NULL,
    data           TEXT    NOT NULL,
    file_id        TEXT    NOT NULL,
    client_id      TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, seq),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX activities_session ON activities (tenant_id, session_id, seq);
CREATE UNIQUE INDEX activities_client ON activities (session_id, participant_id, client_id) WHERE client_id <> '';

-- As for the audit log. Whoever erases what was said replaces
-- activities_keeps_values by a trigger that lets an UPDATE empty text and data
-- and change nothing else; rows stay, or the numbers would have holes.
-- +goose StatementBegin
CREATE TRIGGER activities_keeps_rows BEFORE DELETE ON activities
BEGIN
    SELECT RAISE(ABORT, 'the activity log is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER activities_keeps_values BEFORE UPDATE ON activities
BEGIN
    SELECT RAISE(ABORT, 'the activity log is append-only');
END;
-- +goose StatementEnd
-- REPLACE deletes without firing delete triggers. A number that isn't the next
-- one is refused with it, so that nothing can leave a hole.
-- +goose StatementBegin
CREATE TRIGGER activities_keeps_order BEFORE INSERT ON activities
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM activities WHERE tenant_id = NEW.tenant_id)
    OR EXISTS (SELECT 1 FROM activities WHERE id = NEW.id)
    OR EXISTS (SELECT 1 FROM activities WHERE session_id = NEW.session_id AND participant_id = NEW.participant_id
        AND client_id = NEW.client_id AND client_id <> '')
BEGIN
    SELECT RAISE(ABORT, 'the activity log is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER consent_texts_keeps_rows BEFORE DELETE ON consent_texts
BEGIN
    SELECT RAISE(ABORT, 'what was agreed to stays');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER consent_texts_keeps_values BEFORE UPDATE ON consent_texts
BEGIN
    SELECT RAISE(ABORT, 'what was agreed to stays');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER consent_texts_keeps_versions BEFORE INSERT ON consent_texts
WHEN EXISTS (SELECT 1 FROM consent_texts WHERE tenant_id = NEW.tenant_id AND version = NEW.version)
BEGIN
    SELECT RAISE(ABORT, 'what was agreed to stays');
END;
-- +goose StatementEnd
