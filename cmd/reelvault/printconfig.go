package main

import (
	"fmt"
	"reflect"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// printConfig prints every setting with its value, and where it comes from in
// a comment. Secrets are redacted.
func printConfig(verb *kong.Context, s *sources, c *Config, out output) error {
	doc := &yaml.Node{Kind: yaml.MappingNode}
	for _, flag := range verb.Selected().Flags {
		if flag.Name == "config" || flag.Name == "help" {
			continue
		}
		add(doc, flag.Name, scalars(flag.Target), s.origin(flag.Name))
	}
	for _, secret := range c.Secrets.each() {
		add(doc, secret.key, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: secret.value.String()}, s.origin(secret.key))
	}
	text, err := yaml.Marshal(doc)
	if err != nil {
		return err
	}
	_, err = out.stdout.Write(text)
	return err
}

func add(doc *yaml.Node, key string, value *yaml.Node, origin string) {
	value.LineComment = origin
	doc.Content = append(doc.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, value)
}

// scalars gives a setting's value as the file would have it.
func scalars(v reflect.Value) *yaml.Node {
	if v.Kind() == reflect.Slice {
		list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for i := range v.Len() {
			list.Content = append(list.Content, scalars(v.Index(i)))
		}
		return list
	}
	tag := "!!str"
	switch v.Kind() {
	case reflect.Int:
		tag = "!!int"
	case reflect.Bool:
		tag = "!!bool"
	default:
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: fmt.Sprint(v.Interface())}
}
