package journal

import (
	"bytes"
	"crypto/sha256"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/testdata/chance"
)

func drawRecord(t *rapid.T) *Record {
	text := rapid.String()
	r := &Record{
		Index: rapid.Uint64().Draw(t, "index"),
		Epoch: Epoch{Counter: rapid.Uint64().Draw(t, "counter"), Node: text.Draw(t, "node")},
		Time:  time.Unix(0, rapid.Int64().Draw(t, "time")).UTC(),
		Cause: Cause{Actor: text.Draw(t, "actor"), ActorID: text.Draw(t, "actor id"), Request: text.Draw(t, "request"), From: text.Draw(t, "from"), What: text.Draw(t, "what")},
		Prev:  Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "prev")),
	}
	some := rapid.SliceOfN(rapid.Byte(), 1, 40)
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		c := Change{Kind: model.Kind(text.Draw(t, "kind")), ID: model.ID(text.Draw(t, "id")), Op: rapid.SampledFrom([]Op{Create, Update, Delete}).Draw(t, "op"), Version: rapid.Uint64().Draw(t, "version")}
		c.Before, c.After = []byte{}, []byte{}
		if c.Op != Create {
			c.Before = some.Draw(t, "before")
		}
		if c.Op != Delete {
			c.After = some.Draw(t, "after")
		}
		r.Changes = append(r.Changes, c)
	}
	return r
}

func TestRecordsComeBack(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		b := r.Encode()
		got, err := Decode(b)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("decoded %+v, %v; want %+v", got, err, r)
		}
		if index, epoch, hash, err := Head(b); err != nil || index != r.Index || epoch != r.Epoch || hash != r.Hash {
			t.Fatalf("the head says %d %v %s, %v of %+v", index, epoch, hash, err, r)
		}
		bad := bytes.Clone(b)
		bad[rapid.IntRange(0, len(bad)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		if _, err := Decode(bad); !fault.Is(err, fault.Malformed) {
			t.Fatalf("decoded a damaged record: %v", err)
		}
	})
}

func TestFollows(t *testing.T) {
	one := &Record{Index: 1}
	one.Encode()
	two := &Record{Index: 2, Prev: one.Hash}
	if err := two.Follows(1, one.Hash); err != nil {
		t.Error(err)
	}
	if two.Follows(0, one.Hash) == nil || two.Follows(1, Hash{1}) == nil {
		t.Error("a record follows a position it does not continue")
	}
}

func FuzzDecode(f *testing.F) {
	r := &Record{Index: 3, Epoch: Epoch{Counter: 1, Node: "n"}, Changes: []Change{{Kind: "zone", ID: "a", Op: Create, Version: 3, After: []byte("x")}}}
	f.Add(r.Encode()[32:])
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body) // or nothing would get past the hash
		b := append(sum[:], body...)
		index, epoch, hash, bad := Head(b)
		r, err := Decode(b)
		if err != nil {
			return
		}
		if bad != nil || index != r.Index || epoch != r.Epoch || hash != r.Hash {
			t.Errorf("%x: the head says %d %v %s, %v", b, index, epoch, hash, bad)
		}
		// What decodes is canonical: there is no second way to write it.
		if again := r.Encode(); !bytes.Equal(again, b) {
			t.Errorf("%x decodes, and encodes as %x", b, again)
		}
	})
}
