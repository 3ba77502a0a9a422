package telephony_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// packet is 20 ms of G.711.
const packet = 160

// A call of sipp, with speech and a tone from each side, is recorded with the
// caller left and the callee right, as long as it was, and with every word and
// a clean tone, over UDP and TCP.
func TestSIPp(t *testing.T) {
	sides := [][]byte{
		append(speech(t, "caller.wav", 3*time.Second), testmedia.Tone(reelvault.PCMU, 440, 2*time.Second)...),
		append(speech(t, "callee.wav", 3*time.Second), testmedia.Tone(reelvault.PCMU, 1000, 2*time.Second)...),
	}
	tones := []float64{440, 1000}
	for _, transport := range []string{"u1", "t1"} {
		t.Run(transport, func(t *testing.T) {
			p := newPhone(t)
			sipp(t, p, transport, sides)
			s, recordings := p.ended(t, "sipp-session")
			if s.Channel != "Phone" || len(s.Participants) != 2 || s.Participants[0].Address != "sip:7301@192.0.2.1" || s.Participants[1].Name != "Desk" {
				t.Errorf("got session %+v", s)
			}
			if len(recordings) != 1 || len(recordings[0].Files) != 1 || len(recordings[0].Tracks) != 2 {
				t.Fatalf("got recordings %+v", recordings)
			}
			w := p.wave(t, recordings[0].Files[0].PlaybackURL)
			for channel, sent := range sides {
				if got, want := w.sound(channel), length(sent); (got - want).Abs() > 20*time.Millisecond {
					t.Errorf("channel %d lasts %v, want %v", channel, got, want)
				}
				if lost := missing(w.codes(channel), sent); lost > 0 {
					t.Errorf("channel %d lacks %d of %d packets", channel, lost, len(sent)/packet)
				}
				samples := w.samples(channel)
				from := len(samples) - 12000 // within the tone, which ends at most 20 ms before the file
				if decibel, amplitude := snr(samples[from:from+8000], tones[channel]); decibel < 30 || amplitude < 16000 {
					t.Errorf("channel %d: the tone has %.1f dB and amplitude %.0f", channel, decibel, amplitude)
				}
			}
			for _, track := range recordings[0].Tracks {
				if len(track.Gaps) > 0 {
					t.Errorf("got gaps %+v", track.Gaps)
				}
			}
		})
	}
}

// speech gives the beginning of one of the demo's voices, as G.711 mu-law,
// without the silence in front of it.
func speech(tb testing.TB, name string, most time.Duration) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("..", "demo", "media", name))
	if err != nil {
		tb.Fatal(err)
	}
	w, err := readWave(b)
	if err != nil || w.channels != 1 || w.law != reelvault.PCMU {
		tb.Fatalf("%s: %v, %+v", name, err, w.law)
	}
	begin := 0
	for ; w.data[begin] > 0xf0 || w.data[begin]&0x7f > 0x70; begin++ {
	}
	return w.data[begin : begin+int(most.Seconds()*8000)]
}

func length(codes []byte) time.Duration { return time.Duration(len(codes)) * time.Second / 8000 }

// missing counts the packets that are not within 60 ms of where they belong.
func missing(codes, sent []byte) int {
	silence := bytes.Repeat([]byte{0xff}, packet)
	start := max(len(codes)-len(sent), 0)
	lost := 0
	for at := 0; at+packet <= len(sent); at += packet {
		want := sent[at : at+packet]
		near := codes[min(max(at-3*packet, 0), len(codes)):min(start+at+4*packet, len(codes))]
		if !bytes.Contains(near, want) && !bytes.Equal(want, silence) {
			lost++
		}
	}
	return lost
}

