package webrtc_test

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"
)

// peer is a pion client.
type peer struct {
	*pion.PeerConnection
	mangle *mangler
}

// peerOptions says how a client differs from pion's defaults.
type peerOptions struct {
	repairs  bool // answers NACKs, with RTX
	networks []pion.NetworkType
}

// newPeer makes a client that is closed with the test.
func newPeer(t *testing.T, options ...peerOptions) *peer {
	t.Helper()
	var o peerOptions
	if len(options) > 0 {
		o = options[0]
	}
	engine := &pion.MediaEngine{}
	if err := engine.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	registry := &interceptor.Registry{}
	p := &peer{mangle: &mangler{}}
	if o.repairs {
		if err := pion.RegisterDefaultInterceptors(engine, registry); err != nil {
			t.Fatal(err)
		}
	}
	registry.Add(p.mangle)
	settings := pion.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(net.IP.IsLoopback)
	settings.DisableSRTPReplayProtection(true) // repeats are to be seen
	if o.networks != nil {
		settings.SetNetworkTypes(o.networks)
	}
	pc, err := pion.NewAPI(pion.WithMediaEngine(engine), pion.WithSettingEngine(settings),
		pion.WithInterceptorRegistry(registry)).NewPeerConnection(pion.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pc.GracefulClose(); err != nil {
			t.Errorf("close client: %v", err)
		}
	})
	p.PeerConnection = pc
	return p
}

// sends adds a track to send and gives its source.
func (p *peer) sends(t *testing.T, mime string) *source {
	t.Helper()
	track, err := pion.NewTrackLocalStaticRTP(pion.RTPCodecCapability{MimeType: mime}, mime[6:], "stream")
	if err != nil {
		t.Fatal(err)
	}
	transceiver, err := p.AddTransceiverFromTrack(track, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionSendonly})
	if err != nil {
		t.Fatal(err)
	}
	return &source{track: track, sender: transceiver.Sender()}
}

// source sends packets that count up from where they are.
type source struct {
	track     *pion.TrackLocalStaticRTP
	sender    *pion.RTPSender
	sequence  uint16
	timestamp uint32
}

// send sends one packet and moves on by one number and 3000 units of time.
func (s *source) send(t *testing.T, payload ...byte) {
	t.Helper()
	h := rtp.Header{Version: 2, SequenceNumber: s.sequence, Timestamp: s.timestamp, Marker: true}
	s.sequence++
	s.timestamp += 3000
	if err := s.track.WriteRTP(&rtp.Packet{Header: h, Payload: payload}); err != nil {
		t.Fatal(err)
	}
}

func (s *source) ssrc() uint32 { return uint32(s.sender.GetParameters().Encodings[0].SSRC) }

// feedback gives a channel of the RTCP that the source is sent.
func (s *source) feedback(t *testing.T) <-chan rtcp.Packet {
	t.Helper()
	out := make(chan rtcp.Packet, 1000)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			packets, _, err := s.sender.ReadRTCP()
			if err != nil {
				return
			}
			for _, p := range packets {
				select {
				case out <- p:
				default:
				}
			}
		}
	})
	t.Cleanup(func() {
		_ = s.sender.Stop()
		wg.Wait()
	})
	return out
}

// awaitRTCP waits for a packet of type T.
func awaitRTCP[T rtcp.Packet](t *testing.T, from <-chan rtcp.Packet) T {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case p := <-from:
			if wanted, ok := p.(T); ok {
				return wanted
			}
		case <-deadline:
			var wanted T
			t.Fatalf("waited in vain for a %T", wanted)
		}
	}
}

// offer makes the whole offer of a client.
func (p *peer) offer(t *testing.T, options ...*pion.OfferOptions) string {
	t.Helper()
	var o *pion.OfferOptions
	if len(options) > 0 {
		o = options[0]
	}
	offer, err := p.CreateOffer(o)
	if err != nil {
		t.Fatal(err)
	}
	gathered := pion.GatheringCompletePromise(p.PeerConnection)
	if err := p.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	return p.LocalDescription().SDP
}

