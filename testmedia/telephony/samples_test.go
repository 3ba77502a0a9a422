package telephony_test

import (
	"cmp"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// everybody stands for the mix of a call on one line.
const everybody = "everybody"

// sample is a body that a client sends, with what its call becomes.
type sample struct {
	id     string   // of its session; empty: the Call-ID
	caller string   // address
	voices []string // whose voice each line with audio carries, by address
}

var samples = map[string]sample{
	"acme-siprec-offer":     {"AavRXwIIQj1Q39eJulTipQ==", "sip:9000@192.168.50.102", []string{"sip:9000@192.168.50.102", "sip:1002@192.168.50.10"}},
	"broadworks-offer":      {"", "sip:src@127.0.0.1", []string{"sip:src@127.0.0.1"}},
	"cisco-siprec-offer":    {"kQNhKFdEEeeJ9tD/VsPGWA==", "sip:7301@35.162.237.204", []string{"sip:7301@35.162.237.204", "sip:7300@35.162.237.204"}},
	"connectel-offer":       {"2+hKdGY+QvCKu8HYTdBouQ==", "sip:0771121212@52.57.92.239", []string{"sip:0771121212@52.57.92.239", "sip:0760516936@sip-cust1.connectel.io"}},
	"sonus-siprec-offer":    {"MTQ3YzA3YzEtNjdkNy0xMA==", "sip:2249888500@172.16.198.55", []string{"sip:2249888012@172.16.195.72", "sip:2249888500@172.16.198.55"}},
	"rfc7866-offer":         {"hVpd7YQgRW2nD22h7q60JQ==", "sip:bob@biloxi.com", []string{"sip:bob@biloxi.com", "sip:Paul@biloxi.com"}},
	"form-metaswitch":       {"QTYwMA==", "sip:2125551000@192.0.2.50", []string{everybody}},
	"form-audiocodes":       {"0000-0000-0000-0000-00000000d3d1", "sip:1001@192.0.2.60", []string{"sip:1001@192.0.2.60", "sip:2001@192.0.2.61"}},
	"form-avaya":            {"av1", "sip:7001@avaya.example", []string{"sip:7001@avaya.example", "sip:ASBCE@asbce.com"}},
	"form-broadworks":       {"22222222-181e-4f94-a137-a3ddd085b35f", "sip:+12405550123@192.0.2.40", []string{"sip:5c1e0a94@webex.example", "sip:+12405550123@192.0.2.40"}},
	"form-broadworks-mixed": {"92222222-181e-4f94-a137-a3ddd085b35f", "sip:100@192.0.2.41", []string{everybody}},
	"form-cube":             {"GzxTlIobEeiRZ9D/VsPGWA==", "sip:808808@192.0.2.31", []string{"sip:808808@192.0.2.31", "sip:4300@192.0.2.32"}},
	"form-jambonz":          {"d1f2", "sip:+4415550100@example.net", []string{"sip:+4415550100@example.net", "sip:+4415550200@example.net"}},
	"form-opensips":         {"6vLHIbE2R3+xD4lh8VwoCg==", "sip:alice@example.org", []string{"sip:alice@example.org", "sip:bob@example.org"}},
	"form-oracle-draft":     {"79b2fcd8-5c7f-455c-783f-db334e5d57d0", "sip:mary@example.com", []string{"sip:mary@example.com", "sip:2000@example.com"}},
	"form-oracle-typo":      {"BYiC7uSZQGN3VQdzWI1HWw==", "sip:+15551230000@192.0.2.21", []string{"sip:agent7@192.0.2.20", "sip:+15551230000@192.0.2.21"}},
	"form-sems":             {"S-1", "sip:4310001@192.0.2.80", []string{"sip:4310001@192.0.2.80", "sip:4310002@192.0.2.80"}},
	"form-three-lines":      {"c3", "sip:x@example.org", []string{"sip:x@example.org", "sip:y@example.org", everybody}},
}

// lineHertz are the tones of a call's lines, in their order.
var lineHertz = []float64{hertz[0], hertz[1], 787}

// Every client's call is recorded as its body says: the voice of each line is
// that of the party that it names, whole and in the agreed law, with the
// caller on the left, over UDP and TCP in turn.
func TestSamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../siprec-samples/*.txt")
	if err != nil || len(files) != len(samples) {
		t.Fatalf("got %d samples, want %d: %v", len(files), len(samples), err)
	}
	p := newPhone(t)
	for i, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			network := []string{"udp", "tcp"}[i%2]
			w := p.wire(t, network)
			body := strings.ReplaceAll(string(text), "\n", "\r\n")
			boundary, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(body), "--"), "\r\n")
			kind := "multipart/mixed;boundary=" + strings.TrimSpace(boundary)
			a := ask(t, w, invite(w, network, name, kind, body))
			if a.Status() != 200 || a.Header("content-type") != "application/sdp" || strings.Count(a.Body, "\r\nm=") != strings.Count(body, "\r\nm=") {
				t.Fatalf("got %s with\n%s", a.Start, a.Body)
			}
			if err := w.Write(within(a, w, network, "ACK", 1)); err != nil {
				t.Fatal(err)
			}
			p.speak(t, a, name)
			if a = ask(t, w, within(a, w, network, "BYE", 2)); a.Status() != 200 {
				t.Errorf("BYE got %s", a.Start)
			}
			p.spoken(t, name)
		})
	}
}

// sampleTime is how long the calls of samples last.
const sampleTime = 2 * time.Second

// speak sends a tone to each line of an answer.
func (p *phone) speak(tb testing.TB, a testmedia.SIPMessage, name string) {
	tb.Helper()
	var voices []testmedia.Voice
	var ports []netip.AddrPort
	for line := range strings.SplitSeq(a.Body, "\r\n") {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[0] != "m=audio" || fields[1] == "0" {
			continue
		}
		port, err := strconv.ParseUint(fields[1], 10, 16)
		if err != nil {
			tb.Fatal(err)
		}
		law := map[string]reelvault.Codec{"0": reelvault.PCMU, "8": reelvault.PCMA}[fields[3]]
		voices = append(voices, testmedia.Voice{Law: law, Sound: testmedia.Tone(law, lineHertz[len(voices)], time.Second)})
		ports = append(ports, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)))
	}
	if len(ports) != len(samples[name].voices) {
		tb.Fatalf("got ports %v, want those of %v", ports, samples[name].voices)
	}
	c, err := testmedia.Aimed(tb.Context(), voices, ports)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Drop() })
	talk(tb, c, testmedia.Talk{For: sampleTime})
}

// spoken fails unless the call of a sample has become what it should.
func (p *phone) spoken(tb testing.TB, name string) {
	tb.Helper()
	want := samples[name]
	s, recordings := p.ended(tb, cmp.Or(want.id, name))
	if len(recordings) != 1 || len(recordings[0].Tracks) != len(want.voices) {
		tb.Fatalf("got recordings %+v, want one with %d tracks", recordings, len(want.voices))
	}
	address := map[string]string{"": everybody}
	for _, who := range s.Participants {
		address[who.ID], _, _ = strings.Cut(who.Address, ";")
	}
	if address["caller"] != want.caller {
		tb.Errorf("got caller %s, want %s", address["caller"], want.caller)
	}
	for line, whose := range want.voices {
		heard := false
		for _, track := range recordings[0].Tracks {
			if address[track.ParticipantID] != whose {
				continue
			}
			heard = true
			p.carriesLine(tb, recordings[0], track, lineHertz[line])
			if left := track.Lane == 1; whose != everybody && left != (whose == want.caller) && len(recordings[0].Files) == 1 {
				tb.Errorf("%s is in lane %d, and the caller is %s", whose, track.Lane, want.caller)
			}
		}
		if !heard {
			tb.Errorf("got tracks %+v of %v, want one of %s", recordings[0].Tracks, address, whose)
		}
	}
}

// carriesLine fails unless a track holds all of a tone.
func (p *phone) carriesLine(tb testing.TB, r node.Recording, track node.Track, tone float64) {
	tb.Helper()
	for _, file := range r.Files {
		if file.ID != track.FileID {
			continue
		}
		w := p.wave(tb, file.PlaybackURL)
		w.carries(tb, track.Lane-1, said(testmedia.Tone(w.law, tone, time.Second), sampleTime))
		w.clean(tb, track.Lane-1, tone)
		if track.Codec != string(w.law) {
			tb.Errorf("%s: got codec %s in a file of %s", track.ParticipantID, track.Codec, w.law)
		}
	}
}
