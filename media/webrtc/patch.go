package webrtc

import (
	"context"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media"
)

// Patch implements media.Gateway.
func (s *Server) Patch(context.Context, string, string, string, string) (media.Answer, error) {
	return media.Answer{}, reelvault.Errorf(reelvault.Unsupported, "trickle ICE is not there yet")
}
