package upload_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/reelvault/reelvault/media/upload"
)

var names = map[string]string{
	"invoice.pdf":                        "invoice.pdf",
	"Faktura č. 7 (kopie).pdf":           "Faktura č. 7 (kopie).pdf",
	"報告書📷.pptx":                          "報告書📷.pptx",
	"":                                   "file",
	".":                                  "file",
	"..":                                 "file",
	" . . ":                              "file",
	"/":                                  "file",
	"folder/":                            "file",
	"../../etc/passwd":                   "passwd",
	`C:\Users\jana\nota.txt`:             "nota.txt",
	`..\..\boot.ini`:                     "boot.ini",
	"a/b\\c/d.txt":                       "d.txt",
	".htaccess":                          ".htaccess",
	"CON":                                "CON",
	"invoice\u202efdp.exe":               "invoicefdp.exe",
	"\u200b\ufeffx.txt":                  "x.txt",
	"a\r\nContent-Type: text/html\r\n":   "html",
	"a\r\nSet-Cookie: x=1":               "a Set-Cookie: x=1",
	"tab\tand\u2028line\u00a0break.txt":  "tab and line break.txt",
	"  spaced   out  .txt ":              "spaced out .txt",
	"nul\x00byte.txt":                    "nulbyte.txt",
	"bad\xff\xfeutf8.txt":                "bad__utf8.txt",
	"<script>alert(1)</script>":          "script>",
	`"quoted"; filename="x"`:             `"quoted"; filename="x"`,
	strings.Repeat("a", 10_000) + ".pdf": strings.Repeat("a", 251) + ".pdf",
	strings.Repeat("č", 10_000) + ".pdf": strings.Repeat("č", 125) + ".pdf",
	"a." + strings.Repeat("x", 10_000):   "a." + strings.Repeat("x", 253),
	strings.Repeat("../", 5000) + "x":    "x",
}

// A name keeps what a person can read of it, and nothing else.
func TestName(t *testing.T) {
	for given, want := range names {
		if got := upload.Name(given); got != want {
			t.Errorf("%.60q: got %.300q, want %.300q", given, got, want)
		}
	}
	r := newRig(t)
	row := r.begin(t, "../\u202eevil\r\n.pdf", 1)
	if got := r.ledger.recording(row.FileID).Files[0].Name; got != "evil .pdf" {
		t.Errorf("the file is called %q", got)
	}
}

// Whatever a file is called, its name is one line that can be shown, and names
// no place; and it stays what it is when it is sent on.
func FuzzName(f *testing.F) {
	for given := range names {
		f.Add(given)
	}
	f.Fuzz(func(t *testing.T, given string) {
		name := upload.Name(given)
		switch {
		case name == "", len(name) > 255, !utf8.ValidString(name), name == ".", name == "..":
			t.Errorf("%q: got %q", given, name)
		case strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r == '\\' || !unicode.IsPrint(r) }):
			t.Errorf("%q: %q has characters that it must not have", given, name)
		case upload.Name(name) != name:
			t.Errorf("%q: %q becomes %q the second time", given, name, upload.Name(name))
		}
		upload.Type([]byte(given), name)
	})
}

// The bytes say what a file is, and the name makes that more exact; it never
// makes it something else.
func TestType(t *testing.T) {
	const (
		html = "<!DOCTYPE html><script>alert(1)</script>"
		zip  = "PK\x03\x04rest"
		png  = "\x89PNG\r\n\x1a\nrest"
		svg  = `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`
	)
	for _, c := range []struct{ head, name, want string }{
		{"%PDF-1.7\n", "invoice.pdf", "application/pdf"},
		{"%PDF-1.7\n", "invoice.html", "application/pdf"},
		{png, "x.svg", "image/png"},
		{png, "", "image/png"},
		{html, "holiday.png", "text/html"},
		{html, "x.csv", "text/html"},
		{"  \n\t" + html, "x.txt", "text/html"},
		{svg, "x.svg", "image/svg+xml"},
		{"<?xml version='1.0'?>" + svg, "x.SVG", "image/svg+xml"},
		{"<?xml version='1.0'?><a/>", "x.docx", "text/xml"},
		{"alert(1)", "x.js", "text/javascript"},
		{"a;b\n1;2\n", "prices.csv", "text/csv"},
		{"hello", "x", "text/plain"},
		{"hello", "x.docx", "text/plain"},
		{zip, "x.zip", "application/zip"},
		{zip, "x.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
		{zip, "x.jar", "application/zip"},
		{"MZ\x90\x00\x03\x00", "x.pdf", "application/octet-stream"},
		{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "x.DOC", "application/msword"},
		{"", "empty.pdf", "text/plain"},
		{strings.Repeat(" ", 600) + html, "x", "text/plain"},
		{"\x00\x01\x02", "x.html", "application/octet-stream"},
		{"\xff\xd8\xff\xe0", strings.Repeat("x", 10_000), "image/jpeg"},
	} {
		if got := upload.Type([]byte(c.head), c.name); got != c.want {
			t.Errorf("%.20q as %.20q: got %s, want %s", c.head, c.name, got, c.want)
		}
	}
	r := newRig(t)
	row := r.begin(t, "page.html", int64(len(html)))
	r.send(t, row.FileID, 0, []byte(html))
	if f := r.ledger.recording(row.FileID).Files[0]; f.Type != "text/html" {
		t.Errorf("got file %+v", f)
	}
}
