package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/seal"
)

// chain is a full backup and segments of a store whose clock goes on by a second with each record, and
// what could be seen after each record.
type chain struct {
	opts     Options
	full     []byte
	segments [][]byte
	seen     map[uint64]string
	times    map[uint64]time.Time
	end      Position
}

func segment(t *testing.T, s *Store, from Position) ([]byte, *SegmentHeader) {
	t.Helper()
	var b bytes.Buffer
	h, err := s.BackupSince(t.Context(), &b, from)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), h
}

// sight is everything in a view, secrets included.
func sight(v model.View) string {
	var b strings.Builder
	for r := range model.All[*model.Region](v) {
		b.WriteString(r.Name + " " + r.Description + "\n")
	}
	for p := range model.All[*model.Pool](v) {
		b.WriteString(p.Name + " " + p.CephSecretUUID.Reveal() + "\n")
	}
	return b.String()
}

func chained(t *testing.T) *chain {
	c := &chain{opts: options(t.TempDir()), seen: map[uint64]string{}, times: map[uint64]time.Time{}}
	clock := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	c.opts.Now = func() time.Time { clock = clock.Add(time.Second); return clock }
	s := create(t, c.opts)
	look := func() {
		at := s.published.Load()
		c.seen[at.state.Index], c.times[at.state.Index] = sight(at.root), at.state.Time
	}
	look()
	change := func(n int) {
		t.Helper()
		update(t, s, put(region(n), pool(n, region(n), "secret "+region(n).Name)))
		look()
		update(t, s, func(d model.Draft) error {
			r := *region(n)
			r.Description = "changed"
			return d.Put(&r)
		})
		look()
		if n%2 == 0 {
			update(t, s, func(d model.Draft) error { return d.Delete(model.KindPool, pool(n, region(n), "").ID) })
			look()
		}
	}
	for n := range 3 {
		change(n)
	}
	c.full = backup(t, s, BackupOptions{})
	at := s.Tip()
	for n := 3; n < 9; n += 2 {
		change(n)
		change(n + 1)
		b, h := segment(t, s, at)
		if h.From != at || h.Position != s.Tip() {
			t.Fatalf("segment %+v", h)
		}
		c.segments, at = append(c.segments, b), h.Position
	}
	c.end = at
	return c
}

func (c *chain) restore(t *testing.T, o RestoreOptions, segments ...[]byte) (*Restored, string, error) {
	t.Helper()
	o.Dir, o.Tables, o.SealKey = t.TempDir(), tables(), &c.opts.SealKey
	for i, b := range segments {
		o.Segments = append(o.Segments, Part{Name: "segment " + string(rune('a'+i)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }})
	}
	made, _, err := RestoreChain(t.Context(), bytes.NewReader(c.full), o)
	if err != nil {
		if left, _ := os.ReadDir(o.Dir); len(left) != 0 {
			t.Errorf("a refused restore leaves %v", left)
		}
		return nil, "", err
	}
	to := options(o.Dir)
	s := reopen(t, to)
	sound(t, s)
	if st := s.Status(); !st.Drill || st.Index != made.Reached.Index+1 || st.Epoch.Counter != made.Epoch.Counter+1 {
		t.Errorf("restored store %+v", st)
	}
	return made, sight(s.View()), nil
}

