package sip_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/sip"
	"github.com/reelvault/reelvault/testmedia"
)

// content is a body with its media type.
type content struct{ kind, text string }

// request asks within a call and wants this answer.
func request(t *testing.T, c *testmedia.PhoneCall, method string, body content, want int) testmedia.SIPMessage {
	t.Helper()
	m, err := c.Request(t.Context(), method, body.kind, body.text)
	if err != nil {
		t.Fatal(err)
	}
	if m.Status() != want {
		t.Fatalf("%s: got %s, want %d", method, m.Start, want)
	}
	return m
}

func meta(xml string) string {
	return "<recording xmlns='urn:ietf:params:xml:ns:recording:1'>" + xml + "</recording>"
}

func party(id, aor string, stream int) string {
	return fmt.Sprintf("<participant participant_id='%s'><nameID aor='%s'/></participant><stream stream_id='s%d'><label>%d</label></stream>"+
		"<participantstreamassoc participant_id='%s'><send>s%d</send></participantstreamassoc>", id, aor, stream, stream, id, stream)
}

// Better metadata by UPDATE or re-INVITE changes the parties and no line; a
// party that takes another's place gets a track of its own; a partial message
// adds to what is known.
func TestMetadataChanges(t *testing.T) {
	r := newRig(t, nil)
	c := r.call(testmedia.CallSpec{})
	res := request(t, c, "UPDATE", content{"application/rs-metadata+xml", meta("<datamode>partial</datamode><participant participant_id='p1'><nameID aor='sip:bob@new.example'><name>Bobby</name></nameID></participant>")}, 200)
	if res.Body != "" {
		t.Errorf("an UPDATE without an offer was answered with %q", res.Body)
	}
	if got, want := r.book.people(), "caller guest Alice sip:100@example.org, callee operator Bobby sip:bob@new.example"; got != want {
		t.Errorf("after the partial one: got %s, want %s", got, want)
	}
	request(t, c, "UPDATE", content{"application/rs-metadata", meta("<datamode>complete</datamode>" + party("p0", "sip:100@example.org", 1) + party("p9", "sip:carol@example.org", 2))}, 200)
	if got, want := r.book.people(), "caller guest Alice sip:100@example.org, callee operator Bobby sip:bob@new.example, party3 operator sip:carol@example.org"; got != want {
		t.Errorf("after the transfer: got %s, want %s", got, want)
	}
	talk(t, c, testmedia.Talk{For: second / 5})
	r.await("packets of the new party", r.all(10, 0, 10))
	if got, want := r.sink.parties(), "caller guest 0 pcmu, callee operator 1 pcmu, party3 operator 2 pcmu"; got != want {
		t.Errorf("got tracks %s, want %s", got, want)
	}
	request(t, c, "UPDATE", content{"application/rs-metadata", "nonsense"}, 200)
	// Without a body it is only a sign of life.
	request(t, c, "UPDATE", content{"", ""}, 200)
	same := request(t, c, "INVITE", content{"", ""}, 200)
	if mlines(same) != mlines(c.Answer) {
		t.Errorf("an INVITE without an offer got %s, want %s", mlines(same), mlines(c.Answer))
	}
}

