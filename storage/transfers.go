package storage

import (
	"context"

	"github.com/reelvault/reelvault"
)

// Transfers keeps the shared files that are on their way in. A transfer that
// isn't there, or any more, is NotFound.
type Transfers interface {
	// BeginTransfer adds a recording of kind file, which is running and has
	// one file, and the transfer of that file; all or nothing.
	BeginTransfer(ctx context.Context, r reelvault.Recording, t reelvault.Transfer) error

	// Transfers lists those of every tenant that are neither finished nor
	// aborted.
	Transfers(ctx context.Context) ([]reelvault.Transfer, error)

	// NoteTransfer keeps how much of a file is here. Less than before, or more
	// than was announced, is a Conflict.
	NoteTransfer(ctx context.Context, fileID string, received int64) error

	// FinishTransfer saves f, which is sealed and has as many bytes as were
	// announced, makes its recording ready with its end at a.At, appends a and
	// ends the transfer; all or nothing. Another size, and an a of another
	// session, is a Conflict.
	FinishTransfer(ctx context.Context, f reelvault.File, a reelvault.Activity) error

	// AbortTransfer makes the recording failed for a reason with its end at
	// a.At, appends a and ends the transfer; all or nothing. The file is found
	// by Erasable then. An a of another session is a Conflict.
	AbortTransfer(ctx context.Context, fileID, reason string, a reelvault.Activity) error
}
