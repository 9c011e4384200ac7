package kahuna

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"kowabunga/core/model"
	"kowabunga/core/operation"
)

// topology makes what machines need on the host of a region and returns the path to create them at.
func (r *running) topology(region, zone, agent model.ID) string {
	r.t.Helper()
	var o struct{ ID string }
	must := func(path, body string) string {
		r.t.Helper()
		if status := r.ask("POST", "/api/v1"+path, body, &o); status != 201 {
			r.t.Fatalf("%s: %d", path, status)
		}
		return o.ID
	}
	vnet := must("/region/"+string(region)+"/vnet", `{"name":"lan","interface":"br0"}`)
	must("/vnet/"+vnet+"/subnet", `{"name":"lan-1","cidr":"10.9.0.0/26","gateway":"10.9.0.1","gw_pool":[{"first":"10.9.0.2","last":"10.9.0.5"}]}`)
	pool := must("/region/"+string(region)+"/pool", `{"name":"disks","pool":"dir:disks","agents":["`+string(agent)+`"]}`)
	must("/pool/"+pool+"/template", `{"name":"tiny","source":"file:///images/tiny.img"}`)
	project := must("/project?subnetSize=26", `{"name":"shop","teams":[],"regions":["`+string(region)+`"]}`)
	return "/api/v1/project/" + project + "/zone/" + string(zone) + "/kompute"
}

const web = `{"name":"web","memory":1073741824,"vcpus":1,"disk":1073741824}`

// A host that is not connected is not chosen (behaviour D9): the request is refused and leaves nothing.
func TestD9DeadHostsAreNotElected(t *testing.T) {
	r := start(t, t.TempDir())
	region, zone, agent, _ := r.host("eu")
	path := r.topology(region, zone, agent)
	r.s.fleet.Forget(string(agent))
	if status := r.ask("DELETE", "/api/v1/agent/"+string(agent), "", nil); status != 409 {
		t.Fatalf("an agent in use was deleted: %d", status)
	}
	if status := r.ask("PATCH", "/api/v2/agent/"+string(agent)+"/token", "", nil); status != 200 { // its key is worth nothing now
		t.Fatal(status)
	}
	r.until("the host is gone", func() bool { return !r.s.fleet.Live().Online(string(agent)) })
	var problem struct{ Reason string }
	status := r.ask("POST", path, web, &problem)
	if status != 503 && status != 507 {
		t.Errorf("status %d: %s", status, problem.Reason)
	}
	if !strings.Contains(problem.Reason, "offline") && !strings.Contains(problem.Reason, "connected") {
		t.Errorf("the reason does not name the matter: %s", problem.Reason)
	}
	if v := r.s.store.View(); v.Len(model.KindKompute)+v.Len(model.KindAdapter)+v.Len(model.KindVolume) != 0 {
		t.Error("the refused request left something")
	}
}

// Stopping is graceful (behaviour D8): a creation under way is answered with 503 and the id of its
// operation, and the next start brings it to its end.
func TestD8StopAnswersWhoWaits(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir)
	region, zone, agent, host := r.host("eu")
	path := r.topology(region, zone, agent)
	host.Fail("machine.define", 1<<30) // an agent that cannot, for now
	type answer struct {
		status int
		reason string
	}
	got := make(chan answer, 1)
	go func() {
		var body struct{ Reason string }
		status := r.ask("POST", path, web, &body)
		got <- answer{status, body.Reason}
	}()
	r.until("the operation runs", func() bool {
		for op := range model.All[*operation.Operation](r.s.store.View()) {
			if op.What == "kompute.create" {
				return true
			}
		}
		return false
	})
	r.stop()
	a := <-got
	if a.status != 503 || !strings.Contains(a.reason, "operation") {
		t.Fatalf("who waited got %+v", a)
	}
	r = start(t, dir)
	if status := r.ask("GET", "/api/v1/kompute", "", nil); status != 200 {
		t.Errorf("after the restart: %d", status)
	}
	if report, err := r.s.store.Check(t.Context()); err != nil || !report.OK() {
		t.Errorf("the store: %+v %v", report, err)
	}
}

// A client that hangs up cancels nothing; his repeat is answered with the machine.
func TestHangingUpCancelsNothing(t *testing.T) {
	r := start(t, t.TempDir())
	region, zone, agent, _ := r.host("eu")
	path := r.topology(region, zone, agent)
	ctx, hangUp := context.WithTimeout(t.Context(), time.Millisecond)
	defer hangUp()
	req, err := http.NewRequestWithContext(ctx, "POST", r.url+path, strings.NewReader(web))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", r.key)
	if answer, err := http.DefaultClient.Do(req); err == nil {
		answer.Body.Close()
	}
	// Whether the first request arrived or not, the repeat makes or finds exactly one machine; the one
	// after that is a new request and is refused.
	if status := r.ask("POST", path, web, nil); status != 201 && status != 409 {
		t.Errorf("the repeat: %d", status)
	}
	r.until("one machine", func() bool { return r.s.store.View().Len(model.KindKompute) == 1 })
	if status := r.ask("POST", path, web, nil); status != 409 && status != 201 {
		t.Errorf("the third: %d", status)
	}
	if n := r.s.store.View().Len(model.KindKompute); n != 1 {
		t.Errorf("%d machines", n)
	}
}