// accept gives a client the answer and waits until it is connected.
func (p *peer) accept(t *testing.T, answer string) {
	t.Helper()
	up := make(chan error, 1)
	tell := func(err error) {
		select {
		case up <- err:
		default:
		}
	}
	p.OnConnectionStateChange(func(s pion.PeerConnectionState) {
		switch s {
		case pion.PeerConnectionStateConnected:
			tell(nil)
		case pion.PeerConnectionStateFailed:
			tell(errors.New("the client's connection failed"))
		default:
		}
	})
	if err := p.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatalf("SetRemoteDescription: %v\n%s", err, answer)
	}
	select {
	case err := <-up:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("the client does not connect")
	}
}

// mangler is an interceptor that changes what a client sends.
type mangler struct {
	interceptor.NoOp
	mu     sync.Mutex
	change func(*rtp.Header)
}

// NewInterceptor implements interceptor.Factory.
func (m *mangler) NewInterceptor(string) (interceptor.Interceptor, error) { return m, nil }

// BindLocalStream implements interceptor.Interceptor.
func (m *mangler) BindLocalStream(_ *interceptor.StreamInfo, w interceptor.RTPWriter) interceptor.RTPWriter {
	return interceptor.RTPWriterFunc(func(h *rtp.Header, payload []byte, a interceptor.Attributes) (int, error) {
		m.mu.Lock()
		change := m.change
		m.mu.Unlock()
		if change != nil {
			changed := h.Clone()
			h = &changed
			change(h)
		}
		return w.Write(h, payload, a)
	})
}

func (m *mangler) set(change func(*rtp.Header)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.change = change
}

// relay stands between a client and a server's UDP port.
type relay struct {
	front *net.UDPConn // faces the client
	back  *net.UDPConn // faces the server
	mu    sync.Mutex
	drop  func(toServer bool, packet []byte) bool
	peer  *net.UDPAddr
}

// newRelay gives a relay in front of a server's port, and a function that
// makes an answer name the relay instead of the server.
func newRelay(t *testing.T, port int) (*relay, func(answer string) string) {
	t.Helper()
	r := &relay{}
	var err error
	if r.front, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	if r.back, err = net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(r.forward)
	wg.Go(r.backward)
	t.Cleanup(func() {
		_, _ = r.front.Close(), r.back.Close()
		wg.Wait()
	})
	here := r.front.LocalAddr().(*net.UDPAddr).Port //nolint:errcheck // a UDPConn has a UDPAddr
	tcp := regexp.MustCompile(`a=candidate:\d+ 1 tcp .*\r\n`)
	return r, func(answer string) string {
		answer = tcp.ReplaceAllString(answer, "")
		return strings.ReplaceAll(answer, fmt.Sprintf("127.0.0.1 %d typ", port), fmt.Sprintf("127.0.0.1 %d typ", here))
	}
}

func (r *relay) forward() {
	b := make([]byte, 2000)
	for {
		n, from, err := r.front.ReadFromUDP(b)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.peer = from
		dropped := r.drop != nil && r.drop(true, b[:n])
		r.mu.Unlock()
		if !dropped {
			_, _ = r.back.Write(b[:n])
		}
	}
}

func (r *relay) backward() {
	b := make([]byte, 2000)
	for {
		n, err := r.back.Read(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the server's port may be closed already
		}
		r.mu.Lock()
		to, dropped := r.peer, r.drop != nil && r.drop(false, b[:n])
		r.mu.Unlock()
		if !dropped && to != nil {
			_, _ = r.front.WriteToUDP(b[:n], to)
		}
	}
}

func (r *relay) dropping(f func(toServer bool, packet []byte) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop = f
}

// isRTP says whether a packet on the wire is SRTP of video or audio.
func isRTP(b []byte) bool {
	return len(b) > 12 && b[0]&0xc0 == 0x80 && (b[1]&0x7f < 64 || b[1]&0x7f >= 96)
}
