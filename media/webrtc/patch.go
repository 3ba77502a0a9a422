package webrtc

import (
	"context"
	"strings"

	pion "github.com/pion/webrtc/v4"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// Patch implements media.Gateway by RFC 9725, section 4.3. A fragment with
// the ICE credentials of the present session, or none, adds candidates; with
// others it restarts ICE. Both need an If-Match of the present entity tag or
// of *, anything else is Stale.
func (s *Server) Patch(ctx context.Context, sessionID, id, ifMatch, text string) (media.Answer, error) {
	c, err := s.find(sessionID, id)
	if err != nil {
		return media.Answer{}, err
	}
	c.signalling.Lock()
	defer c.signalling.Unlock()
	f, err := parseFragment(text, mids(c.offer.sections))
	if err != nil {
		return media.Answer{}, err
	}
	if !matches(ifMatch, c.etag) {
		return media.Answer{}, reelvault.Errorf(reelvault.Stale, "the fragment is for another ICE session of this connection")
	}
	if f.ufrag == "" || f.ufrag == c.ufrag {
		c.trickle(f.candidates)
		return media.Answer{}, nil
	}
	return c.restart(ctx, f)
}

// matches does the strong comparison of RFC 9110, section 13.1.1.
func matches(ifMatch, etag string) bool {
	for tag := range strings.SplitSeq(ifMatch, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == etag {
			return true
		}
	}
	return false
}

// trickle adds what candidates may still be added. One that pion cannot use
// is dropped in silence (RFC 9725, section 4.3.2).
func (c *conn) trickle(candidates []string) {
	for _, value := range candidates {
		if c.remotes >= maxCandidates {
			return
		}
		c.remotes++
		if err := c.pc.AddICECandidate(pion.ICECandidateInit{Candidate: "candidate:" + value}); err != nil {
			c.server.log.Debug("candidate was not added", "connection", c.id, "error", err)
		}
	}
}

// restart gives both sides new ICE credentials. To pion that is the same
// offer once more with the client's new ones. Should it fail, the connection
// goes on as long as its old path does (section 4.3.3).
func (c *conn) restart(ctx context.Context, f *fragment) (media.Answer, error) {
	renewed := *c.offer
	renewed.ufrag, renewed.pwd, renewed.candidates = f.ufrag, f.pwd, f.candidates
	offered := pion.SessionDescription{Type: pion.SDPTypeOffer, SDP: renewed.render(c.kept)}
	if err := c.pc.SetRemoteDescription(offered); err != nil {
		return media.Answer{}, restartFailed(err)
	}
	if err := c.gather(ctx); err != nil {
		return media.Answer{}, restartFailed(err)
	}
	ufrag, pwd := localCredentials(c.pc.LocalDescription().SDP)
	c.offer, c.etag, c.ufrag, c.remotes = &renewed, newETag(), f.ufrag, len(f.candidates)
	c.server.log.Info("ICE restarts", "connection", c.id, "session", c.who.SessionID)
	return media.Answer{
		ID: c.id, ETag: c.etag,
		SDP: restartFragment(c.kept[0], ufrag, pwd, c.server.sockets.candidates()),
	}, nil
}

func restartFailed(err error) error {
	return &reelvault.Error{Kind: reelvault.Conflict, Message: "ICE cannot be restarted now", Cause: err}
}

// localCredentials reads the first ice-ufrag and ice-pwd of an SDP of ours.
func localCredentials(text string) (ufrag, pwd string) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if v, ok := strings.CutPrefix(line, "a=ice-ufrag:"); ok && ufrag == "" {
			ufrag = v
		}
		if v, ok := strings.CutPrefix(line, "a=ice-pwd:"); ok && pwd == "" {
			pwd = v
		}
	}
	return ufrag, pwd
}
