package kahuna

import (
	"context"
	"iter"

	"kowabunga/core/model"
	"kowabunga/roles/kahuna/api"
	"kowabunga/store"
)

// journal shows the store's records to the API with their objects decoded.
type journal struct{ store *store.Store }

func (j journal) Watch(ctx context.Context, after uint64) iter.Seq2[api.Record, error] {
	return func(yield func(api.Record, error) bool) {
		for r, err := range j.store.Watch(ctx, after+1) {
			if err != nil {
				yield(api.Record{}, err)
				return
			}
			out := api.Record{Index: r.Index, Time: r.Time, Actor: r.Cause.Actor, Request: r.Cause.Request, What: r.Cause.What}
			for _, c := range r.Changes {
				change := api.Change{Kind: c.Kind, ID: c.ID}
				var before, after model.Object
				if before, err = j.store.Object(c.Kind, c.Before); err == nil {
					after, err = j.store.Object(c.Kind, c.After)
				}
				if err != nil {
					yield(api.Record{}, err)
					return
				}
				change.Before, change.After = before, after
				out.Changes = append(out.Changes, change)
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}