// Every state that the journal in a chain reaches comes back as it was, by index and by time.
func TestChainRestoresEveryMoment(t *testing.T) {
	c := chained(t)
	made, got, err := c.restore(t, RestoreOptions{}, c.segments...)
	if err != nil || made.Reached != c.end || got != c.seen[c.end.Index] {
		t.Fatalf("%+v, %v: %s", made, err, got)
	}
	if made.First != c.times[1] || made.Cut.Index != 0 || uint64(made.Records) != c.end.Index {
		t.Errorf("the journal came back as %+v", made)
	}
	for index := uint64(1); index <= c.end.Index; index++ {
		for name, o := range map[string]RestoreOptions{"index": {At: index}, "its time": {Until: c.times[index]}, "after it": {Until: c.times[index].Add(time.Second - 1)}} {
			made, got, err := c.restore(t, o, c.segments...)
			if err != nil || made.Reached.Index != index || !made.Moment.Equal(c.times[index]) || got != c.seen[index] {
				t.Errorf("%s %d: %+v, %v\ngot  %swant %s", name, index, made, err, got, c.seen[index])
			}
		}
	}
	for name, o := range map[string]RestoreOptions{"later index": {At: c.end.Index + 1}, "earlier time": {Until: c.times[1].Add(-1)}} {
		if _, _, err := c.restore(t, o, c.segments...); !fault.Is(err, fault.NotFound) || !errors.Is(err, ErrGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is no chain is refused, naming the segment at which it breaks.
func TestChainRefusesGapsAndDamage(t *testing.T) {
	c, other := chained(t), chained(t)
	for name, s := range map[string][][]byte{
		"segment a": {c.segments[1]},
		"segment b": {c.segments[0], c.segments[2]},
		"segment c": {c.segments[0], c.segments[1], c.segments[1]},
	} {
		if _, _, err := c.restore(t, RestoreOptions{}, s...); !fault.Is(err, fault.Malformed) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "missing") {
			t.Errorf("a gap before %s: %v", name, err)
		}
	}
	// The same indexes of another store.
	if _, _, err := c.restore(t, RestoreOptions{}, other.segments[0]); !fault.Is(err, fault.Malformed) || !strings.Contains(err.Error(), "segment a") {
		t.Errorf("a segment of another store: %v", err)
	}
	good := c.segments[1]
	for at := 0; at < len(good); at += len(good)/60 + 1 {
		bad := bytes.Clone(good)
		bad[at] ^= 8
		for what, b := range map[string][]byte{"wrong": bad, "cut off": good[:at]} {
			if _, _, err := c.restore(t, RestoreOptions{}, c.segments[0], b); err == nil || !strings.Contains(err.Error(), "segment b") {
				t.Errorf("a segment %s at byte %d: %v", what, at, err)
			}
		}
	}
}

func TestBackupSince(t *testing.T) {
	opts := options(t.TempDir())
	opts.Retention = Retention{Bytes: 2000}
	s := create(t, opts)
	update(t, s, put(region(1)))
	at := s.Tip()
	if _, err := s.BackupSince(t.Context(), io.Discard, at); !fault.Is(err, fault.Conflict) {
		t.Errorf("nothing new: %v", err)
	}
	update(t, s, put(region(2)))
	if _, err := s.BackupSince(t.Context(), io.Discard, Position{at.Index, Hash{1}}); !fault.Is(err, fault.Conflict) {
		t.Errorf("of another journal: %v", err)
	}
	if _, err := s.BackupSince(t.Context(), io.Discard, Position{Index: at.Index + 5}); !fault.Is(err, fault.Conflict) {
		t.Errorf("beyond the end: %v", err)
	}
	for n := range 40 {
		update(t, s, put(region(n+10)))
	}
	if _, err := s.BackupSince(t.Context(), io.Discard, at); !errors.Is(err, ErrGone) {
		t.Errorf("cut by retention: %v", err)
	}
	at = s.Tip()
	update(t, s, put(region(3)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.BackupSince(ctx, io.Discard, at); err == nil {
		t.Error("an ended context does not end it")
	}
}

func FuzzSegment(f *testing.F) {
	sealer := seal.New(Key{1})
	var b bytes.Buffer
	out := &framer{ctx: context.Background(), w: &b, sum: sha256.New()}
	from := Position{4, Hash{9}}
	r := &Record{Index: 5, Prev: from.Hash, Epoch: Epoch{Counter: 1, Node: "n"}, Cause: Cause{What: "test"}}
	record := r.Encode()
	out.raw([]byte(segmentMagic))
	out.json('h', SegmentHeader{From: from, Position: Position{5, r.Hash}, Schema: schema})
	out.frame('r', record)
	sum := out.sum.Sum(nil)
	out.json('e', backupEnd{Records: 1, Sum: sum, Mac: sealer.Sum(sum)})
	read := func(b []byte) error {
		u, h, err := unpackSegment(bytes.NewReader(b))
		if err == nil {
			err = u.rest(sealer, h.From, h.Position, backupEnd{}, func(*Record, []byte) error { return nil })
		}
		return err
	}
	if err := read(b.Bytes()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(segmentMagic + "h\x02{}r\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, other []byte) {
		if err := read(other); err == nil && !bytes.HasPrefix(other, b.Bytes()) {
			t.Error("bytes that nobody with the key wrote are accepted")
		}
	})
}
