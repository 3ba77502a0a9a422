package api_test

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
	"github.com/reelvault/reelvault/storage"
)

func (w *world) published(kind reelvault.RecordingKind) media.Published {
	return media.Published{Publisher: media.Publisher{
		TenantID: w.a.ID, SessionID: w.a.Session, ParticipantID: "guest-1", Role: reelvault.RoleGuest, Kind: kind,
	}}
}

// Who has no connection and no stream any more has left after the grace time,
// once, and joins anew when they come back.
func TestJoinedAndLeft(t *testing.T) {
	w := newWorldOf(t, time.Millisecond)
	url := w.listen(t) + "/api/v1/events"
	ticket := w.callTicket(t, "guest-1")
	first, second := open(t, url, ticket), open(t, url, ticket)
	first.lines.Scan()
	second.lines.Scan()
	must(t, first.Body.Close())
	camera := w.published(reelvault.RecordingAV)
	w.feed.Publisher(camera, true)
	must(t, second.Body.Close())
	w.feed.Publisher(camera, false)
	w.await(t, "the leaving", func() bool { return len(w.what(t)) == 4 })
	s, err := w.catalog.Session(t.Context(), w.a.ID, w.a.Session)
	must(t, err)
	if p := s.Participants[0]; p.LeftAt.IsZero() || p.Name != "Jana" {
		t.Errorf("got %+v, want somebody who has left", p)
	}
	third := open(t, url+"?after=0", ticket)
	var got []string
	for range 5 {
		a, _ := third.next(t)
		got = append(got, a.Type)
		if a.Type == "Joined" && (a.Actor != "Guest" || a.Participant != "guest-1" || a.Data["name"] != "Jana" || a.Data["role"] != "guest") {
			t.Errorf("got %+v", a)
		}
	}
	wantList(t, "what happened", got, []string{"Joined", "publisher.started", "publisher.stopped", "Left", "Joined"})
}

// A client that goes away while it is noted that they have come, and one of
// whom that fails after the fact, leave like others: they have come, or not,
// and it is noted, or not.
func TestGoesAwayWhileComing(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want []string
	}{
		"goes away": {want: []string{"Joined guest-1", "Left guest-1"}},
		"fails":     {reelvault.Errorf(reelvault.Unavailable, "the catalog is away"), []string{"Joined guest-1", "Left guest-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldOf(t, time.Millisecond)
			ticket := w.callTicket(t, "guest-1")
			ctx, cancel := context.WithCancel(t.Context())
			w.catalog.comes = func(err error) error {
				cancel()
				return cmp.Or(tt.err, err)
			}
			r := httptest.NewRequestWithContext(ctx, "GET", "http://reelvault.test/api/v1/events", http.NoBody)
			r.Header.Set("Authorization", "Bearer "+ticket)
			w.ServeHTTP(httptest.NewRecorder(), r)
			w.await(t, "the leaving", func() bool { return len(w.what(t)) == len(tt.want) })
			wantList(t, "what happened", w.what(t), tt.want)
		})
	}
}

// Who comes back within the grace time has never left.
func TestGrace(t *testing.T) {
	w := newWorld(t)
	url := w.listen(t) + "/api/v1/events"
	ticket := w.callTicket(t, "guest-1")
	for range 3 {
		s := open(t, url, ticket)
		s.lines.Scan()
		must(t, s.Body.Close())
	}
	wantList(t, "what happened", w.what(t), []string{"Joined guest-1"})
}

func (w *world) leave(bearer, body string) *httptest.ResponseRecorder {
	return w.do(call{method: "POST", path: "/api/v1/sessions/" + w.a.Session + "/leave", bearer: bearer, body: body})
}

// Who says goodbye has left when nothing ties them, without any grace and
// whichever comes first. Others stay, and so does who comes back.
func TestGoodbye(t *testing.T) {
	w := newWorld(t)
	url := w.listen(t) + "/api/v1/events"
	ticket := w.callTicket(t, "guest-1")
	comes := func() *stream {
		s := open(t, url, ticket)
		s.lines.Scan()
		return s
	}
	open(t, url, w.callTicket(t, "guest-2")).lines.Scan()
	s := comes()
	wantStatus(t, w.leave(ticket, ""), 204)
	wantStatus(t, w.leave(ticket, `{"participant":"guest-1"}`), 204)
	must(t, s.Body.Close())
	w.await(t, "the leaving after the goodbye", func() bool { return len(w.what(t)) == 3 })

	must(t, comes().Body.Close())
	w.await(t, "the goodbye after the leaving", func() bool {
		wantStatus(t, w.leave(w.a.Token, `{"participant":"guest-1"}`), 204)
		return len(w.what(t)) == 5
	})

	s = comes()
	wantStatus(t, w.leave(ticket, ""), 204)
	again := comes()
	must(t, s.Body.Close())
	must(t, again.Body.Close())
	must(t, comes().Body.Close())
	wantList(t, "what happened", w.what(t), []string{
		"Joined guest-2", "Joined guest-1", "Left guest-1", "Joined guest-1", "Left guest-1", "Joined guest-1",
	})

	wantStatus(t, w.leave(ticket, `{"participant":"guest-2"}`), 403)
	wantStatus(t, w.leave(w.a.Token, ""), 422)
	wantStatus(t, w.leave(w.a.Token, `{"participant":"nobody"}`), 204)
}

