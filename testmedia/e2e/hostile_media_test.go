package e2e_test

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"github.com/reelvault/reelvault/testmedia/node"
)

// stunHead is a STUN binding request as far as its length (RFC 8489, section 5).
var stunHead = []byte{0x00, 0x01}

// datagram gives the i-th bad datagram: noise, and what begins like STUN, DTLS
// and RTP (RFC 7983) and is cut, too long, or of nobody.
func datagram(rng *rand.Rand, i int) []byte {
	noise := make([]byte, rng.IntN(1400))
	for k := range noise {
		noise[k] = byte(rng.Uint32())
	}
	var head []byte
	switch i % 6 {
	case 0:
		return noise
	case 1: // STUN of any length and attributes
		head = binary.BigEndian.AppendUint16(slices.Clone(stunHead), uint16(rng.Uint32()))
		head = binary.BigEndian.AppendUint32(head, 0x2112A442)
	case 2: // a whole request for a user that is not there
		user := "nobody:nothing!!"
		head = binary.BigEndian.AppendUint16(slices.Clone(stunHead), uint16(4+len(user)))
		head = binary.BigEndian.AppendUint32(head, 0x2112A442)
		head = append(head, "transaction!"...)
		head = append(head, 0x00, 0x06, 0x00, byte(len(user)))
		return append(head, user...)
	case 3: // a DTLS 1.2 handshake record
		head = []byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0}
		head = binary.BigEndian.AppendUint16(head, uint16(rng.Uint32()))
	case 4: // RTP
		head = []byte{0x80, 96}
	case 5: // RTCP
		head = []byte{0x81, byte(192 + rng.IntN(20))}
	}
	whole := append(head, noise...)
	return whole[:1+rng.IntN(len(whole))]
}

