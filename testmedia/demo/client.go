package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
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

// client speaks to the API.
type client struct{ base, token string }

// call sends a JSON body, or none, and reads the answer into a value, if it is
// not nil.
func (c client) call(ctx context.Context, method, path string, body, into any) error {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, reader)
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %d: %s", method, path, response.StatusCode, bytes.TrimSpace(answer))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
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
func (c client) newSession(ctx context.Context, name string) (string, error) {
	ctx, cancel := goodbye(ctx)
	defer cancel()
	var s session
	err := c.call(ctx, http.MethodPost, "/api/v1/sessions", map[string]string{
		"name": name, "externalId": prefix + uuid.NewString(),
		"channel": string(reelvault.ChannelAV), "source": string(reelvault.SourceInvitation),
	}, &s)
	return s.ID, err
}

// end ends a session, also one that somebody else has ended.
func (c client) end(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, "/api/v1/sessions/"+id+"/end", nil, nil)
}

// publish lets somebody publish a camera or a screen.
func (c client) publish(ctx context.Context, sessionID string, who person, source string, clip *testmedia.Clip) (*testmedia.Peer, error) {
	query := url.Values{"participant": {who.id}, "role": {string(who.role)}, "source": {source}}
	return testmedia.Publish(ctx, testmedia.Target{
		URL: c.base + "/api/v1/sessions/" + sessionID + "/whip?" + query.Encode(), Token: c.token,
	}, clip)
}
