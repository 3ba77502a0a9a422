package sip

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/sip/rtp"
	"github.com/reelvault/reelvault/sip/sdp"
	"github.com/reelvault/reelvault/sip/siprec"
)

// leg is one m-line that is recorded.
type leg struct {
	stream *rtp.Stream
	line   sdp.Line
	party  media.Party
	tracks []rtp.Track // the present codec's last
	held   bool
	bare   bool // the line's first address was 0.0.0.0, which so is no hold
}

func (l *leg) close() {
	if l == nil {
		return
	}
	l.stream.Close()
	for _, t := range l.tracks {
		t.Track.Close()
	}
}

// open takes the INVITE's body, makes the session, and opens capture and
// ports. It gives the answer to send if that is refused.
func (c *call) open(req *sip.Request) *status {
	s := c.server
	if e := req.GetHeader("Content-Encoding"); e != nil && !strings.EqualFold(strings.TrimSpace(e.Value()), "identity") {
		return answer(sip.StatusUnsupportedMediaType, "Unsupported Media Type", sip.NewHeader("Accept-Encoding", "identity"), sip.NewHeader("Accept", accept))
	}
	body := bodyOf(req)
	if body.SDP == nil {
		return s.notAcceptable(399, "the INVITE has no SDP offer")
	}
	offer, err := sdp.Parse(body.SDP)
	if err != nil {
		return s.refusal(err)
	}
	lines := usable(offer)
	if lines == 0 {
		return s.notAcceptable(304, "no m-line has audio as PCMU or PCMA over RTP/AVP")
	}
	// Before there is a session, which could not be had again by its name.
	if c.ports, err = s.rtp.Reserve(lines); err != nil {
		return s.refusal(err)
	}
	defer c.ports.Release()
	c.mu.Lock()
	defer c.mu.Unlock()
	seats := c.describe(body, offer)
	ctx, cancel := context.WithTimeout(context.Background(), beginTime)
	defer cancel()
	call := Call{Name: c.cast.name(), Parties: c.cast.parties(), Metadata: slices.Clone(body.Metadata)}
	for _, id := range []string{c.meta.SessionID, req.CallID().Value()} {
		if id != "" {
			call.IDs = append(call.IDs, id)
		}
	}
	for _, n := range append(body.Notes, c.meta.Notes...) {
		call.Notes = append(call.Notes, n.String())
	}
	if len(call.Notes) > 0 {
		c.log.Info("the client's message has deviations", "notes", call.Notes)
	}
	session, err := s.config.Calls.Begin(ctx, call)
	if err != nil {
		return s.refusal(err)
	}
	c.join(session)
	publisher := media.Publisher{TenantID: c.session.TenantID, SessionID: c.session.ID, Kind: reelvault.RecordingPhone}
	if c.capture, err = s.config.Sink.Open(ctx, publisher); err != nil {
		c.capture = nil
		return s.refusal(err)
	}
	answers, err := c.negotiate(offer, seats)
	if err != nil {
		return s.refusal(err)
	}
	c.say(offer.Answer, answers)
	c.keepTimer(req)
	c.invite.SetBody(nil) // answers repeat its headers alone
	return nil
}

// usable counts the lines that can be recorded.
func usable(o sdp.Offer) int {
	n := 0
	for _, l := range o.Lines {
		if l.Usable() {
			n++
		}
	}
	return n
}

func bodyOf(req *sip.Request) siprec.Body {
	kind := ""
	if h := req.ContentType(); h != nil {
		kind = h.Value()
	}
	return siprec.Split(kind, req.Body())
}

// describe takes the metadata, if there is any, and gives whose voice each
// audio line carries. The caller holds c.mu.
func (c *call) describe(body siprec.Body, offer sdp.Offer) map[int]media.Party {
	if body.Metadata != nil {
		c.meta = c.meta.Merge(siprec.Parse(body.Metadata))
	}
	var voices []voice
	for i, l := range offer.Lines {
		if l.Usable() {
			voices = append(voices, voice{i, l.Label})
		}
	}
	seats := map[int]media.Party{}
	for i, p := range c.cast.distribute(c.meta, c.invite.From(), voices) {
		seats[voices[i].line] = p
	}
	return seats
}

