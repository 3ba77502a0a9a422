-- +goose Up

-- Times are integer milliseconds since 1970 UTC, durations and offsets integer
-- microseconds. Every row carries its tenant, and foreign keys repeat it, so
-- that no row can point into another tenant.

CREATE TABLE tenants (
    id            TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL UNIQUE,
    feature_av    INTEGER NOT NULL,
    feature_phone INTEGER NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    id                 TEXT    NOT NULL PRIMARY KEY,
    tenant_id          TEXT    NOT NULL REFERENCES tenants (id),
    external_id        TEXT    NOT NULL,
    name               TEXT    NOT NULL,
    channel            TEXT    NOT NULL,
    source             TEXT    NOT NULL,
    status             TEXT    NOT NULL,
    termination_reason TEXT    NOT NULL,
    created_at         INTEGER NOT NULL,
    ended_at           INTEGER,
    UNIQUE (tenant_id, id)
) STRICT;

CREATE UNIQUE INDEX sessions_external ON sessions (tenant_id, external_id) WHERE external_id <> '';
CREATE INDEX sessions_newest ON sessions (tenant_id, created_at, id);
CREATE INDEX sessions_live ON sessions (tenant_id, created_at, id)
    WHERE status NOT IN ('CLOSED', 'BLACKLISTED');

CREATE TABLE participants (
    tenant_id  TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    joined_at  INTEGER NOT NULL,
    PRIMARY KEY (session_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id)
) STRICT;

CREATE TABLE recordings (
    id            TEXT    NOT NULL PRIMARY KEY,
    tenant_id     TEXT    NOT NULL,
    session_id    TEXT    NOT NULL,
    kind          TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    reason        TEXT    NOT NULL,
    started_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    sync_error_us INTEGER NOT NULL,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id)
) STRICT;

CREATE INDEX recordings_session ON recordings (tenant_id, session_id, started_at, id);
CREATE INDEX recordings_unfinished ON recordings (started_at, id)
    WHERE state IN ('recording', 'paused', 'processing');

-- erasable repeats that the recording is deleted, so that the two sweeps over
-- files never read what is settled.
CREATE TABLE files (
    id           TEXT    NOT NULL PRIMARY KEY,
    tenant_id    TEXT    NOT NULL,
    recording_id TEXT    NOT NULL,
    container    TEXT    NOT NULL,
    offset_us    INTEGER NOT NULL,
    duration_us  INTEGER NOT NULL,
    bytes        INTEGER NOT NULL,
    sha256       TEXT    NOT NULL,
    durability   TEXT    NOT NULL,
    sealed       INTEGER NOT NULL,
    key          TEXT    NOT NULL,
    version      TEXT    NOT NULL,
    upload_id    TEXT    NOT NULL,
    erasable     INTEGER NOT NULL,
    UNIQUE (tenant_id, id),
    UNIQUE (recording_id, id),
    FOREIGN KEY (tenant_id, recording_id) REFERENCES recordings (tenant_id, id)
) STRICT;

CREATE UNIQUE INDEX files_key ON files (key) WHERE key <> '';
CREATE INDEX files_unstored ON files (id) WHERE durability <> 'verified' AND erasable = 0;
CREATE INDEX files_erasable ON files (id) WHERE erasable = 1;

-- gaps is a JSON array: gaps are written and read with their track only.
CREATE TABLE tracks (
    id             TEXT    NOT NULL PRIMARY KEY,
    tenant_id      TEXT    NOT NULL,
    recording_id   TEXT    NOT NULL,
    file_id        TEXT    NOT NULL,
    lane           INTEGER NOT NULL,
    participant_id TEXT    NOT NULL,
    role           TEXT    NOT NULL,
    type           TEXT    NOT NULL,
    media          TEXT    NOT NULL,
    codec          TEXT    NOT NULL,
    offset_us      INTEGER NOT NULL,
    duration_us    INTEGER NOT NULL,
    gaps           TEXT    NOT NULL,
    FOREIGN KEY (recording_id, file_id) REFERENCES files (recording_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX tracks_file ON tracks (recording_id, file_id);

CREATE TABLE people (
    id         TEXT    NOT NULL PRIMARY KEY,
    tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
    name       TEXT    NOT NULL,
    scopes     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (tenant_id, id)
) STRICT;

CREATE INDEX people_oldest ON people (tenant_id, created_at, id);

CREATE TABLE credentials (
    id             TEXT    NOT NULL PRIMARY KEY,
    kind           TEXT    NOT NULL,
    tenant_id      TEXT    NOT NULL REFERENCES tenants (id),
    hash           BLOB    NOT NULL UNIQUE,
    name           TEXT    NOT NULL,
    person_id      TEXT,
    issuer_id      TEXT    NOT NULL,
    scopes         TEXT    NOT NULL,
    purpose        TEXT    NOT NULL,
    session_id     TEXT,
    file_id        TEXT,
    participant_id TEXT    NOT NULL,
    role           TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER,
    FOREIGN KEY (tenant_id, person_id) REFERENCES people (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, file_id) REFERENCES files (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX credentials_oldest ON credentials (tenant_id, kind, created_at, id);
CREATE INDEX credentials_issuer ON credentials (tenant_id, issuer_id) WHERE issuer_id <> '';
CREATE INDEX credentials_expiry ON credentials (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX credentials_person ON credentials (tenant_id, person_id) WHERE person_id IS NOT NULL;
CREATE INDEX credentials_file ON credentials (tenant_id, file_id) WHERE file_id IS NOT NULL;

-- No foreign key: the log outlives what it speaks of, and a denial may have
-- no tenant.
CREATE TABLE audit (
    id           TEXT    NOT NULL PRIMARY KEY,
    tenant_id    TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    principal_id TEXT    NOT NULL,
    principal    TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    target       TEXT    NOT NULL,
    outcome      TEXT    NOT NULL,
    address      TEXT    NOT NULL,
    detail       TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_newest ON audit (tenant_id, at, id);

-- REPLACE deletes without firing delete triggers, hence the third one.
-- +goose StatementBegin
CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_keeps_values BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_keeps_ids BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
