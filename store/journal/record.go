package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/octets"
	"kowabunga/store/seal"
)

// Epoch is the reign under which a record was written.
type Epoch = agentproto.Epoch

// Cause says who asked for a change and what for.
type Cause struct {
	Actor   string `json:"actor"`             // "user", "agent", "operation", "system", ...
	ActorID string `json:"actorId,omitempty"` // id of the actor, when it has one
	Request string `json:"request,omitempty"` // request id
	From    string `json:"from,omitempty"`    // address the request came from
	What    string `json:"what"`              // e.g. "create kompute"
}

// Op is what happened to an object.
type Op byte

// The ops.
const (
	Create Op = 'c'
	Update Op = 'u'
	Delete Op = 'd'
)

// String names the op as events do.
func (o Op) String() string {
	switch o {
	case Create:
		return "create"
	case Update:
		return "update"
	case Delete:
		return "delete"
	}
	return "unknown"
}

// MarshalText names the op as events do.
func (o Op) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Change is what a record did to one object. Before is empty for a new object, After for a deleted one;
// as JSON both show secrets masked.
type Change struct {
	Kind    model.Kind `json:"kind"`
	ID      model.ID   `json:"id"`
	Op      Op         `json:"op"`
	Version uint64     `json:"version"` // of the object afterwards; of a deleted one, the last it had
	Before  seal.Value `json:"before,omitempty"`
	After   seal.Value `json:"after,omitempty"`
}

// Hash identifies a record and everything before it: SHA-256 of its bytes.
type Hash [sha256.Size]byte

// String is the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText gives the hash in hexadecimal.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads a hash in hexadecimal.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != 2*len(h) {
		return fault.New(fault.Malformed, "a hash has %d hexadecimal digits", 2*len(h))
	}
	if _, err := hex.Decode(h[:], text); err != nil {
		return &fault.Error{Code: fault.Malformed, Message: "a hash is hexadecimal", Err: err}
	}
	return nil
}

// Record is one entry of the journal.
type Record struct {
	Index   uint64    `json:"index"`
	Epoch   Epoch     `json:"epoch"`
	Time    time.Time `json:"time"` // UTC; never before that of the previous record
	Cause   Cause     `json:"cause"`
	Changes []Change  `json:"changes,omitempty"`
	Prev    Hash      `json:"prev"`
	Hash    Hash      `json:"hash"`
}

const format = 1

// Encode makes the bytes of a record and sets its Hash. They begin with the hash of the rest:
//
//	32 bytes hash
//	1 byte   format, 1
//	32 bytes hash of the previous record
//	number   index
//	number   epoch counter
//	field    epoch node
//	number   time, nanoseconds since 1970 UTC
//	field x5 actor, actor's id, request, from, what
//	number   how many changes follow
//	each     field kind, field id, 1 byte op, number version, field before, field after
func (r *Record) Encode() []byte {
	size := 256
	for _, c := range r.Changes {
		size += 64 + len(c.Before) + len(c.After)
	}
	b := make([]byte, sha256.Size, size)
	b = append(b, format)
	b = append(b, r.Prev[:]...)
	b = octets.Number(b, r.Index)
	b = octets.Number(b, r.Epoch.Counter)
	b = octets.Append(b, r.Epoch.Node)
	b = octets.Number(b, uint64(r.Time.UnixNano()))
	for _, s := range []string{r.Cause.Actor, r.Cause.ActorID, r.Cause.Request, r.Cause.From, r.Cause.What} {
		b = octets.Append(b, s)
	}
	b = octets.Number(b, uint64(len(r.Changes)))
	for _, c := range r.Changes {
		b = octets.Append(b, c.Kind)
		b = octets.Append(b, c.ID)
		b = append(b, byte(c.Op))
		b = octets.Number(b, c.Version)
		b = octets.Append(b, c.Before)
		b = octets.Append(b, c.After)
	}
	r.Hash = sha256.Sum256(b[sha256.Size:])
	copy(b, r.Hash[:])
	return b
}

// Decode reads the bytes of a record, whose values share the memory of b, and verifies its hash. Fault:
// Malformed.
func Decode(b []byte) (*Record, error) {
	if len(b) <= sha256.Size || b[sha256.Size] != format {
		return nil, fault.New(fault.Malformed, "the record is cut off or of a format this release does not know")
	}
	r := &Record{Hash: Hash(b[:sha256.Size])}
	if sha256.Sum256(b[sha256.Size:]) != r.Hash {
		return nil, fault.New(fault.Malformed, "the record is damaged: its hash is wrong")
	}
	in := octets.Read(b[sha256.Size+1:])
	copy(r.Prev[:], in.Fixed(sha256.Size))
	r.Index = in.Number()
	r.Epoch = Epoch{Counter: in.Number(), Node: in.Text()}
	r.Time = time.Unix(0, int64(in.Number())).UTC()
	r.Cause = Cause{Actor: in.Text(), ActorID: in.Text(), Request: in.Text(), From: in.Text(), What: in.Text()}
	for range in.Number() {
		if !in.More() {
			return nil, fault.New(fault.Malformed, "a change is missing")
		}
		c := Change{Kind: model.Kind(in.Text()), ID: model.ID(in.Text()), Op: Op(in.Byte()), Version: in.Number(), Before: in.Field(), After: in.Field()}
		if in.Err() == nil && (c.Op.String() == "unknown" || (len(c.Before) == 0) != (c.Op == Create) || (len(c.After) == 0) != (c.Op == Delete)) {
			return nil, fault.New(fault.Malformed, "a change does not say what it did")
		}
		r.Changes = append(r.Changes, c)
	}
	if err := in.End(); err != nil {
		return nil, err
	}
	return r, nil
}

// Head reads where the bytes of a record say that it stands, and in which epoch it was written. Nothing is
// verified: Decode does that. Fault: Malformed.
func Head(b []byte) (index uint64, epoch Epoch, hash Hash, err error) {
	if len(b) <= sha256.Size || b[sha256.Size] != format {
		return 0, epoch, hash, fault.New(fault.Malformed, "the record is cut off or of a format this release does not know")
	}
	in := octets.Read(b[sha256.Size+1:])
	in.Fixed(sha256.Size)
	index, epoch = in.Number(), Epoch{Counter: in.Number(), Node: in.Text()}
	return index, epoch, Hash(b[:sha256.Size]), in.Err()
}

// Follows tells whether r can stand right after a position of the journal. Fault: Malformed, saying
// why not.
func (r *Record) Follows(index uint64, hash Hash) error {
	switch {
	case r.Index != index+1:
		return fault.New(fault.Malformed, "record %d stands where record %d should", r.Index, index+1)
	case r.Prev != hash:
		return fault.New(fault.Malformed, "record %d does not continue the one before it: the chain is broken", r.Index)
	}
	return nil
}