// negotiate opens, changes and closes lines as an offer has it, and gives the
// answer. The caller holds c.mu.
func (c *call) negotiate(offer sdp.Offer, seats map[int]media.Party) ([]sdp.AnswerLine, error) {
	var answers []sdp.AnswerLine
	first, before := len(c.legs) == 0, c.tracks()
	for len(c.legs) < len(offer.Lines) {
		c.legs = append(c.legs, nil)
	}
	for i := range offer.Lines {
		line := &offer.Lines[i]
		if !line.Usable() || seats[i] == (media.Party{}) {
			if l := c.legs[i]; l != nil {
				l.stream.Close()
			}
			c.legs[i] = nil
			answers = append(answers, sdp.AnswerLine{})
			continue
		}
		if err := c.take(i, line, seats[i]); err != nil {
			if first {
				return nil, err
			}
			c.log.Error("a line of the new offer is refused", "line", i, "err", err)
			answers = append(answers, sdp.AnswerLine{})
			continue
		}
		l := c.legs[i]
		answers = append(answers, sdp.AnswerLine{Port: int(l.stream.Port()), Held: l.held, Mux: line.RTCPMux})
	}
	c.lines = slices.Clone(offer.Lines)
	// Only now: a party may have come from one line to another.
	now := c.tracks()
	for _, t := range before {
		if !slices.Contains(now, t) {
			t.Close()
		}
	}
	return answers, nil
}

// tracks gives those of all lines. The caller holds c.mu.
func (c *call) tracks() []media.Track {
	var all []media.Track
	for _, l := range c.legs {
		if l == nil {
			continue
		}
		for _, t := range l.tracks {
			all = append(all, t.Track)
		}
	}
	return all
}

// take opens or changes one line. A codec that is recorded already stays,
// whatever else is offered in front of it. The caller holds c.mu.
func (c *call) take(i int, line *sdp.Line, party media.Party) error {
	l := c.legs[i]
	if l == nil {
		l = &leg{bare: line.NoAddress}
	}
	if len(l.tracks) > 0 {
		present := l.tracks[len(l.tracks)-1].PayloadType
		if at := slices.IndexFunc(line.Encodings, func(e sdp.Encoding) bool { return e.PayloadType == present }); at > 0 {
			line.Encodings[0], line.Encodings[at] = line.Encodings[at], line.Encodings[0]
		}
	}
	next := *l
	next.line, next.party = *line, party
	next.held = line.Held() || line.NoAddress && !l.bare
	if party != l.party { // somebody else speaks here now
		next.tracks = nil
	}
	if err := c.addTrack(&next, line.Encodings[0]); err != nil {
		return err
	}
	if next.stream == nil {
		stream, err := c.openStream(c.settings(i, &next))
		if err != nil {
			return err
		}
		next.stream = stream
		next.tell()
		*l, c.legs[i] = next, l
		return nil
	}
	// What is told to be on hold is not taken any more before the recorder
	// hears of it, and taken again after.
	if next.held {
		next.stream.Set(c.settings(i, &next))
		next.tell()
	} else {
		next.tell()
		next.stream.Set(c.settings(i, &next))
	}
	*l = next
	return nil
}

// openStream takes a port of those that were reserved for the first offer, and
// any free one later.
func (c *call) openStream(s rtp.Settings) (*rtp.Stream, error) {
	if len(c.sent) == 0 {
		return c.ports.Open(s)
	}
	return c.server.rtp.Open(s)
}

// addTrack makes sure that a leg has a track for a codec, and has it last.
func (c *call) addTrack(l *leg, e sdp.Encoding) error {
	track, err := c.capture.AddTrack(media.Format{
		Media: reelvault.Audio, Codec: e.Codec, ClockRate: e.ClockRate, Channels: 1, Party: l.party,
	}, nil)
	if err != nil {
		return err
	}
	l.tracks = slices.DeleteFunc(slices.Clone(l.tracks), func(t rtp.Track) bool { return t.PayloadType == e.PayloadType })
	l.tracks = append(l.tracks, rtp.Track{PayloadType: e.PayloadType, Track: track})
	return nil
}

