package api

import (
	"context"
	"fmt"
	"slices"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/storage"
)

// Adopt gives everybody the grace time to come back who was there when the
// program ended, and notes those as having left who don't. Telephone calls are
// left alone: they end with what carries them.
func (f *Feed) Adopt(ctx context.Context) error {
	for after, more := "", true; more; more = after != "" {
		tenants, next, err := f.config.Catalog.Tenants(ctx, storage.Page{After: after, Limit: maxPage})
		if err != nil {
			return fmt.Errorf("list tenants: %w", err)
		}
		for _, t := range tenants {
			if err := f.adopt(ctx, t.ID); err != nil {
				return err
			}
		}
		after = next
	}
	return nil
}

func (f *Feed) adopt(ctx context.Context, tenantID string) error {
	live := true
	filter := storage.SessionFilter{TenantID: tenantID, Live: &live}
	for after, more := "", true; more; more = after != "" {
		sessions, next, err := f.config.Catalog.Sessions(ctx, filter, storage.Page{After: after, Limit: maxPage})
		if err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		for _, s := range sessions {
			s.Participants = slices.DeleteFunc(s.Participants, func(p reelvault.Participant) bool { return !p.LeftAt.IsZero() })
			if len(s.Participants) == 0 || s.Channel == reelvault.ChannelPhone {
				continue
			}
			if err = f.adoptAll(ctx, s); err != nil {
				return err
			}
		}
		after = next
	}
	return nil
}

// adoptAll adopts the participants of s, who are there. Of whom the program
// ended while their offer was answered it was not noted that they had come.
func (f *Feed) adoptAll(ctx context.Context, s reelvault.Session) error {
	ctx, leave := f.atDoor(ctx, s.ID)
	defer leave()
	noted, err := f.noted(ctx, s)
	if err != nil {
		return err
	}
	for _, p := range s.Participants {
		who, back := person{place{s.TenantID, s.ID}, p.ID}, false
		f.change(who, func(here *presence) {
			here.silent = here.silent || !noted[p.ID]
			back = here.ties > 0
		})
		if !back {
			continue
		}
		if err = f.noteSilent(ctx, who); err != nil {
			return err
		}
	}
	return nil
}

// noted says of whom it was noted last that they have come.
func (f *Feed) noted(ctx context.Context, s reelvault.Session) (map[string]bool, error) {
	noted := map[string]bool{}
	filter := storage.ActivityFilter{TenantID: s.TenantID, SessionID: s.ID, Limit: maxPage}
	for more := true; more; {
		as, err := f.config.Catalog.Activities(ctx, filter)
		if err != nil {
			return nil, fmt.Errorf("read activities: %w", err)
		}
		for _, a := range as {
			switch a.Type {
			case reelvault.ActivityJoined:
				noted[a.ParticipantID] = true
			case reelvault.ActivityLeft:
				delete(noted, a.ParticipantID)
			default:
			}
			filter.After = a.Seq
		}
		more = len(as) == filter.Limit
	}
	return noted, nil
}
