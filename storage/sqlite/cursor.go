package sqlite

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

const (
	// maxCursor bounds a cursor: 20 digits and an id of at most 64, in base64.
	maxCursor = 128

	// maxPage bounds what one page holds in memory, whatever the caller asks.
	maxPage = 1000
)

// cursor is the place after which a page begins: the sort key of the last row
// and, as keys repeat, its id.
type cursor struct {
	list string // one letter, so that a cursor of one list isn't taken for another's
	key  int64
	id   string
}

func (c cursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(c.list + strconv.FormatInt(c.key, 10) + ":" + c.id))
}

// parseCursor reads what String wrote, and nothing else.
func parseCursor(list, text string) (cursor, error) {
	bad := &reelvault.Error{Kind: reelvault.Invalid, Message: "the cursor is not one of this list", Location: "query.after"}
	if len(text) > maxCursor {
		return cursor{}, bad
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return cursor{}, bad
	}
	rest, ok := strings.CutPrefix(string(raw), list)
	if !ok {
		return cursor{}, bad
	}
	key, id, _ := strings.Cut(rest, ":")
	n, err := strconv.ParseInt(key, 10, 64)
	if err != nil {
		return cursor{}, bad
	}
	// Writing it again finds everything a lenient reader lets pass.
	c := cursor{list: list, key: n, id: id}
	if id == "" || c.String() != text {
		return cursor{}, bad
	}
	return c, nil
}

// start gives where a page begins, or beginning for the first, and its size.
func start(list string, p storage.Page, beginning cursor) (cursor, int, error) {
	if p.Limit < 1 {
		return cursor{}, 0, &reelvault.Error{Kind: reelvault.Invalid, Message: "a page has at least one row", Location: "query.limit"}
	}
	limit := min(p.Limit, maxPage)
	if p.After == "" {
		return beginning, limit, nil
	}
	c, err := parseCursor(list, p.After)
	return c, limit, err
}

// newest begins a list that goes from the newest row back.
var newest = cursor{key: math.MaxInt64}

// cut takes the row off that was read beyond the page, and gives the cursor of
// the next page or "".
func cut[T any](rows []T, limit int, at func(T) cursor) ([]T, string) {
	if len(rows) <= limit {
		return rows, ""
	}
	rows = rows[:limit]
	return rows, at(rows[limit-1]).String()
}
