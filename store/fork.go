package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"kowabunga/core/fault"
	"kowabunga/store/durable"
	"kowabunga/store/failpoint"
	"kowabunga/store/journal"
)

// A fork holds the records that one node had after the last one it shares with another. It has the
// frames of a backup:
//
//	h  header, JSON (ForkHeader)
//	r  record (journal.Record.Encode), at least one
//	e  end: how many records, SHA-256 of everything before this frame, JSON
const forkMagic = "KOWABUNGA FORK 1\n"

// The moments around the fsync of a fork file.
var (
	forkBeforeSync = failpoint.Register("store.fork.before-sync")
	forkAfterSync  = failpoint.Register("store.fork.after-sync")
)

// ForkHeader says what a fork holds.
type ForkHeader struct {
	After     Position  `json:"after"` // of the last record that both nodes have
	Position            // of the last record in the fork
	Published uint64    `json:"published"` // index up to which it was published
	Schema    uint64    `json:"schema"`
	Made      time.Time `json:"made"`
	Store     time.Time `json:"store"` // when the store was created
}

// Fork is what a fork file holds. The secrets in its records are sealed.
type Fork struct {
	ForkHeader
	Records []Record
}

type forkEnd struct {
	Records int    `json:"records"`
	Sum     []byte `json:"sum"`
}

// Fork writes all records after a position, published or not, to a file that survives a power failure
// once Fork returns. When the file is there already and holds these records, it is left as it is. Faults:
// Conflict when the position is not of this journal or is its end, or something else has the name;
// NotFound with ErrGone when retention has cut records after it.
func (s *Store) Fork(ctx context.Context, after Position, path string) error {
	_, err := s.alone(ctx, func(ctx context.Context) error { return s.fork(ctx, after, path) })
	return fault.Wrap(err, fault.Unavailable, "write the fork "+path)
}

func (s *Store) fork(ctx context.Context, after Position, path string) error {
	if err := s.has(after); err != nil {
		return err
	}
	if after.Index == s.last.state.Index {
		return fault.New(fault.Conflict, "the journal ends at record %d; there is nothing after it", after.Index)
	}
	h := ForkHeader{After: after, Position: s.last.state.Position, Published: s.Tip().Index, Schema: schema, Made: stamp(s.opts.Now(), time.Time{}), Store: s.last.state.Created}
	switch there, err := ReadFork(path); {
	case err == nil && there.After == h.After && there.Position == h.Position:
		return nil // written before a crash, for a position stands for all before it
	case !fault.Is(err, fault.NotFound):
		return &fault.Error{Code: fault.Conflict, Message: "there is another file of this name; it was left alone", Err: err}
	}
	if err := durable.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	err := durable.Fill(path, 0o600, func(w io.Writer) error {
		buffered := bufio.NewWriterSize(w, 1<<16)
		return errors.Join(s.writeFork(&framer{ctx: ctx, w: buffered, sum: sha256.New()}, h), buffered.Flush(), forkBeforeSync.Hit())
	})
	if err != nil {
		return err
	}
	return forkAfterSync.Hit()
}

// has tells whether a position is of this journal.
func (s *Store) has(at Position) error {
	h, _, there := s.Mark(at.Index)
	switch {
	case !there && at.Index < s.CutAt().Index:
		return &fault.Error{Code: fault.NotFound, Err: ErrGone, Message: "the journal does not reach back that far"}
	case !there || h != at.Hash:
		return fault.New(fault.Conflict, "record %d (%s) is not in this journal", at.Index, at.Hash)
	}
	return nil
}

func (s *Store) writeFork(out *framer, h ForkHeader) error {
	out.raw([]byte(forkMagic))
	out.json('h', h)
	end := forkEnd{}
	for at := h.After.Index; at < h.Index; {
		records, err := s.Tail(at+1, h.Index, readAtOnceBytes)
		if err != nil {
			return err
		}
		for _, b := range records {
			if out.frame('r', b); out.err != nil {
				return out.err
			}
			end.Records++
		}
		at += uint64(len(records))
	}
	end.Sum = out.sum.Sum(nil)
	out.json('e', end)
	return out.err
}

// ReadFork reads a fork file and verifies it. Faults: NotFound, Malformed.
func ReadFork(path string) (*Fork, error) {
	const op = "read the fork"
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &fault.Error{Code: fault.NotFound, Op: op, Message: "there is no " + path}
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, op)
	}
	fork, err := decodeFork(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, op+" "+path)
	}
	return fork, nil
}

func decodeFork(r io.Reader) (*Fork, error) {
	u, fork := framed(r, "fork"), &Fork{}
	if err := u.begin(forkMagic, &fork.ForkHeader); err != nil {
		return nil, err
	}
	at := fork.After
	for u.kind == 'r' {
		r, err := journal.Decode(u.body)
		if err != nil {
			return nil, err
		}
		if err := r.Follows(at.Index, at.Hash); err != nil {
			return nil, err
		}
		fork.Records = append(fork.Records, *r)
		at = Position{r.Index, r.Hash}
		if err := u.next(); err != nil {
			return nil, err
		}
	}
	var end forkEnd
	switch err := json.Unmarshal(u.body, &end); {
	case u.kind != 'e' || err != nil:
		return nil, u.malformed("has no end")
	case !bytes.Equal(end.Sum, u.sum.Sum(nil)):
		return nil, u.malformed("is damaged: its checksum is wrong")
	case end.Records != len(fork.Records) || len(fork.Records) == 0 || at != fork.Position:
		return nil, u.malformed("does not hold what its header promises")
	}
	return fork, nil
}
