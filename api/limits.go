package api

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"github.com/reelvault/reelvault"
)

// Limit is a token bucket: Burst at once, then PerMinute.
type Limit struct {
	PerMinute int
	Burst     int
}

// Limits are the request limits. A zero Limit refuses everything, so begin
// with DefaultLimits.
type Limits struct {
	Address    Limit // every request, by client address
	Credential Limit // every request with a token, ticket or cookie, by credential
	Offers     Limit // WHIP and WHEP offers, by client address
	Ticket     Limit // WHIP and WHEP offers, and joining a call, by ticket or invitation
	Messages   Limit // activities sent with tickets, by invitation
	SignIns    Limit // tries to sign in, by client address
	Failures   Limit // requests without a valid credential, by client address; valid ones go on
}

// DefaultLimits gives limits that one office behind one address does not meet:
// a page makes a few requests a second, and a player one for each seek.
func DefaultLimits() Limits {
	return Limits{
		Address:    Limit{PerMinute: 12000, Burst: 1000},
		Credential: Limit{PerMinute: 3000, Burst: 300},
		Offers:     Limit{PerMinute: 600, Burst: 200},
		Ticket:     Limit{PerMinute: 30, Burst: 10},
		Messages:   Limit{PerMinute: 60, Burst: 30},
		SignIns:    Limit{PerMinute: 10, Burst: 10},
		Failures:   Limit{PerMinute: 120, Burst: 120},
	}
}

// limiterKeys bounds the memory of one limiter to about 2 MiB.
const limiterKeys = 10_000

// limiter gives every key a bucket of its own.
type limiter struct {
	what  string // for the message
	limit Limit
	keys  *table[*rate.Limiter]
}

func newLimiter(what string, l Limit) *limiter {
	return &limiter{what: what, limit: l, keys: newTable[*rate.Limiter](limiterKeys)}
}

// take takes one turn of key, or says when to come back.
func (l *limiter) take(key string, now time.Time) error {
	bucket := l.keys.get(key, func() *rate.Limiter {
		return rate.NewLimiter(rate.Limit(float64(l.limit.PerMinute)/60), l.limit.Burst)
	})
	r := bucket.ReserveN(now, 1)
	if !r.OK() {
		return l.refusal(time.Minute)
	}
	wait := r.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	r.CancelAt(now)
	return l.refusal(wait)
}

func (l *limiter) refusal(wait time.Duration) error {
	err := reelvault.Errorf(reelvault.Limited, "too many %s", l.what)
	err.RetryAfter = wait
	return err
}

// ipv6Network is what one customer of an IPv6 provider is usually given: its
// addresses share a bucket, or a limit would bind nobody.
const ipv6Network = 64

// bucketOf gives the limiter key of a client address.
func bucketOf(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Is4() {
		return address
	}
	p, err := a.WithZone("").Prefix(ipv6Network)
	if err != nil {
		return address
	}
	return p.String()
}
