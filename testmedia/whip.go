package testmedia

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/webrtc/v4"

	"github.com/reelvault/reelvault"
)

// Target is a WHIP endpoint of any server.
type Target struct {
	URL    string
	Token  string         // bearer, or empty
	Loss   float64        // of the packets that leave, retransmissions too
	Socket net.PacketConn // to send from; nil: one of its own
}

// Peer is one WHIP publisher.
type Peer struct {
	pc       *pion.PeerConnection
	target   Target
	location string
	tracks   map[Stream]*pion.TrackLocalStaticRTP
	ssrcs    map[Stream]uint32

	reportsLater uint64 // NTP, as in reports

	up, gone func()          // tell the two below, once
	isUp     <-chan struct{} // the connection stands
	isGone   <-chan struct{} // it has failed, or the server has ended it
}

// errGone says that there is nobody to send to any more.
var errGone = errors.New("the connection is gone")

// Publish offers a clip's streams to a WHIP endpoint (RFC 9725) and returns
// when the connection stands.
func Publish(ctx context.Context, target Target, c *Clip) (*Peer, error) {
	api, err := senderAPI(target)
	if err != nil {
		return nil, err
	}
	pc, err := api.NewPeerConnection(pion.Configuration{})
	if err != nil {
		return nil, fmt.Errorf("make connection: %w", err)
	}
	p := &Peer{pc: pc, target: target, tracks: map[Stream]*pion.TrackLocalStaticRTP{}, ssrcs: map[Stream]uint32{}}
	p.up, p.isUp = once()
	p.gone, p.isGone = once()
	if err := p.connect(ctx, c); err != nil {
		return nil, errors.Join(err, pc.Close())
	}
	return p, nil
}

// once gives a channel, and what closes it the first time.
func once() (tell func(), told <-chan struct{}) {
	c := make(chan struct{})
	return sync.OnceFunc(func() { close(c) }), c
}

// senderAPI keeps what a sender needs: retransmission on NACK. Sender reports
// come from the SendSpec, so that their clock is the spec's.
func senderAPI(target Target) (*pion.API, error) {
	engine := &pion.MediaEngine{}
	if err := engine.RegisterDefaultCodecs(); err != nil {
		return nil, fmt.Errorf("register codecs: %w", err)
	}
	registry := &interceptor.Registry{}
	registry.Add(lossy{target.Loss})
	responder, err := nack.NewResponderInterceptor()
	if err != nil {
		return nil, fmt.Errorf("make responder: %w", err)
	}
	registry.Add(responder)
	engine.RegisterFeedback(pion.RTCPFeedback{Type: "nack"}, pion.RTPCodecTypeVideo)
	engine.RegisterFeedback(pion.RTCPFeedback{Type: "nack"}, pion.RTPCodecTypeAudio)
	settings := pion.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	if target.Socket != nil {
		settings.SetICEUDPMux(pion.NewICEUDPMux(nil, target.Socket))
	}
	return pion.NewAPI(pion.WithMediaEngine(engine), pion.WithInterceptorRegistry(registry), pion.WithSettingEngine(settings)), nil
}

func (p *Peer) connect(ctx context.Context, c *Clip) error {
	for stream, f := range c.Formats() {
		capability := pion.RTPCodecCapability{MimeType: mimeTypes[f.Codec], ClockRate: f.ClockRate, Channels: uint16(f.Channels)}
		track, err := pion.NewTrackLocalStaticRTP(capability, fmt.Sprint("track", stream), "publisher")
		if err != nil {
			return fmt.Errorf("make track: %w", err)
		}
		sender, err := p.pc.AddTrack(track)
		if err != nil {
			return fmt.Errorf("add track: %w", err)
		}
		go discardRTCP(sender) // ends with the connection
		p.tracks[stream] = track
		p.ssrcs[stream] = uint32(sender.GetParameters().Encodings[0].SSRC)
	}
	p.pc.OnConnectionStateChange(func(s pion.PeerConnectionState) {
		switch s {
		case pion.PeerConnectionStateConnected:
			p.up()
		case pion.PeerConnectionStateFailed, pion.PeerConnectionStateClosed:
			p.gone()
		default:
		}
	})
	if err := p.negotiate(ctx); err != nil {
		return err
	}
	select {
	case <-p.isUp:
		return p.awaitKeys(ctx)
	case <-p.isGone:
		return errGone
	case <-ctx.Done():
		return ctx.Err()
	}
}

