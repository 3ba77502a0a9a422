-- +goose Up

-- What was learnt of a file's clocks: JSON, written and read whole.
CREATE TABLE timings (
    file_id TEXT NOT NULL PRIMARY KEY REFERENCES files (id) ON DELETE CASCADE,
    timing  TEXT NOT NULL
) STRICT;
