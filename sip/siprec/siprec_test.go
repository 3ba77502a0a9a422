package siprec_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reelvault/reelvault/sip/sdp"
	"github.com/reelvault/reelvault/sip/siprec"
)

const samples = "../../testmedia/siprec-samples"

// contentTypes are the types that the clients put over their bodies.
var contentTypes = map[string]string{
	"acme-siprec-offer.txt":     "multipart/mixed; boundary=unique-boundary-1",
	"broadworks-offer.txt":      "multipart/mixed;boundary=UniqueBroadWorksBoundary",
	"cisco-siprec-offer.txt":    "multipart/mixed;boundary=uniqueBoundary",
	"connectel-offer.txt":       "multipart/mixed;boundary=OSS-unique-boundary-42",
	"sonus-siprec-offer.txt":    "multipart/mixed;boundary=sonus-content-delim",
	"rfc7866-offer.txt":         "multipart/mixed;boundary=foobar",
	"form-metaswitch.txt":       `multipart/mixed;boundary="metaswitch-boundary "`,
	"form-audiocodes.txt":       "multipart/mixed;boundary=boundary_ac1fffff85b",
	"form-avaya.txt":            "multipart/mixed;boundary=foobar",
	"form-broadworks.txt":       "multipart/mixed",
	"form-broadworks-mixed.txt": "multipart/mixed;boundary=UniqueBroadWorksBoundary",
	"form-cube.txt":             "multipart/mixed;boundary=uniqueBoundary",
	"form-jambonz.txt":          "multipart/mixed;boundary=uniqueBoundary",
	"form-opensips.txt":         "multipart/mixed;boundary=OSS-unique-boundary-42",
	"form-oracle-draft.txt":     "multipart/mixed; boundary=unique-boundary-1",
	"form-oracle-typo.txt":      "multipart/mixed; boundary=unique-boundary-1",
	"form-sems.txt":             `multipart/mixed; boundary="9F0Q3nIx"`,
	"form-three-lines.txt":      "MULTIPART/MIXED; Boundary=b3",
}

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(samples, name))
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// understood puts all that was understood of a body into one line: who called,
// and then each m-line with who is heard on it.
func understood(t *testing.T, body siprec.Body) string {
	t.Helper()
	offer, err := sdp.Parse(body.SDP)
	if err != nil {
		t.Fatalf("SDP: %v", err)
	}
	meta := siprec.Parse(body.Metadata)
	labels := make([]string, len(offer.Lines))
	for i, l := range offer.Lines {
		labels[i] = l.Label
	}
	sides := meta.Sides(labels)
	var b strings.Builder
	fmt.Fprintf(&b, "%s |", meta.SessionID)
	if c := meta.Caller(sides); c >= 0 {
		fmt.Fprintf(&b, " %s calls", name(meta.Participants[c]))
	}
	for i, l := range offer.Lines {
		fmt.Fprintf(&b, " | %s %s:", l.Media, l.Label)
		for _, p := range sides[i].Participants {
			b.WriteString(" " + name(meta.Participants[p]))
		}
	}
	return b.String()
}

func name(p siprec.Participant) string { return strings.TrimSpace(p.Address + " " + p.Name) }

