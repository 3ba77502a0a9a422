package api

import (
	"context"
	"fmt"
	"path"
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
	return attach("reelvault " + name + "." + extension) // the first word keeps device names such as CON away
}

// sharedDisposition makes an attachment header for a file that somebody
// shared, under the name that it was given as far as every system can take it.
func sharedDisposition(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`"*/:<>?\|%;`, r), r == unicode.ReplacementChar:
			return '_'
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, name)
	// Dots and spaces in front hide a file, behind they get lost.
	name = strings.Trim(name, ". ")
	if extension := path.Ext(name); len(extension) <= maxExtension && len(name) > maxFileName {
		name = cut(name, maxFileName-len(extension)) + extension
	}
	if name = strings.TrimRight(cut(name, maxFileName), ". "); name == "" {
		name = "file"
	}
	if base, _, _ := strings.Cut(name, "."); devices[strings.ToUpper(strings.TrimSpace(base))] {
		name = "_" + name
	}
	return attach(name)
}

// maxExtension bounds what counts as an extension when a name is cut, in
// bytes.
const maxExtension = 16

// devices are names that mean a device on Windows, whatever follows a dot.
var devices = func() map[string]bool {
	all := map[string]bool{"CON": true, "PRN": true, "AUX": true, "NUL": true, "CONIN$": true, "CONOUT$": true}
	for _, port := range []string{"COM", "LPT"} {
		for _, n := range "0123456789¹²³" {
			all[port+string(n)] = true
		}
	}
	return all
}()

// attach makes the header of a name that has neither quotes, backslashes nor
// control characters.
func attach(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '_'
		}
		return r
	}, name)
	if plain == name {
		return fmt.Sprintf("attachment; filename=%q", name)
	}
	return fmt.Sprintf("attachment; filename=%q; filename*=UTF-8''%s", plain, extended(name))
}

// extended writes s as RFC 8187, section 3.2.1, has it.
func extended(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
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
