package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"time"

	"filippo.io/age"
	"go.etcd.io/bbolt"

	"kowabunga/core/fault"
	"kowabunga/core/release"
	"kowabunga/store/octets"
)

// A backup is a line of text and then frames: a type byte, a length, so many bytes.
//
//	h  header, JSON
//	k  the sealing key, encrypted with age; only when asked for
//	o  object: field kind, field id, field value (seal.Value)
//	c  position before the first record, JSON
//	r  record (journal.Record.Encode)
//	e  end: counts, SHA-256 of everything before this frame, and that authenticated with the sealing key
//
// It is independent of the layout of the file, and of bbolt.
const backupMagic = "KOWABUNGA BACKUP 1\n"

// Header says what a backup holds.
type Header struct {
	Position
	Time   time.Time `json:"time"` // of the last record
	Epoch  Epoch     `json:"epoch"`
	Schema uint64    `json:"schema"`
	Made   time.Time `json:"made"`
	Store  time.Time `json:"store"` // when the store was created
	Key    string    `json:"key"`   // KeyOutside, KeyPassphrase or KeyRecipients
}

// Where the sealing key of a backup is.
const (
	KeyOutside    = "outside"    // not in the backup; without it the secrets are lost
	KeyPassphrase = "passphrase" // inside, encrypted with a passphrase
	KeyRecipients = "recipients" // inside, encrypted for age recipients
)

// BackupOptions say whether the sealing key goes into the backup; it never does so in the clear. At most
// one of the two may be given.
type BackupOptions struct {
	Passphrase string
	Recipients []string // age X25519 recipients, "age1..."
}

// passphraseWork is the scrypt work factor of passphrases (log2 N): about a second of one core, the
// default of age. Tests lower it.
var passphraseWork = 18

// backupEnd closes a backup.
type backupEnd struct {
	Objects int    `json:"objects"`
	Records int    `json:"records"`
	Sum     []byte `json:"sum"`
	Mac     []byte `json:"mac"`
}

// Backup writes the state and the journal as of the moment it is called, while changes go on. It holds
// no transaction while it writes; a slow receiver holds up nobody.
func (s *Store) Backup(ctx context.Context, w io.Writer, o BackupOptions) (*Header, error) {
	h, err := s.backup(ctx, w, o)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "back up the store")
	}
	return h, nil
}

func (s *Store) backup(ctx context.Context, w io.Writer, o BackupOptions) (*Header, error) {
	now := s.published.Load()
	h := s.header(now)
	recipients, err := o.recipients(h)
	if err != nil {
		return nil, err
	}
	out := &framer{ctx: ctx, w: w, sum: sha256.New()}
	out.raw([]byte(backupMagic))
	out.json('h', h)
	if recipients != nil {
		wrapped, err := wrapKey(s.opts.SealKey, recipients)
		if err != nil {
			return nil, err
		}
		out.frame('k', wrapped)
	}
	return h, s.pack(out, now)
}

// header describes a state.
func (s *Store) header(now *snapshot) *Header {
	return &Header{Position: now.state.Position, Time: now.state.Time, Epoch: now.state.Reign, Schema: schema, Made: stamp(s.opts.Now(), time.Time{}), Store: now.state.Created, Key: KeyOutside}
}

// pack writes the objects of a state, the journal up to it, and the end.
func (s *Store) pack(out *framer, now *snapshot) (err error) {
	end := backupEnd{}
	for i := range s.opts.Tables {
		t := &s.opts.Tables[i]
		for obj := range now.root.All(t.Kind) {
			v, err := s.sealer.Encode(t, obj)
			if err != nil {
				return err
			}
			b := octets.Append(nil, t.Kind)
			b = octets.Append(b, obj.Base().ID)
			if out.frame('o', octets.Append(b, v)); out.err != nil {
				return out.err
			}
			end.Objects++
		}
	}
	if end.Records, err = s.backupJournal(out, now); err != nil {
		return err
	}
	end.Sum = out.sum.Sum(nil)
	end.Mac = s.sealer.Sum(end.Sum)
	out.json('e', end)
	return out.err
}

// backupJournal writes the records up to a state. Retention may cut while it reads: what is gone before
// the first record was written is left out, later it is a fault.
func (s *Store) backupJournal(out *framer, until *snapshot) (n int, err error) {
	at := until.state.Cut
	records, err := s.read(at.Index+1, readAtOnce, until)
	for tries := 0; errors.Is(err, ErrGone) && tries < 10; tries++ {
		if at, err = s.cutNow(); err != nil {
			return 0, err
		}
		if at.Index >= until.state.Index {
			at, records = until.state.Position, nil
			break
		}
		records, err = s.read(at.Index+1, readAtOnce, until)
	}
	if err != nil {
		return 0, err
	}
	out.json('c', at)
	for len(records) > 0 {
		for i := range records {
			if out.frame('r', records[i].Encode()); out.err != nil {
				return n, out.err
			}
			n++
		}
		if records, err = s.read(records[len(records)-1].Index+1, readAtOnce, until); err != nil {
			return n, err
		}
	}
	return n, out.err
}

// cutNow is where the journal in the file begins by now.
func (s *Store) cutNow() (at Position, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		st, err := readState(tx)
		at = st.Cut
		return err
	})
	return at, err
}

func (o BackupOptions) recipients(h *Header) (out []age.Recipient, err error) {
	switch {
	case o.Passphrase != "" && len(o.Recipients) > 0:
		return nil, fault.New(fault.Invalid, "give a passphrase or recipients for the sealing key, not both")
	case o.Passphrase != "":
		r, err := age.NewScryptRecipient(o.Passphrase)
		if err != nil {
			return nil, err
		}
		r.SetWorkFactor(passphraseWork)
		h.Key = KeyPassphrase
		return []age.Recipient{r}, nil
	}
	for _, text := range o.Recipients {
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return nil, &fault.Error{Code: fault.Invalid, Message: "a recipient is no age X25519 recipient (age1...)", Err: err}
		}
		h.Key = KeyRecipients
		out = append(out, r)
	}
	return out, nil
}

// framer writes frames until the first error.
type framer struct {
	ctx context.Context
	w   io.Writer
	sum hash.Hash
	err error
}

func (f *framer) raw(b []byte) {
	if f.err == nil {
		f.err = f.ctx.Err()
	}
	if f.err == nil {
		_, f.err = f.w.Write(b)
		f.sum.Write(b)
	}
}

func (f *framer) frame(kind byte, b []byte) {
	f.raw(octets.Append([]byte{kind}, b))
}

func (f *framer) json(kind byte, v any) {
	b, err := json.Marshal(release.More(v))
	if f.err == nil {
		f.err = err
	}
	f.frame(kind, b)
}
