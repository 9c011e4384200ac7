package api

import (
	"context"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store"
	"kowabunga/store/seal"
)

// LookBack bounds, in journal records, how far back a past state is made from the present one. A hundred
// thousand take a few seconds of one processor.
const LookBack = 100_000

// PastStore is what the past is read from.
type PastStore interface {
	JournalBack(from uint64, max int) ([]store.Record, error)
	IndexAt(at time.Time) (uint64, error)
	At(ctx context.Context, index, limit uint64) (model.View, error)
	Object(kind model.Kind, v seal.Value) (model.Object, error)
}

// PastOf is the past of a store.
func PastOf(s PastStore) Past { return storePast{s} }

type storePast struct{ store PastStore }

func (p storePast) IndexAt(at time.Time) (uint64, error) { return p.store.IndexAt(at) }

func (p storePast) At(ctx context.Context, index uint64) (model.View, error) {
	return p.store.At(ctx, index, LookBack)
}

func (p storePast) Back(from uint64, max int) ([]PastRecord, error) {
	records, err := p.store.JournalBack(from, max)
	out := make([]PastRecord, len(records))
	for i := range records {
		r := &records[i]
		out[i] = PastRecord{Index: r.Index, Time: r.Time, Actor: r.Cause.Actor, ActorID: r.Cause.ActorID,
			Request: r.Cause.Request, From: r.Cause.From, What: r.Cause.What, Changes: make([]PastChange, len(r.Changes))}
		for j := range r.Changes {
			c := &r.Changes[j]
			out[i].Changes[j] = PastChange{Kind: c.Kind, ID: c.ID, Decode: func() (before, after model.Object, err error) {
				if before, err = p.store.Object(c.Kind, c.Before); err == nil {
					after, err = p.store.Object(c.Kind, c.After)
				}
				return before, after, fault.Wrap(err, fault.Internal, "read the journal")
			}}
		}
	}
	return out, err
}
