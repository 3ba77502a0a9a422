package sip

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"golang.org/x/time/rate"
)

const (
	// A source may send this many messages a second, and as many at once: a
	// client that starts 200 calls together sends 400 in a moment.
	sourceRate  = 200
	sourceBurst = 1000

	// maxSources bounds how many sources are counted apart.
	maxSources = 4096

	// All who are not let in are answered this often a second, together:
	// enough to find a wrong setting, useless to anybody else.
	strangerRate  = 10
	strangerBurst = 20

	// logEvery bounds how often turning somebody away is logged.
	logEvery = 10 * time.Second
)

// gate decides which messages come in.
type gate struct {
	allowed []netip.Prefix
	parser  *sip.Parser
	log     *slog.Logger
	count   gateCounters

	mu        sync.Mutex
	sources   map[netip.Addr]*rate.Limiter
	strangers *rate.Limiter
	logged    time.Time
}

type gateCounters struct {
	messages, strangers, limited, malformed, tooLarge atomic.Uint64
}

func newGate(allowed []netip.Prefix, log *slog.Logger) *gate {
	parser := sip.NewParser()
	parser.MaxMessageLength = maxHead + MaxMessage
	return &gate{
		allowed: allowed, parser: parser, log: log,
		sources: map[netip.Addr]*rate.Limiter{}, strangers: rate.NewLimiter(strangerRate, strangerBurst),
	}
}

// admits says whether this host is in an allowed network.
func (g *gate) admits(host netip.Addr) bool {
	return slices.ContainsFunc(g.allowed, func(p netip.Prefix) bool { return p.Contains(host) })
}

// stranger counts a message from elsewhere, and says whether to answer it.
func (g *gate) stranger(host netip.Addr, now time.Time) bool {
	g.count.strangers.Add(1)
	g.complain(now, "refused SIP from outside the allowed networks", "from", host, "hint", "name its network with --sip-allow")
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.strangers.AllowN(now, 1)
}

// complain logs now and then.
func (g *gate) complain(now time.Time, text string, args ...any) {
	g.mu.Lock()
	quiet := now.Sub(g.logged) < logEvery
	if !quiet {
		g.logged = now
	}
	g.mu.Unlock()
	if !quiet {
		g.log.Warn(text, args...)
	}
}

// limiter gives the limit of one source.
func (g *gate) limiter(host netip.Addr, now time.Time) *rate.Limiter {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l := g.sources[host]; l != nil {
		return l
	}
	if len(g.sources) >= maxSources {
		for h, l := range g.sources { // who has been quiet begins anew
			if l.TokensAt(now) >= sourceBurst {
				delete(g.sources, h)
			}
		}
	}
	if len(g.sources) >= maxSources {
		return g.strangers
	}
	l := rate.NewLimiter(sourceRate, sourceBurst)
	g.sources[host] = l
	return l
}

// check gives the message as it goes on to sipgo, or else the answer to send
// back, if any.
func (g *gate) check(m message) (onward, answer []byte) {
	g.count.messages.Add(1)
	for _, bare := range []bool{false, true} {
		onward = m.mended(bare)
		if g.parses(onward) {
			return onward, nil
		}
	}
	g.count.malformed.Add(1)
	return nil, m.refusal("400 Bad Request")
}

// parses says whether sipgo's parser takes a message, and whether it has all
// that the layers above rely on. A panic of the parser is no reason for one of
// ours.
func (g *gate) parses(data []byte) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			g.log.Error("parser panicked", "panic", fmt.Sprint(p))
			ok = false
		}
	}()
	parsed, err := g.parser.ParseSIP(data)
	if err != nil || parsed.Via() == nil || parsed.Via().Host == "" || parsed.CSeq() == nil || parsed.CallID() == nil || parsed.From() == nil || parsed.To() == nil {
		return false
	}
	request, is := parsed.(*sip.Request)
	if !is {
		return true
	}
	_, tagged := request.From().Params.Get("tag")
	return tagged && request.CSeq().MethodName == request.Method
}
