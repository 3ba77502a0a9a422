package web_test

import (
	"encoding/json"
	"net/http"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/reelvault/reelvault/api/web"
)

var (
	importPattern = regexp.MustCompile(`\b(?:import|export)\s*(?:[\w$*{}\s,]*\bfrom\s*)?["']([^"']+)["']`)
	linkPattern   = regexp.MustCompile(`(?:href|src)="(/static/[^"]+)"`)
	textPattern   = regexp.MustCompile(`(?m)^  '?([A-Za-z0-9_.]+?)'?:`)
	keyPattern    = regexp.MustCompile(`\bt\((?:[^'"` + "`" + `()]*\? )?'([^']+)'(?: : '([^']+)')?`)
	labelPattern  = regexp.MustCompile(`\blabel\('([^']+)'`)
	prefixPattern = regexp.MustCompile("\\bt\\(`([^`$]+)\\$\\{")
	quotedPattern = regexp.MustCompile("['`]([a-z]+(?:\\.[A-Za-z0-9]+)*)['`]")
)

// modules walks the page as a browser does, and gives the text of every module
// it loads by path. A link or import that leads nowhere fails the test.
func modules(t *testing.T) map[string]string {
	t.Helper()
	h := web.Handler()
	page := get(t, h, http.MethodGet, "/", nil).Body.String()
	imports := importMap(t, page)
	loaded := map[string]string{}
	var load func(from, file string)
	load = func(from, file string) {
		if _, ok := loaded[file]; ok {
			return
		}
		w := get(t, h, http.MethodGet, file, nil)
		if w.Code != http.StatusOK {
			t.Errorf("%s loads %s: got %d", from, file, w.Code)
			return
		}
		loaded[file] = w.Body.String()
		if path.Ext(file) != ".js" {
			return
		}
		for _, m := range importPattern.FindAllStringSubmatch(loaded[file], -1) {
			load(file, resolve(t, imports, file, m[1]))
		}
	}
	for _, m := range linkPattern.FindAllStringSubmatch(page, -1) {
		load("the page", m[1])
	}
	if len(loaded) < 10 {
		t.Fatalf("got %d files, want the whole page", len(loaded))
	}
	return loaded
}

func importMap(t *testing.T, page string) map[string]string {
	t.Helper()
	_, rest, _ := strings.Cut(page, `<script type="importmap">`)
	text, _, _ := strings.Cut(rest, "</script>")
	var m struct{ Imports map[string]string }
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("the import map is no JSON: %v", err)
	}
	return m.Imports
}

// resolve finds a module as import maps have it: relative names by place, bare
// ones whole or by the longest prefix that ends in a slash.
func resolve(t *testing.T, imports map[string]string, from, name string) string {
	t.Helper()
	if strings.HasPrefix(name, ".") {
		return path.Join(path.Dir(from), name)
	}
	if to, ok := imports[name]; ok {
		return to
	}
	best := ""
	for prefix := range imports {
		if strings.HasSuffix(prefix, "/") && strings.HasPrefix(name, prefix) && len(prefix) > len(best) {
			best = prefix
		}
	}
	if best == "" {
		t.Errorf("%s imports %q, which the import map lacks", from, name)
		return ""
	}
	return imports[best] + strings.TrimPrefix(name, best)
}

// Nothing has to be fetched from elsewhere, and nothing is missing.
func TestEveryImportIsEmbedded(t *testing.T) {
	for file, text := range modules(t) {
		for _, m := range importPattern.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				t.Errorf("%s imports %s from elsewhere", file, m[1])
			}
		}
	}
}

// The catalogue holds every text that the modules ask for, and no other.
func TestTextCatalogue(t *testing.T) {
	texts := map[string]bool{} // key -> asked for
	var asked, groups []string
	quoted := map[string]bool{}
	for file, text := range modules(t) {
		if strings.HasSuffix(file, "/app/texts.js") {
			for _, m := range textPattern.FindAllStringSubmatch(text, -1) {
				texts[strings.TrimSuffix(strings.TrimSuffix(m[1], ".one"), ".other")] = false
			}
			continue
		}
		if !strings.Contains(file, "/app/") {
			continue
		}
		for _, m := range keyPattern.FindAllStringSubmatch(text, -1) {
			asked = append(asked, m[1:]...)
		}
		for _, m := range labelPattern.FindAllStringSubmatch(text, -1) {
			groups = append(groups, m[1]+".")
		}
		for _, m := range prefixPattern.FindAllStringSubmatch(text, -1) {
			groups = append(groups, m[1])
		}
		for _, m := range quotedPattern.FindAllStringSubmatch(text, -1) {
			quoted[m[1]] = true
		}
	}
	for _, key := range asked {
		if _, ok := texts[key]; !ok && key != "" {
			t.Errorf("no text %q", key)
		}
		texts[key] = true
	}
	for key, used := range texts {
		if !used && !quoted[key] && !inGroup(key, groups) {
			t.Errorf("text %q is never shown", key)
		}
	}
}

func inGroup(key string, groups []string) bool {
	for _, g := range groups {
		if strings.HasPrefix(key, g) {
			return true
		}
	}
	return false
}

// Texts stand in the catalogue alone: no template has words of its own but
// names of products.
func TestTemplatesHaveNoWords(t *testing.T) {
	words := regexp.MustCompile(`>\s*([A-Z][a-z]{2,}[^<>{}$` + "`" + `=;()]*)<`)
	names := map[string]bool{"Reelvault": true, "GStreamer": true}
	for file, text := range modules(t) {
		if !strings.Contains(file, "/app/views/") && !strings.HasSuffix(file, "/app/main.js") {
			continue
		}
		for _, m := range words.FindAllStringSubmatch(text, -1) {
			if word := strings.TrimSpace(m[1]); !names[word] {
				t.Errorf("%s has the words %q outside of the catalogue", file, word)
			}
		}
	}
}
