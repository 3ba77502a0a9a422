package durable_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
	"github.com/reelvault/reelvault/testmedia/node"
)

// drained is longer than the program's drain time.
const drained = 15 * time.Second

// Asked to end, the program refuses new publishers, seals what runs, and ends
// well; after a new start everything is there, and nothing was cut.
func TestTerminate(t *testing.T) {
	n := start(t, node.Spec{})
	var publishers []*publisher
	var sessions []string
	for i := range 12 {
		s, err := n.NewSession(t.Context())
		must(t, err)
		sessions = append(sessions, s.ID)
		publishers = append(publishers, publish(t, n, s.ID, fmt.Sprint("guest-", i), killed[i%len(killed)]))
	}
	late, err := n.NewSession(t.Context())
	must(t, err)
	awaitConnected(t, publishers)
	must(t, wait(t.Context(), 3*time.Second))

	asked := time.Now()
	must(t, n.Terminate())
	refusals := offerUntilGone(t, n, late.ID)
	ctx, cancel := context.WithTimeout(t.Context(), drained)
	defer cancel()
	if err := n.Wait(ctx); err != nil {
		t.Errorf("the program ended with %v", err)
	}
	for _, p := range publishers {
		p.stop()
	}
	if len(refusals) == 0 {
		t.Error("no offer was refused while the program was ending")
	}
	for _, r := range refusals {
		if !strings.Contains(r, "503") || !strings.Contains(r, `"unavailable"`) || !strings.Contains(r, "shutting down") {
			t.Errorf("an offer was refused with %s", r)
		}
	}

	must(t, n.Restart(t.Context()))
	for i, p := range publishers {
		expectSealed(t, n, sessions[i], p, asked)
	}
	if all, err := n.Recordings(t.Context(), late.ID); err != nil || len(all) > 0 {
		t.Errorf("what was refused has the recordings %+v, %v", all, err)
	}
}

// A store that takes requests and never answers holds up neither the end of
// the program nor its next start.
func TestTerminateWhileStoreHangs(t *testing.T) {
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, silent.Close()) })
	n := start(t, node.Spec{
		Args: []string{"--s3-endpoint", "http://" + silent.Addr().String(), "--s3-bucket", "recordings"},
		Env:  []string{"REELVAULT_S3_ACCESS_KEY=a", "REELVAULT_S3_SECRET_KEY=b"},
	})
	s, err := n.NewSession(t.Context())
	must(t, err)
	p := publish(t, n, s.ID, "anna", vp8)
	awaitConnected(t, []*publisher{p})
	must(t, wait(t.Context(), time.Second))

	asked := time.Now()
	must(t, n.Terminate())
	ctx, cancel := context.WithTimeout(t.Context(), drained)
	defer cancel()
	if err = n.Wait(ctx); err != nil {
		t.Errorf("the program ended with %v", err)
	}
	p.stop()
	must(t, n.Restart(t.Context()))
	all, err := n.Recordings(t.Context(), s.ID)
	must(t, err)
	if len(all) != 1 || all[0].State != string(reelvault.RecordingReady) || all[0].Durability != string(reelvault.Spooled) {
		t.Fatalf("%+v, want one recording that is ready and spooled", all)
	}
	p.expectHolds(t, n, all[0], window{until: asked.Add(-travel)})
}

// expectSealed finds a publisher's recording whole up to the moment the program
// was asked to end.
func expectSealed(t *testing.T, n *node.Node, session string, p *publisher, asked time.Time) {
	t.Helper()
	all := awaitVerified(t, n, session)
	if len(all) != 1 || all[0].State != string(reelvault.RecordingReady) {
		t.Fatalf("session %s has %+v, want one recording that is ready", session, all)
	}
	for _, track := range all[0].Tracks {
		if len(track.Gaps) > 0 {
			t.Errorf("%s of %s has the gaps %+v", track.Media, track.ParticipantID, track.Gaps)
		}
	}
	p.expectHolds(t, n, all[0], window{until: asked.Add(-travel)})
}

// offerUntilGone offers again and again, from several clients, until nobody
// answers, and gives the distinct refusals.
func offerUntilGone(t *testing.T, n *node.Node, session string) []string {
	t.Helper()
	const clients = 4
	var mu sync.Mutex
	var refusals []string
	var all sync.WaitGroup
	c := clip(t, vp8)
	for i := range clients {
		target := testmedia.Target{URL: n.WHIP(session, fmt.Sprint("late-", i)), Token: node.Token}
		all.Go(func() {
			refused := false
			for {
				peer, err := testmedia.Publish(t.Context(), target, c)
				if err == nil { // the signal is on its way
					if err = peer.Vanish(); refused || err != nil {
						t.Errorf("an offer was taken after one was refused, %v", err)
						return
					}
					continue
				}
				var gone *url.Error
				if errors.As(err, &gone) {
					return
				}
				refused = true
				mu.Lock()
				if !slices.Contains(refusals, err.Error()) {
					refusals = append(refusals, err.Error())
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return refusals
}
