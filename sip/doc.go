// Package sip is the session recording server: it answers recording clients
// (RFC 7866, RFC 3261) over UDP and TCP, and hands their media to a
// media.Sink.
//
//	datagram, stream -> gate -> sipgo's transactions -> Server -> call
//	                                                      |         |-- siprec: who takes part
//	                                                      |         |-- sdp:    what is answered
//	                                                      |         '-- rtp:    ports -> media.Track
//	                                                      '-> Calls: a session for each call
//
// The gate stands in front of the transport: it lets in who is allowed, mends
// what many clients write wrong, bounds size and rate, and answers what is no
// SIP, so that only well-formed messages come further. A connection holds no
// more than what has come of one message, and is closed when it is silent and
// no call came over it; that goes for connections that this side opens, too.
//
// A call is one dialog. Its goroutine is the handler of its first INVITE and
// lives as long as the call: it repeats the 200 until the ACK, watches for
// silence and for a session timer that nobody refreshes, and ends the call in
// one place, whatever was the cause. Other requests act on it under its lock.
//
// A call is worth more than its description: an INVITE with audio of ours is
// recorded, whatever its metadata lacks. The client refreshes. This side makes
// an offer only where an INVITE within the call leaves that to it, so two
// offers can't cross on the wire, but one that comes before another is answered
// gets 491.
//
// An INVITE is refused by 403 from outside the allowed networks or with
// telephony switched off, 415 with an encoded body, 482 if it came twice by
// different ways, 488 without usable audio, and 503 with Retry-After when
// there is no port, no room on the disk, or the server is ending. A message of
// more than MaxMessage bytes gets 513, and its connection is closed.
package sip

import "time"

const (
	// MaxMessage is how many bytes a SIP message may have. Metadata of a
	// conference of a hundred takes some 100 KiB; UDP takes 64 KiB anyway.
	MaxMessage = 1 << 20

	// maxHead bounds the part of a message before its body.
	maxHead = 64 << 10

	// beginTime bounds how long an INVITE may wait for catalog and recorder.
	beginTime = 5 * time.Second
)
