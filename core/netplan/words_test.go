package netplan

import (
	"testing"

	"pgregory.net/rapid"

	"kowabunga/testdata/chance"
)

// Sets of ports are what a bitmap of all ports says they are.
func TestPortsAreSets(t *testing.T) {
	draw := func(t *rapid.T) (ports, map[int]bool) {
		var set ports
		has := map[int]bool{}
		for range rapid.IntRange(0, 4).Draw(t, "spans") {
			first := rapid.SampledFrom([]int{1, 2, 80, 443, 1024, 65534}).Draw(t, "first")
			last := min(first+rapid.IntRange(0, 400).Draw(t, "length"), 65535)
			set = append(set, span{first, last})
			for n := first; n <= last; n++ {
				has[n] = true
			}
		}
		return set.settled(), has
	}
	chance.Check(t, func(t *rapid.T) {
		a, inA := draw(t)
		b, inB := draw(t)
		for what, c := range map[string]struct {
			got  ports
			want func(n int) bool
		}{
			"union":     {a.union(b), func(n int) bool { return inA[n] || inB[n] }},
			"intersect": {a.intersect(b), func(n int) bool { return inA[n] && inB[n] }},
			"inverse":   {a.inverse(), func(n int) bool { return !inA[n] }},
		} {
			has := make([]bool, 65537)
			for i, s := range c.got {
				if s.first > s.last || i > 0 && s.first <= c.got[i-1].last+1 {
					t.Fatalf("%s of %v and %v: %v is not settled", what, a, b, c.got)
				}
				for n := s.first; n <= s.last; n++ {
					has[n] = true
				}
			}
			for n := 1; n <= 65535; n++ {
				if has[n] != c.want(n) {
					t.Fatalf("%s of %v and %v: port %d is %v", what, a, b, n, has[n])
				}
			}
			if len(c.got) > 0 {
				if back, ok := parsePorts(c.got.String()); !ok || back.String() != c.got.String() {
					t.Fatalf("%q comes back as %q", c.got, back)
				}
			}
		}
	})
}

// Every word that the API takes has a name that strongSwan knows; nothing else has one.
func TestProposals(t *testing.T) {
	for group, name := range map[int64]string{2: "modp1024", 5: "modp1536", 14: "modp2048", 15: "modp3072", 16: "modp4096", 17: "modp6144", 18: "modp8192",
		19: "ecp256", 20: "ecp384", 21: "ecp521", 22: "modp1024s160", 23: "modp2048s224", 24: "modp2048s256"} {
		if got, err := proposal("AES256", "SHA512", group); err != nil || got != "aes256-sha512-"+name {
			t.Errorf("group %d is %q %v", group, got, err)
		}
	}
	for _, c := range []struct {
		cipher, hash string
		group        int64
	}{{"", "SHA256", 14}, {"AES256", "MD5", 14}, {"AES256", "SHA256", 0}, {"AES256", "SHA256", 3}, {"AES256", "SHA256", 25}} {
		if got, err := proposal(c.cipher, c.hash, c.group); err == nil {
			t.Errorf("%v is %q", c, got)
		}
	}
}

// Times are read as strongSwan writes them, and nothing that is none.
func TestLasting(t *testing.T) {
	for text, want := range map[string]int64{"240s": 240, "90": 90, "2m": 120, "2h": 7200, "1d": 86400} {
		if got, err := lasting(text); err != nil || got != want {
			t.Errorf("%s is %d s %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "s", "0", "-1h", "1w", "1.5h", "99999999999d", "2147483647h"} {
		if got, err := lasting(text); err == nil {
			t.Errorf("%q is %d s", text, got)
		}
	}
}
