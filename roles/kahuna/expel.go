package kahuna

import (
	"context"
	"slices"
	"time"

	"kowabunga/core/model"
	"kowabunga/store/journal"
)

// expelAgain is how long it waits for a store that cannot be followed, or was replaced.
const expelAgain = time.Second

// expel ends the sessions of agents whose key was taken away, whatever the role: one that follows hears them
// as witnesses, and commands whom it is connected with once it acts.
func (s *Server) expel(ctx context.Context) error {
	for ctx.Err() == nil {
		from := s.store.View().Index() + 1
		s.fleet.Recheck()
		for record, err := range s.store.Watch(ctx, from) {
			if err != nil {
				break
			}
			if slices.ContainsFunc(record.Changes, func(c journal.Change) bool {
				return c.Kind == model.KindToken || c.Kind == model.KindAgent && c.Op == journal.Delete
			}) {
				s.fleet.Recheck()
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(expelAgain):
		}
	}
	return nil
}
