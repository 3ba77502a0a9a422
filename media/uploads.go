package media

import (
	"context"
	"io"

	"github.com/reelvault/reelvault"
)

// Uploads takes in the files that participants share, piece by piece. Its
// methods may be called from any goroutine.
type Uploads interface {
	// Begin announces a file of p. More bytes than the tenant allows are an
	// error of kind TooLarge, a session that is over a Conflict, a feature that
	// is off Forbidden, too many files at once Limited, a disk without room for
	// it StorageFull. An empty file is whole at once.
	Begin(ctx context.Context, p Publisher, f Announced) (reelvault.Transfer, error)

	// Find says how much of a session's file is here. One that is whole stays
	// to be found; one that was given up, that expired or that never was is
	// NotFound. Where the request that sends the file has fallen silent, it is
	// ended first, so that its sender can go on in another.
	Find(ctx context.Context, tenantID, sessionID, fileID string) (reelvault.Transfer, error)

	// Append takes body in from offset on, which has to be what is here
	// already; otherwise, and while another request sends the file, it is a
	// Conflict. It reads no more than the file lacks, and gives what is here
	// then, also with an error: all that arrived before a body broke off is
	// kept. When it gives a whole file, that is sealed and told.
	Append(ctx context.Context, fileID string, offset int64, body Body) (reelvault.Transfer, error)

	// Cancel gives a file up that is not whole yet. A whole one is a Conflict.
	Cancel(ctx context.Context, fileID string) error
}

// Announced is what a sender says of a file before it comes.
type Announced struct {
	Name string // as its sender calls it: anything
	Size int64  // bytes
}

// Body is what one request sends.
type Body interface {
	io.Reader

	// Interrupt makes the Read that waits, and every later one, fail at once.
	// Any goroutine may call it.
	Interrupt()
}
