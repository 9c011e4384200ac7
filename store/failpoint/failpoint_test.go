package failpoint

import (
	"reflect"
	"testing"
)

func TestParse(t *testing.T) {
	got, err := parse("store.commit.before-sync=kill@3; a=error ;b=pause")
	want := []rule{{"store.commit.before-sync", "kill", 3}, {"a", "error", 1}, {"b", "pause", 1}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("parse = %v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"x", "=kill", "a=explode", "a=kill@", "a=kill@0", "a=kill@x"} {
		if rules, err := parse(bad); err == nil {
			t.Errorf("parse(%q) = %v, want an error", bad, rules)
		}
	}
}

// The product passes through points on its hottest path: without the tag they must cost nothing.
func TestCostsNothingWithoutTheTag(t *testing.T) {
	if Enabled {
		t.Skip("built with the tag failpoint")
	}
	if names := Names(); names != nil {
		t.Errorf("Names() = %v, want none", names)
	}
	p := Register("x")
	if n := testing.AllocsPerRun(100, func() { _ = p.Hit() }); n != 0 {
		t.Errorf("Hit allocates %v times", n)
	}
	if size := reflect.TypeOf(p).Size(); size != 0 {
		t.Errorf("a Point takes %d bytes, want 0", size)
	}
}

func BenchmarkHit(b *testing.B) {
	p := Register("bench")
	for b.Loop() {
		if err := p.Hit(); err != nil {
			b.Fatal(err)
		}
	}
}
