package backups

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store"
	"kowabunga/store/failpoint"
)

var (
	beforeData     = failpoint.Register("backups.take.before-data")
	beforeVerify   = failpoint.Register("backups.take.before-verify")
	beforeManifest = failpoint.Register("backups.take.before-manifest")
	afterManifest  = failpoint.Register("backups.take.after-manifest")
)

// Source is what is backed up: a store at work. Only what it published leaves it.
type Source interface {
	Tip() store.Position
	Epoch() store.Epoch
	Backup(context.Context, io.Writer, store.BackupOptions) (*store.Header, error)
	BackupSince(context.Context, io.Writer, store.Position) (*store.SegmentHeader, error)
}

// Config is what backups are made of.
type Config struct {
	Store      Source
	Key        store.Key // that the store is sealed with
	Tables     []model.Table
	Place      Place
	Recipients []string // age recipients; none leaves the pieces as they are, with the sealing key outside
	Keep       Keep
	Every      time.Duration // between two pieces
	FullEvery  time.Duration // between two chains
	Scratch    string        // folder for what is being written and for restoring it
	Now        func() time.Time
	Log        *slog.Logger
}

// Backups writes chains to one target.
type Backups struct {
	Config
	own     *age.X25519Identity // opens what was written, for verifying; never leaves the process
	current *Manifest           // the chain of this process, once it counts
	state   state
}

// New makes backups of a store.
func New(c Config) (*Backups, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	for _, r := range c.Recipients {
		if _, err := age.ParseX25519Recipient(r); err != nil {
			return nil, fault.Bad("backup.recipients", "%q is no age recipient (age1...)", r)
		}
	}
	own, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "prepare backups")
	}
	return &Backups{Config: c, own: own}, nil
}

// Result says what a backup did.
type Result struct {
	Target  string    `json:"target"`
	Chain   string    `json:"chain"`
	Object  string    `json:"object,omitempty"` // none when nothing was published since the last one
	Full    bool      `json:"full"`
	Records uint64    `json:"records"` // published since the last one; of a full backup 0
	Index   uint64    `json:"index"`   // of the state that it leads to
	Time    time.Time `json:"time"`    // of that state
	Bytes   int64     `json:"bytes"`   // of the object
	Pieces  int       `json:"pieces"`  // in the chain
	Total   int64     `json:"total"`   // bytes of the chain
	Removed []string  `json:"removed,omitempty"`
}

// turn is held by the one backup that a process makes at a time.
var turn = make(chan struct{}, 1)

// Take writes a piece, verifies the chain, and removes chains that are not to be kept: a segment when this
// process has a chain here that is younger than FullEvery and whole, a full backup otherwise or when asked
// for one. Faults: those of a target; Malformed and NotFound, with the object's name, when what was
// written does not restore.
func (b *Backups) Take(ctx context.Context, full bool) (*Result, error) {
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return nil, fault.Wrap(ctx.Err(), fault.Unavailable, "wait for another backup")
	}
	r, err := b.take(ctx, full)
	if err == nil || !errors.Is(ctx.Err(), context.Canceled) { // who calls it off knows; it is no failure
		b.note(r, err)
	}
	return r, err
}

func (b *Backups) take(ctx context.Context, full bool) (*Result, error) {
	t, err := b.Place.Open()
	if err != nil {
		return nil, err
	}
	chains, err := Survey(ctx, t, Family(b.Key), &b.Key)
	if err != nil {
		return nil, err
	}
	r, err := b.piece(ctx, t, chains, full)
	if err != nil {
		if fault.Is(err, fault.Exhausted) {
			b.tidy(ctx, t) // what failed before may be what fills it
		}
		return nil, err
	}
	r.Removed = b.tidy(ctx, t)
	return r, nil
}

// Family names the chains of who has a sealing key.
func Family(key store.Key) string { return store.Family(key) }

