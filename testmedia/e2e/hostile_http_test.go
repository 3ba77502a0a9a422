package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	pion "github.com/pion/webrtc/v4"

	"github.com/reelvault/reelvault/testmedia/node"
)

const (
	sdpType      = "application/sdp"
	fragmentType = "application/trickle-ice-sdpfrag"
)

// A client is somebody with an address and a token of their own, so that the
// limits of one test are not those of another.
type client struct {
	node  *node.Node
	http  *http.Client
	token string
}

// newClient makes a client that may publish, at an address of loopback.
func newClient(t *testing.T, n *node.Node, address string) *client {
	t.Helper()
	var made struct{ Secret string }
	body := map[string]any{"name": address, "scopes": []string{"ingest", "sessions:read", "sessions:write"}}
	if err := n.JSON(t.Context(), http.MethodPost, "/api/v1/tokens", body, &made); err != nil {
		t.Fatal(err)
	}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{node: n, http: &http.Client{Transport: transport, Timeout: 20 * time.Second}, token: made.Secret}
}

// An answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request, as in "GET /path". header holds names and values in turn.
func (c *client) ask(ctx context.Context, what, body string, header ...string) (answer, error) {
	method, path, _ := strings.Cut(what, " ")
	request, err := http.NewRequestWithContext(ctx, method, c.node.Base+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(text)}, err
}

