package behaviour_test

import (
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
)

// acme is an organization with a user, a team of him and a project of that.
func acme(t *testing.T) *realm {
	w := newRealm(t)
	w.must("acme", "CreateOrganization", "", `{"name":"acme","quotas":{"vcpus":10}}`)
	w.must("ann", "CreateUser", "", `{"name":"ann","email":"ann@acme.example","role":"user","organization":"$acme","organization_admin":true}`)
	w.must("team", "CreateTeam", "", `{"name":"team","users":["$ann"],"organization":"$acme"}`)
	w.must("web", "CreateProject", "", `{"name":"web","teams":["$team"],"regions":[],"organization":"$acme","quotas":{"vcpus":6}}`)
	w.must("bob", "CreateUser", "", `{"name":"bob","email":"bob@example.org","role":"user"}`)
	w.must("root", "CreateUser", "", `{"name":"root","email":"root@example.org","role":"superAdmin"}`)
	w.must("others", "CreateTeam", "", `{"name":"others","users":["$bob"]}`)
	return w
}

func TestNothingReachesOutOfAnOrganization(t *testing.T) {
	w := acme(t)
	w.refused(fault.Invalid, "users", `user "bob" does not belong`, "UpdateTeam", "teamId=team", `{"name":"team","users":["$ann","$bob"]}`)
	w.refused(fault.Invalid, "users", `user "ann" does not belong`, "UpdateTeam", "teamId=others", `{"name":"others","users":["$ann"]}`)
	w.refused(fault.Invalid, "teams", `team "others" does not belong`, "UpdateProject", "projectId=web", `{"name":"web","teams":["$team","$others"],"regions":[]}`)
	w.refused(fault.Invalid, "teams", `team "team" does not belong`, "UpdateProject", "projectId=shop", `{"name":"shop","domain":"shop.example","teams":["$team"],"regions":["$eu"]}`)
	w.refused(fault.Invalid, "organization", `project "web" lists the team`, "UpdateTeam", "teamId=team", `{"name":"team","users":[],"organization":""}`)
	w.must("other", "CreateOrganization", "", `{"name":"other"}`)
	w.refused(fault.Invalid, "organization_admin", `that he leaves`, "UpdateUser", "userId=ann", `{"name":"ann","email":"ann@acme.example","role":"user","organization":"$other"}`)
	w.refused(fault.Invalid, "organization_admin", `no organization`, "UpdateUser", "userId=ann", `{"name":"ann","email":"ann@acme.example","role":"user","organization":""}`)
	w.refused(fault.Invalid, "organization_admin", `no organization`, "UpdateUser", "userId=bob", `{"name":"bob","email":"bob@example.org","role":"user","organization_admin":true}`)
	w.refused(fault.Invalid, "organization", `in team "team"`, "UpdateUser", "userId=ann", `{"name":"ann","email":"ann@acme.example","role":"user","organization":"$other","organization_admin":false}`)
	w.refused(fault.Invalid, "organization", `in team "others"`, "UpdateUser", "userId=bob", `{"name":"bob","email":"bob@example.org","role":"user","organization":"$acme"}`)
	// A superAdmin is at home everywhere, as long as he is one.
	w.must("", "UpdateTeam", "teamId=team", `{"name":"team","users":["$ann","$root"]}`)
	w.refused(fault.Invalid, "organization", `in team "team"`, "UpdateUser", "userId=root", `{"name":"root","email":"root@example.org","role":"user"}`)
	// It stays while something is in it.
	w.refused(fault.Conflict, "", `organization "acme" still has`, "DeleteOrganization", "organizationId=acme", "")
	w.must("", "DeleteProject", "projectId=web", "")
	w.must("", "DeleteTeam", "teamId=team", "")
	w.must("", "DeleteUser", "userId=ann", "")
	w.must("", "DeleteOrganization", "organizationId=acme", "")
}

func TestProjectsShareTheQuotaOfTheirOrganization(t *testing.T) {
	w := acme(t)
	project := func(name, quotas string) string {
		return `{"name":"` + name + `","teams":[],"regions":[],"organization":"$acme","quotas":{` + quotas + `}}`
	}
	w.refused(fault.Invalid, "quotas.vcpus", "each of its projects needs one", "CreateProject", "", project("b", `"memory":5`))
	w.refused(fault.Invalid, "quotas.vcpus", "4 are left", "CreateProject", "", project("b", `"vcpus":5`))
	w.must("b", "CreateProject", "", project("b", `"vcpus":4`))
	w.refused(fault.Invalid, "quotas.vcpus", "6 are left", "UpdateProject", "projectId=web", project("web", `"vcpus":7`))
	w.must("", "UpdateProject", "projectId=b", project("b", `"vcpus":3`))
	w.must("", "UpdateProject", "projectId=web", project("web", `"vcpus":7`))
	w.refused(fault.Invalid, "quotas.vcpus", "may be 9 together", "UpdateOrganization", "organizationId=acme", `{"name":"acme","quotas":{"vcpus":9}}`)
	w.must("", "UpdateOrganization", "organizationId=acme", `{"name":"acme","quotas":{"vcpus":0}}`)
	w.must("", "UpdateProject", "projectId=b", project("b", `"vcpus":0`))
}

// What an admin of an organization makes is in it, whether he says so or not.
func TestWhatAnAdminMakesIsOfHisOrganization(t *testing.T) {
	w := acme(t)
	w.caller("ann", model.RoleUser)
	w.must("carl", "CreateUser", "", `{"name":"carl","email":"carl@acme.example","role":"user"}`)
	w.must("two", "CreateTeam", "", `{"name":"two","users":["$carl"]}`)
	w.must("api", "CreateProject", "", `{"name":"api","teams":["$two"],"regions":[],"quotas":{"vcpus":1}}`)
	if got := []model.ID{get[*model.User](w, "carl").Organization, get[*model.Team](w, "two").Organization, get[*model.Project](w, "api").Organization}; got[0] != w.id("acme") || got[1] != w.id("acme") || got[2] != w.id("acme") {
		t.Errorf("they are of %v", got)
	}
}
