package sip

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// Config is what a Server needs.
type Config struct {
	// Address is where SIP and RTP are listened for, and what clients are
	// told: not 0.0.0.0 or ::. Port is UDP and TCP; 0 takes a free one.
	Address netip.Addr
	Port    int

	// FirstRTP and LastRTP are the range of ports for media; each stream takes
	// two. The number of streams is what limits the number of calls.
	FirstRTP, LastRTP int

	// Allowed are the networks that may call. Empty is loopback alone.
	Allowed []netip.Prefix

	Calls  Calls
	Sink   media.Sink
	Timers Timers // the zero Timers stands for DefaultTimers
	Log    *slog.Logger
}

// Timers says how long to wait.
type Timers struct {
	// T1 is the estimate of a round trip, from which the repetition of the 200
	// follows: after T1, 2 T1 and so on up to T2, for 64 T1 (RFC 3261,
	// section 13.3.1.4).
	T1, T2 time.Duration

	// Bye is how long a BYE of ours is repeated to one address.
	Bye time.Duration

	// Linger is how long packets are still taken after a BYE, which may
	// overtake them.
	Linger time.Duration

	// Silence is how long nothing may come on any stream that is not on hold.
	// It is longer than any pause of an encoder that sends no silence, and
	// senders that do send RTCP meanwhile.
	Silence time.Duration

	// Left is how long nothing may come after RTCP said goodbye.
	Left time.Duration

	// Held is how long a call on hold may go without any sign of the client.
	Held time.Duration

	// Refresh is the shortest session timer that is believed (RFC 4028,
	// section 4).
	Refresh time.Duration

	// Idle is how long a TCP connection may bring nothing while no call goes on
	// that came over it. Clients that keep theirs open ping every minute or two
	// (RFC 5626, section 4.4.1).
	Idle time.Duration

	// Check is how often this is looked at.
	Check time.Duration
}

// DefaultTimers gives what a server in service waits.
func DefaultTimers() Timers {
	return Timers{
		T1: 500 * time.Millisecond, T2: 4 * time.Second, Bye: 4 * time.Second, Linger: 200 * time.Millisecond,
		Silence: 60 * time.Second, Left: 10 * time.Second, Held: 2 * time.Hour, Refresh: 90 * time.Second,
		Idle: 5 * time.Minute, Check: time.Second,
	}
}

// loopback is who may call if nobody is named.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// prepare checks c and fills in what is left out.
func (c *Config) prepare() error {
	if !c.Address.IsValid() || c.Address.IsUnspecified() || c.Address.Zone() != "" {
		return reelvault.Errorf(reelvault.Invalid, "the SIP address %s is none that clients can be told", c.Address)
	}
	if c.Port < 0 || c.Port > 65535 {
		return reelvault.Errorf(reelvault.Invalid, "the SIP port %d is out of range", c.Port)
	}
	c.Address = c.Address.Unmap()
	if len(c.Allowed) == 0 {
		c.Allowed = loopback
	}
	if c.Timers == (Timers{}) {
		c.Timers = DefaultTimers()
	}
	return nil
}
