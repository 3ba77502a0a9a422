package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version gives the module's version and the commit it was built from, as far
// as the build knew them.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text := info.Main.Version
	if text == "" {
		text = "(devel)"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			text += " " + s.Value
		}
	}
	return text
}

func printVersion(out output) error {
	_, err := fmt.Fprintf(out.stdout, "reelvault %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
