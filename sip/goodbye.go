package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// sayBye ends the dialog from this side. A client that does not answer where it
// was heard last may be where its Contact is; one that answers nowhere has gone
// anyway.
func (c *call) sayBye() {
	c.mu.Lock()
	peer := c.peer
	c.mu.Unlock()
	err := c.request(peer)
	if fallback, ok := c.contact(); err != nil && ok && fallback != peer {
		err = c.request(fallback)
	}
	if err != nil {
		c.log.Debug("say BYE", "err", err)
	}
}

// contact gives where the client wants to be called, if that is an address
// that may be called: one made up by a peer could be anybody's.
func (c *call) contact() (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	host, err := netip.ParseAddr(c.target.Host)
	if err != nil || !c.server.gate.admits(host.Unmap()) {
		return "", false
	}
	port := c.target.Port
	if port == 0 {
		port = sip.DefaultUdpPort
	}
	return net.JoinHostPort(host.Unmap().String(), strconv.Itoa(port)), true
}

// request sends a BYE to an address and waits for its answer. It goes back to
// where the client's last request came from: clients behind address
// translation have a Contact that leads nowhere.
func (c *call) request(to string) error {
	ctx, cancel := context.WithTimeout(c.bye, c.server.config.Timers.Bye)
	defer cancel()
	if sip.IsReliable(c.invite.Transport()) {
		if err := c.server.connect(ctx, to); err != nil {
			return fmt.Errorf("connect to client: %w", err)
		}
	}
	tx, err := c.server.client.TransactionRequest(ctx, c.byeRequest(to), func(client *sipgo.Client, req *sip.Request) error {
		return sipgo.ClientRequestAddVia(client, req)
	})
	if err != nil {
		return fmt.Errorf("send BYE: %w", err)
	}
	defer tx.Terminate()
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return nil
			}
		case <-tx.Done():
			return fmt.Errorf("send BYE: %w", tx.Err())
		case <-ctx.Done():
			return fmt.Errorf("send BYE: %w", ctx.Err())
		}
	}
}

// byeRequest writes a request within the dialog (RFC 3261, section 12.2.1.1).
func (c *call) byeRequest(to string) *sip.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	req := sip.NewRequest(sip.BYE, c.target)
	from, remote := c.invite.To().AsFrom(), c.invite.From().AsTo()
	sequence := &sip.CSeqHeader{SeqNo: c.own, MethodName: sip.BYE}
	c.own++
	forwards := sip.MaxForwardsHeader(70)
	req.AppendHeader(&from)
	req.AppendHeader(&remote)
	req.AppendHeader(sip.HeaderClone(c.invite.CallID()))
	req.AppendHeader(sequence)
	req.AppendHeader(&forwards)
	for _, route := range c.invite.GetHeaders("Record-Route") {
		req.AppendHeader(sip.NewHeader("Route", route.Value()))
	}
	req.SetBody(nil)
	req.SetTransport(c.invite.Transport())
	req.SetDestination(to)
	if !sip.IsReliable(c.invite.Transport()) {
		req.Laddr = sip.Addr{IP: net.IP(c.server.config.Address.AsSlice()), Port: c.server.port}
	}
	return req
}
