package hosts

import (
	"strings"
	"testing"

	"kowabunga/core/agentproto"
	"kowabunga/core/model"
	"kowabunga/core/wire"
)

// Who asks how an agent stands is told why a state was not sent.
func TestStandingOfAStateThatIsTooLarge(t *testing.T) {
	r := newRig(t, 0)
	to := held{id(3), agentproto.StateServices}
	agent, _ := model.Find[*model.Agent](r.store.View(), id(3))
	r.until("the agent runs its states", func() bool {
		s := r.keeper.Standing(agent).States
		return len(s) == 2 && s[0].Applied && s[1].Applied
	})
	pushes := r.fleet.Counters().Pushes
	r.keeper.pushing.Lock()
	r.keeper.hand(to, make([]byte, largest+1))
	r.keeper.pushing.Unlock()
	s := r.keeper.Standing(agent).States[1]
	if len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "not sent") {
		t.Errorf("it stands %+v", s)
	}
	if r.fleet.Counters().Pushes != pushes {
		t.Error("it was sent all the same")
	}
}

// What an agent says of a node is for who asks about the node, and not what it says of others.
func TestProblemsOfNodesAreTheirOwn(t *testing.T) {
	r := newRig(t, 0)
	put(t, r.store, &model.VNet{Meta: named(30, "lan"), Region: id(1), Interface: "br9", Private: true}, &model.Subnet{Meta: named(31, "lan"), VNet: id(30), Project: id(6), CIDR: "10.0.0.0/24", Gateway: "10.0.0.1"},
		&model.Kawaii{Meta: named(32, "mine"), Project: id(6), Region: id(1), PrivateSubnet: id(31)}, &model.Node{Meta: named(33, "mine"), Project: id(6), Zone: id(2), Kaktus: id(4), Owner: id(32), Role: "kawaii"},
		&model.Konvey{Meta: named(34, "other"), Project: id(6), Region: id(1), Subnet: id(31)}, &model.Node{Meta: named(35, "other"), Project: id(6), Zone: id(2), Kaktus: id(4), Owner: id(34), Role: "konvey"})
	mine, _ := model.Find[*model.Kawaii](r.store.View(), id(32))
	r.until("the agent says what is wrong with the node", func() bool {
		s := r.keeper.Standing(mine).States
		return len(s) == 1 && len(s[0].Problems) == 1 && s[0].Problems[0] == wire.Problem(string(id(33)), "this gateway has no addresses to hold")
	})
	if problems := r.keeper.Standing(mine).Problems; len(problems) == 0 {
		t.Error("nobody is told that it could not be planned")
	}
	agent, _ := model.Find[*model.Agent](r.store.View(), id(3))
	if s := r.keeper.Standing(agent).States[1]; len(s.Problems) != 2 {
		t.Errorf("of all nodes the agent says %q", s.Problems)
	}
}
