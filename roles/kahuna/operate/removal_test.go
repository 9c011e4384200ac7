package operate_test

import (
	"context"
	"slices"
	"testing"

	"kowabunga/core/fault"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/operate"
)

// An agent is removed once others are witnesses in its place; where that does not come about it stays, and
// nobody is asked about an agent that cannot be removed.
func TestAgentIsDismissedBeforeItIsRemoved(t *testing.T) {
	c := newCloud(t)
	c.must("spare", "CreateAgent", nil, nil, `{"name":"spare","type":"Kaktus"}`)
	there := func() bool { _, there := model.Find[*model.Agent](c.store.View(), c.ids["spare"]); return there }
	var asked []model.ID
	var refuse error
	under, done := false, 0
	c.stop()
	c.configure(func(cfg *operate.Config) {
		cfg.Dismiss = func(_ context.Context, agents []model.ID) (func(), error) {
			asked, under = append(asked, agents...), there()
			return func() {
				if done++; there() {
					t.Error("it may be a witness again before it is removed")
				}
			}, refuse
		}
	})
	c.begin()
	if _, err := c.ask("DeleteAgent", map[string]string{"agentId": "agent"}, nil, ""); !fault.Is(err, fault.Conflict) || len(asked) > 0 {
		t.Errorf("an agent of a host: %v, dismissed %v", err, asked)
	}
	refuse = fault.New(fault.Conflict, "the other Kahuna does not answer")
	if _, err := c.ask("DeleteAgent", map[string]string{"agentId": "spare"}, nil, ""); !fault.Is(err, fault.Conflict) || !there() || done != 0 {
		t.Errorf("while it cannot be replaced: %v, there %v, %d times over", err, there(), done)
	}
	refuse, asked = nil, nil
	if _, err := c.ask("DeleteAgent", map[string]string{"agentId": "spare"}, nil, ""); err != nil || there() || done != 1 {
		t.Errorf("once it can be: %v, there %v, %d times over", err, there(), done)
	}
	if !under || !slices.Equal(asked, []model.ID{c.ids["spare"]}) {
		t.Errorf("dismissed %v, there at the time: %v", asked, under)
	}
}
