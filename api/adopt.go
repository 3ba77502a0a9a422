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
			f.adoptAll(ctx, s)
		}
		after = next
	}
	return nil
}

// adoptAll adopts the participants of s, who are there. Of whom the program
// ended while their offer was answered it was not noted that they had come. If
// that can't be found out, they count as noted: one session holds up no other,
// and the leaving of nobody gets lost.
func (f *Feed) adoptAll(ctx context.Context, s reelvault.Session) {
	filter := storage.ActivityFilter{TenantID: s.TenantID, SessionID: s.ID, Limit: maxPage}
	noted := map[string]bool{}
	err := f.noted(ctx, &filter, noted) // before the door, which a long log must not keep shut
	ctx, leave := f.atDoor(ctx, s.ID)
	defer leave()
	if err == nil {
		err = f.noted(ctx, &filter, noted)
	}
	if err != nil {
		f.log.WarnContext(ctx, "not found out whose coming is noted", "session", s.ID, "error", err)
	}
	for _, p := range s.Participants {
		who, back := person{place{s.TenantID, s.ID}, p.ID}, false
		f.change(who, func(here *presence) {
			here.silent = here.silent || err == nil && !noted[p.ID]
			back = here.ties > 0
		})
		if !back {
			continue
		}
		if failed := f.noteSilent(ctx, who); failed != nil {
			f.log.WarnContext(ctx, "participant not noted", "session", s.ID, "participant", p.ID, "error", failed)
		}
	}
}

// noted finds out of whom it was noted last that they have come, from where
// filter begins, and moves that on.
func (f *Feed) noted(ctx context.Context, filter *storage.ActivityFilter, noted map[string]bool) error {
	for more := true; more; {
		as, err := f.config.Catalog.Activities(ctx, *filter)
		if err != nil {
			return fmt.Errorf("read activities: %w", err)
		}
		for _, a := range as {
			if filter.After = a.Seq; hearsay(a) {
				continue
			}
			switch a.Type {
			case reelvault.ActivityJoined:
				noted[a.ParticipantID] = true
			case reelvault.ActivityLeft:
				delete(noted, a.ParticipantID)
			default:
			}
		}
		more = len(as) == filter.Limit
	}
	return nil
}
