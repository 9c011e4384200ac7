package kahuna

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// fromPage makes a request as a browser does for a page of an origin.
func (r *running) fromPage(method, path, origin string, more ...string) *http.Response {
	r.t.Helper()
	answer, _ := r.send(method, path, r.key, "", append(more, "Origin", origin)...)
	return answer
}

// A page that one Kahuna served may ask the other one, whichever acts, and read from its answers where the
// Kahunas are; a page of anybody else may not, not even of one Kahuna alone.
func TestPagesOfOneKahunaMayAskTheOther(t *testing.T) {
	a := primary(t, t.TempDir())
	const stranger = "https://elsewhere.example"
	b := a.standby(t.TempDir())
	b.key = a.key
	a.within("the standby is in sync", patienceOfPairs, a.inSync)
	b.within("the standby knows of both", patienceOfPairs, func() bool { return len(b.pairOf().Nodes) == 2 })
	for asked, page := range map[*running]string{a: b.url, b: a.url} {
		before := asked.fromPage("OPTIONS", "/api/v2/regions/eu", page, "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "authorization,if-match")
		allowed := before.Header.Get("Access-Control-Allow-Headers")
		if before.StatusCode != 204 || before.Header.Get("Access-Control-Allow-Origin") != page || !strings.Contains(before.Header.Get("Access-Control-Allow-Methods"), "PUT") ||
			!strings.Contains(allowed, "Authorization") || !strings.Contains(allowed, "If-Match") {
			t.Errorf("%s is asked beforehand by a page of %s: %s %v", asked.url, page, before.Status, before.Header)
		}
		answer := asked.fromPage("GET", "/api/v2/regions", page)
		if answer.StatusCode != 200 || !slices.Equal(answer.Header["Access-Control-Allow-Origin"], []string{page}) || !slices.Contains(answer.Header["Vary"], "Origin") ||
			!strings.Contains(answer.Header.Get("Access-Control-Expose-Headers"), "X-Kowabunga-Nodes") || answer.Header.Get("X-Kowabunga-Nodes") == "" || answer.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s is asked by a page of %s: %s %v", asked.url, page, answer.Status, answer.Header)
		}
		for _, method := range []string{"GET", "OPTIONS"} {
			answer := asked.fromPage(method, "/api/v2/regions", stranger, "Access-Control-Request-Method", "GET")
			for name := range answer.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s by a page of anybody: %s", method, name)
				}
			}
		}
	}
}
