package demo

import (
	"context"
	"errors"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

// person is somebody in a video session.
type person struct {
	id   string
	name string
	role reelvault.Role
}

var (
	guest    = person{"jana", "Jana Dvořáková", reelvault.RoleGuest}
	operator = person{"tomas", "Tomáš Marek", reelvault.RoleOperator}
)

const (
	// lead is how long before the talk the cameras are switched on: nobody
	// misses its beginning, and both have the same clock.
	lead = time.Second

	// screenAfter is when the guest shares the screen: just after being asked to.
	screenAfter = 8 * time.Second
)

// liveVideo goes on until ctx ends.
func (p *player) liveVideo(ctx context.Context) error {
	return p.video(ctx, "Jana D. - card declined", p.shareScreen)
}

// shortVideo is the contact before it, which broke off.
func (p *player) shortVideo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lead+short)
	defer cancel()
	return p.video(ctx, "Jana D. - first contact")
}

// stage is a video session that goes on.
type stage struct {
	session string
	start   time.Time // of the talk: all pictures show the time since
}

// video has guest and operator talk in a session of their own until ctx ends,
// with whatever else goes on.
func (p *player) video(ctx context.Context, name string, more ...func(context.Context, stage) error) (err error) {
	id, err := p.client.newSession(ctx, name)
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := goodbye(ctx)
		defer cancel()
		err = errors.Join(err, p.client.end(ending, id))
	}()
	on := stage{id, time.Now().Add(lead)}
	parts := []part{
		func(ctx context.Context) error { return p.show(ctx, on, guest, "camera", p.media.guest) },
		func(ctx context.Context) error { return p.show(ctx, on, operator, "camera", p.media.operator) },
	}
	for _, m := range more {
		parts = append(parts, func(ctx context.Context) error { return m(ctx, on) })
	}
	return together(ctx, parts...)
}

// show publishes a clip until ctx ends.
func (p *player) show(ctx context.Context, on stage, who person, source string, clip *testmedia.Clip) error {
	peer, err := p.client.publish(ctx, on.session, who, source, clip)
	if err != nil {
		return err
	}
	err = peer.Loop(ctx, on.start, clip)
	ending, cancel := goodbye(ctx)
	defer cancel()
	return errors.Join(err, peer.Close(ending))
}

// shareScreen is what the guest shares besides the camera.
func (p *player) shareScreen(ctx context.Context, on stage) error {
	if !sleep(ctx, time.Until(on.start.Add(screenAfter))) {
		return nil
	}
	return p.show(ctx, on, guest, "screen", p.media.screen)
}