// want sends a request whose answer must have a status.
func (c *client) want(t *testing.T, status int, what, body string, header ...string) answer {
	t.Helper()
	a, err := c.ask(t.Context(), what, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	if a.status != status {
		t.Errorf("%s: got %d %s, want %d", what, a.status, a.body, status)
	}
	return a
}

func whipPath(session string) string {
	return "/api/v1/sessions/" + session + "/whip?participant=stranger"
}

// newOffer gives an offer of sound and picture, with candidates that lead nowhere.
func newOffer(t *testing.T) string {
	t.Helper()
	pc, err := pion.NewPeerConnection(pion.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close() //nolint:errcheck // it never connects
	for _, kind := range []pion.RTPCodecType{pion.RTPCodecTypeAudio, pion.RTPCodecTypeVideo} {
		if _, err = pc.AddTransceiverFromKind(kind, pion.RTPTransceiverInit{Direction: pion.RTPTransceiverDirectionSendonly}); err != nil {
			t.Fatal(err)
		}
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	return offer.SDP
}

// flood makes more offers than an address may, with several tokens at once. Each that is taken costs the server keys and sockets, so the first are
// answered, some wait, and the rest is refused with a time to come back.
func flood(t *testing.T, n *node.Node) {
	t.Helper()
	path, offer := whipPath(newSession(t, n)), newOffer(t)
	const offers, workers = 1000, 8
	var mu sync.Mutex
	statuses := map[int]int{}
	byAddress := 0
	var group sync.WaitGroup
	for range workers {
		c := newClient(t, n, "127.0.0.2")
		group.Go(func() {
			for range offers / workers {
				a, err := c.ask(t.Context(), "POST "+path, offer, "Content-Type", sdpType)
				if err != nil {
					t.Errorf("offer: %v", err)
					return
				}
				after, err := strconv.Atoi(a.header.Get("Retry-After"))
				if a.status == http.StatusTooManyRequests && (err != nil || after < 1) {
					t.Errorf("Retry-After: got %q", a.header.Get("Retry-After"))
				}
				mu.Lock()
				statuses[a.status]++
				if strings.Contains(a.body, "address") {
					byAddress++
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	t.Logf("answers: %v, refused for the address: %d", statuses, byAddress)
	taken, refused := statuses[http.StatusCreated], statuses[http.StatusTooManyRequests]
	const waiting = 64 // that the server lets wait at a time
	if taken == 0 || taken > waiting || taken+refused != offers {
		t.Errorf("answers: got %v, want 1 to %d of 201 and all others 429", statuses, waiting)
	}
	if byAddress < offers/2 {
		t.Errorf("refused for the address: got %d, want most", byAddress)
	}
}

// brokenOffers gives texts that are no offers, and real ones with random damage.
func brokenOffers(offer string) (broken, damaged []string) {
	lines := strings.SplitAfter(offer, "\r\n")
	broken = []string{
		"", "\r\n", "v=0", "not an offer", strings.Repeat("\x00", 1000), strings.Repeat("m=", 10_000),
		strings.ReplaceAll(offer, "a=fingerprint:", "a=nothing:"),
		strings.ReplaceAll(offer, "a=ice-pwd:", "a=nothing:"),
		strings.ReplaceAll(offer, "UDP/TLS/RTP/SAVPF", "RTP/AVP"),
		strings.Replace(offer, "m=audio 9", "m=audio 99999999999999999999", 1),
		lines[0] + strings.Repeat("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", 1000),
		"{\"type\":\"offer\",\"sdp\":\"\"}", "\xff\xfe\xfd" + offer[:100],
	}
	rng := rand.New(rand.NewPCG(2, 9725))
	for range 120 {
		bad := []byte(offer)
		for range 1 + rng.IntN(30) {
			bad[rng.IntN(len(bad))] = byte(rng.Uint32())
		}
		damaged = append(damaged, string(bad[:1+rng.IntN(len(bad))]))
	}
	for i := range lines {
		damaged = append(damaged, strings.Join(append(append([]string{}, lines[:i]...), lines[min(i+1, len(lines)):]...), ""))
	}
	return broken, damaged
}

func malformedOffers(t *testing.T, n *node.Node) {
	t.Helper()
	path := whipPath(newSession(t, n))
	broken, damaged := brokenOffers(newOffer(t))
	c := newClient(t, n, "127.0.0.3")
	for _, offer := range broken {
		a, err := c.ask(t.Context(), "POST "+path, offer, "Content-Type", sdpType)
		if err != nil || (a.status != http.StatusBadRequest && a.status != http.StatusUnprocessableEntity) {
			t.Errorf("offer %.60q: got %d %s, %v, want 400 or 422", offer, a.status, a.body, err)
		}
	}
	taken := 0
	for i, offer := range damaged {
		if i%100 == 0 {
			c = newClient(t, n, fmt.Sprint("127.0.0.", 10+i/100)) // within the limits of one address
		}
		a, err := c.ask(t.Context(), "POST "+path, offer, "Content-Type", sdpType)
		if err != nil {
			t.Fatal(err)
		}
		switch a.status {
		case http.StatusCreated: // the damage was where it does not matter
			taken++
			c.want(t, http.StatusOK, "DELETE "+a.header.Get("Location"), "")
		case http.StatusBadRequest, http.StatusUnprocessableEntity:
		default:
			t.Errorf("damaged offer %q: got %d %s", offer, a.status, a.body)
		}
	}
	t.Logf("%d damaged offers, %d taken", len(damaged), taken)
}

func malformedFragments(t *testing.T, n *node.Node) {
	t.Helper()
	c := newClient(t, n, "127.0.0.4")
	made := c.want(t, http.StatusCreated, "POST "+whipPath(newSession(t, n)), newOffer(t), "Content-Type", sdpType)
	location, etag := made.header.Get("Location"), made.header.Get("ETag")
	fragments := []string{
		"", "\r\n", "not a fragment", "a=ice-ufrag:", "a=ice-ufrag:x\r\na=ice-pwd:y\r\n", strings.Repeat("\x00", 1000),
		"a=ice-ufrag:" + strings.Repeat("u", 10_000) + "\r\n", strings.Repeat("a=mid:0\r\n", 5000),
		"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:99\r\na=candidate:1 1 udp 1 127.0.0.1 1 typ host\r\n",
		strings.Repeat("a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n", 1000),
		"a=candidate:1 1 udp -1 999.999.999.999 99999999 typ nothing\r\n",
	}
	rng := rand.New(rand.NewPCG(3, 8840))
	for range 50 {
		bad := make([]byte, rng.IntN(2000))
		for i := range bad {
			bad[i] = byte(rng.Uint32())
		}
		fragments = append(fragments, string(bad))
	}
	for _, f := range fragments {
		for _, match := range []string{etag, "*", `"stale"`} {
			a, err := c.ask(t.Context(), "PATCH "+location, f, "Content-Type", fragmentType, "If-Match", match)
			if err != nil {
				t.Fatal(err)
			}
			if a.status >= http.StatusInternalServerError || a.status == http.StatusOK {
				t.Errorf("fragment %.60q with If-Match %s: got %d %s", f, match, a.status, a.body)
			}
		}
	}
	c.want(t, http.StatusPreconditionRequired, "PATCH "+location, "a=mid:0", "Content-Type", fragmentType)
	c.want(t, http.StatusUnsupportedMediaType, "PATCH "+location, "a=mid:0", "Content-Type", sdpType, "If-Match", etag)
	c.want(t, http.StatusOK, "DELETE "+location, "")
	c.want(t, http.StatusNotFound, "DELETE "+location, "")
}

func oversized(t *testing.T, n *node.Node) {
	t.Helper()
	c := newClient(t, n, "127.0.0.5")
	session := newSession(t, n)
	for _, size := range []int{65 << 10, 8 << 20} {
		offer := newOffer(t) + strings.Repeat("a=candidate:1 1 udp 1 127.0.0.1 1 typ host\r\n", size/44)
		c.want(t, http.StatusRequestEntityTooLarge, "POST "+whipPath(session), offer, "Content-Type", sdpType)
		c.want(t, http.StatusRequestEntityTooLarge, "PATCH /api/v1/sessions/"+session+"/whip/x",
			strings.Repeat("a", size), "Content-Type", fragmentType, "If-Match", "*")
		c.want(t, http.StatusRequestEntityTooLarge, "POST /api/v1/sessions",
			`{"name":"`+strings.Repeat("n", size)+`"}`, "Content-Type", "application/json")
	}
}

func unknownIDs(t *testing.T, n *node.Node) {
	t.Helper()
	c := newClient(t, n, "127.0.0.6")
	known := newSession(t, n)
	for _, id := range []string{"0190b5a0-0000-7000-8000-000000000000", "nobody", "%00", "..%2f..", strings.Repeat("9", 2000)} {
		session := "/api/v1/sessions/" + id
		c.want(t, http.StatusNotFound, "GET "+session, "")
		c.want(t, http.StatusNotFound, "GET "+session+"/recordings", "")
		c.want(t, http.StatusNotFound, "POST "+session+"/end", "")
		c.want(t, http.StatusNotFound, "POST "+whipPath(id), newOffer(t), "Content-Type", sdpType)
		c.want(t, http.StatusNotFound, "PATCH /api/v1/sessions/"+known+"/whip/"+id, "a=mid:0",
			"Content-Type", fragmentType, "If-Match", "*")
		c.want(t, http.StatusNotFound, "DELETE /api/v1/sessions/"+known+"/whip/"+id, "")
		c.want(t, http.StatusNotFound, "GET /api/v1/recordings/"+id, "")
		c.want(t, http.StatusNotFound, "GET /media/"+id+"/"+id+".webm", "")
	}
}

// badTickets tries tickets where they are not good, and one until it is old.
func badTickets(t *testing.T, n *node.Node) {
	t.Helper()
	c := newClient(t, n, "127.0.0.7")
	session, other, offer := newSession(t, n), newSession(t, n), newOffer(t)
	c.token = ticket(t, n, other, `{"purpose":"publish","participant":"stranger"}`)
	c.want(t, http.StatusNotFound, "POST "+whipPath(session), offer, "Content-Type", sdpType) // as if it were not there
	c.want(t, http.StatusForbidden, "POST /api/v1/sessions/"+other+"/whip?participant=healthy", offer, "Content-Type", sdpType)
	c.want(t, http.StatusForbidden, "POST /api/v1/sessions/"+other+"/end", "")
	c.token = ticket(t, n, session, `{"purpose":"watch"}`)
	c.want(t, http.StatusForbidden, "POST "+whipPath(session), offer, "Content-Type", sdpType)
	c.token += "x"
	c.want(t, http.StatusUnauthorized, "POST "+whipPath(session), offer, "Content-Type", sdpType)

	c.token = ticket(t, n, session, `{"purpose":"publish","participant":"stranger","lifeSeconds":1}`)
	made := c.want(t, http.StatusCreated, "POST "+whipPath(session), offer, "Content-Type", sdpType)
	location := made.header.Get("Location")
	ctx := within(t, 10*time.Second)
	for {
		a, err := c.ask(ctx, "PATCH "+location, "", "Content-Type", fragmentType, "If-Match", `"stale"`)
		if err != nil {
			t.Fatal(err)
		}
		if a.status == http.StatusUnauthorized {
			break
		}
		<-time.After(20 * time.Millisecond)
	}
	c.want(t, http.StatusUnauthorized, "POST "+whipPath(session), offer, "Content-Type", sdpType)
	c.want(t, http.StatusUnauthorized, "DELETE "+location, "")
}

// ticket gives the secret of a new ticket.
func ticket(t *testing.T, n *node.Node, session, body string) string {
	t.Helper()
	var made struct{ Secret string }
	path := "/api/v1/sessions/" + session + "/tickets"
	if err := n.JSON(t.Context(), http.MethodPost, path, json.RawMessage(body), &made); err != nil {
		t.Fatal(err)
	}
	return made.Secret
}
