package sip

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/google/uuid"

	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/sip/rtp"
	"github.com/reelvault/reelvault/sip/sdp"
	"github.com/reelvault/reelvault/sip/siprec"
)

// call is one dialog, with its media and its session. The goroutine of its
// INVITE owns its life, from begin to finish.
type call struct {
	server *Server
	log    *slog.Logger
	key    string       // of its INVITE: Call-ID and From tag
	invite *sip.Request // with our tag in its To
	id     string       // of the dialog
	number uint64       // in the o= lines of its answers

	session Session // set by join with c.mu and the server's lock held; either is enough to read it
	capture media.Capture
	ports   *rtp.Reservation // for the first offer

	unknown chan payloadSeen // from the receiver's workers
	ending  chan struct{}    // closed by end
	gone    chan struct{}    // closed by finish
	once    sync.Once
	cause   Cause              // set before ending is closed
	bye     context.Context    //nolint:containedctx // bounds a BYE, and is cut short by the server's Close
	cut     context.CancelFunc // of bye

	offering sync.Mutex // held while an offer is answered

	mu       sync.Mutex
	cast     cast
	meta     siprec.Metadata
	legs     []*leg     // by m-line; nil where the line is refused
	lines    []sdp.Line // as they were agreed last
	sent     []byte     // the last answer or offer of ours
	version  uint64
	sequence uint32        // of the client's last request
	own      uint32        // of ours
	acked    chan struct{} // closed by the ACK of the last 200; nil: none is waited for
	awaited  uint32        // the number of that ACK
	proposed bool          // that 200 made an offer
	answered time.Time     // when the 200 went out
	seen     time.Time     // the last sign of the client in SIP
	expires  time.Time     // of the session timer, or zero
	peer     string        // host and port of the client's last request
	target   sip.Uri       // its Contact
}

// begin makes a call of an INVITE outside any dialog, and lives as long as it.
func (s *Server) begin(req *sip.Request, tx sip.ServerTransaction) {
	c := s.newCall(req)
	if !s.enter(c) {
		s.respond(req, tx, answer(sip.StatusLoopDetected, "Merged Request"))
		return
	}
	if !tx.OnCancel(func(*sip.Request) { c.end(CauseCancel) }) {
		c.end(CauseCancel)
	}
	refused := c.open(req)
	if refused == nil {
		refused = c.accept(req, tx)
	}
	if refused != nil {
		s.count.refused.Add(1)
		c.end(CauseFailed)
		if c.cause != CauseCancel { // sipgo has answered that
			s.respond(req, tx, refused)
			c.log.Info("refused call", "status", refused.code, "reason", reasonOf(refused))
		}
	}
	c.finish()
}

func reasonOf(st *status) string {
	for _, h := range st.headers {
		if name := h.Name(); name == "Reason" || name == "Warning" {
			return h.Value()
		}
	}
	return st.reason
}

func (s *Server) newCall(req *sip.Request) *call {
	invite := req.Clone()
	invite.To().Params.Add("tag", uuid.NewString())
	tag, _ := req.From().Params.Get("tag")
	now := time.Now()
	c := &call{
		server: s, key: req.CallID().Value() + sip.TxSeperator + tag, invite: invite, number: rand.Uint64() >> 2, //nolint:gosec // no secret
		log:     s.log.With("callId", req.CallID().Value()),
		unknown: make(chan payloadSeen, unknownTypes), ending: make(chan struct{}), gone: make(chan struct{}),
		sequence: req.CSeq().SeqNo, seen: now, own: 1, peer: req.Source(),
	}
	c.id, _ = sip.DialogIDFromRequestUAS(invite)
	c.bye, c.cut = context.WithCancel(context.Background())
	c.aim(req)
	return c
}

// aim keeps where the client wants requests of ours.
func (c *call) aim(req *sip.Request) {
	c.peer = req.Source()
	if contact := req.Contact(); contact != nil && !contact.Address.Wildcard {
		c.target = contact.Address
	}
	if c.target.Host == "" {
		c.target = req.From().Address
	}
}

// enter keeps the call, unless it is there already: the same INVITE may come
// by two ways (RFC 3261, section 8.2.2.2).
func (s *Server) enter(c *call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.invites[c.key]; o != nil && o.invite.CSeq().SeqNo == c.invite.CSeq().SeqNo {
		return false
	}
	s.invites[c.key], s.calls[c.id] = c, c
	return true
}

// join notes the session of the call. The caller holds c.mu.
func (c *call) join(session Session) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.session = session
}

func (s *Server) leave(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, c.id)
	if s.invites[c.key] == c {
		delete(s.invites, c.key)
	}
}

