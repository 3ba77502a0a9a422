package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/reelvault/reelvault/sip"
	"github.com/reelvault/reelvault/sip/rtp"
)

// Telephony is what can be set of telephone calls.
type Telephony struct {
	SIPPort  int      `name:"sip-port" default:"0" placeholder:"N" help:"UDP and TCP port for telephone calls (SIPREC), usually 5060; 0 takes no calls. [${default}]"`
	SIPHost  string   `name:"sip-host" default:"127.0.0.1" placeholder:"IP" help:"Address of SIP and RTP, which telephone systems are told. [${default}]"`
	SIPAllow []string `name:"sip-allow" placeholder:"CIDR" help:"Networks of the telephone systems that may call, besides this machine."`
	RTPPorts string   `name:"rtp-ports" default:"10000-10999" placeholder:"A-B" help:"UDP ports of the calls' media; each voice takes two. [${default}]"`
}

func (t *Telephony) validate() error {
	if t.SIPPort < 0 || t.SIPPort > 65535 {
		return refuse("sip-port", "must be 0 to 65535")
	}
	host, err := netip.ParseAddr(t.SIPHost)
	if err != nil || host.IsUnspecified() || host.Zone() != "" {
		return refuse("sip-host", "%q is not like 192.0.2.5: telephone systems are told to send media there", t.SIPHost)
	}
	if _, err = parseNetworks(t.SIPAllow); err != nil {
		return &settingError{"sip-allow", err}
	}
	if t.SIPPort > 0 && !host.IsLoopback() && len(t.SIPAllow) == 0 {
		return refuse("sip-allow", "must name the networks that may call, since sip-host is not loopback")
	}
	first, last, err := t.rtpRange()
	if err != nil {
		return &settingError{"rtp-ports", err}
	}
	if err = (rtp.Config{Address: host, FirstPort: first, LastPort: last}).Validate(); err != nil {
		return &settingError{"rtp-ports", err}
	}
	return nil
}

func (t *Telephony) rtpRange() (first, last int, err error) {
	from, to, ok := strings.Cut(t.RTPPorts, "-")
	if ok {
		first, err = strconv.Atoi(strings.TrimSpace(from))
	}
	if ok && err == nil {
		last, err = strconv.Atoi(strings.TrimSpace(to))
	}
	if !ok || err != nil {
		return 0, 0, fmt.Errorf("%q is not like 10000-10999", t.RTPPorts)
	}
	return first, last, nil
}

// callPorts is how many ports a call takes: two voices, each with RTP and RTCP.
const callPorts = 4

// calls is how many calls of two voices there may be at a time.
func (t *Telephony) calls() int {
	first, last, err := t.rtpRange()
	if t.SIPPort == 0 || err != nil {
		return 0
	}
	return (last - first + 1) / callPorts
}

// loopbacks may always call.
var loopbacks = []string{"127.0.0.0/8", "::1/128"}

// sip gives what the SIP server needs, or nil if no calls are taken. The
// demo's call comes over loopback, to any port.
func (t *Telephony) sip(demo bool) (*sip.Config, error) {
	if t.SIPPort == 0 && !demo {
		return nil, nil
	}
	host, err := netip.ParseAddr(t.SIPHost)
	if err != nil {
		return nil, err
	}
	first, last, err := t.rtpRange()
	if err != nil {
		return nil, err
	}
	allowed, err := parseNetworks(append(loopbacks, t.SIPAllow...))
	if err != nil {
		return nil, err
	}
	return &sip.Config{Address: host, Port: t.SIPPort, FirstRTP: first, LastRTP: last, Allowed: allowed}, nil
}

// parseNetworks reads networks and single addresses.
func parseNetworks(texts []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			addr, err := netip.ParseAddr(text)
			if err != nil || addr.Zone() != "" {
				return nil, fmt.Errorf("%q is not like 10.0.0.0/8 or 10.1.2.3", text)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		networks = append(networks, prefix.Masked())
	}
	return networks, nil
}
