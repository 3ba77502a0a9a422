package demo

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

// prefix begins the external ids of the demo's sessions: people may make
// others beside them.
const prefix = "demo-"

// session is what the demo reads of a session.
type session struct {
	ID         string
	ExternalID string
	Channel    string
	Recordings int
}

func (s session) ours() bool { return strings.HasPrefix(s.ExternalID, prefix) }

// client speaks to the API, with a token or whatever else it takes.
type client struct{ base, secret string }

// as gives the same client with another secret.
func (c client) as(secret string) client { return client{c.base, secret} }

// call sends a JSON body, or none, and reads the answer into a value, if it is
// not nil.
func (c client) call(ctx context.Context, method, path string, body, into any) error {
	var data []byte
	header := http.Header{}
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
		header.Set("Content-Type", "application/json")
	}
	answer, _, err := c.send(ctx, method, c.base+path, header, data)
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// send makes a request and gives the answer with its header. One of 400 or
// more is an error.
func (c client) send(ctx context.Context, method, target string, header http.Header, body []byte) ([]byte, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	request.Header = header
	request.Header.Set("Authorization", "Bearer "+c.secret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%d: %s", response.StatusCode, bytes.TrimSpace(answer))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", method, target, err)
	}
	return answer, response.Header, nil
}

// sessions gives all that are live, or all that have ended.
func (c client) sessions(ctx context.Context, live bool) ([]session, error) {
	var all []session
	for cursor := ""; ; {
		query := url.Values{"live": {fmt.Sprint(live)}, "limit": {"500"}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		var page struct {
			Items []session
			Next  string
		}
		if err := c.call(ctx, http.MethodGet, "/api/v1/sessions?"+query.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if cursor = page.Next; cursor == "" {
			return all, nil
		}
	}
}

// newSession makes a session, which whoever calls it ends: it is not left half
// done when ctx ends.
func (c client) newSession(ctx context.Context, name string, channel reelvault.Channel, source reelvault.SessionSource) (session, error) {
	ctx, cancel := goodbye(ctx)
	defer cancel()
	var s session
	err := c.call(ctx, http.MethodPost, "/api/v1/sessions", map[string]any{
		"name": name, "externalId": prefix + uuid.NewString(), "channel": channel, "source": source,
	}, &s)
	return s, err
}

// end ends a session, also one that somebody else has ended.
func (c client) end(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/api/v1/sessions/"+id+"/end", nil, nil)
}

// invite lets somebody into a session, as the call page does, and gives the
// client that speaks for them.
func (c client) invite(ctx context.Context, sessionID string, who person) (client, error) {
	var invitation struct{ URL string }
	err := c.call(ctx, http.MethodPost, "/api/v1/sessions/"+sessionID+"/invitations", map[string]any{
		"participant": who.id, "role": who.role, "name": who.name,
	}, &invitation)
	if err != nil {
		return client{}, err
	}
	_, secret, _ := strings.Cut(invitation.URL, "#")
	var joined struct{ Ticket struct{ Secret string } }
	err = c.as(secret).call(ctx, http.MethodPost, "/api/v1/call/join", nil, &joined)
	return c.as(joined.Ticket.Secret), err
}

// publish lets somebody publish a camera or a screen. It takes a token: a
// ticket would be over when the connection is.
func (c client) publish(ctx context.Context, sessionID string, who person, source string, clip *testmedia.Clip) (*testmedia.Peer, error) {
	query := url.Values{"participant": {who.id}, "role": {string(who.role)}, "source": {source}}
	return testmedia.Publish(ctx, testmedia.Target{
		URL: c.base + "/api/v1/sessions/" + sessionID + "/whip?" + query.Encode(), Token: c.secret,
	}, clip)
}

// say sends a message in a chat.
func (c client) say(ctx context.Context, sessionID, text string) error {
	return c.call(ctx, http.MethodPost, "/api/v1/sessions/"+sessionID+"/activities",
		map[string]any{"type": reelvault.ActivityChatMessage, "text": text}, nil)
}

// share shares a small file: tus 1.0, with its bytes in the request that
// announces it.
func (c client) share(ctx context.Context, sessionID, name string, content []byte) error {
	header := http.Header{}
	header.Set("Tus-Resumable", "1.0.0")
	header.Set("Upload-Length", strconv.Itoa(len(content)))
	header.Set("Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte(name)))
	header.Set("Content-Type", "application/offset+octet-stream")
	_, answer, err := c.send(ctx, http.MethodPost, c.base+"/api/v1/sessions/"+sessionID+"/files", header, content)
	if got := answer.Get("Upload-Offset"); err == nil && got != strconv.Itoa(len(content)) {
		err = fmt.Errorf("share %s: of %d bytes %s arrived", name, len(content), got)
	}
	return err
}
