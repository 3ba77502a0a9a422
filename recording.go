package reelvault

import "time"

// RecordingKind is what a recording captures.
type RecordingKind string

// The kinds of recordings.
const (
	RecordingAV     RecordingKind = "av"
	RecordingPhone  RecordingKind = "phone"
	RecordingScreen RecordingKind = "screen"
	RecordingFile   RecordingKind = "file" // a file that somebody shared; it has no tracks
)

// RecordingState says whether a recording can be played. How safe its bytes
// are is Durability's matter.
type RecordingState string

// The states.
const (
	RecordingRunning    RecordingState = "recording"
	RecordingPaused     RecordingState = "paused"
	RecordingProcessing RecordingState = "processing" // capture ended, files are being sealed
	RecordingReady      RecordingState = "ready"
	RecordingFailed     RecordingState = "failed"
	RecordingDeleted    RecordingState = "deleted"
)

// RecordingStates lists every state, in the order of a recording's life.
var RecordingStates = []RecordingState{
	RecordingRunning, RecordingPaused, RecordingProcessing, RecordingReady, RecordingFailed, RecordingDeleted,
}

// RecordingEvent is what moves a recording from state to state.
type RecordingEvent string

// The events.
const (
	EventPause  RecordingEvent = "pause"
	EventResume RecordingEvent = "resume"
	EventSeal   RecordingEvent = "seal"   // capture has ended: stop, end of session, last publisher gone, crash
	EventReady  RecordingEvent = "ready"  // every file is whole
	EventFail   RecordingEvent = "fail"   // nothing playable could be kept
	EventDelete RecordingEvent = "delete" // asked for by a person
)

// RecordingEvents lists every event.
var RecordingEvents = []RecordingEvent{EventPause, EventResume, EventSeal, EventReady, EventFail, EventDelete}

type recordingMove struct {
	state RecordingState
	event RecordingEvent
}

// recordingMoves is the state machine. What is not in it is illegal.
var recordingMoves = map[recordingMove]RecordingState{
	{RecordingRunning, EventPause}:    RecordingPaused,
	{RecordingRunning, EventSeal}:     RecordingProcessing,
	{RecordingPaused, EventResume}:    RecordingRunning,
	{RecordingPaused, EventSeal}:      RecordingProcessing,
	{RecordingProcessing, EventReady}: RecordingReady,
	{RecordingProcessing, EventFail}:  RecordingFailed,
	{RecordingReady, EventDelete}:     RecordingDeleted,
	{RecordingFailed, EventDelete}:    RecordingDeleted,
}

// Next gives the state after e, and false if e is illegal in s.
func (s RecordingState) Next(e RecordingEvent) (RecordingState, bool) {
	next, ok := recordingMoves[recordingMove{s, e}]
	return next, ok
}

// Capturing says whether packets may still come in.
func (s RecordingState) Capturing() bool { return s == RecordingRunning || s == RecordingPaused }

// Durability says how safe a file or the least safe file of a recording is.
type Durability string

// The steps of durability, each including the one before.
const (
	Spooled  Durability = "spooled"  // on this machine's disk
	Stored   Durability = "stored"   // complete in the object store
	Verified Durability = "verified" // read back, hashed and committed to the catalog
)

// Container is the format of a file.
type Container string

// The containers.
const (
	WebM     Container = "webm"
	Matroska Container = "mkv"
	WAV      Container = "wav"
	Plain    Container = "bin" // bytes of any format, as they came
)

// Media is what a track carries.
type Media string

// The media. Screen is video of a screen share.
const (
	Audio  Media = "audio"
	Video  Media = "video"
	Screen Media = "screen"
)

// Codec names an encoding in lower case, as in the last part of its RTP
// media type.
type Codec string

// The codecs.
const (
	Opus Codec = "opus"
	VP8  Codec = "vp8"
	VP9  Codec = "vp9"
	H264 Codec = "h264"
	H265 Codec = "h265"
	AV1  Codec = "av1"
	PCMU Codec = "pcmu" // G.711 mu-law
	PCMA Codec = "pcma" // G.711 A-law
)