// Every client's body is understood: its session, who called, and whose voice
// is on which line, however far it is from the standard. That holds with the
// line ends of the wire as with those of a file.
func TestBodies(t *testing.T) {
	tests := []struct{ file, want string }{
		{"acme-siprec-offer.txt", "AavRXwIIQj1Q39eJulTipQ== | sip:9000@192.168.50.102 9000 calls | audio 16777227: sip:9000@192.168.50.102 9000 | audio 16777228: sip:1002@192.168.50.10 1002"},
		{"broadworks-offer.txt", " | | audio 1:"},
		{"cisco-siprec-offer.txt", "kQNhKFdEEeeJ9tD/VsPGWA== | sip:7301@35.162.237.204 calls | audio 1: sip:7301@35.162.237.204 | audio 2: sip:7300@35.162.237.204 7300"},
		{"connectel-offer.txt", "2+hKdGY+QvCKu8HYTdBouQ== | sip:0771121212@52.57.92.239 test_user;lang=en-US;id=22 calls | audio 1: sip:0771121212@52.57.92.239 test_user;lang=en-US;id=22 | audio 2: sip:0760516936@sip-cust1.connectel.io"},
		{"sonus-siprec-offer.txt", "MTQ3YzA3YzEtNjdkNy0xMA== | sip:2249888500@172.16.198.55 Extension 8500 calls | audio 1: sip:2249888012@172.16.195.72 | audio 2: sip:2249888500@172.16.198.55 Extension 8500"},
		{"rfc7866-offer.txt", "hVpd7YQgRW2nD22h7q60JQ== | sip:bob@biloxi.com Bob calls | audio 96: sip:bob@biloxi.com Bob | video 97: sip:bob@biloxi.com Bob | audio 98: sip:Paul@biloxi.com Paul | video 99: sip:Paul@biloxi.com Paul"},
		{"form-metaswitch.txt", "QTYwMA== | sip:2125551000@192.0.2.50 Line A calls | audio 1: sip:2125551000@192.0.2.50 Line A sip:2125552000@192.0.2.50 Line B"},
		{"form-audiocodes.txt", "0000-0000-0000-0000-00000000d3d1 | sip:1001@192.0.2.60 calls | audio 1: sip:1001@192.0.2.60 | audio 2: sip:2001@192.0.2.61"},
		{"form-avaya.txt", "av1 | sip:7001@avaya.example Ann calls | audio 1: sip:7001@avaya.example Ann | audio 2: sip:ASBCE@asbce.com"},
		{"form-broadworks.txt", "22222222-181e-4f94-a137-a3ddd085b35f | sip:+12405550123@192.0.2.40 calls | audio 5: sip:5c1e0a94@webex.example Ursula | audio 6: sip:+12405550123@192.0.2.40"},
		{"form-broadworks-mixed.txt", "92222222-181e-4f94-a137-a3ddd085b35f | sip:100@192.0.2.41 calls | audio 5: sip:100@192.0.2.41 sip:200@192.0.2.41"},
		{"form-cube.txt", "GzxTlIobEeiRZ9D/VsPGWA== | sip:808808@192.0.2.31 calls | audio 1: sip:808808@192.0.2.31 | audio 2: sip:4300@192.0.2.32 Front Desk"},
		{"form-jambonz.txt", "d1f2 | sip:+4415550100@example.net +4415550100 calls | audio 1: sip:+4415550100@example.net +4415550100 | audio 2: sip:+4415550200@example.net +4415550200"},
		{"form-opensips.txt", "6vLHIbE2R3+xD4lh8VwoCg== | sip:alice@example.org calls | audio 0: sip:alice@example.org | audio 1: sip:bob@example.org"},
		{"form-oracle-draft.txt", "79b2fcd8-5c7f-455c-783f-db334e5d57d0 | sip:mary@example.com Mary calls | audio 16777227: sip:mary@example.com Mary | audio 16777228: sip:2000@example.com Desk"},
		{"form-oracle-typo.txt", "BYiC7uSZQGN3VQdzWI1HWw== | sip:+15551230000@192.0.2.21 Customer calls | audio 16777227: sip:agent7@192.0.2.20 agent7 | audio 16777228: sip:+15551230000@192.0.2.21 Customer"},
		{"form-sems.txt", "S-1 | sip:4310001@192.0.2.80 calls | audio a_leg: sip:4310001@192.0.2.80 | audio b_leg: sip:4310002@192.0.2.80"},
		{"form-three-lines.txt", "c3 | sip:x@example.org calls | audio 1: sip:x@example.org | audio 2: sip:y@example.org | audio 3: sip:x@example.org sip:y@example.org"},
	}
	files, err := filepath.Glob(filepath.Join(samples, "*.txt"))
	if err != nil || len(files) != len(tests) || len(contentTypes) != len(tests) {
		t.Fatalf("samples: got %d files and %d types, want %d (%v)", len(files), len(contentTypes), len(tests), err)
	}
	for _, tt := range tests {
		text := read(t, tt.file)
		for end, body := range map[string][]byte{
			"LF": text, "CRLF": []byte(strings.ReplaceAll(string(text), "\n", "\r\n")),
		} {
			t.Run(tt.file+" "+end, func(t *testing.T) {
				if got := understood(t, siprec.Split(contentTypes[tt.file], body)); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
			})
		}
	}
}

