package octets

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/testdata/chance"
)

func TestFieldsComeBack(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		fields := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "fields")
		n := rapid.Uint64().Draw(t, "number")
		b := Number(nil, n)
		for _, f := range fields {
			b = Append(b, f)
		}
		r := Read(b)
		if got := r.Number(); got != n {
			t.Fatalf("number %d, want %d", got, n)
		}
		for _, f := range fields {
			if got := r.Field(); !bytes.Equal(got, f) {
				t.Fatalf("field %x, want %x", got, f)
			}
		}
		if r.More() || r.End() != nil {
			t.Fatalf("at the end: more %v, %v", r.More(), r.End())
		}
		if cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut"); len(fields) > 0 {
			r := Read(b[:cut])
			r.Number()
			for range fields {
				r.Field()
			}
			if r.End() == nil {
				t.Fatal("cut bytes are read without complaint")
			}
		}
	})
}

func TestReaderRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"an overlong number": {0x80, 0x00},
		"a number too large": {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
		"a lying length":     {0xff, 0xff, 0xff, 0xff, 0x0f, 1},
		"bytes left over":    {0x00, 1},
	} {
		r := Read(b)
		if r.Field(); r.End() == nil {
			t.Errorf("%s is accepted", name)
		}
		if r.Byte() != 0 || r.Text() != "" || r.Number() != 0 || r.More() {
			t.Errorf("after %s the reader goes on", name)
		}
	}
}

// A text with a sum is the one that was written, under the name it was written under, or refused.
func TestSums(t *testing.T) {
	chance.Check(t, func(t *rapid.T) {
		name, text := rapid.SliceOf(rapid.Byte()).Draw(t, "name"), rapid.SliceOf(rapid.Byte()).Draw(t, "text")
		b := Sum(name, text)
		if got, err := Verify(name, b); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%x, %v", got, err)
		}
		if _, err := Verify(append(bytes.Clone(name), 1), b); err == nil {
			t.Fatal("a text is taken for that of another name")
		}
		at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		if _, err := Verify(name, b[:at]); err == nil {
			t.Fatal("a text that is cut off is taken")
		}
		b[at] ^= rapid.ByteRange(1, 255).Draw(t, "by")
		if _, err := Verify(name, b); err == nil {
			t.Fatal("a damaged text is taken")
		}
	})
}
