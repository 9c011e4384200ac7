package release

import "testing"

func TestHowFarReleasesAreApart(t *testing.T) {
	for _, c := range []struct {
		a, b string
		far  bool
	}{
		{"1.4.0", "1.4.0", false},
		{"1.4.0", "1.4.17", false},
		{"1.4.3", "1.5.0", false},
		{"1.4.3", "1.6.0", true},
		{"v1.4.3-12-g0123abc-dirty", "1.6.0-rc.1+x", true},
		{"1.9.2", "2.0.1", false},
		{"1.9.2", "2.1.0", true},
		{"1.9.2", "3.0.0", true},
		{"devel", "3.0.0", false},
		{"1.4", "1.6", false},
		{"", "1.6.0", false},
		{"v0.0.0-20300101000000-0123456789ab+dirty", "1.6.0", false},
		{"18446744073709551616.0.0", "0.0.0", false},
	} {
		if got, back := Far(c.a, c.b), Far(c.b, c.a); got != c.far || back != c.far {
			t.Errorf("%q and %q: %v, the other way round %v, want %v", c.a, c.b, got, back, c.far)
		}
	}
}
