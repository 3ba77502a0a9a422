package recorder

import (
	"context"

	"github.com/reelvault/reelvault"
)

// Ledger is what the recorder needs of the catalog. Each method is durable
// when it returns, and may be called from any goroutine.
type Ledger interface {
	// Tenant gives one, or an error of kind NotFound.
	Tenant(ctx context.Context, id string) (reelvault.Tenant, error)

	// Session gives one, or an error of kind NotFound.
	Session(ctx context.Context, tenantID, id string) (reelvault.Session, error)

	// Withheld says whether a session must not be recorded now, because
	// somebody in it has not agreed yet.
	Withheld(ctx context.Context, tenantID, sessionID string) (bool, error)

	// CreateRecording adds r without files and tracks.
	CreateRecording(ctx context.Context, r reelvault.Recording) error

	// Recording gives one with files, tracks and gaps, or NotFound.
	Recording(ctx context.Context, tenantID, id string) (reelvault.Recording, error)

	// RecordingOfFile gives the recording that has this file, or NotFound.
	RecordingOfFile(ctx context.Context, fileID string) (reelvault.Recording, error)

	// Unfinished lists the recordings that a crash left in a state before
	// ready or failed.
	Unfinished(ctx context.Context) ([]reelvault.Recording, error)

	// MoveRecording applies an event, or says Conflict.
	MoveRecording(ctx context.Context, id string, e reelvault.RecordingEvent, change reelvault.Recording) (reelvault.Recording, error)

	// SaveFile adds f or replaces what may change.
	SaveFile(ctx context.Context, f reelvault.File) error

	// ForgetFile removes f's row and its tracks, if it isn't stored yet.
	ForgetFile(ctx context.Context, fileID string) error

	// SaveTracks adds or replaces tracks with their gaps.
	SaveTracks(ctx context.Context, tracks []reelvault.Track) error

	// SaveTiming keeps how the tracks of a file were placed, in place of what
	// was kept before.
	SaveTiming(ctx context.Context, fileID string, t reelvault.Timing) error
}
