package siprec_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/reelvault/reelvault/sip/siprec"
)

// A later message replaces what is known or adds to it, and knows who is meant
// whatever their ids.
func TestMerge(t *testing.T) {
	const (
		part = `<datamode>partial</datamode>`
		a    = `<participant participant_id="a"><nameID aor="sip:a@x"><name>A</name></nameID></participant>`
		b    = `<participant participant_id="b"><nameID aor="sip:b@x"/></participant>`
		two  = a + b + `<stream stream_id="1"><label>1</label></stream><stream stream_id="2"><label>2</label></stream>
			<participantstreamassoc participant_id="a"><send>1</send></participantstreamassoc><participantstreamassoc participant_id="b"><send>2</send></participantstreamassoc>`
	)
	tests := []struct{ name, later, people, want string }{
		{"another name", part + `<participant participant_id="b"><nameID aor="sip:b@x"><name>B</name></nameID></participant>`, "a A, b B", "[0] [1]"},
		{"somebody more", part + `<participant participant_id="c"><nameID aor="sip:c@x"/></participant>`, "a A, b, c", "[0] [1]"},
		{"another id", part + `<participant participant_id="n"><nameID aor="SIP:B@x"><name>B</name></nameID></participant>`, "a A, n B", "[0] [1]"},
		{"another id of a stream", part + `<stream stream_id="9"><label>2</label></stream>`, "a A, b", "[0] [1]"},
		{"other ids of both, in another place", part + `<participant participant_id="n"><nameID aor="sip:a@x"/></participant><stream stream_id="9"><label>2</label></stream>
			<participantstreamassoc participant_id="n"><send>9</send></participantstreamassoc><participantstreamassoc participant_id="b"><send>1</send></participantstreamassoc>`, "n A, b", "[1] [0]"},
		{"two of one address", part + `<participant participant_id="b"><nameID aor="sip:b@x"/></participant><participant participant_id="n"><nameID aor="sip:b@x"/></participant>`, "a A, b, n", "[0] [1]"},
		{"another one of an address, with a line", part + `<participant participant_id="c"><nameID aor="sip:a@x"/></participant><stream stream_id="3"><label>3</label></stream>
			<participantstreamassoc participant_id="c"><send>3</send></participantstreamassoc>`, "a A, b, c", "[0] [1]"},
		{"nothing", "", "a A, b", "[0] [1]"},
		{"another call", `<participant participant_id="z"/><stream stream_id="1"><label>1</label></stream>`, "z", "[0] []"},
		{"nobody's streams", part + `<participant><nameID aor="sip:b@x"/></participant>`, "a A, b", "[0] [1]"},
	}
	for _, tt := range tests {
		m := siprec.Parse([]byte("<recording>" + two + "</recording>")).Merge(siprec.Parse([]byte("<recording>" + tt.later + "</recording>")))
		var people, sides []string
		for _, p := range m.Participants {
			people = append(people, strings.TrimSpace(p.ID+" "+p.Name))
		}
		for _, s := range m.Sides([]string{"1", "2"}) {
			sides = append(sides, fmt.Sprint(s.Participants))
		}
		if got := strings.Join(people, ", "); got != tt.people {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.people)
		}
		if got := strings.Join(sides, " "); got != tt.want {
			t.Errorf("%s: got sides %s, want %s", tt.name, got, tt.want)
		}
	}
}