// A body without parts is SDP or metadata by its type, or else by its content.
func TestSinglePart(t *testing.T) {
	const offer, meta = "v=0\r\nm=audio 1 RTP/AVP 0\r\n", "<recording xmlns='urn:ietf:params:xml:ns:recording:1'/>"
	tests := []struct{ kind, body, sdp, meta string }{
		{"application/sdp", offer, strings.TrimSpace(offer), ""},
		{"Application/SDP; charset=utf-8", offer, strings.TrimSpace(offer), ""},
		{"", offer, strings.TrimSpace(offer), ""},
		{"application/rs-metadata+xml", meta, "", meta},
		{"application/rs-metadata", " \r\n" + meta, "", meta},
		{"application/xml", meta, "", meta},
		{"text/plain", "hello", "", ""},
		{"application/rs-metadata-request", "<requestsnapshot/>", "", ""},
		{"multipart/mixed", "", "", ""},
		{"", "", "", ""},
	}
	for _, tt := range tests {
		got := siprec.Split(tt.kind, []byte(tt.body))
		if string(got.SDP) != tt.sdp || string(got.Metadata) != tt.meta {
			t.Errorf("%q %q: got SDP %q, metadata %q; want %q, %q", tt.kind, tt.body, got.SDP, got.Metadata, tt.sdp, tt.meta)
		}
	}
}

// A part with no headers, more parts than are read, and an encoded part are
// taken as far as they go, and said.
func TestOddParts(t *testing.T) {
	part := "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"
	tests := []struct{ name, body, sdp, note string }{
		{"no header", "--b\r\n\r\nv=0\r\n--b--", "v=0", ""},
		{"not even an empty line", "--b\r\nv=0\r\nm=audio 1 RTP/AVP 0\r\n--b--", "v=0\r\nm=audio 1 RTP/AVP 0", ""},
		{"empty line before the headers", "--b\r\n\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--", "v=0", ""},
		{"the first of two", "--b\r\n\r\nv=0\r\n--b\r\n\r\nv=0\r\ns=2\r\n--b--", "v=0", ""},
		{"no end", "--b\r\n\r\nv=0\r\n", "v=0", "odd: the body has no end boundary"},
		{"nothing within", "hello", "", "lost: the body is multipart and has no part within its boundary"},
		{"too many", strings.Repeat(part, 16) + "--b\r\n\r\nv=0\r\n--b--", "", "lost: 1 parts after the first 16 are ignored"},
		{"encoded", "--b\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\ndj0w\r\n--b--", "dj0w", `lost: a part is encoded as "base64"`},
	}
	for _, tt := range tests {
		got := siprec.Split("multipart/mixed;boundary=b", []byte(tt.body))
		if string(got.SDP) != tt.sdp {
			t.Errorf("%s: got SDP %q, want %q", tt.name, got.SDP, tt.sdp)
		}
		if tt.note != "" && !strings.Contains(fmt.Sprint(got.Notes), tt.note) {
			t.Errorf("%s: got notes %v, want %q among them", tt.name, got.Notes, tt.note)
		}
	}
}

