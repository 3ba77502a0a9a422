package telephony_test

import (
	"bytes"
	"cmp"
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
	"github.com/reelvault/reelvault/testmedia/node"
)

// sippCall is a call that sipp makes.
type sippCall struct {
	session   string
	transport string // sipp's name for it
	laws      [2]reelvault.Codec
	sides     [2][]byte     // what is said, in its law
	behind    time.Duration // how much later the second one begins
	told      string        // the address in the offer, if it is not where the media come from
	acks      string        // scenario in place of the ACK and what is played
}

// sippMedia are the ports that sipp takes for media, in turn.
var sippMedia = func() chan int {
	const first, calls = 8000, 32
	all := make(chan int, calls)
	for n := range calls {
		all <- first + 8*n
	}
	return all
}()

// call calls once. sipp writes to raw sockets, for which it has to be root.
func (c sippCall) call(tb testing.TB, p *phone) {
	tb.Helper()
	dir := tb.TempDir()
	capture := filepath.Join(dir, "voices.pcap")
	if err := os.WriteFile(capture, c.pcap(tb), 0o600); err != nil {
		tb.Fatal(err)
	}
	scenario := filepath.Join(dir, "siprec.xml")
	if err := os.WriteFile(scenario, []byte(c.scenario(capture)), 0o600); err != nil {
		tb.Fatal(err)
	}
	local, err := node.FreePort(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	sippRun(tb, dir, scenario, p.target(), "-t", c.transport, "-p", fmt.Sprint(local))
}

// sippRun has sipp play a scenario once.
func sippRun(tb testing.TB, dir, scenario string, args ...string) {
	tb.Helper()
	voices := <-sippMedia
	sippMedia <- voices
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	command := append([]string{
		"sipp", "-sf", scenario, "-m", "1", "-i", "127.0.0.1", "-mi", "127.0.0.1", "-mp", fmt.Sprint(voices),
		"-nostdin", "-timeout", "40", "-trace_err", "-error_file", filepath.Join(dir, "errors"),
	}, args...)
	if os.Geteuid() != 0 {
		command = append([]string{"sudo", "-n"}, command...)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		said, _ := os.ReadFile(filepath.Join(dir, "errors"))
		tb.Errorf("sipp: %v\n%s\n%s", err, tail(out), said)
	}
}

// scenario is a recording client as sipp plays it.
func (c sippCall) scenario(capture string) string {
	types := map[reelvault.Codec]string{reelvault.PCMU: "0", reelvault.PCMA: "8"}
	course := cmp.Or(c.acks, sippACK+sippPlay)
	pause := length(c.sides[1]) + c.behind + 500*time.Millisecond
	told := "IN IP[media_ip_type] [media_ip]"
	if c.told != "" {
		told = "IN IP4 " + c.told
	}
	return strings.NewReplacer(
		"@PCAP@", capture, "@PAUSE@", fmt.Sprint(pause.Milliseconds()), "@SESSION@", c.session, "@TOLD@", told,
		"@TYPE1@", types[c.laws[0]], "@TYPE2@", types[c.laws[1]],
	).Replace(sippInvite + course + sippBye)
}

func tail(b []byte) []byte { return b[max(0, len(b)-3000):] }

// What a recording client does, as sipp is told.
const (
	sippInvite = `<?xml version="1.0" encoding="UTF-8" ?>
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
c=@TOLD@
t=0 0
m=audio [media_port] RTP/AVP @TYPE1@
a=label:1
a=sendonly
m=audio [media_port+2] RTP/AVP @TYPE2@
a=label:2
a=sendonly

--uniqueBoundary
Content-Type: application/rs-metadata+xml
Content-Disposition: recording-session

<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
<datamode>complete</datamode>
<session session_id="@SESSION@"></session>
<participant participant_id="pa"><nameID aor="sip:7301@192.0.2.1"><name>Ann</name></nameID></participant>
<participant participant_id="pb"><nameID aor="sip:7300@192.0.2.1"><name>Desk</name></nameID></participant>
<stream stream_id="sa" session_id="@SESSION@"><label>1</label></stream>
<stream stream_id="sb" session_id="@SESSION@"><label>2</label></stream>
<participantstreamassoc participant_id="pa"><send>sa</send><recv>sb</recv></participantstreamassoc>
<participantstreamassoc participant_id="pb"><send>sb</send><recv>sa</recv></participantstreamassoc>
</recording>
--uniqueBoundary--
]]></send>
<recv response="100" optional="true"></recv>
<recv response="200" rrs="true"></recv>
`
	sippACK = `<send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "SBC" <sip:sbc@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:record@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
`
	sippPlay = `<nop><action><exec play_pcap_audio="@PCAP@"/></action></nop>
`
	sippBye = `<pause milliseconds="@PAUSE@"/>
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
)

// pcap writes what both sides send. sipp keeps the distances between ports, so
// the second side goes to the second line: two above the first.
func (c sippCall) pcap(tb testing.TB) []byte {
	tb.Helper()
	var b bytes.Buffer
	head := []any{uint32(0xa1b2c3d4), uint16(2), uint16(4), int32(0), uint32(0), uint32(65535), uint32(1)} // Ethernet
	for _, field := range head {
		if err := binary.Write(&b, binary.LittleEndian, field); err != nil {
			tb.Fatal(err)
		}
	}
	late := int(c.behind / voiceTime)
	for n := range len(c.sides[0])/packet + late {
		if n*packet < len(c.sides[0]) {
			b.Write(c.record(tb, 0, n, n))
		}
		if n >= late {
			b.Write(c.record(tb, 1, n-late, n))
		}
	}
	return b.Bytes()
}

// record is the n-th packet of a side, sent in its place.
func (c sippCall) record(tb testing.TB, side, n, place int) []byte {
	tb.Helper()
	p := rtp.Packet{
		Header: rtp.Header{
			Version: 2, PayloadType: map[reelvault.Codec]uint8{reelvault.PCMU: 0, reelvault.PCMA: 8}[c.laws[side]],
			SequenceNumber: uint16(n + 1), Timestamp: uint32(n * packet), SSRC: uint32(side + 1), Marker: n == 0,
		},
		Payload: c.sides[side][n*packet : (n+1)*packet],
	}
	payload, err := p.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return frame(payload, uint16(5000+2*side), time.Duration(place)*voiceTime+time.Duration(side)*5*time.Millisecond)
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
