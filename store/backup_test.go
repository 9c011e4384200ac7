package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/seal"
)

// Backups made while 16 writers write are each one consistent moment: restored, they check, and both
// objects of every change are there or neither.
func TestBackupWhileWriting(t *testing.T) {
	opts := options(t.TempDir())
	opts.Retention = Retention{Bytes: 30_000}
	s := create(t, opts)
	var writers sync.WaitGroup
	stop := make(chan struct{})
	for w := range 16 {
		writers.Go(func() {
			for n := w; ; n += 16 {
				select {
				case <-stop:
					return
				default:
					update(t, s, put(region(n), pool(n, region(n), "secret "+strconv.Itoa(n))))
				}
			}
		})
	}
	for range 5 {
		var b bytes.Buffer
		began := s.Tip().Index
		h, err := s.Backup(t.Context(), &b, BackupOptions{})
		if err != nil {
			t.Error(err)
			break
		}
		to := options(filepath.Join(t.TempDir(), "new"))
		got, key, err := Restore(t.Context(), &b, RestoreOptions{Dir: to.Dir, Tables: to.Tables, SealKey: &opts.SealKey})
		if err != nil || key != opts.SealKey || *got != *h || h.Index < began || h.Key != KeyOutside || h.Epoch != s.Epoch() {
			t.Errorf("restored %+v, %v; want %+v", got, err, h)
			break
		}
		r := reopen(t, to)
		if r.View().Len(model.KindRegion) != r.View().Len(model.KindPool) || r.View().Index() != h.Index+1 {
			t.Errorf("the backup of %d is torn: %d regions, %d pools at %d", h.Index, r.View().Len(model.KindRegion), r.View().Len(model.KindPool), r.View().Index())
		}
		for p := range model.All[*model.Pool](r.View()) {
			if want := "secret " + strings.TrimPrefix(p.Name, "pool "); p.CephSecretUUID.Reveal() != want {
				t.Errorf("%s has another secret than %q", p.Name, want)
			}
		}
		if st := r.Status(); !st.Drill || st.Epoch.Node == s.Epoch().Node || st.Epoch.Counter != h.Epoch.Counter+1 {
			t.Errorf("a restored store is %+v", st)
		}
		sound(t, r)
	}
	close(stop)
	writers.Wait()
}

// Retention may cut everything a backup was about to write of the journal: then it has none.
func TestBackupOvertakenByRetention(t *testing.T) {
	opts := options(t.TempDir())
	opts.Retention = Retention{Bytes: 1}
	s := create(t, opts)
	for n := range 10 {
		update(t, s, put(region(n)))
	}
	then := s.published.Load()
	for n := range 100 {
		update(t, s, put(region(n+10)))
	}
	var b bytes.Buffer
	out := &framer{ctx: t.Context(), w: &b, sum: sha256.New()}
	n, err := s.backupJournal(out, then)
	if err != nil || n != 0 || !strings.Contains(b.String(), then.state.Hash.String()) {
		t.Errorf("%d records, %v: %q", n, err, b.String())
	}
}