func (b *Backups) piece(ctx context.Context, t Target, chains []*Chain, full bool) (*Result, error) {
	if b.current == nil || full || b.FullEvery > 0 && b.Now().Sub(b.current.Pieces[0].Made) >= b.FullEvery {
		return b.begin(ctx, t)
	}
	for _, c := range chains {
		if c.Name != b.current.Chain || !c.Counts() || len(c.Manifest.Pieces) != len(b.current.Pieces) {
			continue
		}
		r, err := b.extend(ctx, t)
		switch code := fault.CodeOf(err); {
		case err == nil:
			return r, nil
		case errors.Is(err, store.ErrGone), code == fault.Conflict:
			b.Log.Info("the journal no longer continues the chain of backups; a new one begins", "chain", b.current.Chain, "reason", err)
			return b.begin(ctx, t)
		case code == fault.NotFound, code == fault.Malformed:
			b.Log.Error("the chain of backups does not restore; a new one begins", "target", t.String(), "chain", b.current.Chain, "error", err)
			return b.begin(ctx, t)
		default:
			return nil, err
		}
	}
	b.Log.Error("the chain of backups is not whole any more; a new one begins", "target", t.String(), "chain", b.current.Chain)
	return b.begin(ctx, t)
}

// begin writes a full backup.
func (b *Backups) begin(ctx context.Context, t Target) (*Result, error) {
	dir, done, err := b.scratch()
	if err != nil {
		return nil, err
	}
	defer done()
	var h *store.Header
	s, err := b.spool(dir, func(w io.Writer) (err error) {
		h, err = b.Store.Backup(ctx, w, store.BackupOptions{Recipients: b.Recipients})
		return err
	})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	m := &Manifest{Family: Family(b.Key), Chain: chainName(h.Epoch, h.Index), Epoch: h.Epoch, Sealed: len(b.Recipients) > 0}
	s.piece.Object, s.piece.To, s.piece.Time = fullName(h.Index), h.Position, h.Time
	return b.write(ctx, t, m, s, dir)
}

// extend writes a segment, if there is anything to write.
func (b *Backups) extend(ctx context.Context, t Target) (*Result, error) {
	end := b.current.End()
	if b.Store.Tip() == end.To {
		return b.result(t, b.current, false), nil
	}
	dir, done, err := b.scratch()
	if err != nil {
		return nil, err
	}
	defer done()
	var h *store.SegmentHeader
	s, err := b.spool(dir, func(w io.Writer) (err error) {
		h, err = b.Store.BackupSince(ctx, w, end.To)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	s.piece.Object, s.piece.From, s.piece.To, s.piece.First, s.piece.Time = segmentName(h.From.Index+1, h.Index), h.From.Index+1, h.Position, h.First, h.Time
	return b.write(ctx, t, b.current, s, dir)
}

// spooled is a piece on its way.
type spooled struct {
	*os.File
	piece Piece
}

// spool writes a piece to a file first: a slow target then holds up nothing, and a request can be repeated.
func (b *Backups) spool(dir string, write func(io.Writer) error) (*spooled, error) {
	f, err := os.OpenFile(filepath.Join(dir, "out"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "write a scratch file")
	}
	s := &spooled{File: f, piece: Piece{Made: b.Now().UTC().Round(0)}}
	sum := sha256.New()
	out := io.Writer(io.MultiWriter(f, sum, counting(func(n int64) { s.piece.Bytes += n })))
	if err := b.sealed(out, write); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.piece.Sum = hex.EncodeToString(sum.Sum(nil))
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(fault.Wrap(err, fault.Unavailable, "read a scratch file"), f.Close())
	}
	return s, nil
}

// sealed has something written for the recipients, when there are any.
func (b *Backups) sealed(out io.Writer, write func(io.Writer) error) error {
	if len(b.Recipients) == 0 {
		return write(out)
	}
	to := []age.Recipient{b.own.Recipient()}
	for _, text := range b.Recipients {
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return fault.Bad("backup.recipients", "%q is no age recipient (age1...)", text)
		}
		to = append(to, r)
	}
	w, err := age.Encrypt(out, to...)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "encrypt the backup")
	}
	if err := write(w); err != nil {
		return err
	}
	return fault.Wrap(w.Close(), fault.Unavailable, "encrypt the backup")
}