// A client that makes new ids for each message speaks of the same people: a
// refresh, a hold or a transfer doubles nobody and changes no sides, and who
// is back is who they were. An id that goes to somebody else takes no name
// along.
func TestNewIDs(t *testing.T) {
	const alice, bob, carol = "sip:100@example.org", "sip:101@example.org", "sip:102@example.org"
	const two = "caller guest Alice " + alice + ", callee operator Bob " + bob
	const three = two + ", party3 operator " + carol
	steps := []struct{ name, mode, xml, people, tracks string }{
		{"refresh", "complete", party("x1", alice, 1) + party("x2", bob, 2), two, "caller guest 0 pcmu, callee operator 1 pcmu"},
		{"the other one first", "complete", party("x4", bob, 2) + party("x3", alice, 1), two, "caller guest 0 pcmu, callee operator 1 pcmu"},
		{"no streams", "complete", "<participant participant_id='x5'><nameID aor='100@example.org'/></participant>", two, "caller guest 0 pcmu, callee operator 1 pcmu"},
		{"a part", "partial", party("x6", bob, 2), two, "caller guest 0 pcmu, callee operator 1 pcmu"},
		{"transfer", "complete", party("x7", alice, 1) + party("x8", carol, 2), three, "caller guest 0 pcmu, callee operator 1 pcmu, party3 operator 2 pcmu"},
		{"back", "complete", party("x9", alice, 1) + party("x10", bob, 2), three, "caller guest 0 pcmu, callee operator 1 pcmu, party3 operator 2 pcmu"},
		{"each other's ids", "complete", party("x10", alice, 1) + party("x9", bob, 2), three, "caller guest 0 pcmu, callee operator 1 pcmu, party3 operator 2 pcmu"},
	}
	r := newRig(t, nil)
	c := r.call(testmedia.CallSpec{})
	for _, tt := range steps {
		request(t, c, "UPDATE", content{"application/rs-metadata", meta("<datamode>" + tt.mode + "</datamode>" + tt.xml)}, 200)
		if got := r.book.people(); got != tt.people {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.people)
		}
		if got := r.sink.parties(); got != tt.tracks {
			t.Errorf("%s: got tracks %s, want %s", tt.name, got, tt.tracks)
		}
	}
	talk(t, c, testmedia.Talk{For: second / 5, Lose: func(line, _ int) bool { return line == 1 }})
	r.await("packets of the caller on the first line", r.all(10, 0, 0))
}