// Whose offer is refused has not come, and who was there before, or comes in
// another way meanwhile, is there as if there had been no offer.
func TestRefusedOfferIsNotNoted(t *testing.T) {
	w := newWorldOf(t, time.Millisecond)
	url := w.listen(t) + "/api/v1/events"
	ticket := w.callTicket(t, "guest-3")
	w.guest(t, w.a, "guest-2")
	w.clock.advance(time.Minute)
	left := w.clock.Now()
	_, err := w.catalog.Leave(t.Context(), w.a.ID, w.a.Session, reelvault.Participant{ID: "guest-2", LeftAt: left}, nil)
	must(t, err)
	known := w.callTicket(t, "guest-4") // who has never been there
	w.clock.advance(time.Minute)
	w.gateway.err = reelvault.Errorf(reelvault.Invalid, "malformed SDP")
	offers := func(bearer, query string) { wantStatus(t, w.offer("whip", w.a.Session, bearer, query), 422) }
	offers(w.a.Token, "?participant=guest-1")
	offers(w.a.Token, "?participant=guest-2")
	offers(known, "")
	var s *stream
	w.gateway.before = func() {
		s = open(t, url, ticket)
		s.lines.Scan()
	}
	offers(ticket, "")
	wantList(t, "what happened", w.what(t), []string{"Joined guest-3"})
	for _, p := range w.participants(t) {
		switch {
		case (p.ID == "guest-1" || p.ID == "guest-4") && !p.LeftAt.Equal(p.JoinedAt),
			p.ID == "guest-2" && !p.LeftAt.Equal(left), p.ID == "guest-3" && !p.LeftAt.IsZero():
			t.Errorf("got %+v", p)
		}
	}
	must(t, s.Body.Close())
	w.await(t, "the leaving", func() bool { return len(w.what(t)) == 2 })

	w.gateway.err, w.gateway.before = nil, nil
	wantStatus(t, w.offer("whip", w.a.Session, w.a.Token, "?participant=guest-1"), 201)
	w.await(t, "who never connected", func() bool { return len(w.what(t)) == 4 })
	wantList(t, "what happened", w.what(t), []string{"Joined guest-3", "Left guest-3", "Joined guest-1", "Left guest-1"})
}

// Of whose offer is being answered when the session ends it is noted neither
// that they have come nor that they have left.
func TestSessionEndsDuringAnOffer(t *testing.T) {
	w := newWorld(t)
	w.gateway.before = func() {
		_, err := w.feed.EndSession(t.Context(), w.a.ID, w.a.Session, reelvault.ReasonSessionAPICall)
		must(t, err)
	}
	wantStatus(t, w.offer("whip", w.a.Session, w.a.Token, "?participant=guest-1"), 409)
	wantList(t, "what happened", w.what(t), []string{"SessionEnded"})
}

// Who comes while a refused offer lets them be out again has come, and leaves
// like others.
func TestComesWhileAnOfferFails(t *testing.T) {
	w := newWorldOf(t, time.Millisecond)
	url, ticket := w.listen(t)+"/api/v1/events", w.callTicket(t, "guest-1")
	came := make(chan *stream, 1)
	var once sync.Once
	w.catalog.goes = func() error {
		once.Do(func() {
			go func() { came <- open(t, url, ticket) }()
			w.await(t, "the stream", func() bool { return w.feed.Tied(w.a.ID, w.a.Session, "guest-1") })
		})
		return nil
	}
	w.gateway.err = reelvault.Errorf(reelvault.Invalid, "malformed SDP")
	wantStatus(t, w.offer("whip", w.a.Session, ticket, ""), 422)
	s := <-came
	s.lines.Scan()
	wantList(t, "what happened", w.what(t), []string{"Joined guest-1"})
	must(t, s.Body.Close())
	w.await(t, "the leaving", func() bool { return len(w.what(t)) == 2 })
	wantList(t, "what happened", w.what(t), []string{"Joined guest-1", "Left guest-1"})
}

// participants lists who is or was in the first tenant's session.
func (w *world) participants(tb testing.TB) []reelvault.Participant {
	tb.Helper()
	s, err := w.catalog.Session(tb.Context(), w.a.ID, w.a.Session)
	must(tb, err)
	return s.Participants
}

