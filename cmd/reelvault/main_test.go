package main

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.yaml.in/yaml/v3"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"reelvault": main})
}

// The program is what it says on the terminal: see testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await": await, "mode": mode,
		},
	})
}

// await waits until a file has a text: await FILE TEXT.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE TEXT")
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(text), args[1]) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%s holds %q, %v; want %q", args[0], text, err, args[1])
		}
	}
}

// mode checks the permissions of a file: mode FILE 600.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode FILE MODE")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := info.Mode().Perm().String(); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}

// printed gives what reelvault config prints, without the origins.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var stdout bytes.Buffer
	if err := run(t.Context(), append([]string{"config"}, args...), nil, output{&stdout, os.Stderr}); err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(` # .*`).ReplaceAllString(stdout.String(), "")
}

// The example file has every setting, and each with its default.
func TestExample(t *testing.T) {
	want := printed(t)
	if got := printed(t, "--config", "example.yaml"); got != want {
		t.Errorf("with the example file the configuration is\n%s\nwant the defaults\n%s", got, want)
	}
	text, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := keys(t, text), keys(t, []byte(want)); !slices.Equal(got, want) {
		t.Errorf("the example file has\n%v\nwant\n%v", got, want)
	}
}

// keys gives the keys of a YAML mapping, sorted.
func keys(t *testing.T, text []byte) []string {
	t.Helper()
	var settings map[string]any
	if err := yaml.Unmarshal(text, &settings); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range settings {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) == 0 {
		t.Fatal("there are no settings")
	}
	return names
}
