// Command bench measures what a recorded stream costs, and prints a table.
//
//	bench                  all figures: recorder against a receiver that discards
//	bench load --whip URL  publishers against any server's WHIP address
//	bench discard          a WHIP server that throws every packet away
//	bench calls            telephone calls against a receiver that discards
//	bench callload --sip A calls to any session recording server
//	bench udpdiscard       ports that throw every packet away
//
// Processor time is user and system time of the server process alone, from
// /proc, in milliseconds a stream-second; a publisher is two streams. Both
// servers get the same publishers one after the other in each round, so that
// a noisy machine is noisy for both.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/alecthomas/kong"
)

type cli struct {
	All     allCmd     `cmd:"" default:"withargs" help:"Measure everything and print the table."`
	Calls   callsCmd   `cmd:"" help:"Measure telephone calls and print their table."`
	Load    loadCmd    `cmd:"" help:"Publish to a WHIP address."`
	Discard discardCmd `cmd:"" help:"Serve WHIP and discard what comes."`

	Callload   callLoadCmd   `cmd:"" help:"Call a session recording server."`
	Udpdiscard udpDiscardCmd `cmd:"" help:"Discard UDP on many ports."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var c cli
	k := kong.Parse(&c, kong.BindTo(ctx, (*context.Context)(nil)))
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:forbidigo // main ends the process
	}
}
