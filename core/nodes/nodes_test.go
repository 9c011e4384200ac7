package nodes

import (
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const a, b = "https://k1.example.org:8443", "http://[::1]:8080"
	for text, want := range map[string][]Node{
		"":                                 nil,
		`"` + a + `"`:                      {{URL: a}},
		`"` + a + `";primary, "` + b + `"`: {{URL: a, Primary: true}, {URL: b}},
		"\"" + a + "\" ; zone=\"x\" ,\t\"" + b + "\";lag=4;primary=?1 ": {{URL: a}, {URL: b, Primary: true}},
		`"` + a + `";primary=?0`: {{URL: a}},
	} {
		got, err := Parse(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		a, `"` + a, `"` + a + `",`, `"` + a + `" "` + b + `"`, `"` + a + `", "` + a + `"`, `"` + a + `";primary, "` + b + `";primary`,
		`"ftp://x"`, `"https://u:p@x"`, `"https://x/path"`, `"https://x?q"`, `"https://"`, `""`, `"https://x y"`, `,`,
		strings.Repeat(" ", maxText+1), `"https://1","https://2","https://3","https://4","https://5","https://6","https://7","https://8","https://9"`,
	} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%.60s was taken as %+v", text, got)
		}
	}
}

func TestPrimary(t *testing.T) {
	if got := Primary([]Node{{URL: "https://a"}, {URL: "https://b", Primary: true}}); got != "https://b" {
		t.Error(got)
	}
	if got := Primary([]Node{{URL: "https://a"}}); got != "" {
		t.Error(got)
	}
}

// What is read can be written and is read as the same again.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"", `"https://a";primary, "https://b:1"`, `"https://a";x="1,2"`, `"http://[::1]",`, "\"https://a\"\t;primary=?1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(Format(all))
		if err != nil || !reflect.DeepEqual(all, again) || len(all) > Most {
			t.Fatalf("%q is %+v and then %+v, %v", text, all, again, err)
		}
	})
}
