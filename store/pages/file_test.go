package pages

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/testdata/chance"
)

const pageSize = 1024 // small pages make deep trees

// open makes a file with small pages, mapped at once: mapping more would wait for those who read.
func open(t interface{ Fatal(...any) }, path string) *bbolt.DB {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: pageSize, NoSync: true, FreelistType: bbolt.FreelistMapType, InitialMmapSize: 1 << 26})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// Whatever bbolt makes of a file is sound, after every transaction, for a reader of an older state, too.
func TestWhatIsWrittenIsSound(t *testing.T) {
	dir := t.TempDir()
	runs := 0
	chance.Check(t, func(t *rapid.T) {
		runs++
		path := filepath.Join(dir, fmt.Sprint(runs))
		db := open(t, path)
		defer os.Remove(path)
		defer db.Close()
		sound := func() {
			b, err := os.ReadFile(path)
			if err == nil {
				err = File(bytes.NewReader(b), int64(len(b)))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		sound()
		for range rapid.IntRange(1, 12).Draw(t, "transactions") {
			old, err := db.Begin(false)
			if err != nil {
				t.Fatal(err)
			}
			root, pages := uint64(old.Cursor().Bucket().Root()), uint64(old.Size())/pageSize
			err = db.Update(func(tx *bbolt.Tx) error {
				name := []byte(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "bucket"))
				if rapid.IntRange(0, 9).Draw(t, "drop") == 0 && tx.Bucket(name) != nil {
					return tx.DeleteBucket(name)
				}
				b, err := tx.CreateBucketIfNotExists(name)
				if err != nil {
					return err
				}
				if rapid.Bool().Draw(t, "nested") {
					if b, err = b.CreateBucketIfNotExists([]byte("nested")); err != nil {
						return err
					}
				}
				from, n := rapid.IntRange(0, 300).Draw(t, "from"), rapid.IntRange(0, 200).Draw(t, "n")
				remove, size := rapid.Bool().Draw(t, "remove"), rapid.SampledFrom([]int{0, 20, 200, 5000}).Draw(t, "size")
				for i := from; i < from+n; i++ {
					key := fmt.Appendf(nil, "%06d", i*7919%1000)
					if remove {
						err = b.Delete(key)
					} else {
						err = b.Put(key, bytes.Repeat([]byte{7}, size))
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			sound()
			f, err := os.Open(path)
			if err == nil {
				err = Tree(f, pageSize, root, pages)
			}
			if err = errors.Join(err, f.Close(), old.Rollback()); err != nil {
				t.Fatal("an older state: ", err)
			}
		}
	})
}

// sample is a file with buckets of every size, and free pages.
func sample(t testing.TB) []byte {
	path := filepath.Join(t.TempDir(), "db")
	db := open(t, path)
	for _, step := range []func(tx *bbolt.Tx) error{
		func(tx *bbolt.Tx) error {
			for _, name := range []string{"empty", "inside", "page", "tree"} {
				if _, err := tx.CreateBucket([]byte(name)); err != nil {
					return err
				}
			}
			for n := range 400 {
				for name, most := range map[string]int{"inside": 3, "page": 20, "tree": 400} {
					if n < most {
						if err := tx.Bucket([]byte(name)).Put(fmt.Appendf(nil, "%04d", n), []byte("value")); err != nil {
							return err
						}
					}
				}
			}
			return tx.Bucket([]byte("page")).Put([]byte("long"), make([]byte, 3000))
		},
		func(tx *bbolt.Tx) error {
			for n := 100; n < 200; n++ {
				if err := tx.Bucket([]byte("tree")).Delete(fmt.Appendf(nil, "%04d", n)); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		if err := db.Update(step); err != nil {
			t.Fatal(err)
		}
	}
	pages := int64(0)
	_ = db.View(func(tx *bbolt.Tx) error { pages = tx.Size(); return nil })
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b[:pages]
}

// shape is all that bbolt finds in a file, as far as bytes of keys and values do not matter: of what
// stands last in a page only that it is there, because where its key ends is not told by anything else.
func shape(t *testing.T, file []byte) string {
	path := filepath.Join(t.TempDir(), "db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, path)
	defer db.Close()
	var out strings.Builder
	var dump func(c *bbolt.Cursor, depth int)
	dump = func(c *bbolt.Cursor, depth int) {
		for k, v := c.First(); k != nil; k, v = c.Next() {
			out.WriteString(strings.Repeat(" ", depth) + "key\n")
			if v == nil {
				dump(c.Bucket().Bucket(k).Cursor(), depth+1)
			}
		}
	}
	_ = db.View(func(tx *bbolt.Tx) error { dump(tx.Cursor(), 0); return nil })
	return out.String()
}

// A byte changed anywhere is noticed, or bbolt finds as many keys in the same places as before: only the
// bytes of keys and values are left to those who wrote them.
func TestFlips(t *testing.T) {
	file := sample(t)
	want := shape(t, file)
	seen := map[string]int{}
	for at := range file {
		for _, by := range []byte{0x01, 0x80, 0xff} {
			bad := bytes.Clone(file)
			bad[at] ^= by
			err := File(bytes.NewReader(bad), int64(len(bad)))
			if err != nil {
				if !fault.Is(err, fault.Malformed) || !strings.Contains(err.Error(), "page") {
					t.Fatalf("byte %d: %v", at, err)
				}
				seen["noticed"]++
				continue
			}
			seen["not noticed"]++
			// bbolt is only asked where what it goes by changed; elsewhere it would find the same.
			if page := at / pageSize * pageSize; at < page+16+16*int(file[page+10]) && at/pageSize > 1 {
				seen["asked"]++
				if got := shape(t, bad); got != want && !bucketNamed(file, at) {
					t.Fatalf("byte %d of page %d may be changed by %#x, and then bbolt finds\n%s", at%pageSize, at/pageSize, by, hex.Dump(bad[page:page+200]))
				}
			}
		}
	}
	t.Log(seen)
	if seen["asked"] == 0 || seen["noticed"] < 3000 {
		t.Error("the file has too little in it to tell")
	}
}

// bucketNamed tells whether the byte is the type of an element whose bucket is inside of it: without it
// the bucket is a value like any other.
func bucketNamed(file []byte, at int) bool {
	in := at % pageSize
	return (in-header)%16 == 0 && file[at] == 1
}

func TestRefuses(t *testing.T) {
	file := sample(t)
	for name, bad := range map[string][]byte{
		"nothing":             {},
		"one meta page":       file[:pageSize],
		"a file cut off":      file[:len(file)-pageSize],
		"zeroes":              make([]byte, len(file)),
		"something else":      []byte(strings.Repeat("not a database ", 1000)),
		"a second page of 0s": append(append(bytes.Clone(file[:pageSize]), make([]byte, pageSize)...), file[2*pageSize:]...),
	} {
		if err := File(bytes.NewReader(bad), int64(len(bad))); !fault.Is(err, fault.Malformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := File(bytes.NewReader(file), int64(len(file))); err != nil {
		t.Error(err)
	}
}

// FuzzFile holds that no bytes make it panic, walk in circles or take much memory.
func FuzzFile(f *testing.F) {
	file := sample(f)
	f.Add(uint32(0), []byte{})
	f.Add(uint32(2*pageSize+8), []byte{1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add(uint32(40), []byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		bad := bytes.Clone(file)
		if int(at) < len(bad) {
			copy(bad[at:], change)
		}
		err := File(bytes.NewReader(bad), int64(len(bad)))
		if err != nil && !fault.Is(err, fault.Malformed) {
			t.Error(err)
		}
	})
}
