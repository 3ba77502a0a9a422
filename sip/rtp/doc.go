// Package rtp receives the media of telephone calls: it gives each stream a
// port, takes what arrives there from where it may come, and hands it to the
// stream's tracks with the kernel's arrival times.
//
//	sockets of a worker --sweep, every 40 ms--> latch -> parse -> media.Track
//	                                             '-- a foreign source: dropped and counted
//
// A call sends a hundred small packets a second. To wake a goroutine for each
// would cost more than all that is done with them, so nothing wakes: a few
// workers look into all their sockets at fixed times and take what has come
// in, many packets a system call. The kernel stamps each packet on arrival, so
// looking late changes no timing. The sockets' buffers hold several seconds,
// and what is taken from one of them at a time is bounded: a flood on one port
// costs that stream its packets and the others nothing.
//
// Payloads are copied once, into chunks that many packets share, and never
// written to again.
package rtp

import (
	"time"
)

const (
	// sweepEvery is how often a worker looks: two packets a stream by then,
	// and a tenth of what the jitter buffer waits.
	sweepEvery = 40 * time.Millisecond

	// reportSweeps is how many sweeps pass between looks for RTCP, which a
	// sender sends every five seconds and which carries its own time.
	reportSweeps = 25

	// sweepPackets bounds what one sweep takes from one socket: sixty times
	// what a G.711 sender sends in that time.
	sweepPackets = 128

	// lastPackets bounds what is taken from a socket that is closed: more than
	// receiveBuffer has room for, so that only a flood that goes on leaves
	// something behind.
	lastPackets = 1024

	// batchPackets is how many packets one system call takes at most.
	batchPackets = 16

	// packetSize is the longest packet that is read: more than G.711 with
	// packets of 150 ms, and no less than an Ethernet frame.
	packetSize = 2048

	// receiveBuffer is asked of the kernel for each RTP socket. Linux doubles
	// it and charges some 770 bytes a packet of 20 ms: 6 s.
	receiveBuffer = 128 << 10

	// coolDown is how long a port rests before another call gets it, so that
	// late packets of the last one find nobody.
	coolDown = 10 * time.Second

	maxWorkers = 4
)

// DefaultSourceWait is Config.SourceWait where none is set.
const DefaultSourceWait = 2 * time.Second
