package webrtc

import (
	"context"
	"slices"
	"strings"

	pion "github.com/pion/webrtc/v4"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// Watch implements media.Gateway. A track that runs, or is announced and will
// run, is passed on in its own codec. Of a participant who published twice the
// newer connection is watched. Several participants and none named is a
// Conflict that names them.
func (s *Server) Watch(ctx context.Context, w media.Publisher, text string) (media.Answer, error) {
	o, err := parseOffer(text)
	if err != nil {
		return media.Answer{}, err
	}
	source, err := s.publisherFor(w)
	if err != nil {
		return media.Answer{}, err
	}
	c := s.newConn(w, o, nil)
	c.out = newEgress(c)
	if err := c.out.choose(source.in); err != nil {
		return media.Answer{}, err
	}
	if err := s.register(c); err != nil {
		return media.Answer{}, err
	}
	return s.start(ctx, c, c.startWatcher)
}

// publisherFor finds who is to be watched.
func (s *Server) publisherFor(w media.Publisher) (*conn, error) {
	var found *conn
	var names []string
	for _, c := range s.ofSession(w.TenantID, w.SessionID) {
		if c.in == nil || c.who.Kind != w.Kind || (w.ParticipantID != "" && c.who.ParticipantID != w.ParticipantID) {
			continue
		}
		if !slices.Contains(names, c.who.ParticipantID) {
			names = append(names, c.who.ParticipantID)
		}
		if found == nil || c.in.started.After(found.in.started) {
			found = c
		}
	}
	if len(names) > 1 {
		slices.Sort(names)
		return nil, reelvault.Errorf(reelvault.Conflict, "several participants publish, name one of %s", strings.Join(names, ", "))
	}
	if found == nil {
		return nil, reelvault.Errorf(reelvault.NotFound, "nobody publishes that in this session")
	}
	return found, nil
}

// choose gives each of the publisher's lanes the first section of the offer
// that can take it. A medium that the offer has no section for is left out.
func (e *egress) choose(in *ingest) error {
	free := e.conn.offer.usable("recvonly", "sendrecv")
	var sent, lacking []string
	for _, l := range in.lanes {
		p := l.sends()
		sent = append(sent, p.name)
		sameMedia := func(s *section) bool { return s.media == l.section.media }
		i := slices.IndexFunc(free, func(s *section) bool { return sameMedia(s) && s.decoder(p) != nil })
		if i >= 0 {
			e.addTrack(l, free[i], free[i].decoder(p))
			free = slices.Delete(free, i, i+1)
		} else if slices.ContainsFunc(free, sameMedia) {
			lacking = append(lacking, p.name)
		}
	}
	if len(e.tracks) == 0 {
		lacking = sent
	}
	if len(lacking) > 0 {
		return reelvault.Errorf(reelvault.NotAcceptable, "the offer lacks what the publisher sends: %s", strings.Join(lacking, ", "))
	}
	slices.SortFunc(e.tracks, func(a, b *outTrack) int { return a.section.line - b.section.line })
	for _, t := range e.tracks {
		e.conn.kept = append(e.conn.kept, t.section)
	}
	return nil
}

// addTrack makes s the section in which l is sent, as payload type matched.
func (e *egress) addTrack(l *lane, s *section, matched *payload) {
	c, _ := matched.known(s.media)
	s.keep([]uint8{matched.pt})
	s.direction, s.ssrcs, s.rtxOf = "recvonly", nil, nil
	matched.feedback = slices.DeleteFunc(matched.feedback, func(f string) bool {
		return f != "nack" && f != "nack pli" && f != "ccm fir" // what is answered
	})
	clear(s.extensions)
	e.tracks = append(e.tracks, &outTrack{
		out: e, lane: l, section: s, codec: c.codec, clock: c.clock, pt: matched.pt,
		needKey: s.media == mediaVideo, stream: streamID(l.in.conn.who),
	})
}

func streamID(p media.Publisher) string {
	if p.Kind == reelvault.RecordingScreen {
		return p.ParticipantID + ".screen"
	}
	return p.ParticipantID + ".camera"
}

// sends gives what a lane sends now, or will send: the first codec that was
// answered, which is the one a browser begins with.
func (l *lane) sends() *payload {
	l.in.mu.Lock()
	defer l.in.mu.Unlock()
	if l.current != nil {
		return l.current
	}
	return l.section.payloads[l.section.order[0]]
}

// decoder finds the payload type of s that can decode what p carries.
func (s *section) decoder(p *payload) *payload {
	for _, pt := range s.order {
		d := s.payloads[pt]
		if _, ok := d.known(s.media); ok && d.name == p.name && d.decodes(p) {
			return d
		}
	}
	return nil
}

// decodes compares the format parameters of two payload types of one codec.
func (p *payload) decodes(sent *payload) bool {
	mine, theirs := parseFMTP(p.fmtp), parseFMTP(sent.fmtp)
	switch p.name {
	case "vp9":
		return mine.value("profile-id", "0") == theirs.value("profile-id", "0")
	case "h264":
		// Each decoder of mode 1 takes mode 0, each decoder of a profile
		// browsers have takes constrained baseline.
		if mine.value("packetization-mode", "0") < theirs.value("packetization-mode", "0") {
			return false
		}
		have := strings.ToLower(mine.value("profile-level-id", defaultH264Level))
		need := strings.ToLower(theirs.value("profile-level-id", defaultH264Level))
		return have[:2] == need[:2] || need[:3] == "42e"
	default:
		return true
	}
}

func (c *conn) startWatcher(ctx context.Context) (string, error) {
	if err := c.open(c.out.buffer); err != nil {
		return "", err
	}
	for _, t := range c.out.tracks {
		init := pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionSendonly}
		if _, err := c.pc.AddTransceiverFromTrack(t, init); err != nil {
			return "", refused(err)
		}
		if err := t.lane.watch(t); err != nil {
			return "", err
		}
	}
	return c.answer(ctx)
}
