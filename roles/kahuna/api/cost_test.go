package api_test

import (
	"encoding/json"
	"testing"

	"kowabunga/core/model"
)

func TestCostAndUsageOfAProject(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	v1 := "/api/v1/project/" + ids["project"]
	if a := w.do("GET", v1+"/cost", ""); a.status != 200 || a.body != `{"price":0,"currency":"EUR"}` {
		t.Errorf("an empty project: %d %s", a.status, a.body)
	}
	// Of 16 threads at 3 vCPUs each, 48 EUR are 1 EUR a vCPU; the GiB of disk is free while nobody told the
	// capacity of the pool.
	w.must("PUT", "/api/v1/kaktus/"+ids["kaktus"], `{"name":"k1","agents":["`+ids["agent"]+`"],"cpu_cost":{"price":48,"currency":"EUR"},"memory_cost":{"price":0,"currency":"EUR"}}`)
	w.kompute(ids, "m1")
	project, _ := model.Find[*model.Project](w.store.View(), model.ID(ids["project"]))
	if a := w.do("GET", v1+"/cost", ""); a.body != `{"price":1,"currency":"EUR"}` {
		t.Errorf("cost: %s", a.body)
	}
	if a := w.do("GET", v1+"/usage", ""); a.status != 200 || a.body != `{"vcpus":1,"memory":1073741824,"storage":4294967296,"instances":1}` {
		t.Errorf("usage: %d %s", a.status, a.body)
	}
	if a := w.do("GET", "/api/v2/projects/web/usage", ""); a.body != `{"vcpus":1,"memory":1073741824,"storage":4294967296,"instances":1}` {
		t.Errorf("usage in v2: %s", a.body)
	}
	var got struct {
		model.Cost
		Costs []model.Cost
		Kinds []struct {
			Kind  string
			Costs []model.Cost
		}
		Resources []struct {
			Kind, ID, Name string
			Costs          []model.Cost
		}
	}
	a := w.do("GET", "/api/v2/projects/web/cost", "")
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	if got.Price != 1 || got.Currency != "EUR" || len(got.Costs) != 1 || len(got.Kinds) != 2 || len(got.Resources) != 2 ||
		got.Resources[0].Kind != "instance" || got.Resources[0].Name != "m1" || got.Resources[0].Costs[0].Price != 1 || len(got.Resources[1].Costs) != 0 {
		t.Errorf("cost in v2: %s", a.body)
	}
	// C13: reading writes nothing.
	if now, _ := model.Find[*model.Project](w.store.View(), project.ID); now.Version != project.Version {
		t.Errorf("reading changed the project")
	}
	// Members read it, strangers do not know the project.
	for user, status := range map[string]int{"reader": 200, "stranger": 404} {
		key := w.key(ids[user])
		for _, path := range []string{v1 + "/cost", v1 + "/usage", "/api/v2/projects/" + ids["project"] + "/cost", "/api/v2/projects/" + ids["project"] + "/usage"} {
			if a := w.do("GET", path, "", "X-API-Key", key); a.status != status {
				t.Errorf("%s by %s: %d %s", path, user, a.status, a.body)
			}
		}
	}
}
