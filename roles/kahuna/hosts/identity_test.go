package hosts

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/core/holding"
	"kowabunga/core/lease"
	"kowabunga/core/model"
	"kowabunga/roles/kahuna/fleet"
	"kowabunga/store"
)

// Who is admitted is on record; the record outlives restarts, and a host that was made anew replaces it.
func TestAdmit(t *testing.T) {
	s := open(t)
	put(t, s, host()...)
	k := New(s, time.Now, quiet())
	hello := agentproto.Hello{Identity: "first"}
	for _, identity := range []string{"first", "first", "second"} {
		hello.Identity = identity
		if err := k.Admit(context.Background(), string(id(3)), hello); err != nil {
			t.Fatal(err)
		}
		if a, _ := model.Find[*model.Agent](s.View(), id(3)); a.Identity != identity {
			t.Errorf("recorded %q instead of %q", a.Identity, identity)
		}
	}
	before := s.View().Index()
	if err := k.Admit(context.Background(), string(id(3)), hello); err != nil || s.View().Index() != before {
		t.Error("what is known is recorded again", err)
	}
	if err := k.Admit(context.Background(), string(id(99)), hello); !fault.Is(err, fault.NotFound) {
		t.Errorf("an agent that was deleted: %v", err)
	}
	hello.Identity = ""
	if err := k.Admit(context.Background(), string(id(3)), hello); !fault.Is(err, fault.Invalid) {
		t.Errorf("no identity: %v", err)
	}
}

// A connected agent stands for itself, once admitted; of one that never came only what is on record is
// known, and it can stay a witness and not become one.
func TestCandidates(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	r := newRig(t, 0, func(c *fleet.Config) {
		c.Node = c.Epoch().Node
		c.Kahunas = func() []agentproto.Kahuna {
			return []agentproto.Kahuna{{ID: c.Node, Key: key.Public().(ed25519.PublicKey)}}
		}
	})
	live, _ := r.fleet.Live().Get(string(id(3)))
	is := lease.Candidate{Witness: lease.Witness{Agent: string(id(3)), Identity: live.Hello.Identity}, Zone: string(id(2)), Host: live.Hello.BootID, Durable: live.Hello.Durable}
	check := func(what string, want []lease.Candidate, live *fleet.Snapshot, kahunas ...string) {
		t.Helper()
		if got := Candidates(r.store.View(), live, kahunas...); !slices.Equal(got, want) {
			t.Errorf("%s: %+v instead of %+v", what, got, want)
		}
	}
	check("blank", []lease.Candidate{is}, r.fleet.Live())
	check("nothing on record", nil, new(fleet.Snapshot))

	epoch := r.store.Epoch()
	r.fleet.Rise(fleet.Reign{Epoch: epoch, Admit: r.keeper.Admit, Announce: func() lease.Announce {
		return lease.Announce{Certificate: lease.Certify(lease.Won, epoch, key)}
	}})
	r.until("the agent is online", func() bool { return r.fleet.Live().Online(string(id(3))) })
	is.Ready = true
	check("admitted", []lease.Candidate{is}, r.fleet.Live(), "", "another")
	is.Beside = true
	check("on a Kahuna's host", []lease.Candidate{is}, r.fleet.Live(), "another", live.Hello.BootID)
	is.Ready, is.Beside, is.Host, is.Durable = false, false, "", true
	check("on record", []lease.Candidate{is}, new(fleet.Snapshot))
}

// What was lost and is found at an agent stays taken, before allocations go on.
func TestReport(t *testing.T) {
	s := open(t)
	put(t, s, append(host(), &model.VNet{Meta: named(30, "lan"), Region: id(1), Interface: "br0"}, &model.Subnet{Meta: named(31, "lan-1"), VNet: id(30), CIDR: "10.0.0.0/24"})...)
	k := New(s, time.Now, quiet())
	raw, err := json.Marshal(agentproto.Inventory{Cards: map[string][]agentproto.NIC{string(id(40)): {{Adapter: string(id(41)), MAC: "02:00:00:00:00:01", Bridge: "br0", Addresses: []string{"10.0.0.9"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	report := func(raw []byte) (*model.Adapter, error) {
		err := k.Report(t.Context(), string(id(3)), agentproto.Announced{Inventory: raw})
		a, _ := model.One[*model.Adapter](s.View(), "address", string(id(31))+"|10.0.0.9")
		return a, err
	}
	if a, err := report(raw); err != nil || a != nil {
		t.Errorf("nothing was lost: %+v, %v", a, err)
	}
	if _, err := s.Update(t.Context(), store.Cause{Actor: "test"}, func(d model.Draft) error {
		return holding.Lose(d, model.NewDraw([32]byte{1}, time.Unix(1, 0)), "a test")
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := report([]byte("[]")); !fault.Is(err, fault.Malformed) {
		t.Errorf("no inventory: %v", err)
	}
	if a, err := report(raw); err != nil || a == nil || a.ID != id(41) || a.MAC != "02:00:00:00:00:01" {
		t.Errorf("%+v, %v", a, err)
	}
}