// tell says to the recorder whether the line is on hold.
func (l *leg) tell() {
	for _, t := range l.tracks {
		if h, ok := t.Track.(media.Holder); ok {
			h.Hold(l.held)
		}
	}
}

// settings gives what the receiver has to know of a leg.
func (c *call) settings(i int, l *leg) rtp.Settings {
	told := netip.AddrPort{}
	if l.line.Address.IsValid() {
		told = netip.AddrPortFrom(l.line.Address, uint16(l.line.Port))
	}
	peer, _ := netip.ParseAddrPort(c.peer)
	return rtp.Settings{
		Source: rtp.Source{Told: told, Peer: peer.Addr().Unmap(), Allowed: c.server.config.Allowed},
		Tracks: l.tracks, Held: l.held, Mux: l.line.RTCPMux,
		Unknown: func(payloadType uint8) {
			select {
			case c.unknown <- payloadSeen{i, payloadType}:
			default:
			}
		},
	}
}

// admitPayload records a codec of ours that the client was told not to send,
// and sends: it may think that anything it offered will do.
func (c *call) admitPayload(p payloadSeen) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.legs[p.line]
	if l == nil {
		return
	}
	at := slices.IndexFunc(l.line.Encodings, func(e sdp.Encoding) bool { return e.PayloadType == p.payloadType })
	if at < 0 {
		c.log.Debug("a payload type is not recorded", "line", p.line, "payloadType", p.payloadType)
		return
	}
	if err := c.addTrack(l, l.line.Encodings[at]); err != nil {
		c.log.Error("record another codec", "line", p.line, "payloadType", p.payloadType, "err", err)
		return
	}
	c.log.Warn("the client sends another codec than was agreed", "line", p.line, "payloadType", p.payloadType)
	l.stream.Set(c.settings(p.line, l))
}

// headers are those of a 200 to an INVITE or UPDATE. The caller holds c.mu.
func (c *call) headers(req *sip.Request) []sip.Header {
	contact := "<sip:record@" + netip.AddrPortFrom(c.server.config.Address, uint16(c.server.port)).String()
	if sip.IsReliable(req.Transport()) {
		contact += ";transport=tcp"
	}
	all := []sip.Header{
		sip.NewHeader("Contact", contact+">;+sip.srs"), sip.NewHeader("Allow", allow),
		sip.NewHeader("Supported", supported), sip.NewHeader("Accept", accept),
	}
	if seconds, refresher := sessionTimer(req); seconds > 0 && refresher != "uas" {
		all = append(all, sip.NewHeader("Session-Expires", strconv.Itoa(seconds)+";refresher=uac"))
		if lists(req, "timer", "Supported", "k") || lists(req, "timer", "Require") {
			all = append(all, sip.NewHeader("Require", "timer"))
		}
	}
	return all
}

// keepTimer notes until when the client has to refresh. One that wants this
// side to do it gets no timer: clients have hung up for requests of a
// recorder. The caller holds c.mu.
func (c *call) keepTimer(req *sip.Request) {
	c.expires = time.Time{}
	if seconds, refresher := sessionTimer(req); seconds > 0 && refresher != "uas" {
		c.expires = time.Now().Add(max(time.Duration(seconds)*time.Second, c.server.config.Timers.Refresh))
	}
}

// sessionTimer reads the Session-Expires header (RFC 4028, section 4).
func sessionTimer(req *sip.Request) (seconds int, refresher string) {
	h := req.GetHeader("Session-Expires")
	if h == nil {
		if h = req.GetHeader("x"); h == nil {
			return 0, ""
		}
	}
	text, params, _ := strings.Cut(h.Value(), ";")
	seconds, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || seconds < 0 || seconds > 1<<30 {
		return 0, ""
	}
	for _, p := range strings.Split(params, ";") {
		if name, value, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(name), "refresher") {
			refresher = strings.ToLower(strings.TrimSpace(value))
		}
	}
	return seconds, refresher
}

// lists says whether an option tag stands in one of these headers.
func lists(req *sip.Request, tag string, names ...string) bool {
	for _, name := range names {
		for _, h := range req.GetHeaders(name) {
			for _, t := range strings.Split(h.Value(), ",") {
				if strings.EqualFold(strings.TrimSpace(t), tag) {
					return true
				}
			}
		}
	}
	return false
}
