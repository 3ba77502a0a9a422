package demo

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/testmedia"
)

// forEver is how long people talk whom somebody else ends.
const forEver = time.Duration(math.MaxInt64)

var errHungUp = errors.New("the recorder has hung up")

// liveCall goes on until ctx ends.
func (p *player) liveCall(ctx context.Context) error {
	return p.phone(ctx, "Novák - windscreen")
}

// shortCall is the contact before it, which broke off.
func (p *player) shortCall(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, short)
	defer cancel()
	return p.phone(ctx, "Novák - first contact")
}

// phone has a caller and an operator talk by telephone until ctx ends, as the
// telephone system has it recorded. The session is made before the call, by
// whoever knows what it is about, and the call is told of it.
func (p *player) phone(ctx context.Context, name string) (err error) {
	s, err := p.client.newSession(ctx, name, reelvault.ChannelPhone, reelvault.SourceIncomingCall)
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := goodbye(ctx)
		defer cancel()
		err = errors.Join(err, p.client.end(ending, s.ID))
	}()
	call, err := testmedia.Call(ctx, testmedia.CallSpec{
		Target: p.sip, Session: s.ExternalID,
		Voices: []testmedia.Voice{
			{Name: "Petr Novák", Address: "sip:+420601234567@pbx.example", Law: reelvault.PCMU, Sound: p.media.caller},
			{Name: "Eva Králová", Address: "sip:eva@pbx.example", Law: reelvault.PCMU, Sound: p.media.callee},
		},
	})
	if ctx.Err() != nil && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	err = together(ctx, func(ctx context.Context) error {
		_, failed := call.Talk(ctx, testmedia.Talk{For: forEver, Reports: true})
		return failed
	}, func(ctx context.Context) error {
		select {
		case <-call.Ended():
			return errHungUp
		case <-ctx.Done():
			return nil
		}
	})
	if errors.Is(err, errHungUp) {
		return errors.Join(err, call.Drop())
	}
	ending, cancel := goodbye(ctx)
	defer cancel()
	return errors.Join(err, call.Bye(ending))
}
