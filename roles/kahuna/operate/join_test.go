package operate_test

import (
	"context"
	"testing"

	"kowabunga/core/access"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/operate"
)

// Where the answer was 202 it got out: repeating the request later is a new request.
func TestRepeatOfAnAcceptedRequestIsNew(t *testing.T) {
	c := newCloud(t)
	path := map[string]string{"projectId": "shop", "regionId": "eu"}
	body := `{"name":"d","type":"raw","size":1048576}`
	noWait := func(r *operate.Request) { r.Wait = false }
	a, err := c.as(admin, "CreateProjectRegionVolume", path, body, noWait)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.engine.Wait(context.Background(), a.Operation); err != nil {
		t.Fatal(err)
	}
	if b, err := c.as(admin, "CreateProjectRegionVolume", path, body, noWait); !fault.Is(err, fault.Conflict) {
		t.Errorf("the repeat: %+v %v", b, err)
	}
}

// Who lost his rights meanwhile gets no answer by repeating an old request.
func TestRepeatWithoutRightsIsRefused(t *testing.T) {
	c := newCloud(t)
	u := c.must("ann", "CreateUser", nil, nil, `{"name":"ann","email":"ann@example.net","role":"projectAdmin"}`)
	c.must("crew", "CreateTeam", nil, nil, `{"name":"crew","users":["`+string(u.Base().ID)+`"]}`)
	c.must("shop", "UpdateProject", map[string]string{"projectId": "shop"}, nil, `{"name":"shop","teams":["`+string(c.ids["crew"])+`"],"regions":["`+string(c.ids["eu"])+`"]}`)
	ann := access.Identity{Name: "ann", User: u.Base().ID, Role: model.RoleProjectAdmin}
	g := c.hold("machine.define")
	first := make(chan result, 1)
	go func() {
		a, err := c.as(ann, "CreateProjectZoneKompute", inShop, komputeBody("web"), nil)
		first <- result{a, err}
	}()
	<-g.reached
	c.must("crew", "UpdateTeam", map[string]string{"teamId": "crew"}, nil, `{"name":"crew","users":[]}`)
	a, err := c.as(ann, "CreateProjectZoneKompute", inShop, komputeBody("web"), func(r *operate.Request) { r.Wait = false })
	close(g.open)
	if !fault.Is(err, fault.NotFound) || a.Object != nil {
		t.Errorf("the repeat: %+v %v", a, err)
	}
	if r := c.within("the first request", first); r.err != nil {
		t.Error(r.err)
	}
}

// With an Idempotency-Key the repeat of a deletion is answered as the deletion was, and the repeat of a
// request for a key gets a key: the first one was not kept and cannot be shown again.
func TestIdempotencyKeyOfDeletionsAndKeys(t *testing.T) {
	c := newCloud(t)
	c.must("spare", "CreateRegion", nil, nil, `{"name":"spare"}`)
	keyed := func(r *operate.Request) { r.Key = "once" }
	for range 2 {
		if _, err := c.as(admin, "DeleteRegion", map[string]string{"regionId": "spare"}, "", keyed); err != nil {
			t.Errorf("deletion: %v", err)
		}
	}
	for range 2 {
		if a, err := c.as(admin, "SetAgentApiToken", map[string]string{"agentId": "agent"}, "", keyed); err != nil || a.Key == "" {
			t.Errorf("key %q: %v", a.Key, err)
		}
	}
}

// Deleting twice at the same time is one operation, whoever asks.
func TestSecondDeletionJoins(t *testing.T) {
	c := newCloud(t)
	c.kompute("web")
	g := c.hold("machine.delete")
	first := c.background("DeleteKompute", map[string]string{"komputeId": "web"}, "")
	<-g.reached
	second := make(chan result, 1)
	committed := c.store.View().Index()
	go func() {
		a, err := c.as(access.Identity{Name: "another", Role: model.RoleSuperAdmin}, "DeleteKompute", map[string]string{"komputeId": "web"}, "", func(r *operate.Request) { r.Wait = false })
		second <- result{a, err}
	}()
	b := c.within("the second deletion", second)
	if b.err != nil || c.store.View().Index() != committed {
		t.Errorf("the second deletion: %v; it committed something: %v", b.err, c.store.View().Index() != committed)
	}
	close(g.open)
	if a := c.within("the first deletion", first); a.err != nil || a.Operation != b.Operation {
		t.Errorf("operations %s and %s: %v", a.Operation, b.Operation, a.err)
	}
	c.settle()
	c.consistent()
}
