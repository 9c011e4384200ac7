package netrule_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"kowabunga/core/fault"
	"kowabunga/core/netrule"
	"kowabunga/testdata/chance"
)

func TestPortListsAreReadSortedAndMerged(t *testing.T) {
	for text, want := range map[string]string{
		"80": "[80]", "1-65535": "[1-65535]", "443,80": "[80 443]", "80,80": "[80]", "8000-8080,8081,79-80": "[79-80 8000-8081]", "10-20,15-30,40": "[10-30 40]", "80-80": "[80]", "65535,65534": "[65534-65535]",
	} {
		got, err := netrule.Ports("ports", text)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q: %v %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", ",", "80,", ",80", "80, 443", " 80", "80 ", "0", "65536", "99999", "123456", "080", "+80", "-80", "80-", "-", "80-90-100", "90-80", "http", "8 0", "٨٠", "80;443", "0x50", strings.Repeat("1,", 1025) + "1"} {
		if got, err := netrule.Ports("rule.ports", text); !fault.Is(err, fault.Invalid) || fault.From(err).Field != "rule.ports" {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
}

func TestNetworksAreCanonicalIPv4(t *testing.T) {
	for text, want := range map[string]string{"0.0.0.0/0": "0.0.0.0/0", "10.0.0.0/8": "10.0.0.0/8", "192.0.2.7": "192.0.2.7/32", "192.0.2.7/32": "192.0.2.7/32"} {
		if got, err := netrule.Network("source", text); err != nil || got.String() != want {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "/", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/08", "fe80::/10", "::ffff:10.0.0.0/104", "::1", "10.0.0", "10.0.0.0/8,11.0.0.0/8", "010.0.0.0/8", " 10.0.0.0/8"} {
		if got, err := netrule.Network("source", text); !fault.Is(err, fault.Invalid) || fault.From(err).Field != "source" {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
}

// Two lists overlap exactly if some port is in both.
func TestOverlapIsWhatBothHave(t *testing.T) {
	list := rapid.Custom(func(t *rapid.T) string {
		var items []string
		for range rapid.IntRange(1, 4).Draw(t, "n") {
			a, b := rapid.IntRange(1, 40).Draw(t, "a"), rapid.IntRange(1, 40).Draw(t, "b")
			items = append(items, fmt.Sprintf("%d-%d", min(a, b), max(a, b)))
		}
		return strings.Join(items, ",")
	})
	has := func(spans []netrule.Span, port uint16) bool {
		for _, s := range spans {
			if s.First <= port && port <= s.Last {
				return true
			}
		}
		return false
	}
	chance.Check(t, func(t *rapid.T) {
		a, err1 := netrule.Ports("", list.Draw(t, "first"))
		b, err2 := netrule.Ports("", list.Draw(t, "second"))
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		lowest := uint16(0)
		for port := uint16(1); port <= 40 && lowest == 0; port++ {
			if has(a, port) && has(b, port) {
				lowest = port
			}
		}
		common, ok := netrule.Overlap(a, b)
		if ok != (lowest > 0) || ok && common.First != lowest {
			t.Fatalf("%v and %v: %v %v, lowest common port %d", a, b, common, ok, lowest)
		}
	})
}

func FuzzPorts(f *testing.F) {
	for _, text := range []string{"80,443,8000-8080", "1-65535", "65535-1", "0", "", ",", "80--90", "4294967296"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		spans, err := netrule.Ports("ports", text)
		if err != nil {
			return
		}
		var words []string
		for i, s := range spans {
			if s.First == 0 || s.First > s.Last || i > 0 && int(spans[i-1].Last)+1 >= int(s.First) {
				t.Fatalf("%q: %v", text, spans)
			}
			words = append(words, s.String())
		}
		again, err := netrule.Ports("ports", strings.Join(words, ","))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(spans) {
			t.Fatalf("%q: %v, read again %v %v", text, spans, again, err)
		}
	})
}

func FuzzNetwork(f *testing.F) {
	for _, text := range []string{"10.0.0.0/8", "10.0.0.1", "::ffff:1.2.3.4/120", "1.2.3.4/", "/8"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := netrule.Network("source", text)
		if err == nil && (!p.IsValid() || !p.Addr().Is4() || p.Masked() != p || p.String() != text && p.Addr().String() != text) {
			t.Fatalf("%q: %v", text, p)
		}
	})
}
