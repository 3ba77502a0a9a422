package siprec

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// MaxMetadata is how many bytes of metadata are read. A conference of a
	// hundred takes some 100 KiB.
	MaxMetadata = 1 << 20

	maxDepth    = 32      // elements within each other; the standard has 5
	maxElements = 20_000  // in one document
	maxText     = 4 << 10 // bytes of one element's text
)

// element is an XML element without its namespaces.
type element struct {
	name     string
	attrs    map[string]string
	text     string
	children []*element
}

var errLimit = errors.New("over its limits")

// readTree reads a document up to its end or to where it breaks. What was
// read till then is kept, with the error.
func readTree(text []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(clip(text, MaxMetadata)))
	d.Strict = false // unknown entities and forgotten end tags are no reason to lose the rest
	d.CharsetReader = charset
	root := &element{}
	open := []*element{root}
	for count := 0; ; {
		token, err := d.RawToken()
		if err != nil {
			return root, ended(err, len(text), len(open))
		}
		top := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if count++; count > maxElements || len(open) > maxDepth {
				return root, errLimit
			}
			e := newElement(t)
			top.children = append(top.children, e)
			open = append(open, e)
		case xml.EndElement:
			open = closeTo(open, t.Name.Local)
		case xml.CharData:
			if room := maxText - len(top.text); room > 0 {
				top.text += string(clip(bytes.TrimSpace(t), room))
			}
		default:
		}
	}
}

// ended says what to make of the decoder's end.
func ended(err error, size, open int) error {
	switch {
	case size > MaxMetadata:
		return fmt.Errorf("%d bytes: %w", size, errLimit)
	case !errors.Is(err, io.EOF):
		return err
	case open > 1:
		return io.ErrUnexpectedEOF
	}
	return nil
}

func newElement(t xml.StartElement) *element {
	e := &element{name: strings.ToLower(t.Name.Local)}
	for _, a := range t.Attr {
		if e.attrs == nil {
			e.attrs = map[string]string{}
		}
		e.attrs[strings.ToLower(a.Name.Local)] = string(clip([]byte(strings.TrimSpace(a.Value)), maxText))
	}
	return e
}

// closeTo leaves the innermost open element of this name; one that was never
// opened leaves nothing.
func closeTo(open []*element, name string) []*element {
	for i := len(open) - 1; i > 0; i-- {
		if strings.EqualFold(open[i].name, name) {
			return open[:i]
		}
	}
	return open
}

// charset reads what documents declare besides UTF-8. Every byte of the
// Latin sets is a character; names in others come out readable but wrong.
func charset(label string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "utf-8", "utf8", "us-ascii", "ascii":
		return in, nil
	}
	b, err := io.ReadAll(io.LimitReader(in, MaxMetadata))
	if err != nil {
		return nil, err
	}
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return strings.NewReader(s.String()), nil
}

// each calls f with every element below e that is not within an extension.
func (e *element) each(f func(*element)) {
	for _, c := range e.children {
		f(c)
		if !strings.HasPrefix(c.name, "extension") {
			c.each(f)
		}
	}
}

// all calls f with every element below e.
func (e *element) all(f func(*element)) {
	for _, c := range e.children {
		f(c)
		c.all(f)
	}
}

// child gives the text of the first child of that name.
func (e *element) child(name string) string {
	for _, c := range e.children {
		if c.name == name {
			return c.text
		}
	}
	return ""
}

// value gives the first that is there of some attributes and children.
func (e *element) value(names ...string) string {
	for _, n := range names {
		if v := e.attrs[n]; v != "" {
			return v
		}
	}
	for _, n := range names {
		if v := e.child(n); v != "" {
			return v
		}
	}
	return ""
}
