package main

import (
	"os"
	"path/filepath"
	"testing"
)

// Whatever stands in a configuration file, it is read or refused; what is read
// has a key and values that are not empty.
func FuzzConfigFile(f *testing.F) {
	example, err := os.ReadFile("example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	for _, text := range []string{
		"", "# only a comment\n", "---\n", "...", "null", "a: &x 1\nb: *x", "<<: {a: 1}", "? [k]\n: v", "a: !!binary aGk=",
		"a: |\n  two\n  lines\n", "a: [1, [2]]", "a: 1\n---\nb: 2", "\xff", "a: \x00", "{a: 1}", "a:\n- \n- x\n",
	} {
		f.Add([]byte(text))
	}
	path := filepath.Join(f.TempDir(), "config.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := readConfigFile(path)
		if err != nil {
			return
		}
		for _, e := range file.entries {
			g, set := file.lookup(e.key)
			if set != (len(e.values) > 0) {
				t.Errorf("key %q with values %q counts as set: %t", e.key, e.values, set)
			}
			for _, v := range g.values {
				if v == "" {
					t.Errorf("key %q has an empty value", e.key)
				}
			}
		}
	})
}
