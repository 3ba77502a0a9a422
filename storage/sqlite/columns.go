package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/reelvault/reelvault"
)

// instant gives a time as a column keeps it: milliseconds, NULL for none.
func instant(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// intoTime scans what instant or UnixMilli wrote.
type intoTime struct{ t *time.Time }

// Scan implements sql.Scanner.
func (i intoTime) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*i.t = time.Time{}
	case int64:
		*i.t = time.UnixMilli(v).UTC()
	default:
		return fmt.Errorf("scan time: got %T", v)
	}
	return nil
}

// intoMicros scans a duration that is kept in microseconds.
type intoMicros struct{ d *time.Duration }

// Scan implements sql.Scanner.
func (i intoMicros) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("scan duration: got %T", v)
	}
	*i.d = time.Duration(n) * time.Microsecond
	return nil
}

// intoHash scans a SHA-256.
type intoHash struct{ h *[32]byte }

// Scan implements sql.Scanner.
func (i intoHash) Scan(v any) error {
	b, ok := v.([]byte)
	if !ok || len(b) != len(i.h) {
		return fmt.Errorf("scan hash: got %T of %d bytes", v, len(b))
	}
	copy(i.h[:], b)
	return nil
}

// list gives a slice as a JSON array, never null.
func list[T any](items []T) (string, error) {
	if len(items) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(items)
	return string(b), err
}

// intoList scans what list wrote.
type intoList[T any] struct{ items *[]T }

// Scan implements sql.Scanner.
func (i intoList[T]) Scan(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("scan list: got %T", v)
	}
	return json.Unmarshal([]byte(s), i.items)
}

// gap is a Gap as the gaps column keeps it, in microseconds.
type gap struct {
	Start  int64              `json:"start"`
	End    int64              `json:"end"`
	Cause  reelvault.GapCause `json:"cause"`
	By     string             `json:"by,omitempty"`
	Reason string             `json:"reason,omitempty"`
}

func gapColumn(gaps []reelvault.Gap) (string, error) {
	kept := make([]gap, 0, len(gaps))
	for _, g := range gaps {
		kept = append(kept, gap{g.Start.Microseconds(), g.End.Microseconds(), g.Cause, g.By, g.Reason})
	}
	return list(kept)
}

// intoGaps scans what gapColumn gave.
type intoGaps struct{ gaps *[]reelvault.Gap }

// Scan implements sql.Scanner.
func (i intoGaps) Scan(v any) error {
	var kept []gap
	if err := (intoList[gap]{&kept}).Scan(v); err != nil {
		return err
	}
	*i.gaps = make([]reelvault.Gap, 0, len(kept))
	for _, g := range kept {
		*i.gaps = append(*i.gaps, reelvault.Gap{
			Start: time.Duration(g.Start) * time.Microsecond, End: time.Duration(g.End) * time.Microsecond,
			Cause: g.Cause, By: g.By, Reason: g.Reason,
		})
	}
	return nil
}

// optional gives NULL for an empty reference, which a foreign key lets pass.
func optional(id string) sql.NullString { return sql.NullString{String: id, Valid: id != ""} }

// scanner is a row under the cursor, of sql.Row or sql.Rows.
type scanner interface{ Scan(dest ...any) error }

// query is a statement with its arguments.
type query struct {
	sql  string
	args []any
}

// all reads every row of q; the slice is never nil.
func all[T any](ctx context.Context, tx *sql.Tx, q query, scan func(scanner) (T, error)) ([]T, error) {
	rows, err := tx.QueryContext(ctx, q.sql, q.args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has said what there is to say
	items := []T{}
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, rows.Err()
}
