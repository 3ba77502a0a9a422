package sip

import (
	"context"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/reelvault/reelvault/sip/sdp"
	"github.com/reelvault/reelvault/sip/siprec"
)

// change takes an INVITE or UPDATE within the call: another offer, better
// metadata, a refresh of the timer, or any of these together.
func (c *call) change(req *sip.Request, tx sip.ServerTransaction) {
	if !c.offering.TryLock() {
		// Another request is being answered. Clients know how to come back
		// after a 491, and many take a 500 for the end.
		c.server.respond(req, tx, answer(sip.StatusRequestPending, "Request Pending"))
		return
	}
	c.mu.Lock()
	res, refused := c.answerChange(req)
	var acked chan struct{}
	if refused == nil && req.IsInvite() {
		acked = c.await(req.CSeq().SeqNo)
	}
	c.mu.Unlock()
	c.offering.Unlock()
	if refused != nil {
		c.server.respond(req, tx, refused)
		return
	}
	if err := tx.Respond(res); err != nil {
		c.log.Debug("answer SIP request", "method", req.Method, "err", err)
		if acked != nil {
			c.forget(acked)
		}
		return
	}
	req.SetBody(nil) // which need not wait for the ACK
	if acked != nil && !c.repeat(tx, res, acked) {
		c.log.Warn("the client never acknowledged the change of its call")
		c.forget(acked)
	}
}

// answerChange does what is asked. The caller holds c.mu.
func (c *call) answerChange(req *sip.Request) (*sip.Response, *status) {
	select {
	case <-c.ending:
		return nil, answer(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
	default:
	}
	if req.CSeq().SeqNo < c.sequence { // RFC 3261, section 12.2.2
		return nil, answer(sip.StatusInternalServerError, "Out of Order")
	}
	c.sequence, c.seen = req.CSeq().SeqNo, time.Now()
	c.aim(req)
	body := bodyOf(req)
	offer, refused := c.nextOffer(req, body)
	if refused != nil {
		return nil, refused
	}
	seats := c.describe(body, offer)
	c.tellParties()
	if body.SDP != nil || body.Metadata != nil {
		lines, err := c.negotiate(offer, seats)
		if err != nil {
			return nil, c.server.refusal(err)
		}
		if body.SDP != nil {
			c.say(offer.Answer, lines)
		}
	}
	c.keepTimer(req)
	switch {
	case body.SDP != nil:
		return ok(req, c.sent, c.headers(req)...), nil
	case req.IsInvite():
		c.propose()
		return ok(req, c.sent, c.headers(req)...), nil
	default:
		return ok(req, nil, c.headers(req)...), nil
	}
}

// nextOffer gives the lines that a request asks for: those of its offer, or
// the present ones. The caller holds c.mu.
func (c *call) nextOffer(req *sip.Request, body siprec.Body) (sdp.Offer, *status) {
	if body.SDP == nil {
		return c.present(), nil
	}
	if c.proposed && !req.IsInvite() { // RFC 3311, section 5.2
		return sdp.Offer{}, answer(sip.StatusRequestPending, "Request Pending")
	}
	offer, err := sdp.Parse(body.SDP)
	if err != nil {
		return sdp.Offer{}, c.server.refusal(err)
	}
	open := slices.ContainsFunc(offer.Lines, func(l sdp.Line) bool { return l.Port > 0 })
	if open && usable(offer) == 0 || len(offer.Lines) < len(c.legs) {
		// What was agreed before goes on (RFC 3261, section 14.2).
		return sdp.Offer{}, c.server.notAcceptable(304, "no m-line has audio as PCMU or PCMA over RTP/AVP, or m-lines are missing")
	}
	c.label(offer)
	return offer, nil
}

// tellParties hands on who takes part. The caller holds c.mu.
func (c *call) tellParties() {
	ctx, cancel := context.WithTimeout(context.Background(), beginTime)
	defer cancel()
	if err := c.server.config.Calls.Update(ctx, c.session, c.cast.parties()); err != nil {
		c.log.Error("update parties of call", "session", c.session.ID, "err", err)
	}
}