// end asks the call to end. The first cause counts.
func (c *call) end(cause Cause) {
	c.once.Do(func() {
		c.cause = cause
		close(c.ending)
	})
}

// accept answers 200 and stays until the call ends. A status is an answer that
// could not be given.
func (c *call) accept(req *sip.Request, tx sip.ServerTransaction) *status {
	select {
	case <-c.ending:
		return answer(sip.StatusRequestTerminated, "Request Terminated")
	default:
	}
	c.mu.Lock()
	acked := c.await(req.CSeq().SeqNo)
	res := ok(c.invite, c.sent, c.headers(req)...)
	c.mu.Unlock()
	if err := tx.Respond(res); err != nil {
		c.log.Info("the answer could not be sent", "err", err)
		return answer(sip.StatusRequestTerminated, "Request Terminated")
	}
	req.SetBody(nil) // which need not live as long as the call
	c.server.count.begun.Add(1)
	c.mu.Lock()
	c.answered = time.Now()
	c.log.Info("call begun", "session", c.session.ID, "client", c.peer, "lines", len(c.legs))
	c.mu.Unlock()
	var repeating sync.WaitGroup
	repeating.Go(func() {
		if !c.repeat(tx, res, acked) {
			c.forget(acked)
			c.unheard()
		}
	})
	c.watch()
	repeating.Wait()
	return nil
}

// await makes the channel that the ACK of a 200 closes. Nobody waits for an
// earlier one any more: a client that begins another INVITE has had its answer
// (RFC 3261, section 14.1), whatever became of its ACK, and a peer can't have
// more than one 200 repeated for each call. The caller holds c.mu.
func (c *call) await(sequence uint32) chan struct{} {
	if c.acked != nil {
		close(c.acked)
	}
	c.acked, c.awaited = make(chan struct{}), sequence
	return c.acked
}

// confirm takes an ACK.
func (c *call) confirm(ack *sip.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = time.Now()
	if c.acked == nil || ack.CSeq().SeqNo != c.awaited {
		return
	}
	close(c.acked)
	c.acked = nil
	if c.proposed {
		c.proposed = false
		c.settle(ack)
	}
}

// forget gives up on an ACK.
func (c *call) forget(acked chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.acked == acked {
		c.acked, c.proposed = nil, false
	}
}

// repeat sends a 200 until its ACK comes, over TCP as well (RFC 3261, section
// 13.3.1.4). It says whether it did, or the call ended before.
func (c *call) repeat(tx sip.ServerTransaction, res *sip.Response, acked <-chan struct{}) bool {
	t := c.server.config.Timers
	wait, until := t.T1, time.NewTimer(64*t.T1)
	defer until.Stop()
	again := time.NewTimer(wait)
	defer again.Stop()
	for {
		select {
		case <-acked:
			return true
		case <-c.ending:
			return true
		case <-until.C:
			return false
		case <-again.C:
			if err := tx.Respond(res); err != nil {
				c.log.Debug("repeat answer", "err", err)
			}
			wait = min(2*wait, t.T2)
			again.Reset(wait)
		}
	}
}

// unheard decides what becomes of a call whose 200 got no ACK. One that sends
// media is recorded on.
func (c *call) unheard() {
	c.mu.Lock()
	heard := c.heard().After(c.answered)
	c.mu.Unlock()
	if heard {
		c.log.Warn("the client never acknowledged the call, but sends")
		return
	}
	c.end(CauseUnheard)
}

// finish ends what the call has begun, in this order: the dialog, the media,
// the session.
func (c *call) finish() {
	s := c.server
	defer close(c.gone)
	defer s.leave(c)
	defer c.cut()
	c.mu.Lock()
	dialog := !c.answered.IsZero()
	c.mu.Unlock()
	switch {
	case !dialog:
	case c.cause == CauseBye:
		c.linger()
	case c.cause != CauseCancel:
		c.sayBye()
	}
	c.mu.Lock()
	for _, l := range c.legs {
		l.close()
	}
	c.mu.Unlock()
	if c.capture != nil {
		var broken error
		if c.cause.Broken() {
			broken = fmt.Errorf("call ended: %s", c.cause)
		}
		c.capture.Close(broken)
	}
	if dialog && c.cause.Broken() {
		s.count.broken.Add(1)
	}
	if c.session == (Session{}) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), beginTime)
	defer cancel()
	if err := s.config.Calls.End(ctx, c.session, c.cause); err != nil {
		c.log.Error("end session of call", "session", c.session.ID, "err", err)
	}
	if dialog {
		c.log.Info("call ended", "session", c.session.ID, "cause", c.cause)
	}
}

// linger waits for packets that the BYE has overtaken.
func (c *call) linger() {
	select {
	case <-time.After(c.server.config.Timers.Linger):
	case <-c.bye.Done():
	}
}
