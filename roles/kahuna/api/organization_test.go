package api_test

import (
	"strings"
	"testing"
)

// An admin of an organization runs it by himself, in both APIs; API v1 does not show that there is one.
func TestAnOrganizationRunsItself(t *testing.T) {
	w := newWorld(t)
	ids := w.topology()
	org := w.must("POST", "/api/v2/organizations", `{"name":"acme","quotas":{"vcpus":8}}`)["id"].(string)
	head := w.must("POST", "/api/v2/users", `{"name":"head","email":"head@acme.test","role":"user","organization":"`+org+`","organization_admin":true}`)["id"].(string)
	if admins := w.must("GET", "/api/v2/organizations/acme", "")["admins"].([]any); len(admins) != 1 || admins[0] != head {
		t.Errorf("its admins are %v", admins)
	}
	key := w.key(head)
	as := func(method, path, body string, status int) string {
		t.Helper()
		a := w.do(method, path, body, "X-API-Key", key)
		if a.status != status {
			t.Errorf("%s %s: %d %s, want %d", method, path, a.status, a.body, status)
		}
		if strings.HasPrefix(path, "/api/v1") && strings.Contains(a.body, "organization\"") {
			t.Errorf("%s %s shows the organization: %s", method, path, a.body)
		}
		return a.body
	}
	user := decode(t, as("POST", "/api/v1/user", `{"name":"bo","email":"bo@acme.test","role":"projectAdmin"}`, 201))["id"].(string)
	team := decode(t, as("POST", "/api/v1/team", `{"name":"ops","users":["`+user+`"]}`, 201))["id"].(string)
	if refused := as("POST", "/api/v1/project", `{"name":"shop","teams":["`+team+`"],"regions":[],"quotas":{"vcpus":9}}`, 422); !strings.Contains(refused, "8 are left") {
		t.Errorf("a project over the quota: %s", refused)
	}
	project := decode(t, as("POST", "/api/v1/project", `{"name":"shop","teams":["`+team+`"],"regions":[],"quotas":{"vcpus":8}}`, 201))["id"].(string)
	if got := w.must("GET", "/api/v2/projects/shop", "")["organization"]; got != org {
		t.Errorf("the project is of %v", got)
	}
	// He sees his own and nothing of the rest.
	for path, want := range map[string]int{"/user/" + user: 200, "/user/" + ids["user"]: 404, "/team/" + team: 200, "/team/" + ids["team"]: 404, "/project/" + project: 200, "/project/" + ids["project"]: 404} {
		as("GET", "/api/v1"+path, "", want)
	}
	if list := as("GET", "/api/v2/organizations", "", 200); strings.Count(list, `"kind":"organization"`) != 1 {
		t.Errorf("organizations: %s", list)
	}
	as("PUT", "/api/v1/team/"+team, `{"name":"ops","users":["`+user+`","`+ids["user"]+`"]}`, 422)
	as("PUT", "/api/v2/users/bo", `{"name":"bo","email":"bo@acme.test","role":"superAdmin"}`, 403)
	as("POST", "/api/v1/project/"+project+"/record", `{"name":"www","addresses":["192.0.2.1"]}`, 403)
	as("DELETE", "/api/v2/organizations/acme", "", 403)
	as("DELETE", "/api/v2/projects/shop?cascade=true&wait=true", "", 204)
	if work := as("GET", "/api/v2/operations?target="+project, "", 200); !strings.Contains(work, `"state":"succeeded"`) {
		t.Errorf("who deleted the project cannot follow that: %s", work)
	}
	as("DELETE", "/api/v1/team/"+team, "", 200)
	as("DELETE", "/api/v1/user/"+user, "", 200)
}
