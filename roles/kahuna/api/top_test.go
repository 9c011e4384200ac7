package api_test

import (
	"fmt"
	"strings"
	"testing"
)

// How full everything is: what hosts promised, what projects use and cost, what pools have left; each
// for whom it concerns.
func TestTop(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	w.must("PUT", "/api/v2/kaktuses/k1", fmt.Sprintf(`{"agents":[%q],"overcommit_cpu_ratio":2,"overcommit_memory_ratio":1,"cpu_cost":{"price":120,"currency":"EUR"}}`, ids["agent"]))
	w.must("PUT", "/api/v2/projects/web", fmt.Sprintf(`{"teams":[%q],"regions":[%q],"quotas":{"vcpus":8}}`, ids["team"], ids["region"]))
	before := w.must("GET", "/api/v2/top", "")["hosts"].([]any)[0].(map[string]any)
	w.must("POST", "/api/v2/komputes?project=web&zone=eu-a&wait=true", strings.Replace(machine, `"vcpus":1`, `"vcpus":2`, 1))
	top := w.must("GET", "/api/v2/top", "")
	host := top["hosts"].([]any)[0].(map[string]any)
	if host["id"] != ids["kaktus"] || host["name"] != "k1" || host["zone"] != ids["zone"] || host["online"] != true || host["instances"] != 1.0 ||
		host["vcpus_promised"] != 2.0 || host["memory_promised"] != 1073741824.0 || host["vcpus_total"] != 2*host["threads"].(float64) {
		t.Errorf("%v", host)
	}
	if before["vcpus_promised"] != 0.0 || before["memory_total"] != host["memory_total"] || host["memory_total"].(float64) > host["memory"].(float64) {
		t.Errorf("%v, then %v", before, host)
	}
	project := top["projects"].([]any)[0].(map[string]any)
	if fmt.Sprint(project["usage"]) != fmt.Sprint(map[string]any{"vcpus": 2.0, "memory": 1073741824.0, "storage": 4294967296.0, "instances": 1.0}) || project["quotas"].(map[string]any)["vcpus"] != 8.0 {
		t.Errorf("%v", project)
	}
	if c := project["cost"].(map[string]any); c["currency"] != "EUR" || c["price"].(float64) <= 0 {
		t.Errorf("%v", c)
	}
	if pools := top["pools"].([]any); len(pools) != 1 || pools[0].(map[string]any)["name"] != "p1" {
		t.Errorf("%v", pools)
	}
	mine := w.must("GET", "/api/v2/top", "", "X-API-Key", w.key(ids["reader"]))
	if len(mine["hosts"].([]any)) != 0 || len(mine["projects"].([]any)) != 1 {
		t.Errorf("a member sees %v", mine)
	}
	if other := w.do("GET", "/api/v2/top", "", "X-API-Key", w.key(ids["stranger"])); other.body != `{"hosts":[],"projects":[],"pools":[]}` {
		t.Errorf("a stranger sees %s", other.body)
	}
	// A plan says what the change costs.
	p := w.must("PUT", "/api/v2/komputes/m1?plan=true", `{"memory":1073741824,"vcpus":4,"disk":4294967296}`)
	if c := p["cost"].(map[string]any); c["currency"] != "EUR" || c["before"] != project["cost"].(map[string]any)["price"] || c["after"].(float64) <= c["before"].(float64) {
		t.Errorf("%v", c)
	}
}