// awaitKeys waits until packets can be encrypted, which is a moment after the
// connection stands: what is written before goes nowhere, without an error.
func (p *Peer) awaitKeys(ctx context.Context) error {
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for p.pc.WriteRTCP([]rtcp.Packet{&rtcp.ReceiverReport{}}) != nil {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

var mimeTypes = map[reelvault.Codec]string{
	reelvault.Opus: pion.MimeTypeOpus, reelvault.VP8: pion.MimeTypeVP8, reelvault.VP9: pion.MimeTypeVP9,
	reelvault.H264: pion.MimeTypeH264, reelvault.H265: pion.MimeTypeH265, reelvault.AV1: pion.MimeTypeAV1,
}

func (p *Peer) negotiate(ctx context.Context) error {
	offer, err := p.pc.CreateOffer(nil)
	if err != nil {
		return fmt.Errorf("make offer: %w", err)
	}
	gathered := pion.GatheringCompletePromise(p.pc)
	if err = p.pc.SetLocalDescription(offer); err != nil {
		return fmt.Errorf("set offer: %w", err)
	}
	<-gathered
	a, err := p.request(ctx, http.MethodPost, p.target.URL, p.pc.LocalDescription().SDP)
	if err != nil {
		return err
	}
	if a.code != http.StatusCreated {
		return fmt.Errorf("post offer: %d: %s", a.code, a.body)
	}
	base, err := url.Parse(p.target.URL)
	if err != nil {
		return fmt.Errorf("parse target: %w", err)
	}
	location, err := base.Parse(a.header.Get("Location"))
	if err != nil {
		return fmt.Errorf("parse location: %w", err)
	}
	p.location = location.String()
	if err := p.pc.SetRemoteDescription(pion.SessionDescription{Type: pion.SDPTypeAnswer, SDP: a.body + "\r\n"}); err != nil {
		return fmt.Errorf("set answer: %w", err)
	}
	return nil
}

// answer is a server's answer to a request.
type answer struct {
	code   int
	header http.Header
	body   string
}

func (p *Peer) request(ctx context.Context, method, target, body string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return answer{}, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Content-Type", "application/sdp")
	if p.target.Token != "" {
		request.Header.Set("Authorization", "Bearer "+p.target.Token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(response.Body)
	return answer{code: response.StatusCode, header: response.Header, body: strings.TrimSpace(string(text))}, err
}

// Send sends at the times that sent says, from now on, and gives how many
// packets left, and by how much the latest was late. The clock of the reports
// is moved to start now, too: who retransmits learns the round trip from what
// the server says of them, and waits for it before the next try.
func (p *Peer) Send(ctx context.Context, sent []Sent) (packets int, late time.Duration, err error) {
	return p.sendFrom(ctx, time.Now(), sent)
}

// Loop sends a clip over and over, as if it had begun at start: peers that
// share it stay together, whenever each of them came. Sequence numbers, clocks
// and picture ids go on from one turn to the next. It ends with ctx, without an
// error, or with the connection.
func (p *Peer) Loop(ctx context.Context, start time.Time, c *Clip) error {
	begun := time.Since(start)
	streams, err := newSendingStreams(c, SendSpec{Length: math.MaxInt64, VideoStart: begun})
	if err != nil {
		return err
	}
	there, end := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-p.isGone:
			end()
		case <-there.Done():
		}
	})
	defer watch.Wait()
	defer end()
	for turn := begun.Truncate(c.Duration); ; turn += c.Duration {
		var sent []Sent
		for _, t := range streams {
			t.sent = nil
			t.turn(turn)
			sent = append(sent, t.sent...)
		}
		sent = slices.DeleteFunc(inOrder(sent), func(s Sent) bool { return s.At < begun })
		_, _, err = p.sendFrom(there, start, sent)
		switch {
		case ctx.Err() != nil:
			return nil
		case there.Err() != nil:
			return errGone
		case err != nil:
			return err
		}
	}
}

// sendFrom sends at the times that sent says, from start on.
func (p *Peer) sendFrom(ctx context.Context, start time.Time, sent []Sent) (packets int, late time.Duration, err error) {
	p.reportsLater = ntp(start) - since1900<<32
	timer := time.NewTimer(0)
	defer timer.Stop()
	for _, s := range sent {
		if wait := time.Until(start.Add(s.At)); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return packets, late, ctx.Err()
			}
		} else {
			late = max(late, -wait)
		}
		if err := p.sendOne(s); err != nil {
			return packets, late, err
		}
		if s.Report == nil {
			packets++
		}
	}
	return packets, late, nil
}

func (p *Peer) sendOne(s Sent) error {
	if s.Report != nil {
		return p.pc.WriteRTCP([]rtcp.Packet{&rtcp.SenderReport{SSRC: p.ssrcs[s.Stream], NTPTime: s.Report.NTP + p.reportsLater, RTPTime: s.Report.RTP}})
	}
	return p.tracks[s.Stream].WriteRTP(&rtp.Packet{
		Header: rtp.Header{
			Version: 2, SequenceNumber: s.Packet.SequenceNumber, Timestamp: s.Packet.Timestamp, Marker: s.Packet.Marker,
		},
		Payload: s.Packet.Payload,
	})
}

// ntp gives a time in the format of sender reports (RFC 3550, section 4).
func ntp(t time.Time) uint64 {
	const from1900to1970 = 2_208_988_800 // s
	return uint64(t.Unix()+from1900to1970)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

// Vanish closes the connection without a word to the server.
func (p *Peer) Vanish() error { return p.pc.Close() }

// Close says goodbye (RFC 9725, section 4.2) and closes the connection.
func (p *Peer) Close(ctx context.Context) error {
	a, err := p.request(ctx, http.MethodDelete, p.location, "")
	if err == nil && a.code >= http.StatusMultipleChoices {
		err = fmt.Errorf("delete connection: %d: %s", a.code, a.body)
	}
	return errors.Join(err, p.pc.Close())
}

func discardRTCP(s *pion.RTPSender) {
	buffer := make([]byte, 1500)
	for {
		if _, _, err := s.Read(buffer); err != nil {
			return
		}
	}
}

// lossy is an interceptor next to the network that loses packets.
type lossy struct{ loss float64 }

// NewInterceptor implements interceptor.Factory.
func (l lossy) NewInterceptor(string) (interceptor.Interceptor, error) {
	return &lossyLink{loss: l.loss}, nil
}

type lossyLink struct {
	interceptor.NoOp
	loss float64
}

// BindLocalStream implements interceptor.Interceptor.
func (l *lossyLink) BindLocalStream(_ *interceptor.StreamInfo, next interceptor.RTPWriter) interceptor.RTPWriter {
	return interceptor.RTPWriterFunc(func(h *rtp.Header, payload []byte, a interceptor.Attributes) (int, error) {
		if l.loss > 0 && rand.Float64() < l.loss {
			return len(payload), nil
		}
		return next.Write(h, payload, a)
	})
}
