package testmedia

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/pion/rtcp"

	"github.com/reelvault/reelvault"
)

// Voice is one party of a call and what it says.
type Voice struct {
	Name    string // display name, or empty
	Address string // address of record
	Law     reelvault.Codec
	Sound   []byte // G.711 in that law, 8000 bytes a second; said over and over
}

// CallSpec says what a recording client calls with.
type CallSpec struct {
	Target  string // host:port of any session recording server
	Network string // udp or tcp; empty is udp
	Voices  []Voice
	Plain   bool // an offer without metadata
	NoACK   bool // the answer is never acknowledged

	// Elsewhere, if set, is a host from which the media come, on ports of its
	// own, whatever the offer says: as from behind address translation.
	Elsewhere netip.Addr

	// Session names the communication session; empty makes one up.
	Session string

	// Headers are more header lines of the INVITE, each ending in CRLF.
	Headers string
}

// PhoneCall is a running call of a recording client (RFC 7866). Its methods
// are for one goroutine, but for Ended.
type PhoneCall struct {
	Answer SIPMessage // the 200
	CallID string

	spec     CallSpec
	wire     *SIPWire
	from, to string // header values, with tags
	sequence int
	lines    []*voiceLine
	ended    chan struct{} // closed when the server says BYE or the connection ends
	watching sync.WaitGroup
}

// RefusedError is the answer to a call that is not recorded.
type RefusedError struct{ Answer SIPMessage }

func (r *RefusedError) Error() string { return "call refused: " + r.Answer.Start }

// Call calls a session recording server and agrees on media. Any other answer
// than 200 is a *RefusedError.
func Call(ctx context.Context, spec CallSpec) (*PhoneCall, error) {
	if spec.Network == "" {
		spec.Network = "udp"
	}
	wire, err := DialSIP(ctx, spec.Network, spec.Target)
	if err != nil {
		return nil, err
	}
	c := &PhoneCall{
		spec: spec, wire: wire, CallID: fmt.Sprintf("%016x@testmedia", rand.Uint64()), //nolint:gosec // no secret
		from:  fmt.Sprintf("<sip:client@%s>;tag=%x", wire.Local, rand.Uint32()), //nolint:gosec // no secret
		to:    fmt.Sprintf("<sip:record@%s>", spec.Target),
		ended: make(chan struct{}),
	}
	if c.spec.Session == "" {
		c.spec.Session = fmt.Sprintf("%x", rand.Uint64()) //nolint:gosec // no secret
	}
	c.watching.Go(c.watch)
	if err := c.begin(ctx); err != nil {
		return nil, errors.Join(err, c.Drop())
	}
	return c, nil
}

// Aimed gives a call that is sent to ports without being signalled, one for
// each voice, as to a receiver that only counts.
func Aimed(ctx context.Context, voices []Voice, ports []netip.AddrPort) (*PhoneCall, error) {
	c := &PhoneCall{spec: CallSpec{Voices: voices}}
	for i, v := range voices {
		l, err := newVoiceLine(ctx, ports[i].Addr(), v)
		if err != nil {
			return nil, errors.Join(err, c.Drop())
		}
		l.target = ports[i]
		c.lines = append(c.lines, l)
	}
	return c, nil
}

func (c *PhoneCall) begin(ctx context.Context) error {
	for i := range c.spec.Voices {
		l, err := newVoiceLine(ctx, c.wire.Local.Addr(), c.spec.Voices[i])
		if err != nil {
			return err
		}
		c.lines = append(c.lines, l)
		if c.spec.Elsewhere.IsValid() {
			if err := l.move(ctx, c.spec.Elsewhere); err != nil {
				return err
			}
		}
	}
	kind, body := c.Body("sendonly")
	answer, err := c.Request(ctx, "INVITE", kind, body)
	if err != nil {
		return err
	}
	if answer.Status() != 200 {
		return errors.Join(&RefusedError{answer}, c.Acknowledge())
	}
	c.Answer, c.to = answer, answer.Header("to")
	if !c.spec.NoACK {
		if err := c.Acknowledge(); err != nil {
			return err
		}
	}
	return c.aim(answer.Body)
}

