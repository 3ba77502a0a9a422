package api_test

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files anew")

// The OpenAPI document is a promise: a change of it shows in review.
func TestOpenAPIGolden(t *testing.T) {
	w := newWorld(t)
	got := w.do(call{method: "GET", path: "/openapi.json"})
	wantStatus(t, got, 200)
	const path = "testdata/openapi.json"
	if *update {
		must(t, os.WriteFile(path, got.Body.Bytes(), 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if got.Body.String() != string(want) {
		t.Errorf("the OpenAPI document differs from %s; if that is meant, run the test with -update", path)
	}
}

// Lists are never null, so the document must not say that they could be.
func TestOpenAPIHasNoNullLists(t *testing.T) {
	doc := newWorld(t).do(call{method: "GET", path: "/openapi.json"}).Body.String()
	if strings.Contains(doc, `"null"`) {
		t.Error("got a schema that allows null")
	}
	for _, unwanted := range []string{"ErrorModel", "ErrorDetail", "View\""} {
		if strings.Contains(doc, unwanted) {
			t.Errorf("got %q in the document", unwanted)
		}
	}
}
