// Command reelvault is the recorder, in one binary.
//
// Every verb is a file of this package: serve runs the product, config prints
// what serve would run with, admin mends what a page can't, version says what
// this is. main wires and prints; all else is in the packages it wires.
//
// A setting comes from its flag, else from the environment, else from the
// configuration file, else it has its default; sources.go knows the order,
// config.go the settings. Secrets have no flags: other users of the machine
// could read them.
//
// It speaks with three voices: results go to standard output, the log to
// standard error, and an error ends the program as one line "reelvault: ..."
// and at most one "hint: ..." on standard error, with exit status 1, or 2 if
// it was called wrongly. To be asked to end is no error for serve, whenever it
// comes; another verb that is interrupted ends with 130, as shells expect.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/reelvault/reelvault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ(), output{os.Stdout, os.Stderr})
	stop()
	os.Exit(report(os.Stderr, err))
}

// output is where a verb writes.
type output struct {
	stdout io.Writer // results
	stderr io.Writer // the log
}

// cli is the grammar of the command line.
type cli struct {
	Serve   Config   `cmd:"" help:"Run the recorder."`
	Config  Config   `cmd:"" help:"Print the configuration that serve would run with, as a configuration file, secrets redacted."`
	Admin   adminCLI `cmd:"" help:"Mend what a page can't."`
	Version struct{} `cmd:"" help:"Print the version."`
}

type adminCLI struct {
	Reset Place `cmd:"" help:"Print another sign-in link for the administrator, also while the server runs."`
}

// BeforeResolve has kong read the configuration file before it asks for values.
func (*cli) BeforeResolve(verb *kong.Context, s *sources) error { return s.open(verb) }

const about = `Records what happens between a customer and an operator, and plays it back.

Each setting --a-b is also REELVAULT_A_B in the environment and a-b in the file that --config names; a flag goes before
the environment, that before the file. Secrets have no flags; "reelvault config" lists them too.`

// run is the program without its process.
func run(ctx context.Context, args, env []string, out output) error {
	var c cli
	helped := false
	s := &sources{env: environment(env)}
	parser, err := kong.New(&c, kong.Name("reelvault"), kong.Description(about), kong.Writers(out.stdout, out.stderr),
		kong.Exit(func(int) { helped = true }), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 120}),
		kong.Bind(s), kong.Resolvers(s))
	if err != nil {
		return err
	}
	verb, err := parser.Parse(args)
	if helped {
		return nil
	}
	if err != nil {
		return usageError{err}
	}
	switch verb.Command() {
	case "serve":
		return s.settled(verb.Model, &c.Serve, func() error { return serve(ctx, &c.Serve, out) })
	case "config":
		return s.settled(verb.Model, &c.Config, func() error { return printConfig(verb, s, &c.Config, out) })
	case "admin reset":
		return interrupted(ctx, resetAdmin(ctx, s.place(&c.Admin.Reset), out))
	default:
		return printVersion(out)
	}
}

// errInterrupted says that a verb was asked to end before it was done.
var errInterrupted = errors.New("interrupted before it was done")

// interrupted turns err into errInterrupted if it comes from the end of ctx.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return errInterrupted
	}
	return err
}

// usageError is a call of the program that can't be understood.
type usageError struct{ error }

// Unwrap gives the error itself.
func (e usageError) Unwrap() error { return e.error }

// report prints err and gives the exit status.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	if errors.Is(err, errInterrupted) {
		_, _ = fmt.Fprintln(w, "reelvault:", errInterrupted)
		return 130
	}
	_, _ = fmt.Fprintln(w, "reelvault:", oneLine(err.Error())) // nowhere to report it to
	status, hint := 1, ""
	var usage usageError
	if errors.As(err, &usage) {
		status, hint = 2, `see "reelvault --help"`
	}
	var known *reelvault.Error
	if errors.As(err, &known) && known.Hint != "" {
		hint = known.Hint
	}
	if hint != "" {
		_, _ = fmt.Fprintln(w, "hint:", oneLine(hint))
	}
	return status
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
