package node

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Session is what tests read of a session.
type Session struct {
	ID     string
	Status string
}

// Recording is what tests read of a recording.
type Recording struct {
	ID, SessionID string
	Kind, State   string
	Reason        string
	Durability    string
	StartedAt     time.Time
	DurationMs    int64
	Files         []File
	Tracks        []Track
}

// File is one file of a recording. Without links it is not sealed yet.
type File struct {
	ID, Durability           string
	Container, SHA256        string
	Bytes                    int64
	OffsetMs, DurationMs     int64
	PlaybackURL, DownloadURL string
}

// Track is one track of a recording.
type Track struct {
	ID, FileID           string
	Lane                 int
	ParticipantID        string
	Media, Codec         string
	OffsetMs, DurationMs int64
	Gaps                 []Gap
}

// Gap is a span without media, on the recording's clock.
type Gap struct {
	StartMs, EndMs    int64
	Cause, By, Reason string
}

// Do sends a JSON body, or none if it is nil, with the administrator's token,
// and gives the answer's body. An answer of 400 or more is an *AnswerError error.
func (n *Node) Do(ctx context.Context, method, path string, body any) ([]byte, error) {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, n.Base+path, reader)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Authorization", "Bearer "+Token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusBadRequest {
		err = &AnswerError{Status: response.StatusCode, Body: string(answer)}
	}
	if err != nil {
		return answer, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return answer, nil
}

// AnswerError is an answer that refuses.
type AnswerError struct {
	Status int
	Body   string
}

// Error implements error.
func (a *AnswerError) Error() string {
	return strconv.Itoa(a.Status) + ": " + strings.TrimSpace(a.Body)
}

// JSON is Do with an answer that is read into a value.
func (n *Node) JSON(ctx context.Context, method, path string, body, into any) error {
	answer, err := n.Do(ctx, method, path, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("read answer of %s %s: %w", method, path, err)
	}
	return nil
}

// NewSession makes a session.
func (n *Node) NewSession(ctx context.Context) (Session, error) {
	var s Session
	return s, n.JSON(ctx, http.MethodPost, "/api/v1/sessions", map[string]string{"channel": "AV"}, &s)
}

// EndSession ends a session, which seals its recordings.
func (n *Node) EndSession(ctx context.Context, id string) error {
	_, err := n.Do(ctx, http.MethodPost, "/api/v1/sessions/"+id+"/end", nil)
	return err
}

// WHIP gives the address at which a participant publishes into a session.
func (n *Node) WHIP(session, participant string) string {
	query := url.Values{"participant": {participant}, "role": {"guest"}}
	return fmt.Sprintf("%s/api/v1/sessions/%s/whip?%s", n.Base, session, query.Encode())
}

// Recordings gives a session's recordings.
func (n *Node) Recordings(ctx context.Context, session string) ([]Recording, error) {
	var list struct{ Items []Recording }
	err := n.JSON(ctx, http.MethodGet, "/api/v1/sessions/"+session+"/recordings", nil, &list)
	return list.Items, err
}

// Await asks for a session's recordings until they are as wanted, or the
// context ends.
func (n *Node) Await(ctx context.Context, session string, wanted func([]Recording) bool) ([]Recording, error) {
	for {
		all, err := n.Recordings(ctx, session)
		if err != nil {
			return nil, err
		}
		if wanted(all) {
			return all, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return all, fmt.Errorf("wait for recordings, now %+v: %w", all, ctx.Err())
		}
	}
}

// Finished says that there are recordings and that all of them have ended.
func Finished(all []Recording) bool {
	for _, r := range all {
		if r.State != "ready" && r.State != "failed" {
			return false
		}
	}
	return len(all) > 0
}

// Download gives a file's bytes by its link.
func (n *Node) Download(ctx context.Context, f File) ([]byte, error) {
	return n.Do(ctx, http.MethodGet, f.DownloadURL, nil)
}

// Metric gives the value of a metric without labels, or with the labels as
// they are printed.
func (n *Node) Metric(ctx context.Context, name string) (float64, error) {
	text, err := n.Do(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}