// datagrams sends them from several sockets. They are spread over a second, for
// what overflows the kernel's buffer tests the kernel.
func datagrams(t *testing.T, n *node.Node) {
	t.Helper()
	const sockets, rounds, each = 8, 100, 25
	rng := rand.New(rand.NewPCG(5, 7983))
	conns := make([]net.Conn, sockets)
	for i := range conns {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "udp4", n.Media)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // only written
		conns[i] = conn
	}
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for round := range rounds {
		<-pace.C
		for i := range sockets * each {
			if _, err := conns[i%sockets].Write(datagram(rng, round+i)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// brokenTCP opens ICE-TCP connections that say nothing, noise, and frames
// (RFC 4571) that are cut. All are open at the same time.
func brokenTCP(t *testing.T, n *node.Node) {
	t.Helper()
	rng := rand.New(rand.NewPCG(6, 4571))
	for i := range 100 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp4", n.Media)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // only written
		bad := datagram(rng, i)
		if i%3 == 1 {
			bad = append(binary.BigEndian.AppendUint16(nil, uint16(len(bad)+i%2*1000)), bad...)
		}
		if i%3 != 2 {
			_, _ = conn.Write(bad) // the node may have closed it already
		}
	}
}

// A rawTrack lets a test write RTP of any SSRC and payload type into its
// connection, by the SRTP keys of the connection.
type rawTrack struct {
	codec  pion.RTPCodecCapability
	kind   pion.RTPCodecType
	writer chan pion.TrackLocalWriter
	ssrc   chan pion.SSRC
}

func newRawTrack(kind pion.RTPCodecType, codec pion.RTPCodecCapability) *rawTrack {
	return &rawTrack{codec: codec, kind: kind, writer: make(chan pion.TrackLocalWriter, 1), ssrc: make(chan pion.SSRC, 1)}
}

// Bind implements pion.TrackLocal.
func (r *rawTrack) Bind(c pion.TrackLocalContext) (pion.RTPCodecParameters, error) {
	for _, p := range c.CodecParameters() {
		if p.MimeType == r.codec.MimeType {
			r.writer <- c.WriteStream()
			r.ssrc <- c.SSRC()
			return p, nil
		}
	}
	return pion.RTPCodecParameters{}, pion.ErrUnsupportedCodec
}

// Unbind implements pion.TrackLocal.
func (r *rawTrack) Unbind(pion.TrackLocalContext) error { return nil }

// ID implements pion.TrackLocal.
func (r *rawTrack) ID() string { return "raw" + r.kind.String() }

// RID implements pion.TrackLocal.
func (r *rawTrack) RID() string { return "" }

// StreamID implements pion.TrackLocal.
func (r *rawTrack) StreamID() string { return "raw" }

// Kind implements pion.TrackLocal.
func (r *rawTrack) Kind() pion.RTPCodecType { return r.kind }

// abuses are what peers send that have every right to publish, and that no
// browser sends. Who makes up streams or changes codecs without end is hung up
// on; the others only make recordings that nobody can want.
var abuses = []struct {
	name    string
	spoil   func(*rand.Rand, *rtp.Header)
	reports func(*rand.Rand, uint32) []rtcp.Packet
	hungUp  bool
}{
	{"payloads of noise", func(*rand.Rand, *rtp.Header) {}, impossible, false},
	{"numbers without order", disorder, impossible, false},
	{"extensions of noise", extend, impossible, false},
	{"another codec with each packet", func(rng *rand.Rand, h *rtp.Header) { h.PayloadType = uint8(rng.IntN(128)) }, impossible, true},
	{"streams that were not negotiated", func(rng *rand.Rand, h *rtp.Header) { h.SSRC = rng.Uint32() }, impossible, true},
	{"reports about strangers", func(*rand.Rand, *rtp.Header) {}, noise, true},
}

func disorder(rng *rand.Rand, h *rtp.Header) {
	h.SequenceNumber, h.Timestamp = uint16(rng.Uint32()), rng.Uint32()
}

func extend(rng *rand.Rand, h *rtp.Header) {
	h.Extension, h.ExtensionProfile = true, 0xBEDE
	for id := range uint8(14) {
		value := make([]byte, 1+rng.IntN(16))
		for i := range value {
			value[i] = byte(rng.Uint32())
		}
		_ = h.SetExtension(id+1, value) // always fits
	}
	h.Padding, h.PaddingSize = rng.IntN(4) == 0, byte(1+rng.IntN(255))
}

func foreignRTP(t *testing.T, n *node.Node) {
	t.Helper()
	for _, abuse := range abuses {
		session := newSession(t, n)
		audio := newRawTrack(pion.RTPCodecTypeAudio, pion.RTPCodecCapability{MimeType: pion.MimeTypeOpus, ClockRate: 48000, Channels: 2})
		video := newRawTrack(pion.RTPCodecTypeVideo, pion.RTPCodecCapability{MimeType: pion.MimeTypeVP8, ClockRate: 90000})
		pc, location := connectRaw(t, n, session, audio, video)
		hungUp := sendNoise(t, pc, []*rawTrack{audio, video}, abuse.spoil, abuse.reports)
		if hungUp != abuse.hungUp {
			t.Errorf("%s: was hung up on: %t, want %t", abuse.name, hungUp, abuse.hungUp)
		}
		if !hungUp {
			newClient(t, n, "127.0.0.8").want(t, http.StatusOK, "DELETE "+location, "")
		}
		if err := n.EndSession(t.Context(), session); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Await(within(t, 20*time.Second), session, ended); err != nil {
			t.Errorf("%s: %v", abuse.name, err)
		}
	}
}

// sendNoise sends random payloads behind spoilt headers, and bad RTCP, and says
// whether the other side ended the connection.
func sendNoise(t *testing.T, pc *pion.PeerConnection, tracks []*rawTrack, spoil func(*rand.Rand, *rtp.Header),
	reports func(*rand.Rand, uint32) []rtcp.Packet,
) bool {
	t.Helper()
	var writers []pion.TrackLocalWriter
	var ssrcs []uint32
	for _, track := range tracks {
		writers, ssrcs = append(writers, <-track.writer), append(ssrcs, uint32(<-track.ssrc))
	}
	rng := rand.New(rand.NewPCG(7, 3550))
	const packets = 5000
	for i := range packets {
		header := &rtp.Header{
			Version: 2, SSRC: ssrcs[i%2], PayloadType: []uint8{111, 96}[i%2], Marker: rng.IntN(3) == 0,
			SequenceNumber: uint16(i / 2), Timestamp: uint32(i * 480),
		}
		spoil(rng, header)
		payload := make([]byte, rng.IntN(1000))
		for k := range payload {
			payload[k] = byte(rng.Uint32())
		}
		_, err := writers[i%2].WriteRTP(header, payload)
		if err == nil && i%50 == 0 {
			err = pc.WriteRTCP(reports(rng, ssrcs[i/50%2]))
		}
		if errors.Is(err, io.ErrClosedPipe) {
			return true
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return false
}

// ended says that no recording goes on. Noise may make none.
func ended(all []node.Recording) bool { return len(all) == 0 || node.Finished(all) }

// impossible gives reports of times that cannot be.
func impossible(rng *rand.Rand, ssrc uint32) []rtcp.Packet {
	return []rtcp.Packet{
		&rtcp.SenderReport{SSRC: ssrc, NTPTime: rng.Uint64(), RTPTime: rng.Uint32()},
		&rtcp.ReceiverReport{SSRC: ssrc, Reports: []rtcp.ReceptionReport{{SSRC: ssrc, Delay: rng.Uint32(), Jitter: rng.Uint32()}}},
	}
}

// noise gives what is RTCP as far as its head, about anybody.
func noise(rng *rand.Rand, ssrc uint32) []rtcp.Packet {
	raw := make(rtcp.RawPacket, 8+4*rng.IntN(50))
	for i := range raw {
		raw[i] = byte(rng.Uint32())
	}
	raw[0], raw[1] = 0x80|raw[0]&0x1f, 200+raw[1]%8
	binary.BigEndian.PutUint16(raw[2:], uint16(len(raw)/4-1))
	return []rtcp.Packet{&rtcp.Goodbye{Sources: []uint32{ssrc, rng.Uint32()}}, &raw}
}

// connectRaw publishes raw tracks, and gives the connection and its resource.
func connectRaw(t *testing.T, n *node.Node, session string, tracks ...*rawTrack) (*pion.PeerConnection, string) {
	t.Helper()
	settings := pion.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	engine := &pion.MediaEngine{}
	if err := engine.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	pc, err := pion.NewAPI(pion.WithSettingEngine(settings), pion.WithMediaEngine(engine)).NewPeerConnection(pion.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() }) //nolint:errcheck // the node has ended by then
	for _, track := range tracks {
		sender, failed := pc.AddTrack(track)
		if failed != nil {
			t.Fatal(failed)
		}
		go io.Copy(io.Discard, senderReader{sender}) //nolint:errcheck // until the connection ends
	}
	connected := make(chan struct{})
	pc.OnConnectionStateChange(func(s pion.PeerConnectionState) {
		if s == pion.PeerConnectionStateConnected {
			close(connected)
		}
	})
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	gathered := pion.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	<-gathered
	a := newClient(t, n, "127.0.0.9").want(t, http.StatusCreated, "POST "+whipPath(session), pc.LocalDescription().SDP, "Content-Type", sdpType)
	if err := pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: a.body}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-connected:
	case <-within(t, 10*time.Second).Done():
		t.Fatal("the raw peer did not connect")
	}
	return pc, a.header.Get("Location")
}

// senderReader reads the RTCP that comes back.
type senderReader struct{ sender *pion.RTPSender }

// Read implements io.Reader.
func (r senderReader) Read(p []byte) (int, error) {
	count, _, err := r.sender.Read(p)
	return count, err
}
