// Command capture records what a browser really sends: it serves a page that
// publishes a drawn picture with the codec and scalability mode in its query,
// answers its offer on loopback, and writes the RTP packets of that one track
// to a file, each behind its length in two bytes, big endian.
//
//	go run ./media/depacket/testdata/capture -codec VP9 -mode L2T2 -width 480 -height 270 -out vp9-l2t2.rtp
//
// Then open the address it prints in a browser.
package main

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"
)

var (
	codec   = flag.String("codec", "VP8", "name as in the RTP media type")
	mode    = flag.String("mode", "L1T1", "scalabilityMode")
	width   = flag.Int("width", 160, "pixels")
	height  = flag.Int("height", 90, "pixels")
	bitrate = flag.Int("bitrate", 60000, "bits a second at most")
	packets = flag.Int("packets", 60, "end after so many that carry media")
	second  = flag.Int("keyframe", 30, "ask for another keyframe after so many")
	out     = flag.String("out", "capture.rtp", "file to write")
)

const page = `<!doctype html><canvas id=c></canvas><script>
(async () => {
  const q = new URLSearchParams(location.search), c = document.getElementById('c'), g = c.getContext('2d');
  c.width = +q.get('width'); c.height = +q.get('height');
  let n = 0;
  setInterval(() => {
    g.fillStyle = '#246'; g.fillRect(0, 0, c.width, c.height);
    g.fillStyle = '#fc3'; g.fillRect((n * 3) % c.width, (n * 2) % c.height, c.width / 6, c.height / 4); n++;
  }, 50);
  let track = c.captureStream(20).getTracks()[0];
  if (q.get('codec') === 'opus') {
    const a = new AudioContext(), o = a.createOscillator(), d = a.createMediaStreamDestination();
    o.connect(d); o.start(); track = d.stream.getTracks()[0];
  }
  const pc = new RTCPeerConnection();
  const enc = q.get('codec') === 'opus' ? {} : {maxBitrate: +q.get('bitrate'), scalabilityMode: q.get('mode')};
  const t = pc.addTransceiver(track, {direction: 'sendonly', sendEncodings: [enc]});
  const all = RTCRtpSender.getCapabilities(track.kind).codecs;
  t.setCodecPreferences(all.filter(x => x.mimeType.toLowerCase().endsWith('/' + q.get('codec').toLowerCase())));
  await pc.setLocalDescription();
  await new Promise(r => pc.iceGatheringState === 'complete' ? r() : pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && r());
  const res = await fetch('/offer', {method: 'POST', body: JSON.stringify(pc.localDescription)});
  await pc.setRemoteDescription(await res.json());
})().catch(e => fetch('/error', {method: 'POST', body: String(e)}));
</script>`

func main() {
	flag.Parse()
	done := make(chan error, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, page)
	})
	mux.HandleFunc("POST /error", func(_ http.ResponseWriter, r *http.Request) {
		b := make([]byte, 1000)
		n, _ := r.Body.Read(b)
		done <- fmt.Errorf("page: %s", b[:n])
	})
	mux.HandleFunc("POST /offer", func(w http.ResponseWriter, r *http.Request) {
		var offer pion.SessionDescription
		if err := json.NewDecoder(r.Body).Decode(&offer); err != nil {
			done <- err
			return
		}
		answer, err := answer(offer, done)
		if err != nil {
			done <- err
			return
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s/?codec=%s&mode=%s&width=%d&height=%d&bitrate=%d\n", l.Addr(), *codec, *mode, *width, *height, *bitrate)
	go func() { done <- http.Serve(l, mux) }()
	if err := <-done; err != nil {
		log.Fatal(err)
	}
}

func answer(offer pion.SessionDescription, done chan<- error) (*pion.SessionDescription, error) {
	var m pion.MediaEngine
	if err := m.RegisterDefaultCodecs(); err != nil {
		return nil, err
	}
	var s pion.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	s.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	pc, err := pion.NewAPI(pion.WithMediaEngine(&m), pion.WithSettingEngine(s)).NewPeerConnection(pion.Configuration{})
	if err != nil {
		return nil, err
	}
	pc.OnTrack(func(t *pion.TrackRemote, _ *pion.RTPReceiver) { done <- record(pc, t) })
	if err := pc.SetRemoteDescription(offer); err != nil {
		return nil, err
	}
	a, err := pc.CreateAnswer(nil)
	if err != nil {
		return nil, err
	}
	gathered := pion.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(a); err != nil {
		return nil, err
	}
	<-gathered
	return pc.LocalDescription(), nil
}

func record(pc *pion.PeerConnection, t *pion.TrackRemote) error {
	fmt.Fprintln(os.Stderr, "track", t.Codec().MimeType, t.Codec().SDPFmtpLine)
	var data []byte
	asked := false
	for n := 0; n < *packets; {
		if n == *second && !asked {
			asked = true
			_ = pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(t.SSRC())}})
		}
		_ = t.SetReadDeadline(time.Now().Add(10 * time.Second))
		p, _, err := t.ReadRTP()
		if err != nil {
			return err
		}
		if len(p.Payload) > 0 {
			n++
		}
		header := p.Header // padding is left out, packets of nothing else stay as empty ones
		header.Extension, header.Extensions, header.CSRC = false, nil, nil
		header.Padding, header.PaddingSize = false, 0
		b, err := (&rtp.Packet{Header: header, Payload: p.Payload}).Marshal()
		if err != nil {
			return err
		}
		data = binary.BigEndian.AppendUint16(data, uint16(len(b)))
		data = append(data, b...)
	}
	return os.WriteFile(*out, data, 0o644)
}