// The leaving of nobody gets lost: not when the catalog refuses it, and not
// when nothing more can be told.
func TestLeavingIsNotLost(t *testing.T) {
	t.Run("the catalog is away", func(t *testing.T) {
		w := newWorldOf(t, time.Millisecond)
		var refused atomic.Int32
		w.catalog.goes = func() error {
			if refused.Add(1) < 4 {
				return reelvault.Errorf(reelvault.Unavailable, "the catalog is away")
			}
			return nil
		}
		s := open(t, w.listen(t)+"/api/v1/events", w.callTicket(t, "guest-1"))
		s.lines.Scan()
		must(t, s.Body.Close())
		w.await(t, "the leaving", func() bool { return len(w.what(t)) == 2 })
		wantList(t, "what happened", w.what(t), []string{"Joined guest-1", "Left guest-1"})
	})
	t.Run("the catalog is slow", func(t *testing.T) {
		w := newWorldOf(t, time.Millisecond)
		camera := w.published(reelvault.RecordingAV)
		w.feed.Publisher(camera, true)
		w.await(t, "the camera", func() bool { return len(w.what(t)) == 2 })
		stalled := make(chan struct{})
		w.catalog.write = func() { <-stalled }
		for range 1000 { // more than are kept
			w.feed.Recording(reelvault.Recording{ID: newID(), TenantID: w.a.ID, SessionID: w.a.Session, State: reelvault.RecordingReady})
		}
		w.feed.Publisher(camera, false)
		close(stalled)
		w.await(t, "the leaving", func() bool { return !w.participants(t)[0].LeftAt.IsZero() })
		if what := w.what(t); len(what) >= 1000 || !slices.Contains(what, "Left guest-1") {
			t.Errorf("got %d activities, want some lost and the leaving", len(what))
		}
	})
}

// Each connection of a publisher is told of, and how many are left; a screen is
// an activity of its own.
func TestPublisherActivities(t *testing.T) {
	w := newWorld(t)
	camera, screen := w.published(reelvault.RecordingAV), w.published(reelvault.RecordingScreen)
	for _, step := range []struct {
		p  media.Published
		up bool
	}{{camera, true}, {camera, true}, {screen, true}, {camera, false}, {camera, false}, {screen, false}} {
		w.feed.Publisher(step.p, step.up)
	}
	w.await(t, "the last", func() bool { return len(w.what(t)) == 8 })
	as, err := w.catalog.Activities(t.Context(), storage.ActivityFilter{TenantID: w.a.ID, Limit: 9})
	must(t, err)
	got := []string{}
	for _, a := range as[1:] {
		got = append(got, string(a.Type)+" "+string(a.Actor)+a.Data)
	}
	wantList(t, "what happened", got, []string{
		`publisher.started Guest{"source":"camera"}`, `publisher.started Guest{"source":"camera"}`,
		`publisher.started Guest{"source":"screen"}`, `SharedScreen Guest`,
		`publisher.stopped Guest{"remaining":1,"source":"camera"}`, `publisher.stopped Guest{"remaining":0,"source":"camera"}`,
		`publisher.stopped Guest{"remaining":0,"source":"screen"}`,
	})
}

// What becomes of a recording is told, and resuming is not starting.
func TestRecordingActivities(t *testing.T) {
	w := newWorld(t)
	r := reelvault.Recording{ID: newID(), TenantID: w.a.ID, SessionID: w.a.Session, Kind: reelvault.RecordingAV}
	for _, s := range []reelvault.RecordingState{
		reelvault.RecordingRunning, reelvault.RecordingPaused, reelvault.RecordingRunning, reelvault.RecordingProcessing,
		reelvault.RecordingFailed, reelvault.RecordingDeleted,
	} {
		r.State, r.Reason = s, "the disk broke"
		w.feed.Recording(r)
	}
	w.await(t, "the last", func() bool { return len(w.what(t)) == 5 })
	wantList(t, "what happened", w.what(t), []string{
		"recording.started", "recording.paused", "recording.resumed", "recording.stopped", "recording.failed",
	})
	// Why it failed is not for those who are in the call.
	for bearer, want := range map[string]string{w.a.Token: "the disk broke", w.callTicket(t, "guest-1"): ""} {
		items := w.read(t, bearer, "").Items
		if last := items[4]; last.Text != want || last.Data["recordingId"] != r.ID || last.Data["kind"] != "av" {
			t.Errorf("got %+v, want the text %q", last, want)
		}
	}
}

// The end of a session is told once, with who was there until then.
func TestSessionEnded(t *testing.T) {
	w := newWorld(t)
	url := w.listen(t) + "/api/v1/events"
	s := open(t, url, w.callTicket(t, "guest-1"))
	w.guest(t, w.a, "guest-2")
	_, err := w.catalog.Leave(t.Context(), w.a.ID, w.a.Session, reelvault.Participant{ID: "guest-2", LeftAt: w.clock.Now()}, nil)
	must(t, err)
	w.await(t, "the guest", func() bool { return len(w.what(t)) == 1 })
	for range 2 {
		wantStatus(t, w.do(call{method: "POST", path: "/api/v1/sessions/" + w.a.Session + "/end", bearer: w.a.Token}), 200)
	}
	var got []string
	for range 3 {
		a, _ := s.next(t)
		got = append(got, a.Type+" "+a.Participant)
		if a.Type == "SessionEnded" && a.Data["reason"] != "SessionApiCall" {
			t.Errorf("got %+v", a)
		}
	}
	wantList(t, "what happened", got, []string{"Joined guest-1", "Left guest-1", "SessionEnded "})
	wantList(t, "what is kept", w.what(t), []string{"Joined guest-1", "Left guest-1", "SessionEnded"})
}