// aim takes the ports of an SDP answer.
func (c *PhoneCall) aim(answer string) error {
	var host netip.Addr
	var ports []uint16
	for _, line := range strings.Split(answer, "\r\n") {
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "c=") && len(fields) == 3:
			a, err := netip.ParseAddr(fields[2])
			if err != nil {
				return fmt.Errorf("read SDP answer: %w", err)
			}
			host = a
		case strings.HasPrefix(line, "m=") && len(fields) > 2:
			port, err := strconv.ParseUint(fields[1], 10, 16)
			if err != nil {
				return fmt.Errorf("read SDP answer: %w", err)
			}
			ports = append(ports, uint16(port))
		}
	}
	if len(ports) != len(c.lines) {
		return fmt.Errorf("read SDP answer: got %d lines, want %d", len(ports), len(c.lines))
	}
	for i, l := range c.lines {
		l.target = netip.AddrPortFrom(host, ports[i])
	}
	return nil
}

// Request sends a request within the call and gives its final answer.
func (c *PhoneCall) Request(ctx context.Context, method, contentType, body string) (SIPMessage, error) {
	c.sequence++
	headers := ""
	if method == "INVITE" && c.sequence == 1 {
		headers = "Require: siprec\r\n" + c.spec.Headers
	}
	if contentType != "" {
		headers += "Content-Type: " + contentType + "\r\n"
	}
	return c.wire.Exchange(ctx, c.message(method, c.sequence, headers, body))
}

// Acknowledge sends an ACK for the last INVITE.
func (c *PhoneCall) Acknowledge() error { return c.wire.Write(c.message("ACK", c.sequence, "", "")) }

func (c *PhoneCall) message(method string, sequence int, headers, body string) string {
	return fmt.Sprintf("%s sip:record@%s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK%x;rport\r\nMax-Forwards: 70\r\n"+
		"From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:client@%s;transport=%s>;+sip.src\r\n%sContent-Length: %d\r\n\r\n%s",
		method, c.spec.Target, strings.ToUpper(c.spec.Network), c.wire.Local, rand.Uint64(), //nolint:gosec // no secret
		c.from, c.to, c.CallID, sequence, method, c.wire.Local, c.spec.Network, headers, len(body), body)
}

// Hold offers all lines as inactive, or as sending again.
func (c *PhoneCall) Hold(ctx context.Context, on bool) (SIPMessage, error) {
	direction := "sendonly"
	if on {
		direction = "inactive"
	}
	kind, body := c.Body(direction)
	answer, err := c.Request(ctx, "INVITE", kind, body)
	if err != nil {
		return answer, err
	}
	return answer, c.Acknowledge()
}

// Bye says goodbye and closes the sockets.
func (c *PhoneCall) Bye(ctx context.Context) error {
	if c.wire == nil {
		return c.Drop()
	}
	answer, err := c.Request(ctx, "BYE", "", "")
	if err == nil && answer.Status() != 200 {
		err = fmt.Errorf("say BYE: %s", answer.Start)
	}
	return errors.Join(err, c.Drop())
}

// Depart says BYE without waiting for its answer.
func (c *PhoneCall) Depart() error {
	c.sequence++
	return c.wire.Write(c.message("BYE", c.sequence, "", ""))
}

// Drop closes the sockets without a word.
func (c *PhoneCall) Drop() error {
	var err error
	if c.wire != nil {
		err = c.wire.Close()
		c.watching.Wait()
	}
	for _, l := range c.lines {
		err = errors.Join(err, l.conn.Close())
	}
	c.lines = nil
	return err
}

// Targets gives where the media go, by voice.
func (c *PhoneCall) Targets() []netip.AddrPort {
	var all []netip.AddrPort
	for _, l := range c.lines {
		all = append(all, l.target)
	}
	return all
}

// Throw sends bytes as they are from where a voice is sent, to where it goes.
// It may be called while the voice is sent.
func (c *PhoneCall) Throw(line int, data []byte) error {
	l := c.lines[line]
	if _, err := l.conn.WriteToUDPAddrPort(data, l.target); err != nil {
		return fmt.Errorf("throw bytes at RTP port: %w", err)
	}
	return nil
}

// Speak gives a line another voice from now on. What is offered next is its
// law.
func (c *PhoneCall) Speak(line int, v Voice) {
	l := c.lines[line]
	l.voice, l.said = v, 0
}

