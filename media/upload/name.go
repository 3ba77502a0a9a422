package upload

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// nameBytes is what file systems allow a name to have.
	nameBytes = 255

	// extensionBytes bounds what counts as an extension when a name is cut.
	extensionBytes = 16

	// unnamed is what a file without a name is called.
	unnamed = "file"
)

// Name makes of what a sender calls a file what can be shown and kept: the
// last part of a path, in valid UTF-8, on one line, without characters that
// are invisible or turn the text around them, at most 255 bytes, its extension
// kept. It is never empty, and never "." or "..". It is for people: whoever
// makes a file of that name has to see that it names no device or place.
func Name(given string) string {
	given = given[strings.LastIndexAny(given, `/\`)+1:]
	name := strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '_'
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, given)
	name = shorten(strings.Join(strings.Fields(name), " "))
	if strings.Trim(name, ". ") == "" {
		return unnamed
	}
	return name
}

// shorten cuts a name that is too long before its extension.
func shorten(name string) string {
	if len(name) <= nameBytes {
		return name
	}
	extension := path.Ext(name)
	if len(extension) > extensionBytes {
		extension = ""
	}
	end := nameBytes - len(extension)
	for end > 0 && !utf8.RuneStart(name[end]) {
		end--
	}
	return strings.TrimRight(name[:end], " ") + extension
}
