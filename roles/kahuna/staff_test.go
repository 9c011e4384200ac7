package kahuna

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/core/nodes"
	"kowabunga/roles/agent"
)

// witness makes an agent that keeps its state on disk and dials some Kahunas.
func (r *running) witness(name string, nodes ...*running) model.ID {
	r.t.Helper()
	var o struct {
		ID  model.ID
		Key string
	}
	if status := r.ask("POST", "/api/v1/agent", fmt.Sprintf(`{"name":%q,"type":"Kaktus"}`, name), &o); status != 201 {
		r.t.Fatalf("an agent is made with %d", status)
	}
	id := o.ID
	if status := r.ask("PATCH", "/api/v2/agent/"+string(id)+"/token", "", &o); status != 200 {
		r.t.Fatalf("a key is drawn with %d", status)
	}
	var urls []string
	for _, n := range append([]*running{r}, nodes...) {
		urls = append(urls, n.url)
	}
	a, err := agent.New(agent.Config{URL: strings.Join(urls, ","), ID: string(id), Kind: agentproto.Kaktus, Key: func() (string, error) { return o.Key, nil }, StateDir: r.t.TempDir(),
		Backoff: agent.Backoff{Least: 10 * time.Millisecond, Most: 200 * time.Millisecond}})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	r.t.Cleanup(func() { cancel(); <-done })
	r.until(name+" obeys", func() bool { return r.s.fleet.Live().Online(string(id)) })
	return id
}

// named are the agents that the newest record that was agreed on names as witnesses.
func (r *running) named() (out []model.ID) {
	for _, w := range r.status().Record.All() {
		out = append(out, model.ID(w.Agent))
	}
	return out
}

func apart(c *Config) { c.apart = true }

// An agent that is removed is no witness any more by the time it is gone: others were agreed on before, by
// the majority of the old and of the new ones, down to the last one.
func TestRemovingAnAgentFirstReplacesItAsWitness(t *testing.T) {
	a := primary(t, t.TempDir(), apart)
	b := a.standby(t.TempDir())
	a.within("the standby is in sync", patienceOfPairs, a.inSync)
	b.key = a.key
	var all []model.ID
	for i := range 4 {
		all = append(all, a.witness(fmt.Sprintf("w%d", i), b))
	}
	a.within("three agents are witnesses", patienceOfPairs, func() bool {
		r := a.status().Record
		return len(r.Witnesses) == 1 && len(r.Witnesses[0]) == 3
	})
	for len(all) > 0 {
		one := all[0]
		if i := slices.IndexFunc(all, func(id model.ID) bool { return slices.Contains(a.named(), id) }); i >= 0 {
			one = all[i] // a witness
		}
		if len(all) == 3 { // at the one that does not act nobody is replaced
			if _, err := b.s.dismiss(t.Context(), []model.ID{one}); !fault.Is(err, fault.Unavailable) {
				t.Errorf("the standby: %v", err)
			}
		}
		if status := b.ask("DELETE", "/api/v1/agent/"+string(one), "", nil); status != 200 {
			t.Fatalf("an agent is removed with %d\n%s", status, a.logs.String())
		}
		if slices.Contains(a.named(), one) {
			t.Errorf("with %d agents: one is gone that is still a witness", len(all))
		}
		if _, there := model.Find[*model.Agent](a.s.store.View(), one); there {
			t.Error("it is still there")
		}
		all = slices.DeleteFunc(all, func(id model.ID) bool { return id == one })
		if n := len(a.named()); n != []int{0, 1, 1, 3}[len(all)] {
			t.Errorf("%d agents are left, %d are witnesses", len(all), n)
		}
	}
	both := func(n nodes.Note) bool { return strings.Contains(n.Detail, "witnesses [3 3]") }
	if notes := a.pairOf().Notes; !slices.ContainsFunc(notes, both) {
		t.Errorf("the old and the new ones were not asked together: %+v", notes)
	}
}

// The witnesses of one Kahuna alone have no voice, and agents are removed at once; what is in use stays.
func TestRemovingAnAgentOfAKahunaAlone(t *testing.T) {
	a := start(t, t.TempDir(), apart)
	_, _, used, _ := a.host("eu")
	id := a.witness("spare")
	if status := a.ask("DELETE", "/api/v2/agents/spare", "", nil); status != 204 {
		t.Errorf("an agent is removed with %d", status)
	}
	if _, there := model.Find[*model.Agent](a.s.store.View(), id); there {
		t.Error("it is still there")
	}
	if status := a.ask("DELETE", "/api/v2/agents/"+string(used), "", nil); status != 409 {
		t.Errorf("an agent of a host is removed with %d", status)
	}
}