// Metadata that breaks off, or is more than is read, is kept up to there; no
// entity expands.
func TestHostileMetadata(t *testing.T) {
	const head = `<recording xmlns='urn:ietf:params:xml:ns:recording:1'><participant participant_id="a"><nameID aor="sip:a@b"/></participant>`
	tests := []struct {
		name, text   string
		participants int
		note         string
	}{
		{"broken off", head, 1, "unexpected EOF"},
		{"tag that never ends", head + "<stream", 1, "lost: the metadata is read up to where it breaks"},
		{"end tag missing", "<recording><participant id='a'></recording>", 1, ""},
		{"10 MB", head + strings.Repeat("<x>y</x>", 1_300_000) + "</recording>", 1, "over its limits"},
		{"10 MB of text", head + "<x>" + strings.Repeat("y", 10_000_000) + "</x></recording>", 1, "over its limits"},
		{"deep", head + strings.Repeat("<d>", 100_000), 1, "over its limits"},
		{"many elements", head + strings.Repeat("<d/>", 30_000) + "</recording>", 1, "over its limits"},
		{"many participants", "<recording>" + strings.Repeat("<participant/>", 1000) + "</recording>", 100, "participants after the first 100"},
		{"entity bomb", `<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>` + head + "<participant participant_id='&b;'/></recording>", 2, ""},
		{"external entity", `<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><recording><participant id="p"><nameID aor="&x;"/></participant></recording>`, 1, ""},
		{"no XML", "hello", 0, "lost: the metadata names no participant"},
		{"nothing", "", 0, "lost: the metadata names no participant"},
		{"Latin-1", "<?xml version='1.0' encoding='ISO-8859-1'?><recording><participant id='p'><nameID aor='sip:p@x'><name>J\xfcrgen</name></nameID></participant></recording>", 1, ""},
		{"another charset", "<?xml version='1.0' encoding='KOI8-R'?><recording><participant id='p'/></recording>", 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := siprec.Parse([]byte(tt.text))
			if len(got.Participants) != tt.participants {
				t.Errorf("got %d participants, want %d", len(got.Participants), tt.participants)
			}
			if !strings.Contains(fmt.Sprint(got.Notes), tt.note) {
				t.Errorf("got notes %v, want %q among them", got.Notes, tt.note)
			}
			for _, p := range got.Participants {
				if strings.Contains(p.Address, "root") || strings.Contains(p.ID, "aaaa") {
					t.Errorf("got %+v: an entity expanded", p)
				}
				if p.Name != "" && p.Name != "Jürgen" {
					t.Errorf("got name %q, want Jürgen", p.Name)
				}
			}
		})
	}
}

// Who is heard is found by what is sent, else by what the other receives, else
// by who is left, else by order.
func TestSides(t *testing.T) {
	const two = `<participant participant_id="a"><nameID aor="sip:a@x"/></participant><participant participant_id="b"><nameID aor="sip:b@x"/></participant>
		<stream stream_id="1"><label>1</label></stream><stream stream_id="2"><label>2</label></stream>`
	tests := []struct {
		name, xml string
		labels    []string
		want      string
	}{
		{"by order", two, []string{"1", "2"}, "[0] [1]"},
		{"lines in another order", two + `<participantstreamassoc participant_id="a"><send>1</send></participantstreamassoc><participantstreamassoc participant_id="b"><send>2</send></participantstreamassoc>`, []string{"2", "1"}, "[1] [0]"},
		{"only what is received", two + `<participantstreamassoc participant_id="a"><recv>1</recv></participantstreamassoc><participantstreamassoc participant_id="b"><recv>2</recv></participantstreamassoc>`, []string{"1", "2"}, "[1] [0]"},
		{"one association", two + `<participantstreamassoc participant_id="b"><send>1</send></participantstreamassoc>`, []string{"1", "2"}, "[1] [0]"},
		{"no labels", two + `<participantstreamassoc participant_id="b"><send>1</send></participantstreamassoc>`, []string{"", ""}, "[1] [0]"},
		{"the last association counts", two + `<participantstreamassoc participant_id="a"><send>1</send></participantstreamassoc><participantstreamassoc participant_id="a"><send>2</send></participantstreamassoc>`, []string{"1", "2"}, "[1] [0]"},
		{"one who left makes room", two + `<participant participant_id="c"><nameID aor="sip:c@x"/></participant>
			<participantsessionassoc participant_id="b"><disassociate-time>2020-01-01T00:00:00Z</disassociate-time></participantsessionassoc>
			<participantstreamassoc participant_id="a"><send>1</send></participantstreamassoc>
			<participantstreamassoc participant_id="b"><send>2</send></participantstreamassoc>
			<participantstreamassoc participant_id="c"><send>2</send></participantstreamassoc>`, []string{"1", "2"}, "[0] [2]"},
		{"a mix without associations", two, []string{"9"}, "[0 1]"},
		{"nobody known", "", []string{"1", "2"}, "[] []"},
		{"more lines than streams", two, []string{"1", "2", "3"}, "[0] [1] []"},
	}
	for _, tt := range tests {
		m := siprec.Parse([]byte("<recording>" + tt.xml + "</recording>"))
		var got []string
		for _, s := range m.Sides(tt.labels) {
			got = append(got, fmt.Sprint(s.Participants))
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, strings.Join(got, " "), tt.want)
		}
	}
}

