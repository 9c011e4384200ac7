package api_test

import (
	"strings"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/api"
)

// Members see how their gateway stands, but not on which agents; strangers do not know it. Of routers and
// agents only superAdmins read the status.
func TestStatusIsForWhomItConcerns(t *testing.T) {
	w := newWorld(t, func(c *api.Config) {
		c.Standing = func(o model.Object) agentproto.Standing {
			return agentproto.Standing{Problems: []string{"about " + string(o.Kind())}, States: []agentproto.StateHeld{{Agent: "the-agent", Name: "the-host", Node: "the-node", State: "services", Wanted: 7, Held: 7, Applied: true, Problems: []string{}}}}
		}
	})
	ids := w.topology()
	w.services(ids)
	status := func(path, user string) answer {
		return w.do("GET", "/api/v2/"+path+"/status", "", "X-API-Key", w.key(ids[user]))
	}
	for path, kind := range map[string]string{"kawaiis/" + ids["kawaii"]: "kawaii", "konveys/" + ids["konvey"]: "konvey"} {
		a := status(path, "reader")
		if a.status != 200 || !strings.Contains(a.body, "about "+kind) || !strings.Contains(a.body, "the-node") || strings.Contains(a.body, "the-agent") || strings.Contains(a.body, "the-host") {
			t.Errorf("%s by a member: %d %s", path, a.status, a.body)
		}
		if a := status(path, "stranger"); a.status != 404 {
			t.Errorf("%s by a stranger: %d %s", path, a.status, a.body)
		}
		if a := w.do("GET", "/api/v2/"+path+"/status", ""); a.status != 200 || !strings.Contains(a.body, "the-host") {
			t.Errorf("%s by the administrator: %d %s", path, a.status, a.body)
		}
	}
	for _, path := range []string{"kiwis/" + ids["kiwi"], "agents/" + ids["agent"]} {
		if a := status(path, "reader"); a.status != 403 && a.status != 404 {
			t.Errorf("%s by a member: %d %s", path, a.status, a.body)
		}
		if a := w.do("GET", "/api/v2/"+path+"/status", ""); a.status != 200 {
			t.Errorf("%s by the administrator: %d %s", path, a.status, a.body)
		}
	}
	if a := w.do("GET", "/api/v1/kiwi/"+ids["kiwi"]+"/status", ""); a.status != 404 {
		t.Errorf("API v1 is frozen and answers %d", a.status)
	}
}
