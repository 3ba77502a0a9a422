package media

import (
	"context"

	"github.com/reelvault/reelvault"
)

// Sink is where a source delivers. The recorder is one.
type Sink interface {
	// Admit says whether a new publisher would be taken now: nil, or an error
	// of kind StorageFull, Unavailable (shutting down), Forbidden (the
	// tenant's feature for p.Kind is off), NotFound (no such session) or
	// Conflict (the session has ended). One that may go on unrecorded is
	// refused for none of the first and third. Any goroutine may call it.
	Admit(ctx context.Context, p Publisher) error

	// Open starts a capture of p's media. The recording itself opens with the
	// first packet. Where Admit lets a publisher through that may not be
	// recorded, the capture keeps nothing for as long as it lives. While the
	// session is withheld from recording it keeps nothing either, until
	// Control.Release. Whoever opens a Capture closes it. Any goroutine may
	// call.
	Open(ctx context.Context, p Publisher) (Capture, error)
}

// Capture takes what one publisher sends over one connection. Its methods may
// be called from any goroutine.
type Capture interface {
	// AddTrack announces a track. requestKeyframe, nil for audio, asks the
	// sender for a keyframe; it is called from the capture goroutine, already
	// throttled, and must not block. A codec without a depacketizer is an
	// error of kind Unsupported. In a call, a party that comes again with the
	// same codec, as after a re-INVITE, gets the Track it had, closed or not.
	AddTrack(f Format, requestKeyframe func()) (Track, error)

	// Close ends the capture and returns when its last packet is in the
	// spool's hands. cause is nil when the publisher said goodbye, else what
	// broke. A second Close does nothing.
	Close(cause error)
}

// Track takes the packets of one track, in order of arrival. One goroutine at
// a time calls WritePacket; WriteReport may be called from another.
type Track interface {
	// WritePacket takes p over; it never blocks. It says whether p may be
	// forwarded to watchers who are not in the call themselves: false while
	// the recording is paused. A packet
	// that is dropped for overload, or not recorded, may still be forwarded.
	WritePacket(p *Packet) bool

	// WriteReport takes a sender report of this track; it never blocks.
	WriteReport(r Report)

	// Close says that no more packets will come. The capture's Close implies it.
	Close()
}

// Holder is a Track of a call whose sender may be on hold.
type Holder interface {
	// Hold says that the sender has been put on hold, or taken off it. A hole
	// that has to do with it is a gap of cause hold. It never blocks.
	Hold(on bool)
}

// Control is what the API may ask of the recorder. A recording that is not
// there, or is another tenant's, is an error of kind NotFound; one whose state
// does not allow the request is a Conflict that names the state.
type Control interface {
	// Pause returns when the pause holds: no packet that arrives from then on
	// is spooled, or forwarded to any watcher but one of a call (Unrecorded),
	// and what sat in buffers is gone. The clock goes on; the hole is a gap of
	// cause pause with by and reason.
	Pause(ctx context.Context, tenantID, recordingID, by, reason string) (reelvault.Recording, error)

	// Resume goes on and asks for a keyframe.
	Resume(ctx context.Context, tenantID, recordingID string) (reelvault.Recording, error)

	// Stop seals the recording. It returns when it can be played. Publishers
	// that go on sending are not recorded any more in this connection.
	Stop(ctx context.Context, tenantID, recordingID string) (reelvault.Recording, error)

	// StopSession stops every recording of a session, and returns when they
	// can be played. A session without any is no error.
	StopSession(ctx context.Context, tenantID, sessionID string) error

	// Release lets the running publishers of a session be recorded that was
	// withheld when they came. Guests who are asked for consent and have not
	// given it themselves stay withheld, there or not: release again when they
	// do. The recording's clock starts with the first packet from then on. A
	// session that has none is no error.
	Release(ctx context.Context, tenantID, sessionID string) error
}

// Gateway is the WebRTC side as the API sees it. Its methods may be called
// from any goroutine.
type Gateway interface {
	// Publish answers a WHIP offer (RFC 9725, section 4.2). Malformed SDP is
	// an error of kind Invalid, one without any codec of ours Unsupported.
	Publish(ctx context.Context, p Publisher, offer string) (Answer, error)

	// Watch answers a WHEP offer with the media of one running publisher: the
	// one that w names, or the session's only one. What comes while the
	// recording is paused is for w.Unrecorded alone. No such publisher is
	// NotFound, a codec that the offer lacks NotAcceptable.
	Watch(ctx context.Context, w Publisher, offer string) (Answer, error)

	// Patch takes a trickle or ICE restart fragment (RFC 8840) for the
	// connection with this id, if owner opened it in this session. ifMatch is
	// the request's If-Match, quotes and all, or empty. A fragment for another
	// ICE session is an error of kind Stale. The Answer is empty for a trickle;
	// after a restart its SDP is the fragment to send back with status 200.
	Patch(ctx context.Context, sessionID, id, ifMatch, fragment string) (Answer, error)

	// Hangup ends the connection with this id and returns when it has ended.
	Hangup(ctx context.Context, sessionID, id string) error

	// HangupSession ends every connection of a session.
	HangupSession(ctx context.Context, tenantID, sessionID string)

	// Publishers lists who publishes in a session now.
	Publishers(tenantID, sessionID string) []Published

	// ICEServers gives the Link header values to send with answers (RFC 9725,
	// section 4.6).
	ICEServers() []string
}

// Answer is what a WHIP or WHEP endpoint sends back.
type Answer struct {
	ID   string // of the connection: the last part of its Location
	ETag string // of its present ICE session, with quotes
	SDP  string // the answer; after an ICE restart the fragment
}

// Published is one running publisher.
type Published struct {
	Publisher
	Formats []Format
}
