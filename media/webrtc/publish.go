package webrtc

import (
	"context"
	"slices"
	"strings"

	"github.com/reelvault/reelvault/media"
)

// Publish implements media.Gateway. The offer's sections that send Opus or
// one of the video codecs are taken, the others refused in place. The answer
// holds every candidate there is. What the sink says against the publisher is
// returned as it is.
func (s *Server) Publish(ctx context.Context, who media.Publisher, text string) (media.Answer, error) {
	o, err := parseOffer(text)
	if err != nil {
		return media.Answer{}, err
	}
	kept, err := o.publishable()
	if err != nil {
		return media.Answer{}, err
	}
	if err := s.sink.Admit(ctx, who); err != nil {
		return media.Answer{}, err
	}
	c := s.newConn(who, o, kept)
	c.in = newIngest(c)
	if err := s.register(c); err != nil {
		return media.Answer{}, err
	}
	return s.start(ctx, c, c.startPublisher)
}

// start answers c's offer and lets it run, or ends it.
func (s *Server) start(ctx context.Context, c *conn, begin func(context.Context) (string, error)) (media.Answer, error) {
	answer, err := begin(ctx)
	if err != nil {
		c.cancel(err)
		c.run()
		return media.Answer{}, err
	}
	go c.run()
	return media.Answer{ID: c.id, ETag: c.etag, SDP: answer}, nil
}

func (c *conn) startPublisher(ctx context.Context) (string, error) {
	if err := c.open(c.in.buffer); err != nil {
		return "", err
	}
	// The capture outlives the request that opens it.
	capture, err := c.server.sink.Open(context.WithoutCancel(ctx), c.who)
	if err != nil {
		return "", err
	}
	c.in.capture = capture
	return c.answer(ctx)
}

// Publishers implements media.Gateway. They are in the order of their ids.
func (s *Server) Publishers(tenantID, sessionID string) []media.Published {
	conns := s.ofSession(tenantID, sessionID)
	slices.SortFunc(conns, func(a, b *conn) int { return strings.Compare(a.id, b.id) })
	var list []media.Published
	for _, c := range conns {
		if c.in != nil {
			list = append(list, media.Published{Publisher: c.who, Formats: c.in.formats()})
		}
	}
	return list
}
