package sip

import (
	"bytes"
	"slices"

	"github.com/emiago/sipgo/sip"

	"github.com/reelvault/reelvault/sip/sdp"
)

// present gives the lines as they were agreed last. The caller holds c.mu.
func (c *call) present() sdp.Offer {
	o := sdp.Offer{Lines: slices.Clone(c.lines)}
	for i, l := range c.legs {
		if l == nil {
			o.Lines[i].Port = 0
			continue
		}
		o.Lines[i] = l.line
		o.Lines[i].Encodings = slices.Clone(l.line.Encodings)
	}
	return o
}

// propose offers the present lines as for a new call, with nothing on hold:
// the client could not end a hold else (RFC 3261, section 14.2). The caller
// holds c.mu.
func (c *call) propose() {
	lines := make([]sdp.AnswerLine, len(c.legs))
	for i, l := range c.legs {
		if l != nil {
			lines[i] = sdp.AnswerLine{Port: int(l.stream.Port()), Mux: l.line.RTCPMux}
		}
	}
	c.say(c.present().Propose, lines)
	c.proposed = true
}

// say makes the description that goes out, under the version of the last one
// if it says the same (RFC 3264, section 8). The caller holds c.mu.
func (c *call) say(write func(sdp.Answer) []byte, lines []sdp.AnswerLine) {
	a := sdp.Answer{ID: c.number, Version: c.version, Address: c.server.config.Address, Lines: lines}
	if bytes.Equal(write(a), c.sent) {
		return
	}
	a.Version++
	c.version, c.sent = a.Version, write(a)
}

// label gives lines that are described without a label the one that they had:
// it need not be repeated (RFC 4574), but may have gone to another line. The
// caller holds c.mu.
func (c *call) label(o sdp.Offer) {
	for i := range min(len(c.lines), len(o.Lines)) {
		had := c.lines[i].Label
		if o.Lines[i].Label == "" && !slices.ContainsFunc(o.Lines, func(l sdp.Line) bool { return l.Label == had }) {
			o.Lines[i].Label = had
		}
	}
}

// settle takes the answer to our offer out of an ACK. Without one, what comes
// is recorded all the same, except on a line that is on hold: a call is worth
// more than its description. The caller holds c.mu.
func (c *call) settle(ack *sip.Request) {
	select {
	case <-c.ending:
		return // nothing may be opened any more
	default:
	}
	body := bodyOf(ack)
	if body.SDP == nil {
		c.log.Warn("the client does not answer the offer that it asked for")
		return
	}
	agreed, err := sdp.Parse(body.SDP)
	if err == nil && len(agreed.Lines) == len(c.legs) {
		c.label(agreed)
		_, err = c.negotiate(agreed, c.describe(body, agreed))
	}
	if err != nil || len(agreed.Lines) != len(c.legs) {
		c.log.Warn("the client's answer is of no use", "lines", len(agreed.Lines), "err", err)
		return
	}
	c.tellParties()
}
