package api_test

import (
	"mime"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/api"
)

func download(session, file, bearer string) call {
	return call{method: "POST", path: "/api/v1/sessions/" + session + "/files/" + file + "/download", bearer: bearer}
}

// Who takes part in a call gets what was shared in it, and nothing else.
func TestDownload(t *testing.T) {
	w := newWorld(t)
	file := w.share(t, w.a.Token, w.a.Session, "a.txt", "hello")
	inCall := w.ticket(t, w.a.Token, w.a.Session, "call")
	scoped, _ := w.token(t, w.a, reelvault.ScopeRecordingsDownload)
	for name, bearer := range map[string]string{"call": inCall, "tab": w.ticket(t, w.a.Token, w.a.Session, "tab"), "token": scoped} {
		got := w.do(download(w.a.Session, file, bearer))
		wantStatus(t, got, 201)
		link := decode[struct{ URL, ExpiresAt string }](t, got)
		bytes := w.do(call{method: "GET", path: link.URL})
		if bytes.Code != 200 || bytes.Body.String() != "hello" || link.ExpiresAt == "" {
			t.Errorf("%s: got %d %q", name, bytes.Code, bytes.Body)
		}
		if e := w.lastEvent(t, w.a.ID); e.Action != "download" || e.Target != "file/"+file {
			t.Errorf("%s: got audit event %+v", name, e)
		}
	}

	elsewhere := w.share(t, w.a.Token, w.session(t, w.a), "b.txt", "hello")
	coming := w.announce(t, w.a.Token, w.a.Session, "c.txt", 5)
	for name, id := range map[string]string{
		"another session's": elsewhere, "another tenant's": w.share(t, w.b.Token, w.b.Session, "d.txt", "hello"), "a recording's": w.a.File,
		"unknown": newID(), "no id": "x", "not whole": coming[strings.LastIndex(coming, "/")+1:],
	} {
		if got := w.do(download(w.a.Session, id, inCall)); got.Code != 404 {
			t.Errorf("%s: got %d %s", name, got.Code, got.Body)
		}
	}
	rec, err := w.catalog.RecordingOfFile(t.Context(), file)
	must(t, err)
	wantStatus(t, w.do(call{method: "DELETE", path: "/api/v1/recordings/" + rec.ID, bearer: w.a.Token}), 204)
	wantStatus(t, w.do(download(w.a.Session, file, inCall)), 404)
}

// Whatever a file is, its bytes are kept and never shown: as an attachment,
// of a type that no browser runs, in a sandbox.
func TestDownloadIsHarmless(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct{ name, content, want string }{
		{"page.html", "<!DOCTYPE html><script>alert(1)</script>", "application/octet-stream"},
		{"image.png", "<html><script>alert(1)</script>", "application/octet-stream"},
		{"x.svg", `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`, "application/octet-stream"},
		{"x.xml", `<?xml version="1.0"?><a/>`, "application/octet-stream"},
		{"x.xhtml", `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>`, "application/octet-stream"},
		{"x.js", "alert(1)", "application/octet-stream"},
		{"x.css", "a{}", "application/octet-stream"},
		{"x.exe", "MZ\x90\x00", "application/octet-stream"},
		{"x.wasm", "\x00asm\x01\x00\x00\x00", "application/octet-stream"},
		{"x.eml", "From: a", "application/octet-stream"},
		{"x.pdf", "%PDF-1.7", "application/pdf"},
		{"x.jpg", "\xff\xd8\xff\xe0", "image/jpeg"},
		{"x.csv", "a;b", "text/csv"},
	} {
		file := w.share(t, w.a.Token, w.a.Session, tt.name, tt.content)
		play, _ := w.credential(t, reelvault.Credential{
			Kind: reelvault.CredentialTicket, TenantID: w.a.ID, IssuerID: w.a.TokenID, Purpose: reelvault.PurposePlay, FileID: file,
		})
		link := decode[struct{ URL string }](t, w.do(download(w.a.Session, file, w.a.Token)))
		for _, url := range []string{link.URL, "/media/" + play + "/" + file + ".bin"} {
			got := w.do(call{method: "GET", path: url})
			wantStatus(t, got, 200)
			wantHeaders(t, tt.name, got, map[string]string{
				"Content-Type": tt.want, "X-Content-Type-Options": "nosniff", "Content-Disposition": `attachment; filename="` + tt.name + `"`,
				"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'; sandbox",
				"Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "no-referrer",
			})
			if got.Body.String() != tt.content {
				t.Errorf("%s: got %q", tt.name, got.Body)
			}
		}
	}
}