// write puts a piece into the target and has it count once the chain restores.
func (b *Backups) write(ctx context.Context, t Target, m *Manifest, s *spooled, dir string) (*Result, error) {
	prefix := m.Family + "/" + m.Chain + "/"
	if err := beforeData.Hit(); err != nil {
		return nil, err
	}
	next, err := m.with(s.piece), t.Put(ctx, prefix+s.piece.Object, s.File, s.piece.Bytes)
	if err == nil {
		err = beforeVerify.Hit()
	}
	if err == nil {
		next, err = b.proven(ctx, t, m, next, dir)
	}
	if err != nil {
		b.drop(ctx, t, prefix+s.piece.Object)
		return nil, err
	}
	if err := b.record(ctx, t, next); err != nil {
		// It may be there all the same, and then names the piece, which therefore stays. The next attempt
		// finds another manifest than its own and begins a chain.
		return nil, err
	}
	b.current = next
	if len(m.Pieces) > 0 {
		b.drop(ctx, t, prefix+manifestName(len(m.Pieces)))
	}
	return b.result(t, next, true), nil
}

// proven reads the whole chain back, restores it, and gives the manifest what only that tells.
func (b *Backups) proven(ctx context.Context, t Target, m, next *Manifest, dir string) (*Manifest, error) {
	got, err := rehearse(ctx, t, next, len(next.Pieces), dir, []age.Identity{b.own}, store.RestoreOptions{Tables: b.Tables, SealKey: &b.Key}, nil)
	if err != nil {
		return nil, err
	}
	p := *next.End()
	if got.Reached != p.To {
		return nil, fault.New(fault.Malformed, "%s leads to record %d (%s) instead of %d (%s)", p.Object, got.Reached.Index, got.Reached.Hash, p.To.Index, p.To.Hash)
	}
	if len(m.Pieces) == 0 {
		if p.From, p.First = got.Cut.Index+1, got.First; got.Records == 0 {
			p.First = p.Time
		}
	}
	p.Verified = b.Now().UTC().Round(0)
	return m.with(p), nil
}

// record writes the manifest.
func (b *Backups) record(ctx context.Context, t Target, m *Manifest) error {
	if err := beforeManifest.Hit(); err != nil {
		return err
	}
	text, err := m.encode(b.Key)
	if err != nil {
		return err
	}
	if err := t.Put(ctx, m.Family+"/"+m.Chain+"/"+manifestName(len(m.Pieces)), bytes.NewReader(text), int64(len(text))); err != nil {
		return err
	}
	return afterManifest.Hit()
}

// drop removes an object that does not count; what stays is removed by retention.
func (b *Backups) drop(ctx context.Context, t Target, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := t.Remove(ctx, name); err != nil {
		b.Log.Warn("an object that does not count stays in the backup target for now", "object", name, "error", err)
	}
}

// scratch makes a folder for one attempt.
func (b *Backups) scratch() (string, func(), error) {
	err := os.MkdirAll(b.Scratch, 0o700)
	dir := ""
	if err == nil {
		dir, err = os.MkdirTemp(b.Scratch, "backup-")
	}
	if err != nil {
		return "", nil, fault.Wrap(err, fault.Unavailable, "make a scratch folder")
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}

func (b *Backups) result(t Target, m *Manifest, wrote bool) *Result {
	end := m.End()
	r := &Result{Target: t.String(), Chain: m.Chain, Index: end.To.Index, Time: end.Time, Pieces: len(m.Pieces), Total: m.Bytes()}
	if wrote {
		r.Object, r.Bytes, r.Full = end.Object, end.Bytes, len(m.Pieces) == 1
		if !r.Full {
			r.Records = end.To.Index - end.From + 1
		}
	}
	return r
}
