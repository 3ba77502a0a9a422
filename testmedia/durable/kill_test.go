package durable_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage/storagetest"
	"github.com/reelvault/reelvault/testmedia/node"
)

// travel is how long a packet is on its way from a publisher into a
// recorder's inbox, on a loaded machine.
const travel = 20 * time.Millisecond

// crashLoss is the most that a kill may cost.
const crashLoss = time.Second

// moments are the parts of a recording's life in which it is killed in turn.
var moments = []struct {
	name string
	kill func(*round, *testing.T)
}{
	{"recording", (*round).killRecording},
	{"connecting", (*round).killConnecting},
	{"paused", (*round).killPaused},
	{"stopping", (*round).killStopping},
	{"uploading", (*round).killUploading},
}

var killed = []clipKind{vp8, h264, vp9}

// The program is killed at random instants and started again: every recording
// is ready, or failed with a reason, plays, says where it was cut, and misses
// no frame that had left a second before.
func TestKill(t *testing.T) {
	rounds, seed := len(moments), uint64(time.Now().UnixNano())
	if soak {
		rounds = 200
	}
	if text := os.Getenv("SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	t.Logf("SEED=%d", seed)
	server := storagetest.StartMinIO(t)
	for i := range rounds {
		m := moments[i%len(moments)]
		r := &round{rand: rand.New(rand.NewPCG(seed, uint64(i))), bucket: bucketName("round-", i), codec: killed[i%len(killed)]}
		server.MakeBucket(r.bucket)
		t.Run(fmt.Sprint(i, " ", m.name), func(t *testing.T) {
			t.Parallel()
			r.node = start(t, storeAt(server, server.Endpoint, r.bucket))
			r.play(t, m.kill)
			must(t, r.node.Restart(t.Context()))
			var files []node.File
			for _, room := range []*room{&r.talk, &r.solo} {
				files = append(files, filesOf(room.expect(t, r))...)
			}
			expectStore(t, r.node, server, r.bucket, files)
		})
	}
}

// round is one life of a node that ends in a kill.
type round struct {
	rand   *rand.Rand
	node   *node.Node
	bucket string
	codec  clipKind

	talk, solo room
	killed     time.Time
}

// room is a session with its publishers, and what was asked of it.
type room struct {
	session              string
	publishers           []*publisher
	endAsked, ended      time.Time // zero: not
	pauseAsked, pausedAt time.Time
}

// play lets two sessions begin, and kills.
func (r *round) play(t *testing.T, kill func(*round, *testing.T)) {
	t.Helper()
	for room, names := range map[*room][]string{&r.talk: {"anna", "ben"}, &r.solo: {"carl"}} {
		s, err := r.node.NewSession(t.Context())
		must(t, err)
		room.session = s.ID
		for _, name := range names {
			room.publishers = append(room.publishers, publish(t, r.node, s.ID, name, r.codec))
		}
	}
	kill(r, t)
	for _, p := range r.publishers() {
		p.stop()
	}
}

func (r *round) publishers() []*publisher {
	return append(append([]*publisher{}, r.talk.publishers...), r.solo.publishers...)
}

// after kills the node at a random instant within d.
func (r *round) after(t *testing.T, d time.Duration) {
	t.Helper()
	must(t, wait(t.Context(), time.Duration(r.rand.Int64N(int64(d)))))
	r.killed = time.Now()
	must(t, r.node.Kill())
}

// record lets the media run for two to four seconds.
func (r *round) record(t *testing.T) {
	t.Helper()
	awaitConnected(t, r.publishers())
	must(t, wait(t.Context(), 2*time.Second+time.Duration(r.rand.Int64N(int64(2*time.Second)))))
}

func (r *round) killConnecting(t *testing.T) {
	t.Helper()
	r.after(t, 1500*time.Millisecond)
}

func (r *round) killRecording(t *testing.T) {
	t.Helper()
	awaitConnected(t, r.publishers())
	r.after(t, 6*time.Second)
}

// ask does something that a kill may cut off, and gives when it was asked for
// and answered.
func (r *round) ask(t *testing.T, asked, answered *time.Time, do func(context.Context) error) (wait func()) {
	t.Helper()
	done := make(chan struct{})
	*asked = time.Now()
	go func() {
		defer close(done)
		if err := do(t.Context()); err == nil {
			*answered = time.Now()
		}
	}()
	return func() { <-done }
}

func (r *round) end(t *testing.T, room *room) (wait func()) {
	t.Helper()
	return r.ask(t, &room.endAsked, &room.ended, func(ctx context.Context) error { return r.node.EndSession(ctx, room.session) })
}

func (r *round) killPaused(t *testing.T) {
	t.Helper()
	r.record(t)
	all, err := r.node.Recordings(t.Context(), r.solo.session)
	must(t, err)
	if len(all) != 1 {
		t.Fatalf("%d recordings, want 1", len(all))
	}
	answered := r.ask(t, &r.solo.pauseAsked, &r.solo.pausedAt, func(ctx context.Context) error {
		_, err := r.node.Do(ctx, http.MethodPost, "/api/v1/recordings/"+all[0].ID+"/pause", map[string]string{"reason": "card number"})
		return err
	})
	r.after(t, 2*time.Second)
	answered()
}

func (r *round) killStopping(t *testing.T) {
	t.Helper()
	r.record(t)
	talk, solo := r.end(t, &r.talk), r.end(t, &r.solo)
	r.after(t, 150*time.Millisecond)
	talk()
	solo()
}

func (r *round) killUploading(t *testing.T) {
	t.Helper()
	r.record(t)
	r.end(t, &r.talk)()
	r.end(t, &r.solo)()
	r.after(t, 500*time.Millisecond)
}

// window says what the room's recording has to hold.
func (o *room) window(r *round) window {
	w := window{until: r.killed.Add(-crashLoss)}
	if !o.ended.IsZero() {
		w.until = o.endAsked.Add(-travel)
	}
	if o.pauseAsked.IsZero() {
		return w
	}
	if early := o.pauseAsked.Add(-crashLoss); early.Before(w.until) {
		w.until = early // a pause discards what sits in buffers
	}
	w.never = o.pausedAt
	return w
}

// expect finds the room's recording as it has to be after the kill, and gives
// all there are.
func (o *room) expect(t *testing.T, r *round) []node.Recording {
	t.Helper()
	all, err := r.node.Recordings(t.Context(), o.session)
	must(t, err)
	w := o.window(r)
	if len(all) == 0 {
		for _, p := range o.publishers {
			p.expectHolds(t, r.node, node.Recording{State: "never begun"}, w)
		}
		return nil
	}
	if len(all) > 1 {
		t.Fatalf("%d recordings, want one: %+v", len(all), all)
	}
	if all[0].State == string(reelvault.RecordingPaused) {
		o.expectPaused(t, all[0])
		must(t, r.node.JSON(t.Context(), http.MethodPost, "/api/v1/recordings/"+all[0].ID+"/stop", nil, &node.Recording{}))
	} else if !o.pausedAt.IsZero() {
		t.Errorf("the recording was paused and is %s", all[0].State)
	}
	all = awaitVerified(t, r.node, o.session)
	rec := all[0]
	if rec.State == string(reelvault.RecordingFailed) && rec.Reason == "" {
		t.Errorf("recording %s failed without a reason", rec.ID)
	}
	for _, p := range o.publishers {
		p.expectHolds(t, r.node, rec, w)
	}
	o.expectGaps(t, rec)
	return all
}

func (o *room) expectPaused(t *testing.T, rec node.Recording) {
	t.Helper()
	if o.pauseAsked.IsZero() {
		t.Errorf("recording %s is paused, and nobody asked for that", rec.ID)
	}
	for _, track := range rec.Tracks {
		if o.pausedAt.IsZero() {
			continue // not yet, where the answer is not out
		}
		gaps := gapsOf(track, reelvault.GapPause)
		if len(gaps) != 1 || gaps[0].By == "" || gaps[0].Reason != "card number" {
			t.Errorf("%s of %s has the gaps %+v, want one pause with who and why", track.Media, track.ParticipantID, track.Gaps)
		}
	}
}

// expectGaps finds a gap where the recording was cut, and none where it was
// ended in time.
func (o *room) expectGaps(t *testing.T, rec node.Recording) {
	t.Helper()
	for _, track := range rec.Tracks {
		crashes := gapsOf(track, reelvault.GapCrash)
		switch {
		case !o.ended.IsZero():
			if len(track.Gaps) > 0 {
				t.Errorf("%s of %s has the gaps %+v, and was ended in time", track.Media, track.ParticipantID, track.Gaps)
			}
		case o.endAsked.IsZero() && o.pauseAsked.IsZero():
			if len(crashes) != 1 {
				t.Errorf("%s of %s has the gaps %+v, want one crash", track.Media, track.ParticipantID, track.Gaps)
			}
		}
	}
}
