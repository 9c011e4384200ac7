package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/store/pages"
)

// patterns are what a byte is changed by: single bits low and high, some, all.
var patterns = []byte{0x01, 0x80, 0x14, 0xff}

// flippable makes a store with everything a file can have: migrated data; buckets in a page, with pages
// of their own and with branches; an object longer than a page; free pages. It returns the file and what
// can be read from it.
func flippable(t *testing.T) (opts Options, file []byte, want string) {
	t.Helper()
	opts = options(t.TempDir())
	path := filepath.Join(opts.Dir, fileName)
	old, err := os.ReadFile(filepath.Join(upgradeDir, "schema-1", fileName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	s := reopen(t, opts)
	for n := 10; n < 34; n++ {
		update(t, s, put(region(n)))
	}
	long := region(40)
	long.Description = strings.Repeat("long ", 2000)
	update(t, s, put(long, pool(41, long, "secret")))
	update(t, s, put(pool(42, long, "another")))
	update(t, s, func(d model.Draft) error { return d.Delete(model.KindPool, pool(42, long, "").ID) })
	shut(t, s)
	s = reopen(t, opts) // the last record is "epoch begins"
	shut(t, s)
	if file, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	// The room to grow is cut off: nobody reads it.
	used := len(bytes.TrimRight(file, "\x00"))
	file = file[:(used/os.Getpagesize()+1)*os.Getpagesize()]
	if err := pages.File(bytes.NewReader(file), int64(len(file))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, opts)
	defer shut(t, s)
	return opts, file, everything(t, s)
}

// picked takes one pattern each for the meta pages, for some of the heads and elements of all others, and
// for a few of the rest.
func picked(file []byte, at, pattern int) bool {
	page, n := at/os.Getpagesize()*os.Getpagesize(), at%os.Getpagesize()
	every := 997
	switch {
	case page <= os.Getpagesize() && n < 16+64:
		every = 1
	case page > os.Getpagesize() && n < 16+16*int(file[page+10]):
		every = 17
	}
	return at%every == 0 && at/every%len(patterns) == pattern
}

// everything is all that can be read from a store: state, records but the last, which this opening
// wrote, the past; or the first fault met.
func everything(t *testing.T, s *Store) string {
	t.Helper()
	var out strings.Builder
	dump := func(v model.View) error {
		for _, table := range s.opts.Tables {
			for o := range v.All(table.Kind) {
				text, err := json.Marshal(o)
				if err != nil {
					return err
				}
				fmt.Fprintf(&out, "%s %s", table.Kind, text)
				if table.Secrets != nil && v == s.View() {
					for _, secret := range table.Secrets(o) {
						fmt.Fprintf(&out, " %q", secret.Reveal())
					}
				}
				out.WriteByte('\n')
			}
		}
		return nil
	}
	read := func() error {
		now := s.Status()
		fmt.Fprintln(&out, "at", now.Index, now.Epoch.Counter, now.Epoch.Node, now.Created, now.Cut, now.Drill)
		if err := dump(s.View()); err != nil {
			return err
		}
		for from := now.Cut.Index + 1; from < now.Index; {
			records, err := s.Journal(from, 100)
			if err != nil {
				return err
			}
			for _, r := range records {
				if r.Index == now.Index {
					break
				}
				fmt.Fprintf(&out, "%d %s %x\n", r.Index, r.Hash, r.Encode())
			}
			from = records[len(records)-1].Index + 1
		}
		past, err := s.At(t.Context(), now.Index/2, now.Index)
		if err != nil {
			return err
		}
		return dump(past)
	}
	if err := read(); err != nil {
		return "fault: " + err.Error()
	}
	return out.String()
}

// A byte that changed anywhere in the file changes nothing that is read, or is reported: by opening when
// the present state could be wrong, by reading when a record is; and by the check in either case. Nothing
// panics, and nothing is forgotten.
func TestFlippedBytes(t *testing.T) { flip(t, picked) }

// flip flips what pick takes: a byte, and the number of the pattern.
func flip(t *testing.T, pick func(file []byte, at, pattern int) bool) {
	opts, file, want := flippable(t)
	path := filepath.Join(opts.Dir, fileName)
	refused, unread, harmless := 0, 0, 0
	for at := range file {
		for n, pattern := range patterns {
			if !pick(file, at, n) {
				continue
			}
			bad := bytes.Clone(file)
			bad[at] ^= pattern
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			where := fmt.Sprintf("byte %d of page %d, changed by %#x", at%os.Getpagesize(), at/os.Getpagesize(), pattern)
			report, err := Check(t.Context(), opts)
			found := err != nil || !report.OK()
			s, err := Open(opts)
			if err != nil {
				refused++
				if !found {
					t.Errorf("%s: it does not open (%v), and the check finds nothing", where, err)
				}
				if code := fault.CodeOf(err); code != fault.Unavailable && code != fault.Conflict {
					t.Errorf("%s: it does not open with the code %s: %v", where, code, err)
				}
				if text := err.Error(); !strings.Contains(text, path) && !fault.Is(err, fault.Conflict) || !strings.Contains(text, "restore a backup") {
					t.Errorf("%s: the fault does not tell the file or what to do: %s", where, text)
				}
				continue
			}
			got := everything(t, s)
			switch {
			case strings.HasPrefix(got, "fault: "):
				unread++
				if !found {
					t.Errorf("%s: it cannot be read (%s), and the check finds nothing", where, got)
				}
			case got != want:
				t.Errorf("%s: it reads otherwise, without a word", where)
			case found:
				t.Errorf("%s: nothing is other than it was, and the check finds %+v", where, report.Findings)
			default:
				harmless++
				update(t, s, put(region(99))) // what is free may be overwritten
				sound(t, s)
			}
			shut(t, s)
		}
	}
	t.Logf("%d bytes: %d refused when opening, %d when reading, %d without meaning", len(file), refused, unread, harmless)
	if refused == 0 || unread == 0 || harmless == 0 {
		t.Error("the file has too little in it to tell")
	}
}