var sharedNames = map[string]string{
	"invoice.pdf":                        `attachment; filename="invoice.pdf"`,
	"č.pdf":                              `attachment; filename="_.pdf"; filename*=UTF-8''%C4%8D.pdf`,
	"e\u0301 📷.png":                      `attachment; filename="e_ _.png"; filename*=UTF-8''e%CC%81%20%F0%9F%93%B7.png`,
	"":                                   `attachment; filename="file"`,
	"..":                                 `attachment; filename="file"`,
	".htaccess":                          `attachment; filename="htaccess"`,
	"a.txt. . ":                          `attachment; filename="a.txt"`,
	"../../etc/passwd":                   `attachment; filename="_.._etc_passwd"`,
	`C:\x.txt`:                           `attachment; filename="C__x.txt"`,
	`a"b;c%2f.txt`:                       `attachment; filename="a_b_c_2f.txt"`,
	"a\r\nSet-Cookie: x=1":               `attachment; filename="aSet-Cookie_ x=1"`,
	"evil\u202efdp.exe":                  `attachment; filename="evilfdp.exe"`,
	"CON":                                `attachment; filename="_CON"`,
	"con.txt":                            `attachment; filename="_con.txt"`,
	"nul .tar.gz":                        `attachment; filename="_nul .tar.gz"`,
	"LPT1.pdf":                           `attachment; filename="_LPT1.pdf"`,
	"com¹.pdf":                           `attachment; filename="_com_.pdf"; filename*=UTF-8''_com%C2%B9.pdf`,
	"CONIN$":                             `attachment; filename="_CONIN$"`,
	"CONSOLE.txt":                        `attachment; filename="CONSOLE.txt"`,
	"'x'*.txt":                           `attachment; filename="'x'_.txt"`,
	strings.Repeat("a", 10_000) + ".pdf": `attachment; filename="` + strings.Repeat("a", 176) + `.pdf"`,
}

// A shared file keeps its name as far as every system can take it.
func TestSharedDisposition(t *testing.T) {
	for name, want := range sharedNames {
		if got := api.SharedDisposition(name); got != want {
			t.Errorf("%.80q:\n got %s\nwant %s", name, got, want)
		}
	}
}

// Whatever a file is called, the header is one value that holds one harmless
// name, twice at most.
func FuzzSharedDisposition(f *testing.F) {
	for name := range sharedNames {
		f.Add(name)
	}
	for _, name := range []string{"\xff\xfe.txt", "a\x00b", "aux.\u00b2", "COM\u00b2.x", strings.Repeat("я", 300) + ".docx", "a." + strings.Repeat("b", 300), "con\u0301"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := api.SharedDisposition(name)
		if i := strings.IndexFunc(got, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsControl(r) }); i >= 0 {
			t.Fatalf("got %q, which is no header value", got)
		}
		kind, params, err := mime.ParseMediaType(got)
		if err != nil || kind != "attachment" || len(params) != 1 {
			t.Fatalf("got %q: %v, %v", got, params, err)
		}
		file := params["filename"]
		base, _, _ := strings.Cut(file, ".")
		if file == "" || file != filepath.Base(file) || strings.ContainsAny(file, `/\:*?"<>|`) || len(file) > 180+1 || !utf8.ValidString(file) ||
			strings.HasPrefix(file, ".") || strings.HasSuffix(file, ".") || strings.HasSuffix(file, " ") || base == "CON" || base == "nul" {
			t.Fatalf("got the file name %q", file)
		}
	})
}
