package sip

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"github.com/reelvault/reelvault"
)

const (
	allow     = "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE"
	accept    = "application/sdp, application/rs-metadata+xml, application/rs-metadata, multipart/mixed"
	supported = "siprec, timer"

	// retryAfter is when to come again after a 503, unless the reason knows better.
	retryAfter = 10 * time.Second
)

// status is a final answer.
type status struct {
	code    int
	reason  string
	headers []sip.Header
}

func answer(code int, reason string, headers ...sip.Header) *status {
	return &status{code, reason, headers}
}

// handle counts a request in, and keeps a mistake of ours in one request from
// ending all calls.
func (s *Server) handle(f func(*sip.Request, sip.ServerTransaction)) sipgo.RequestHandler {
	return func(req *sip.Request, tx sip.ServerTransaction) {
		s.mu.Lock()
		late := s.closed || s.draining && req.Method != sip.BYE && req.Method != sip.ACK
		if !late {
			s.handling.Add(1)
		}
		s.mu.Unlock()
		if late {
			s.respond(req, tx, unavailable("the server is ending", retryAfter))
			return
		}
		defer s.handling.Done()
		defer func() {
			if p := recover(); p != nil {
				s.log.Error("SIP request panicked", "method", req.Method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				s.respond(req, tx, answer(sip.StatusInternalServerError, "Server Internal Error"))
			}
		}()
		f(req, tx)
		req.SetBody(nil) // sipgo keeps the request for half a minute, for repetitions of it
	}
}

// respond sends a final answer that makes no dialog.
func (s *Server) respond(req *sip.Request, tx sip.ServerTransaction, st *status) {
	if req.IsAck() {
		return
	}
	res := sip.NewResponseFromRequest(req, st.code, st.reason, nil)
	for _, h := range st.headers {
		res.AppendHeader(h)
	}
	if err := tx.Respond(res); err != nil {
		s.log.Debug("answer SIP request", "method", req.Method, "status", st.code, "err", err)
	}
}

// ok answers 200 within a dialog.
func ok(req *sip.Request, body []byte, headers ...sip.Header) *sip.Response {
	res := sip.NewResponseFromRequest(req, sip.StatusOK, "OK", body)
	if body != nil {
		res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	}
	for _, h := range headers {
		res.AppendHeader(h)
	}
	return res
}

func unavailable(why string, after time.Duration) *status {
	if after <= 0 {
		after = retryAfter
	}
	return answer(sip.StatusServiceUnavailable, "Service Unavailable",
		sip.NewHeader("Retry-After", strconv.Itoa(int(after.Seconds()+0.5))),
		sip.NewHeader("Reason", fmt.Sprintf(`SIP;cause=503;text="%s"`, plain(why))))
}

// notAcceptable says why an offer is refused (RFC 3261, section 20.43).
func (s *Server) notAcceptable(code int, why string) *status {
	return answer(sip.StatusNotAcceptableHere, "Not Acceptable Here",
		sip.NewHeader("Warning", fmt.Sprintf(`%d %s "%s"`, code, s.Addr(), plain(why))),
		sip.NewHeader("Accept", accept))
}

// plain makes a sentence fit for a quoted string.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '"' || r == '\\' || r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, text)
}

// refusal turns an error into an answer.
func (s *Server) refusal(err error) *status {
	text, after := "the call cannot be recorded", time.Duration(0)
	var e *reelvault.Error
	if asError(err, &e) {
		text, after = e.Message, e.RetryAfter
	}
	switch reelvault.KindOf(err) {
	case reelvault.Forbidden:
		return answer(sip.StatusForbidden, "Forbidden", sip.NewHeader("Reason", fmt.Sprintf(`SIP;cause=403;text="%s"`, plain(text))))
	case reelvault.Invalid, reelvault.TooLarge, reelvault.Unsupported, reelvault.NotAcceptable:
		return s.notAcceptable(399, text)
	case reelvault.StorageFull, reelvault.Unavailable, reelvault.Limited, reelvault.Conflict:
		return unavailable(text, after)
	default:
		return answer(sip.StatusInternalServerError, "Server Internal Error", sip.NewHeader("Retry-After", "10"))
	}
}

// options tells what is understood (RFC 3261, section 11.2); clients use it to
// see whether anybody is there.
func (s *Server) options(req *sip.Request, tx sip.ServerTransaction) {
	s.respond(req, tx, answer(sip.StatusOK, "OK",
		sip.NewHeader("Allow", allow), sip.NewHeader("Accept", accept), sip.NewHeader("Supported", supported)))
}

// unknown answers methods that a recorder has no use for.
func (s *Server) unknown(req *sip.Request, tx sip.ServerTransaction) {
	s.respond(req, tx, answer(sip.StatusMethodNotAllowed, "Method Not Allowed", sip.NewHeader("Allow", allow)))
}

// cancel answers a CANCEL whose INVITE is not there any more; sipgo matches
// the others.
func (s *Server) cancel(req *sip.Request, tx sip.ServerTransaction) {
	s.respond(req, tx, answer(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist"))
}

// ack confirms the dialog.
func (s *Server) ack(req *sip.Request, _ sip.ServerTransaction) {
	if c := s.find(req); c != nil {
		c.confirm(req)
	}
}

func (s *Server) bye(req *sip.Request, tx sip.ServerTransaction) {
	c := s.find(req)
	if c == nil {
		s.respond(req, tx, answer(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist"))
		return
	}
	s.respond(req, tx, answer(sip.StatusOK, "OK"))
	c.end(CauseBye)
}

func (s *Server) update(req *sip.Request, tx sip.ServerTransaction) {
	c := s.find(req)
	if c == nil {
		s.respond(req, tx, answer(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist"))
		return
	}
	c.change(req, tx)
}

// invite begins a call, or changes one.
func (s *Server) invite(req *sip.Request, tx sip.ServerTransaction) {
	if _, within := req.To().Params.Get("tag"); !within {
		s.begin(req, tx)
		return
	}
	if c := s.find(req); c != nil {
		c.change(req, tx)
		return
	}
	s.respond(req, tx, answer(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist"))
}

// find gives the call that a request belongs to, or nil.
func (s *Server) find(req *sip.Request) *call {
	id, err := sip.DialogIDFromRequestUAS(req)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[id]
}
