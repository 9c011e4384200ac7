package main

import (
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestVersion(t *testing.T) {
	for described, want := range map[string]string{
		"1.2.3":               "1.2.3",
		"1.2.3-4-gabcdef":     "1.2.3+4.gabcdef",
		"1.2.3-dirty":         "1.2.3+dirty",
		"03c24ad-dirty":       "0~03c24ad.dirty", // a hash may begin with digits, and a version has to
		"1234567":             "0~1234567",
		"devel":               "0~devel",
		"1.3.0-rc.1-2-gabcde": "1.3.0~rc.1.2.gabcde",
	} {
		if got := Version(described); got != want {
			t.Errorf("%s became %s, want %s", described, got, want)
		}
	}
}

// What nfpm does not know it would refuse; what it does not get would be missing from the package.
func TestDescribe(t *testing.T) {
	text, err := describe([]byte(`
nfpms:
  - package_name: thing
    formats: [deb]
    bindir: /usr/bin
    dependencies: [passwd]
    contents: [{src: a, dst: /b}]
`), "./thing", "1.0", "arm64")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := yaml.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"name": "thing", "arch": "arm64", "version": "1.0", "package_name": nil, "formats": nil, "bindir": nil} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	if n := len(got["contents"].([]any)); n != 2 || !strings.Contains(string(text), "dst: /usr/bin/kowabunga") {
		t.Errorf("the program is missing in:\n%s", text)
	}
	if _, err := describe([]byte("nfpms: []"), "x", "1", "amd64"); err == nil {
		t.Error("a release without packages was accepted")
	}
}