// Goodbye says by RTCP that the voices are over, and leaves the call as it is.
func (c *PhoneCall) Goodbye() error {
	for _, l := range c.lines {
		if err := l.control(&rtcp.Goodbye{Sources: []uint32{l.ssrc}}); err != nil {
			return err
		}
	}
	return nil
}

// Ended is closed when the server has said BYE, or the connection has ended.
func (c *PhoneCall) Ended() <-chan struct{} { return c.ended }

func (c *PhoneCall) watch() {
	defer close(c.ended)
	for m := range c.wire.Requests() {
		if strings.HasPrefix(m.Start, "BYE ") {
			return
		}
	}
}

// Body gives an offer of all lines, with metadata unless the call is plain,
// and its media type.
func (c *PhoneCall) Body(direction string) (contentType, body string) {
	var sdp strings.Builder
	host := c.wire.Local.Addr()
	fmt.Fprintf(&sdp, "v=0\r\no=client 1 %d IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n", c.sequence+1, host, host)
	for i, l := range c.lines {
		payloadType, name := l.format()
		fmt.Fprintf(&sdp, "m=audio %d RTP/AVP %d\r\na=rtpmap:%d %s/8000\r\na=label:%d\r\na=ptime:20\r\na=%s\r\n",
			l.local.Port(), payloadType, payloadType, name, i+1, direction)
	}
	if c.spec.Plain {
		return "application/sdp", sdp.String()
	}
	const boundary = "testmedia-boundary"
	return "multipart/mixed;boundary=" + boundary, "--" + boundary + "\r\nContent-Type: application/sdp\r\n\r\n" + sdp.String() +
		"\r\n--" + boundary + "\r\nContent-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n" +
		c.metadata() + "\r\n--" + boundary + "--\r\n"
}

// metadata writes RFC 7865's XML.
func (c *PhoneCall) metadata() string {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<recording xmlns=\"urn:ietf:params:xml:ns:recording:1\">\r\n" +
		"<datamode>complete</datamode>\r\n")
	fmt.Fprintf(&b, "<session session_id=\"%s\"/>\r\n", c.spec.Session)
	for i, v := range c.spec.Voices {
		fmt.Fprintf(&b, "<participant participant_id=\"p%d\"><nameID aor=\"%s\"><name>%s</name></nameID></participant>\r\n"+
			"<stream stream_id=\"s%d\" session_id=\"%s\"><label>%d</label></stream>\r\n"+
			"<participantstreamassoc participant_id=\"p%d\"><send>s%d</send></participantstreamassoc>\r\n",
			i, xmlText.Replace(v.Address), xmlText.Replace(v.Name), i, c.spec.Session, i+1, i, i)
	}
	return b.String() + "</recording>"
}

var xmlText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// voiceLine is one m-line of a client.
type voiceLine struct {
	voice  Voice
	conn   *net.UDPConn
	local  netip.AddrPort // what is offered
	target netip.AddrPort
	ssrc   uint32
	number uint16
	at     uint32 // RTP time
	said   int    // bytes of the sound
}

func newVoiceLine(ctx context.Context, host netip.Addr, v Voice) (*voiceLine, error) {
	conn, err := listenRTP(ctx, host)
	if err != nil {
		return nil, err
	}
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &voiceLine{
		voice: v, conn: conn, local: local, ssrc: rand.Uint32(), number: uint16(rand.Uint32()), at: rand.Uint32(), //nolint:gosec // no secret
	}, nil
}

func listenRTP(ctx context.Context, host netip.Addr) (*net.UDPConn, error) {
	conn, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", netip.AddrPortFrom(host, 0).String())
	if err != nil {
		return nil, fmt.Errorf("open RTP socket: %w", err)
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return nil, errors.Join(errors.New("open RTP socket: no UDP"), conn.Close())
	}
	return udp, nil
}

// move sends from another host from now on.
func (l *voiceLine) move(ctx context.Context, host netip.Addr) error {
	conn, err := listenRTP(ctx, host)
	if err != nil {
		return err
	}
	old := l.conn
	l.conn = conn
	return old.Close()
}

// format gives the static payload type of the voice's law (RFC 3551, section 6).
func (l *voiceLine) format() (payloadType uint8, name string) {
	if l.voice.Law == reelvault.PCMA {
		return 8, "PCMA"
	}
	return 0, "PCMU"
}
