package sip

import (
	"log/slog"
	"net"
	"time"
)

// Take is what the gate makes of a datagram of an allowed client.
func Take(data []byte) (onward, answer []byte) {
	g := newGate(loopback, slog.New(slog.DiscardHandler))
	d := &datagrams{gate: g}
	return d.take(data, loopback[0].Addr())
}

// MostHeld is what a connection may hold of messages at most: one message as
// it came and as it goes on.
const MostHeld = 2 * (maxHead + MaxMessage)

// Stream is what sipgo reads of a connection of an allowed client, and how much
// of it is held to be read.
func Stream(conn net.Conn) (net.Conn, func() int) {
	g := newGate(loopback, slog.New(slog.DiscardHandler))
	s := newStreams(nil, g, time.Hour, func(string) bool { return false }).admit(conn)
	return s, func() int { return cap(s.pending) }
}
