package wal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/testdata/chance"
)

var keyA, keyB = [KeySize]byte{1}, [KeySize]byte{2}

// log makes a log in a directory of its own.
func log(t testing.TB) (string, *File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wal")
	if err := Make(path); err != nil {
		t.Fatal(err)
	}
	return path, open(t, path)
}

func open(t testing.TB, path string) *File {
	t.Helper()
	w, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func read(t testing.TB, path string, key [KeySize]byte) Content {
	t.Helper()
	c, err := Read(path, key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func do(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestBatchesComeBackUnderTheirKeyOnly(t *testing.T) {
	path, w := log(t)
	w.Begin(keyA)
	first, second := [][]byte{[]byte("one"), {}}, [][]byte{[]byte("three")}
	do(t, w.Append(7, first))
	do(t, w.Mark(9))
	do(t, w.Append(8, second))
	want := Content{Batches: []Batch{{7, first}, {8, second}}, Mark: 9}
	if got := read(t, path, keyA); !reflect.DeepEqual(got, want) {
		t.Errorf("it has %+v, want %+v", got, want)
	}
	if got := read(t, path, keyB); len(got.Batches) > 0 || got.Mark != 0 {
		t.Errorf("under another key it has %+v", got)
	}
	w.Begin(keyB) // over the first, so that the second is behind the end
	do(t, w.Append(9, first))
	if got := read(t, path, keyB); !reflect.DeepEqual(got, Content{Batches: []Batch{{9, first}}}) {
		t.Errorf("in the next lap it has %+v", got)
	}
	if got := read(t, path, keyA); len(got.Batches) > 0 {
		t.Errorf("of the lap before it has %+v", got)
	}
	if got := read(t, filepath.Join(t.TempDir(), "none"), keyA); len(got.Batches) > 0 {
		t.Errorf("a log that is not there has %+v", got)
	}
}

// Whatever was marked as synced and is not whole any more is noticed: by the mark, or by what is said of it.
func TestAFlippedByteIsNoticed(t *testing.T) {
	path, w := log(t)
	w.Begin(keyA)
	for n := range 4 {
		do(t, w.Append(0, [][]byte{bytes.Repeat([]byte{byte(n)}, 20+n)}))
		do(t, w.Mark(uint64(n+1)))
	}
	raw, err := os.ReadFile(path)
	do(t, err)
	used := append(seq(0, sumBytes+KeySize+8), seq(markBytes, int(w.at))...)
	for _, at := range used {
		for _, bits := range []byte{0x01, 0x80, 0xff} {
			raw[at] ^= bits
			c, err := parse(raw, keyA[:])
			if raw[at] ^= bits; err == nil && len(c.Batches) == 4 {
				t.Errorf("byte %d ^ %x: nobody notices: %+v", at, bits, c)
			}
			if err == nil && c.Mark != 4 {
				t.Errorf("byte %d ^ %x: the mark is %d", at, bits, c.Mark)
			}
		}
	}
}

func seq(from, to int) (out []int) {
	for ; from < to; from++ {
		out = append(out, from)
	}
	return out
}

func TestRoom(t *testing.T) {
	path, w := log(t)
	w.Begin(keyA)
	n, record := 0, make([]byte, 100_000)
	for ; w.Fits(1, len(record)); n++ {
		do(t, w.Append(0, [][]byte{record}))
	}
	if n != Room/len(record) {
		t.Errorf("there was room for %d records of %d bytes in %d", n, len(record), Room)
	}
	if err := w.Append(0, [][]byte{record}); !fault.Is(err, fault.Internal) {
		t.Errorf("a batch without room: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != Size {
		t.Errorf("the file has grown: %v %v", info.Size(), err)
	}
	if got := read(t, path, keyA); len(got.Batches) != n {
		t.Errorf("%d of %d batches are there", len(got.Batches), n)
	}
}

func TestAnotherFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wal")
	if _, err := Open(path); !fault.Is(err, fault.NotFound) {
		t.Errorf("none: %v", err)
	}
	do(t, os.WriteFile(path, []byte("short"), 0o600))
	if _, err := Open(path); !fault.Is(err, fault.Malformed) {
		t.Errorf("a short one is opened: %v", err)
	}
	if _, err := Read(path, keyA); !fault.Is(err, fault.Malformed) {
		t.Errorf("a short one is read: %v", err)
	}
}

// A crash at any byte of an append leaves what was there before.
func TestCutOffAnywhere(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		var key [KeySize]byte
		copy(key[:], rapid.SliceOfN(rapid.Byte(), KeySize, KeySize).Draw(t, "key"))
		sizes := rapid.SliceOfN(rapid.IntRange(0, 400), 1, 6).Draw(t, "sizes")
		dir, err := os.MkdirTemp("", "wal")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "wal")
		if err := Make(path); err != nil {
			t.Fatal(err)
		}
		w, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		w.Begin(key)
		var ends []int64
		for i, n := range sizes {
			if err := w.Append(uint64(i), [][]byte{bytes.Repeat([]byte{byte(i + 1)}, n)}); err != nil {
				t.Fatal(err)
			}
			ends = append(ends, w.at)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		cut := rapid.Int64Range(markBytes, w.at).Draw(t, "cut")
		clear(raw[cut:])
		whole := 0
		for whole < len(ends) && ends[whole] <= cut {
			whole++
		}
		c, err := parse(raw, key[:])
		// A batch whose last bytes are zeroes anyway is whole without them.
		if err != nil || len(c.Batches) != whole && !(whole < len(ends) && len(c.Batches) == whole+1 && c.Batches[whole].Published == uint64(whole)) {
			t.Fatalf("cut at %d of %v: %d batches, want %d (%v)", cut, ends, len(c.Batches), whole, err)
		}
		for i, b := range c.Batches {
			if want := bytes.Repeat([]byte{byte(i + 1)}, sizes[i]); len(b.Records) != 1 || !bytes.Equal(b.Records[0], want) {
				t.Fatalf("batch %d is %v", i, b)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	path, w := log(f)
	w.Begin(keyA)
	do(f, w.Append(3, [][]byte{[]byte("a record"), []byte("another")}))
	do(f, w.Mark(5))
	raw, err := os.ReadFile(path)
	do(f, err)
	f.Add(raw[:200], raw[markBytes:w.at])
	f.Add([]byte{}, []byte{0, 0, 0, 5, 1})
	f.Fuzz(func(t *testing.T, mark, frames []byte) {
		raw := make([]byte, Size)
		copy(raw[:markBytes], mark)
		copy(raw[markBytes:], frames)
		c, err := parse(raw, keyA[:])
		if err != nil && !fault.Is(err, fault.Malformed) {
			t.Fatal(err)
		}
		_ = fmt.Sprint(c.Mark)
		for _, b := range c.Batches {
			for _, r := range b.Records {
				if len(r) > len(raw) {
					t.Fatalf("a record of %d bytes", len(r))
				}
			}
		}
	})
}
