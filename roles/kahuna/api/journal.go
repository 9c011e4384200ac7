package api

import (
	"context"
	"encoding/json"
	"iter"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store"
)

// storeJournal reads the journal of a store.
type storeJournal struct {
	watch  func(ctx context.Context, from uint64) iter.Seq2[store.Record, error]
	tables map[model.Kind]*model.Table
}

// JournalOf is the journal of a store with these tables. Secrets are not unsealed: they stand masked.
func JournalOf(s interface {
	Watch(ctx context.Context, from uint64) iter.Seq2[store.Record, error]
}, tables []model.Table) Journal {
	j := storeJournal{watch: s.Watch, tables: map[model.Kind]*model.Table{}}
	for i := range tables {
		j.tables[tables[i].Kind] = &tables[i]
	}
	return j
}

// Watch decodes the records after an index.
func (j storeJournal) Watch(ctx context.Context, after uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for r, err := range j.watch(ctx, after+1) {
			if err != nil {
				yield(Record{}, err)
				return
			}
			out := Record{Index: r.Index, Time: r.Time, Actor: r.Cause.Actor, Request: r.Cause.Request, What: r.Cause.What}
			for i := range r.Changes {
				change, err := j.change(&r.Changes[i])
				if err != nil {
					yield(Record{}, err)
					return
				}
				out.Changes = append(out.Changes, change)
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}

func (j storeJournal) change(from *store.Change) (Change, error) {
	out := Change{Kind: from.Kind, ID: from.ID}
	t := j.tables[from.Kind]
	if t == nil {
		return out, nil // of a release that had this kind
	}
	for _, side := range []struct {
		value interface {
			JSON() (json.RawMessage, error)
		}
		empty bool
		to    *model.Object
	}{{from.Before, len(from.Before) == 0, &out.Before}, {from.After, len(from.After) == 0, &out.After}} {
		if side.empty {
			continue
		}
		o := t.New()
		raw, err := side.value.JSON()
		if err == nil {
			err = json.Unmarshal(raw, o)
		}
		if err != nil {
			return out, fault.Wrap(err, fault.Internal, "read "+string(from.Kind)+" "+string(from.ID)+" from the journal")
		}
		*side.to = o
	}
	return out, nil
}
