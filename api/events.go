package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/reelvault/reelvault"
)

const (
	// heartbeat is how often a stream that has nothing to tell says that it is
	// there. Proxies cut what is silent for a minute. With each the credential
	// is looked at, and the log, in case somebody else wrote it.
	heartbeat = 15 * time.Second

	// eventsAtOnce bounds what one follower has in memory: 64 activities of
	// the largest size are 1.3 MiB.
	eventsAtOnce = 64

	// maxStreams bounds the streams of a node, each a connection and a
	// goroutine, streamsOfTenant those of one tenant, who can make as many
	// tickets as they like, so that there is room for others, and streamsEach
	// those of one person, token, ticket or invitation: a few pages, and a few
	// that the network has cut and the server not noticed.
	maxStreams      = 2000
	streamsOfTenant = maxStreams / 2
	streamsEach     = 16

	// reconnect is when an EventSource tries again.
	reconnect = 2 * time.Second
)

type eventsInput struct {
	Session     string          `query:"session" maxLength:"36" doc:"Only of this session; a ticket names its own"`
	Types       string          `query:"types" maxLength:"2000" doc:"Only of these types, such as ChatMessage,Joined"`
	After       optional[int64] `query:"after" minimum:"0" doc:"Begin after this seq; 0 gives everything there is. Absent: with what happens from now on"`
	LastEventID string          `header:"Last-Event-ID" maxLength:"20" doc:"What the last event had as its id; goes before after"`
}

func (s *Server) registerEvents(api huma.API) {
	view := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[activityView](), true, "Activity")
	register(s, api, huma.Operation{
		OperationID: "getEvents", Method: http.MethodGet, Path: apiPrefix + "/events", Tags: []string{"Activities"},
		Summary: "Follow what happens, live (server-sent events)",
		Description: "Each event's id is an activity's seq and its data the Activity as JSON; there is no event field. " +
			"A comment comes at least every 15 seconds. An EventSource resumes by itself; whoever reads the stream by fetch, " +
			"to send a ticket in Authorization, repeats the last id in Last-Event-ID. Nothing is left out. " +
			"The stream ends when the credential does.",
		Responses: map[string]*huma.Response{"200": {
			Description: "The stream, without an end",
			Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: view}},
		}},
	}, s.getEvents)
}

func (s *Server) getEvents(ctx context.Context, c *caller, in *eventsInput) (*huma.StreamResponse, error) {
	r, err := s.follower(ctx, c, in)
	if err != nil {
		return nil, err
	}
	latest, err := s.Catalog.LatestActivity(ctx, c.TenantID)
	if err != nil {
		return nil, err
	}
	seq, err := in.start(latest)
	if err != nil {
		return nil, err
	}
	done, err := s.streams.take(c.TenantID, cmp.Or(c.credential.PersonID, ownerOf(c.credential)))
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer done()
		req, w := humago.Unwrap(hc)
		h := w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("X-Accel-Buffering", "no") // or nginx would keep the events to itself
		if req.Method == http.MethodHead {
			return
		}
		if err := s.follow(req.Context(), w, c, r, seq); err != nil {
			s.log.DebugContext(ctx, "stream ended", "request", requestID(ctx), "error", err)
		}
	}}, nil
}

// follower says what c may follow of what is asked for.
func (s *Server) follower(ctx context.Context, c *caller, in *eventsInput) (reader, error) {
	session := in.Session
	if bound := c.credential.SessionID; bound != "" {
		if session != "" && session != bound {
			return reader{}, reelvault.Errorf(reelvault.NotFound, "the ticket is for another session")
		}
		session = bound
	}
	if session != "" {
		if _, err := s.session(ctx, c, session); err != nil {
			return reader{}, err
		}
	}
	r := readerOf(c, session)
	if in.Types == "" {
		return r, nil
	}
	var types []reelvault.ActivityType
	for name := range strings.SplitSeq(in.Types, ",") {
		t := reelvault.ActivityType(name)
		if !t.Known() {
			return reader{}, invalid("query.types", fmt.Sprintf("there is no activity type %q", name))
		}
		if !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	return r.only(types), nil
}

// start gives the number after which a stream begins. One that is larger than
// the latest is of a log that is no more, as before a backup was restored.
func (in *eventsInput) start(latest int64) (int64, error) {
	if in.LastEventID != "" {
		seq, err := strconv.ParseUint(in.LastEventID, 10, 63) // which takes digits only
		if err != nil {
			return 0, invalid("header.Last-Event-ID", "this is no id of an event")
		}
		return min(int64(seq), latest), nil //nolint:gosec // 63 bits
	}
	if in.After.Set {
		return min(in.After.Value, latest), nil
	}
	return latest, nil
}

// follow writes what r may see, from after seq on, until the client has gone,
// the credential has ended or the server ends. A client that takes nothing is
// cut off by the write deadline of its connection.
func (s *Server) follow(ctx context.Context, w http.ResponseWriter, c *caller, r reader, seq int64) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	next, stop := s.Feed.follow(r.tenantID, r.sessionID)
	defer stop()
	if r.taking {
		p := reelvault.Participant{ID: c.credential.ParticipantID, Role: c.credential.Role, JoinedAt: s.now()}
		if leave, err := s.Feed.stay(ctx, r.tenantID, r.sessionID, p); err == nil {
			defer leave()
		} else if reelvault.KindOf(err) != reelvault.Conflict {
			return err // a session that has ended takes nobody in, but can be read
		}
	}
	before := fmt.Sprintf("retry: %d\nid: %d\n\n", reconnect.Milliseconds(), seq)
	for {
		changed := next() // before the log is read, or what comes meanwhile would be missed
		for more := true; more; before = "" {
			if _, err := s.credential(ctx, c.credential.Kind, c.secret); err != nil {
				return err // also in the middle of all that a follower has missed
			}
			b, err := s.after(ctx, r, seq, eventsAtOnce)
			if err != nil {
				return err
			}
			more, seq = b.more, b.last
			if err := send(w, before, b.views); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-beat.C:
			before = fmt.Sprintf(": still here\nid: %d\n\n", seq)
		case <-s.Feed.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// send writes what is said before and the events. It keeps nothing: thousands
// of streams wait most of the time.
func send(w http.ResponseWriter, before string, views []activityView) error {
	if before == "" && len(views) == 0 {
		return nil
	}
	out := bytes.NewBufferString(before)
	for _, v := range views {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "id: %d\ndata: %s\n\n", v.Seq, text)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}

// streams counts the streams that are open.
type streams struct {
	mu       sync.Mutex
	all      int
	ofTenant map[string]int
	of       map[string]int // by owner
}

func newStreams() *streams { return &streams{ofTenant: map[string]int{}, of: map[string]int{}} }

// take takes a place until done is called, or is Limited.
func (s *streams) take(tenant, owner string) (done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxStreams || s.ofTenant[tenant] >= streamsOfTenant || s.of[owner] >= streamsEach {
		full := reelvault.Errorf(reelvault.Limited, "too many event streams are open")
		full.RetryAfter = heartbeat
		return nil, full
	}
	s.all++
	s.ofTenant[tenant]++
	s.of[owner]++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		lessen(s.ofTenant, tenant)
		lessen(s.of, owner)
	}), nil
}

// has says whether an owner has a stream.
func (s *streams) has(owner string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of[owner] > 0
}

// lessen takes one off a count, and forgets it at none.
func lessen(counts map[string]int, key string) {
	if counts[key]--; counts[key] == 0 {
		delete(counts, key)
	}
}