// sipp calls once. It writes to raw sockets, for which it has to be root.
func sipp(tb testing.TB, p *phone, transport string, sides [][]byte) {
	tb.Helper()
	dir := tb.TempDir()
	capture := filepath.Join(dir, "voices.pcap")
	if err := os.WriteFile(capture, pcap(tb, sides), 0o600); err != nil {
		tb.Fatal(err)
	}
	scenario := filepath.Join(dir, "siprec.xml")
	pause := length(sides[0]) + 500*time.Millisecond
	text := strings.NewReplacer("@PCAP@", capture, "@PAUSE@", fmt.Sprint(pause.Milliseconds())).Replace(siprecScenario)
	if err := os.WriteFile(scenario, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	local, err := node.FreePort(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	command := []string{
		"sipp", p.target(), "-sf", scenario, "-m", "1", "-t", transport, "-i", "127.0.0.1", "-p", fmt.Sprint(local),
		"-mi", "127.0.0.1", "-mp", "8000", "-nostdin", "-timeout", "40", "-trace_err", "-error_file", filepath.Join(dir, "errors"),
	}
	if os.Geteuid() != 0 {
		command = append([]string{"sudo", "-n"}, command...)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		said, _ := os.ReadFile(filepath.Join(dir, "errors"))
		tb.Fatalf("sipp: %v\n%s\n%s", err, tail(out), said)
	}
}

func tail(b []byte) []byte { return b[max(0, len(b)-3000):] }

// siprecScenario is a recording client as sipp plays it.
const siprecScenario = `<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="siprec">
<send retrans="500"><![CDATA[
INVITE sip:record@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "SBC" <sip:sbc@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:record@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:sbc@[local_ip]:[local_port];transport=[transport]>;+sip.src
Max-Forwards: 70
Require: siprec
Content-Type: multipart/mixed;boundary=uniqueBoundary
Content-Length: [len]

--uniqueBoundary
Content-Type: application/sdp

v=0
o=sipp 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=label:1
a=sendonly
m=audio [media_port+2] RTP/AVP 0
a=label:2
a=sendonly

--uniqueBoundary
Content-Type: application/rs-metadata+xml
Content-Disposition: recording-session

<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
<datamode>complete</datamode>
<session session_id="sipp-session"></session>
<participant participant_id="pa"><nameID aor="sip:7301@192.0.2.1"><name>Ann</name></nameID></participant>
<participant participant_id="pb"><nameID aor="sip:7300@192.0.2.1"><name>Desk</name></nameID></participant>
<stream stream_id="sa" session_id="sipp-session"><label>1</label></stream>
<stream stream_id="sb" session_id="sipp-session"><label>2</label></stream>
<participantstreamassoc participant_id="pa"><send>sa</send><recv>sb</recv></participantstreamassoc>
<participantstreamassoc participant_id="pb"><send>sb</send><recv>sa</recv></participantstreamassoc>
</recording>
--uniqueBoundary--
]]></send>
<recv response="100" optional="true"></recv>
<recv response="200" rrs="true"></recv>
<send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "SBC" <sip:sbc@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:record@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
<nop><action><exec play_pcap_audio="@PCAP@"/></action></nop>
<pause milliseconds="@PAUSE@"/>
<send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "SBC" <sip:sbc@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:record@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
<recv response="200"></recv>
</scenario>
`

// pcap writes what both sides send. sipp keeps the distances between ports, so
// the second side goes to the second line: two above the first.
func pcap(tb testing.TB, sides [][]byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	head := []any{uint32(0xa1b2c3d4), uint16(2), uint16(4), int32(0), uint32(0), uint32(65535), uint32(1)} // Ethernet
	for _, field := range head {
		if err := binary.Write(&b, binary.LittleEndian, field); err != nil {
			tb.Fatal(err)
		}
	}
	for n := range len(sides[0]) / packet {
		for side, codes := range sides {
			p := rtp.Packet{
				Header:  rtp.Header{Version: 2, SequenceNumber: uint16(n + 1), Timestamp: uint32(n * packet), SSRC: uint32(side + 1), Marker: n == 0},
				Payload: codes[n*packet : (n+1)*packet],
			}
			payload, err := p.Marshal()
			if err != nil {
				tb.Fatal(err)
			}
			at := time.Duration(n)*20*time.Millisecond + time.Duration(side)*5*time.Millisecond
			b.Write(frame(payload, uint16(5000+2*side), at))
		}
	}
	return b.Bytes()
}

// frame wraps a payload into a record of Ethernet, IPv4 and UDP.
func frame(payload []byte, port uint16, at time.Duration) []byte {
	host := netip.MustParseAddr("127.0.0.1").As4()
	ip := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, host[0], host[1], host[2], host[3], host[0], host[1], host[2], host[3]}
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+8+len(payload)))
	udp := make([]byte, 8)
	binary.BigEndian.PutUint16(udp, port)
	binary.BigEndian.PutUint16(udp[2:], port)
	binary.BigEndian.PutUint16(udp[4:], uint16(8+len(payload)))
	data := append(append(append(make([]byte, 12), 8, 0), append(ip, udp...)...), payload...)
	record := make([]byte, 16)
	binary.LittleEndian.PutUint32(record, uint32(at/time.Second))
	binary.LittleEndian.PutUint32(record[4:], uint32(at%time.Second/time.Microsecond))
	binary.LittleEndian.PutUint32(record[8:], uint32(len(data)))
	binary.LittleEndian.PutUint32(record[12:], uint32(len(data)))
	return append(record, data...)
}