// Two people of one address stay two, whatever their ids.
func TestSharedAddress(t *testing.T) {
	const desk = "sip:desk@example.org"
	r := newRig(t, nil)
	c := r.call(testmedia.CallSpec{Plain: true})
	want := "caller guest " + desk + ", callee operator " + desk
	for _, xml := range []string{party("a", desk, 1) + party("b", desk, 2), party("c", desk, 1) + party("d", desk, 2), party("f", desk, 2) + party("e", desk, 1)} {
		request(t, c, "UPDATE", content{"application/rs-metadata", meta(xml)}, 200)
		if got := r.book.people(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got, want := r.sink.parties(), "caller guest 0 pcmu, callee operator 1 pcmu"; got != want {
		t.Errorf("got tracks %s, want %s", got, want)
	}
}

// A client that names others in each message doesn't fill the memory.
func TestManyPeople(t *testing.T) {
	r := newRig(t, nil)
	c := r.call(testmedia.CallSpec{Network: "tcp"})
	for n := range 4 {
		var xml strings.Builder
		for i := range 100 {
			fmt.Fprintf(&xml, "<participant participant_id='m%d-%d'><nameID aor='sip:%d@%d.example'/></participant>", n, i, i, n)
		}
		request(t, c, "UPDATE", content{"application/rs-metadata", meta("<datamode>complete</datamode>" + xml.String() + "<stream stream_id='s'/>")}, 200)
	}
	if got := strings.Count(r.book.people(), ", ") + 1; got != 200 {
		t.Errorf("got %d parties, want 200", got)
	}
}

// Where no more people fit into a call, a line that none is left for is
// refused: no two lines are mixed up as one party's.
func TestNobodyLeftForLine(t *testing.T) {
	r := newRig(t, nil)
	c := r.call(testmedia.CallSpec{Network: "tcp"})
	for n := range 2 {
		var xml strings.Builder
		for i := range 100 {
			fmt.Fprintf(&xml, "<participant participant_id='m%d-%d'><nameID aor='sip:%d@%d.example'/></participant>", n, i, i, n)
		}
		request(t, c, "UPDATE", content{"application/rs-metadata", meta("<datamode>complete</datamode>" + xml.String() + "<stream stream_id='s'/>")}, 200)
	}
	var lines, people strings.Builder
	for n := 1; n <= 5; n++ {
		fmt.Fprintf(&lines, "m=audio %d RTP/AVP 0\r\na=label:%d\r\n", 9000+2*n, n)
		people.WriteString(party(fmt.Sprintf("new%d", n), fmt.Sprintf("sip:new%d@example.org", n), n))
	}
	request(t, c, "UPDATE", content{"application/rs-metadata", meta("<datamode>complete</datamode>" + people.String())}, 200)
	answered := mlines(request(t, c, "INVITE", content{"application/sdp", offer(lines.String())}, 200))
	if open := 5 - strings.Count(answered, "m=audio 0 "); open != r.sink.heard() || open < 2 {
		t.Errorf("%d parties are recorded on the lines %s", r.sink.heard(), answered)
	}
}

// Parties that change places keep their tracks, and who leaves gives theirs up.
func TestPartiesChangePlaces(t *testing.T) {
	r := newRig(t, nil)
	c := r.call(testmedia.CallSpec{})
	swapped := party("p0", "sip:100@example.org", 2) + party("p1", "sip:101@example.org", 1)
	request(t, c, "UPDATE", content{"application/rs-metadata", meta("<datamode>complete</datamode>" + swapped)}, 200)
	if got := r.sink.gone(); got != "" {
		t.Errorf("the tracks of %s were closed", got)
	}
	talk(t, c, testmedia.Talk{For: second / 5, Lose: func(line, _ int) bool { return line == 1 }})
	r.await("packets of the callee on the first line", r.all(0, 10))
	moved := party("p0", "sip:100@example.org", 2) + party("p9", "sip:carol@example.org", 1)
	request(t, c, "UPDATE", content{"application/rs-metadata", meta("<datamode>complete</datamode>" + moved)}, 200)
	if got := r.sink.gone(); got != "callee" {
		t.Errorf("the tracks of %q were closed, want the callee's", got)
	}
}

// A party that stands for somebody gives way to them without a second track:
// the second voice of a call without metadata, and Avaya's placeholder.
func TestPlaceholders(t *testing.T) {
	r := newRig(t, nil)
	c := r.call(testmedia.CallSpec{Plain: true})
	request(t, c, "UPDATE", content{"application/rs-metadata", meta(party("a", "sip:ann@example.org", 1) + party("b", "sip:ASBCE@asbce.com", 2))}, 200)
	request(t, c, "UPDATE", content{"application/rs-metadata", meta(party("a", "sip:ann@example.org", 1) + party("c", "sip:bob@example.org", 2))}, 200)
	if got, want := r.book.people(), "caller guest sip:ann@example.org, callee operator sip:bob@example.org"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := r.sink.parties(), "caller guest 0 pcmu, callee operator 1 pcmu"; got != want {
		t.Errorf("got tracks %s, want %s", got, want)
	}
}

func offer(lines ...string) string {
	return "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" + strings.Join(lines, "")
}

// A new offer is answered line by line: a line may come, go and come back; one
// that leaves out lines or has no codec of ours changes nothing.
func TestLinesChange(t *testing.T) {
	r := newRig(t, nil)
	c := r.call(testmedia.CallSpec{})
	const one, two, three = "m=audio 9000 RTP/AVP 0\r\na=label:1\r\n", "m=audio 9002 RTP/AVP 0\r\na=label:2\r\n", "m=audio 9004 RTP/AVP 8\r\na=label:3\r\n"
	before := strings.Split(mlines(c.Answer), ", ")
	ports := func(body string) []string {
		return strings.Split(mlines(request(t, c, "INVITE", content{"application/sdp", offer(body)}, 200)), ", ")
	}
	if got := ports(one + two + three + "m=video 9006 RTP/AVP 96\r\n"); len(got) != 4 || got[0] != before[0] || got[1] != before[1] ||
		!strings.HasSuffix(got[2], " RTP/AVP 8") || got[3] != "m=video 0 RTP/AVP 96" {
		t.Errorf("two more lines: got %v", got)
	}
	if n := r.Stats().RTP.Streams; n != 3 {
		t.Errorf("%d streams are open, want 3", n)
	}
	if got := ports(one + "m=audio 0 RTP/AVP 0\r\n" + three + "m=video 0 RTP/AVP 96\r\n"); got[0] != before[0] || got[1] != "m=audio 0 RTP/AVP 0" {
		t.Errorf("a line goes: got %v", got)
	}
	if n := r.Stats().RTP.Streams; n != 2 {
		t.Errorf("%d streams are open, want 2", n)
	}
	request(t, c, "INVITE", content{"application/sdp", offer(one)}, 488)
	request(t, c, "INVITE", content{"application/sdp", offer("m=audio 9000 RTP/AVP 18\r\n", "m=audio 9002 RTP/AVP 18\r\n", "m=audio 9004 RTP/AVP 18\r\n", "m=video 0 RTP/AVP 96\r\n")}, 488)
	request(t, c, "INVITE", content{"application/sdp", "nonsense"}, 488)
	if n := r.Stats().RTP.Streams; n != 2 {
		t.Errorf("after refused offers %d streams are open, want 2", n)
	}
	if got := ports("m=audio 9000 RTP/AVP 8 0\r\na=label:1\r\n" + two + three + "m=video 0 RTP/AVP 96\r\n"); got[0] != before[0] {
		t.Errorf("the codec that is recorded was changed without need: got %v", got)
	}
}

// The hold of RFC 2543 is a hold if the client had an address before.
func TestOldHold(t *testing.T) {
	r := newRig(t, nil)
	c := r.call(testmedia.CallSpec{})
	body := strings.ReplaceAll(offer("m=audio 9000 RTP/AVP 0\r\n", "m=audio 9002 RTP/AVP 0\r\n"), "c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0")
	if m := request(t, c, "INVITE", content{"application/sdp", body}, 200); strings.Count(m.Body, "a=inactive") != 2 {
		t.Errorf("got\n%s", m.Body)
	}
	w := r.wire("udp")
	res := r.ask(w, invite(w, "old-hold", "application/sdp", body))
	if res.Status() != 200 || strings.Contains(res.Body, "inactive") {
		t.Errorf("a first offer with 0.0.0.0: got %s\n%s", res.Start, res.Body)
	}
}

// A codec that was offered and not agreed is recorded in a track of its own
// when it comes all the same.
func TestOtherCodec(t *testing.T) {
	r := newRig(t, nil)
	c := r.call(testmedia.CallSpec{Voices: voices(reelvault.PCMA)})
	request(t, c, "INVITE", content{"application/sdp", offer("m=audio 9000 RTP/AVP 0 8\r\n")}, 200)
	talk(t, c, testmedia.Talk{For: second / 2})
	r.await("packets of the other law", func() bool {
		n := r.sink.counts()
		return len(n) == 2 && n[1] > 0 || len(n) == 1 && n[0] == 25
	})
}

// A second offer before the first is answered gets 491, and comes through
// later; one that is older than the last gets 500.
func TestGlare(t *testing.T) {
	r := newRig(t, nil)
	c := r.call(testmedia.CallSpec{})
	block := make(chan struct{})
	r.book.mu.Lock()
	r.book.block = block
	r.book.mu.Unlock()
	tag := c.Answer.Header("from")
	to := c.Answer.Header("to")
	w := r.wire("udp")
	within := func(method string, sequence int) string {
		return fmt.Sprintf("%s sip:record@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s%d\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\n"+
			"CSeq: %d %s\r\nContact: <sip:a@%s>\r\nContent-Length: 0\r\n\r\n", method, r.target(), w.Local, method, sequence, tag, to, c.CallID, sequence, method, w.Local)
	}
	var first testmedia.SIPMessage
	var asking sync.WaitGroup
	other := r.wire("udp")
	asking.Go(func() {
		first, _ = other.Exchange(t.Context(), strings.ReplaceAll(within("UPDATE", 10), w.Local.String(), other.Local.String()))
	})
	r.await("the first UPDATE to be under way", func() bool {
		r.book.mu.Lock()
		defer r.book.mu.Unlock()
		return r.Stats().Messages >= 3
	})
	var second testmedia.SIPMessage
	for deadline := time.Now().Add(patience); ; {
		sequence := 11 + int(time.Until(deadline).Milliseconds())
		if second = r.ask(w, within("UPDATE", 11+1_000_000-sequence)); second.Status() == 491 || time.Now().After(deadline) {
			break
		}
	}
	if second.Status() != 491 {
		t.Errorf("the second UPDATE got %s, want 491", second.Start)
	}
	close(block)
	asking.Wait()
	if first.Status() != 200 && first.Status() != 500 {
		t.Errorf("the first UPDATE got %s", first.Start)
	}
	if m := r.ask(w, within("UPDATE", 2_000_000)); m.Status() != 200 {
		t.Errorf("a later UPDATE got %s, want 200", m.Start)
	}
	if m := r.ask(w, within("UPDATE", 5)); m.Status() != 500 {
		t.Errorf("an older UPDATE got %s, want 500", m.Start)
	}
}

// invite writes an INVITE outside any call.
func invite(w *testmedia.SIPWire, id, kind, body string) string {
	transport := "UDP"
	return fmt.Sprintf("INVITE sip:record@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK-%s\r\nMax-Forwards: 70\r\nFrom: \"Src\" <sip:src@127.0.0.1>;tag=1\r\n"+
		"To: <sip:record@127.0.0.1>\r\nCall-ID: %s\r\nCSeq: 1 INVITE\r\nContact: <sip:src@%s>;+sip.src\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		transport, w.Local, id, id, w.Local, kind, len(body), body)
}

// Every client's body makes a call that is answered with all of its lines and
// recorded with the parties that it names, as its client writes the message.
func TestBodies(t *testing.T) {
	files, err := filepath.Glob("../testmedia/siprec-samples/*.txt")
	if err != nil || len(files) < 18 {
		t.Fatalf("got %d samples: %v", len(files), err)
	}
	r := newRig(t, nil)
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		body := strings.ReplaceAll(string(text), "\n", "\r\n")
		boundary := strings.TrimPrefix(strings.TrimSpace(strings.SplitN(strings.TrimSpace(body), "\r\n", 2)[0]), "--")
		network := []string{"udp", "tcp"}[i%2]
		w := r.wire(network)
		message := strings.ReplaceAll(invite(w, fmt.Sprintf("body%d", i), "multipart/mixed;boundary="+boundary, body), "SIP/2.0/UDP", "SIP/2.0/"+strings.ToUpper(network))
		res := r.ask(w, message)
		if res.Status() != 200 || res.Header("content-type") != "application/sdp" {
			t.Errorf("%s: got %s", file, res.Start)
			continue
		}
		if got, want := strings.Count(res.Body, "\r\nm="), strings.Count(body, "\r\nm="); got != want {
			t.Errorf("%s: %d lines are answered, want %d", file, got, want)
		}
		if !strings.Contains(r.sink.parties(), "0 pcm") && !strings.Contains(r.sink.parties(), "-1 pcm") {
			t.Errorf("%s: got tracks %s", file, r.sink.parties())
		}
	}
	r.book.mu.Lock()
	defer r.book.mu.Unlock()
	named := slices.IndexFunc(r.book.begun, func(c sip.Call) bool { return c.Metadata == nil })
	if named >= 0 {
		t.Errorf("call %d was begun without its metadata", named)
	}
}
