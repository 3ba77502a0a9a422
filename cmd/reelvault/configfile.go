package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.yaml.in/yaml/v3"
)

// maxConfig bounds a configuration file: it has some 30 lines.
const maxConfig = 1 << 20

// configFile is a YAML mapping of keys to scalars or lists of scalars. Values
// are taken as they are written: a region 010 stays 010, and no is no boolean.
type configFile struct {
	path    string
	entries []entry // as written
}

type entry struct {
	key    string
	line   int
	values []string
}

func readConfigFile(path string) (*configFile, error) {
	text, err := readAtMost(path, maxConfig)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	err = decoder.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return &configFile{path: path}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if !errors.Is(decoder.Decode(&second), io.EOF) {
		return nil, fmt.Errorf("%s: holds more than one document", path)
	}
	f := &configFile{path: path}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: must be lines of the form key: value", path, root.Line)
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if err := f.add(root.Content[i], root.Content[i+1]); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// add takes one line of the file.
func (f *configFile) add(key, value *yaml.Node) error {
	e := entry{key: key.Value, line: key.Line}
	if slices.ContainsFunc(f.entries, func(other entry) bool { return other.key == e.key }) {
		return fmt.Errorf("%s:%d: %s is set twice", f.path, e.line, e.key)
	}
	items := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		items = value.Content
	}
	for _, item := range items {
		if item.Kind != yaml.ScalarNode {
			return fmt.Errorf("%s:%d: %s must be a value or a list of values", f.path, e.line, e.key)
		}
		if item.Value != "" && item.Tag != "!!null" {
			e.values = append(e.values, item.Value)
		}
	}
	f.entries = append(f.entries, e)
	return nil
}

// refuseUnknown fails on a key that is not in known.
func (f *configFile) refuseUnknown(known []string) error {
	for _, e := range f.entries {
		if !slices.Contains(known, e.key) {
			return fmt.Errorf("%s:%d: unknown key %q", f.path, e.line, e.key)
		}
	}
	return nil
}

func (f *configFile) lookup(key string) (given, bool) {
	for _, e := range f.entries {
		if e.key == key && len(e.values) > 0 {
			return given{e.values, fmt.Sprintf("%s:%d", f.path, e.line)}, true
		}
	}
	return given{}, false
}
