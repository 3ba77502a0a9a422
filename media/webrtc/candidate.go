package webrtc

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// The lengths of ICE credentials (RFC 8445, section 5.3).
const (
	minUfrag      = 4
	minPwd        = 22
	maxCredential = 256
)

func validCredential(value string, least int) bool {
	if len(value) < least || len(value) > maxCredential {
		return false
	}
	for i := range len(value) {
		c := value[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '+' && c != '/' && !lenient(c) {
			return false
		}
	}
	return true
}

// lenient says whether c appears in credentials of clients in the field
// although RFC 8445 does not list it.
func lenient(c byte) bool { return c == '-' || c == '_' || c == '=' }

// appendCandidate adds a client's candidate (RFC 8839, section 5.1) to list if
// it is worth a connectivity check, up to maxCandidates: it must be for the
// one component there is, over UDP, with an address. A name is a stranger's
// and not resolved; browsers that hide behind mDNS names are found by their
// own checks.
func appendCandidate(list []string, value string) []string {
	fields := strings.Fields(value)
	if len(list) == maxCandidates || len(fields) < 8 || fields[1] != "1" || !strings.EqualFold(fields[2], "udp") || fields[6] != "typ" {
		return list
	}
	if !slices.Contains([]string{"host", "srflx", "prflx", "relay"}, fields[7]) {
		return list
	}
	_, priorityErr := strconv.ParseUint(fields[3], 10, 32)
	port, portErr := strconv.ParseUint(fields[5], 10, 16)
	addr, addrErr := netip.ParseAddr(fields[4])
	if priorityErr != nil || portErr != nil || addrErr != nil || port == 0 {
		return list
	}
	if addr.Zone() != "" || addr.IsMulticast() || addr.IsUnspecified() {
		return list
	}
	return append(list, strings.Join(fields[:8], " "))
}
