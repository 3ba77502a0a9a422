package api

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/reelvault/reelvault"
)

// maxFileName bounds the name of a download in bytes: file systems take 255,
// and browsers put numbers behind it.
const maxFileName = 180

// attachment gives the Content-Disposition of a download: the session's name,
// when it began and the extension.
func (s *Server) attachment(ctx context.Context, rec reelvault.Recording, f reelvault.File) string {
	name := rec.SessionID
	if session, err := s.Catalog.Session(ctx, rec.TenantID, rec.SessionID); err == nil && session.Name != "" {
		name = session.Name
	}
	at := rec.StartedAt.Add(f.Offset).UTC().Format("20060102-150405")
	return disposition(fmt.Sprintf("%s %s %s", name, rec.Kind, at), string(f.Container))
}

// disposition makes an attachment header (RFC 6266) for a file whose name may
// hold anything. Only letters, digits, spaces and a few signs are kept, so that
// the name neither ends the header nor names a place or a device on the
// client's machine.
func disposition(name, extension string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), strings.ContainsRune(" -_()", r):
			return r
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
			return -1
		default:
			return '_'
		}
	}, name)
	name = strings.TrimSpace(cut(name, maxFileName))
	if name == "" {
		name = "recording"
	}
	name = "reelvault " + name + "." + extension // the first word keeps device names such as CON away
	plain := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '_'
		}
		return r
	}, name)
	if plain == name {
		return fmt.Sprintf("attachment; filename=%q", name)
	}
	return fmt.Sprintf("attachment; filename=%q; filename*=UTF-8''%s", plain, url.PathEscape(name))
}

// cut shortens s to at most n bytes, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
