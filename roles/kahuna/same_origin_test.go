package kahuna

import "testing"

// Pages have the origin of an address whatever the browser leaves out or writes in another case.
func TestSameOrigin(t *testing.T) {
	for _, c := range []struct {
		address, origin string
		want            bool
	}{
		{"https://a.example:8443", "https://a.example:8443", true},
		{"https://a.example:8443/", "https://a.example:8443", true},
		{"https://a.example:443", "https://a.example", true},
		{"https://a.example", "https://a.example:443", true},
		{"http://a.example:80", "http://a.example", true},
		{"https://A.Example:443", "https://a.example", true},
		{"HTTPS://a.example", "https://a.example", true},
		{"https://[fd00::1]:443", "https://[fd00::1]", true},
		{"https://a.example:8443", "https://a.example", false},
		{"https://a.example:80", "https://a.example", false},
		{"https://a.example", "http://a.example", false},
		{"https://a.example:443", "http://a.example:443", false},
		{"https://a.example", "https://a.example.evil", false},
		{"https://a.example", "https://b.example", false},
		{"https://a.example", "null", false},
		{"https://a.example", "https://a.example:443:443", false},
		{"", "", false},
		{"", "null", false},
		{"https://", "https://", false},
	} {
		if is := sameOrigin(c.address, c.origin); is != c.want {
			t.Errorf("of %q has %q: %v", c.address, c.origin, is)
		}
	}
}

// Where nodes reach each other by addresses of their own, pages come from the public one all the same.
func TestPagesOfThePublicAddress(t *testing.T) {
	r := start(t, t.TempDir(), func(c *Config) { c.URL, c.PairURL = "https://Cloud.example:443/", "https://a.example:8443" })
	for origin, want := range map[string]string{"https://cloud.example": "https://cloud.example", "https://a.example:8443": "https://a.example:8443", "https://b.example:8443": "", "https://cloud.example:8443": ""} {
		if got := r.fromPage("GET", "/api/v2/regions", origin).Header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("a page of %s: %q", origin, got)
		}
	}
}
