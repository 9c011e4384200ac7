package kahuna

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// policyOf is the Content-Security-Policy of the page at a path, which has to be there.
func (r *running) policyOf(path string, header ...string) string {
	r.t.Helper()
	answer, body := r.send("GET", path, "", "", header...)
	if answer.StatusCode != http.StatusOK || !strings.Contains(string(body), `<div id="koala">`) {
		r.t.Errorf("%s at %s: %s", path, r.url, answer.Status)
	}
	for _, found := range regexp.MustCompile(`(?:href|src)="(/koala/[^"]+)"`).FindAllStringSubmatch(string(body), -1) {
		if file, _ := r.send("GET", found[1], "", ""); file.StatusCode != http.StatusOK {
			r.t.Errorf("%s: %s", found[1], file.Status)
		}
	}
	return answer.Header.Get("Content-Security-Policy")
}

// One Kahuna serves the web interface beside its API and documentation, and a page of it asks nobody else.
func TestKoalaOfOneKahuna(t *testing.T) {
	r := start(t, t.TempDir())
	if policy := r.policyOf("/"); !strings.Contains(policy, "connect-src 'self';") {
		t.Error(policy)
	}
	for path, want := range map[string]int{"/docs/": 200, "/api/v2/regions": 401, "/pages/instances": 200, "/confirm": 403, "/nothing": 404, "/koala/old/main.js": 404} {
		if answer, _ := r.send("GET", path, "", ""); answer.StatusCode != want {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
}

// Both Kahunas serve it by themselves, the one that follows too, and a page of either may ask both. A page that came by
// a name that they do not answer is told of none: its browser would not be let.
func TestKoalaOfTwoKahunas(t *testing.T) {
	a := primary(t, t.TempDir())
	b := a.standby(t.TempDir())
	a.within("the standby is in sync", patienceOfPairs, a.inSync)
	b.within("the standby knows of both", patienceOfPairs, func() bool { st := b.s.pair.driver.Status(); return st.Record != nil && len(st.Record.Nodes) == 2 })
	for _, r := range []*running{a, b} {
		policy := r.policyOf("/pages/pair")
		if !strings.Contains(policy, " "+a.url) || !strings.Contains(policy, " "+b.url) {
			t.Errorf("%s: %s", r.url, policy)
		}
		if answer, _ := r.send("GET", "/", "", ""); answer.Header.Get("X-Request-Id") != "" {
			t.Errorf("%s asks another one for the page", r.url)
		}
		request, err := http.NewRequest("GET", r.url+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = "elsewhere.example"
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if policy := answer.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "connect-src 'self';") {
			t.Errorf("a page of elsewhere: %s", policy)
		}
	}
}