// TrackType is whom a track shows, as the Recordings tab names it. The values
// are wire values.
type TrackType string

// The track types.
const (
	TrackOperator        TrackType = "Operator"
	TrackGuest           TrackType = "Guest"
	TrackAllParticipants TrackType = "AllParticipants"
	TrackScreenSharing   TrackType = "ScreenSharing"
	TrackOther           TrackType = "Other"
)

// GapCause is why a track has a hole.
type GapCause string

// The causes.
const (
	GapLoss     GapCause = "loss" // packets that never came, and what depended on them
	GapMute     GapCause = "mute" // the sender sent nothing
	GapDTX      GapCause = "dtx"  // the encoder had nothing to say
	GapHold     GapCause = "hold"
	GapPause    GapCause = "pause"    // recording was paused on request
	GapOverload GapCause = "overload" // packets came faster than we took them
	GapDisk     GapCause = "disk"     // the disk was too slow, full or broken
	GapCrash    GapCause = "crash"    // this program was down
)

// Gap is a hole in a track. Start and End are offsets on the recording's
// clock, Start inclusive, End exclusive.
type Gap struct {
	Start, End time.Duration
	Cause      GapCause
	By         string // who asked for a pause: a principal's name; else empty
	Reason     string // why, in that person's words; else empty
}

// Recording is one capture inside a session. Its clock starts at StartedAt;
// the offsets of files, tracks and gaps count from there.
type Recording struct {
	ID         string
	TenantID   string
	SessionID  string
	Kind       RecordingKind
	State      RecordingState
	Reason     string // why it failed, one sentence; else empty
	Durability Durability
	StartedAt  time.Time
	EndedAt    time.Time     // zero while capturing
	SyncError  time.Duration // largest lip-sync error left in a track, zero if at most 40 ms
	Files      []File        // by offset
	Tracks     []Track       // by offset
}

// Duration gives how long the recording lasts, up to now while it captures.
func (r Recording) Duration(now time.Time) time.Duration {
	if r.EndedAt.IsZero() {
		return max(now.Sub(r.StartedAt), 0)
	}
	return r.EndedAt.Sub(r.StartedAt)
}

// File is one media file of a recording. It is immutable once sealed.
type File struct {
	ID          string
	RecordingID string
	Container   Container
	Offset      time.Duration // of the file's own zero on the recording's clock
	Duration    time.Duration // zero until sealed
	Bytes       int64         // zero until sealed
	SHA256      string        // lower-case hex, empty until verified
	Durability  Durability
	Sealed      bool   // nothing is appended or rewritten any more
	Key         string // in the object store, from the file's creation on
	Version     string // the store's version id, empty until stored or where a store has none

	// Of a shared file.
	Name string // what its sender called it, without what can't be shown; never a path
	Type string // media type as its bytes have it, without parameters; empty until sealed
}

// Transfer is a shared file on its way in, and what it takes to go on with it.
type Transfer struct {
	FileID        string
	RecordingID   string
	TenantID      string
	SessionID     string
	ParticipantID string // who sends it
	Role          Role
	Size          int64     // bytes, as announced
	Received      int64     // bytes that survive a power cut
	ExpiresAt     time.Time // it is given up then
}

// Whole says whether every byte is here.
func (t Transfer) Whole() bool { return t.Received == t.Size }

// Track is one participant's one medium in one file.
type Track struct {
	ID            string
	RecordingID   string
	FileID        string
	Lane          int // track number in the file, from 1
	ParticipantID string
	Role          Role
	Type          TrackType
	Media         Media
	Codec         Codec
	Offset        time.Duration // of the track's first frame on the recording's clock
	Duration      time.Duration // from its first frame to the end of its last
	Gaps          []Gap         // by start, not overlapping
}