func backup(t *testing.T, s *Store, o BackupOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := s.Backup(t.Context(), &b, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRestoreFindsTheKey(t *testing.T) {
	opts := options(t.TempDir())
	s := create(t, opts)
	update(t, s, put(region(1), pool(2, region(1), "hunter2")))
	mine, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, _ := age.GenerateX25519Identity()
	defer func(was int) { passphraseWork = was }(passphraseWork)
	passphraseWork = 8
	outside := backup(t, s, BackupOptions{})
	locked := backup(t, s, BackupOptions{Recipients: []string{mine.Recipient().String()}})
	phrase := backup(t, s, BackupOptions{Passphrase: "a long passphrase"})
	for name, c := range map[string]struct {
		backup []byte
		o      RestoreOptions
		code   fault.Code
	}{
		"outside, given":         {outside, RestoreOptions{SealKey: &opts.SealKey}, ""},
		"outside, not given":     {outside, RestoreOptions{}, fault.Invalid},
		"outside, another given": {outside, RestoreOptions{SealKey: &Key{7}}, fault.Denied},
		"identity":               {locked, RestoreOptions{Identities: mine.String()}, ""},
		"no identity":            {locked, RestoreOptions{}, fault.Invalid},
		"another identity":       {locked, RestoreOptions{Identities: other.String()}, fault.Denied},
		"nonsense identity":      {locked, RestoreOptions{Identities: "AGE-SECRET-KEY-1NONSENSE"}, fault.Invalid},
		"passphrase":             {phrase, RestoreOptions{Passphrase: "a long passphrase"}, ""},
		"no passphrase":          {phrase, RestoreOptions{}, fault.Invalid},
		"another passphrase":     {phrase, RestoreOptions{Passphrase: "guess"}, fault.Denied},
		"passphrase, but given":  {phrase, RestoreOptions{SealKey: &opts.SealKey}, ""},
		"not empty":              {outside, RestoreOptions{SealKey: &opts.SealKey, Dir: opts.Dir}, fault.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			if c.o.Tables = tables(); c.o.Dir == "" {
				c.o.Dir = t.TempDir()
			}
			_, key, err := Restore(t.Context(), bytes.NewReader(c.backup), c.o)
			if fault.CodeOf(err) != c.code {
				t.Fatalf("restore: %v, want %s", err, c.code)
			}
			if err != nil {
				if strings.Contains(err.Error(), "NONSENSE") {
					t.Errorf("the fault quotes a secret: %v", err)
				}
				if left, _ := os.ReadDir(c.o.Dir); len(left) != 0 && c.o.Dir != opts.Dir {
					t.Errorf("a refused restore leaves %v", left)
				}
				return
			}
			to := options(c.o.Dir)
			to.SealKey = key
			p, ok := model.Find[*model.Pool](reopen(t, to).View(), pool(2, region(1), "").ID)
			if !ok || p.CephSecretUUID.Reveal() != "hunter2" {
				t.Error("the secret did not come back")
			}
		})
	}
	if _, err := s.Backup(t.Context(), io.Discard, BackupOptions{Recipients: []string{"age1nonsense"}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("backup for nonsense: %v", err)
	}
}

func TestRestoreRefusesDamage(t *testing.T) {
	opts := options(t.TempDir())
	s := create(t, opts)
	for n := range 20 {
		update(t, s, put(region(n), pool(n, region(n), "x")))
	}
	good := backup(t, s, BackupOptions{})
	if h, err := ReadHeader(bytes.NewReader(good)); err != nil || h.Index != 21 || h.Schema != schema {
		t.Errorf("header %+v, %v", h, err)
	}
	try := func(b []byte) error {
		dir := t.TempDir()
		_, _, err := Restore(t.Context(), bytes.NewReader(b), RestoreOptions{Dir: dir, Tables: tables(), SealKey: &opts.SealKey})
		if left, _ := os.ReadDir(dir); err != nil && len(left) != 0 {
			t.Errorf("a refused restore leaves %v", left)
		}
		return err
	}
	for at := 0; at < len(good); at += len(good)/40 + 1 {
		bad := bytes.Clone(good)
		bad[at] ^= 4
		if try(bad) == nil {
			t.Errorf("a backup with a wrong byte at %d was restored", at)
		}
		if err := try(good[:at]); !fault.Is(err, fault.Malformed) {
			t.Errorf("a backup cut off at %d: %v", at, err)
		}
	}
	future := bytes.Replace(good, fmt.Appendf(nil, `"schema":%d`, schema), []byte(`"schema":9`), 1)
	if err := try(future); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "newer release") {
		t.Errorf("a backup of a newer release: %v", err)
	}
	if err := try(good); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Backup(ctx, io.Discard, BackupOptions{}); err == nil {
		t.Error("an ended context does not end a backup")
	}
}

func TestPromotion(t *testing.T) {
	opts := options(t.TempDir())
	s := create(t, opts)
	b := backup(t, s, BackupOptions{})
	drill := options(t.TempDir())
	if _, _, err := Restore(t.Context(), bytes.NewReader(b), RestoreOptions{Dir: drill.Dir, Tables: tables(), SealKey: &opts.SealKey}); err != nil {
		t.Fatal(err)
	}
	if err := Promote(drill); err != nil {
		t.Fatal(err)
	}
	r := reopen(t, drill)
	if st := r.Status(); st.Drill || st.Epoch.Counter < s.Epoch().Counter+promotion {
		t.Errorf("promoted: %+v", st)
	}
	if err := Promote(drill); !fault.Is(err, fault.Unavailable) {
		t.Errorf("promoting a store in use: %v", err)
	}
	at := options(t.TempDir())
	if _, _, err := Restore(t.Context(), bytes.NewReader(b), RestoreOptions{Dir: at.Dir, Tables: tables(), SealKey: &opts.SealKey, Promote: true}); err != nil {
		t.Fatal(err)
	}
	if st := reopen(t, at).Status(); st.Drill || st.Epoch.Counter != s.Epoch().Counter+promotion+1 {
		t.Errorf("restored and promoted: %+v", st)
	}
}

func FuzzRestore(f *testing.F) {
	// A backup without a store behind it: its goroutine would only disturb the fuzzer.
	sealer := seal.New(Key{1})
	var b bytes.Buffer
	out := &framer{ctx: context.Background(), w: &b, sum: sha256.New()}
	r := &Record{Index: 1, Epoch: Epoch{Counter: 1, Node: "n"}, Cause: Cause{What: "epoch begins"}}
	record := r.Encode()
	out.raw([]byte(backupMagic))
	out.json('h', Header{Position: Position{1, r.Hash}, Schema: schema, Key: KeyOutside})
	out.frame('o', []byte("\x04pool\x01a\x01v"))
	out.json('c', Position{})
	out.frame('r', record)
	sum := out.sum.Sum(nil)
	out.json('e', backupEnd{Objects: 1, Records: 1, Sum: sum, Mac: sealer.Sum(sum)})
	read := func(b []byte) error {
		u, err := unpack(bytes.NewReader(b))
		if err == nil {
			_, err = u.content(sealer, func(_, _, _ []byte) error { return nil }, func(*Record, []byte) error { return nil })
		}
		return err
	}
	if err := read(b.Bytes()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(backupMagic + "h\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, other []byte) {
		if err := read(other); err == nil && !bytes.HasPrefix(other, b.Bytes()) {
			t.Error("bytes that nobody with the key wrote are accepted")
		}
	})
}
