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
	guest    = person{"jana", "Jana Malá", reelvault.RoleGuest}
	operator = person{"tomas", "Tomáš Marek", reelvault.RoleOperator}
)

const (
	// lead is how long before the talk the cameras are switched on: nobody
	// misses its beginning, and both have the same clock.
	lead = time.Second

	// screenAfter and fileAfter are when the guest shares the screen and the
	// invoice: just after being asked to.
	screenAfter = 8 * time.Second
	fileAfter   = 10 * time.Second

	// earlyScreen and earlyFile are that in a session that soon breaks off: a
	// screen that comes late still has some of its keyframes before the end.
	earlyScreen = 2 * time.Second
	earlyFile   = 3 * time.Second
)

// line is what somebody writes in the chat, so long after the talk began.
type line struct {
	after time.Duration
	who   person
	text  string
}

var chat = []line{
	{2 * time.Second, operator, "Hello, Tomáš here. I can hear and see you."},
	{7 * time.Second, guest, "It was the garden centre, 249.00"},
	{12 * time.Second, operator, "Thank you, I have your invoice."},
	{22 * time.Second, guest, "It works now 🎉"},
}

// stage is a video session that goes on.
type stage struct {
	session string
	start   time.Time         // of the talk: all pictures show the time since
	speak   map[string]client // for each participant, in the chat
}

// reached waits for a moment of the talk, and gives false if ctx ended first.
func (s stage) reached(ctx context.Context, after time.Duration) bool {
	return sleep(ctx, time.Until(s.start.Add(after)))
}

// liveVideo goes on until ctx ends.
func (p *player) liveVideo(ctx context.Context) error {
	return p.video(ctx, "Malá - card declined", screenAfter, fileAfter)
}

// shortVideo is the contact before it, which broke off.
func (p *player) shortVideo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lead+short)
	defer cancel()
	return p.video(ctx, "Malá - first contact", earlyScreen, earlyFile)
}

// video has guest and operator talk in a session of their own until ctx ends,
// and the guest share a screen and a file so long after the talk began.
func (p *player) video(ctx context.Context, name string, screen, file time.Duration) (err error) {
	s, err := p.client.newSession(ctx, name, reelvault.ChannelAV, reelvault.SourceInvitation)
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := goodbye(ctx)
		defer cancel()
		err = errors.Join(err, p.client.end(ending, s.ID))
	}()
	on, err := p.gather(ctx, s.ID)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	return together(ctx,
		func(ctx context.Context) error { return p.show(ctx, on, guest, "camera", p.media.guest) },
		func(ctx context.Context) error { return p.show(ctx, on, operator, "camera", p.media.operator) },
		func(ctx context.Context) error { return write(ctx, on) },
		func(ctx context.Context) error { return p.shareScreen(ctx, on, screen) },
		func(ctx context.Context) error { return shareFile(ctx, on, file) },
	)
}

// gather lets both into a session.
func (p *player) gather(ctx context.Context, id string) (stage, error) {
	on := stage{session: id, speak: map[string]client{}}
	for _, who := range []person{operator, guest} {
		speaks, err := p.client.invite(ctx, id, who)
		if err != nil {
			return on, err
		}
		on.speak[who.id] = speaks
	}
	on.start = time.Now().Add(lead)
	return on, nil
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

// write writes the chat.
func write(ctx context.Context, on stage) error {
	for _, l := range chat {
		if !on.reached(ctx, l.after) {
			return nil
		}
		if err := on.speak[l.who.id].say(ctx, on.session, l.text); err != nil {
			return err
		}
	}
	return nil
}

// shareScreen is what the guest shares besides the camera.
func (p *player) shareScreen(ctx context.Context, on stage, after time.Duration) error {
	if !on.reached(ctx, after) {
		return nil
	}
	return p.show(ctx, on, guest, "screen", p.media.screen)
}

// shareFile is the file that the guest was asked for.
func shareFile(ctx context.Context, on stage, after time.Duration) error {
	if !on.reached(ctx, after) {
		return nil
	}
	return on.speak[guest.id].share(ctx, on.session, "Invoice 2026-0417.pdf", invoice)
}
