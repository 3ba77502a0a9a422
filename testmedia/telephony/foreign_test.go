package telephony_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// The recording client of this repository calls other servers as well: here
// sipp, which plays one.
func TestForeignServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	scenario := filepath.Join(dir, "server.xml")
	if err := os.WriteFile(scenario, []byte(sippServer), 0o600); err != nil {
		t.Fatal(err)
	}
	port, err := node.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() { sippRun(t, dir, scenario, "-t", "u1", "-p", fmt.Sprint(port)) })
	// An INVITE that comes before sipp listens is repeated like any other.
	c, err := testmedia.Call(t.Context(), testmedia.CallSpec{Target: fmt.Sprintf("127.0.0.1:%d", port), Voices: tones(reelvault.PCMU)})
	if err != nil {
		t.Fatal(err)
	}
	report, err := c.Talk(t.Context(), testmedia.Talk{For: time.Second, Reports: true})
	if err != nil || report.Packets != 100 {
		t.Errorf("sent %d packets, want 100: %v", report.Packets, err)
	}
	bye(t, c)
}

// sippServer is a session recording server as sipp plays it.
const sippServer = `<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="server">
<recv request="INVITE"></recv>
<send retrans="500"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port];transport=[transport]>;+sip.srs
Content-Type: application/sdp
Content-Length: [len]

v=0
o=server 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=recvonly
m=audio [media_port+2] RTP/AVP 0
a=recvonly

]]></send>
<recv request="ACK"></recv>
<recv request="BYE"></recv>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
`
