package kahuna

import (
	"net/http"
	"testing"

	"kowabunga/core/model"
)

// An agent that answered before a restart and is away since holds what it may hold; a person's word that its
// host is off ends that, and is on record.
func TestAnAgentThatIsAwaySinceARestartHolds(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir)
	region, zone, agent, _ := r.host("eu")
	r.topology(region, zone, agent)
	var vnet model.ID
	for n := range model.All[*model.VNet](r.s.store.View()) {
		vnet = n.ID
	}
	move := func(vlan string) int {
		return r.ask("PUT", "/api/v1/vnet/"+string(vnet), `{"name":"lan","interface":"br0","vlan":`+vlan+`}`, nil)
	}
	if status := move("7"); status != http.StatusOK {
		t.Fatalf("with the agent there: %d", status)
	}
	r.stop()

	r = start(t, dir) // another port: the simulated host does not follow
	if status := move("8"); status != http.StatusServiceUnavailable {
		t.Errorf("a VLAN that a host may use is free: %d", status)
	}
	if status := r.ask("PATCH", "/api/v2/agents/"+string(agent)+"/fence", "", nil); status >= 300 {
		t.Fatalf("fenced: %d", status)
	}
	if status := move("8"); status != http.StatusOK {
		t.Errorf("after the host is known to be off: %d", status)
	}
	if a, _ := model.Find[*model.Agent](r.s.store.View(), agent); a.Identity == "" || a.Fenced == "" {
		t.Errorf("on record: %+v", a)
	}
}
