package seal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/testdata/chance"
)

type vault struct {
	model.Meta
	Plain string       `json:"plain"`
	First model.Secret `json:"first,omitempty"`
	Inner struct {
		Second model.Secret `json:"second"`
	} `json:"inner"`
}

func (*vault) Kind() model.Kind      { return "vault" }
func (v *vault) Clone() model.Object { c := *v; return &c }

var table = model.Table{
	Kind: "vault",
	New:  func() model.Object { return &vault{} },
	Secrets: func(o model.Object) []*model.Secret {
		v := o.(*vault)
		return []*model.Secret{&v.First, &v.Inner.Second}
	},
}

func sample() *vault {
	v := &vault{Meta: model.Meta{ID: "a", Version: 7, Name: "n"}, Plain: "[secret]", First: "hunter2"}
	v.Inner.Second = "correct horse"
	return v
}

func TestSecretsAreSealedAndComeBack(t *testing.T) {
	s := New(NewKey())
	v, err := s.Encode(&table, sample())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(v, []byte("hunter2")) || bytes.Contains(v, []byte("correct horse")) {
		t.Errorf("a secret is in clear: %q", v)
	}
	got, err := s.Decode(&table, v)
	if err != nil || !reflect.DeepEqual(got, sample()) {
		t.Errorf("decoded %#v, %v", got, err)
	}
	text, err := json.Marshal(map[string]Value{"after": v, "before": nil})
	if err != nil || !strings.Contains(string(text), `"first":"[secret]"`) || !strings.Contains(string(text), `"before":null`) {
		t.Errorf("as JSON: %s, %v", text, err)
	}
	twice, _ := s.Encode(&table, sample())
	if bytes.Equal(v, twice) {
		t.Error("sealing twice gives the same bytes: the nonce is not random")
	}
}

// A sealed text opens nowhere but in its place, and with no other key.
func TestSealedTextIsBoundToItsPlace(t *testing.T) {
	s := New(NewKey())
	sealed := s.seal("x", place("vault", "a", 7, 0))
	for name, where := range map[string][]byte{
		"kind": place("volt", "a", 7, 0), "id": place("vault", "b", 7, 0),
		"version": place("vault", "a", 8, 0), "place": place("vault", "a", 7, 1),
	} {
		if text, err := s.open(sealed, where); err == nil {
			t.Errorf("with another %s it opens to %q", name, text)
		}
	}
	v, _ := s.Encode(&table, sample())
	if _, err := New(NewKey()).Decode(&table, v); !fault.Is(err, fault.Internal) {
		t.Errorf("with another key: %v", err)
	}
	if s.Same(New(NewKey()).Check()) || !s.Same(s.Check()) {
		t.Error("Same does not tell keys apart")
	}
}

func TestDamageIsNoticed(t *testing.T) {
	s := New(NewKey())
	good, _ := s.Encode(&table, sample())
	chance.Check(t, func(t *rapid.T) {
		bad := bytes.Clone(good)
		bad[rapid.IntRange(0, len(bad)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		if _, err := s.Decode(&table, bad); !fault.Is(err, fault.Malformed) {
			t.Fatalf("decoded damaged bytes: %v", err)
		}
		if _, err := s.Decode(&table, good[:rapid.IntRange(0, len(good)-1).Draw(t, "cut")]); err == nil {
			t.Fatal("decoded cut bytes")
		}
	})
}

func TestCoversFindsForgottenSecrets(t *testing.T) {
	if err := Covers(&table); err != nil {
		t.Error(err)
	}
	forgetful := table
	forgetful.Secrets = func(o model.Object) []*model.Secret { return []*model.Secret{&o.(*vault).First} }
	if err := Covers(&forgetful); err == nil || !strings.Contains(err.Error(), "Inner Second") {
		t.Errorf("a forgotten field: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	s := New(Key{1})
	good, _ := s.Encode(&table, sample())
	f.Add([]byte(good[5:]))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte("\x02{}\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, body []byte) {
		// With the right checksum, or nothing would get past it.
		b := binary.BigEndian.AppendUint32([]byte{format}, crc32.Checksum(body, castagnoli))
		b = append(b, body...)
		o, err := s.Decode(&table, b)
		if (o == nil) == (err == nil) {
			t.Errorf("Decode = %v, %v", o, err)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	s, o := New(NewKey()), sample()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.Encode(&table, o)
	}
}
