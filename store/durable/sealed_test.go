package durable

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

type promise struct {
	Epoch uint64 `json:"epoch"`
	Node  string `json:"node"`
}

// Whatever bit changes, the value is the same or not read; it is never another.
func TestSealedWithAnyBitFlipped(t *testing.T) {
	want := promise{70009, "b"}
	whole, err := Seal(1, want)
	if err != nil {
		t.Fatal(err)
	}
	from := bytes.Index(whole, []byte(`{"epoch"`))
	for i := range whole {
		for bit := range 8 {
			flipped := bytes.Clone(whole)
			flipped[i] ^= 1 << bit
			var got promise
			if Unseal(9, flipped, &got) != nil {
				continue
			}
			if !reflect.DeepEqual(got, want) || i >= from && i < len(whole)-2 {
				t.Fatalf("bit %d of byte %d is not noticed: %+v", bit, i, got)
			}
		}
	}
}

func TestSealedByANewerRelease(t *testing.T) {
	raw, err := Seal(2, promise{1, "a"})
	if err != nil {
		t.Fatal(err)
	}
	var got promise
	if err := Unseal(1, raw, &got); !errors.Is(err, ErrNewer) || got.Node != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := Unseal(2, raw, &got); err != nil || got.Epoch != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzUnseal(f *testing.F) {
	raw, _ := Seal(1, promise{1, "a"})
	f.Add(raw)
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var got promise
		if err := Unseal(1, raw, &got); err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
			t.Errorf("%v", err)
		}
	})
}
