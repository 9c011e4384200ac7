package api_test

import (
	"slices"
	"strings"
	"testing"
)

// What API v2 knows as cascade is nothing to API v1, which goes on refusing.
func TestCascadeIsOfAPIV2Alone(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	w.kompute(ids, "m1")
	w.services(ids)
	for _, path := range []string{"/api/v1/project/" + ids["project"] + "?cascade=true", "/api/v2/projects/web", "/api/v2/projects/web?cascade=false"} {
		if a := w.do("DELETE", path, ""); a.status != 409 || !strings.Contains(a.body, "still has") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := w.do("GET", "/api/v1/openapi.json", ""); strings.Contains(a.body, "cascade") {
		t.Error("the document of v1 knows cascade")
	}
	if a := w.do("GET", "/api/v2/openapi.json", ""); !strings.Contains(a.body, `"cascade"`) {
		t.Error("the document of v2 does not know cascade")
	}
	// Only a superAdmin deletes projects, with all in them or without.
	if a := w.do("DELETE", "/api/v2/projects/web?cascade=true", "", "X-API-Key", w.key(ids["user"])); a.status != 403 {
		t.Errorf("a projectAdmin: %d %s", a.status, a.body)
	}
	// What would go can be seen beforehand, and nothing goes by looking.
	plan := w.must("DELETE", "/api/v2/projects/web?cascade=true&plan=true", "")
	var steps, gone []string
	for _, s := range plan["operation"].(map[string]any)["steps"].([]any) {
		steps = append(steps, s.(string))
	}
	for _, c := range plan["changes"].([]any) {
		if c := c.(map[string]any); c["action"] == "delete" {
			gone = append(gone, c["kind"].(string))
		}
	}
	for _, want := range []string{"remove machine of m1", "delete disk m1-os", "delete share files"} {
		if !slices.Contains(steps, want) {
			t.Errorf("the plan lacks the step %q: %q", want, steps)
		}
	}
	for _, want := range []string{"project", "kompute", "instance", "volume", "kylo", "record", "kawaii", "ipsec", "konvey", "node", "adapter"} {
		if !slices.Contains(gone, want) {
			t.Errorf("the plan deletes no %s: %v", want, gone)
		}
	}
	if a := w.do("DELETE", "/api/v2/projects/web?cascade=true&wait=true", ""); a.status != 204 {
		t.Fatalf("cascade: %d %s", a.status, a.body)
	}
	for _, path := range []string{"/projects/web", "/komputes/m1", "/kylos/files"} {
		if a := w.do("GET", "/api/v2"+path, ""); a.status != 404 {
			t.Errorf("%s is still there: %d", path, a.status)
		}
	}
	w.must("GET", "/api/v2/nfs/nfs", "") // what was not the project's stays
}
