package api

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/reelvault/reelvault"
)

// uninvitedEvery is how often it is looked for connections whose invitation is
// good no more. Those of one that is revoked here are hung up at once.
const uninvitedEvery = 5 * time.Second

// Run hangs up the connections of invitations that have expired, or that
// another node revoked, until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	tick := time.NewTicker(uninvitedEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.hangUpUninvited(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hangUpUninvited hangs up what was opened with invitations that are good no
// more. What the catalog doesn't tell is looked at again the next time.
func (s *Server) hangUpUninvited(ctx context.Context) {
	// Before the catalog is asked: what is opened meanwhile with an invitation
	// that is made meanwhile is good.
	owners := map[string]map[string]bool{} // by tenant
	for _, o := range s.opened.values() {
		if !o.invited {
			continue
		}
		if owners[o.tenant] == nil {
			owners[o.tenant] = map[string]bool{}
		}
		owners[o.tenant][o.owner] = true
	}
	for tenant, mayBeOver := range owners {
		good, err := s.Catalog.Credentials(ctx, tenant, reelvault.CredentialInvitation, s.now())
		if err != nil {
			s.log.WarnContext(ctx, "not looked for expired invitations", "tenant", tenant, "error", err)
			continue
		}
		for _, i := range good {
			delete(mayBeOver, i.ID)
		}
		for owner := range mayBeOver {
			s.hangUpOwner(ctx, owner)
		}
	}
}

// hangUpOwner ends the connections that an owner has opened, and the downloads.
func (s *Server) hangUpOwner(ctx context.Context, owner string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), controlTimeout)
	defer cancel()
	s.downloads.end(owner)
	for _, id := range s.opened.keysWhere(func(o opener) bool { return o.owner == owner }) {
		o, _ := s.opened.find(id)
		err := s.Gateway.Hangup(ctx, o.session, id)
		if err != nil && reelvault.KindOf(err) != reelvault.NotFound {
			s.log.WarnContext(ctx, "connection not ended", "request", requestID(ctx), "error", err)
			continue // it is tried again
		}
		s.opened.remove(id)
	}
}

// forgetSession takes the connections of a session that has ended out of the
// table.
func (s *Server) forgetSession(sessionID string) {
	for _, id := range s.opened.keysWhere(func(o opener) bool { return o.session == sessionID }) {
		s.opened.remove(id)
	}
}

// downloads are the answers with a file's bytes that run, by who issued their
// tickets. Their number is that of the connections.
type downloads struct {
	mu      sync.Mutex
	running map[string]map[*cutter]bool
}

func newDownloads() *downloads { return &downloads{running: map[string]map[*cutter]bool{}} }

// begin lets content be cut off when owner loses the right to it, until done
// is called.
func (d *downloads) begin(owner string, content io.ReadSeeker) (_ io.ReadSeeker, done func()) {
	c := &cutter{ReadSeeker: content}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running[owner] == nil {
		d.running[owner] = map[*cutter]bool{}
	}
	d.running[owner][c] = true
	return c, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.running[owner], c)
		if len(d.running[owner]) == 0 {
			delete(d.running, owner)
		}
	}
}

// end cuts off what runs for owner.
func (d *downloads) end(owner string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.running[owner] {
		c.cut.Store(true)
	}
}

// cutter reads until it is cut.
type cutter struct {
	io.ReadSeeker
	cut atomic.Bool
}

// Read implements io.Reader.
func (c *cutter) Read(p []byte) (int, error) {
	if c.cut.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return c.ReadSeeker.Read(p)
}
