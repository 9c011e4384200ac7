package kahuna

import (
	"io"
	"net/http"
	"testing"

	"kowabunga/core/model"
)

// Where projectAdmins may create projects, what the query says takes nothing of that right away (A2), and
// gives nobody else any.
func TestIntentA2QueriesLeaveRightsAlone(t *testing.T) {
	for allowed, want := range map[bool]int{true: 201, false: 403} {
		r := start(t, t.TempDir(), func(c *Config) { c.Access.ProjectAdminsCreateProjects = allowed })
		region, zone, agent, _ := r.host("eu")
		r.topology(region, zone, agent)
		lan := r.made("/region/"+string(region)+"/vnet", `{"name":"more","vlan":7,"interface":"br7"}`)
		r.made("/vnet/"+lan+"/subnet", `{"name":"more","cidr":"10.8.0.0/26","gateway":"10.8.0.1","gw_pool":[{"first":"10.8.0.2","last":"10.8.0.5"}]}`)
		keys, team := map[string]string{}, ""
		for _, role := range []string{"user", "projectAdmin"} {
			var o struct {
				ID  model.ID
				Key string
			}
			r.ask("POST", "/api/v1/user", `{"name":"`+role+`","email":"`+role+`@example.net","role":"`+role+`"}`, &o)
			if status := r.ask("PATCH", "/api/v2/user/"+string(o.ID)+"/token", "", &o); status != 200 {
				t.Fatal(status)
			}
			keys[role], team = o.Key, r.made("/team", `{"name":"of-%s","users":[%q]}`, role, o.ID)
		}
		post := func(role, query string) int {
			answer, _ := r.send("POST", "/api/v1/project"+query, keys[role], `{"name":"own","teams":["`+team+`"],"regions":["`+string(region)+`"]}`)
			return answer.StatusCode
		}
		for _, query := range []string{"?subnetSize=26", "?/api/v1/project", ""} {
			if got := post("user", query); got != 403 {
				t.Errorf("a user creates a project with %q: %d", query, got)
			}
		}
		if got := post("projectAdmin", "?subnetSize=26"); got != want {
			t.Errorf("a projectAdmin where that is %v: %d", allowed, got)
		}
	}
}

// Whether Kahuna lives and serves is asked without credentials (C4), and answers nothing else.
func TestIntentC4HealthIsForEverybody(t *testing.T) {
	r := start(t, t.TempDir())
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		answer, err := http.Get(r.url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != 200 || string(body) != want {
			t.Errorf("%s: %d %s", path, answer.StatusCode, body)
		}
	}
}
