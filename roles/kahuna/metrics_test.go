package kahuna

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kowabunga/core/model"
)

// Figures name projects, machines and addresses; they are for superAdmins, and for this machine on a
// listener of its own.
func TestA26MetricsAreForSuperAdmins(t *testing.T) {
	r, _, _ := made(t)
	key := func(name, role string) string {
		var o struct {
			ID  model.ID
			Key string
		}
		if status := r.ask("POST", "/api/v1/user", `{"name":"`+name+`","email":"`+name+`@example.net","role":"`+role+`"}`, &o); status != 201 {
			t.Fatal(status)
		}
		if status := r.ask("PATCH", "/api/v2/user/"+string(o.ID)+"/token", "", &o); status != 200 {
			t.Fatal(status)
		}
		return o.Key
	}
	const machine = `kowabunga_instance_settings{ip="10.9.0.6",name="web",os="linux",project="shop"} 1`
	for who, c := range map[string]struct {
		key    string
		status int
	}{"nobody": {"", 401}, "a stranger": {"x", 401}, "a user": {key("ann", "user"), 403}, "a projectAdmin": {key("pat", "projectAdmin"), 403},
		"a superAdmin": {key("sue", "superAdmin"), 200}, "the master": {r.key, 200}} {
		req, _ := http.NewRequest("GET", r.url+"/metrics", nil)
		if c.key != "" {
			req.Header.Set("X-API-Key", c.key)
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != c.status || strings.Contains(string(raw), machine) != (c.status == 200) {
			t.Errorf("%s: %d %.300s", who, answer.StatusCode, raw)
		}
	}
	w := httptest.NewRecorder()
	r.s.health(true).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, name := range []string{machine, "kowabunga_objects{", "kowabunga_journal_index", "go_goroutines", "kowabunga_api_requests_total{"} {
		if !strings.Contains(w.Body.String(), name) {
			t.Errorf("there is no %s", name)
		}
	}
}
