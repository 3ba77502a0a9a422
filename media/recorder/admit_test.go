package recorder_test

import (
	"testing"

	"github.com/reelvault/reelvault"
	"github.com/reelvault/reelvault/media/spool"
)

// full is a disk with less free space than is kept for running recordings.
type full struct{ spool.OS }

func (full) Space(string) (spool.Space, error) { return spool.Space{Total: 1 << 40, Free: 0}, nil }

type readOnly struct{ spool.OS }

func (readOnly) Space(string) (spool.Space, error) {
	return spool.Space{Total: 1 << 40, Free: 1 << 39, ReadOnly: true}, nil
}

// Whoever can't be recorded is told so before it sends.
func TestAdmit(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*ledger)
		disk   spool.FS
		want   reelvault.Kind
	}{
		"all is well":        {},
		"feature is off":     {change: func(l *ledger) { l.features.AV = false }, want: reelvault.Forbidden},
		"session has ended":  {change: func(l *ledger) { l.status = reelvault.StatusClosed }, want: reelvault.Conflict},
		"disk nearly full":   {disk: full{}, want: reelvault.StorageFull},
		"disk is read-only":  {disk: readOnly{}, want: reelvault.StorageFull},
		"disk can't written": {disk: &disk{fail: failing("write")}, want: reelvault.StorageFull},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				if test.change != nil {
					test.change(r.ledger)
				}
				err := r.Admit(r.t.Context(), guest)
				if reelvault.KindOf(err) != test.want {
					r.t.Errorf("admit: got %v, want kind %q", err, test.want)
				}
				c, err := r.Open(r.t.Context(), guest)
				if reelvault.KindOf(err) != test.want {
					r.t.Errorf("open: got %v, want kind %q", err, test.want)
				}
				if err == nil {
					c.Close(nil)
				}
			}, test.disk)
		})
	}
}

// A recorder that drains takes nobody.
func TestAdmitWhileDraining(t *testing.T) {
	bubble(t, func(r *rig) {
		r.ledger.onSession = func() {
			if err := r.Drain(r.t.Context()); err != nil {
				r.t.Error(err)
			}
		}
		if _, err := r.Open(r.t.Context(), guest); reelvault.KindOf(err) != reelvault.Unavailable {
			r.t.Errorf("open, with a drain on the way: got %v, want unavailable", err)
		}
		if err := r.Admit(r.t.Context(), guest); reelvault.KindOf(err) != reelvault.Unavailable {
			r.t.Errorf("admit: got %v, want unavailable", err)
		}
		if _, err := r.Open(r.t.Context(), guest); reelvault.KindOf(err) != reelvault.Unavailable {
			r.t.Errorf("open: got %v, want unavailable", err)
		}
	})
}
