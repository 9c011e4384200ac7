package store

import (
	"log/slog"
	"time"

	"kowabunga/core/model"
	"kowabunga/store/journal"
	"kowabunga/store/seal"
)

// The parts of a record, named here for those who only read the journal.
type (
	Record = journal.Record
	Change = journal.Change
	Cause  = journal.Cause
	Epoch  = journal.Epoch
	Hash   = journal.Hash
	Key    = seal.Key
)

// Options say where a store is and how it shall work.
type Options struct {
	Dir       string           // a folder of the store's own
	Tables    []model.Table    // every kind that is kept
	SealKey   Key              // seals the secrets; kept beside the data by the caller
	Now       func() time.Time // time.Now unless given
	Log       *slog.Logger     // silence unless given
	Retention Retention
	Follower  Follower // told of every change in the committer; none when nil

	// Held opens the store as one of a pair: no epoch begins, changes are refused until Begin, and nothing
	// is shown that Publish did not name, after a restart no more than the last commit knew as published.
	Held bool

	// Moved, with room for one, gets an item unless it has one, as soon as End, Making or Unwritten are not what
	// they were.
	Moved chan struct{}
}

// Retention bounds the journal. The last record is always kept, and whatever is cut is cut at the old
// end, a little with every commit; Trim cuts at once.
type Retention struct {
	Age   time.Duration // records older than this are cut; 0 for no bound
	Bytes int64         // records beyond this total are cut, the oldest first; 0 for no bound
}

func (o Options) filled() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Position is a place in the journal: two journals that agree on one agree on all before it.
type Position struct {
	Index uint64 `json:"index"`
	Hash  Hash   `json:"hash"`
}

// Status describes an open store.
type Status struct {
	Position
	Time         time.Time `json:"time"`  // of the last record
	Epoch        Epoch     `json:"epoch"` // of the last record
	Schema       uint64    `json:"schema"`
	Created      time.Time `json:"created"`
	Cut          Position  `json:"cut"`          // the last record that retention removed, zero if none
	JournalBytes int64     `json:"journalBytes"` // keys and values
	FileBytes    int64     `json:"fileBytes"`
	Drill        bool      `json:"drill"`           // restored, not promoted: must not command agents
	Fault        string    `json:"fault,omitempty"` // why writing fails at present
}