// An address comes out as a URI without what does not belong to it.
func TestAddress(t *testing.T) {
	tests := map[string]string{
		"sip:a@b": "sip:a@b", "SIP:a@b": "SIP:a@b", "a@b": "sip:a@b", "1001": "sip:1001", "tel:+123": "tel:+123",
		"sip:a@b;user=phone": "sip:a@b", `"A" <sip:a@b>;tag=1`: "sip:a@b", "sip:a@b:5070": "sip:a@b:5070",
		"  ": "", "": "", "sip:" + strings.Repeat("a", 600): "", "a@b:5060": "sip:a@b:5060",
	}
	for in, want := range tests {
		if got := siprec.Address(in); got != want {
			t.Errorf("Address(%q) = %q, want %q", in, got, want)
		}
	}
}

// Whatever comes, nothing panics, and what is kept is bounded and printable.
func FuzzBody(f *testing.F) {
	for file, kind := range contentTypes {
		f.Add(kind, read(f, file))
	}
	f.Add("multipart/mixed;boundary=\"", []byte("--\r\n--\r\n"))
	f.Fuzz(func(t *testing.T, kind string, text []byte) {
		body := siprec.Split(kind, text)
		if len(body.SDP)+len(body.Metadata) > len(text) || len(body.Notes) > 32 {
			t.Errorf("got %d + %d bytes and %d notes of %d bytes", len(body.SDP), len(body.Metadata), len(body.Notes), len(text))
		}
		check(t, body.Metadata)
	})
}

func FuzzMetadata(f *testing.F) {
	for file, kind := range contentTypes {
		f.Add(siprec.Split(kind, read(f, file)).Metadata)
	}
	f.Fuzz(check)
}

func check(t *testing.T, text []byte) {
	t.Helper()
	m := siprec.Parse(text)
	if len(m.Participants) > 100 || len(m.Streams) > 100 || len(m.Notes) > 32 {
		t.Errorf("got %d participants, %d streams, %d notes", len(m.Participants), len(m.Streams), len(m.Notes))
	}
	for _, p := range m.Participants {
		if len(p.ID)+len(p.Address)+len(p.Name) > 2000 || strings.ContainsAny(p.Address, "\r\n <>;") {
			t.Errorf("got participant %+v", p)
		}
	}
	sides := m.Sides([]string{"1", "", "16777227"})
	for _, s := range sides {
		for _, p := range s.Participants {
			_ = m.Participants[p]
		}
	}
	if c := m.Caller(sides); c >= len(m.Participants) {
		t.Errorf("got caller %d of %d", c, len(m.Participants))
	}
}
