package api_test

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/reelvault/reelvault/media/spool"
	"github.com/reelvault/reelvault/media/upload"
)

// uploadSpool shows a spool to the uploads.
type uploadSpool struct{ *spool.Dir }

func (s uploadSpool) Create(id string) (upload.File, error) { return s.file(s.Dir.Create(id)) }

func (s uploadSpool) Reopen(id string) (upload.File, error) { return s.file(s.Dir.Reopen(id)) }

func (uploadSpool) file(f *spool.File, err error) (upload.File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// newUploads makes the real thing, over a spool of its own.
func (w *world) newUploads(tb testing.TB) *upload.Engine {
	tb.Helper()
	dir, err := spool.Open(tb.TempDir(), spool.Config{Reserve: 1})
	must(tb, err)
	return upload.New(upload.Config{Ledger: w.catalog, Spool: uploadSpool{dir}, Now: w.clock.Now})
}

// tus makes a request of the upload protocol. headers are names and values in
// turn.
func tus(method, path, bearer, body string, headers ...string) call {
	c := call{method: method, path: path, bearer: bearer, body: body, header: map[string]string{"Tus-Resumable": "1.0.0"}}
	if method == "PATCH" {
		c.header["Content-Type"] = "application/offset+octet-stream"
	}
	for i := 0; i+1 < len(headers); i += 2 {
		c.header[headers[i]] = headers[i+1]
	}
	return c
}

func filename(name string) string {
	return "filename " + base64.StdEncoding.EncodeToString([]byte(name))
}

// announce begins an upload as somebody who may, and gives its path.
func (w *world) announce(tb testing.TB, bearer, session, name string, size int) string {
	tb.Helper()
	got := w.do(tus("POST", "/api/v1/sessions/"+session+"/files?participant=guest-1", bearer, "",
		"Upload-Length", strconv.Itoa(size), "Upload-Metadata", filename(name)))
	wantStatus(tb, got, 201)
	return got.Header().Get("Location")
}

// share shares a whole file, and gives its id.
func (w *world) share(tb testing.TB, bearer, session, name, content string) string {
	tb.Helper()
	path := w.announce(tb, bearer, session, name, len(content))
	wantStatus(tb, w.do(tus("PATCH", path, bearer, content, "Upload-Offset", "0")), 204)
	id := path[strings.LastIndex(path, "/")+1:]
	w.files.put(id, []byte(content))
	return id
}

// sampleUpload is sample, for what is about files.
func (w *world) sampleUpload(tb testing.TB, t tenant, op string) call {
	tb.Helper()
	files := "/api/v1/sessions/" + t.Session + "/files"
	switch op {
	case "createUpload":
		return tus("POST", files+"?participant=guest-1", "", "", "Upload-Length", "5", "Upload-Metadata", filename("a.txt"))
	case "createDownload":
		return call{method: "POST", path: fmt.Sprintf("%s/%s/download", files, w.share(tb, t.Token, t.Session, "a.txt", "hello"))}
	}
	// One participant has a few on their way, and the walks make many.
	if w.announced != "" {
		w.do(tus("DELETE", w.announced, t.Token, ""))
	}
	path := w.announce(tb, t.Token, t.Session, "a.txt", 5)
	w.announced = path
	if op == "appendUpload" {
		return tus("PATCH", path, "", "he", "Upload-Offset", "0")
	}
	return tus(map[string]string{"getUpload": "HEAD", "deleteUpload": "DELETE"}[op], path, "", "")
}
