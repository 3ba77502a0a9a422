package sip

import "log/slog"

// Take is what the gate makes of a datagram of an allowed client.
func Take(data []byte) (onward, answer []byte) {
	g := newGate(loopback, slog.New(slog.DiscardHandler))
	d := &datagrams{gate: g}
	return d.take(data, loopback[0].Addr())
}
