package reelvault_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/reelvault/reelvault"
)

const hidden = "hush-hush"

// pocket holds secrets in every way that configurations do.
type pocket struct {
	Plain   reelvault.Secret
	Pointer *reelvault.Secret
	List    []reelvault.Secret
	Map     map[string]reelvault.Secret
	Inner   struct{ Secret reelvault.Secret }
	Any     any
}

func newPocket() pocket {
	s := reelvault.Secret(hidden)
	p := pocket{
		Plain: s, Pointer: &s, List: []reelvault.Secret{s}, Map: map[string]reelvault.Secret{"key": s}, Any: s,
	}
	p.Inner.Secret = s
	return p
}

// wantHidden fails if text holds the secret in the clear, as hex or as numbers,
// or doesn't say that something was left out.
func wantHidden(t *testing.T, how, text string) {
	t.Helper()
	for _, leak := range []string{hidden, fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden), "104 117 115 104"} {
		if strings.Contains(text, leak) {
			t.Errorf("%s: got the secret in %s", how, text)
		}
	}
	if !strings.Contains(text, "[redacted]") {
		t.Errorf("%s: got %s, want [redacted] in it", how, text)
	}
}

// No verb prints a secret, a wrong one neither: fmt reports that with the
// value itself.
func TestSecretPrintsRedacted(t *testing.T) {
	s := reelvault.Secret(hidden)
	for _, flags := range []string{"", "+", "#", "-20", "020", ".3", " "} {
		for _, verb := range "vsqxXdobOeEfFgGtcUz" {
			format := "%" + flags + string(verb)
			wantHidden(t, format, fmt.Sprintf(format, s))
			wantHidden(t, format+" of a pocket", fmt.Sprintf(format, newPocket().List))
		}
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		p := newPocket()
		p.Pointer = nil // prints as an address
		wantHidden(t, format+" of a struct", fmt.Sprintf(format, p))
		wantHidden(t, format+" of a pointer to it", fmt.Sprintf(format, &p))
	}
	for _, printed := range []string{
		fmt.Sprint(s), fmt.Sprintln("key", s), s.String(), fmt.Errorf("bad key %s", s).Error(),
		reelvault.Errorf(reelvault.Invalid, "bad key %q", s).Error(), fmt.Sprintf("%[1]v %[1]s", s),
		fmt.Sprintf(strings.Repeat("n", 2), []any{s}...), // one value too many
	} {
		wantHidden(t, "printed", printed)
	}
}

// Whatever marshals it writes [redacted], inside of other things, too.
func TestSecretMarshalsRedacted(t *testing.T) {
	p := newPocket()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Plain":"[redacted]","Pointer":"[redacted]","List":["[redacted]"],"Map":{"key":"[redacted]"},` +
		`"Inner":{"Secret":"[redacted]"},"Any":"[redacted]"}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	tag, err := xml.Marshal(struct {
		XMLName xml.Name         `xml:"key"`
		Value   reelvault.Secret `xml:"value,attr"`
	}{Value: hidden})
	if err != nil {
		t.Fatal(err)
	}
	wantHidden(t, "XML", string(tag))
	plain, err := reelvault.Secret(hidden).MarshalText()
	if err != nil || string(plain) != "[redacted]" {
		t.Errorf("got text %q, %v", plain, err)
	}
	var page strings.Builder
	if err := template.Must(template.New("").Parse("{{.Plain}}")).Execute(&page, p); err != nil {
		t.Fatal(err)
	}
	wantHidden(t, "a template", page.String())
}

// No log has it, in either format, as a value, in a group or in a struct.
func TestSecretLogsRedacted(t *testing.T) {
	s := reelvault.Secret(hidden)
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		for what, attr := range map[string]slog.Attr{
			"any": slog.Any("key", s), "group": slog.Group("store", "key", s), "struct": slog.Any("pocket", newPocket()),
			"list": slog.Any("keys", []reelvault.Secret{s}), "error": slog.Any("err", fmt.Errorf("bad key %v", s)),
			"wrong type": slog.String("key", fmt.Sprint(s)),
		} {
			var b bytes.Buffer
			slog.New(handler(&b)).LogAttrs(t.Context(), slog.LevelInfo, "made", attr)
			wantHidden(t, name+" "+what, b.String())
		}
	}
	if got := s.LogValue(); got.Kind() != slog.KindString || got.String() != "[redacted]" {
		t.Errorf("got log value %v", got)
	}
}

// The secret itself comes from Reveal alone; that there is none may be seen.
func TestSecretReveal(t *testing.T) {
	if got := reelvault.Secret(hidden).Reveal(); got != hidden {
		t.Errorf("got %q, want %q", got, hidden)
	}
	for _, format := range []string{"%v", "%s", "%+v", "%#v", "%d"} {
		if got := fmt.Sprintf(format, reelvault.Secret("")); got != "" {
			t.Errorf("%s of none: got %q, want nothing", format, got)
		}
	}
}

// A secret is read from text as it is: only writing redacts.
func TestSecretUnmarshals(t *testing.T) {
	var p struct{ Key reelvault.Secret }
	if err := json.Unmarshal([]byte(`{"Key":"`+hidden+`"}`), &p); err != nil || p.Key.Reveal() != hidden {
		t.Errorf("got %q, %v", p.Key.Reveal(), err)
	}
}

// The scopes are wire values: what tokens hold already must go on meaning it.
func TestScopes(t *testing.T) {
	want := strings.Fields(`sessions:read sessions:write content:read content:erase recordings:play recordings:watch
		recordings:download recordings:control recordings:delete routing:write contact:write bans:write notes:write
		exports:create holds:write audit:read webhooks:write people:write tenant:admin ingest system`)
	var got []string
	for _, s := range reelvault.Scopes {
		got = append(got, string(s))
		if !regexp.MustCompile(`^[a-z]+(:[a-z]+)?$`).MatchString(string(s)) {
			t.Errorf("got the scope %q", s)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// A principal can do what is in its scopes, to the letter, and nothing else.
func TestPrincipalCan(t *testing.T) {
	for _, held := range reelvault.Scopes {
		p := reelvault.Principal{Scopes: []reelvault.Scope{held}}
		for _, asked := range reelvault.Scopes {
			if got := p.Can(asked); got != (asked == held) {
				t.Errorf("with %s, %s: got %v", held, asked, got)
			}
		}
		for _, near := range []reelvault.Scope{"", "*", held + " ", held[:len(held)-1], reelvault.Scope(strings.ToUpper(string(held)))} {
			if p.Can(near) {
				t.Errorf("with %s: got %q as well", held, near)
			}
		}
	}
	var nobody reelvault.Principal
	for _, s := range reelvault.Scopes {
		if nobody.Can(s) {
			t.Errorf("nobody can %s", s)
		}
	}
}

// The kinds and purposes of credentials are stored: their spelling is fixed,
// and no two are the same.
func TestCredentialWireValues(t *testing.T) {
	got := []string{
		string(reelvault.CredentialToken), string(reelvault.CredentialLink), string(reelvault.CredentialCookie), string(reelvault.CredentialTicket),
		string(reelvault.PurposePublish), string(reelvault.PurposeWatch), string(reelvault.PurposeTab),
		string(reelvault.PurposePlay), string(reelvault.PurposeDownload),
	}
	want := []string{"token", "link", "cookie", "ticket", "publish", "watch", "tab", "play", "download"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
